"""Comparing two sets within strata: Mantel-Haenszel estimates, and tests for units that stay together.

Strata are few and large (bins of length) or many and small (prompts). Not for: making strata.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from saetext.stats.counts import Floats, normal_quantile
from saetext.stats.verdict import SHARE


class Stratified(NamedTuple):
    """Estimates over strata, float64[F] each: rate difference with interval, odds ratio (may be inf), p."""

    diff: Floats
    low: Floats
    high: Floats
    odds_ratio: Floats
    p: Floats


def mantel_haenszel(
    x_a: ArrayLike,
    n_a: ArrayLike,
    x_b: ArrayLike,
    n_b: ArrayLike,
    level: float = 0.95,
    excess: ArrayLike = 1.0,
) -> Stratified:
    """Compare rates in A and B within strata.

    The difference is Greenland and Robins's (Biometrics 41:55, 1985) with Sato's variance (Biometrics
    45:1323, 1989), which holds for few large strata and for many small ones; the odds ratio is Mantel and
    Haenszel's (1959); the test is Cochran, Mantel and Haenszel's with continuity correction.

    Parameters
    ----------
    x_a, x_b : array_like of int, [S, F]
        Successes in each stratum, for each of F features.
    n_a, n_b : array_like of int, [S]
        Trials in each stratum; one that lacks a set says nothing and counts for nothing.
    level : float
        Confidence level.
    excess : array_like of float, optional
        Design effect by which the variances are multiplied, where rows are not independent.

    Returns
    -------
    Stratified
        Where no stratum has both sets: difference 0 within [-1, 1], odds ratio 1, p 1.
    """
    a, b = np.asarray(x_a, np.float64), np.asarray(x_b, np.float64)
    m = np.asarray(n_a, np.float64)[:, None]
    n = np.asarray(n_b, np.float64)[:, None]
    use = ((m > 0) & (n > 0))[:, 0]
    a, b, m, n = a[use], b[use], m[use], n[use]
    features = np.asarray(x_a).shape[1]
    if not len(a):
        ones = np.ones(features)
        return Stratified(np.zeros(features), -ones, ones.copy(), ones.copy(), ones.copy())
    total = m + n
    weight = float((m * n / total).sum())
    diff = ((a * n - b * m) / total).sum(0) / weight
    p_term = ((m * m * b - n * n * a + m * n * (n - m) / 2) / total**2).sum(0)
    q_term = ((a * (n - b) + b * (m - a)) / (2 * total)).sum(0)
    spread = normal_quantile(level) * np.sqrt(excess * np.maximum(diff * p_term + q_term, 0.0)) / weight
    odds = odds_ratio((a * (n - b) / total).sum(0), (b * (m - a) / total).sum(0))
    present = a + b
    above = (a - m * present / total).sum(0)
    variance = m * n * present * (total - present) / (total**2 * np.maximum(total - 1, 1))
    p = cmh_p(above, variance.sum(0) * excess)
    low, high = np.maximum(diff - spread, -1.0), np.minimum(diff + spread, 1.0)
    # Without any variation Sato's variance is 0, which is more than anyone knows.
    still = spread == 0
    if still.any():
        one = 1 - (1 - level) ** (1 / np.maximum(weight, 1.0))
        low, high = (
            np.where(still, np.maximum(diff - one, -1), low),
            np.where(still, np.minimum(diff + one, 1), high),
        )
    return Stratified(diff, low, high, odds, p)


def stratified_gap(
    x_a: ArrayLike,
    n_a: ArrayLike,
    x_b: ArrayLike,
    n_b: ArrayLike,
    level: float = 0.95,
    excess: ArrayLike = 1.0,
) -> tuple[Floats, Floats]:
    """Interval of the difference within strata less half of the whole difference.

    Both are linear in the counts of the same strata, so the variance of what is between them follows from
    those of the counts. They are Sato's (Biometrics 45:1323, 1989), which need no more than one row of each
    side in a stratum; to them is added what the rate's variation over the strata of each side adds to the
    whole difference.

    Parameters
    ----------
    x_a, n_a, x_b, n_b, level, excess
        As for :func:`mantel_haenszel`.

    Returns
    -------
    low, high : float64[F]
        [-2, 2] where no stratum has both sets.
    """
    a, b = np.asarray(x_a, np.float64), np.asarray(x_b, np.float64)
    m = np.asarray(n_a, np.float64)[:, None]
    n = np.asarray(n_b, np.float64)[:, None]
    shared = (m > 0) & (n > 0)
    pair = np.divide(m * n, m + n, out=np.zeros(m.shape), where=shared)
    if not shared.any():
        return np.full(a.shape[1], -2.0), np.full(a.shape[1], 2.0)
    weight = pair / pair.sum()
    p, q = a / np.maximum(m, 1), b / np.maximum(n, 1)
    diff = (weight * (p - q)).sum(0)
    all_p, all_q = a.sum(0) / max(m.sum(), 1), b.sum(0) / max(n.sum(), 1)
    gap = diff - SHARE * (all_p - all_q)
    # of one row, from both sets if there is one common difference
    apart = (p * (1 - q) + q * (1 - p)) / 2
    v_a = np.where(shared, np.maximum(apart + diff * (0.5 - p), 0), p * (1 - p))
    v_b = np.where(shared, np.maximum(apart - diff * (0.5 - q), 0), q * (1 - q))
    own_a, own_b = SHARE * m / max(m.sum(), 1), SHARE * n / max(n.sum(), 1)
    variance = (
        (weight - own_a) ** 2 * v_a / np.maximum(m, 1) + (weight - own_b) ** 2 * v_b / np.maximum(n, 1)
    ).sum(0)
    variance += SHARE * (own_a * (p - all_p) ** 2).sum(0) / max(m.sum(), 1)
    variance += SHARE * (own_b * (q - all_q) ** 2).sum(0) / max(n.sum(), 1)
    reach = normal_quantile(level) * np.sqrt(excess * variance)
    return gap - reach, gap + reach


def cmh_p(above: ArrayLike, variance: ArrayLike) -> Floats:
    """Two-sided p of the Cochran-Mantel-Haenszel test from its sums over strata.

    Parameters
    ----------
    above : array_like of float
        Successes in A minus their expectation given each stratum's margins.
    variance : array_like of float
        Hypergeometric variance; 0 gives p 1.

    Returns
    -------
    p : float64 array
        With continuity correction (half a success, never past 0).
    """
    above, variance = np.asarray(above, np.float64), np.asarray(variance, np.float64)
    off = np.maximum(np.abs(above) - 0.5, 0.0)
    z = np.divide(off, np.sqrt(variance), out=np.zeros(off.shape), where=variance > 1e-12)
    return np.minimum(special.erfc(z / np.sqrt(2)), 1.0)


def odds_ratio(with_feature: ArrayLike, against: ArrayLike) -> Floats:
    """Return ``with_feature / against``; ``inf`` where only the divisor is 0, 1 where both are."""
    top, bottom = np.asarray(with_feature, np.float64), np.asarray(against, np.float64)
    ratio = np.divide(top, bottom, out=np.full(top.shape, np.inf), where=bottom > 0)
    return np.where((top <= 0) & (bottom <= 0), 1.0, ratio)


def grouped_p(above: ArrayLike, squares: ArrayLike, groups_a: int, groups_b: int) -> Floats:
    """Two-sided p for whole groups of documents that belong to one set each.

    Groups, not documents, are exchangeable: the sum of their residuals in A is compared with its permutation
    distribution over which groups are A's, through its exact mean and variance and Student's t. Equals the
    two-sample t-test with pooled variance on the groups' residuals, but never claims more than so few groups
    can: p is at least one in the number of ways to choose A's groups.

    Parameters
    ----------
    above : array_like of float
        Sum over A's groups of the residual, documents with the feature minus the pooled rate times documents.
    squares : array_like of float
        Sum of the squared residuals over all groups, whose sum is 0.
    groups_a, groups_b : int
        Number of groups.

    Returns
    -------
    p : float64 array
        1 with fewer than 3 groups or without any variation.
    """
    above, squares = np.asarray(above, np.float64), np.asarray(squares, np.float64)
    groups = groups_a + groups_b
    if groups < 3 or not groups_a or not groups_b:
        return np.ones(above.shape)
    scale = groups_a * groups_b / groups
    # the share of the variation that lies between the sets
    r2 = np.divide(above**2, squares * scale, out=np.zeros(above.shape), where=squares > 1e-12)
    r2 = np.minimum(r2, 1 - 1e-15)
    t = np.sqrt(r2 * (groups - 2) / (1 - r2))
    least = 1 / special.binom(groups, groups_a)
    return np.clip(2 * special.stdtr(groups - 2, -t), least, 1.0)
