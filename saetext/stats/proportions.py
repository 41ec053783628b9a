"""Intervals for proportions and for their differences, vectorised. Not for: tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from saetext.stats.counts import Floats, Ints, as_counts, normal_quantile


def wilson(x: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Score interval for a proportion (Wilson 1927).

    Parameters
    ----------
    x, n : array_like of int
        Successes and trials, ``0 <= x <= n``.
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    low, high : float64 arrays
        Within [0, 1]; ``(0, 1)`` where ``n`` is 0, since nothing is known there.

    Raises
    ------
    ValueError
        If a count is negative, fractional or above its total.
    """
    x, n = as_counts((x, n), [(0, 1)])
    z = normal_quantile(level)
    spread = x * ((n - x) / np.maximum(n, 1)) + z * z / 4
    centre, half = (x + z * z / 2) / (n + z * z), z * np.sqrt(spread) / (n + z * z)
    low = np.where(x == 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(x == n, 1.0, np.minimum(centre + half, 1.0))
    return low, high


def newcombe(
    x_a: ArrayLike, n_a: ArrayLike, x_b: ArrayLike, n_b: ArrayLike, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Interval for the difference of two independent proportions, ``x_a / n_a - x_b / n_b``.

    Newcombe's hybrid score interval without continuity correction (Statistics in Medicine 17:873, 1998,
    method 10). A set without rows has rate 0 and an interval that covers all it could be.

    Parameters
    ----------
    x_a, n_a, x_b, n_b : array_like of int
        Successes and trials in each set.
    level : float
        Confidence level.

    Returns
    -------
    low, high : float64 arrays
        Within [-1, 1].

    Raises
    ------
    ValueError
        As :func:`wilson`.
    """
    x_a, n_a, x_b, n_b = as_counts((x_a, n_a, x_b, n_b), [(0, 1), (2, 3)])
    return _square_and_add(x_a, n_a, x_b, n_b, np.zeros(x_a.shape), level)


def newcombe_paired(
    both: ArrayLike, only_a: ArrayLike, only_b: ArrayLike, n: ArrayLike, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Interval for the difference of two proportions measured on the same pairs, rate in A minus rate in B.

    Newcombe's hybrid score interval with the corrected correlation (Statistics in Medicine 17:2635, 1998,
    method 10): phi has n/2 taken from a positive numerator, and is 0 where a margin is empty.

    Parameters
    ----------
    both, only_a, only_b : array_like of int
        Pairs in which the feature is present on both sides, in A only, in B only.
    n : array_like of int
        Pairs.
    level : float
        Confidence level.

    Returns
    -------
    low, high : float64 arrays
        Within [-1, 1].

    Raises
    ------
    ValueError
        If a count is negative or fractional, or the three add up to more than ``n``.
    """
    both, only_a, only_b, n = as_counts((both, only_a, only_b, n), [(0, 3), (1, 3), (2, 3)])
    neither = n - both - only_a - only_b
    if (neither < 0).any():
        raise ValueError("both + only_a + only_b is more than n")
    x_a, x_b = both + only_a, both + only_b
    f = np.float64
    product = both.astype(f) * neither - only_a.astype(f) * only_b
    product = np.where(product > 0, np.maximum(product - n / 2, 0.0), product)
    margins = np.sqrt(x_a.astype(f) * (n - x_a)) * np.sqrt(x_b.astype(f) * (n - x_b))
    phi = np.divide(product, margins, out=np.zeros(x_a.shape), where=margins > 0)
    return _square_and_add(x_a, n, x_b, n, phi, level)


def _square_and_add(
    x_a: Ints, n_a: Ints, x_b: Ints, n_b: Ints, phi: Floats, level: float
) -> tuple[Floats, Floats]:
    low_a, high_a = wilson(x_a, n_a, level)
    low_b, high_b = wilson(x_b, n_b, level)
    rate_a, rate_b = x_a / np.maximum(n_a, 1), x_b / np.maximum(n_b, 1)

    def reach(p: Floats, q: Floats) -> Floats:
        return np.sqrt(np.maximum(p * p - 2 * phi * p * q + q * q, 0.0))

    difference = rate_a - rate_b
    low = difference - reach(rate_a - low_a, high_b - rate_b)
    high = difference + reach(high_a - rate_a, rate_b - low_b)
    unknown = (n_a == 0) | (n_b == 0)  # without rows on a side, all that the other side leaves open
    low, high = np.where(unknown, low_a - high_b, low), np.where(unknown, high_a - low_b, high)
    return np.maximum(low, -1.0), np.minimum(high, 1.0)
