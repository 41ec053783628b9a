"""Compiled loops over the few pairs that are kept: where both are, resamples, rows that stand together.

Items are item-major: the rows of item ``i`` are ``row[indptr[i]:indptr[i + 1]]``, ascending. Not for: all
pairs (:mod:`saetext.stats.pair_kernels`). Importing this module imports numba.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints32 = NDArray[np.int32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


@njit(cache=True, nogil=True)
def fill_entries(
    indptr: Ints, feature: Ints32, value: Floats32, peak: Ints32, slot: Ints32, rows_ptr: Ints, rows: Ints,
    split: int, item_ptr: Ints, item_row: Ints32, hint: Ints, strength: Floats32, where: Ints32,
) -> None:  # fmt: skip
    """Put each entry's value and peak next to its row, for a block of documents.

    The rows that document ``d`` of the block is are ``rows[rows_ptr[d]:rows_ptr[d + 1]]``; ``slot[x]`` is the
    item of feature ``x``, -1 for none. ``hint[item, h]`` is where its next row is likely to be, ``h`` being 0
    for rows before ``split``: rows of each half mostly come in their order, others are searched for.
    """
    for d in range(indptr.shape[0] - 1):
        for k in range(rows_ptr[d], rows_ptr[d + 1]):
            r = rows[k]
            h = 0 if r < split else 1
            for e in range(indptr[d], indptr[d + 1]):
                i = slot[feature[e]]
                if i < 0:
                    continue
                at = hint[i, h]
                if at >= item_ptr[i + 1] or item_row[at] != r:
                    low, high = item_ptr[i], item_ptr[i + 1]
                    while low < high:
                        middle = (low + high) // 2
                        if item_row[middle] < r:
                            low = middle + 1
                        else:
                            high = middle
                    at = low
                    if at == item_ptr[i + 1] or item_row[at] != r:
                        continue
                strength[at] = value[e]
                where[at] = peak[e]
                hint[i, h] = at + 1


@njit(cache=True, nogil=True)
def meet(
    left: Ints,
    right: Ints,
    a_ptr: Ints,
    a_row: Ints32,
    a_value: Floats32,
    a_peak: Ints32,
    b_ptr: Ints,
    b_row: Ints32,
    b_value: Floats32,
    b_peak: Ints32,
    a_most: Floats32,
    b_most: Floats32,
    reach: int,
    close: Ints,
    best: Ints,
    score: Floats32,
) -> None:
    """Walk the common rows of each pair.

    ``close[p]`` gets how many have both peaks within ``reach`` tokens; ``best[p]`` and ``score[p]`` the rows
    in which the weaker of the two, as a share of its largest value, is strongest.
    """
    most = best.shape[1]
    for p in range(left.shape[0]):
        e, end = a_ptr[left[p]], a_ptr[left[p] + 1]
        f, stop = b_ptr[right[p]], b_ptr[right[p] + 1]
        while e < end and f < stop:
            if a_row[e] < b_row[f]:
                e += 1
            elif a_row[e] > b_row[f]:
                f += 1
            else:
                apart = a_peak[e] - b_peak[f]
                near = -reach <= apart <= reach
                close[p] += near
                here = min(a_value[e] / a_most[left[p]], b_value[f] / b_most[right[p]])
                if near:
                    here *= np.float32(0.5)  # two concepts on one word are the weaker evidence
                k = most
                while k > 0 and (best[p, k - 1] < 0 or score[p, k - 1] < here):
                    k -= 1
                if k < most:
                    for m in range(most - 1, k, -1):
                        best[p, m] = best[p, m - 1]
                        score[p, m] = score[p, m - 1]
                    best[p, k] = a_row[e]
                    score[p, k] = here
                e += 1
                f += 1


@njit(cache=True, nogil=True)
def common_rows(
    left: Ints, right: Ints, a_ptr: Ints, a_row: Ints32, b_ptr: Ints, b_row: Ints32, out: Ints32
) -> Ints:
    """Write the common rows of each pair one pair after the other; return where each pair's end."""
    ends = np.zeros(left.shape[0] + 1, np.int64)
    n = 0
    for p in range(left.shape[0]):
        e, end = a_ptr[left[p]], a_ptr[left[p] + 1]
        f, stop = b_ptr[right[p]], b_ptr[right[p] + 1]
        while e < end and f < stop:
            if a_row[e] < b_row[f]:
                e += 1
            elif a_row[e] > b_row[f]:
                f += 1
            else:
                out[n] = a_row[e]
                n += 1
                e += 1
                f += 1
        ends[p + 1] = n
    return ends


