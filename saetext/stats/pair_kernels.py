"""Compiled loops over pairs of items: how often each pair is in one document, and which pairs stand out.

An item is a feature, or a value of a column; left and right items may be the same. Documents are rows from 0,
those of the first half of the data first. Loops release the GIL and write only their own buffers. Importing
this module imports numba. Not for: probabilities, which come from scipy for those that stand out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints32 = NDArray[np.int32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


@njit(cache=True, nogil=True)
def by_item(
    indptr: Ints, item: Ints32, slot: Ints32, rows_ptr: Ints, rows: Ints, fill: Ints, row: Ints32
) -> None:
    """Append the rows of a block of documents to the items they have.

    The rows that document ``d`` of the block is are ``rows[rows_ptr[d]:rows_ptr[d + 1]]``. ``slot[x]`` is the
    number of item ``x``, -1 for none; ``fill`` has each one's next free place.
    """
    for d in range(indptr.shape[0] - 1):
        for k in range(rows_ptr[d], rows_ptr[d + 1]):
            for e in range(indptr[d], indptr[d + 1]):
                s = slot[item[e]]
                if s >= 0:
                    row[fill[s]] = rows[k]
                    fill[s] += 1


@njit(cache=True, nogil=True)
def count_rows(row: Ints32, counts: Ints) -> None:
    """Add how often each row occurs: as bincount, without a copy of eight bytes an entry."""
    for e in range(row.shape[0]):
        counts[row[e]] += 1


@njit(cache=True, nogil=True)
def by_row(indptr: Ints, row: Ints32, fill: Ints, item: Ints32) -> None:
    """Turn items of rows into rows of items, ascending in each row."""
    for i in range(indptr.shape[0] - 1):
        for e in range(indptr[i], indptr[i + 1]):
            r = row[e]
            item[fill[r]] = i
            fill[r] += 1


@njit(cache=True, nogil=True)
def count_strata(indptr: Ints, row: Ints32, stratum: Ints32, first: int, last: int, counts: Floats32) -> None:
    """Add each item's rows ``first:last`` in each stratum to ``counts[item, stratum]``."""
    for i in range(indptr.shape[0] - 1):
        for e in range(indptr[i], indptr[i + 1]):
            r = row[e]
            if first <= r < last:
                counts[i, stratum[r]] += 1


class Both(NamedTuple):
    """Who is paired: left items with their rows, and right items row by row.

    ``limit[i]`` is the first right item that is not paired with left item ``i``; ``back[j]`` the left item
    that right item ``j`` is, or -1: an item does not pair with itself, and a pair of two left items counts
    once. ``n_left`` and ``n_right`` are rows of each item, ``most_left`` and ``most_right`` its largest rate
    in a stratum, on the right the largest of it and of all items after it. Right items are in descending
    order of their rows.
    """

    left_ptr: Ints
    left_row: Ints32
    right_ptr: Ints
    right_item: Ints32
    limit: Ints
    back: Ints32
    n_left: Ints
    n_right: Ints
    most_left: Floats32
    most_right: Floats32


class Sparse(NamedTuple):
    """Rows of left items by stratum, and of each stratum's right items."""

    ptr: Ints
    stratum: Ints32
    rows: Floats32
    stratum_ptr: Ints
    item: Ints32
    item_rows: Floats32


class Chance(NamedTuple):
    """Strata of some rows: 1 / n, 1 / n²(n - 1) and n of each; rows of each item in each.

    Where there are ``few`` strata these are the tables ``left`` and ``right`` [item, stratum], else
    ``sparse``.
    """

    few: bool
    once: Floats
    twice: Floats
    size: Floats
    left: Floats32
    right: Floats32
    sparse: Sparse


class Rough(NamedTuple):
    """Mean and variance of the joint counts of a block of left items with frequent right items, rounded.

    Matrix products in single precision: enough to pass over most pairs. ``first`` is the block's first left
    item; the most frequent right items come first.
    """

    first: int
    mean: Floats32
    variance: Floats32
    half_mean: Floats32
    half_variance: Floats32


class Standing(NamedTuple):
    """What is written of pairs that stand out: the two items; joint counts and moments in half and in all."""

    pair: Ints32
    joint: Ints32
    half: Floats
    all: Floats


# columns of moments: mean, variance and third central moment of the joint count; then, for each cell of the
# table (both, b alone, a alone, neither), the most that it could hold, less what it holds if the two never
# meet: of strata in which only one of them occurs nothing is left
MOMENTS = 7


@njit(cache=True, nogil=True)
def _add(x: float, y: float, n: float, once: float, twice: float, out: Floats) -> None:
    """Add a stratum of ``n`` rows to moments; ``x`` rows have a, ``y`` have b."""
    out[0] += x * y * once
    variance = x * (n - x) * y * (n - y) * twice
    out[1] += variance
    if n > 2:
        out[2] += variance * (n - 2 * x) * (n - 2 * y) / (n * (n - 2))
    out[3] += min(x, y)
    out[4] += min(n - x, y) - y
    out[5] += min(x, n - y) - x
    out[6] += min(n - x, n - y) - (n - x - y)


