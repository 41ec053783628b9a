"""The page of ``saetext --help``, in the look of typer's pages for single commands.

Typer draws help with Markdown, tracebacks and syntax colours at hand, and importing those alone takes as long
as all of ``saetext --help`` may (tests/test_startup.py). Not for: the help of single commands.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.panel import Panel

_FORCING = ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS")  # what makes typer draw in colour to a file


def print_overview(group: Any, context: Any) -> None:
    """Print usage, help, options and commands of a group to standard output."""
    from rich.padding import Padding
    from rich.text import Text

    console = _console()
    usage = Text(group.get_usage(context), style="bold")
    usage.highlight_regex(r"^Usage:", "yellow")
    console.print(Padding(usage, 1))
    console.print(Padding(Text(group.help or ""), (0, 1, 1, 1)))
    records = [param.get_help_record(context) for param in group.get_params(context)]
    console.print(_panel("Options", [record for record in records if record is not None]))
    listed = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    # a command without a short line is asked for its help
    lines = [(name, command.short_help or _first(command.help)) for name, command in listed]
    console.print(_panel("Commands", lines))
    if group.epilog:
        console.print(Padding(Text(group.epilog), 1))


def _console() -> Console:
    from rich.console import Console

    forced: bool | None = any(os.environ.get(name) for name in _FORCING) or None
    if os.environ.get("_TYPER_FORCE_DISABLE_TERMINAL"):
        forced = False
    width = os.environ.get("TERMINAL_WIDTH", "")
    return Console(
        force_terminal=forced, highlight=False, emoji=False, width=int(width) if width.isdecimal() else None
    )


def _panel(title: str, rows: list[tuple[str, str]]) -> Panel:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, expand=True, pad_edge=False, padding=(0, 1), highlight=False)
    table.add_column(style="bold cyan", no_wrap=True)
    table.add_column(ratio=1)
    for name, line in rows:
        table.add_row(Text(name), Text(line))
    return Panel(table, title=title, title_align="left", border_style="dim")


def _first(text: str | None) -> str:
    """Return the first paragraph on one line."""
    return " ".join((text or "").strip().split("\n\n")[0].split())
