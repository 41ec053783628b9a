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
from saetext.correlate.meeting import Placed
from saetext.correlate.rows import Rows
from saetext.correlate.streaming import ALPHA

_LEVEL = 0.95
_GROUPED = 2000  # features whose variance over groups is computed

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
    """
    from saetext.stats import kept_kernels, kernels

    items = placed.items
    n = len(items)
    live = stratum >= 0
    code = np.full(len(stratum), -1, np.int32)
    code[live] = np.unique(stratum[live], return_inverse=True)[1]
    size = np.bincount(code[live], minlength=int(code.max(initial=-1)) + 1)
    rank, spread = _centred(number, code, size)

    def sums(rank: Floats, spread: Floats) -> tuple[Floats, Floats, Floats]:
        product, own, variance = np.zeros(n), np.zeros(n), np.zeros(n)

        def work(low: int, high: int) -> None:
            kept_kernels.rank_sums(
                items.indptr, items.row, placed.value, code, size, rank, spread, low, high, product, own,
                variance,
            )  # fmt: skip

        kernels.over_features(work, n, os.cpu_count() or 1)
        return product, own, variance

    slope, of_control = 0.0, None
    if control is not None:
        of_control, spread_of = _centred(control, code, size)
        if spread_of.sum() > 1e-12:
            slope = float(rank @ of_control) / float(spread_of.sum())
            rank = rank - slope * of_control
            spread = np.bincount(code[live], weights=rank[live] ** 2, minlength=len(size)).astype(np.float64)
        else:
            of_control = None
    product, own, variance = sums(rank, spread)
    if of_control is not None:
        # what the control explains of the strengths neither varies with the rest nor counts
        shared, _, _ = sums(of_control, spread_of)
        left = np.maximum(own - shared**2 / spread_of.sum(), 0.0)
        variance = variance * np.divide(left, own, out=np.zeros(n), where=own > 1e-15)
        own = left
    # strata in which an item is everywhere absent add nothing to ``own``
    scale = np.sqrt(own * spread.sum())
    rho = np.divide(product, scale, out=np.zeros(n), where=scale > 1e-12)
    z = np.divide(product, np.sqrt(variance), out=np.zeros(n), where=variance > 1e-15)
    p = np.clip(2 * special.ndtr(-np.abs(z)), 0, 1)
    free = int(live.sum()) - len(size)
    if group is not None:
        groups = len(np.unique(group[live]))
        for i in np.argsort(p, kind="stable")[:_GROUPED].tolist():
            p[i] = max(p[i], _grouped(placed, i, code, size, rank, group, groups, of_control))
        free = min(free, groups)
    reach = stats.normal_quantile(_LEVEL) * np.sqrt((1 + rho**2 / 2) / max(free - 3, 1))
    at = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    return RankCorrelations(rho, np.tanh(at - reach), np.tanh(at + reach), p)


def halves(
    placed: Placed, number: Floats, rows: Rows, length: Floats
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Return what the first half finds and the second confirms, and rho and q there (NaN if not found)."""
    n = len(placed.items)
    rho, q, good = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, bool)
    if not rows.half_rows or not n:
        return good, rho, q
    early = np.arange(len(rows)) < rows.half_rows
    first, second = (
        rank_correlations(
            placed, number, np.where(mask, rows.stratum, -1).astype(np.int32), rows.group, length
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


def _grouped(
    placed: Placed, item: int, code: NDArray[np.int32], size: NDArray[np.int64], rank: Floats,
    group: NDArray[np.int32], groups: int, control: Floats | None,
) -> float:  # fmt: skip
    if groups < 3:
        return 1.0
    strength = np.zeros(len(code))
    low, high = placed.items.indptr[item], placed.items.indptr[item + 1]
    strength[placed.items.row[low:high]] = placed.value[low:high]
    own, _ = _centred(strength, code, size)
    live = code >= 0
    if control is not None:
        own = own - control * float(own @ control) / float(control @ control)
    sums = np.bincount(group[live], weights=(own * rank)[live])
    total = sums.sum()
    spread = groups / (groups - 1) * max(float((sums**2).sum()) - total**2 / groups, 0.0)
    return float(2 * special.stdtr(groups - 1, -abs(total) / np.sqrt(spread))) if spread > 1e-15 else 1.0
