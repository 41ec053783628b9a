"""CPU kernels that pick the few entries that matter out of a block of pre-activations.

Comparing and ``torch.nonzero`` cost as much again as the matrix product before them (d_in 384); the scan
costs 7 % of it, because a run of features without a hit is dismissed by one vectorised comparison. Not for:
GPUs (:mod:`saetext.reader.sae` has plain torch there), or any arithmetic of its own. Importing this module
imports numba; compiled code is cached on disk.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_RUN = 64  # features per vectorised test: four AVX-512 registers, and at L0 30 most runs are empty


@njit(cache=True, nogil=True)
def compact(
    block: NDArray[np.float32],
    limit: NDArray[np.float32],
    first_token: int,
    first_feature: int,
    n: int,
    token: NDArray[np.int64],
    feature: NDArray[np.int64],
    value: NDArray[np.float32],
) -> int:
    """Append every ``block[t, f] > limit[f]`` to the output arrays, in order of t, then f.

    Parameters
    ----------
    block : float32[T, F]
        Pre-activations.
    limit : float32[F]
        What each feature must exceed; ``inf`` for never.
    first_token, first_feature : int
        Added to the indices written.
    n : int
        Entries already in the output arrays.
    token, feature, value : int64[capacity], int64[capacity], float32[capacity]
        Output arrays, written in place.

    Returns
    -------
    int
        Number of entries there are. Larger than the capacity: nothing beyond it was written, and the caller
        must repeat with larger arrays.
    """
    n_tokens, n_features = block.shape
    capacity = token.shape[0]
    whole = n_features - n_features % _RUN
    for t in range(n_tokens):
        row = block[t]
        for start in range(0, whole, _RUN):
            hit = False
            for f in range(start, start + _RUN):
                hit |= row[f] > limit[f]
            if hit:
                for f in range(start, start + _RUN):
                    if row[f] > limit[f]:
                        if n < capacity:
                            token[n] = first_token + t
                            feature[n] = first_feature + f
                            value[n] = row[f]
                        n += 1
        for f in range(whole, n_features):
            if row[f] > limit[f]:
                if n < capacity:
                    token[n] = first_token + t
                    feature[n] = first_feature + f
                    value[n] = row[f]
                n += 1
    return n


@njit(cache=True, nogil=True)
def _sift_down(
    values: NDArray[np.float32], features: NDArray[np.int64], size: int, v: np.float32, f: int
) -> None:
    """Put ``(v, f)`` in place of the root of a heap whose root is the weakest entry."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        other = child + 1
        # weaker = smaller value, and of equal values the later feature
        if other < size and (
            values[other] < values[child]
            or (values[other] == values[child] and features[other] > features[child])
        ):
            child = other
        if values[child] > v or (values[child] == v and features[child] < f):
            break
        values[at] = values[child]
        features[at] = features[child]
        at = child
    values[at] = v
    features[at] = f


@njit(cache=True, nogil=True)
def _offer(values: NDArray[np.float32], features: NDArray[np.int64], size: int, v: np.float32, f: int) -> int:
    """Offer ``(v, f)`` to a heap that may hold ``len(values)`` entries; return its new size."""
    if size == values.shape[0]:
        if v > values[0]:
            _sift_down(values, features, size, v, f)
        return size
    at = size
    while at > 0:
        parent = (at - 1) // 2
        if values[parent] < v or (values[parent] == v and features[parent] > f):
            break
        values[at] = values[parent]
        features[at] = features[parent]
        at = parent
    values[at] = v
    features[at] = f
    return size + 1


@njit(cache=True, nogil=True)
def merge_top(
    block: NDArray[np.float32],
    bias: NDArray[np.float32],
    first_feature: int,
    sizes: NDArray[np.int64],
    values: NDArray[np.float32],
    features: NDArray[np.int64],
) -> None:
    """Merge the positive ``block[t, f] + bias[f]`` into each token's running top k.

    Blocks must arrive in order of feature; of equal values the earlier feature stays, so that the result does
    not depend on how features are split into blocks.

    Parameters
    ----------
    block : float32[T, F]
        Products of the inputs and the encoder's columns.
    bias : float32[F]
        Added to each column.
    first_feature : int
        Index of the block's first feature.
    sizes : int64[T]
        Entries each token holds so far, updated in place.
    values, features : float32[T, k], int64[T, k]
        One heap a row, weakest entry first, updated in place.
    """
    n_tokens, n_features = block.shape
    k = values.shape[1]
    whole = n_features - n_features % _RUN
    for t in range(n_tokens):
        row = block[t]
        size = sizes[t]
        heap_values = values[t]
        heap_features = features[t]
        least = heap_values[0] if size == k else np.float32(0.0)
        for start in range(0, whole, _RUN):
            hit = False
            for f in range(start, start + _RUN):
                hit |= row[f] + bias[f] > least
            if hit:
                for f in range(start, start + _RUN):
                    v = row[f] + bias[f]
                    if v > least:
                        size = _offer(heap_values, heap_features, size, v, first_feature + f)
                        if size == k:
                            least = heap_values[0]
        for f in range(whole, n_features):
            v = row[f] + bias[f]
            if v > least:
                size = _offer(heap_values, heap_features, size, v, first_feature + f)
                if size == k:
                    least = heap_values[0]
        sizes[t] = size
