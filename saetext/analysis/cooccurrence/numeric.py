"""Features against a number: rank correlation within strata, with an interval, tested by halves and groups.

Not for: categories, whose values are items like features.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy import stats as scipy_stats

from saetext import stats
from saetext.analysis.cooccurrence.held import ALPHA
from saetext.analysis.cooccurrence.meeting import Placed
from saetext.analysis.cooccurrence.rows import Rows

_LEVEL = 0.95
_GROUPED = 0.1  # p below which the variance over groups is computed; beyond, nothing is found anyway

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RankCorrelations:
    """Of F features with a number, float64[F] each.

    Attributes
    ----------
    rho : float
        Spearman's rank correlation within strata: ranks are taken within each, divided by its size + 1, and
        correlated around its mean.
    low, high : float
        95 % interval, by Fisher's z with Bonett and Wright's variance (Psychometrika 65:23, 2000).
    p : float
        Two-sided, from the mean and variance of the rank product when the number is shuffled within strata
        (van Elteren's test for many values); of groups, at least that of Student's t over groups.
    """

    rho: Floats
    low: Floats
    high: Floats
    p: Floats


def rank_correlations(
    placed: Placed,
    number: Floats,
    stratum: NDArray[np.int32],
    group: NDArray[np.int32] | None = None,
    control: Floats | None = None,
    threads: int | None = None,
) -> RankCorrelations:
    """Correlate the strengths of every item (0 where absent) with a number.

    Parameters
    ----------
    placed : Placed
        Items with strengths.
    number : float64[n_rows]
        The number of each row.
    stratum : int32[n_rows]
        Rows that are compared with each other; -1 leaves a row out.
    group : int32[n_rows], optional
        Rows of one group are not independent.
    control : float64[n_rows], optional
        A number (length) whose ranks are taken out of both: the partial correlation.
    threads : int, optional
        Each sorts the strengths of an item; by default as many as there are processors.
    """
    from saetext.stats import kept_kernels, kernels

    items = placed.items
    n = len(items)
    live = stratum >= 0
    code = np.full(len(stratum), -1, np.int32)
    code[live] = np.unique(stratum[live], return_inverse=True)[1]
    size = np.bincount(code[live], minlength=int(code.max(initial=-1)) + 1)
    rank, spread = _centred(number, code, size)

    def sums(rank: Floats, spread: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        product, own, variance, third = (np.zeros(n) for _ in range(4))
        cubes = np.bincount(code[live], weights=rank[live] ** 3, minlength=len(size)).astype(np.float64)

        def work(low: int, high: int) -> None:
            kept_kernels.rank_sums(
                items.indptr, items.row, placed.value, code, size, rank, spread, cubes, low, high, product,
                own, variance, third,
            )  # fmt: skip

        kernels.over_features(work, n, threads or os.cpu_count() or 1)
        return product, own, variance, third

    of_control, slopes = None, np.zeros(n)
    if control is not None:
        of_control, spread_of = _centred(control, code, size)
        if spread_of.sum() > 1e-12:
            rank = rank - of_control * float(rank @ of_control) / float(spread_of.sum())
            spread = np.bincount(code[live], weights=rank[live] ** 2, minlength=len(size)).astype(np.float64)
        else:
            of_control = None
    product, own, variance, third = sums(rank, spread)
    if of_control is not None:
        # what the control explains of the strengths neither varies with the rest nor counts
        shared, _, _, _ = sums(of_control, spread_of)
        slopes = shared / spread_of.sum()
        left = np.maximum(own - shared * slopes, 0.0)
        variance = variance * np.divide(left, own, out=np.zeros(n), where=own > 1e-15)
        own = left
    # strata in which an item is everywhere absent add nothing to ``own``
    scale = np.sqrt(own * spread.sum())
    rho = np.divide(product, scale, out=np.zeros(n), where=scale > 1e-12)
    p = _tails(product, variance, third)
    free = int(live.sum()) - len(size)
    if group is not None:
        unit = np.full(len(group), 0, np.int32)
        unit[live] = np.unique(group[live], return_inverse=True)[1]
        groups = int(unit.max(initial=-1)) + 1
        free = min(free, groups)
        chosen = np.flatnonzero(p < _GROUPED)
        excess, squares = np.zeros(len(chosen)), np.zeros(len(chosen))
        taken = of_control if of_control is not None else np.zeros(len(code))

        def by_group(low: int, high: int) -> None:
            kept_kernels.rank_sums_by_group(
                chosen, items.indptr, items.row, placed.value, code, size, rank, unit, groups, slopes[chosen],
                taken, low, high, excess, squares,
            )  # fmt: skip

        kernels.over_features(by_group, len(chosen), threads or os.cpu_count() or 1)
        p[chosen] = np.maximum(p[chosen], _students(excess, squares, groups))
    reach = stats.normal_quantile(_LEVEL) * np.sqrt((1 + rho**2 / 2) / max(free - 3, 1))
    at = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    return RankCorrelations(rho, np.tanh(at - reach), np.tanh(at + reach), p)


def halves(
    placed: Placed, number: Floats, rows: Rows, length: Floats, threads: int | None = None
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Return what the first half finds and the second confirms, and rho and q there (NaN if not found)."""
    n = len(placed.items)
    rho, q, good = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, bool)
    if not rows.half_rows or not n:
        return good, rho, q
    early = np.arange(len(rows)) < rows.half_rows
    first, second = (
        rank_correlations(
            placed, number, np.where(mask, rows.stratum, -1).astype(np.int32), rows.group, length, threads
        )
        for mask in (early, ~early)
    )
    found = stats.benjamini_hochberg(first.p) < ALPHA
    if found.any():
        same = first.rho[found] * second.rho[found] > 0
        rho[found] = second.rho[found]
        q[found] = stats.benjamini_hochberg(np.where(same, second.p[found], 1.0))
        good[found] = same & (q[found] < ALPHA)
    return good, rho, q


