"""The list of what differs between several sets, as lines for a terminal, with a column for each set.

Not for: two sets (:mod:`saetext.report.console.found`) or the table of features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.report.console.found import marked, print_members, print_words
from saetext.report.console.lines import COLORS, INDENT, probability, styled
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Row = Mapping[str, Any]

_KIND = 9  # columns of the kind
_Q = 7  # columns of the smallest q, and of whether it was confirmed
_LEAST, _WIDEST = 6, 12  # columns of a set
_NAME = 24  # columns of a name, at least
_LENGTH = {"yes": "L", "no": " ", None: " "}


def print_found_of_several(
    console: Console, rows: Sequence[Row], names: Sequence[str], most: int | None, color: bool
) -> None:
    """Print each description with its rate in every set, with what says the same and an example below.

    Parameters
    ----------
    console : Console
        Where to.
    rows : sequence of mapping
        All findings, in order; those of several sets under one description become one line.
    names : sequence of str
        What the sets are called.
    most : int or None
        Lines to print.
    color : bool
        Whether there are colours.
    """
    width = console.width
    kind = width >= 70
    taken = (1 + _KIND + 1 + _Q + 2 if kind else 0) + _NAME
    cell = max(_LEAST, min(_WIDEST, (width - taken) // len(names) - 1))
    room = width - (taken - _NAME) - (cell + 1) * len(names)
    room = room if room >= _NAME else 0  # a name has a line of its own
    _print_header(console, names, room, cell, kind)
    before = False
    for lines, same in enumerate(_descriptions(rows)):
        if most is not None and lines >= most:
            break
        late = all(row["length"] == "yes" for row in same)
        if late and not before and lines:
            console.print(styled("── explained by length ".ljust(width, "─"), "dim"))
        before = late
        _print_line(console, same, names, room, cell, kind)
        print_words(console, same[0])
        _print_example(console, same[0], color)
        print_members(console, same[0])
    marks = "percent of documents; + more and − less than in all other sets together"
    told = [marks, *_legend(rows)]
    console.print(styled("; ".join(told), "dim"))


def _descriptions(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows of each description, in order of the first."""
    found: dict[tuple[str, Any], list[Row]] = {}
    for row in rows:
        key = row["feature"] if row["term"] is None else row["term"]
        found.setdefault((row["kind"], key), []).append(row)
    yield from found.values()


def _print_header(console: Console, names: Sequence[str], room: int, cell: int, kind: bool) -> None:
    if not room:
        console.print(styled("finding", "dim"))
    header = styled("finding".ljust(room) if room else "", "dim")
    header.append(f" {'kind':<{_KIND}}" if kind else "", "dim")
    for name in names:
        shown = printable(name)
        header.append(f" {shown if len(shown) <= cell else shown[: cell - 1] + '…':>{cell}}", "dim")
    header.append(f" {'q':>{_Q}}" if kind else "", "dim")
    header.truncate(console.width, overflow="ellipsis")
    console.print(header)


def _print_line(
    console: Console, same: Sequence[Row], names: Sequence[str], room: int, cell: int, kind: bool
) -> None:
    first = same[0]
    text = styled(printable(first["name"]), "bold")
    text.truncate(room or console.width, overflow="ellipsis", pad=bool(room))
    if not room:
        console.print(text)
        text = styled("")
    text.append(f" {first['kind']:<{_KIND}}" if kind else "", "dim")
    of_set = {row["set"]: row for row in same}
    for name in names:
        text.append(" ").append_text(_cell(first["rates"][name], of_set.get(name), cell))
    if kind:
        text.append(f" {probability(min(row['q'] for row in same)):>{_Q}}")
        text.append(" ✓" if any(row["confirmed"] for row in same) else "  ", "green")
    text.truncate(console.width, overflow="ellipsis")
    console.print(text)


def _cell(rate: float, row: Row | None, width: int) -> Text:
    shown, style = f"{100 * rate:.0f}  ", "dim"
    if row is not None:
        sign = "+" if row["diff"] > 0 else "−"
        shown = f"{100 * rate:.0f}{sign}{_mark(row)}"
        style = COLORS[row["diff"] < 0]
    return styled(f"{shown:>{width}}", style)


def _mark(row: Row) -> str:
    """Return what stands for the verdict on length."""
    return _LENGTH.get(row["length"], "?")


def _legend(rows: Sequence[Row]) -> list[str]:
    lengths = {_mark(row) for row in rows}
    told = ["✓ held on the other half of the documents"] if any(row["confirmed"] for row in rows) else []
    told += ["L explained by length"] if "L" in lengths else []
    return told + (["? length may explain it, the data cannot tell"] if "?" in lengths else [])


def _print_example(console: Console, row: Row, color: bool) -> None:
    given = [(printable(row["set"]), row["snippet"], COLORS[0]), ("others", row["snippet_rest"], COLORS[1])]
    given = [one for one in given if one[1]]
    if not given:
        return
    name, snippet, style = given[-1 if row["diff"] < 0 else 0]  # of those that have more of it
    text = styled(" " * INDENT).append(f"{name}: ", style).append_text(marked(snippet, style, color))
    text.truncate(console.width, overflow="ellipsis")
    console.print(text)