@njit(cache=True, nogil=True)
def _moments(i: int, j: int, chance: Chance, out: Floats) -> None:
    """Write the moments of a pair."""
    out[:] = 0.0
    for s in range(chance.size.shape[0]):
        x, y = float(chance.left[i, s]), float(chance.right[j, s])
        if x > 0 and y > 0:
            _add(x, y, chance.size[s], chance.once[s], chance.twice[s], out)


@njit(cache=True, nogil=True)
def _spread(i: int, limit: int, chance: Chance, out: Floats) -> None:
    """As :func:`_moments` for item ``i`` and every ``j`` below ``limit``, through the strata it is in."""
    out[:limit] = 0.0
    sparse = chance.sparse
    for e in range(sparse.ptr[i], sparse.ptr[i + 1]):
        s = sparse.stratum[e]
        x, n = float(sparse.rows[e]), chance.size[s]
        for t in range(sparse.stratum_ptr[s], sparse.stratum_ptr[s + 1]):
            j = sparse.item[t]
            if j >= limit:
                break
            _add(x, float(sparse.item_rows[t]), n, chance.once[s], chance.twice[s], out[j])


@njit(cache=True, nogil=True)
def _count(i: int, stop: int, both: Both, counts: Ints32, enough: int, found: Ints32, n: int) -> int:
    """Add up the right items below ``stop`` in the rows of a left item.

    Items whose count reaches ``enough`` are appended to the ``n`` that are ``found``; returns how many are.
    """
    for e in range(both.left_ptr[i], both.left_ptr[i + 1]):
        r = both.left_row[e]
        for t in range(both.right_ptr[r], both.right_ptr[r + 1]):
            j = both.right_item[t]
            if j >= stop:
                break
            c = counts[j] + 1
            counts[j] = c
            if c == enough:
                found[n] = j
                n += 1
    return n


@njit(cache=True, nogil=True)
def _count_early(i: int, stop: int, both: Both, half_rows: int, counts: Ints32) -> None:
    """As :func:`_count`, in the rows of the first half."""
    for e in range(both.left_ptr[i], both.left_ptr[i + 1]):
        r = both.left_row[e]
        if r >= half_rows:
            break
        for t in range(both.right_ptr[r], both.right_ptr[r + 1]):
            j = both.right_item[t]
            if j >= stop:
                break
            counts[j] += 1


@njit(cache=True, nogil=True)
def _forget(i: int, stop: int, both: Both, counts: Ints32, half_counts: Ints32) -> None:
    """Set the counts of a left item back to 0: all of them, or where its few rows have items."""
    rows = both.left_ptr[i + 1] - both.left_ptr[i]
    each = both.right_ptr[-1] / max(both.right_ptr.shape[0] - 1, 1)
    if rows * each > stop / 4:
        counts[:stop] = 0
        half_counts[:stop] = 0
        return
    for e in range(both.left_ptr[i], both.left_ptr[i + 1]):
        r = both.left_row[e]
        for t in range(both.right_ptr[r], both.right_ptr[r + 1]):
            j = both.right_item[t]
            if j >= stop:
                break
            counts[j] = 0
            half_counts[j] = 0


@njit(cache=True, nogil=True)
def _stands_out(together: int, moments: Floats, least: float, expected: float, z: float) -> bool:
    """Whether a pair is eligible, and further from its mean than chance often takes it."""
    above = together - moments[0]
    if above > 0:
        if together < least:
            return False
    elif moments[0] < expected:
        return False
    if moments[1] <= 1e-12:
        return False
    reach = max(abs(above) - 0.5, 0.0)
    return reach * reach > z * z * moments[1]


@njit(cache=True, nogil=True)
def _may_stand_out(
    together: int, mean: float, variance: float, least: float, expected: float, z: float
) -> bool:
    """As :func:`_stands_out`, from rounded moments: true whenever that may be."""
    above = together - mean
    slack = 1e-4 * mean + 1e-3
    if above > slack:
        if together < least:
            return False
    elif above < -slack and mean < expected * 0.999:
        return False
    reach = max(abs(above) + slack - 0.5, 0.0)
    return reach * reach >= 0.999 * z * z * variance