def spearman(a: Floats, b: Floats, stratum: NDArray[np.int32]) -> float:
    """Return the rank correlation of two numbers within strata."""
    code = np.unique(stratum, return_inverse=True)[1].astype(np.int32)
    size = np.bincount(code)
    (x, of_x), (y, of_y) = (_centred(values, code, size) for values in (a, b))
    scale = float(np.sqrt(of_x.sum() * of_y.sum()))
    return float(x @ y) / scale if scale > 1e-12 else 0.0


def _centred(number: Floats, code: NDArray[np.int32], size: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return centred ranks within strata over their size + 1, and the sum of their squares in each."""
    rank = np.zeros(len(number))
    order = np.argsort(code, kind="stable")
    order = order[code[order] >= 0]
    for rows in np.split(order, np.cumsum(size)[:-1]):
        if len(rows):
            rank[rows] = (scipy_stats.rankdata(number[rows]) - (len(rows) + 1) / 2) / (len(rows) + 1)
    live = code >= 0
    return rank, np.bincount(code[live], weights=rank[live] ** 2, minlength=len(size)).astype(np.float64)


def _tails(product: Floats, variance: Floats, third: Floats) -> Floats:
    """Return two-sided p of sums with mean 0 and these moments, by Pearson's type III distribution.

    Where the feature or the untied numbers are few, the sum is as skewed as a rare count, and a normal tail
    would be far too light.
    """
    fine = variance > 1e-15
    sd = np.sqrt(np.where(fine, variance, 1.0))
    return np.where(fine, stats.pearson_tails(product / sd, third / sd**3), 1.0)


def _students(excess: Floats, squares: Floats, groups: int) -> Floats:
    """Return two-sided p of sums over groups against their spread."""
    if groups < 3:
        return np.ones(len(excess))
    spread = groups / (groups - 1) * np.maximum(squares - excess**2 / groups, 0.0)
    fine = spread > 1e-15
    t = np.abs(excess) / np.sqrt(np.where(fine, spread, 1.0))
    return np.where(fine, 2 * special.stdtr(groups - 1, -t), 1.0)
