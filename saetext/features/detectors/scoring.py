"""Probabilities of properties for every document of a corpus.

Not for: what a detector is (:mod:`saetext.features.detectors.detector`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError
from saetext.features.detectors.detector import Detector

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.corpus.protocol import CorpusLike
    from saetext.corpus.rows import PooledRows

LONGEST = 800  # features present in a document, about 370 words, beyond which probabilities are too high
LONG_SHARE = 0.2  # share of longer documents from which on that is said, and a diff does without properties


def score(corpus: CorpusLike, detectors: Sequence[Detector], sae: str | None = None) -> NDArray[np.float32]:
    """Return how likely each document has each property.

    Parameters
    ----------
    corpus : Corpus
        The documents, read with the detectors' SAE.
    detectors : sequence of Detector
        Which properties.
    sae : str, optional
        Which SAE, if the corpus has several.

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
        found[start : start + len(block)] = score_matrix(matrix_of(block, spec.d_sae), detectors)
        start += len(block)
    return found


def matrix_of(rows: PooledRows, d_sae: int) -> csr_matrix:
    """Return float32[n, d_sae]: the largest activation of each feature present."""
    from scipy import sparse

    return sparse.csr_matrix((rows.value, rows.feature, rows.indptr), shape=(len(rows), d_sae))


def score_matrix(matrix: csr_matrix, detectors: Sequence[Detector]) -> NDArray[np.float32]:
    """Return the probabilities, float32[n, n_detectors], of rows of pooled activations (n x features)."""
    present = np.diff(matrix.indptr)
    scores = np.empty((matrix.shape[0], len(detectors)))
    for at, detector in enumerate(detectors):
        z = detector.slope * raw_scores(matrix, detector) + detector.intercept
        scores[:, at] = 1 / (1 + np.exp(-np.clip(z, -60, 60)))
    scores[present == 0] = 0.0
    return scores.astype(np.float32)


def raw_scores(matrix: csr_matrix, detector: Detector) -> NDArray[np.float64]:
    """Return float64[n]: the scores before calibration."""
    weight, scale = np.zeros(detector.d_sae), np.ones(detector.d_sae)
    weight[detector.features], scale[detector.features] = detector.weights, detector.scales
    part = weight[matrix.indices] * np.minimum(matrix.data / scale[matrix.indices], 1.0)
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    total = np.bincount(row, part, minlength=matrix.shape[0]).astype(np.float64)
    found: NDArray[np.float64] = (
        detector.bias + detector.length_weight * np.log1p(np.diff(matrix.indptr)) + total
    )
    return found


def presence(corpus: CorpusLike, detectors: Sequence[Detector], sae: str | None = None) -> csr_matrix:
    """Return float32[n_documents, n_detectors]: the probabilities at or above each detector's threshold.

    Raises
    ------
    IncompatibleError
        If a detector is of another SAE.
    """
    from scipy import sparse

    found = score(corpus, detectors, sae)
    least = np.array([detector.threshold for detector in detectors], np.float32)
    return sparse.csr_matrix(np.where(found >= least, found, np.float32(0)))


def long_share(corpora: Sequence[CorpusLike], sae: str | None = None) -> float:
    """Return the share of documents with more than :data:`LONGEST` features, 0 where there are no documents.

    Many weak features add up in long texts, and properties are then seen that are not there.
    """
    counts = [np.diff(block.indptr) for corpus in corpora for block in corpus.rows(sae)]
    size = np.concatenate([np.empty(0, np.int64), *counts])
    return float((size > LONGEST).mean()) if len(size) else 0.0


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
