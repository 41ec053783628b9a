"""A result as an HTML table for notebooks: bars for rates and differences, words marked in their snippets.

One ``<div>`` with its styles inline: no script, nothing to load, no corpus needed. Labels, texts, names and
columns are data: all of it is escaped, and no control or formatting character gets through. Not for: reports
(:mod:`saetext.report.html.pages`).
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.analysis.differences.result import DiffResult
from saetext.analysis.differences.sentences import sentences
from saetext.analysis.registry import has_page
from saetext.features.evidence import Example
from saetext.report.html.figures import count, decimal, difference, number_of, percent, probability, text_of
from saetext.text.one_line import one_line
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.analysis.base import Result

MOST_ROWS = 20
_MOST_CHARACTERS = 300  # of a cell
_MOST_OF_SENTENCE = 2_000
_MOST_NOTES = 5
_BAR = "rgba(90,120,200,.35)"
_MARK = "background:rgba(255,200,60,.55);color:inherit"
_NAME = "min-width:8em;max-width:13em"
_PASSAGE = "min-width:12em;max-width:40em"
_CELL = "text-align:left;vertical-align:top;padding:2px 8px"

Row = Mapping[str, Any]
Cell = Callable[[Any, Row, int], str]
Pieces = Sequence[tuple[str, bool]]


def to_html(result: Result) -> str:
    """Return the first :data:`MOST_ROWS` rows of a result as HTML, under what it is, with its notes."""
    table, where = result.table, "table"
    if (listed := result.listed()) is not None:
        table, where = listed, "findings()"
    columns = _COLUMNS.get(f"{result.kind} {where}") or _COLUMNS.get(result.kind) or _plain_columns(result)
    rows = table.head(MOST_ROWS).to_dicts()
    head = "".join(f'<th style="{_CELL}">{_escaped(_of_sets(title, result))}</th>' for title, _ in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{cell(result, row, at)}</td>' for _, cell in columns) + "</tr>"
        for at, row in enumerate(rows)
    )
    more = table.height - len(rows)
    left = f"<p>{more:,} more row{'s' if more > 1 else ''} in <code>.{where}</code></p>" if more > 0 else ""
    if has_page(result.kind) and result.kind != "shift":
        left += "<p><code>.show()</code> shows the whole page here</p>"
    notes = "".join(f"<li>{_escaped(note)}</li>" for note in result.notes[:_MOST_NOTES])
    return (
        f"<div><p><b>{_escaped(repr(result).strip('<>'))}</b></p>{_told(result)}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{left}"
        + (f"<ul>{notes}</ul>" if notes else "")
        + "</div>"
    )


def _told(result: Result) -> str:
    """Return the sentences that a diff begins with in the terminal and on its page."""
    if not isinstance(result, DiffResult):
        return ""
    return "".join(f"<p>{_escaped(told, most=_MOST_OF_SENTENCE)}</p>" for told in sentences(result))


def _of_sets(title: str, result: Result) -> str:
    """Return a column's title with the name of the set that A or B is in a diff of two."""
    if result.kind != "diff" or len(result.sources) != 2 or title[-2:] not in (" A", " B"):
        return title
    return f"{title[:-1]}{one_line(result.sources[title[-1] == 'B'].name, 30)}"


def _escaped(value: object, *, most: int = _MOST_CHARACTERS) -> str:
    shown = printable(str(value)).strip()
    if len(shown) > most:
        shown = shown[: most - 1] + "…"
    return html.escape(shown, quote=True)


def _bar(share: float | None, shown: str, *, signed: bool = False) -> str:
    """Return a figure over a bar: from the left, or of a difference from the middle to its side."""
    if share is None:
        return _escaped(shown)
    size = min(abs(share), 1.0) * (50 if signed else 100)
    start = (50 - size if share < 0 else 50) if signed else 0
    low, high = f"{start:.1f}%", f"{start + size:.1f}%"
    stops = f"transparent {low},{_BAR} {low},{_BAR} {high},transparent {high}"
    style = f"min-width:4.2em;padding:0 4px;background:linear-gradient(to right,{stops})"
    return f'<div style="{style}">{_escaped(shown)}</div>'


def _marked(pieces: Pieces) -> str:
    safe = [(html.escape(printable(text)), mark) for text, mark in pieces]
    return "".join(f'<mark style="{_MARK}">{text}</mark>' if mark else text for text, mark in safe)


def _pieces(marked: str | None) -> Pieces:
    """Take a snippet apart at its first marks; what has none is one piece."""
    before, left, rest = (marked or "").partition("«")
    word, right, after = rest.partition("»")
    return [(before, False), (word, True), (after, False)] if left and right else [(marked or "", False)]


def _of_example(example: Example | None, marked: str | None) -> str:
    if example is None:
        return _marked(_pieces(marked))
    s = example.snippet
    return _marked([(s.before, False), (s.match, True), (s.after, False)])


def _text(name: str) -> Cell:
    return lambda result, row, at: _escaped(text_of(row, name))


def _flag(name: str) -> Cell:
    return lambda result, row, at: "yes" if row.get(name) else ""


def _number(name: str) -> Cell:
    return lambda result, row, at: _escaped(count(row.get(name)))


def _decimal(name: str) -> Cell:
    return lambda result, row, at: _escaped(decimal(row, name))


def _probability(name: str) -> Cell:
    return lambda result, row, at: _escaped(probability(number_of(row, name)))


def _rate(name: str) -> Cell:
    return lambda result, row, at: _bar(number_of(row, name), percent(number_of(row, name)))


