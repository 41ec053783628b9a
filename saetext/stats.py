"""Intervals, exact tests and false-discovery control for presence counts, vectorised over features.

Every function takes arrays of counts (one entry a feature, broadcast against each other) and returns
arrays of the same shape; none of them returns NaN. Not for: deciding what is counted, which rows pair, or
which features are worth a test; that is :mod:`saetext.diff`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # scipy.stats would take a second to import

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Two tables whose probabilities differ by less than this (relative) are tied in Fisher's test. Log-factorials
# of 10 million are good to 3e-8; R's fisher.test takes the same value.
_TIE = 1e-7
_CHUNK = 1 << 15  # tables in flight at once: their vectors stay in the processor's cache


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
    x, n = _counts((x, n), [(0, 1)])
    z = _quantile(level)
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
    x_a, n_a, x_b, n_b = _counts((x_a, n_a, x_b, n_b), [(0, 1), (2, 3)])
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
    both, only_a, only_b, n = _counts((both, only_a, only_b, n), [(0, 3), (1, 3), (2, 3)])
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


def fisher_exact_p(x_a: ArrayLike, n_a: ArrayLike, x_b: ArrayLike, n_b: ArrayLike) -> Floats:
    """Two-sided p of Fisher's exact test on the table [[x_a, n_a - x_a], [x_b, n_b - x_b]].

    The sum of the probabilities of all tables with the same margins that are no more likely than the one
    observed, as in ``scipy.stats.fisher_exact``. Each distinct table is computed once; both tails are summed
    outwards by the ratio of neighbouring terms until those no longer change the sum.

    Parameters
    ----------
    x_a, n_a, x_b, n_b : array_like of int
        Successes and trials in each set.

    Returns
    -------
    p : float64 array
        In [0, 1]; 1 where a margin is empty.

    Raises
    ------
    ValueError
        As :func:`wilson`.
    """
    columns = _counts((x_a, n_a, x_b, n_b), [(0, 1), (2, 3)])
    shape = columns[0].shape
    code = np.zeros(columns[0].size, np.int64)
    for column in columns:  # number the distinct tables without sorting rows of four
        values, index = np.unique(column.ravel(), return_inverse=True)
        code = np.unique(code * len(values) + index, return_inverse=True)[1]
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    a, n_a, b, n_b = (column.ravel()[first] for column in columns)
    p = np.empty(len(first))
    for start in range(0, len(first), _CHUNK):
        part = slice(start, start + _CHUNK)
        p[part] = _fisher(a[part], n_a[part], a[part] + b[part], n_b[part])
    return p[inverse].reshape(shape)


def mcnemar_exact_p(only_a: ArrayLike, only_b: ArrayLike) -> Floats:
    """Two-sided p of McNemar's exact test, that the discordant pairs are split evenly.

    Parameters
    ----------
    only_a, only_b : array_like of int
        Pairs with the feature in A only and in B only.

    Returns
    -------
    p : float64 array
        In [0, 1]; 1 where there are no discordant pairs.

    Raises
    ------
    ValueError
        If a count is negative or fractional.
    """
    only_a, only_b = _counts((only_a, only_b), [])
    fewer, more = np.minimum(only_a, only_b), np.maximum(only_a, only_b)
    # P(X <= fewer) of the binomial at 1/2; where nothing is discordant, any arguments will do
    tail = special.betainc(np.maximum(more, 1), fewer + 1, 0.5)
    return np.where(more == fewer, 1.0, np.minimum(2 * tail, 1.0))


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


def _fisher(x: Ints, n_a: Ints, k: Ints, n_b: Ints) -> Floats:
    """Two-sided p of ``x`` successes in A out of ``k`` in both; arrays of one length."""
    mode = ((k + 1) * (n_a + 1)) // (n_a + n_b + 2)
    # Swap the sets where x lies below the mode: afterwards the table's own tail is always the upper one.
    below = x < mode
    x, mode = np.where(below, k - x, x), np.where(below, k - mode, mode)
    n_a, n_b = np.where(below, n_b, n_a), np.where(below, n_a, n_b)

    constant = _log_choose(n_a + n_b, k)

    def log_probability(value: Ints) -> Floats:
        return _log_choose(n_a, value) + _log_choose(n_b, k - value) - constant

    observed = log_probability(x)
    limit = observed + _TIE
    certain = log_probability(mode) <= limit

    # The other tail starts at the largest y below the mode that is no more likely than x: bisect between
    # ``low`` (no more likely, or one below the support) and ``high`` (more likely).
    floor = np.maximum(k - n_b, 0)
    low, high = floor - 1, mode.copy()
    while (high - low > 1).any():
        middle = np.maximum((low + high) // 2, floor)
        moving = high - low > 1
        rare = log_probability(middle) <= limit
        low = np.where(moving & rare, middle, low)
        high = np.where(moving & ~rare, middle, high)
    reachable = low >= floor
    y = np.maximum(low, floor)

    p = np.exp(observed) * _upper_tail(x, n_a, n_b, k)
    other = np.exp(log_probability(y)) * _upper_tail(k - y, n_b, n_a, k)
    p += np.where(reachable, other, 0.0)
    return np.where(certain, 1.0, np.minimum(p, 1.0))


def _upper_tail(x: Ints, n_a: Ints, n_b: Ints, k: Ints) -> Floats:
    """P(X >= x) / P(X = x) of the hypergeometric distribution, for x at or above its mode."""
    total = np.ones(len(x))
    rows = np.arange(len(x))
    at, sums, term = x.astype(np.float64), np.ones(len(x)), np.ones(len(x))
    hits, draws, slack = k.astype(np.float64), n_a.astype(np.float64), (n_b - k + 1).astype(np.float64)
    while len(rows):
        for _ in range(16):
            term *= (hits - at) * (draws - at) / ((at + 1) * (slack + at))
            at += 1
            sums += term
            # Past the end of the support a factor turned 0, and so does every later term.
            np.minimum(at, np.minimum(hits, draws), out=at)
        going = term > 1e-17 * sums
        done = ~going
        total[rows[done]] = sums[done]
        rows, at, sums, term = rows[going], at[going], sums[going], term[going]
        hits, draws, slack = hits[going], draws[going], slack[going]
    return total


def _log_choose(n: Ints, k: Ints) -> Floats:
    return special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not {level}")
    return float(special.ndtri(0.5 + level / 2))


def _counts(columns: tuple[ArrayLike, ...], at_most: list[tuple[int, int]]) -> tuple[Ints, ...]:
    """Broadcast counts to int64 and check them; ``at_most`` lists (part, whole) positions."""
    arrays = np.broadcast_arrays(*(np.asarray(column) for column in columns))
    counts = tuple(array.astype(np.int64) for array in arrays)
    for count, array in zip(counts, arrays, strict=True):
        if (count != array).any() or (count < 0).any():
            raise ValueError("counts must be whole numbers of at least 0")
    for part, whole in at_most:
        if (counts[part] > counts[whole]).any():
            raise ValueError("a count is larger than its total")
    return counts
