"""One score from several rankings of the same documents, weighted by what is known of the query.

Scores are put into standard deviations and added. What each ranking counts depends on how well a label, theme
or detector fits the query. Then the first documents are taken for right, and what they share counts too, so
that different wordings of one question come to the same documents. Not for: making rankings
(:mod:`saetext.analysis.search.rankings`), or documents that a user has judged
(:mod:`saetext.analysis.search.refitting`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.standard import standardised

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """What each ranking counts; chosen on the development half of benchmarks/retrieval.py.

    Attributes
    ----------
    features, dense, bm25, detector : float
        Of each ranking, where it is there.
    fit : float
        What the features count more for each unit of ``fit`` above its middle, .5.
    shared_features, shared_dense : float
        What the features, and the sentence embeddings, count that the first documents share.
    first : int
        Number of first documents that are taken for right.
    unwanted : float
        What a document loses for each standard deviation by which it has what is not wanted.
    """

    features: float = 1.0
    dense: float = 1.0
    bm25: float = 0.4
    detector: float = 1.5
    fit: float = 0.0
    shared_features: float = 0.5
    shared_dense: float = 0.5
    first: int = 20
    unwanted: float = 1.0


WEIGHTS = Weights()


@dataclass(frozen=True, eq=False)
class Signal:
    """Scores by one ranking: of the documents to put in order, and of those that say what is usual."""

    score: Floats
    usual: Floats

    def standard(self) -> Floats:
        """Return the scores in standard deviations."""
        return standardised(self.score, self.usual)


def combined(signals: Mapping[str, Signal], fit: float, weights: Weights = WEIGHTS) -> dict[str, Floats]:
    """Return what each ranking gives to the score of each document.

    Parameters
    ----------
    signals : mapping of name to Signal
        ``features``, ``dense``, ``bm25``, ``detector``: those there are.
    fit : float
        How well a label, theme or detector fits the query, 0 to 1 (:func:`fit_of`).
    weights : Weights
        What each counts.
    """
    counts = {
        "features": max(weights.features + weights.fit * (fit - 0.5), 0.0),
        "dense": weights.dense,
        "bm25": weights.bm25,
        "detector": weights.detector,
    }
    return {name: counts[name] * signal.standard() for name, signal in signals.items()}


def fit_of(cosine: float) -> float:
    """Return how well the nearest label fits, 0 to 1: 0 up to a cosine similarity of .35 and 1 from .75 on.

    Examples
    --------
    >>> round(fit_of(0.55), 2), fit_of(0.2), fit_of(0.9)
    (0.5, 0.0, 1.0)
    """
    return min(max((cosine - 0.35) / 0.4, 0.0), 1.0)


def first_of(parts: Mapping[str, Floats], rows: Rows, n: int) -> tuple[Rows, Floats]:
    """Return the first ``n`` rows by the sum of their parts, and what each counts: later ones less."""
    score = np.sum(list(parts.values()), axis=0)
    first = rows[np.lexsort((rows, -score))[:n]]
    return first, 1.0 / np.log2(np.arange(len(first)) + 2)
