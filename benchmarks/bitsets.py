"""Joint counts by bitsets: a bit for each document, AND and popcount, blocks of features against blocks.

A candidate that ``correlate`` does not use; see benchmarks/README.md. Not for: anything but the benchmark.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray


@njit(cache=True)
def _fill(indptr: Any, row: Any, bits: Any) -> None:
    for i in range(indptr.shape[0] - 1):
        for e in range(indptr[i], indptr[i + 1]):
            bits[i, row[e] >> 6] |= np.uint64(1) << np.uint64(row[e] & 63)


@njit(cache=True, parallel=True, fastmath=True)
def _counts(a: Any, b: Any, out: Any) -> None:
    one, two, four = (
        np.uint64(0x5555555555555555),
        np.uint64(0x3333333333333333),
        np.uint64(0x0F0F0F0F0F0F0F0F),
    )
    for i in prange(a.shape[0]):
        for j in range(b.shape[0]):
            total = np.uint64(0)
            for w in range(a.shape[1]):
                x = a[i, w] & b[j, w]
                x = x - ((x >> np.uint64(1)) & one)
                x = (x & two) + ((x >> np.uint64(2)) & two)
                x = (x + (x >> np.uint64(4))) & four
                total += (x * np.uint64(0x0101010101010101)) >> np.uint64(56)
            out[i, j] = total


def make(items: Any, n_rows: int) -> NDArray[np.uint64]:
    """Return uint64[items, words]."""
    bits = np.zeros((len(items), n_rows // 64 + 1), np.uint64)
    _fill(items.indptr, items.row, bits)
    return bits


def block(bits: NDArray[np.uint64], a: int, b: int, size: int = 512) -> NDArray[np.int32]:
    """Return the joint counts of two blocks: of the most frequent items (0) and of the rarest (1)."""
    parts = [bits[:size] if which == 0 else bits[-size:] for which in (a, b)]
    out = np.zeros((len(parts[0]), len(parts[1])), np.int32)
    _counts(parts[0], parts[1], out)
    return out
