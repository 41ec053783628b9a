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

_AT_ONCE = 20_000_000  # entries that are counted before a page is answered
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


def takes_long(corpus: Corpus, sae: str) -> bool:
    """Return whether counting would keep somebody waiting."""
    entries = corpus.manifest.counts["entries"][sae]
    return entries > _AT_ONCE and (corpus.path, corpus.fingerprint, sae) not in _counts


def counts_of(corpus: Corpus, sae: str) -> Counts:
    """Return the counts of a corpus or view, worked out once."""
    return _counts.get((corpus.path, corpus.fingerprint, sae), lambda: _count(corpus, sae))


def _count(corpus: Corpus, sae: str) -> Counts:
    from saetext.report.explore.queries.kernels import count_inside

    indptr, doc, value = corpus.whole.postings(sae).whole()
    inside = np.zeros(0, np.bool_)
    if corpus.selection is not None:
        inside = np.zeros(corpus.manifest.n_documents, np.bool_)
        inside[corpus.selection] = True
    d_sae = len(indptr) - 1
    support, total, largest = np.zeros(d_sae, np.int64), np.zeros(d_sae), np.zeros(d_sae)
    if corpus.selection is None or len(corpus.selection):
        count_inside(indptr, doc, value, inside, support, total, largest)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / support
    return Counts(corpus.n_documents, support, mean, np.where(support > 0, largest, np.nan))
