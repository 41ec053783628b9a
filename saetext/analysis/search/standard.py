"""Scores of different rankings in one unit: standard deviations from the mean of the corpus.

Not for: what each ranking counts (:mod:`saetext.analysis.search.combining`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE = 4000  # documents whose scores say what is usual
HIGHEST, LOWEST = 6.0, -3.0  # standard deviations beyond which a score says no more
_SEED = 0

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


def background(n_documents: int) -> Rows:
    """Return the rows that say what is usual: all, or a sample, always the same."""
    if n_documents <= SAMPLE:
        return np.arange(n_documents)
    return np.sort(np.random.default_rng(_SEED).choice(n_documents, SAMPLE, replace=False))


def standardised(score: Floats, usual: Floats) -> Floats:
    """Return scores in standard deviations above the mean of the usual ones, within bounds.

    Examples
    --------
    >>> standardised(np.array([1.0, 3.0]), np.array([0.0, 2.0]))
    array([0., 2.])
    """
    if not len(usual):
        return np.zeros(len(score))
    spread = float(usual.std())
    if spread < 1e-12:
        return np.zeros(len(score))
    return np.clip((score - float(usual.mean())) / spread, LOWEST, HIGHEST)
