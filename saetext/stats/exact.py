"""Exact tests on 2 x 2 tables, vectorised over tables. Not for: stratified tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special  # scipy.stats would take a second to import

from saetext.stats.counts import Floats, Ints, as_counts

# Two tables whose probabilities differ by less than this (relative) are tied in Fisher's test. Log-factorials
# of 10 million are good to 3e-8; R's fisher.test takes the same value.
_TIE = 1e-7
_CHUNK = 1 << 15  # tables in flight at once: their vectors stay in the processor's cache


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
    columns = as_counts((x_a, n_a, x_b, n_b), [(0, 1), (2, 3)])
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
    only_a, only_b = as_counts((only_a, only_b), [])
    fewer, more = np.minimum(only_a, only_b), np.maximum(only_a, only_b)
    # P(X <= fewer) of the binomial at 1/2; where nothing is discordant, any arguments will do
    tail = special.betainc(np.maximum(more, 1), fewer + 1, 0.5)
    return np.where(more == fewer, 1.0, np.minimum(2 * tail, 1.0))


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
