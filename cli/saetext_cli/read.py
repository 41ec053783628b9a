"""``saetext read``: what a reader sees in a text."""

from __future__ import annotations

from typing import Annotated

import typer

from saetext.errors import InputError
from saetext_cli.looks import print_look
from saetext_cli.options import Labelled, ReaderChoice
from saetext_cli.printing import standard_input


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("read", epilog='Example: saetext read "I am so sorry, perhaps we could try again?"')(read)


def read(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text itself, or - for stdin.")],
    choice: ReaderChoice,
    labelled: Labelled,
    top: Annotated[int, typer.Option("--top", help="Number of features to show; 0 for all.", min=0)] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what the reader sees in a text: its strongest features on the words."""
    content = _typed() if text == "-" else text
    reading = choice.load().read(content)
    print_look(reading.look(0, sae=labelled.sae, top=top, labels=labelled.labels), as_json)


def _typed() -> str:
    try:
        return standard_input().read()
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8 at byte {error.start}: convert it first") from error
    except OSError as error:
        raise InputError(f"cannot read standard input: {error.strerror or error}") from error
