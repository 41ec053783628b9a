"""Every pair of items counted in threads; those that stand out are tested, and a bounded number kept.

Pairs are never all in memory: each p is counted in a histogram, from which the false-discovery rate follows,
and the strongest pairs are held. Not for: what is computed of the kept ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.cooccurrence.held import ALPHA, Pairs, Pool
from saetext.analysis.cooccurrence.in_order import in_order
from saetext.analysis.cooccurrence.items import Items
from saetext.analysis.cooccurrence.strata import Moments, Strata, StrataCounts
from saetext.corpus.protocol import Ints
from saetext.io.progress import Count

if TYPE_CHECKING:
    from saetext.stats.pair_kernels import Chance, Rough

LEAST = 5  # documents that must have both, for a pair that meets more often than by chance
CHANCE = 20.0  # documents that should have both by chance, for a pair that meets less often
KEEP = 200_000  # pairs held, of each kind
_PIECES = 256  # pieces of about the same work, at most
_PIECE = 1e8  # and about so many nanoseconds of it in each
_OFTEN = 10.0  # rows that should have both by chance, from which on rough moments are computed first
BLOCK = 4_000_000  # pairs whose rough moments are held at once, by each thread
SPARE = 200_000  # pairs that a thread's buffers hold, beside those of one item
STANDING = 2 * 4 * 2 + 2 * 7 * 8  # bytes of each
_Z = 1.6  # standard deviations from which p is computed; nearer ones count as 1, which alters no q below .1
_MANY = 5_000_000  # pairs from which on p is computed from 2.5 only: then at most a quarter could be found

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Streamed:
    """What counting every pair found.

    Attributes
    ----------
    pairs : Pairs
        The strongest with p < .05: at most :data:`KEEP` of those more often than by chance and of those less.
    tests : int
        Eligible pairs.
    p, p_half : PHistogram
        Of all pairs.
    dropped : bool
        Whether significant pairs, or such as might be, are not among those held.
    """

    pairs: Pairs
    tests: int
    p: stats.PHistogram
    p_half: stats.PHistogram
    dropped: bool


def stream_pairs(
    left: Items,
    right: Items | None,
    strata: Strata,
    half_rows: int,
    *,
    back: NDArray[np.int32] | None = None,
    dependent: bool = False,
    least: int = LEAST,
    keep: int = KEEP,
    threads: int | None = None,
    on_done: Count | None = None,
) -> Streamed:
    """Count all pairs of left and right items.

    Parameters
    ----------
    left : Items
        Items.
    right : Items, optional
        Items to pair them with; without them each pair of two left items counts once.
    strata : Strata
        Of all rows.
    half_rows : int
        How many of the rows are the first half; 0 for none.
    back : int32[len(right)], optional
        Which left item each right item is, -1 for none: an item is not paired with itself, and a pair of two
        left items counts once.
    dependent : bool
        Whether q holds under any dependence (Benjamini and Yekutieli).
    least : int
        Rows that must have both.
    keep : int
        Pairs held of each kind.
    threads : int, optional
        By default as many as there are processors.
    on_done : callable, optional
        Called with how many thousandths of the work are done, and 1,000.
    """
    n_rows = len(strata.code)
    if right is None:
        limit = np.arange(len(left), dtype=np.int64)
    else:
        limit = np.full(len(left), len(right), np.int64)
    other = left if right is None else right
    if back is None:
        back = np.full(len(other), -1, np.int32)
    tests = _tests(limit, back)
    found = Streamed(Pairs.join([]), tests, stats.PHistogram(dependent), stats.PHistogram(dependent), False)
    if not tests:
        return found
    if on_done is not None:
        on_done(0, 1000)
    by_row = other.by_row(len(strata.code))
    count = _counter(left, other, strata, half_rows, limit, back, least, by_row)
    work = _work(left, other, limit, n_rows)
    pieces = int(np.clip(work.sum() / _PIECE, 8, _PIECES))
    cuts = np.unique(np.searchsorted(np.cumsum(work), np.linspace(0, work.sum(), pieces + 1)[1:-1]))
    cuts = np.unique(np.concatenate([[0], cuts, [len(left)]]))
    pool = Pool(found.p, keep, tests)
    work_of = np.concatenate([[0.0], np.cumsum(work)])
    ranges = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))[::-1]  # the long rows first
    done_with = np.cumsum([0.0] + [work_of[last] - work_of[first] for first, last in ranges])

    def piece(span: tuple[int, int]) -> Iterator[tuple[int, Pairs]]:
        first, last = span
        while first < last:
            first, pairs = count(first, last)
            yield first, pairs.take((pairs.p < 1) | (pairs.p_half < 1))

    def tell(number: int, upto: int) -> None:
        """Tell what is done: the pieces before one, and its own rows up to one."""
        pool.share = float(done_with[number] / max(work_of[-1], 1))
        within = work_of[upto] - work_of[ranges[number][0]] if number < len(ranges) else 0.0
        if on_done is not None:
            on_done(int(1000 * (done_with[number] + within) / max(work_of[-1], 1)), 1000)

    for number, (upto, pairs) in in_order(ranges, piece, threads or os.cpu_count() or 1):
        tell(number, upto)
        found.p.add(pairs.p[pairs.p < 1])
        if half_rows:
            found.p_half.add(pairs.p_half[pairs.p_half < 1])
        pool.add(pairs.take(pairs.p < ALPHA))
    tell(len(ranges), 0)
    held = pool.finish()
    dropped = pool.gone <= 10 * max(found.p.found(ALPHA, tests)[1], ALPHA / tests)
    return Streamed(held, tests, found.p, found.p_half, dropped)


def _tests(limit: Ints, back: NDArray[np.int32]) -> int:
    """Return how many pairs there are."""
    both = int((back >= 0).sum())  # right items that are left items: with themselves, and twice
    return int(limit.sum()) - both * (both + 1) // 2


def _work(left: Items, other: Items, limit: Ints, n_rows: int) -> Floats:
    """Estimate the nanoseconds of each left item: increments, and pairs looked at."""
    upto = np.concatenate([[0], np.cumsum(other.n)])[limit]
    return left.n * upto / max(n_rows, 1) + 3.0 * limit + 1.0


def _counter(
    left: Items,
    other: Items,
    strata: Strata,
    half_rows: int,
    limit: Ints,
    back: NDArray[np.int32],
    least: int,
    by_row: tuple[Ints, NDArray[np.int32]],
) -> Callable[[int, int], tuple[int, Pairs]]:
    """Return what counts left items ``first:last``, as far as the buffers reach."""
    from saetext.stats import pair_kernels

    n_rows = len(strata.code)
    same = other is left
    chances, factors, most, counted = [], [], [], []
    for part in (strata.part(0, n_rows), strata.part(0, half_rows)):
        mine = part.counts(left)
        theirs = mine if same else part.counts(other)
        chances.append(_chance(part, mine, theirs))
        counted.append((mine, theirs))
        factors.append(_factors(part, mine, theirs) if strata.few else None)
        most.append((mine.largest_rate, np.maximum.accumulate(theirs.largest_rate[::-1])[::-1].copy()))
    pairing = pair_kernels.Both(left.indptr, left.row, *by_row, limit, back, left.n, other.n, *most[0])
    pairs_in_all = _tests(limit, back)
    block = max(1, BLOCK // max(len(other), 1))
    capacity = int(limit.max()) + SPARE
    unused = np.zeros((0, 0), np.float32)

    def rough(first: int, last: int) -> Rough:
        if not strata.few:
            return pair_kernels.Rough(first, unused, unused, unused, unused)
        # where most pairs are eligible, products of matrices are faster than pair by pair
        often = _OFTEN * n_rows / max(int(left.n[first:last].max()), 1)
        wide = int(np.searchsorted(-other.n, -often, side="right"))
        stop = min(int(limit[last - 1]), wide)
        made = []
        for factor in factors if half_rows else factors[:1]:
            for one, two in (factor or {}).values():
                made.append(one[first:last] @ two[:stop].T)
        return pair_kernels.Rough(first, *made, *[unused] * (4 - len(made)))

    def count(first: int, last: int) -> tuple[int, Pairs]:
        out = pair_kernels.Standing(
            np.empty((capacity, 2), np.int32), np.empty((capacity, 2), np.int32), np.empty((capacity, 7)),
            np.empty((capacity, 7)),
        )  # fmt: skip
        n = 0
        while first < last:
            end = min(last, first + block) if strata.few else last
            stop, n = pair_kernels.stand_out(
                first, end, pairing, chances[0], chances[1], rough(first, end), half_rows, float(least),
                CHANCE, 2.5 if pairs_in_all > _MANY else _Z, out, n,
            )  # fmt: skip
            first = stop
            if stop < end:  # the buffers are full
                break
        pair, joint, half, full = out
        both, first_half = joint[:n, 1].astype(np.int64), joint[:n, 0].astype(np.int64)
        moments = [
            Moments.of(columns[:n], mine.rows[pair[:n, 0]], theirs.rows[pair[:n, 1]], float(rows))
            for columns, (mine, theirs), rows in ((full, counted[0], n_rows), (half, counted[1], half_rows))
        ]
        p = _eligible_p(both, moments[0], least, CHANCE)
        p_half = _eligible_p(first_half, moments[1], least / 2, CHANCE / 2) if half_rows else np.ones(n)
        return first, Pairs(
            pair[:n, 0].astype(np.int64), pair[:n, 1].astype(np.int64), first_half, both,
            stats.npmi(both, full[:n, 0], n_rows), p, p_half,
        )  # fmt: skip

    return count


def _factors(
    strata: Strata, mine: StrataCounts, theirs: StrataCounts
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return what multiplies to mean and variance of joint counts."""
    assert mine.table is not None
    assert theirs.table is not None
    n, once, twice = (x.astype(np.float32) for x in (strata.size, strata.once, strata.twice))
    a, b = mine.table, theirs.table
    return {"mean": (a * once, b), "variance": (a * (n - a) * twice, b * (n - b))}


def _chance(strata: Strata, mine: StrataCounts, theirs: StrataCounts) -> Chance:
    from saetext.stats.pair_kernels import Chance, Sparse

    floats, ints, table = np.empty(0, np.float32), np.empty(0, np.int32), np.zeros((0, 1), np.float32)
    ptr = np.zeros(1, np.int64)
    sparse, left, right = Sparse(ptr, ints, floats, ptr, ints, floats), table, table
    if mine.table is not None and theirs.table is not None:
        left, right = mine.table, theirs.table
    else:
        sparse = Sparse(*mine.by_item(), *theirs.by_stratum())
    return Chance(strata.few, strata.once, strata.twice, strata.size, left, right, sparse)


def _eligible_p(together: Ints, moments: Moments, least: float, chance: float) -> Floats:
    """Return p; 1 where a pair is not eligible."""
    mean = moments.mean
    eligible = np.where(together > mean, together >= least, mean >= chance)
    p = np.ones(len(together))
    p[eligible] = moments.take(eligible).p(together[eligible])
    return p
