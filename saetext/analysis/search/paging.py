"""Pages of what a search found: which documents, in which groups, and for each what it was found by.

Not for: ranking them (:mod:`saetext.analysis.search.searcher`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.fusing import fuse
from saetext.analysis.search.query import FeatureQuery
from saetext.analysis.search.scoring import Scored, Scorer
from saetext.analysis.search.snippets import Line, Mark, firing_line, literal_marks, word_marks
from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabels
from saetext.text.passages import printable, word_bounds

#: What each ranking counts where they are fused by rank, as for --similar.
WEIGHTS: Mapping[str, float] = {"features": 1.0, "dense": 1.0, "bm25": 0.5, "projected": 1.0}


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows of the whole corpus, best first, with their scores."""

    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    found: int  # documents that answer, ranked or not


@dataclass(frozen=True, eq=False)
class Combined:
    """Rows of the whole corpus with what each ranking gives to their scores.

    Attributes
    ----------
    rows : int64[n]
        In any order.
    parts : mapping of name to float64[n]
        They add up to the score.
    columns : mapping of str to mapping of int to float
        More columns of the table, by row.
    """

    rows: NDArray[np.int64]
    parts: Mapping[str, NDArray[np.float64]]
    columns: Mapping[str, Mapping[int, float]]


@dataclass(frozen=True, eq=False)
class Order:
    """What is paged through: one ranking or several fused, in groups or not.

    Attributes
    ----------
    rows, score
        Best first, and what they are ordered by.
    places : int64[k]
        Which of them are shown: all, or the best of each group.
    found : int
        How many there are to page through.
    columns : mapping of str to mapping of int to float
        More columns of the table, by row: the score in each ranking, and its part in a fused one.
    groups : mapping
        For a place its value and how many rows have it.
    """

    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    places: NDArray[np.int64]
    found: int
    columns: Mapping[str, Mapping[int, float]]
    groups: Mapping[int, tuple[str | None, int]]


@dataclass(frozen=True, eq=False)
class Because:
    """What documents were found by: the query with its scores, words, or a text as it is written."""

    query: FeatureQuery | None = None
    scored: Scored | None = None
    words: Sequence[str] = ()
    literal: str = ""


def order(
    rankings: Mapping[str, Ranking],
    mode: str,
    values: Sequence[str | None] | None,
    combined: Combined | None = None,
) -> Order:
    """Fuse rankings if the mode is hybrid, and keep the best row of each of ``values`` if they are given.

    Without ``combined`` scores, by their ranks (:mod:`saetext.analysis.search.fusing`).
    """
    columns = {
        f"score_{name}": dict(zip(ranking.rows.tolist(), ranking.score.tolist(), strict=True))
        for name, ranking in rankings.items()
    }
    if combined is not None:
        return fused_order(combined.rows, combined.parts, {**columns, **combined.columns}, values)
    if mode == "hybrid":
        rows, _, parts = fuse({name: ranking.rows for name, ranking in rankings.items()}, WEIGHTS)
        return fused_order(rows, parts, columns, values)
    only = next(iter(rankings.values()), Ranking(np.empty(0, np.int64), np.empty(0), 0))
    return _paged(only.rows, only.score, only.found, columns, values)


def fused_order(
    rows: NDArray[np.int64],
    parts: Mapping[str, NDArray[np.float64]],
    columns: Mapping[str, Mapping[int, float]],
    values: Sequence[str | None] | None,
) -> Order:
    """Return documents by the sum of what rankings gave them, earlier rows first on a tie.

    Parameters
    ----------
    rows : int64[n]
        Documents, in any order.
    parts : mapping of name to float64[n]
        What each ranking gave.
    columns
        More columns of the table.
    values : sequence of str, optional
        Of every document of the corpus, to keep the best row of each.
    """
    score = np.sum(list(parts.values()), axis=0) if parts else np.zeros(len(rows))
    by = np.lexsort((rows, -score))
    told = {
        f"part_{name}": dict(zip(rows.tolist(), part.tolist(), strict=True)) for name, part in parts.items()
    }
    return _paged(rows[by], score[by], len(rows), {**columns, **told}, values)


