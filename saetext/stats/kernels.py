"""Compiled loops over the entries of many features: counts by set, half and stratum; units; rank effects.

Entries are feature-major: those of feature ``f`` are ``indptr[f]:indptr[f + 1]``. A row's side is 0 (A), 1
(B) or -1 (left out). All loops release the GIL and write only the features they are given, so that threads
can share the work. Importing this module imports numba; compiled code is cached on disk. Not for: choosing
tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.int8]
Ints32 = NDArray[np.int32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_TOLD = 64  # times that a count is told, at least

# columns of what count_units returns
UNIT_SUMS = ("both", "only_a", "only_b", "above", "variance", "odds_a", "odds_b", "squares", "products")


@njit(cache=True, nogil=True)
def scatter(
    indptr: Ints,
    feature: Ints32,
    value: NDArray[np.float32],
    first: Ints32,
    live: NDArray[np.bool_],
    start: int,
    length: int,
    slot: Ints32,
    fill: Ints,
    row: Ints32,
    strength: NDArray[np.float32],
    early: NDArray[np.uint8],
) -> None:
    """Append a block of rows to feature-major arrays: a counting sort, stable in the rows.

    ``slot[f]`` is where feature ``f`` goes, -1 for nowhere; ``fill`` has the next free place of each slot and
    is moved on; rows that are not ``live`` are passed over; ``early`` becomes 1 where the first token
    lies before ``length``.
    """
    for i in range(indptr.shape[0] - 1):
        if not live[i]:
            continue
        for e in range(indptr[i], indptr[i + 1]):
            s = slot[feature[e]]
            if s >= 0:
                at = fill[s]
                row[at] = start + i
                strength[at] = value[e]
                early[at] = first[e] < length
                fill[s] = at + 1


@njit(cache=True, nogil=True)
def count(
    indptr: Ints,
    row: Ints32,
    early: NDArray[np.uint8],
    side: Bytes,
    half: Bytes,
    stratum: Ints32,
    control: Ints32,
    low: int,
    high: int,
    by_half: Ints,
    by_stratum: Ints,
    by_control: Ints,
    by_early: Ints,
) -> None:
    """Count the documents with each feature: ``[f, side, half]``, ``[f, side, stratum]`` and so on."""
    for f in range(low, high):
        for e in range(indptr[f], indptr[f + 1]):
            r = row[e]
            s = side[r]
            if s < 0:
                continue
            by_half[f, s, half[r]] += 1
            by_stratum[f, s, stratum[r]] += 1
            by_control[f, s, control[r]] += 1
            by_early[f, s] += early[e]


@njit(cache=True, nogil=True)
def count_halves(
    indptr: Ints, row: Ints32, side: Bytes, half: Bytes, low: int, high: int, by_half: Ints
) -> None:
    """As :func:`count`, by half alone."""
    for f in range(low, high):
        for e in range(indptr[f], indptr[f + 1]):
            r = row[e]
            if side[r] >= 0:
                by_half[f, side[r], half[r]] += 1


@njit(cache=True, nogil=True)
def count_units(
    indptr: Ints,
    row: Ints32,
    side: Bytes,
    half: Bytes,
    unit: Ints32,
    rows_a: Ints32,
    rows_b: Ints32,
    low: int,
    high: int,
    sums: Floats,
    spread: Floats,
) -> None:
    """Sum over the units (pairs, prompts, groups) that rows belong to.

    ``sums[f, half]`` gets the columns of :data:`UNIT_SUMS`: units with the feature on both sides, in A only,
    in B only; A's excess over the expectation given each unit's margins and its hypergeometric variance; the
    numerator and denominator of the Mantel-Haenszel odds ratio; the squared documents with the feature in a
    unit, and their product with the unit's documents. ``spread[f]`` gets the sum of squares of each unit's
    contribution to the rate difference. ``rows_a`` and ``rows_b`` are the rows of each unit.
    """
    n_units = rows_a.shape[0]
    in_a = np.zeros(n_units, np.int32)
    in_b = np.zeros(n_units, np.int32)
    where = np.zeros(n_units, np.int8)
    touched = np.empty(n_units, np.int32)
    n_a, n_b = 0.0, 0.0
    aa, bb, ab = 0.0, 0.0, 0.0
    for u in range(n_units):
        a, b = float(rows_a[u]), float(rows_b[u])
        n_a += a
        n_b += b
        aa += a * a
        bb += b * b
        ab += a * b
    n_a, n_b = max(n_a, 1.0), max(n_b, 1.0)
    for f in range(low, high):
        k = 0
        x_a, x_b = 0.0, 0.0
        for e in range(indptr[f], indptr[f + 1]):
            r = row[e]
            if side[r] < 0:
                continue
            u = unit[r]
            if in_a[u] == 0 and in_b[u] == 0:
                touched[k] = u
                where[u] = half[r]
                k += 1
            if side[r] == 0:
                in_a[u] += 1
                x_a += 1
            else:
                in_b[u] += 1
                x_b += 1
        p_a, p_b = x_a / n_a, x_b / n_b
        g, h = -p_a / n_a, p_b / n_b
        total = g * g * aa + h * h * bb + 2 * g * h * ab
        for i in range(k):
            u = touched[i]
            out = sums[f, where[u]]
            a, b = float(in_a[u]), float(in_b[u])
            m, n = float(rows_a[u]), float(rows_b[u])
            size = m + n
            x = a + b
            out[0] += a > 0 and b > 0
            out[1] += a > 0 and b == 0
            out[2] += a == 0 and b > 0
            out[3] += a - m * x / size
            if size > 1:
                out[4] += m * n * x * (size - x) / (size * size * (size - 1))
            out[5] += a * (n - b) / size
            out[6] += b * (m - a) / size
            out[7] += x * x
            out[8] += x * size
            base = g * m + h * n
            here = base + a / n_a - b / n_b
            total += here * here - base * base
            in_a[u] = 0
            in_b[u] = 0
        spread[f] = max(total, 0.0)


@njit(cache=True, nogil=True)
def weigh_units(
    indptr: Ints,
    row: Ints32,
    side: Bytes,
    unit: Ints32,
    rows: Floats,
    expected: Floats,
    squares: Floats,
    cross: Floats,
    once: Floats,
    all_once: float,
    residual_df: int,
    low: int,
    high: int,
    sums: Floats,
) -> None:
    """Sum the weights of the rows with each feature; see :class:`saetext.stats.units.WithinUnits`.

    ``sums[f]`` gets the adjusted and the raw difference, the jackknife variance of the adjusted difference
    and of the gap, and the variance of the residuals.
    """
    n_units, k = expected.shape[0], expected.shape[2]
    part = np.zeros((n_units, 2))
    present = np.zeros(n_units, np.int32)
    touched = np.empty(n_units, np.int32)
    beta = np.empty(k)
    product = np.empty((2, k))
    for f in range(low, high):
        beta[:] = 0.0
        product[:] = 0.0
        m, x = 0, 0
        for e in range(indptr[f], indptr[f + 1]):
            r = row[e]
            if side[r] < 0:
                continue
            u = unit[r]
            if present[u] == 0:
                touched[m] = u
                m += 1
            present[u] += 1
            x += 1
            part[u, 0] += rows[r, k]
            part[u, 1] += rows[r, k + 1]
            for j in range(k):
                beta[j] += rows[r, j]
        within = float(x)
        own_a, own_b = 0.0, 0.0
        for i in range(m):
            u = touched[i]
            a, b = part[u, 0], part[u, 1]
            own_a += a * a
            own_b += b * b
            within -= present[u] * present[u] * once[u]
            for j in range(k):
                product[0, j] += a * expected[u, 0, j]
                product[1, j] += b * expected[u, 1, j]
            part[u, 0] = 0.0
            part[u, 1] = 0.0
            present[u] = 0
        within -= x * x * all_once
        for j in range(k - 2):
            for i in range(k - 2):
                within -= beta[j] * cross[j, i] * beta[i]
        for j in range(k):
            own_a -= 2 * beta[j] * product[0, j]
            own_b -= 2 * beta[j] * product[1, j]
            for i in range(k):
                own_a += beta[j] * squares[0, j, i] * beta[i]
                own_b += beta[j] * squares[1, j, i] * beta[i]
        sums[f, 0] = beta[0]
        sums[f, 1] = beta[k - 2] - beta[k - 1]
        sums[f, 2] = max(own_a, 0.0)
        sums[f, 3] = max(own_b, 0.0)
        sums[f, 4] = max(within, 0.0) / residual_df


@njit(cache=True, nogil=True)
def _radix_sort(
    n: int,
    key: NDArray[np.uint32],
    at: NDArray[np.uint32],
    key_2: NDArray[np.uint32],
    at_2: NDArray[np.uint32],
) -> bool:
    """Sort ``key[:n]``, and ``at[:n]`` along with it; stable.

    Takes time in proportion to ``n``, which comparing does not. ``key_2`` and ``at_2`` are room; returns
    whether the result is in them.
    """
    bits = 11 if n >= 2048 else 8
    count = np.empty(1 << bits, np.int32)
    mask = np.uint32((1 << bits) - 1)
    swapped = False
    for shift in range(0, 32, bits):
        by = np.uint32(shift)
        count[:] = 0
        for i in range(n):
            count[(key[i] >> by) & mask] += 1
        if n and count[(key[0] >> by) & mask] == n:  # all alike here
            continue
        total = 0
        for digit in range(1 << bits):
            here = count[digit]
            count[digit] = total
            total += here
        for i in range(n):
            digit = (key[i] >> by) & mask
            place = count[digit]
            count[digit] = place + 1
            key_2[place] = key[i]
            at_2[place] = at[i]
        key, key_2 = key_2, key
        at, at_2 = at_2, at
        swapped = not swapped
    return swapped


@njit(cache=True, nogil=True)
def _placements(
    low: int,
    high: int,
    row: Ints32,
    bits: NDArray[np.uint32],
    side: Bytes,
    key: NDArray[np.uint32],
    at: NDArray[np.uint32],
    key_2: NDArray[np.uint32],
    at_2: NDArray[np.uint32],
    twice: Ints,
) -> None:
    """Write, for the entries ``low:high``, twice how many of the other side are less plus how many equal.

    ``bits`` are their values' bits; the other arrays are room for so many entries.
    """
    n = 0
    top = np.uint32(0x80000000)
    for e in range(low, high):
        s = side[row[e]]
        if s >= 0:
            b = bits[e]
            if b == top:  # -0.0 equals 0.0
                b = np.uint32(0)
            key[n] = ~b if b & top else b | top  # in the order of the values
            at[n] = 2 * (e - low) + s  # the side with it, or it would be looked up out of order
            n += 1
    if _radix_sort(n, key, at, key_2, at_2):
        key, at = key_2, at_2
    below_a, below_b = 0, 0
    i = 0
    while i < n:
        j, a = i, 0
        while j < n and key[j] == key[i]:
            a += (at[j] & 1) == 0
            j += 1
        b = j - i - a
        for k in range(i, j):
            twice[at[k] >> 1] = 2 * below_b + b if (at[k] & 1) == 0 else 2 * below_a + a
        below_a += a
        below_b += b
        i = j


@njit(cache=True, nogil=True)
def rank_effects(
    indptr: Ints,
    row: Ints32,
    value: NDArray[np.float32],
    side: Bytes,
    unit: Ints32,
    rows_a: Ints32,
    rows_b: Ints32,
    low: int,
    high: int,
    auc: Floats,
    variance: Floats,
) -> None:
    """AUC of each feature's strengths in A over B (absent counts as 0), with its variance over units.

    The variance is Obuchowski's for clustered data (Biometrics 53:567, 1997); where every row is its own unit
    it is DeLong's (Biometrics 44:837, 1988).
    """
    n_units = rows_a.shape[0]
    shift_a = np.zeros(n_units)
    shift_b = np.zeros(n_units)
    seen = np.zeros(n_units, np.uint8)
    touched = np.empty(n_units, np.int32)
    n_a, n_b = 0, 0
    aa, bb, ab = 0.0, 0.0, 0.0
    units_a, units_b, units = 0, 0, 0
    alone = True  # every row is its own unit
    for u in range(n_units):
        a, b = float(rows_a[u]), float(rows_b[u])
        alone = alone and a + b <= 1
        n_a += rows_a[u]
        n_b += rows_b[u]
        aa += a * a
        bb += b * b
        ab += a * b
        units_a += a > 0
        units_b += b > 0
        units += a > 0 or b > 0
    most = 0
    for f in range(low, high):
        most = max(most, indptr[f + 1] - indptr[f])
    bits = value.view(np.uint32)
    key, key_2 = np.empty(most, np.uint32), np.empty(most, np.uint32)
    at, at_2 = np.empty(most, np.uint32), np.empty(most, np.uint32)
    twice = np.empty(most, np.int64)
    for f in range(low, high):
        auc[f], variance[f] = 0.5, 0.0
        if n_a == 0 or n_b == 0:
            continue
        k_a, k_b = 0, 0
        for e in range(indptr[f], indptr[f + 1]):
            s = side[row[e]]
            k_a += s == 0
            k_b += s == 1
        first = indptr[f]
        _placements(first, indptr[f + 1], row, bits, side, key, at, key_2, at_2, twice)
        zero_a, zero_b = n_a - k_a, n_b - k_b
        absent_a = 0.5 * zero_b / n_b  # placement of an A without the feature
        absent_b = (k_a + 0.5 * zero_a) / n_a
        k = 0
        gained = 0.0
        for e in range(first, indptr[f + 1]):
            s = side[row[e]]
            if s < 0:
                continue
            here = 0.0
            if s == 0:
                here = (zero_b + 0.5 * twice[e - first]) / n_b - absent_a
                gained += here
            if alone:
                continue
            u = unit[row[e]]
            if not seen[u]:
                seen[u] = 1
                touched[k] = u
                k += 1
            if s == 0:
                shift_a[u] += here
            else:
                shift_b[u] += (k_a - 0.5 * twice[e - first]) / n_a - absent_b
        theta = absent_a + gained / n_a
        alpha, beta = absent_a - theta, absent_b - theta
        xx, yy, xy = alpha * alpha * aa, beta * beta * bb, alpha * beta * ab
        if alone:  # the same sums in the same order, without looking units up
            for e in range(first, indptr[f + 1]):
                s = side[row[e]]
                if s == 0:
                    here_a = alpha + ((zero_b + 0.5 * twice[e - first]) / n_b - absent_a)
                    xx += here_a * here_a - alpha * alpha
                elif s == 1:
                    here_b = beta + ((k_a - 0.5 * twice[e - first]) / n_a - absent_b)
                    yy += here_b * here_b - beta * beta
        for i in range(k):
            u = touched[i]
            base_a, base_b = alpha * rows_a[u], beta * rows_b[u]
            here_a, here_b = base_a + shift_a[u], base_b + shift_b[u]
            xx += here_a * here_a - base_a * base_a
            yy += here_b * here_b - base_b * base_b
            xy += here_a * here_b - base_a * base_b
            shift_a[u] = 0.0
            shift_b[u] = 0.0
            seen[u] = 0
        total = 0.0
        if units_a > 1:
            total += units_a / (units_a - 1) * xx / (float(n_a) * n_a)
        if units_b > 1:
            total += units_b / (units_b - 1) * yy / (float(n_b) * n_b)
        if units > 1:
            total += 2 * units / (units - 1) * xy / (float(n_a) * n_b)
        auc[f], variance[f] = theta, max(total, 0.0)


@njit(cache=True, nogil=True)
def count_close(peak: NDArray[np.int32], close: Ints) -> None:
    """Add to ``close[i, j]``, i < j, the rows in which features i and j peak within a token of each other.

    ``peak`` is [rows, features], -1 where a feature is absent.
    """
    n, k = peak.shape
    present = np.empty(k, np.int64)
    at = np.empty(k, np.int32)
    for r in range(n):
        m = 0
        for f in range(k):
            if peak[r, f] >= 0:
                present[m] = f
                at[m] = peak[r, f]
                m += 1
        for x in range(m):
            for y in range(x + 1, m):
                if -1 <= at[x] - at[y] <= 1:
                    close[present[x], present[y]] += 1


def over_features(
    work: Any, n_features: int, threads: int, count: Callable[[int, int], None] | None = None
) -> None:
    """Call ``work(low, high)`` for ranges that cover all features, in threads.

    ``count`` is called with how many of how many features are done; what it raises ends the work.
    """
    from concurrent.futures import ThreadPoolExecutor
    from itertools import pairwise

    pieces = max(1, min(threads * 4 if count is None else max(threads * 4, _TOLD), n_features))
    cuts = np.linspace(0, n_features, pieces + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        spans = [(a, b) for a, b in pairwise(cuts) if b > a]
        jobs = [pool.submit(work, a, b) for a, b in spans]
        try:
            for (_, done), job in zip(spans, jobs, strict=True):
                job.result()
                if count is not None:
                    count(done, n_features)
        finally:
            for job in jobs:
                job.cancel()
