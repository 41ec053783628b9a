"""``saetext attend``: where attention heads look in a text, and which kinds of head they are."""

from __future__ import annotations

from typing import Annotated

import typer

from saetext.intervene.heads.request import AttendRequest
from saetext_cli.analysing import finish, write_table
from saetext_cli.common import colored, convert_first, encoding, require_new, width
from saetext_cli.declared import expanded
from saetext_cli.meters import progress_bar
from saetext_cli.options import PageOutput, Running
from saetext_cli.outputs import all_or_none
from saetext_cli.written import write_page


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "attend",
        epilog='Example: saetext attend smollm2 "When Anna met Peter, Anna gave the key to" '
        "--html heads.html",
    )(expanded(attend))


def attend(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A language model that writes: smollm2, a name, a directory."),
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Plain text, read as it is.")],
    request: AttendRequest,
    running: Running,
    output: PageOutput,
) -> None:
    """Show where the attention heads of a model look in a text, and which kinds of head they are.

    Every head is scored on probes: random tokens that come twice (previous token, duplicate token, induction)
    and sentences with two names (name mover). Each score stands beside what the head does where there is
    nothing to find. --html writes layers by heads with the pattern of each.
    """
    for path in output.files:
        require_new(path)
    convert_first(model)
    from saetext.intervene.heads.run import attend as compute
    from saetext.report.console.heads import render_heads

    asked = request.replace(device=running.device, dtype=running.dtype)
    with progress_bar("loading the model") as show:
        found = compute(model, text, **asked.replace(on_progress=show).keywords())
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        write_page(found, output.html)
    finish(found, output, lambda: render_heads(found, width(), colored(), encoding=encoding()))
