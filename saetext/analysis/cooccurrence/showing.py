"""The words of a pair: where both concepts are in one document, or one each in two, on a line.

Not for: choosing documents (:mod:`saetext.analysis.cooccurrence.meeting`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from saetext.analysis.cooccurrence.result import Marked, Meeting
from saetext.corpus.protocol import CorpusLike
from saetext.text.passages import printable, snippet, word_bounds

WIDTH = 180  # characters of a line
_AROUND = 36  # characters left around each of two words that are far apart


class Lines:
    """Makes lines, reading each document once."""

    def __init__(self, corpora: Sequence[CorpusLike]) -> None:
        self._document: Any = lru_cache(512)(lambda number, row: corpora[number].document(row))

    def line(self, meeting: Meeting) -> Marked | None:
        """Return the words of a meeting; None where the texts are not stored."""
        a, b = meeting.place_a, meeting.place_b
        places = [place for place in (a, b) if place is not None]
        documents = [self._document(place[0], place[1]) for place in places]
        if any(document["text"] is None for document in documents):
            return None
        if a is not None and b is not None and a[:2] == b[:2]:
            return _both(documents[0], a[3], b[3])
        pieces: list[tuple[str, str]] = []
        for kind, place in (("a", a), ("b", b)):
            if place is None or place[3] < 0:
                continue
            document = documents[places.index(place)]
            words = snippet(
                document["text"], document["token_start"], document["token_end"], place[3],
                WIDTH if None in (a, b) else WIDTH // 2,
            )  # fmt: skip
            if pieces:
                pieces.append((" ‖ ", "|"))
            pieces += [(words.before, ""), (words.match, kind), (words.after, "")]
        return Marked(tuple(piece for piece in pieces if piece[0]))


def _both(document: Mapping[str, Any], peak_a: int, peak_b: int) -> Marked:
    """Return one line with two words of a document, and what lies between if there is room."""
    text, start, end = document["text"], document["token_start"], document["token_end"]
    one = word_bounds(text, int(start[peak_a]), int(end[peak_a]))
    two = word_bounds(text, int(start[peak_b]), int(end[peak_b]))
    return line_of(text, one, two)


def line_of(text: str, one: tuple[int, int] | None, two: tuple[int, int] | None) -> Marked:
    """Return one line of a text with two stretches marked, ``start:end``; None for one that has no place."""
    if one is None or two is None:
        span, kind = (two, "b") if one is None else (one, "a")
        assert span is not None
        return Marked(tuple(p for p in _around(text, [(*span, kind)], *span, WIDTH) if p[0]))
    if one[0] < two[1] and two[0] < one[1]:  # the same word, or they overlap
        words = (min(one[0], two[0]), max(one[1], two[1]), "ab")
        spans = [words]
    else:
        spans = sorted([(*one, "a"), (*two, "b")])
    low, high = spans[0][0], spans[-1][1]
    if len(spans) == 2 and high - low > WIDTH - 2 * _AROUND:
        parts: list[tuple[str, str]] = []
        for first, last, kind in spans:
            parts += _around(text, [(first, last, kind)], first, last, WIDTH // 2 - 2)
        return Marked(tuple(p for p in parts if p[0]))
    return Marked(tuple(p for p in _around(text, spans, low, high, WIDTH) if p[0]))


def _around(
    text: str, spans: Sequence[tuple[int, int, str]], low: int, high: int, width: int
) -> list[tuple[str, str]]:
    """Cut ``width`` characters of a text that hold ``low:high``, at spaces, into pieces."""
    room = max(width - (high - low), 0)
    begin, finish = max(low - room // 2, 0), min(high + room - room // 2, len(text))
    if begin > 0 and (space := text.find(" ", begin, low)) >= 0:
        begin = space + 1
    if finish < len(text) and (space := text.rfind(" ", high, finish)) >= 0:
        finish = space
    pieces: list[tuple[str, str]] = [("…" if begin > 0 else "", "")]
    at = begin
    for first, last, kind in spans:
        shown = printable(text[first:last]).strip()
        pieces.append((printable(text[at:first]), ""))
        pieces.append((shown or ("↵" if "\n" in text[first:last] else "␣"), kind))
        at = last
    pieces.append((printable(text[at:finish]).rstrip(), ""))
    pieces.append(("…" if finish < len(text) else "", ""))
    return pieces
