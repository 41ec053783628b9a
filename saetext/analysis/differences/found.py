"""The table of what differs, a row a finding, each with a name, its members and an example.

Not for: which findings there are (:mod:`saetext.analysis.differences.simplest`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.families import Families
from saetext.analysis.differences.result import FOUND, Evidence
from saetext.analysis.differences.simplest import KINDS, Description, Led
from saetext.corpus.protocol import Ints
from saetext.text.passages import Snippet, printable

if TYPE_CHECKING:
    import polars as pl

ILLUSTRATED = 200  # findings that get an example, the first ones
NAMED = 12  # members named in a row
_WIDTH = 80  # characters of a snippet
_LINE, _PIECES = 2000, 200  # characters of a line, and lines and sentences, that are looked at for a mark
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_TEXTS = ("name", "kind", "length", "term", "snippet_a", "snippet_b")
_FAMILIES = {kind: family for family, kind in KINDS.items()}


def features_of_list(led: Sequence[Led], most: int = ILLUSTRATED) -> Ints:
    """int64[n]: the features that lead one of the first findings."""
    return np.array([int(one.lead.key) for one in led[:most] if one.lead.kind == "feature"], np.int64)


def figures_of(led: Sequence[Led]) -> dict[str, int]:
    """Return how many findings there are, and what length has to do with them."""
    lengths = [one.lead.numbers["length"] for one in led]
    return {
        "found": len(led),
        "found_confirmed": sum(one.lead.numbers["confirmed"] for one in led),
        "found_by_length": lengths.count("yes"),
        "found_unclear": sum(length not in ("yes", "no", None) for length in lengths),
    }


def name_of_term(kind: str, term: str | int) -> str:
    """Return what a term is called among findings: words stand in quotation marks."""
    return f"“{term}”" if kind == "word" else str(term)


def found_table(
    led: Sequence[Led],
    families: Families,
    name_of: Callable[[Description], str],
    evidence: Mapping[int, Evidence],
    illustrated: int = ILLUSTRATED,
) -> pl.DataFrame:
    """Return the table, with the columns of :data:`saetext.analysis.differences.result.FOUND`.

    Parameters
    ----------
    led : sequence of Led
        The findings in order.
    families : Families
        What words and marks were compared on.
    name_of : callable
        What a description is called.
    evidence : mapping
        Feature to its example in each set.
    illustrated : int
        How many of the first findings get snippets.
    """
    import polars as pl

    finder = _Finder(families)
    rows = []
    for at, one in enumerate(led):
        lead = one.lead
        a = b = None
        if at < illustrated:
            a, b = _snippets(lead, evidence, finder, at)
        rows.append(
            {
                "name": printable(name_of(lead)),
                "kind": lead.kind,
                **lead.numbers,
                "term": None if lead.kind == "feature" else lead.key,
                "feature": lead.key if lead.kind == "feature" else None,
                "members": [printable(name_of(member)) for member in one.members[:NAMED]],
                "n_members": len(one.members),
                "snippet_a": a,
                "snippet_b": b,
            }
        )
    types: dict[str, Any] = dict.fromkeys(FOUND, pl.Float64) | dict.fromkeys(_TEXTS, pl.String)
    types |= {
        "confirmed": pl.Boolean, "feature": pl.Int64, "n_members": pl.Int64, "members": pl.List(pl.String),
    }  # fmt: skip
    return pl.DataFrame(rows, schema=types, orient="row")


def _snippets(
    lead: Description, evidence: Mapping[int, Evidence], finder: _Finder, nth: int
) -> tuple[str | None, str | None]:
    if lead.kind == "feature":
        found = evidence.get(int(lead.key), (None, None))
        a, b = (None if example is None else example.snippet.marked() for example in found)
        return a, b
    return finder.snippets(lead, nth)


class _Finder:
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
        column = self._families.terms[_FAMILIES[lead.kind]].matrix[:, [lead.column]]
        has = np.asarray(column.toarray()).ravel() > 0
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
