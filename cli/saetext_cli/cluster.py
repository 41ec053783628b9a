"""``saetext cluster``: what is in a pile of documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.analysis.clusters.request import ClusterRequest, CompareRequest, PredictRequest
from saetext.errors import InputError
from saetext.io.request import keyword, option
from saetext_cli.analysing import finish, write_table
from saetext_cli.asking import require_answers, tell_costs
from saetext_cli.common import colored, encoding, given_options, note, require_new, short_names, width
from saetext_cli.declared import expanded
from saetext_cli.making import open_or_encode_all
from saetext_cli.meters import progress_bar
from saetext_cli.options import Endpoint, FileColumns, PageOutput, Running
from saetext_cli.outputs import all_or_none
from saetext_cli.rereading import reader_of

if TYPE_CHECKING:
    from saetext.analysis.clusters.result import ClusterResult
    from saetext.io.llm import ChatClient

# What is asked for anew of each corpus; all else was settled when the clusters were fitted
_ANEW = {"where", "sample", "seed", "top", "labels", "truth", "clusters", "over", "bin", "pair_on"}


@dataclass(frozen=True, kw_only=True)
class MapOutput(PageOutput):
    """Output with a map, and the directory in which the clusters are kept."""

    output: Path | None = option(
        "Directory in which to keep the clusters; by default beside the corpus.",
        default=None,
        metavar="DIR",
        flags=("--output", "-o"),
        group="Output",
    )
    png: Path | None = option(
        "Write a picture of the map (png, svg or pdf).", default=None, metavar="FILE", group="Output"
    )

    documents: Path | None = option(
        "Write a row a document, with its cluster, text and columns (csv, xlsx or parquet).",
        default=None,
        metavar="FILE",
        group="Output",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.documents is not None and self.documents.suffix.lower() not in (".csv", ".xlsx", ".parquet"):
            raise InputError("a file of documents ends in .csv, .xlsx or .parquet")
        if self.png is not None and self.png.suffix.lower() not in (".png", ".svg", ".pdf"):
            raise InputError("a picture's name ends in .png, .svg or .pdf")

    @property
    def files(self) -> tuple[Path | None, ...]:
        """What will be written."""
        return (*super().files, self.png, self.documents, self.output)

    @property
    def writes_csv(self) -> bool:
        """Whether there is any CSV."""
        return self.as_csv or (self.documents is not None and self.documents.suffix.lower() == ".csv")


@dataclass(frozen=True, kw_only=True)
class NamingEndpoint(Endpoint):
    """The language model that names the clusters, in one request."""

    llm: bool = option(
        "Let the language model --model name the clusters.", default=False, group="Language model"
    )
    concurrency: int = keyword("Number of requests at a time: there is one.", default=1)

    def namer(self) -> ChatClient | None:
        """Return the client, where names by a language model are asked for.

        Raises
        ------
        InputError
            If no endpoint was named.
        """
        client = self.client()
        if self.llm and client is None:
            raise InputError("names by a language model need an endpoint: give --base-url and --model")
        return client if self.llm else None


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "cluster",
        epilog="Examples: saetext cluster prompts.corpus --html map.html; "
        'saetext cluster prompts.corpus --include "tone" --include "politeness:2" --exclude "topic"; '
        "saetext cluster --predict prompts.clusters new.corpus; "
        "saetext cluster --compare october.corpus november.corpus; "
        "saetext cluster prompts.corpus --over created",
    )(expanded(cluster))


def cluster(
    context: typer.Context,
    corpora: Annotated[
        list[Path],
        typer.Argument(metavar="CORPUS...", help="A corpus or a data file; several with --compare."),
    ],
    request: CompareRequest,
    columns: FileColumns,
    running: Running,
    output: MapOutput,
    endpoint: NamingEndpoint,
    predict: Annotated[
        Path | None,
        typer.Option(
            "--predict", metavar="MODEL", help="Place the documents in clusters that an earlier run wrote."
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Compare two sets or more, such as months: shares of each cluster side by side.",
            rich_help_panel="What changed",
        ),
    ] = False,
) -> None:
    """Group documents by what they share, say in words what each group is, and draw the map.

    Documents become vectors of their features, weighted by rarity, and joined by a semantic map: a linear map
    from features to sentence embeddings. UMAP and HDBSCAN find the groups. A data file given for a corpus is
    encoded first.
    """
    from saetext.analysis.clusters.model import default_path, load_model, save_clusters
    from saetext.analysis.clusters.sheet import require_sheet
    from saetext.report.console.clusters import render_clusters

    _require_sets(corpora, compare, request)
    if predict is not None:
        _require_anew(context, request)
    client = endpoint.namer()
    for path in output.files:
        require_new(path)
    if output.documents is not None:
        require_sheet(output.documents)
    model = load_model(predict) if predict is not None else None
    every: list[Any] = open_or_encode_all(
        corpora, device=running.device, dtype=running.dtype, asked=request, **columns.given()
    )
    with progress_bar("reading") as show:
        asked = request.replace(
            include=_weighted(request.include), name=short_names(corpora)[0], client=client, on_progress=show,
            model=model, names=short_names(corpora) if compare else None,
        )  # fmt: skip
        found = _computed(every, asked, model, compare)
    tell_costs(client)
    opened = every[0] if not compare else _joined(every, asked)
    if compare:  # it was selected from, set by set
        request = request.replace(where=None, sample=None, clusters=None)
    folder = output.output or default_path(_beside(every))
    with all_or_none(folder, *output.files):
        kept = save_clusters(_kept(found), opened.spec, folder)
        note(f"wrote {kept}: documents.parquet has the cluster of each document")
        write_table(found, output.parquet)
        _write_documents(found, request.chosen(opened), output)
        _write_map(found, request.chosen(opened), request, output, running)
    finish(
        found,
        output,
        lambda: render_clusters(found, width(), colored(), top=request.most, encoding=encoding()),
    )
    require_answers(client)


def _require_anew(context: typer.Context, request: ClusterRequest) -> None:
    """Refuse options that the fit settled, even at their default: they were meant to change something."""
    settled = [name for name in ClusterRequest.option_names() if name not in _ANEW]
    settled += ["llm", *(() if request.sample else ("seed",))]
    given = given_options(context, settled)
    if given:
        raise typer.BadParameter(
            f"--predict places in clusters as they were fitted: it does not go with {', '.join(given)}"
        )


def _require_sets(corpora: list[Path], compare: bool, request: CompareRequest) -> None:
    if compare and len(corpora) < 2:
        raise typer.BadParameter("--compare takes two corpora or more, such as two months, and here is one")
    if not compare and len(corpora) > 1:
        raise typer.BadParameter(f"expected one corpus, got {len(corpora)}; --compare compares several")
    if compare and request.over is not None:
        raise typer.BadParameter("--over is for one corpus: compare sets, or look at one over time")
    if request.pair_on is not None and not compare:
        raise typer.BadParameter("--pair-on is for two sets: --compare")


def _beside(opened: Sequence[Any]) -> Path:
    """Return a path beside the first corpus, called by all of them where they are few."""
    first = opened[0].path
    if len(opened) == 1:
        return Path(first)
    stems = [one.path.resolve().name.removesuffix(".corpus") for one in opened]
    called = "-".join(stems) if len(stems) < 4 else f"{stems[0]}-and-{len(stems) - 1}-more"
    return Path(first).resolve().parent / called


def _joined(every: Sequence[Any], request: CompareRequest) -> Any:
    from saetext.analysis.clusters.changes.comparing import joined_of

    return joined_of(every, request)


def _computed(every: Sequence[Any], request: CompareRequest, model: Any, compare: bool) -> ClusterResult:
    from saetext.analysis.clusters.changes.comparing import compare as compare_sets
    from saetext.analysis.clusters.run import cluster as compute
    from saetext.analysis.clusters.run import predict as place

    if compare:
        return compare_sets(*every, **request.keywords())
    opened = every[0]
    if model is None:
        given = {n: v for n, v in request.keywords().items() if n not in ("pair_on", "names", "model")}
        return compute(opened, **given)
    shared = {name: getattr(request, name) for name in PredictRequest.option_names()}
    return place(model, opened, **shared)


def _kept(found: ClusterResult) -> ClusterResult:
    """Return what is saved: placed documents go without the fit, which is where they were placed by."""
    return dataclasses.replace(found, fitted=None) if found.params.get("model") else found


def _weighted(given: Any) -> dict[str, float]:
    """Return phrases with their weights, ``"tone:2"``; a colon before no number is part of it."""
    phrases: Sequence[str] = given
    weights: dict[str, float] = {}
    for phrase in phrases:
        words, colon, number = phrase.rpartition(":")
        try:
            weight = float(number) if colon else 1.0
        except ValueError:
            words, colon, weight = phrase, "", 1.0
        weights[words.strip() if colon else phrase.strip()] = weight
    return weights


def _write_documents(found: ClusterResult, opened: Any, output: MapOutput) -> None:
    if output.documents is None:
        return
    from saetext.analysis.clusters.sheet import write_documents

    for line in write_documents(found, opened, output.documents, raw=output.raw_csv, bom=output.csv_bom):
        note(f"note: {line}")
    note(f"wrote {output.documents}")


def _write_map(
    found: ClusterResult, opened: Any, request: ClusterRequest, output: MapOutput, running: Running
) -> None:
    """Write the map as a page, as a picture, or as both, where files are named."""
    if output.html is None and output.png is None:
        return
    from saetext.report.html.map_gathering import map_page

    labels = request.labels_of(opened, found.params["sae"])
    first = getattr(opened, "sets", [opened])[0]
    reader = reader_of(first, running.device, running.dtype) if output.html is not None else None
    with progress_bar("reading the examples") as show:
        page = map_page(found, opened, labels, reader=reader, on_progress=show)
    if output.html is not None:
        from saetext.analysis.export import write_text
        from saetext.report.html.map_page import render_map_page

        write_text(output.html, render_map_page(page))
        note(f"wrote {output.html}")
    if output.png is not None:
        from saetext.report.html.map_picture import write_map_picture

        write_map_picture(page, output.png)
        note(f"wrote {output.png}")
