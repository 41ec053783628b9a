"""What is computed of the pairs that are kept: exact p, groups, confirmation, reversals, resamples.

Not for: finding them (:mod:`saetext.analysis.cooccurrence.streaming`) or what makes them redundant.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from saetext import stats
from saetext.analysis.cooccurrence.held import ALPHA, Pairs
from saetext.analysis.cooccurrence.items import Items
from saetext.analysis.cooccurrence.rows import Rows
from saetext.analysis.cooccurrence.strata import Moments, Strata, StrataCounts
from saetext.analysis.cooccurrence.streaming import Streamed
from saetext.corpus.protocol import Ints
from saetext.io.progress import Count, nobody
from saetext.stats.association import SMALL

EXACT = 200_000  # pairs whose exact p is computed
_LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sides:
    """Left and right items with their counts in the strata of some rows."""

    left: StrataCounts
    right: StrataCounts

    @classmethod
    def of(cls, strata: Strata, left: Items, right: Items) -> Sides:
        """Count."""
        mine = strata.counts(left)
        return cls(mine, mine if right is left else strata.counts(right))


def exact(
    together: Ints,
    p: Floats,
    moments: Moments,
    sides: Sides,
    mine: Ints,
    theirs: Ints,
    count: Count = nobody,
) -> Floats:
    """Return p, exact where the variance is below 10 (of the first 200,000 such pairs by p).

    ``count`` gets how many of these are done, and of how many.
    """
    from saetext.stats import kernels, pair_kernels

    p = p.copy()
    few = np.flatnonzero((moments.variance < SMALL) & (p < 1))
    if len(few) > EXACT:
        few = few[np.argsort(p[few], kind="stable")[:EXACT]]
    n = int(sides.left.strata.size.max(initial=0))
    logs = special.gammaln(np.arange(n + 1) + 1.0)
    for start in range(0, len(few), 8192):
        part = few[start : start + 8192]
        listed = sides.left.listed(mine[part], sides.right, theirs[part])
        counts, out = together[part], np.empty(len(part))

        def work(low: int, high: int, counts: Ints = counts, listed: Any = listed, out: Floats = out) -> None:
            ptr, one, two, size = listed
            pair_kernels.exact_tails(counts, ptr, one, two, size, low, high, logs, out)

        kernels.over_features(work, len(part), os.cpu_count() or 1)
        p[part] = out
        count(start + len(part), len(few))
    return p


def grouped(pairs: Pairs, left: Items, right: Items, rows: Rows, strata: Strata, sides: Sides) -> Floats:
    """Return p where rows of a group are not independent; it may be below that of independent rows.

    The residual products are summed by group, and their total is compared with its variance over groups by
    Student's t with one degree of freedom less than there are groups.
    """
    from saetext.stats import kept_kernels

    assert rows.group is not None
    n_groups = int(rows.group.max()) + 1
    excess, squares = np.zeros(len(pairs)), np.zeros(len(pairs))
    if strata.few and sides.left.table is not None and sides.right.table is not None:
        for start in range(0, len(pairs), 1024):
            part = slice(start, start + 1024)
            rates = [
                counts[items[part]].astype(np.float64) * strata.once
                for counts, items in ((sides.left.table, pairs.left), (sides.right.table, pairs.right))
            ]
            kept_kernels.by_group(
                pairs.left[part], pairs.right[part], left.indptr, left.row, right.indptr, right.row, rates[0],
                rates[1], strata.code, rows.group, n_groups, excess[part], squares[part],
            )  # fmt: skip
    else:
        for k in range(len(pairs)):
            a, b = int(pairs.left[k]), int(pairs.right[k])
            rates = [(s.of(i) * strata.once)[None, :] for s, i in ((sides.left, a), (sides.right, b))]
            kept_kernels.by_group(
                pairs.left[k : k + 1], pairs.right[k : k + 1], left.indptr, left.row, right.indptr, right.row,
                rates[0], rates[1], strata.code, rows.group, n_groups, excess[k : k + 1], squares[k : k + 1],
            )  # fmt: skip
    if n_groups < 3:
        return np.ones(len(pairs))
    scale = n_groups / (n_groups - 1) * np.maximum(squares - excess**2 / n_groups, 0)
    t = np.divide(np.abs(excess), np.sqrt(scale), out=np.zeros(len(pairs)), where=scale > 1e-12)
    return np.clip(2 * special.stdtr(n_groups - 1, -t), 0, 1)


@dataclass(frozen=True, eq=False)
class Confirmed:
    """What the second half says of pairs that the first half found; NaN of others."""

    npmi: Floats
    q: Floats
    confirmed: NDArray[np.bool_]
    found: int

    def take(self, which: Ints) -> Confirmed:
        """Return some of the pairs."""
        return Confirmed(self.npmi[which], self.q[which], self.confirmed[which], self.found)


def confirm(
    pairs: Pairs,
    streamed: Streamed,
    rows: Rows,
    strata: Strata,
    left: Items,
    right: Items,
    count: Count = nobody,
) -> Confirmed:
    """Test on the second half what the first half alone found, corrected for all that it found.

    ``count`` gets how many pairs have an exact p, of those of either half that need one.
    """
    n, half_rows = len(pairs), rows.half_rows
    npmi, q, good = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, bool)
    if not half_rows or not n:
        return Confirmed(npmi, q, good, 0)
    early = Sides.of(strata.part(0, half_rows), left, right)
    before = early.left.moments(pairs.left, early.right, pairs.right)
    p_half = exact(pairs.half, pairs.p_half, before, early, pairs.left, pairs.right, count)
    found = np.flatnonzero(
        stats.benjamini_hochberg(p_half, streamed.tests, streamed.p_half.dependent) < ALPHA
    )
    # what the whole first half found by bounds, and is not held, counts as tested with p 1
    n_bound, reach = streamed.p_half.found(ALPHA, streamed.tests)
    elsewhere = max(n_bound - int((pairs.p_half <= reach).sum()), 0)
    if not len(found):
        return Confirmed(npmi, q, good, elsewhere)
    mine, other = pairs.left[found], pairs.right[found]
    late = strata.part(half_rows, len(strata.code))
    sides = Sides.of(late, left, right)
    moments = sides.left.moments(mine, sides.right, other)
    both = pairs.both[found] - pairs.half[found]
    p = exact(both, moments.p(both), moments, sides, mine, other, count)
    if rows.group is not None:
        p = np.maximum(p, _grouped_late(pairs.take(found), left, right, rows, strata))
    same = (both - moments.mean) * (pairs.half[found] - before.mean[found]) > 0
    p = np.where(same, p, 1.0)
    q[found] = stats.benjamini_hochberg(np.concatenate([p, np.ones(elsewhere)]))[: len(p)]
    npmi[found] = stats.npmi(both, moments.mean, len(strata.code) - half_rows)
    good[found] = same & (q[found] < ALPHA)
    return Confirmed(npmi, q, good, len(found) + elsewhere)


def _grouped_late(pairs: Pairs, left: Items, right: Items, rows: Rows, strata: Strata) -> Floats:
    """Return :func:`grouped` on the rows of the second half alone."""
    assert rows.group is not None
    first = rows.half_rows
    code = strata.code[first:]
    late = Strata(np.unique(code, return_inverse=True)[1].astype(np.int32), 0, len(code), strata.few)
    group = np.unique(rows.group[first:], return_inverse=True)[1].astype(np.int32)
    one, two = _after(left, first), _after(right, first)
    return grouped(pairs, one, two, dataclasses.replace(rows, group=group), late, Sides.of(late, one, two))


def _after(items: Items, first: int) -> Items:
    """Return items in the rows from ``first`` on, which become row 0 and so on."""
    keep = items.row >= first
    upto = np.concatenate([[0], np.cumsum(keep)])
    return Items(items.name, upto[items.indptr].astype(np.int64), (items.row[keep] - first).astype(np.int32))


def resample(
    pairs: Pairs,
    left: Items,
    right: Items,
    rows: Rows,
    strata: Strata,
    times: int,
    seed: int,
    count: Count = nobody,
) -> tuple[Floats, Floats]:
    """Return the bootstrap's percentile interval (95 %) of the NPMI of pairs, over documents or groups.

    With many strata (one for each prompt) whole strata are drawn. ``count`` gets how many times are done.
    """
    from saetext.stats import kept_kernels

    n = len(strata.code)
    if not len(pairs) or times < 1:
        return np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
    rng = np.random.default_rng([seed, 13])
    unit = rows.group
    if not strata.few and unit is None:
        unit = strata.code
    n_units = n if unit is None else int(unit.max()) + 1
    lefts, mine = np.unique(pairs.left, return_inverse=True)
    rights, theirs = np.unique(pairs.right, return_inverse=True)
    one, two = _few(left, lefts), _few(right, rights)
    common = np.empty(int(pairs.both.sum()), np.int32)
    ends = kept_kernels.common_rows(
        pairs.left, pairs.right, left.indptr, left.row, right.indptr, right.row, common
    )
    joint = Items(np.arange(len(pairs)), ends, common)
    found = np.empty((times, len(pairs)))
    single = np.zeros(n, np.int32)
    chance = None
    if not strata.few and rows.group is None:
        a, b = strata.counts(one).matrix, strata.counts(two).matrix
        assert a is not None
        assert b is not None
        chance = a[mine].astype(np.float64).multiply(b[theirs]).tocsr()
    for b_ in range(times):
        drawn = rng.multinomial(n_units, np.full(n_units, 1 / n_units)).astype(np.uint16)
        weight = drawn if unit is None else drawn[unit]
        both = np.zeros((len(pairs), 1), np.float32)
        kept_kernels.weigh(joint.indptr, joint.row, single, weight, both)
        if chance is None and not strata.few:
            mean = _weighted_mean(one, two, mine, theirs, strata, weight)
        elif chance is None:
            size = np.bincount(strata.code, weights=weight, minlength=len(strata.size))
            once = np.divide(1.0, size, out=np.zeros(len(size)), where=size > 0)
            tables = []
            for items in (one, two):
                table = np.zeros((len(items), len(size)), np.float32)
                kept_kernels.weigh(items.indptr, items.row, strata.code, weight, table)
                tables.append(table.astype(np.float64))
            mean = np.einsum("ps,ps,s->p", tables[0][mine], tables[1][theirs], once, optimize=True)
        else:
            mean = chance @ (strata.once * drawn)
        found[b_] = stats.npmi(both[:, 0], mean, float(weight.sum()))
        count(b_ + 1, times)
    low, high = np.quantile(found, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    return np.minimum(low, pairs.npmi), np.maximum(high, pairs.npmi)


def _weighted_mean(
    one: Items, two: Items, mine: Ints, theirs: Ints, strata: Strata, weight: NDArray[np.uint16]
) -> Floats:
    """Return the expected joint counts of pairs when rows have weights and strata are many."""
    from scipy import sparse

    shape = len(strata.size)
    size = np.bincount(strata.code, weights=weight, minlength=shape)
    once = np.divide(1.0, size, out=np.zeros(shape), where=size > 0)
    sums = []
    for items in (one, two):
        owner = np.repeat(np.arange(len(items)), items.n)
        entries = (weight[items.row].astype(np.float64), (owner, strata.code[items.row]))
        sums.append(sparse.csr_matrix(entries, shape=(len(items), shape)))
    found: Floats = sums[0][mine].multiply(sums[1][theirs]).tocsr() @ once
    return found


def _few(items: Items, which: Ints) -> Items:
    parts = [items.rows(int(i)) for i in which]
    ends = np.cumsum([0, *(len(p) for p in parts)], dtype=np.int64)
    return Items(items.name[which], ends, np.concatenate(parts) if parts else np.empty(0, np.int32))
