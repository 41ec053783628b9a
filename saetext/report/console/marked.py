"""A snippet with two concepts marked, on one line of a terminal. Not for: choosing the words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from saetext.analysis.cooccurrence.result import Marked
from saetext.report.console.lines import COLORS, INDENT, styled
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console

_MARKS = {"a": "«{}»", "b": "‹{}›", "ab": "«‹{}›»", "|": "{}"}


def print_line(console: Console, line: Marked, color: bool) -> None:
    """Print a snippet on one line, both words in view; what is between and around them is shortened."""
    room = console.width - INDENT
    pieces = _merged([(printable(text), kind) for text, kind in line.pieces])
    extra = 0 if color else sum(2 * len(kind) for _, kind in pieces if kind != "|")
    plain = [at for at, (_, kind) in enumerate(pieces) if not kind]
    left = room - extra - sum(len(text) for text, kind in pieces if kind)
    for n, at in enumerate(sorted(plain, key=lambda at: len(pieces[at][0]))):  # the short ones first
        share = max(left // (len(plain) - n), 1)
        text = _shortened(pieces[at][0], share, first=at == 0, last=at == len(pieces) - 1)
        pieces[at] = (text, "")
        left -= len(text)
    shown = styled(" " * INDENT)
    for text, kind in pieces:
        if not kind:
            shown.append(text)
        elif kind == "|":
            shown.append(text, "dim")
        elif color:
            shown.append(text, f"bold underline {COLORS[kind == 'b']}")
        else:
            shown.append(_MARKS[kind].format(text), "bold underline")
    shown.truncate(console.width, overflow="ellipsis")
    console.print(shown)


def _merged(pieces: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the pieces with plain neighbours joined, and two ellipses in a row as one."""
    out: list[tuple[str, str]] = []
    for text, kind in pieces:
        if out and not kind and not out[-1][1]:
            out[-1] = (out[-1][0] + text, "")
        else:
            out.append((text, kind))
    return [(text.replace("……", " … "), kind) for text, kind in out if text]


def _shortened(text: str, room: int, *, first: bool, last: bool) -> str:
    """Cut a plain stretch to ``room`` characters at spaces: at its outer end, or in its middle."""
    if len(text) <= room:
        return text
    if room < 6:
        return "…"
    if first:
        kept = text[-(room - 1) :]
        return "…" + (kept[kept.index(" ") + 1 :] if " " in kept[:-1] else kept)
    if last:
        kept = text[: room - 1]
        return (kept[: kept.rindex(" ")] if " " in kept[1:] else kept) + "…"
    half = (room - 3) // 2
    head, tail = text[:half], text[-half:]
    head = head[: head.rindex(" ")] if " " in head[1:] else head
    tail = tail[tail.index(" ") + 1 :] if " " in tail[:-1] else tail
    return f"{head} … {tail}"
