"""``saetext export``: a corpus's vectors for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext.errors import InputError
from saetext_cli.common import megabytes, note


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("export", epilog="Example: saetext export answers.corpus -o matrix.npz --pooling binary")(
        export
    )


def export(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; must not exist.")],
    format: Annotated[
        str | None, typer.Option("--format", help="npz, parquet or arrow; by the file's name.")
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(
            "--pooling",
            help="Value of a feature in an npz matrix: max (default), mean, total, count or binary.",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            metavar="EXPR",
            help="Use only the documents for which this condition holds, e.g. \"topic = 'travel'\".",
        ),
    ] = None,
    sae: Annotated[
        str | None,
        typer.Option(
            "--sae", metavar="NAME", help="Which SAE's features to write, where a corpus has several."
        ),
    ] = None,
) -> None:
    """Write a corpus's vectors as a SciPy matrix (npz), Parquet or plain Arrow."""
    from saetext.corpus import Corpus
    from saetext.corpus.export import FORMATS
    from saetext.corpus.export import export as write

    opened = Corpus.open(corpus)
    kind = format or output.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise InputError(f"cannot tell the format of {output}: name it with --format ({', '.join(FORMATS)})")
    if where is not None:
        opened = opened.select(where)
    write(opened, output, kind, pooling=pooling, sae=sae)  # type: ignore[arg-type]  # one of FORMATS
    note(f"wrote {output}: {len(opened):,} documents, {megabytes(output.stat().st_size)}")
