"""The list of what differs between two sets, as lines for a terminal. Not for: the table of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.analysis.differences.result import DiffResult
from saetext.analysis.differences.sentences import sentences
from saetext.features.peaks import NEAR
from saetext.report.console.lines import (
    COLORS,
    INDENT,
    LABEL,
    bar,
    others,
    probability,
    styled,
)
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from saetext.report.console.causes_below import Causes

_TWO_SNIPPETS = 130  # columns from which the snippets of both sides share a line
_NAMED = 6  # members named
_LEAST = 24  # columns that a name needs beside the numbers
_KIND = 9  # columns of the kind
_MARKS = {"yes": "L", "no": " ", None: " "}


def print_sentences(console: Console, result: DiffResult) -> None:
    """Print what changed, a line or more each."""
    for sentence in sentences(result):
        console.print(styled(sentence))


def print_found(
    console: Console, rows: Sequence[Mapping[str, Any]], color: bool, causes: Causes | None = None
) -> None:
    """Print each finding as a line of numbers, with what says the same, an example and its cause below."""
    width = console.width
    arm = 4 if width < 80 else 7 if width < _TWO_SNIPPETS else 12
    scale = max(abs(row["diff"]) for row in rows) or 1.0
    interval, kind = width >= 115, width >= 70
    print_line(console, "finding", "dim", _header(arm, interval, kind))
    for position, row in enumerate(rows):
        before = rows[position - 1] if position else None
        if row["length"] == "yes" and before is not None and before["length"] != "yes":
            console.print(styled("── explained by length ".ljust(width, "─"), "dim"))
        cells = _cells(row, row["diff"] / scale, arm, interval, kind)
        print_line(console, printable(row["name"]), "bold", cells)
        print_words(console, row)
        _print_examples(console, row, color)
        print_members(console, row)
        if causes is not None:
            causes.print(console, row)
    told = ["✓ held on the other half of the documents"] if any(row["confirmed"] for row in rows) else []
    marks = {_mark(row) for row in rows}
    told += ["L explained by length"] if "L" in marks else []
    told += ["? length may explain it, the data cannot tell"] if "?" in marks else []
    if told:
        console.print(styled("; ".join(told), "dim"))


def _mark(row: Mapping[str, Any]) -> str:
    return _MARKS.get(row["length"], "?")


def _header(arm: int, interval: bool, kind: bool) -> list[tuple[str, str]]:
    cells = [(f"{'kind':<{_KIND}}", "dim")] * kind
    cells += [(f"{'B':>{arm}}│{'A':<{arm}}", "dim"), ("A − B", "dim")]
    cells += [("   95 % interval", "dim")] * interval
    return [*cells, (" ", ""), ("  A %", COLORS[0]), ("  B %", COLORS[1]), ("     q", "dim"), (" ", "")]


def _cells(
    row: Mapping[str, Any], share: float, arm: int, interval: bool, kind: bool
) -> list[tuple[str, str]]:
    style = COLORS[row["diff"] < 0]
    cells = [(f"{row['kind']:<{_KIND}}", "dim")] * kind
    cells += [(bar(share, arm), style), (f"{100 * row['diff']:+5.1f}", style)]
    if interval:
        limits = f"[{100 * row['ci_low']:+.1f}, {100 * row['ci_high']:+.1f}]"
        cells.append((f"{limits:>16}", ""))
    cells.append((_mark(row), "yellow"))
    cells += [(f"{100 * row[key]:5.1f}", "") for key in ("rate_a", "rate_b")]
    return [*cells, (f"{probability(row['q']):>6}", ""), ("✓" if row["confirmed"] else " ", "green")]


def print_line(console: Console, name: str, style: str, cells: Sequence[tuple[str, str]]) -> None:
    """Print a name and its numbers; a name that finds no room beside them has a line of its own."""
    numbers = styled("")
    for cell, of in cells:
        numbers.append(" ").append(cell, of)
    text = styled(name, style)
    room = min(console.width - len(numbers), LABEL)
    if room < _LEAST:  # a name has a line of its own
        text.truncate(console.width, overflow="ellipsis")
        console.print(text)
        text, room = styled(""), 0
    text.truncate(room, overflow="ellipsis", pad=True)
    console.print(text.append_text(numbers))


def _print_examples(console: Console, row: Mapping[str, Any], color: bool) -> None:
    given = [
        (side, row[key], style)
        for side, key, style in zip("AB", ("snippet_a", "snippet_b"), COLORS, strict=True)
        if row[key]
    ]
    for side, snippet, style in given:
        text = styled(" " * INDENT).append(f"{side} ", style).append_text(marked(snippet, style, color))
        text.truncate(console.width, overflow="ellipsis")
        console.print(text)


def marked(snippet: str, style: str, color: bool) -> Text:
    """Return a snippet whose word between «» is coloured instead where there are colours."""
    before, opening, rest = snippet.partition("«")
    match, closing, after = rest.partition("»")
    if not (color and opening and closing):
        return styled(snippet)
    return styled(before).append(match, f"bold underline {style}").append(after)


def print_words(console: Console, row: Mapping[str, Any]) -> None:
    """Say at which words of these texts a feature is strongest, where its name is a label."""
    if not row["words"] or row["name"].startswith(f"{NEAR}“"):
        return
    text = styled(" " * INDENT + "strongest at ", "dim")
    text.append(", ".join(f"“{printable(word)}”" for word in row["words"]), "dim")
    text.truncate(console.width, overflow="ellipsis")
    console.print(text)


def print_members(console: Console, row: Mapping[str, Any]) -> None:
    """Print the names of what says the same as a finding."""
    if not row["n_members"]:
        return
    named = row["members"][:_NAMED]
    more = row["n_members"] - len(named)
    told = [printable(name) for name in named] + [others(more, bool(named))] * (more > 0)
    text = styled(" " * INDENT + "also: " + "; ".join(told), "dim")
    text.truncate(console.width, overflow="ellipsis")
    console.print(text)