@njit(cache=True, nogil=True)
def stand_out(
    first: int,
    last: int,
    both: Both,
    whole: Chance,
    early: Chance,
    rough: Rough,
    half_rows: int,
    least: float,
    expected: float,
    z: float,
    out: Standing,
    written: int,
) -> tuple[int, int]:
    """Count the pairs of left items ``first:last`` and write those that stand out, in all or in one half.

    Writes after the pairs that are ``written``, and stops before an item whose pairs might not fit into the
    buffers. The first half are the rows below ``half_rows``; 0 for none.

    Returns
    -------
    item : int
        Where it stopped.
    written : int
        Pairs written until then.
    """
    size = both.back.shape[0]
    half_counts = np.zeros(size, np.int32)
    counts = np.zeros(size, np.int32)
    found = np.empty(size, np.int32)
    here = np.zeros(MOMENTS)
    there = np.zeros(MOMENTS)
    wide_half = np.zeros((1 if whole.few else size, MOMENTS))
    wide_all = np.zeros((1 if whole.few else size, MOMENTS))
    enough = max(int(np.ceil(least / 2)), 1) if half_rows else max(int(np.ceil(least)), 1)
    for i in range(first, last):
        stop = both.limit[i]
        if written + stop > out.pair.shape[0]:
            return i, written
        n = _count(i, stop, both, counts, enough, found, 0)
        _count_early(i, stop, both, half_rows, half_counts)
        if not whole.few:
            _spread(i, stop, whole, wide_all)
            if half_rows:
                _spread(i, stop, early, wide_half)
        # beyond these items no pair is expected so often that meeting seldom would tell something: no stratum
        # has a larger rate than the largest, so one product bounds the mean
        wide = 0
        while (
            wide < stop
            and min(both.n_left[i] * both.most_right[wide], both.n_right[wide] * both.most_left[i])
            >= expected
        ):
            wide += 1
        for k in range(wide + n):
            j = k if k < wide else found[k - wide]
            if 0 <= both.back[j] <= i:
                continue
            if k >= wide and (j < wide or (counts[j] < least and half_counts[j] < least / 2)):
                continue
            if j < rough.mean.shape[1]:
                at = i - rough.first
                mean, variance = rough.mean[at, j], rough.variance[at, j]
                may = _may_stand_out(counts[j], mean, variance, least, expected, z)
                if half_rows and not may:
                    mean, variance = rough.half_mean[at, j], rough.half_variance[at, j]
                    may = _may_stand_out(half_counts[j], mean, variance, least / 2, expected / 2, z)
                if not may:
                    continue
            if whole.few:
                _moments(i, j, whole, there)
            else:
                there[:] = wide_all[j]
            good = _stands_out(counts[j], there, least, expected, z)
            if half_rows and (good or k < wide or half_counts[j] >= least / 2):
                if whole.few:
                    _moments(i, j, early, here)
                else:
                    here[:] = wide_half[j]
                good = good or _stands_out(half_counts[j], here, least / 2, expected / 2, z)
            if good:
                out.pair[written, 0], out.pair[written, 1] = i, j
                out.joint[written, 0], out.joint[written, 1] = half_counts[j], counts[j]
                out.half[written] = here
                out.all[written] = there
                written += 1
        _forget(i, stop, both, counts, half_counts)
    return last, written


@njit(cache=True, nogil=True)
def count_pairs(first: int, last: int, both: Both, least: int) -> int:
    """Return how many pairs are in ``least`` rows: what counting alone costs (for the benchmark)."""
    counts = np.zeros(both.back.shape[0], np.int32)
    found = np.empty(both.back.shape[0], np.int32)
    total = 0
    for i in range(first, last):
        total += _count(i, both.limit[i], both, counts, least, found, 0)
        _forget(i, both.limit[i], both, counts, counts)
    return total


@njit(cache=True, nogil=True)
def exact_tails(
    together: Ints,
    ptr: Ints,
    mine: Ints,
    theirs: Ints,
    size: Ints,
    low: int,
    high: int,
    log_factorial: Floats,
    p: Floats,
) -> None:
    """Write twice the smaller exact tail of the joint counts of pairs ``low:high``.

    The strata of pair ``k`` are ``ptr[k]:ptr[k + 1]``, with the rows that have a, b, and in all. All terms
    are positive and none is subtracted, so small p are as exact as large ones.
    """
    for k in range(low, high):
        room, base, mean = 1, 0, 0.0
        for s in range(ptr[k], ptr[k + 1]):
            m, n, total = mine[s], theirs[s], size[s]
            least = max(0, m + n - total)
            room += min(m, n) - least
            base += least
            mean += m * n / total
        law = np.zeros(room)
        after = np.zeros(room)
        law[0] = 1.0
        used = 1
        for s in range(ptr[k], ptr[k + 1]):
            m, n, total = mine[s], theirs[s], size[s]
            least, most = max(0, m + n - total), min(m, n)
            if least == most:
                continue
            whole = log_factorial[total] - log_factorial[m] - log_factorial[total - m]
            after[: used + most - least] = 0.0
            for v in range(least, most + 1):
                log = log_factorial[n] - log_factorial[v] - log_factorial[n - v] + log_factorial[total - n]
                log -= log_factorial[m - v] + log_factorial[total - n - m + v] + whole
                weight = np.exp(log)
                for x in range(used):
                    after[x + v - least] += law[x] * weight
            used += most - least
            law, after = after, law
        at = together[k] - base
        tail = 0.0
        if at < 0 or at >= used:
            p[k] = 0.0
            continue
        if together[k] > mean:
            for x in range(at, used):
                tail += law[x]
        else:
            for x in range(at + 1):
                tail += law[x]
        p[k] = min(2.0 * tail, 1.0)
