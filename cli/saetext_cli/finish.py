"""``saetext finish``: the shards that slices have landed into a corpus, or what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext.text.terminal import visible
from saetext_cli.common import megabytes, note, place_shown, result
from saetext_cli.meters import progress_bar


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("finish", epilog="Example: saetext finish answers.corpus --status")(finish)


def finish(
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="What encode --slice wrote into, a directory or a URL.")
    ],
    status: Annotated[bool, typer.Option("--status", help="Say what is missing, and write nothing.")] = False,
) -> None:
    """Make a corpus of the shards that slices have encoded; --status says what is missing.

    It needs neither the texts nor a model, and reads every file once.
    """
    from saetext.corpus.finishing import finish_slices
    from saetext.corpus.finishing import status as status_of
    from saetext.corpus.notices import warn_of_encoding

    shown = place_shown(corpus)
    if status:
        found = status_of(corpus)
        if found.finished:
            told = "finished"
        else:
            told = found.describe() + (f": 'saetext finish {shown}' makes the corpus" * found.whole)
        result(visible(f"{shown}: {told}"))
        return
    with progress_bar() as show:
        made = finish_slices(corpus, on_progress=show)
    counts = made.manifest.counts
    note(
        f"{shown}: {counts['documents']:,} documents, {counts['tokens']:,} tokens, "
        f"{megabytes(made.sizes()['total'])}"
    )
    warn_of_encoding(made)
