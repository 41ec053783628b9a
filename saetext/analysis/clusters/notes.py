"""What is counted and said of a clustering as a whole: sizes, noise, and what to try next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from saetext.analysis.clusters.levels.cutting import Levels
from saetext.analysis.clusters.placing import Placed
from saetext.analysis.clusters.request import ClusterRequest

_GIANT = 0.8  # share of the documents in one cluster from which on a note says so
_NOISY = 0.5
_SAME = 0.05  # share of the placed documents that are fitted ones, from which on a note says so


def metrics_of(placed: Placed, k: int) -> dict[str, Any]:
    """Return how many documents there are, and where they went."""
    sizes = np.bincount(placed.cluster, minlength=k + 1)
    n = len(placed.cluster)
    return {
        "documents": n,
        "n_clusters": k,
        "noise": float(sizes[0] / max(n, 1)),
        "noise_documents": int(sizes[0]),
        "largest": int(sizes[1:].max(initial=0)),
        "placed": int((~placed.fitted & ~placed.empty).sum()),
        "empty": int(placed.empty.sum()),
        "unlike": placed.unlike,
    }


def levels_metrics(levels: Levels) -> dict[str, int]:
    """Return how many levels there are, and which of them, from 1, is the clusters themselves."""
    return {"levels": len(levels), "level_of_clusters": levels.base + 1}


def placing_notes(placed: Placed) -> list[str]:
    """Say which documents are in no cluster, and why."""
    notes = []
    if empty := int(placed.empty.sum()):
        notes.append(f"{empty:,} documents have none of the features that count: they are in no cluster")
    if placed.unlike:
        notes.append(
            f"{placed.unlike:,} placed documents are farther from all fitted ones than 99.5 % of those are "
            "from each other: they are in no cluster"
        )
    return notes


def same_notes(placed: Placed) -> list[str]:
    """Say that many of the placed documents are fitted ones or copies of them."""
    n = len(placed.cluster)
    if placed.same < max(_SAME * n, 2):
        return []
    of = "all documents" if placed.same == n else f"{placed.same:,} of {n:,} documents"
    return [
        f"{of} are as documents that the clusters were fitted to, those or copies of them: that they are in "
        "clusters tells nothing of new documents"
    ]


def shape_notes(metrics: Mapping[str, Any], request: ClusterRequest) -> list[str]:
    """Say what to try where there is one giant cluster, or much noise."""
    n, k = metrics["documents"], metrics["n_clusters"]
    if not k:
        return [
            "all documents are noise: no part of the pile is denser than the rest. Lower --min-cluster-size "
            f"({request.min_cluster_size}) or --min-samples ({request.min_samples}), or keep fewer "
            "features with --include"
        ]
    notes = []
    if metrics["largest"] > _GIANT * n:
        finer = "" if request.method == "leaf" else "--method leaf, "
        notes.append(
            f"one cluster holds {metrics['largest'] / n:.0%} of the documents: for finer ones try {finer}a "
            f"smaller --min-cluster-size ({request.min_cluster_size}), or another axis with --include"
        )
    if metrics["noise"] > _NOISY:
        notes.append(
            f"{metrics['noise']:.0%} of the documents are in no cluster: --assign-noise puts each where it "
            f"belongs most, a smaller --min-samples ({request.min_samples}) leaves out fewer"
        )
    return notes
