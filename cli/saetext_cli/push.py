"""``saetext push``: a corpus or a file from here to an object store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext_cli.common import note
from saetext_cli.meters import progress_bar


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("push", epilog="Example: saetext push answers.corpus s3://bucket/answers.corpus")(push)


def push(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A finished corpus, or a file.")],
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="Where it goes: s3://BUCKET/NAME, gs://, abfs://, file:///PATH."),
    ],
) -> None:
    """Copy a corpus or a file to an object store, every byte checked. Interrupted, a corpus resumes.

    Each file is read back and compared, and the manifest is put last: until then there is no corpus. Labels
    go with a corpus, its index does not. Another corpus is never written over.
    """
    from saetext.corpus.transfer import push as run

    with progress_bar("looking") as show:
        shown = run(source, url, on_progress=show)
    note(f"{shown}: whole, and read back")