@njit(cache=True, nogil=True)
def weigh(indptr: Ints, row: Ints32, stratum: Ints32, weight: NDArray[np.uint16], sums: Floats32) -> None:
    """Add the weights of each item's rows in one resample to ``sums[item, stratum]``."""
    for i in range(indptr.shape[0] - 1):
        for e in range(indptr[i], indptr[i + 1]):
            sums[i, stratum[row[e]]] += weight[row[e]]


@njit(cache=True, nogil=True)
def by_group(
    left: Ints,
    right: Ints,
    a_ptr: Ints,
    a_row: Ints32,
    b_ptr: Ints,
    b_row: Ints32,
    a_rate: Floats,
    b_rate: Floats,
    stratum: Ints32,
    group: Ints32,
    n_groups: int,
    excess: Floats,
    squares: Floats,
) -> None:
    """Sum each pair's residual products by group: their total, and the sum of their squares.

    A row's residual product is ``(a - rate of a) * (b - rate of b)``, with the rates of its stratum:
    ``a_rate[pair, stratum]`` and ``b_rate`` likewise.
    """
    sums = np.empty(n_groups)
    n = stratum.shape[0]
    for p in range(left.shape[0]):
        sums[:] = 0.0
        for r in range(n):
            sums[group[r]] += a_rate[p, stratum[r]] * b_rate[p, stratum[r]]
        for e in range(a_ptr[left[p]], a_ptr[left[p] + 1]):
            r = a_row[e]
            sums[group[r]] -= b_rate[p, stratum[r]]
        for f in range(b_ptr[right[p]], b_ptr[right[p] + 1]):
            r = b_row[f]
            sums[group[r]] -= a_rate[p, stratum[r]]
        e, end = a_ptr[left[p]], a_ptr[left[p] + 1]
        f, stop = b_ptr[right[p]], b_ptr[right[p] + 1]
        while e < end and f < stop:
            if a_row[e] < b_row[f]:
                e += 1
            elif a_row[e] > b_row[f]:
                f += 1
            else:
                sums[group[a_row[e]]] += 1.0
                e += 1
                f += 1
        for g in range(n_groups):
            excess[p] += sums[g]
            squares[p] += sums[g] * sums[g]