def _difference(name: str) -> Cell:
    return lambda result, row, at: _bar(number_of(row, name), difference(row, name), signed=True)


def _signed(name: str) -> Cell:
    return lambda result, row, at: _bar(number_of(row, name), decimal(row, name), signed=True)


def _relative(name: str) -> Cell:
    """Return a cell with a bar relative to the largest of the column."""

    def cell(result: Any, row: Row, at: int) -> str:
        value, most = number_of(row, name), result.table[name].max()
        share = None if value is None or not most or most <= 0 else max(value, 0.0) / most
        return _bar(share, decimal(row, name))

    return cell


def _diff_snippet(side: int) -> Cell:
    def cell(result: Any, row: Row, at: int) -> str:
        examples = result.evidence.get(row["feature"])
        return _of_example(examples and examples[side], row.get(f"snippet_{'ab'[side]}"))

    return cell


def _set_snippet(result: Any, row: Row, at: int) -> str:
    return _of_example(result.evidence.get((row["feature"], row["set"])), row.get("snippet"))


def _pair_snippet(result: Any, row: Row, at: int) -> str:
    line = result.lines.get(at)
    if line is None:
        return _marked(_pieces(row.get("snippet")))
    return _marked([(text, kind in ("a", "b", "ab")) for text, kind in line.pieces])


def _found_snippet(result: Any, row: Row, at: int) -> str:
    line = result.lines[at] if at < len(result.lines) else None
    return _marked(_pieces(row.get("snippet")) if line is None else line.pieces)


def _plain_snippet(result: Any, row: Row, at: int) -> str:
    return _marked(_pieces(row.get("snippet")))


def _finding(result: Any, row: Row, at: int) -> str:
    """Return a finding's name over its kind, whether it was confirmed, and what length has to do with it."""
    length = {"yes": "explained by length", "unclear": "perhaps by length"}.get(str(row.get("length")), "")
    parts = (row.get("kind"), "confirmed" if row.get("confirmed") else "not confirmed", length)
    about = " · ".join(_escaped(part) for part in parts if part)
    return f'<div style="{_NAME}">{_escaped(row.get("name"))}<p><small>{about}</small></p></div>'


def _both_snippets(result: Any, row: Row, at: int) -> str:
    """Return the passages of both sets, one under the other, each behind the name of its set."""
    names = [one_line(source.name, 30) for source in result.sources]
    names = names if len(names) == 2 else ["A", "B"]
    found = [(name, row.get(f"snippet_{side}")) for name, side in zip(names, "ab", strict=True)]
    lines = [
        f"<p><small>{_escaped(name)}</small> {_marked(_pieces(text))}</p>" for name, text in found if text
    ]
    return f'<div style="{_PASSAGE}">{"".join(lines)}</div>'


def _labels(result: Any, row: Row, at: int) -> str:
    """Return the labels of a row's first features; of a cluster's, those that fit its texts."""
    fitting = [each for each in row.get("features") or () if each.get("fits") is not False]
    return _escaped(", ".join(str(each["label"]) for each in fitting[:4]))


def _plain_columns(result: Result) -> list[tuple[str, Cell]]:
    return [(name, _text(name)) for name in result.table.columns[:10]]


_COLUMNS: dict[str, list[tuple[str, Cell]]] = {
    "diff": [
        ("feature", _number("feature")), ("label", _text("label")), ("rate A", _rate("rate_a")),
        ("rate B", _rate("rate_b")), ("difference", _difference("diff")), ("q", _probability("q")),
        ("confirmed", _flag("confirmed")), ("in A", _diff_snippet(0)), ("in B", _diff_snippet(1)),
    ],
    "diff findings()": [
        ("finding", _finding), ("rate A", _rate("rate_a")), ("rate B", _rate("rate_b")),
        ("difference", _difference("diff")), ("q", _probability("q")), ("found in", _both_snippets),
    ],
    "diff_sets": [
        ("set", _text("set")), ("feature", _number("feature")), ("label", _text("label")),
        ("rate", _rate("rate")), ("rate elsewhere", _rate("rate_rest")), ("difference", _difference("diff")),
        ("q", _probability("q")), ("confirmed", _flag("confirmed")), ("example", _set_snippet),
    ],
    "correlate": [
        ("A", _text("name_a")), ("B", _text("name_b")), ("both", _number("n_ab")),
        ("NPMI", _signed("npmi")), ("rho", _signed("rho")), ("q", _probability("q")),
        ("confirmed", _flag("confirmed")), ("example", _pair_snippet),
    ],
    "diff_sets findings()": [
        ("set", _text("set")), ("finding", _finding), ("rate", _rate("rate")),
        ("rate elsewhere", _rate("rate_rest")), ("difference", _difference("diff")), ("q", _probability("q")),
        ("example", _plain_snippet),
    ],
    "correlate findings()": [
        ("A", _text("name_a")), ("B", _text("name_b")), ("both", _number("n_ab")),
        ("expected", _decimal("expected")), ("NPMI", _signed("npmi")), ("q", _probability("q")),
        ("confirmed", _flag("confirmed")), ("example", _plain_snippet),
    ],
    "cluster": [
        ("cluster", _number("cluster")), ("name", _text("name")), ("documents", _number("size")),
        ("share", _rate("share")), ("features", _labels), ("typical", _plain_snippet),
    ],
    "search": [
        ("rank", _number("rank")), ("id", _text("id")), ("score", _relative("score")),
        ("words", _found_snippet), ("because of", _labels),
    ],
}  # fmt: skip
