"""Compiled loops of a search: add what features say about documents, and keep the best.

Entries are feature-major: those of feature ``f`` are ``indptr[f]:indptr[f + 1]``. All loops release the GIL
and write only to arrays of their caller, so that searches can run in several threads. Importing this module
imports numba; compiled code is cached on disk. Not for: choosing weights.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@njit(cache=True, nogil=True)
def add_features(
    indptr: NDArray[np.int64],
    doc: NDArray[np.int32],
    value: NDArray[np.float32],
    features: NDArray[np.int64],
    weight: Floats,
    scale: Floats,
    cap: float,
    score: Floats,
) -> None:
    """Add ``weight[k] * min(value / scale[k], cap)`` to the score of every document of ``features[k]``."""
    for k in range(features.shape[0]):
        w, s = weight[k], scale[k]
        for e in range(indptr[features[k]], indptr[features[k] + 1]):
            score[doc[e]] += w * min(value[e] / s, cap)


@njit(cache=True, nogil=True)
def best(score: Floats, live: NDArray[np.bool_], least: float, k: int) -> NDArray[np.int64]:
    """Return up to ``k`` documents with a score above ``least``, highest first, the earlier one on a tie.

    ``live`` says which documents may be returned; of length 0, all. A heap of the best so far: nearly every
    document is turned away by one comparison.
    """
    heap_score = np.empty(k)
    heap_row = np.empty(k, np.int64)
    size = 0
    some = live.shape[0] > 0
    for row in range(score.shape[0]):
        s = score[row]
        if not s > least or (some and not live[row]):
            continue
        if size < k:  # sift up
            at = size
            size += 1
            while at > 0:
                parent = (at - 1) // 2
                # the root is the worst: lowest score, of equal ones the latest row
                if heap_score[parent] < s or (heap_score[parent] == s and heap_row[parent] > row):
                    break
                heap_score[at], heap_row[at] = heap_score[parent], heap_row[parent]
                at = parent
            heap_score[at], heap_row[at] = s, row
        elif k > 0 and s > heap_score[0]:  # rows come in order, so an equal score never displaces
            at = 0
            while True:
                child = 2 * at + 1
                if child >= size:
                    break
                other = child + 1
                if other < size and (
                    heap_score[other] < heap_score[child]
                    or (heap_score[other] == heap_score[child] and heap_row[other] > heap_row[child])
                ):
                    child = other
                if heap_score[child] >= s:  # of equal scores the new one is the worst: it is the latest
                    break
                heap_score[at], heap_row[at] = heap_score[child], heap_row[child]
                at = child
            heap_score[at], heap_row[at] = s, row
    order = np.argsort(heap_row[:size])  # two stable sorts: by row, then by score
    ranked = order[np.argsort(-heap_score[:size][order], kind="mergesort")]
    return heap_row[:size][ranked]
