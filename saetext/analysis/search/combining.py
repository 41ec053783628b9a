"""One score from several rankings of the same documents, weighted by what is known of the query.

Scores are put into standard deviations and added. What each ranking counts depends on two facts: how well a
label, theme or detector fits the query, and how like the query the nearest documents are. Then the first
documents are taken for right, and what they share counts too, so that different wordings of one question come
to the same documents. Not for: making rankings (:mod:`saetext.analysis.search.rankings`), or documents that a
user has judged (:mod:`saetext.analysis.search.refitting`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.standard import standardised

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
#: What the facts are measured from.
USUAL_FIT, USUAL_NEARNESS = 0.4, 0.45
UNWANTED_FROM = 0.5  # standard deviations that documents may have of what is not wanted
RELATED = 0.5  # share of what follows from having what is wanted that is allowed for
NEAREST = 10  # documents that say how like the query any document is


@dataclass(frozen=True)
class Facts:
    """What is known of a query before documents are put in order.

    Attributes
    ----------
    fit : float
        How well a label, theme or detector fits it, 0 to 1 (:func:`fit_of`).
    nearness : float
        Mean cosine similarity of the query and the ten nearest documents: high where documents say what the
        query says, low where they do what it describes.
    """

    fit: float
    nearness: float


@dataclass(frozen=True)
class Weights:
    """What each way of searching counts; chosen on the development half of benchmarks/retrieval.py.

    The weights of features, embeddings and words are a softmax, so they add up to 1. A detector and the
    features that the words ask for have half of the features' weight each: which is right depends on the
    query.

    Attributes
    ----------
    features, detector, bm25 : float
        In the exponent; that of the embeddings is 0.
    features_nearness, dense_nearness : float
        Added to the exponent for each unit of nearness above the usual.
    features_fit : float
        Likewise for each unit of fit.
    shared_features, shared_dense : float
        What the features, and the sentence embeddings, count that the first documents share.
    first : int
        Number of first documents that are taken for right; 0 for none.
    unwanted : float
        What a document loses for each standard deviation of what is not wanted, from half of one on.
    """

    features: float = -0.5
    detector: float = -0.5
    bm25: float = -0.8
    features_nearness: float = -2.6
    dense_nearness: float = 3.6
    features_fit: float = 1.7
    shared_features: float = 0.5
    shared_dense: float = 0.6
    first: int = 15
    unwanted: float = 2.0

    def of(self, names: Collection[str], facts: Facts) -> dict[str, float]:
        """Return what each of these ways of searching counts for a query; they add up to 1."""
        near, fit = facts.nearness - USUAL_NEARNESS, facts.fit - USUAL_FIT
        meant = self.features_nearness * near + self.features_fit * fit
        exponent = {
            "features": self.features + meant,
            "detector": self.detector + meant,
            "dense": self.dense_nearness * near,
            "bm25": self.bm25,
        }
        power = {name: float(np.exp(exponent[name])) for name in names}
        if "detector" in power and "features" in power:
            power |= {name: power[name] / 2 for name in ("detector", "features")}
        total = sum(power.values())
        return {name: each / total for name, each in power.items()}


WEIGHTS = Weights()


@dataclass(frozen=True, eq=False)
class Signal:
    """Scores by one ranking: of the documents to put in order, and of those that say what is usual."""

    score: Floats
    usual: Floats

    def standard(self) -> Floats:
        """Return the scores in standard deviations."""
        return standardised(self.score, self.usual)


def combined(signals: Mapping[str, Signal], facts: Facts, weights: Weights = WEIGHTS) -> dict[str, Floats]:
    """Return what each ranking gives to the score of each document.

    Parameters
    ----------
    signals : mapping of name to Signal
        ``features`` or ``detector``, ``dense``, ``bm25``: those there are.
    facts : Facts
        What is known of the query.
    weights : Weights
        What each counts.
    """
    counts = weights.of(signals.keys(), facts)
    return {name: counts[name] * signal.standard() for name, signal in signals.items()}


def fit_of(cosine: float) -> float:
    """Return how well the nearest label fits: 0 up to a cosine similarity of .35 and 1 from .75 on.

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
