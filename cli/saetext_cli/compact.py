"""``saetext compact``: a corpus of many small shards as one of fewer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext_cli.common import megabytes, note
from saetext_cli.meters import progress_bar


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("compact", epilog="Example: saetext compact answers.corpus -o compact.corpus")(compact)


def compact(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A finished corpus; it stays as it is.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The new corpus.")],
    shard_rows: Annotated[
        int, typer.Option("--shard-rows", metavar="N", min=1, help="Input rows of a shard, at most.")
    ] = 10_000,
) -> None:
    """Write a corpus with fewer, larger shards.

    Daily appends leave a shard each. Documents, features and labels are the same; no model is run.
    """
    from saetext.corpus import Corpus
    from saetext.corpus.compacting import compact as run

    source = Corpus.open(corpus)
    with progress_bar() as show:
        made = run(source, output, shard_rows=shard_rows, on_progress=show)
    counts, before = made.manifest.counts, len(source.manifest.shards)
    note(
        f"{output}: {counts['documents']:,} documents, {before:,} shards are now "
        f"{len(made.manifest.shards):,}, {megabytes(made.sizes()['total'])}"
    )
