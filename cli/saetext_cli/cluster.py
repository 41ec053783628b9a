"""``saetext cluster``: what is in a pile of documents."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.errors import InputError
from saetext_cli.analysing import (
    AsCsv,
    AsJson,
    Sample,
    Where,
    finish,
    require_one_format,
    selected,
    write_table,
)
from saetext_cli.common import (
    Device,
    Dtype,
    IdColumn,
    LabelFile,
    PromptColumn,
    TapName,
    TextColumn,
    colored,
    encoding,
    given_options,
    note,
    require_new,
    short_names,
    width,
)
from saetext_cli.endpoint import ApiKeyEnv, BaseUrl, ModelName, PriceIn, PriceOut, client_for
from saetext_cli.making import open_or_encode
from saetext_cli.meters import progress_bar
from saetext_cli.rereading import reader_of

if TYPE_CHECKING:
    from saetext.analysis.clusters import ClusterResult


# What was settled when the clusters were fitted
FITTING = (
    "along", "without", "features", "min_cluster_size", "min_samples", "method", "assign_noise", "metric",
    "meaning", "dims", "neighbours", "components", "epochs", "max_share", "fit_on", "trust", "llm", "tap",
)  # fmt: skip


class Metric(StrEnum):
    """What nearness is."""

    cosine = "cosine"
    jaccard = "jaccard"


class Method(StrEnum):
    """How clusters are selected from the tree."""

    eom = "eom"
    leaf = "leaf"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "cluster",
        epilog="Examples: saetext cluster prompts.corpus --html map.html; "
        'saetext cluster prompts.corpus --along "tone" --along "politeness:2" --without "topic"; '
        "saetext cluster --predict prompts.clusters new.corpus",
    )(cluster)


def cluster(
    context: typer.Context,
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A corpus or a data file.")],
    along: Annotated[
        list[str] | None,
        typer.Option(
            "--along",
            metavar='"TEXT"[:WEIGHT]',
            help="Only features whose labels are like this; may be repeated.",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar='"TEXT"', help="No features like this; may be repeated."),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option("--features", metavar="N[:W],...", help="These features, by number, with weights."),
    ] = None,
    predict: Annotated[
        Path | None,
        typer.Option(
            "--predict", metavar="MODEL", help="Place the documents in clusters that an earlier run wrote."
        ),
    ] = None,
    where: Where = None,
    sample: Sample = None,
    min_cluster_size: Annotated[
        int | None,
        typer.Option("--min-cluster-size", help="Fewest documents; suggested from their number.", min=2),
    ] = None,
    min_samples: Annotated[
        int, typer.Option("--min-samples", help="Of HDBSCAN; more of them, more noise.", min=1)
    ] = 5,
    method: Annotated[
        Method, typer.Option("--method", help="Excess of mass, or leaves: finer clusters.")
    ] = Method.eom,
    assign_noise: Annotated[
        bool, typer.Option("--assign-noise", help="Put noise where it belongs most.")
    ] = False,
    metric: Annotated[
        Metric, typer.Option("--metric", help="Of vectors, or of the features present (small corpora).")
    ] = Metric.cosine,
    meaning: Annotated[
        bool,
        typer.Option(
            "--meaning/--no-meaning", help="Learn from a sample of texts what features mean together."
        ),
    ] = True,
    dims: Annotated[int, typer.Option("--dims", help="Dimensions of the SVD.", min=2)] = 100,
    neighbours: Annotated[
        int, typer.Option("--neighbours", help="Of each document in the graph.", min=2)
    ] = 15,
    components: Annotated[
        int, typer.Option("--components", help="Dimensions of UMAP for the clusters.", min=2)
    ] = 5,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Of UMAP.", min=1)] = None,
    max_share: Annotated[
        float, typer.Option("--max-share", help="Features in more of the documents do not count.")
    ] = 0.5,
    fit_on: Annotated[
        int, typer.Option("--fit-on", help="Documents to fit; the others are placed.", min=20)
    ] = 50_000,
    truth: Annotated[
        str | None, typer.Option("--truth", metavar="COLUMN", help="Labels to compare the clusters with.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="DBCV, stability over seeds and subsamples, silhouette.")
    ] = False,
    top: Annotated[int, typer.Option("--top", help="Clusters to show; 0 for all.", min=0)] = 20,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where to keep them; beside the corpus."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the map, one self-contained page.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Write a picture of the map (png, svg, pdf).")
    ] = None,
    llm: Annotated[bool, typer.Option("--llm", help="Names by the language model --model.")] = False,
    base_url: BaseUrl = None,
    model: ModelName = None,
    api_key_env: ApiKeyEnv = "OPENAI_API_KEY",
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    tap: TapName = None,
    labels: LabelFile = None,
    seed: Annotated[int, typer.Option("--seed", help="Of everything random.", min=0)] = 0,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="FILE", help="Write the table of clusters too.")
    ] = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    prompt_column: PromptColumn = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Group documents by what they share, say in words what each group is, and draw the map.

    Documents become vectors of their features, weighted by rarity, joined by what the features mean together;
    UMAP and HDBSCAN find the groups. A data file given for a corpus is encoded first.
    """
    from saetext.analysis.clusters import Settings, default_path, load_model, save_clusters
    from saetext.analysis.clusters import cluster as compute
    from saetext.analysis.clusters import predict as place
    from saetext.features.known_labels import labels_for
    from saetext.report.console.clusters import render_clusters

    require_one_format(as_json, as_csv)
    if predict is not None:
        given = given_options(context, [*FITTING, *(() if sample else ("seed",))])
        if given:
            raise typer.BadParameter(
                f"--predict places in clusters as they were fitted: it does not go with {', '.join(given)}"
            )
    client = client_for(base_url, model, api_key_env, 1, price_in, price_out)
    if llm and client is None:
        raise InputError("names by a language model need an endpoint: give --base-url and --model")
    for path in (parquet, html, png, output):
        require_new(path)
    if png is not None and png.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise typer.BadParameter("a picture's name ends in .png, .svg or .pdf", param_hint="--png")
    known_model = load_model(predict) if predict is not None else None
    opened: Any = open_or_encode(
        corpus, device=device, dtype=dtype, text=text_column, id=id_column, prompt=prompt_column
    )
    path_of = opened.path
    opened = selected(opened, where, corpus)
    if sample is not None and sample < len(opened):
        opened = opened.select(_drawn(len(opened), sample, seed))
    known = labels_for(opened, tap if known_model is None else known_model.tap, labels)
    name = short_names([corpus])[0]
    with progress_bar("reading") as show:
        if known_model is not None:
            found = place(known_model, opened, truth=truth, name=name, labels=known, on_progress=show)
        else:
            settings = Settings(
                metric=metric.value, dims=dims, max_share=max_share, meaning=meaning, neighbours=neighbours,
                components=components, epochs=epochs, min_cluster_size=min_cluster_size,
                min_samples=min_samples, method=method.value, assign_noise=assign_noise, fit_on=fit_on,
                seed=seed,
            )  # fmt: skip
            found = compute(
                opened,
                along=_weighted(along),
                without=without or (),
                features=_numbered(features),
                settings=settings,
                truth=truth,
                trust=trust,
                client=client if llm else None,
                tap=tap,
                name=name,
                labels=known,
                on_progress=show,
            )
    more = {key: value for key, value in (("where", where), ("sample", sample)) if value is not None}
    found = dataclasses.replace(found, params={**found.params, **more})
    if llm and client is not None:
        note(client.ledger.describe())
    kept = save_clusters(_kept(found), opened.spec, output or default_path(path_of))
    note(f"wrote {kept}: documents.parquet has the cluster of each document")
    write_table(found, parquet)
    if html is not None or png is not None:
        _write_map(found, opened, known, html, png, device, dtype)
    finish(
        found,
        as_json,
        as_csv,
        lambda: render_clusters(found, width(), colored(), top=top or None, encoding=encoding()),
    )