def _paged(
    rows: NDArray[np.int64],
    score: NDArray[np.float64],
    found: int,
    columns: Mapping[str, Mapping[int, float]],
    values: Sequence[str | None] | None,
) -> Order:
    places = np.arange(len(rows))
    groups: dict[int, tuple[str | None, int]] = {}
    if values is not None:
        places, groups = _grouped(rows, values)
        found = len(places)
    return Order(rows, score, places, found, columns, groups)


class Pages:
    """Makes pages of documents of a corpus."""

    def __init__(self, whole: Corpus, sae: str, labels: FeatureLabels, scorer: Scorer) -> None:
        self._whole, self._sae, self._labels, self._scorer = whole, sae, labels, scorer

    def page(
        self, order: Order, top: int | None, offset: int, because: Because
    ) -> tuple[list[dict[str, Any]], list[Line | None]]:
        """Return the rows of a result's table, numbered in the whole corpus, and their lines; all if None."""
        table, lines = [], []
        end = None if top is None else offset + top
        for rank, at in enumerate(order.places[offset:end].tolist(), start=offset + 1):
            row = int(order.rows[at])
            line, each = self._row(row, because)
            each |= {"rank": rank, "score": float(order.score[at])}
            each |= {name: known.get(row) for name, known in order.columns.items()}
            if at in order.groups:
                each["group"], each["group_size"] = order.groups[at]
            table.append(each)
            lines.append(line)
        return table, lines

    def _row(self, row: int, because: Because) -> tuple[Line | None, dict[str, Any]]:
        """Return a document's line, and what of its row does not depend on its place."""
        document = self._whole.document(row)
        entries = document["entries"][self._sae]
        contributions: list[tuple[int, float]] = []
        if because.query is not None and because.scored is not None:
            contributions = self._scorer.contributions(
                because.query, because.scored, row, entries.feature, entries.value
            )
        text, start, end = document["text"], document["token_start"], document["token_end"]
        peak = dict(zip(entries.feature.tolist(), entries.peak.tolist(), strict=True))
        marks, features = [], []
        for feature, part in contributions:
            word = None
            if text is not None and peak[feature] < len(start):
                low, high = int(start[peak[feature]]), int(end[peak[feature]])
                marks.append(Mark(low, high, part))
                first, last = word_bounds(text, low, high)
                word = printable(text[first:last]).strip()
            features.append(
                {
                    "feature": feature,
                    "label": self._labels.label(feature),
                    "contribution": part,
                    "word": word,
                }
            )
        line = None
        if text is not None:
            if because.literal:
                marks = literal_marks(text, because.literal)
            line = firing_line(text, _strongest(marks) or word_marks(text, set(because.words)))
        return line, {
            "id": document["id"],
            "row": row,
            "snippet": None if line is None else line.marked(),
            "features": features,
        }


def _strongest(marks: Sequence[Mark], n: int = 8) -> list[Mark]:
    """Return the marks that matter: with a hundred features half the words of a text would be marked."""
    positive = sorted((mark for mark in marks if mark.weight > 0), key=lambda mark: -mark.weight)
    return [mark for mark in positive[:n] if mark.weight >= positive[0].weight / 5]


def _grouped(
    rows: NDArray[np.int64], values: Sequence[str | None]
) -> tuple[NDArray[np.int64], dict[int, tuple[str | None, int]]]:
    """Return the places of the best row of each value, and its value with the number of rows that have it."""
    first: dict[str, int] = {}
    size: dict[str, int] = {}
    kept: list[int] = []
    for at, row in enumerate(rows.tolist()):
        value = values[row]
        if value is None:
            kept.append(at)
            continue
        size[value] = size.get(value, 0) + 1
        if value not in first:
            first[value] = at
            kept.append(at)
    groups: dict[int, tuple[str | None, int]] = dict.fromkeys(kept, (None, 1))
    groups |= {at: (value, size[value]) for value, at in first.items()}
    return np.array(kept, np.int64), groups
