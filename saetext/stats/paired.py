"""Differences within units: a sign-flip test of their mean, and its BCa interval.

A unit is what was drawn independently: a prompt, with its samples averaged. Not for: which of several texts
belong to a unit (:mod:`saetext.intervene`), or rows that are independent (:mod:`saetext.stats.proportions`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
MOST_EXACT = 14  # units up to which all patterns of signs are gone through
DRAWS = 10_000
_BLOCK = 1 << 20  # numbers drawn at once
_TIE = 1e-9  # sums closer than this, relative to the largest, are equal but for rounding


class Paired(NamedTuple):
    """Mean difference of units, with its interval and two-sided p."""

    mean: float
    low: float
    high: float
    p: float


def paired(differences: ArrayLike, *, level: float = 0.95, seed: int = 0) -> Paired:
    """Return the mean of differences with :func:`bca_interval` and :func:`sign_flip_p`; 0 of no units."""
    d = np.asarray(differences, np.float64)
    if not len(d):
        return Paired(0.0, -np.inf, np.inf, 1.0)
    low, high = bca_interval(d, level=level, seed=seed)
    return Paired(float(d.mean()), low, high, sign_flip_p(d, seed=seed))


def sign_flip_p(differences: ArrayLike, *, seed: int = 0) -> float:
    """Return the two-sided p of a mean difference under the hypothesis that each sign is a coin's.

    Exact up to 14 units: the share of all patterns of signs with a sum at least as far from 0. Beyond that
    (1 + draws as far) / (1 + draws) of 10,000 random ones (Fisher 1935; Phipson and Smyth 2010,
    doi:10.2202/1544-6115.1585). 1 where there are no units.

    Parameters
    ----------
    differences : float[n]
        One for each unit.
    seed : int
        Of the draws.
    """
    d = np.asarray(differences, np.float64)
    if not len(d):
        return 1.0
    least = abs(d.sum()) - _TIE * max(float(np.abs(d).sum()), 1e-300)
    if len(d) <= MOST_EXACT:
        patterns = np.arange(1 << len(d))[:, None] >> np.arange(len(d)) & 1
        return float((np.abs((2 * patterns - 1) @ d) >= least).mean())
    draw = np.random.default_rng(seed)
    block = max(1, _BLOCK // len(d))
    far = 0
    for start in range(0, DRAWS, block):
        signs = draw.integers(0, 2, (min(block, DRAWS - start), len(d)), dtype=np.int8)
        far += int((np.abs((2 * signs - 1) @ d) >= least).sum())
    return (1 + far) / (1 + DRAWS)


def bca_interval(values: ArrayLike, *, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of a mean.

    After Efron 1987 (doi:10.1080/01621459.1987.10478410), 10,000 resamples, acceleration by the jackknife.

    Parameters
    ----------
    values : float[n]
        Of independent units.
    level : float
        Confidence level.
    seed : int
        Of the resamples.

    Returns
    -------
    low, high : float
        Infinite for fewer than 2 values; the mean twice where all are equal.
    """
    x = np.asarray(values, np.float64)
    if len(x) < 2:
        return -np.inf, np.inf
    mean = float(x.mean())
    if np.ptp(x) <= _TIE * np.abs(x).max():
        return mean, mean
    means = _resampled(x, seed)
    below = (means < mean - 1e-12 * np.ptp(x)).mean() + (np.abs(means - mean) <= 1e-12 * np.ptp(x)).mean() / 2
    bias = special.ndtri(np.clip(below, 0.5 / DRAWS, 1 - 0.5 / DRAWS))
    without = (x.sum() - x) / (len(x) - 1)
    lean = without.mean() - without
    acceleration = float((lean**3).sum() / (6 * (lean**2).sum() ** 1.5))
    tail = special.ndtri([0.5 - level / 2, 0.5 + level / 2]) + bias
    shares = special.ndtr(bias + tail / (1 - acceleration * tail))
    low, high = np.quantile(means, shares)
    return float(low), float(high)


def _resampled(x: Floats, seed: int) -> Floats:
    draw = np.random.default_rng(seed)
    block = max(1, _BLOCK // len(x))
    parts = [
        x[draw.integers(0, len(x), (min(block, DRAWS - start), len(x)))].mean(axis=1)
        for start in range(0, DRAWS, block)
    ]
    return np.concatenate(parts)
