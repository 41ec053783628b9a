"""False-discovery control over many tests. Not for: the tests themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from saetext.stats.counts import Floats


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Adjusted p-values (q) that control the false-discovery rate (Benjamini and Hochberg 1995).

    Parameters
    ----------
    p : array_like of float
        One-dimensional, in [0, 1]; may be empty.

    Returns
    -------
    q : float64 array
        Same length, never below ``p``.

    Raises
    ------
    ValueError
        If a value is NaN or outside [0, 1].
    """
    values = np.asarray(p, np.float64)
    if not values.size:
        return np.empty(0)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("p-values must lie between 0 and 1")
    order = np.argsort(values)[::-1]
    scaled = values[order] * (len(values) / np.arange(len(values), 0, -1))
    q = np.empty(len(values))
    q[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return q
