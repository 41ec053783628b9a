"""UMAP of a neighbour graph to a few dimensions (for clusters) and to two (for the map).

The graph is given, so nothing is searched twice, and rows are placed by one seed on one thread. Not for: the
graph (:mod:`saetext.analysis.clusters.neighbours`) or the clusters
(:mod:`saetext.analysis.clusters.density`).
"""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np

from saetext.analysis.clusters.backends import umap_embedding, umap_graph
from saetext.analysis.clusters.neighbours import Neighbours
from saetext.analysis.clusters.representation import Floats32
from saetext.io.progress import Count

SPREAD = 1.0
CLUSTER_DISTANCE, MAP_DISTANCE = 0.0, 0.1  # UMAP's min_dist: packed for clusters, apart for eyes


def fuzzy_graph(neighbours: Neighbours, seed: int) -> Any:
    """Return UMAP's weighted graph (sparse, n x n) of the nearest neighbours."""
    return umap_graph(neighbours.row, neighbours.distance, seed)


def embed_graph(
    graph: Any,
    start: Floats32,
    dims: int,
    *,
    min_dist: float,
    seed: int,
    epochs: int | None = None,
    on_done: Count | None = None,
) -> Floats32:
    """Embed a graph.

    Parameters
    ----------
    graph : sparse matrix, n x n
        From :func:`fuzzy_graph`.
    start : float32[n, d]
        Where rows begin: the first ``dims`` columns are taken, random ones where there are fewer.
    dims : int
        Dimensions of the embedding.
    min_dist : float
        How close points may come.
    seed : int
        Of the optimisation.
    epochs : int, optional
        UMAP's own by default: 500 up to 10,000 rows, 200 above.
    on_done : callable, optional
        Called with epochs done and their number.

    Returns
    -------
    float32[n, dims]
    """
    rng = np.random.RandomState(seed)
    n = graph.shape[0]
    if epochs is None:
        epochs = 500 if n <= 10_000 else 200
    first = rng.normal(scale=1e-4, size=(n, dims))
    width = min(dims, start.shape[1])
    first[:, :width] += _spread(start[:, :width])
    return umap_embedding(
        graph, first, spread=SPREAD, min_dist=min_dist, epochs=epochs, rng=rng, tqdm=_telling(epochs, on_done)
    )


def _spread(rows: Floats32) -> Floats32:
    """Return rows centred, and scaled as a whole so that they reach 10, as UMAP's own initialisations do."""
    centred = rows - rows.mean(0)
    most = np.abs(centred).max(initial=0)
    return centred * (10 / most) if most > 0 else centred


class _Epochs(io.TextIOBase):
    """Reads the count of epochs out of what tqdm prints, and tells it on."""

    def __init__(self, total: int, on_done: Count) -> None:
        self._total, self._on_done = total, on_done

    def write(self, text: str) -> int:
        if match := re.search(r"(\d+)/", text):
            self._on_done(int(match[1]), self._total)
        return len(text)


def _telling(total: int, on_done: Count | None) -> dict[str, Any]:
    if on_done is None:
        return {"disable": True}
    return {
        "disable": False,
        "file": _Epochs(total, on_done),
        "bar_format": "{n_fmt}/{total_fmt}",
        "mininterval": 0.3,
    }
