"""``saetext export``: a corpus for other programs: its vectors, its map, or its features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from saetext.errors import InputError
from saetext.io.common_options import labels_option, where_option
from saetext.io.request import Request, option
from saetext.text.terminal import typed
from saetext_cli.common import megabytes, note, require_new
from saetext_cli.declared import expanded
from saetext_cli.meters import progress_bar
from saetext_cli.options import Running

if TYPE_CHECKING:
    from saetext.corpus import Corpus

_KINDS = ("npz", "parquet", "arrow", "atlas", "neuronpedia")


@dataclass(frozen=True, kw_only=True)
class ExportRequest(Request):
    """What to write, of which documents."""

    format: Literal["npz", "parquet", "arrow", "atlas", "neuronpedia"] | None = option(
        "By the file's name: npz, parquet or arrow, which are the vectors. atlas: a map of the texts, in "
        "Parquet. neuronpedia: features with labels and examples.",
        default=None,
    )
    pooling: str | None = option(
        "Value of a feature in an npz matrix: max (default), mean, total, count or binary.", default=None
    )
    where: str | None = where_option()
    sae: str | None = option(
        "Which SAE's features to write, where a corpus has several.", default=None, metavar="NAME"
    )
    clusters: Path | None = option(
        "With atlas: the clusters, by default x.clusters beside x.corpus.", default=None, metavar="DIR"
    )
    name: str | None = option(
        "With neuronpedia: the model and source to be there, e.g. gpt2-small/6-res-jb.",
        default=None,
        metavar="MODEL/SOURCE",
        flags=("--as",),
    )
    features: str | None = option(
        "With neuronpedia: only these features, by default all that are present.",
        default=None,
        metavar="N,N,...",
    )
    examples: int | None = option(
        "With neuronpedia: most examples of each feature; by default 12.", default=None, least=1, most=300
    )
    labels: Path | None = labels_option(within="With neuronpedia")

    def kind(self, output: Path) -> str:
        """Return what to write.

        Raises
        ------
        InputError
            If neither the format nor the file's name says.
        """
        kind = self.format or output.suffix.lstrip(".").lower()
        if kind not in _KINDS:
            raise InputError(
                f"cannot tell the format of {output}: name it with --format ({', '.join(_KINDS)})"
            )
        return kind

    def require_fitting(self, kind: str) -> None:
        """Raise if an option has no meaning for what is written."""
        of = {"clusters": ("atlas",), "sae": ("npz", "parquet", "arrow", "neuronpedia")}
        of |= dict.fromkeys(("name", "features", "examples", "labels"), ("neuronpedia",))
        for name, kinds in of.items():
            if getattr(self, name) is not None and kind not in kinds:
                spelt = "as" if name == "name" else name
                raise typer.BadParameter(f"--{spelt} does not go with --format {kind}")
        if self.pooling is not None and kind in ("atlas", "neuronpedia"):
            raise typer.BadParameter(f"--pooling does not go with --format {kind}")


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "export",
        epilog="Examples: saetext export answers.corpus -o matrix.npz --pooling binary; "
        "saetext export answers.corpus -o map.parquet --format atlas; "
        "saetext export answers.corpus -o np --format neuronpedia --as gpt2-small/6-res-jb",
    )(expanded(export))


def export(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="File to write, for neuronpedia a directory; must not exist."),
    ],
    request: ExportRequest,
    running: Running,
) -> None:
    """Write a corpus for other programs: its vectors, a map of its texts, or its features with examples.

    Vectors are a SciPy matrix (npz), Parquet or plain Arrow. A map is what saetext cluster has drawn.
    Features with their labels and examples, which are read again, are in the files that Neuronpedia imports.
    """
    from saetext.corpus import Corpus

    kind = request.kind(output)
    request.require_fitting(kind)
    require_new(output)
    opened = Corpus.open(corpus)
    if request.where is not None:
        opened = opened.select(request.where)
    if kind == "atlas":
        _atlas(opened, output, request)
    elif kind == "neuronpedia":
        _neuronpedia(opened, output, request, running)
    else:
        _vectors(opened, output, request, kind)


def _vectors(opened: Corpus, path: Path, request: ExportRequest, kind: str) -> None:
    from saetext.corpus.export import export as write

    write(opened, path, kind, pooling=request.pooling, sae=request.sae)  # type: ignore[arg-type]  # one of them
    note(f"wrote {path}: {len(opened):,} documents, {megabytes(path.stat().st_size)}")


def _atlas(opened: Corpus, path: Path, request: ExportRequest) -> None:
    from saetext.analysis.clusters.atlas import export_atlas

    left_out = export_atlas(opened, path, request.clusters)
    more = f"; {left_out:,} without a place on the map are left out" if left_out else ""
    note(f"wrote {path}: {len(opened) - left_out:,} texts, {megabytes(path.stat().st_size)}{more}")


def _neuronpedia(opened: Corpus, path: Path, request: ExportRequest, running: Running) -> None:
    from saetext.features.neuronpedia_files import export_neuronpedia
    from saetext_cli.rereading import reader_of

    reader = reader_of(opened, running.device, running.dtype)
    with progress_bar("reading the examples") as show:
        told = export_neuronpedia(
            opened,
            path,
            name=request.name,
            features=_numbers(request.features),
            examples=12 if request.examples is None else request.examples,
            sae=request.sae,
            labels=request.labels,
            reader=reader,
            on_progress=show,
        )
    note(f"wrote {typed(path)}: {told}")


def _numbers(given: str | None) -> list[int] | None:
    if given is None:
        return None
    parts = [part.strip() for part in given.split(",") if part.strip()]
    if not parts or not all(part.isascii() and part.isdecimal() for part in parts):
        raise typer.BadParameter("--features takes feature numbers, such as 3,17")
    return [int(part) for part in parts]
