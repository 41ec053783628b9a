"""All that saetext uses of UMAP and HDBSCAN, much of it undocumented: the one place to check at an update.

``tests/test_cluster_backends.py`` names the versions that were tested and compares each function with what
their public classes return. Not for: what is done with it (:mod:`saetext.analysis.clusters.layout`,
:mod:`saetext.analysis.clusters.density`).
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.representation import Floats32
from saetext.corpus.protocol import Ints
from saetext.io.threads import one_thread as one_thread
from saetext.io.threads import torch_kept


@functools.cache
def keep_compiled() -> None:
    """Have numba keep in files what it compiles of UMAP, as it does with saetext's own kernels.

    UMAP has it compiled in each process anew, which takes longer than clustering a thousand documents.
    """
    from umap import layouts, umap_

    epoch: Any = getattr(layouts, "_nb_optimize_layout_euclidean_single_epoch", None)  # of 0.5.12
    for compiled in (umap_.smooth_knn_dist, umap_.compute_membership_strengths, epoch):
        with contextlib.suppress(RuntimeError, AttributeError):  # there is no directory to keep it in
            compiled.enable_caching()


@torch_kept()
def umap_graph(row: NDArray[np.int32], distance: Floats32, seed: int) -> Any:
    """Return UMAP's weighted graph (sparse, n x n) of given neighbours.

    Parameters
    ----------
    row, distance : int32[n, k], float32[n, k]
        Neighbours of each row, itself first, and how far they are.
    seed : int
        Of a generator that is asked for only where no neighbours are given.
    """
    from umap.umap_ import fuzzy_simplicial_set

    keep_compiled()
    n, k = row.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph, _, _ = fuzzy_simplicial_set(
            np.empty((n, 1), np.float32),  # never looked at, since the neighbours are given
            k,
            np.random.RandomState(seed),
            "euclidean",
            knn_indices=row,
            knn_dists=distance,
        )
    return graph


@torch_kept()
def umap_embedding(
    graph: Any,
    first: NDArray[np.float64],
    *,
    spread: float,
    min_dist: float,
    epochs: int,
    rng: np.random.RandomState,
    tqdm: dict[str, Any],
) -> Floats32:
    """Return float32[n, dims]: the rows of a graph after so many epochs from where ``first`` has them.

    Parameters
    ----------
    graph : sparse matrix, n x n
        From :func:`umap_graph`.
    first : float64[n, dims]
        Where rows begin.
    spread, min_dist : float
        UMAP's parameters of these names.
    rng : numpy.random.RandomState
        Of the negative samples.
    tqdm : dict
        Options of the bar that counts epochs.
    """
    from umap.umap_ import find_ab_params, simplicial_set_embedding

    keep_compiled()
    a, b = find_ab_params(spread, min_dist)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, _ = simplicial_set_embedding(
            np.empty((len(first), 1), np.float32), graph, first.shape[1], 1.0, a, b, 1.0, 5, epochs,
            first.astype(np.float32), rng, "euclidean", {}, False, {}, False,
            parallel=False, tqdm_kwds=tqdm,
        )  # fmt: skip
    return np.ascontiguousarray(found, np.float32)


@torch_kept()
def umap_weights(row: NDArray[np.int32], distance: Floats32) -> NDArray[np.float64]:
    """Return float64[m, k]: UMAP's weights of the nearest fitted rows of new ones.

    Weights fall exponentially with the distance. All of a row but the first add up to log2(k).
    """
    from umap.umap_ import compute_membership_strengths, smooth_knn_dist

    keep_compiled()
    m, k = row.shape
    sigmas, rhos = smooth_knn_dist(distance, float(k), local_connectivity=0.0)
    _, _, weights, _ = compute_membership_strengths(row, distance, sigmas, rhos, False, True)
    return np.asarray(weights, np.float64).reshape(m, k)


def hdbscan_fit(points: NDArray[np.float64], *, min_cluster_size: int, min_samples: int, method: str) -> Any:
    """Return a fitted ``hdbscan.HDBSCAN`` that :func:`hdbscan_memberships` can be asked of."""
    import hdbscan

    model = hdbscan.HDBSCAN(
        min_cluster_size=min_cluster_size,
        min_samples=min_samples,
        cluster_selection_method=method,
        core_dist_n_jobs=1,
        prediction_data=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(points)
    return model


def hdbscan_outliers(model: Any) -> NDArray[np.float64]:
    """Return float64[n]: GLOSH outlier scores, NaN where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(model.outlier_scores_, np.float64)


def hdbscan_tree(model: Any) -> tuple[NDArray[np.void], list[int]]:
    """Return the condensed tree, an edge a record, and the node of each cluster, by HDBSCAN's number."""
    tree = model.condensed_tree_
    return tree.to_numpy(), sorted(int(node) for node in tree._select_clusters())


def hdbscan_memberships(model: Any) -> Floats32:
    """Return float[n, k]: how firmly each row would belong to each cluster, by HDBSCAN's number."""
    import hdbscan

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        member = np.asarray(hdbscan.all_points_membership_vectors(model))
    return np.nan_to_num(member.reshape(len(model.labels_), -1))


def hdbscan_validity(points: NDArray[np.float64], labels: Ints) -> float:
    """Return DBCV of a grouping, -1 to 1, not a number where it has none; -1 marks noise."""
    from hdbscan.validity import validity_index

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return float(validity_index(points, labels))
