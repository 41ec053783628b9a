"""Scorer: what a query of features says about every document, exactly, from the postings.

A feature counts ``weight * min(value / scale, CAP)``; the sum is divided by the square root of one more than
the number of features present in the document, since long documents have more of everything. To that number
a quarter of the usual one is added, or a text of one or two words would win by any feature it happens to
have: a pivot, as in Singhal, Buckley and Mitra (1996). Not for: which features a query has, or dense vectors.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.query import Clause, FeatureQuery
from saetext.analysis.search.stored import Entries
from saetext.errors import InputError

CAP = 1.0  # a feature counts no more than at its 90th percentile; chosen on development queries, see docs
# Share of the median number of features that is added to every document's. On the development queries of
# benchmarks/retrieval.py texts of fewer than five tokens fell from 7 to 4 % of the first fifty at the same
# mean average precision; half of the median began to cost.
PIVOT = 0.25
# With several clauses, each is divided by this share of its weights in a document of usual length, so that no
# document changes how two others compare. The score that one document in a hundred exceeds, which counted
# where it was higher, measured a broad clause by the corpus and was no better: mean average precision .172
# against .173 on 72 questions with AND from the development half of benchmarks/agreement.py.
SATISFIED = 0.2
NO_MASK = np.empty(0, bool)
_PIECE = 1 << 22  # entries


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of all documents by a query.

    Attributes
    ----------
    score : float64[n_documents]
        Of the whole corpus, whatever the filter.
    unit : tuple of float
        What each clause's scores were divided by.
    least : float
        A document with no more than this is no answer.
    """

    score: NDArray[np.float64]
    unit: tuple[float, ...]
    least: float


class Scorer:
    """Scores documents on the postings of a whole corpus; safe in several threads.

    Parameters
    ----------
    postings : Entries
        Entries of all documents, by feature.
    n_documents : int
        Of the whole corpus.
    scales : float32[d_sae], optional
        Those of ``saetext index``; without them each is computed when it is first asked for.
    lengths : int32[n_documents], optional
        Features present in each document; likewise, all at once.
    """

    def __init__(
        self,
        postings: Entries,
        n_documents: int,
        scales: NDArray[np.float32] | None = None,
        lengths: NDArray[np.int32] | None = None,
    ) -> None:
        self.postings = postings
        self.n_documents = n_documents
        self.frequency: NDArray[np.int64] = np.diff(postings.indptr)
        self._scales = np.full(len(self.frequency), np.nan, np.float32) if scales is None else scales
        self._lengths = lengths
        self._damping: NDArray[np.float64] | None = None
        self._usual: float | None = None
        self._lock = threading.Lock()

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return len(self.frequency)

    def scale(self, feature: int) -> float:
        """Return a feature's full strength: the 90th percentile of its non-zero values; 1 if it has none."""
        known = float(self._scales[feature])
        if np.isnan(known):
            known = full_strength(self.postings, feature)
            with self._lock:
                self._scales[feature] = known
        return known or 1.0

    @property
    def damping(self) -> NDArray[np.float64]:
        """float64[n_documents]: what a document's sum is multiplied by."""
        with self._lock:
            if self._damping is None:
                lengths = self._lengths
                if lengths is None:
                    lengths = entry_counts(self.postings, self.n_documents)
                usual = float(np.median(lengths)) if len(lengths) else 0.0
                self._damping = 1 / np.sqrt(1.0 + PIVOT * usual + lengths)
            return self._damping

    @property
    def usual_damping(self) -> float:
        """The median of :attr:`damping`: what a document of usual length has."""
        if self._usual is None:
            self._usual = float(np.median(self.damping)) if self.n_documents else 1.0
        return self._usual

    def score(self, query: FeatureQuery) -> Scored:
        """Return the scores of all documents.

        Raises
        ------
        InputError
            If the query has no feature.
        """
        if not query.n_terms:
            raise InputError("no feature is left to search by")
        asked = [clause for clause in query.clauses if not clause.negated and clause.terms]
        negated = [clause for clause in query.clauses if clause.negated and clause.terms]
        only_negative = not any(term.weight > 0 for clause in asked for term in clause.terms)
        least = -np.inf if only_negative else 0.0
        if len(asked) == 1 and not negated:
            return Scored(self._sum(asked[0]), tuple(1.0 for _ in query.clauses), least)
        units = {id(clause): 1.0 for clause in query.clauses}
        score: NDArray[np.float64] | None = None
        for clause in (*asked, *negated):
            mine = self._sum(clause)
            units[id(clause)] = _unit(clause, self.usual_damping)
            mine /= units[id(clause)]
            if clause.negated:
                score = -mine if score is None else score - np.maximum(mine, 0.0)
            else:
                score = mine if score is None else np.minimum(score, mine)
        assert score is not None
        return Scored(score, tuple(units[id(clause)] for clause in query.clauses), least)

    def contributions(
        self,
        query: FeatureQuery,
        scored: Scored,
        row: int,
        features: NDArray[np.int32],
        values: NDArray[np.float32],
    ) -> list[tuple[int, float]]:
        """Return what each feature of one document adds to its score, the largest first.

        They add up to the score: of several clauses, those of the weakest one asked for and those negated.

        Parameters
        ----------
        row : int
            The document.
        features : int32[k]
            The features present in the document.
        values : float32[k]
            Their activations.
        """
        stored = dict(zip(features.tolist(), values.tolist(), strict=True))
        asked: list[dict[int, float]] = []
        found: dict[int, float] = {}
        for clause, unit in zip(query.clauses, scored.unit, strict=True):
            if not clause.terms:
                continue
            parts = _parts(clause, stored, float(self.damping[row]) / unit)
            if not clause.negated:
                asked.append(parts)
            elif sum(parts.values()) > 0:
                for feature, part in parts.items():
                    found[feature] = found.get(feature, 0.0) - part
        if asked:
            for feature, part in min(asked, key=lambda parts: sum(parts.values())).items():
                found[feature] = found.get(feature, 0.0) + part
        return sorted(found.items(), key=lambda item: (-item[1], item[0]))

    def _sum(self, clause: Clause) -> NDArray[np.float64]:
        """Return float64[n_documents]: the sum over a clause's terms, in the order of features."""
        from saetext.analysis.search.kernels import add_features

        terms = sorted(clause.terms, key=lambda term: term.feature)
        score = np.zeros(self.n_documents)
        add_features(
            self.postings.indptr, self.postings.doc, self.postings.value,
            np.array([term.feature for term in terms], np.int64),
            np.array([term.weight for term in terms], np.float64),
            np.array([term.scale for term in terms], np.float64),
            CAP, score,
        )  # fmt: skip
        score *= self.damping
        return score


