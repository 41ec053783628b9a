"""What is in a pile of documents: clusters with names, a map, and placing new documents.

Loaded when first used: a command names its options without what computes them. Not for: two piles
(:mod:`saetext.analysis.differences`) or pairs of concepts (:mod:`saetext.analysis.cooccurrence`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.analysis.clusters.changes.comparing import compare
    from saetext.analysis.clusters.model import ClusterModel, default_path, load_model, save_clusters
    from saetext.analysis.clusters.request import ClusterRequest, CompareRequest, PredictRequest
    from saetext.analysis.clusters.result import ClusterResult
    from saetext.analysis.clusters.run import cluster, predict
    from saetext.analysis.clusters.sheet import write_documents

__all__ = [
    "ClusterModel",
    "ClusterRequest",
    "ClusterResult",
    "CompareRequest",
    "PredictRequest",
    "cluster",
    "compare",
    "default_path",
    "load_model",
    "predict",
    "save_clusters",
    "write_documents",
]

_HOMES = {
    "ClusterModel": "model",
    "ClusterRequest": "request",
    "ClusterResult": "result",
    "CompareRequest": "request",
    "PredictRequest": "request",
    "cluster": "run",
    "compare": "changes.comparing",
    "default_path": "model",
    "load_model": "model",
    "predict": "run",
    "save_clusters": "model",
    "write_documents": "sheet",
}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
