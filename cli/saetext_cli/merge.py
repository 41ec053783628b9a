"""``saetext merge``: several corpora of one reader as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext_cli.common import megabytes, note
from saetext_cli.meters import progress_bar


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("merge", epilog="Example: saetext merge monday.corpus tuesday.corpus -o week.corpus")(merge)


def merge(
    corpora: Annotated[
        list[Path], typer.Argument(metavar="CORPUS...", help="Finished corpora, two or more.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The new corpus.")],
) -> None:
    """Make one corpus of several that the same reader made.

    Files are linked where the file system can, else copied; no model is run. Labels and the index
    stay with the corpora they are in.
    """
    from saetext.corpus.merging import merge as run

    with progress_bar() as show:
        made = run(corpora, output, on_progress=show)
    counts = made.manifest.counts
    note(
        f"{output}: {counts['documents']:,} documents, {counts['tokens']:,} tokens, "
        f"{megabytes(made.sizes()['total'])}"
    )
    left = [one for one in corpora if any(one.glob("labels*.parquet"))]
    if left:
        note(f"labels stay where they are: copy labels*.parquet from {left[0]} if they are to be used")
