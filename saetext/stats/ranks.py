"""The rank effect (AUC): how often a document of A has more of a feature than one of B.

Not for: computing placements over many documents, see :mod:`saetext.stats.kernels`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from saetext.stats.counts import Floats, normal_quantile


def auc_interval(
    auc: ArrayLike, variance: ArrayLike, n_a: int, n_b: int, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Interval for an AUC from its variance, on the logit scale so that it stays inside [0, 1].

    Where the variance is 0, Hanley and McNeil's (Radiology 143:29, 1982) takes its place. Where the sets are
    completely separated, the other limit is the AUC at which as many independent comparisons as the smaller
    set has rows would all go one way with probability ``(1 - level) / 2``.

    Parameters
    ----------
    auc, variance : array_like of float
        Estimate and its variance, e.g. DeLong's.
    n_a, n_b : int
        Documents in each set; without any the interval is (0, 1).
    level : float
        Confidence level.

    Returns
    -------
    low, high : float64 arrays
    """
    theta, var = np.asarray(auc, np.float64), np.asarray(variance, np.float64)
    if not n_a or not n_b:
        return np.zeros(theta.shape), np.ones(theta.shape)
    apart = (theta <= 0) | (theta >= 1)
    at = np.where(apart, 0.5, theta)
    q1, q2 = at / (2 - at), 2 * at**2 / (1 + at)
    hanley = at * (1 - at) + (n_a - 1) * (q1 - at**2) + (n_b - 1) * (q2 - at**2)
    spread = np.sqrt(np.where(var <= 1e-14, hanley / (n_a * n_b), var)) / (at * (1 - at))
    reach = normal_quantile(level) * spread
    logit = special.logit(at)
    low, high = special.expit(logit - reach), special.expit(logit + reach)
    limit = ((1 - level) / 2) ** (1 / min(n_a, n_b))
    low = np.where(theta <= 0, 0.0, np.where(theta >= 1, limit, low))
    high = np.where(theta >= 1, 1.0, np.where(theta <= 0, 1 - limit, high))
    return np.minimum(low, theta), np.maximum(high, theta)
