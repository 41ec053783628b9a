"""Probabilities of properties for every document of a corpus.

Not for: what a detector is (:mod:`saetext.features.detectors.detector`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError
from saetext.features.detectors.detector import Detector
from saetext.features.passage_sums import passage_sums
from saetext.io.progress import Count, nobody

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.corpus.protocol import CorpusLike
    from saetext.corpus.rows import PooledRows

LONGEST = 800  # features present in a document, about 370 words; beyond, whole texts get too much
LONG_SHARE = 0.2  # share of longer documents from which on that is said, and they are left out


def score(
    corpus: CorpusLike, detectors: Sequence[Detector], sae: str | None = None, count: Count = nobody
) -> NDArray[np.float32]:
    """Return how likely each document has each property.

    Parameters
    ----------
    corpus : Corpus
        The documents, read with the detectors' SAE.
    detectors : sequence of Detector
        Which properties.
    sae : str, optional
        Which SAE, if the corpus has several.
    count : callable
        Gets how many documents are done, and of how many.

    Returns
    -------
    float32[n_documents, n_detectors]
        Probabilities, 0 to 1. A document without any feature has 0.

    Raises
    ------
    IncompatibleError
        If a detector is of another SAE.
    """
    spec = corpus.spec.sae(sae)
    for detector in detectors:
        detector.require_for(spec)
    found = np.zeros((corpus.n_documents, len(detectors)), np.float32)
    if not len(detectors):
        return found
    start = 0
    for block in corpus.rows(spec.name):
        found[start : start + len(block)] = score_rows(block, detectors)
        start += len(block)
        count(start, len(found))
    return found


def matrix_of(rows: PooledRows, d_sae: int) -> csr_matrix:
    """Return float32[n, d_sae]: the largest activation of each feature present."""
    from scipy import sparse

    return sparse.csr_matrix((rows.value, rows.feature, rows.indptr), shape=(len(rows), d_sae))


def score_rows(rows: PooledRows, detectors: Sequence[Detector]) -> NDArray[np.float32]:
    """Return the probabilities, float32[n, n_detectors], of a block of documents."""
    scores = np.empty((len(rows), len(detectors)))
    for at, detector in enumerate(detectors):
        z = detector.slope * raw_scores(rows, detector) + detector.intercept
        scores[:, at] = 1 / (1 + np.exp(-np.clip(z, -60, 60)))
    scores[np.diff(rows.indptr) == 0] = 0.0
    return scores.astype(np.float32)


def raw_scores(rows: PooledRows, detector: Detector) -> NDArray[np.float64]:
    """Return float64[n]: the scores before calibration, of the text or of its best passage."""
    if detector.reach:
        return detector.bias + best_passages(rows, detector).sums
    _, document, adds = _added(rows, detector)
    total = np.bincount(document, adds, minlength=len(rows)).astype(np.float64)
    found: NDArray[np.float64] = (
        detector.bias + detector.length_weight * np.log1p(np.diff(rows.indptr)) + total
    )
    return found


@dataclass(frozen=True, eq=False)
class Passages:
    """The passage of each document in which a detector's features add most.

    Attributes
    ----------
    sums : float64[n]
        What they add there, at least 0: a passage without any of them adds nothing.
    place : int64[n]
        The token in its middle, from 0; -1 where there is none.
    """

    sums: NDArray[np.float64]
    place: NDArray[np.int64]


def best_passages(rows: PooledRows, detector: Detector) -> Passages:
    """Look for the best passage around a peak of one of the detector's features.

    A feature that was pooled without its place counts nowhere.
    """
    entry, document, adds = _added(rows, detector)
    there = rows.peak[entry] >= 0
    of, peak, adds = document[there], rows.peak[entry[there]].astype(np.int64), adds[there]
    sums = passage_sums(of, peak, adds, detector.reach)
    best, place = np.zeros(len(rows)), np.full(len(rows), -1, np.int64)
    order = np.lexsort((-peak, sums))  # the last one of a document counts: of equal ones the earliest place
    order = order[sums[order] > 0]
    best[of[order]], place[of[order]] = sums[order], peak[order]
    return Passages(best, place)


def _added(
    rows: PooledRows, detector: Detector
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the entries that are features of the detector, their rows, and what each adds to the score."""
    weight, scale = np.zeros(detector.d_sae), np.ones(detector.d_sae)
    weight[detector.features], scale[detector.features] = detector.weights, detector.scales
    entry = np.flatnonzero((weight != 0)[rows.feature])
    feature = rows.feature[entry]
    document = np.searchsorted(rows.indptr, entry, side="right") - 1
    return entry, document, weight[feature] * np.minimum(rows.value[entry] / scale[feature], 1.0)


def presence(
    corpus: CorpusLike, detectors: Sequence[Detector], sae: str | None = None, count: Count = nobody
) -> csr_matrix:
    """Return float32[n_documents, n_detectors]: the probabilities at or above each detector's threshold.

    Parameters are those of :func:`score`.

    Raises
    ------
    IncompatibleError
        If a detector is of another SAE.
    """
    from scipy import sparse

    found = score(corpus, detectors, sae, count)
    least = np.array([detector.threshold for detector in detectors], np.float32)
    return sparse.csr_matrix(np.where(found >= least, found, np.float32(0)))


def long_share(corpora: Sequence[CorpusLike], sae: str | None = None) -> float:
    """Return the share of documents with more than :data:`LONGEST` features, 0 where there are no documents.

    Many weak features add up in long texts, and properties are then seen that are not there.
    """
    counts = [np.diff(block.indptr) for corpus in corpora for block in corpus.rows(sae)]
    size = np.concatenate([np.empty(0, np.int64), *counts])
    return float((size > LONGEST).mean()) if len(size) else 0.0


def of_such_length(
    corpora: Sequence[CorpusLike], detectors: Sequence[Detector], sae: str | None = None
) -> tuple[Detector, ...]:
    """Return the detectors that say what is true of documents of these lengths.

    All, unless more than :data:`LONG_SHARE` of the documents are long: then those that look at passages.
    """
    whole = [detector for detector in detectors if not detector.reach]
    if not whole or long_share(corpora, sae) <= LONG_SHARE:
        return tuple(detectors)
    return tuple(detector for detector in detectors if detector.reach)


def one_named(detectors: Sequence[Detector], name: str) -> Detector:
    """Return the detector of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    for detector in detectors:
        if detector.name == name:
            return detector
    there = ", ".join(detector.name for detector in detectors) or "none for this reader"
    raise InputError(f"no detector named {name!r}; there are: {there}")