def top(scored: Scored, k: int, live: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Return up to ``k`` documents, best first and earlier rows first on a tie; ``live`` may be returned."""
    from saetext.analysis.search.kernels import best

    mask = NO_MASK if live is None else live
    if k <= 2000:
        return best(scored.score, mask, scored.least, k)
    fits = scored.score > scored.least
    rows = np.flatnonzero(fits if live is None else fits & live)
    order = np.argsort(-scored.score[rows], kind="stable")
    return rows[order[:k]]


def full_strength(postings: Entries, feature: int) -> float:
    """Return the smallest value that nine in ten of a feature's values do not exceed; 0 if it has none."""
    values = postings.value[postings.indptr[feature] : postings.indptr[feature + 1]]
    if not len(values):
        return 0.0
    at = -(-9 * len(values) // 10) - 1
    return float(np.partition(values, at)[at])


def entry_counts(postings: Entries, n_documents: int) -> NDArray[np.int32]:
    """Return int32[n_documents]: features present in each document, counted in pieces to spare memory."""
    found = np.zeros(n_documents, np.int64)
    for start in range(0, len(postings.doc), _PIECE):
        found += np.bincount(postings.doc[start : start + _PIECE], minlength=n_documents)
    return found.astype(np.int32)


def _parts(clause: Clause, stored: Mapping[int, float], factor: float) -> dict[int, float]:
    return {
        term.feature: term.weight * min(stored[term.feature] / term.scale, CAP) * factor
        for term in clause.terms
        if term.feature in stored
    }


def _unit(clause: Clause, usual_damping: float) -> float:
    """Return the score that satisfies a clause; it does not depend on how well any document answers."""
    full = clause.full or sum(-term.weight for term in clause.terms)
    return max(SATISFIED * full * usual_damping, 1e-30)
