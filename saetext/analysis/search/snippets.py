"""The words of a document that answer a search, on one line with marks.

Not for: choosing documents or features.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from saetext.text.passages import printable, word_bounds
from saetext.text.words import part_matches

WIDTH = 160  # characters of a line, without marks


@dataclass(frozen=True)
class Mark:
    """A word to mark: code points ``start:end`` of the text, and how much it matters."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class Line:
    """A piece of a text: stretches of it, and whether each is marked."""

    pieces: tuple[tuple[str, bool], ...]

    def marked(self, left: str = "«", right: str = "»") -> str:
        """Return the line with its words between marks."""
        return "".join(f"{left}{text}{right}" if mark else text for text, mark in self.pieces)


def firing_line(text: str, marks: Sequence[Mark], width: int = WIDTH) -> Line:
    """Return the stretch of a text whose marks matter most together; its beginning where there are none.

    Marks are widened to whole words.
    """
    spans: dict[tuple[int, int], float] = {}
    for mark in marks:
        if mark.weight > 0:
            bounds = word_bounds(text, mark.start, mark.end)
            spans[bounds] = spans.get(bounds, 0.0) + mark.weight
    merged: list[tuple[int, int, float]] = []
    for (start, end), weight in sorted(spans.items()):
        if merged and start < merged[-1][1]:  # words that overlap become one
            before = merged.pop()
            merged.append((before[0], max(before[1], end), before[2] + weight))
        else:
            merged.append((start, end, weight))
    if not merged:
        low, high = 0, min(width, len(text))
    else:
        low, high = _best(merged, len(text), width)
    if high < len(text) and (space := text.rfind(" ", low + 1, high)) > low + width // 2:
        high = max(space, max((end for _, end, _ in merged if end <= high), default=0))
    if low > 0 and (space := text.find(" ", low, low + width // 3)) >= 0:
        low = min(space + 1, min((start for start, _, _ in merged if start >= low), default=len(text)))
    pieces: list[tuple[str, bool]] = [("…", False)] if low > 0 else []
    at = low
    for start, end, _ in merged:
        if start < low or end > high:
            continue
        shown = printable(text[start:end]).strip() or ("↵" if "\n" in text[start:end] else "␣")
        pieces += [(printable(text[at:start]), False), (shown, True)]
        at = end
    pieces.append((printable(text[at:high]).rstrip(), False))
    if high < len(text):
        pieces.append(("…", False))
    return Line(tuple(piece for piece in pieces if piece[0]))


def word_marks(text: str, words: Collection[str]) -> list[Mark]:
    """Return where these words (in small letters) stand in a text."""
    return [
        Mark(match.start(), match.end(), 1.0)
        for match in part_matches(text)
        if match.group().casefold() in words
    ]


def literal_marks(text: str, literal: str) -> list[Mark]:
    """Return where a text stands as it is written, in small letters or capitals."""
    found = re.finditer(re.escape(literal), text, re.IGNORECASE)
    return [Mark(match.start(), match.end(), 1.0) for match in found]


def _best(spans: Sequence[tuple[int, int, float]], length: int, width: int) -> tuple[int, int]:
    """Return the stretch of ``width`` characters around the spans whose weights add up to most."""
    best = (-1.0, 0, 0)
    for i, (start, _, _) in enumerate(spans):
        total, stop = 0.0, start
        for _, end, weight in spans[i:]:
            if end - start > width and stop > start:
                break
            total, stop = total + weight, end
            if end - start > width:
                break
        if total > best[0]:
            best = (total, start, stop)
    _, start, stop = best
    room = max(width - (stop - start), 0)
    low = max(start - room // 2, 0)
    high = min(max(low + width, stop), length)
    return max(min(low, high - width), 0) if stop - start <= width else start, high
