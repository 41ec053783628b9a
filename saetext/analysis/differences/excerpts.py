"""Examples of words, marks, properties and themes: a document that has one, its partner, and where it is.

Not for: examples of features (:mod:`saetext.features.evidence`).
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.families import Families
from saetext.analysis.differences.simplest import FAMILY_OF, Description
from saetext.text.passages import Snippet, printable

_WIDTH = 80  # characters of a snippet
_LINE, _PIECES = 2000, 200  # characters of a line, and lines and sentences, that are looked at for a mark
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


class Finder:
    """Looks for examples of words and marks in the texts compared, a document and its partner."""

    def __init__(self, families: Families) -> None:
        self._families = families
        design, self._rows = families.design, families.rows
        self._side, self._unit = design.side[self._rows], design.unit[self._rows]
        self._together = design.kind in ("paired", "by prompt")

    def snippets(self, lead: Description, nth: int) -> tuple[str | None, str | None]:
        """Return a snippet of each side; None where it has no example to show.

        The example is the ``nth`` document that has it, so that findings do not all show the same one.
        """
        texts = self._families.texts
        if texts is None:
            return None, None
        has = self._has(FAMILY_OF[lead.kind], lead.column)
        side = 0 if lead.numbers["diff"] >= 0 else 1
        at = self._example(has, side, nth)
        if at is None:
            return None, None
        told: list[str | None] = [None, None]
        told[side] = _excerpt(texts[at], lead)
        partner = self._partner(at, has)
        if partner is not None:
            told[1 - side] = _opening(texts[partner])
        return told[0], told[1]

    def _has(self, family: str, column: int) -> NDArray[np.bool_]:
        """bool[rows]: which texts have a term."""
        matrix = self._families.counted.columns(family)
        part = slice(*matrix.indptr[column : column + 2])
        has = np.zeros(matrix.shape[0], bool)
        has[matrix.indices[part][matrix.data[part] > 0]] = True
        return has

    def _example(self, has: NDArray[np.bool_], side: int, nth: int) -> int | None:
        """Return a document of the side that has it, if possible one whose partner has not."""
        mine = np.flatnonzero(has & (self._side == side))
        if not len(mine):
            return None
        if self._together:
            other = np.unique(self._unit[has & (self._side == 1 - side)])
            alone = mine[~np.isin(self._unit[mine], other)]
            mine = alone if len(alone) else mine
        return int(mine[nth % len(mine)])

    def _partner(self, at: int, has: NDArray[np.bool_]) -> int | None:
        if not self._together:
            return None
        found = np.flatnonzero((self._unit == self._unit[at]) & (self._side == 1 - self._side[at]) & ~has)
        return int(found[0]) if len(found) else None


def _excerpt(text: str, lead: Description) -> str:
    """Return the place of a text where a term or a mark is, the words in question marked «so»."""
    if lead.kind == "word" and (match := _pattern(str(lead.key)).search(text)):
        reach = 4 * _WIDTH
        start, end = match.span()
        before, after = text[max(start - reach, 0) : start], text[end : end + reach]
        cut = Snippet(
            ("…" if start > reach else "") + printable(before).lstrip(),
            printable(match[0]),
            printable(after).rstrip() + ("…" if end + reach < len(text) else ""),
        )
        return cut.fit(_WIDTH).marked()
    if lead.kind == "format":
        return _marked_piece(text, str(lead.key))
    return _opening(text)


def _pattern(term: str) -> re.Pattern[str]:
    words = r"\W+".join(map(re.escape, term.split()))
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def _marked_piece(text: str, mark: str) -> str:
    """Return the first line, or sentence of a long line, that has the mark by itself; else the beginning."""
    from saetext.text.marks import mark_matrix

    pieces: list[str] = []
    for line in text.splitlines()[:_PIECES]:
        pieces += [line] if len(line) <= _WIDTH else _SENTENCE.split(line[:_LINE])
    pieces = [piece for piece in pieces if piece.strip()][:_PIECES]
    if pieces:
        marks = mark_matrix(pieces)
        if mark in marks.names:  # openings are those of the texts given
            column = marks.matrix[:, [marks.names.index(mark)]].toarray().ravel()
            if len(at := np.flatnonzero(column > 0)):
                return _opening(pieces[int(at[0])])
    return _opening(text)


def _opening(text: str) -> str:
    """Return the beginning of a text, its line breaks shown."""
    shown = printable(re.sub(r"\s*\n\s*", " ↵ ", text[: 4 * _WIDTH].strip())).strip()
    return shown if len(shown) <= _WIDTH else shown[: _WIDTH - 1] + "…"
