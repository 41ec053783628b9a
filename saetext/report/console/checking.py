"""A check as text: the verdict, a line for each limit, and the texts behind what is broken.

Returns strings and prints nothing. Not for: computing it (:mod:`saetext.analysis.checking`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.analysis.checking.rows import allowance
from saetext.report.console.lines import end, make_console, styled
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console

    from saetext.analysis.checking.result import CheckResult

Row = Mapping[str, Any]
_COLOURS = {"breaks": "bold red", "unclear": "yellow", "passes": "green"}
_HEADS = ("", "limit on", "old", "new", "change [interval]", "allowed")
FINDINGS = 8  # beyond one limit that are shown
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
        _print_broken(console, result, row)
    _print_unclear(console, result)
    if result.notes:
        console.print()
    return end(console, result.notes, encoding)


def heading(result: CheckResult) -> list[str]:
    """Return the verdict, and what was compared."""
    m, p = result.metrics, result.params
    told = [f"{m['breaks']} broken", f"{m['unclear']} unclear", f"{m['passes']} within the limit"]
    hint = ""
    if m["unclear"] and p["unclear"] == "fail":
        hint = " Unclear ones count as broken (--unclear fail)."
    elif m["unclear"] and not m["failed"]:
        hint = " Unclear ones do not fail a check (--unclear fail would)."
    word = "FAILS" if m["failed"] else "PASSES"
    lines = [f"{word}: of {many(m['limits'], 'limit')}, {', '.join(told)}.{hint}"]
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
    return f"{'+' if row['direction'] == 'rise' else '-'}{allowance(row['limit'], row['unit'])}"


def broken_lines(result: CheckResult, row: Row) -> list[str]:
    """Return what shows that a limit is broken: texts, or the first findings beyond it, with a text each."""
    if row["watches"] != "findings" or result.found is None:
        return [_example(one) for one in row["shown_by"]]
    own = _beyond(result, row)
    lines = []
    for one in own[:FINDINGS]:
        old, new, change, interval, _ = cells({**one, "unit": "points"})
        lines.append(f"{one['name']} ({one['kind']}): {old} to {new}, {change} {interval}")
        lines += [f"  {_example(text)}" for text in one["shown_by"][:1]]
    if len(own) > FINDINGS:
        lines.append(f"and {len(own) - FINDINGS:,} more ({_all_listed(result)} lists them)")
    return lines


def _all_listed(result: CheckResult) -> str:
    """Return the option that lists all findings: JSON has the first ``top`` too, unless that is 0."""
    top = result.params["top"]
    cut = bool(top) and result.found is not None and result.found.height > top
    return "--json --top 0" if cut else "--json"


def named(result: CheckResult, row: Row) -> str:
    """Return what a limit is on; of findings the first that breaks it, whose figures stand beside it.

    How many break it comes first, since long names are cut. Of two limits of a rule it is said which it is.
    """
    rule = str(row["rule"])
    both = any(
        r == rule and d != row["direction"] for r, d in result.table.select("rule", "direction").rows()
    )
    rule = f"{rule} ({row['direction']})" if both else rule
    if row["watches"] != "findings" or result.found is None or row["verdict"] != "breaks":
        return rule
    own = _beyond(result, row)
    count = f"{len(own):,} of " if len(own) > 1 else ""
    return f"{count}{rule}: {own[0]['name']}"


def _beyond(result: CheckResult, row: Row) -> list[dict[str, Any]]:
    """Return the findings beyond a limit."""
    assert result.found is not None
    mine = (row["rule"], row["direction"])
    return [one for one in result.found.to_dicts() if (one["rule"], one["direction"]) == mine]


def _example(example: Mapping[str, str]) -> str:
    return f"{example['set']} {example['id']}: {example['text']}"


def _print_limits(console: Console, result: CheckResult) -> None:
    from rich.cells import cell_len, set_cell_size

    rows = result.table.to_dicts()
    table = [_HEADS]
    for row in rows:
        old, new, change, interval, limit = cells(row)
        table.append((row["verdict"], named(result, row), old, new, f"{change} {interval}".strip(), limit))
    wide = [max(cell_len(line[at]) for line in table) for at in range(len(_HEADS))]
    room = console.width - sum(wide) + wide[1] - 2 * (len(_HEADS) - 1)
    if room < _LEAST:  # too narrow for a table: two lines each
        for row, line in zip(rows, table[1:], strict=True):
            console.print(styled(line[0], _COLOURS[row["verdict"]]).append(f"  {line[1]}"))
            found = f"{line[2]} -> {line[3]}, {line[4]}, " if line[4] else ""  # none of no finding
            console.print(styled(f"  {found}allowed {line[5]}"))
        return
    wide[1] = min(wide[1], room)
    for at, line in enumerate(table):
        name = set_cell_size(fitted(line[1], wide[1]), wide[1])
        middle = f"  {line[2]:>{wide[2]}}  {line[3]:>{wide[3]}}  {line[4]:<{wide[4]}}  {line[5]}"
        if at == 0:
            console.print(styled(f"{'':<{wide[0]}}  {name}{middle}", "dim"))
        else:
            first = styled(f"{line[0]:<{wide[0]}}", _COLOURS[rows[at - 1]["verdict"]])
            console.print(first.append(f"  {name}{middle}"))


def fitted(text: str, width: int) -> str:
    """Return a text that fits into so many columns, cut with an ellipsis."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1).rstrip()}…"


def _print_broken(console: Console, result: CheckResult, row: Row) -> None:
    from rich.padding import Padding

    console.print()
    console.print(styled(f"{row['rule']}: ", "bold").append(row["because"]))
    for line in broken_lines(result, row):
        deep = len(line) - len(line.lstrip())
        room = console.width - 2 - deep
        shown = printable(line).strip()
        shown = fitted(shown, 2 * room)
        console.print(Padding(styled(shown), (0, 0, 0, 2 + deep)))


def _print_unclear(console: Console, result: CheckResult) -> None:
    rows = result.unclear.to_dicts()
    if rows:
        console.print()
    for row in rows:
        console.print(styled("unclear: ", "yellow").append(f"{named(result, row)}: {row['because']}"))
