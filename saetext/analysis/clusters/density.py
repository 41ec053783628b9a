"""HDBSCAN of embedded documents: clusters numbered by size, how firmly each document belongs, the tree.

Not for: the embedding (:mod:`saetext.analysis.clusters.layout`) or what a cluster is about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.backends import (
    hdbscan_fit,
    hdbscan_memberships,
    hdbscan_outliers,
    hdbscan_tree,
)
from saetext.analysis.clusters.representation import Floats32
from saetext.corpus.protocol import Ints

if TYPE_CHECKING:
    import polars as pl

METHODS = ("eom", "leaf")
LEAST_SIZE = 5  # of a cluster, unless a user says so
_HAIR = 1e-3  # of the spread of all points: at least so far are equal ones set apart
_PLACES = 20  # by which the distance of neighbours is told


@dataclass(frozen=True, eq=False)
class Grouping:
    """Clusters of rows.

    Attributes
    ----------
    cluster : int32[n]
        From 1, the largest first (ties: the one with the earlier row); 0 for noise.
    probability : float32[n]
        How firmly a row belongs to its cluster, 0 to 1; 0 for noise.
    outlier : float32[n]
        GLOSH outlier score, 0 to 1.
    persistence : float64[k]
        How long each cluster lasts while the density rises.
    exemplar : bool[n]
        The densest rows of each cluster.
    tree : polars.DataFrame
        The condensed tree: ``parent``, ``child``, ``lambda``, ``size``, and ``cluster``, the number of the
        cluster that was selected at that child, null elsewhere. Children below n are rows. None for the
        groups of a view.
    model : Any
        The fitted ``hdbscan.HDBSCAN``.
    order : int64[k]
        HDBSCAN's own number of each cluster.
    """

    cluster: NDArray[np.int32]
    probability: Floats32
    outlier: Floats32
    persistence: NDArray[np.float64]
    exemplar: NDArray[np.bool_]
    tree: pl.DataFrame | None
    model: Any
    order: Ints

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.order)


def suggested_size(n_documents: int) -> int:
    """Return a min_cluster_size: .35 of the square root of the documents, at least 5."""
    return max(LEAST_SIZE, round(0.35 * math.sqrt(n_documents)))


def group(
    points: Floats32,
    *,
    min_cluster_size: int,
    min_samples: int,
    method: str = "eom",
    alone: Sequence[Ints] = (),
) -> Grouping:
    """Cluster rows by density.

    Parameters
    ----------
    points : float32[n, d]
        Embedded documents.
    min_cluster_size : int
        Fewest documents of a cluster, at least 2.
    min_samples : int
        Neighbours that make a place dense; more of them, more noise.
    method : {"eom", "leaf"}
        Excess of mass, or the leaves of the tree: more and finer clusters.
    alone : sequence of int64 arrays
        Rows that are each a cluster by themselves, whatever lies around them.
    """
    import polars as pl

    repeats = _repeats(points, min_cluster_size)
    model = hdbscan_fit(
        _spread(points, repeats),
        min_cluster_size=min_cluster_size,
        min_samples=max(1, min(min_samples, len(points) - 1)),
        method=method,
    )
    outlier = np.nan_to_num(hdbscan_outliers(model), nan=0.0)
    told = model.labels_.copy()
    found = int(told.max(initial=-1)) + 1
    _gather(told, repeats)
    _set_apart(told, alone)
    k = max(found, int(told.max(initial=-1)) + 1)
    sizes = np.bincount(told[told >= 0], minlength=k)
    first = np.full(k, len(told))
    np.minimum.at(first, told[told >= 0], np.flatnonzero(told >= 0))
    order = np.lexsort((first, -sizes))[: int((sizes > 0).sum())]  # one may have lost all to another
    number = np.zeros(k + 1, np.int32)  # the last is for -1, noise
    number[order] = np.arange(1, len(order) + 1)
    raw, nodes = hdbscan_tree(model)
    selected = {node: at for at, node in enumerate(nodes)}
    numbered = [
        int(number[selected[child]]) or None if child in selected else None for child in raw["child"].tolist()
    ]
    tree = pl.DataFrame(
        {
            "parent": raw["parent"].astype(np.int64),
            "child": raw["child"].astype(np.int64),
            "lambda": raw["lambda_val"].astype(np.float64),
            "size": raw["child_size"].astype(np.int64),
            "cluster": pl.Series(numbered, dtype=pl.Int32),
        }
    )
    return Grouping(
        number[told],
        _firm(model.probabilities_, told, repeats),
        np.clip(outlier, 0, 1).astype(np.float32),
        np.r_[np.asarray(model.cluster_persistence_, np.float64)[:found], np.ones(k - found)][order],
        _densest(raw, told, k),
        tree,
        model,
        order,
    )


def soft_clusters(grouping: Grouping) -> tuple[NDArray[np.int32], Floats32]:
    """Return the cluster every row belongs to most, by HDBSCAN's soft membership, and how firmly.

    Rows that have a cluster keep it.
    """
    cluster, probability = grouping.cluster.copy(), grouping.probability.copy()
    noise = np.flatnonzero(cluster == 0)
    if not int(grouping.model.labels_.max(initial=-1)) + 1 or not len(noise):
        return cluster, probability
    member = hdbscan_memberships(grouping.model)[noise]
    number = np.zeros(1 + max(int(grouping.order.max()), member.shape[1] - 1), np.int32)
    number[grouping.order] = np.arange(1, grouping.n_clusters + 1)
    cluster[noise] = number[member.argmax(1)]
    probability[noise] = member.max(1)
    return cluster, probability


def _repeats(points: Floats32, least: int) -> list[Ints]:
    """Return the rows that stand in one place, for each place with at least so many."""
    _, place, count = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    rows = np.split(np.argsort(place.reshape(-1), kind="stable"), np.cumsum(count)[:-1])
    return [own for own in rows if len(own) >= least]


def _spread(points: Floats32, repeats: list[Ints]) -> NDArray[np.float64]:
    """Return the points with those of one place as far apart as neighbours are.

    At no distance HDBSCAN cuts them anyhow; a hair apart they would be so dense that what lies around them
    would be noise.
    """
    apart = points.astype(np.float64)
    if repeats:
        rows = np.concatenate(repeats)
        scale = max(_nearest(points) / math.sqrt(points.shape[1]), _HAIR * (float(points.std()) or 1.0))
        apart[rows] += np.random.default_rng(0).normal(scale=scale, size=(len(rows), points.shape[1]))
    return apart


def _nearest(points: Floats32) -> float:
    """Return the median distance of a place to the nearest other one; 0 where there are too few to tell."""
    from scipy.spatial import cKDTree

    places = np.unique(points, axis=0)
    if len(places) < _PLACES:
        return 0.0
    distance = np.asarray(cKDTree(places).query(places, 2)[0])
    return float(np.median(distance[:, 1]))


def _firm(probability: NDArray[np.float64], told: Ints, repeats: list[Ints]) -> Floats32:
    """Return how firmly rows belong to their cluster; those of one place do so alike."""
    firm = np.where(told >= 0, probability, 0.0).astype(np.float32)
    for rows in repeats:
        firm[rows] = firm[rows].max() or 1.0
    return firm


def _gather(told: Ints, repeats: list[Ints]) -> None:
    """Give all rows of one place the cluster that most of them have, or a new one if none has any.

    No part of a pile is denser: rows are never noise for being equal.
    """
    made = int(told.max(initial=-1)) + 1
    for rows in repeats:
        known = told[rows][told[rows] >= 0]
        if len(known):
            told[rows] = np.bincount(known).argmax()
        else:
            told[rows] = made
            made += 1


def _set_apart(told: Ints, alone: Sequence[Ints]) -> None:
    """Give each of these sets of rows a cluster of its own, unless they have one already."""
    for rows in alone:
        others = np.delete(told, rows)
        if told[rows[0]] < 0 or (others == told[rows[0]]).any() or len(set(told[rows].tolist())) > 1:
            told[rows] = int(told.max(initial=-1)) + 1


def _densest(raw: NDArray[np.void], told: Ints, k: int) -> NDArray[np.bool_]:
    """Return bool[n]: rows that leave their cluster last."""
    n = len(told)
    rows = raw["child"] < n
    last = np.zeros(n)
    last[raw["child"][rows]] = raw["lambda_val"][rows]
    most = np.full(k, -np.inf)
    np.maximum.at(most, told[told >= 0], last[told >= 0])
    found = np.zeros(n, bool)
    members = told >= 0
    found[members] = last[members] >= most[told[members]]
    return found
