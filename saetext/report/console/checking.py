"""A check as text: the verdict, a line for each limit, and the texts behind what is broken.

Returns strings and prints nothing. Not for: computing it (:mod:`saetext.analysis.checking`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import end, make_console, styled
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console

    from saetext.analysis.checking.result import CheckResult

Row = Mapping[str, Any]
_COLOURS = {"breaks": "bold red", "unclear": "yellow", "passes": "green"}
_HEADS = ("", "limit on", "old", "new", "change [interval]", "allowed")
_LEAST = 12  # columns for the name of a rule


def render_check(
    result: CheckResult, console_width: int = 100, color: bool = False, *, encoding: str = "utf-8"
) -> str:
    r"""Return the verdict, a line for each limit, the texts behind broken ones, and why others are unclear.

    Parameters
    ----------
    result : CheckResult
    console_width : int
        Columns to fill; less than 40 counts as 40 and more than 200 as 200.
    color : bool
        Whether to use terminal colours.
    encoding : str
        The output's encoding; a character it lacks becomes a plain one.

    Returns
    -------
    str
        Lines that end in ``\n``.
    """
    console = make_console(console_width, color)
    first, *rest = heading(result)
    console.print(styled(first, "bold red" if result.metrics["failed"] else "bold green"))
    for line in rest:
        console.print(styled(printable(line)))
    console.print()
    _print_limits(console, result)
    for row in result.broken.to_dicts():
        _print_broken(console, row)
    _print_unclear(console, result)
    if result.notes:
        console.print()
    return end(console, result.notes, encoding)


def heading(result: CheckResult) -> list[str]:
    """Return the verdict, and what was compared."""
    m, p = result.metrics, result.params
    broken, unclear, passes = m["breaks"], m["unclear"], m["passes"]
    counted = as_fails = p["unclear"] == "fail"
    told = [f"{broken} broken", f"{unclear} unclear{' (counted as broken)' if unclear and counted else ''}"]
    told.append(f"{passes} within the limit")
    word = "FAILS" if m["failed"] else "PASSES"
    hint = "" if as_fails or not unclear else "; unclear ones do not fail it (--unclear pass)"
    lines = [f"{word}: of {many(m['limits'], 'limit')}, {', '.join(told)}{hint if not m['failed'] else ''}."]
    paired = ""
    if m["pairs"] is not None:
        paired = f", {many(m['pairs'], 'pair')} on {p['pair_on'] or p['group']}"
    elif p["design"] == "by prompt":
        paired = f", within each {p['pair_on'] or p['group']}"
    elif p["design"] == "by group":
        paired = f", whole groups of {p['group']}"
    base = "the baseline " if p["against"] == "baseline" else ""
    lines.append(
        f"{p['new']} ({many(m['compared_new'], 'text')}) against {base}{p['old']} "
        f"({many(m['compared_old'], 'text')}){paired}. All intervals hold together with "
        f"{p['confidence']:g} % confidence."
    )
    return lines


def cells(row: Row) -> tuple[str, str, str, str, str]:
    """Return the old and the new figure, the change, its interval and what is allowed, as they are shown."""
    if row["change"] is None:
        return "", "", "", "", allowed(row)
    if row["unit"] == "percent":
        old, new = f"{row['old']:,.0f}", f"{row['new']:,.0f}"
        sign = " %"
    else:
        old, new = f"{100 * row['old']:.1f} %", f"{100 * row['new']:.1f} %"
        sign = ""
    high = "?" if row["ci_high"] is None else f"{100 * row['ci_high']:+.1f}"
    interval = f"[{100 * row['ci_low']:+.1f}, {high}]{sign}"
    return old, new, f"{100 * row['change']:+.1f}", interval, allowed(row)


def allowed(row: Row) -> str:
    """Return what a limit allows: ``+2 points``."""
    sign = "+" if row["direction"] == "rise" else "-"
    return f"{sign}{100 * row['limit']:g} {'%' if row['unit'] == 'percent' else 'points'}"


def example_line(example: Mapping[str, str]) -> str:
    """Return the set, the id and the text of an example."""
    return f"{example['set']} {example['id']}: {example['text']}"


def _print_limits(console: Console, result: CheckResult) -> None:
    rows = result.table.to_dicts()
    table = [_HEADS]
    for row in rows:
        old, new, change, interval, limit = cells(row)
        table.append((row["verdict"], row["rule"], old, new, f"{change} {interval}".strip(), limit))
    wide = [max(len(line[at]) for line in table) for at in range(len(_HEADS))]
    room = console.width - sum(wide) + wide[1] - 2 * (len(_HEADS) - 1)
    if room < _LEAST:  # too narrow for a table: two lines each
        for row, line in zip(rows, table[1:], strict=True):
            console.print(styled(line[0], _COLOURS[row["verdict"]]).append(f"  {line[1]}"))
            console.print(styled(f"  {line[2]} -> {line[3]}, {line[4]}, allowed {line[5]}"))
        return
    wide[1] = min(wide[1], room)
    for at, line in enumerate(table):
        name = line[1] if len(line[1]) <= wide[1] else f"{line[1][: wide[1] - 1]}…"
        middle = f"  {line[2]:>{wide[2]}}  {line[3]:>{wide[3]}}  {line[4]:<{wide[4]}}  {line[5]}"
        if at == 0:
            console.print(styled(f"{'':<{wide[0]}}  {name:<{wide[1]}}{middle}", "dim"))
        else:
            first = styled(f"{line[0]:<{wide[0]}}", _COLOURS[rows[at - 1]["verdict"]])
            console.print(first.append(f"  {name:<{wide[1]}}{middle}"))


def _print_broken(console: Console, row: Row) -> None:
    console.print()
    console.print(styled(f"{row['rule']}: ", "bold").append(row["because"]))
    for example in row["shown_by"]:
        console.print(styled(f"  {printable(example_line(example))}"))


def _print_unclear(console: Console, result: CheckResult) -> None:
    rows = result.unclear.to_dicts()
    if rows:
        console.print()
    for row in rows:
        console.print(styled("unclear: ", "yellow").append(f"{row['rule']}: {row['because']}"))
