"""``saetext pull``: a corpus or a file from an object store to here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext_cli.common import megabytes, note
from saetext_cli.meters import progress_bar


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("pull", epilog="Example: saetext pull s3://bucket/answers.corpus answers.corpus")(pull)


def pull(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL", help="A corpus or a file: s3://BUCKET/NAME, gs://, abfs://, file:///PATH."
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="DIR", help="The new corpus; or a new file, or a folder for it.")
    ],
) -> None:
    """Copy a corpus, every byte checked, or a file from an object store. Interrupted, a corpus resumes.

    Nothing is to be seen at DIR before it is whole; a single file begins anew. Keys come from the
    environment, as the store's own tools read them; AWS_ENDPOINT_URL names another S3.
    """
    from saetext.corpus.transfer import pull as run

    with progress_bar("looking") as show:
        made = run(url, target, on_progress=show)
    if isinstance(made, Path):
        note(f"{made}: {megabytes(made.stat().st_size)}")
        return
    note(f"{target}: {made.n_documents:,} documents, {megabytes(made.sizes()['total'])}")
