"""How strongly two things occur together, and how likely that is by chance, from counts within strata.

Given the numbers of documents that have one, the other, and in all, in each stratum, the number that have
both is a sum of independent hypergeometric variables. Not for: counting, or choosing strata.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from saetext.stats.counts import Floats

SMALL = 10.0  # variance of the joint count below which its exact distribution is worth having


def npmi(together: ArrayLike, expected: ArrayLike, n: float) -> Floats:
    """Normalised pointwise mutual information (Bouma, GSCL 2009), against any expectation.

    Parameters
    ----------
    together : array_like of int
        Documents that have both.
    expected : array_like of float
        How many would by chance: ``n_a * n_b / n``, or the sum of that over strata.
    n : float
        Documents in all.

    Returns
    -------
    npmi : float64 array
        In [-1, 1]: -1 where they never meet, 0 as by chance and where both are in every document; 1 where
        they only occur together, if the expectation is ``n_a * n_b / n`` (within strata it may be less).
    """
    both, chance = np.broadcast_arrays(np.asarray(together, np.float64), np.asarray(expected, np.float64))
    found = np.where(both > 0, 0.0, -1.0)
    fine = (both > 0) & (chance > 0) & (both < n)
    found[fine] = np.log(both[fine] / chance[fine]) / -np.log(both[fine] / n)
    return np.clip(found, -1.0, 1.0)


def phi(together: ArrayLike, n_a: ArrayLike, n_b: ArrayLike, n: float) -> Floats:
    """Correlation of two presences; 0 where one of them does not vary."""
    both, a, b = (np.asarray(x, np.float64) for x in (together, n_a, n_b))
    scale = np.sqrt(a * (n - a) * b * (n - b))
    return np.divide(both * n - a * b, scale, out=np.zeros(scale.shape), where=scale > 0)


def joint_tail(
    together: ArrayLike, expected: ArrayLike, variance: ArrayLike, trials: ArrayLike, third: ArrayLike = 0.0
) -> Floats:
    """Two-sided p of a joint count, from its moments given the margins of every stratum.

    Where the variance is at least 10, by Pearson's type III distribution with these three moments and a
    correction for continuity: far out, where a correction over millions of pairs looks, the normal tail of
    Cochran, Mantel and Haenszel's test is wrong by powers of ten for rare things. Below, the tail of the
    binomial distribution with the same mean and as many trials as the sum of hypergeometrics has, which
    bounds it from above (Hoeffding, Ann. Math. Stat. 27:713, 1956). Twice the smaller tail.

    Parameters
    ----------
    together : array_like of int
        Documents that have both; or another cell of the table, of which all else is meant then. The bound is
        tight if it is the rarest.
    expected, variance, third : array_like of float
        Mean, variance and third central moment: the sums over strata of ``a b / n``, of ``v = a (n - a) b
        (n - b) / (n**2 (n - 1))`` and of ``v (n - 2 a) (n - 2 b) / (n (n - 2))``.
    trials : array_like of float
        ``sum(min(a, b))``: the most documents that could have both.

    Returns
    -------
    p : float64 array
        In [0, 1]; 1 where there is no variance.
    """
    x, mean, var, most, cube = np.broadcast_arrays(
        *(np.asarray(value, np.float64) for value in (together, expected, variance, trials, third))
    )
    p = np.ones(x.shape)
    few = (var > 1e-12) & (var < SMALL) & (mean > 0)
    p[few] = _bound(x[few], mean[few], np.maximum(most, x)[few])
    many = var >= SMALL
    sd = np.sqrt(var[many])
    above = x[many] - mean[many]
    z = np.sign(above) * np.maximum(np.abs(above) - 0.5, 0.0) / sd
    p[many] = pearson_tails(z, cube[many] / sd**3)
    return p


def pearson_tails(z: ArrayLike, skewness: ArrayLike) -> Floats:
    """Two-sided p of a standardised value under Pearson's type III distribution: twice the smaller tail.

    Parameters
    ----------
    z, skewness : array_like of float
        Value with mean 0 and variance 1, and the skewness of its distribution; 0 is the normal one.
    """
    at, skew = np.broadcast_arrays(np.asarray(z, np.float64), np.asarray(skewness, np.float64))
    at, skew = np.where(skew < 0, -at, at), np.abs(skew)
    some = skew > 1e-4
    shape = 4 / np.where(some, skew, 1.0) ** 2
    gamma = np.maximum(shape + at * np.sqrt(shape), 0.0)
    # the median lies below the mean: above it the upper tail is the smaller one, well below it the lower
    tail = np.where(some, 1.0, special.ndtr(-np.abs(at)))
    upper = some & (at > -skew)
    tail[upper] = special.gammaincc(shape[upper], gamma[upper])
    lower = some & (at < 0)
    tail[lower] = np.minimum(tail[lower], special.gammainc(shape[lower], gamma[lower]))
    return np.clip(2 * tail, 0.0, 1.0)


def _bound(x: Floats, mean: Floats, most: Floats) -> Floats:
    rate = np.clip(mean / most, 1e-300, 1.0)
    upper = special.betainc(np.maximum(x, 1e-12), most - x + 1, rate)
    lower = special.betainc(np.maximum(most - x, 1e-12), x + 1, 1 - rate)
    # it holds from one document away from the mean
    near = np.abs(x - mean) < 1
    return np.where(near, 1.0, np.minimum(2 * np.where(x > mean, upper, lower), 1.0))


def joint_tail_exact(together: int, n_a: ArrayLike, n_b: ArrayLike, n: ArrayLike) -> float:
    """Two-sided exact p of one joint count: twice the smaller tail of the sum of hypergeometrics.

    Parameters
    ----------
    together : int
        Documents that have both.
    n_a, n_b, n : array_like of int, [S]
        Documents of each stratum that have the one, the other, and in all.

    Returns
    -------
    p : float
        All terms are positive and none is subtracted, so small p are as exact as large ones.
    """
    a, b, total = (np.asarray(value, np.int64) for value in (n_a, n_b, n))
    use = (a > 0) & (b > 0)
    a, b, total = a[use], b[use], total[use]
    mean = float((a * b / np.maximum(total, 1)).sum())
    start, dist = 0, np.ones(1)
    for m, k, size in zip(a.tolist(), b.tolist(), total.tolist(), strict=True):
        low = max(0, m + k - size)
        values = np.arange(low, min(m, k) + 1)
        log = _log_choose(k, values) + _log_choose(size - k, m - values) - _log_choose(size, m)
        dist = np.convolve(dist, np.exp(log))
        start += low
    at = together - start
    if at < 0 or at >= len(dist):
        return 0.0
    tail = dist[at:].sum() if together > mean else dist[: at + 1].sum()
    return float(min(2 * tail, 1.0))


def _log_choose(n: ArrayLike, k: ArrayLike) -> Floats:
    n, k = np.asarray(n, np.float64), np.asarray(k, np.float64)
    return special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