@njit(cache=True, nogil=True)
def rank_sums(
    indptr: Ints,
    row: Ints32,
    value: Floats32,
    stratum: Ints32,
    size: Ints,
    rank: Floats,
    spread: Floats,
    cubes: Floats,
    low: int,
    high: int,
    product: Floats,
    own: Floats,
    variance: Floats,
    third: Floats,
) -> None:
    """Correlate the ranks of each item's strengths with those of a number, within strata.

    ``rank[r]`` is the number's centred rank within the stratum of row ``r``, ``spread[s]`` the sum of its
    squares; ``stratum[r]`` is -1 for rows that are left out. Strengths are ranked within strata too, those of
    absent items as 0. Both ranks are divided by the stratum's size + 1. ``product`` gets the sum of products,
    ``own`` the sum of squares of the strengths' ranks, ``variance`` and ``third`` the second and third
    central moment of the product when the number is shuffled within strata; ``cubes[s]`` is the sum of its
    cubed ranks.
    """
    longest = 0
    for i in range(low, high):
        longest = max(longest, indptr[i + 1] - indptr[i])
    at = np.empty(longest, np.int32)
    key = np.empty(longest, np.float64)
    for i in range(low, high):
        n = 0
        for e in range(indptr[i], indptr[i + 1]):
            if stratum[row[e]] >= 0:
                at[n] = e
                # strata first, then strengths: strengths are divided by more than the largest
                n += 1
        top = np.float32(0.0)
        for k in range(n):
            top = max(top, value[at[k]])
        for k in range(n):
            key[k] = stratum[row[at[k]]] + value[at[k]] / (2.0 * max(float(top), 1e-30))
        order = np.argsort(key[:n])
        k = 0
        while k < n:
            s = stratum[row[at[order[k]]]]
            m = k
            while m < n and stratum[row[at[order[m]]]] == s:
                m += 1
            total = float(size[s])
            absent = total - (m - k)
            scale = 1.0 / (total + 1.0)
            middle = (total + 1.0) / 2.0
            none = (absent + 1.0) / 2.0 - middle
            squares = absent * none * none
            cubed = absent * none * none * none
            found = 0.0
            x = k
            while x < m:
                y = x
                while y < m and value[at[order[y]]] == value[at[order[x]]]:
                    y += 1
                here = absent + (x - k) + (y - x + 1) / 2.0 - middle
                for z in range(x, y):
                    found += (here - none) * rank[row[at[order[z]]]]
                squares += (y - x) * here * here
                cubed += (y - x) * here * here * here
                x = y
            product[i] += found * scale
            own[i] += squares * scale * scale
            if total > 1:
                variance[i] += squares * scale * scale * spread[s] / (total - 1.0)
            if total > 2:
                third[i] += cubed * scale**3 * cubes[s] * total / ((total - 1.0) * (total - 2.0))
            k = m


@njit(cache=True, nogil=True)
def rank_sums_by_group(
    chosen: Ints,
    indptr: Ints,
    row: Ints32,
    value: Floats32,
    stratum: Ints32,
    size: Ints,
    rank: Floats,
    group: Ints32,
    n_groups: int,
    slope: Floats,
    control: Floats,
    low: int,
    high: int,
    excess: Floats,
    squares: Floats,
) -> None:
    """As :func:`rank_sums` for the ``chosen`` items ``low:high``, by group: the total and the sum of squares.

    ``slope[c]`` times ``control`` is taken from the strengths' ranks.
    """
    n = stratum.shape[0]
    sums = np.empty(n_groups)
    none = np.empty(size.shape[0])
    longest = 0
    for c in range(low, high):
        longest = max(longest, indptr[chosen[c] + 1] - indptr[chosen[c]])
    at = np.empty(longest, np.int64)
    key = np.empty(longest, np.float64)
    for c in range(low, high):
        i = chosen[c]
        many = 0
        top = np.float32(0.0)
        for e in range(indptr[i], indptr[i + 1]):
            if stratum[row[e]] >= 0:
                at[many] = e
                top = max(top, value[e])
                many += 1
        for k in range(many):
            key[k] = stratum[row[at[k]]] + value[at[k]] / (2.0 * max(float(top), 1e-30))
        order = np.argsort(key[:many])
        none[:] = 0.0
        sums[:] = 0.0
        k = 0
        while k < many:
            s = stratum[row[at[order[k]]]]
            m = k
            while m < many and stratum[row[at[order[m]]]] == s:
                m += 1
            total = float(size[s])
            absent = total - (m - k)
            middle = (total + 1.0) / 2.0
            none[s] = ((absent + 1.0) / 2.0 - middle) / (total + 1.0)
            x = k
            while x < m:
                y = x
                while y < m and value[at[order[y]]] == value[at[order[x]]]:
                    y += 1
                here = (absent + (x - k) + (y - x + 1) / 2.0 - middle) / (total + 1.0)
                for z in range(x, y):
                    r = row[at[order[z]]]
                    sums[group[r]] += (here - none[s]) * rank[r]
                x = y
            k = m
        for r in range(n):
            if stratum[r] >= 0:
                sums[group[r]] += (none[stratum[r]] - slope[c] * control[r]) * rank[r]
        for g in range(n_groups):
            excess[c] += sums[g]
            squares[c] += sums[g] * sums[g]