def _kept(found: ClusterResult) -> ClusterResult:
    """Return what is saved: placed documents go without the fit, which is where they were placed by."""
    return dataclasses.replace(found, fitted=None) if found.params.get("model") else found


def _weighted(given: list[str] | None) -> dict[str, float]:
    weights: dict[str, float] = {}
    for phrase in given or ():
        words, colon, number = phrase.rpartition(":")
        try:
            weight = float(number) if colon else 1.0
        except ValueError:
            words, colon, weight = phrase, "", 1.0
        weights[words.strip() if colon else phrase.strip()] = weight
    return weights


def _numbered(given: str | None) -> dict[int, float] | None:
    if given is None:
        return None
    found: dict[int, float] = {}
    for part in given.split(","):
        number, _, weight = part.strip().partition(":")
        try:
            found[int(number)] = float(weight) if weight else 1.0
        except ValueError:
            raise typer.BadParameter(
                f"{part.strip()!r} is no feature: give numbers, with weights if you like, such as 12,88:2",
                param_hint="--features",
            ) from None
    return found


def _drawn(n: int, sample: int, seed: int) -> Any:
    import numpy as np

    return np.sort(np.random.default_rng([seed, 14]).permutation(n)[:sample])


def _write_map(
    found: ClusterResult,
    opened: Any,
    labels: Any,
    html: Path | None,
    png: Path | None,
    device: str,
    dtype: str,
) -> None:
    from saetext.report.html.map_gathering import map_page

    reader = reader_of(opened, device, dtype) if html is not None else None
    with progress_bar("reading the examples") as show:
        page = map_page(found, opened, labels, reader=reader, on_progress=show)
    if html is not None:
        from saetext.analysis.export import write_text
        from saetext.report.html.map_page import render_map_page

        write_text(html, render_map_page(page))
        note(f"wrote {html}")
    if png is not None:
        from saetext.report.html.map_picture import write_map_picture

        write_map_picture(page, png)
        note(f"wrote {png}")
