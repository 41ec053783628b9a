"""How often and how strongly each feature is active in a corpus or a view of it, from its postings.

Not for: labels, or a single feature's texts (passages.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import Corpus
from saetext.corpus.calibration import Calibration
from saetext.report.explore.kept import Kept

_counts: Kept[Counts] = Kept(24)
_calibrations: Kept[Calibration] = Kept(64)


@dataclass(frozen=True, eq=False)
class Counts:
    """Of each feature, arrays by its number.

    Attributes
    ----------
    documents : int
        In the corpus or view.
    support : int64[d_sae]
        Documents that have the feature.
    mean, largest : float64[d_sae]
        Of its maxima in the documents that have it; NaN where none has.
    """

    documents: int
    support: NDArray[np.int64]
    mean: NDArray[np.float64]
    largest: NDArray[np.float64]


def calibration_of(corpus: Corpus, sae: str) -> Calibration:
    """Return the calibration of an SAE, read once."""
    return _calibrations.get((corpus.path, corpus.manifest.fingerprint, sae), lambda: corpus.calibration(sae))


def counts_of(corpus: Corpus, sae: str) -> Counts:
    """Return the counts of a corpus or view, worked out once."""
    return _counts.get((corpus.path, corpus.fingerprint, sae), lambda: _count(corpus, sae))


def _count(corpus: Corpus, sae: str) -> Counts:
    indptr, doc, value = corpus.whole.postings(sae).whole()
    if corpus.selection is None:
        support = np.diff(indptr)
        total, largest = _over(np.add, value, indptr), _over(np.maximum, value, indptr)
    else:
        inside = np.zeros(corpus.manifest.n_documents, np.bool_)
        inside[corpus.selection] = True
        there = inside[doc]
        support = _over(np.add, there, indptr).astype(np.int64)
        chosen = np.where(there, value, np.float32(0))
        total, largest = _over(np.add, chosen, indptr), _over(np.maximum, chosen, indptr)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / support
    return Counts(corpus.n_documents, support, mean, np.where(support > 0, largest, np.nan))


def _over(operation: np.ufunc, values: NDArray[np.generic], indptr: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return one number for each feature, of the values that are its own; 0 where it has none."""
    found = np.zeros(len(indptr) - 1)
    there = np.flatnonzero(np.diff(indptr))
    if len(there):
        kind = np.int64 if values.dtype == bool else None
        found[there] = operation.reduceat(values, indptr[there], dtype=kind)
    return found
