"""The neighbours of every document: exact, by cosine of vectors or by Jaccard of the features present.

One graph serves the clusters and the map. Not for: embedding it (:mod:`saetext.analysis.clusters.layout`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.representation import Floats32
from saetext.io.progress import Count

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_SPARE = 8  # neighbours beyond those asked for, among which the last bits of the index's sums may choose
_BATCH = 2048  # rows searched at a time
_PAIRS = 20_000_000  # similarities held at a time


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest rows of each row, nearest first.

    Attributes
    ----------
    row : int32[n, k]
        Which.
    distance : float32[n, k]
        How far: 1 less the cosine, or the Jaccard distance; 0 to 2.
    """

    row: NDArray[np.int32]
    distance: Floats32


def by_cosine(fitted: Floats32, asked: Floats32 | None, k: int, on_done: Count | None = None) -> Neighbours:
    """Find the ``k`` nearest of ``fitted`` for each row of ``asked``, exactly.

    Parameters
    ----------
    fitted : float32[n, d]
        Rows of length 1.
    asked : float32[m, d] or None
        Likewise; None asks for ``fitted`` themselves, and then each row comes first in its own list.
    k : int
        Neighbours, at most n.
    on_done : callable, optional
        Called with rows done and their number.
    """
    import faiss

    index = faiss.IndexFlatIP(fitted.shape[1])
    index.add(np.ascontiguousarray(fitted))
    itself = asked is None
    rows = np.ascontiguousarray(fitted if asked is None else asked)
    k = min(k, len(fitted))
    found = np.empty((len(rows), k), np.int32)
    distance = np.empty((len(rows), k), np.float32)
    for start in range(0, len(rows), _BATCH):
        part = slice(start, min(start + _BATCH, len(rows)))
        _, which = index.search(rows[part], min(k + _SPARE, len(fitted)))
        near, apart = _ordered(rows[part], fitted, which)
        found[part], distance[part] = near[:, :k], apart[:, :k]
        if on_done is not None:
            on_done(part.stop, len(rows))
    if itself:
        _first(found, distance)
    return Neighbours(found, distance)


def _ordered(
    rows: Floats32, fitted: Floats32, which: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Floats32]:
    """Return neighbours, nearest first, ties by row, with their distance.

    It is computed again one by one: the last bits of the index's own depend on the number of threads, and
    UMAP makes other clusters of them.
    """
    near = np.sort(which, axis=1)
    similarity = np.einsum("nd,nkd->nk", rows, fitted[near], dtype=np.float64)
    apart = np.maximum(1 - similarity, 0).astype(np.float32)
    order = np.argsort(apart, axis=1, kind="stable")
    return np.take_along_axis(near, order, 1), np.take_along_axis(apart, order, 1)


def by_jaccard(
    fitted: csr_matrix, asked: csr_matrix | None, k: int, on_done: Count | None = None
) -> Neighbours:
    """Find the ``k`` nearest by 1 - |both| / |either| of the features present; as :func:`by_cosine`.

    Two rows without any feature are at distance 1.
    """
    itself = asked is None
    rows = fitted if asked is None else asked
    k = min(k, fitted.shape[0])
    sizes = np.diff(fitted.indptr).astype(np.float32)
    own = np.diff(rows.indptr).astype(np.float32)
    turned = fitted.T.tocsr()
    found = np.empty((rows.shape[0], k), np.int32)
    distance = np.empty((rows.shape[0], k), np.float32)
    step = max(1, _PAIRS // max(fitted.shape[0], 1))
    for start in range(0, rows.shape[0], step):
        part = slice(start, min(start + step, rows.shape[0]))
        both = np.asarray((rows[part] @ turned).todense(), np.float32)
        either = own[part, None] + sizes[None, :] - both
        apart = 1 - np.divide(both, either, out=np.zeros_like(both), where=either > 0)
        # by distance, ties by row, so that the same documents always have the same neighbours
        near = np.argsort(apart, axis=1, kind="stable")[:, :k]
        found[part], distance[part] = near, np.take_along_axis(apart, near, 1)
        if on_done is not None:
            on_done(part.stop, rows.shape[0])
    if itself:
        _first(found, distance)
    return Neighbours(found, distance)


def _first(found: NDArray[np.int32], distance: Floats32) -> None:
    """Put each row first in its own list, at distance 0: among equal documents it may stand elsewhere."""
    own = np.arange(len(found), dtype=np.int32)
    at = np.where(found == own[:, None], np.arange(found.shape[1]), found.shape[1] - 1).min(1)
    for row in np.flatnonzero(at > 0):
        stop = at[row]
        found[row, 1 : stop + 1] = found[row, :stop]
        distance[row, 1 : stop + 1] = distance[row, :stop]
    found[:, 0], distance[:, 0] = own, 0
