"""``saetext upgrade``: a corpus in the newest layout on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext.text.terminal import visible
from saetext_cli.common import result


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("upgrade", epilog="Example: saetext upgrade answers.corpus")(upgrade)


def upgrade(corpus: Annotated[Path, typer.Argument(metavar="CORPUS")]) -> None:
    """Bring a corpus to the newest layout on disk."""
    from saetext.corpus.upgrading import upgrade as run

    result(visible(f"{corpus} has the layout {run(corpus)}, the newest there is"))
