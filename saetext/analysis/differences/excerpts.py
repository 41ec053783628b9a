"""Examples of words, marks, properties and themes: a document that has one, its partner, and where it is.

Not for: examples of features (:mod:`saetext.features.evidence`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.examples import TOGETHER
from saetext.analysis.differences.families import Families
from saetext.analysis.differences.simplest import FAMILY_OF, Description
from saetext.features.places import Term, places
from saetext.text.passages import Snippet, printable, snippet

_WIDTH = 80  # characters of a snippet
_LINE, _PIECES = 2000, 200  # characters of a line, and lines and sentences, that are looked at for a mark
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


class Finder:
    """Looks for examples of all kinds but features in the texts compared: a document and its partner.

    Parameters
    ----------
    families : Families
        What was compared.
    leads : sequence of Description
        The findings to illustrate, in order. The example of each is another document than that of the one
        before it, as far as there are enough.
    """

    def __init__(self, families: Families, leads: Sequence[Description]) -> None:
        self._families = families
        design, self._rows = families.design, families.rows
        self._side, self._unit = design.side[self._rows], design.unit[self._rows]
        self._together = design.kind in TOGETHER
        self._chosen: dict[int, tuple[int, int | None]] = {}
        wanted: dict[int, list[Term]] = {}
        if families.texts is not None:
            for nth, lead in enumerate(leads):
                at = self._choose(lead, nth)
                if at is not None and lead.kind in ("property", "theme"):
                    wanted.setdefault(int(self._rows[at]), []).append((lead.kind, str(lead.key)))
        counted = families.counted
        self._places = places(counted.sets, counted.sae, wanted)

    def snippets(self, lead: Description, nth: int) -> tuple[str | None, str | None]:
        """Return a snippet of each side for the ``nth`` finding; None where it has no example to show."""
        texts = self._families.texts
        if texts is None or nth not in self._chosen:
            return None, None
        at, partner = self._chosen[nth]
        side = 0 if lead.numbers["diff"] >= 0 else 1
        told: list[str | None] = [None, None]
        told[side] = self._at_its_place(at, lead) or _excerpt(texts[at], lead)
        if partner is not None:
            told[1 - side] = _opening(texts[partner])
        return told[0], told[1]

    def _choose(self, lead: Description, nth: int) -> int | None:
        """Choose a document, and its partner, for a finding."""
        if lead.kind == "feature":
            return None
        has = self._has(FAMILY_OF[lead.kind], lead.column)
        at = self._example(has, 0 if lead.numbers["diff"] >= 0 else 1, nth)
        if at is not None:
            self._chosen[nth] = at, self._partner(at, has)
        return at

    def _at_its_place(self, at: int, lead: Description) -> str | None:
        """Return where a property or a theme shows in a text; None for what has no such place."""
        row = int(self._rows[at])
        token = self._places.get((row, (lead.kind, str(lead.key))))
        if token is None:
            return None
        for corpus in self._families.counted.sets:
            if row < corpus.n_documents:
                document = corpus.document(row)
                return snippet(
                    document["text"], document["token_start"], document["token_end"], token, _WIDTH
                ).marked()
            row -= corpus.n_documents
        return None

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
