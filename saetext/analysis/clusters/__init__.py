"""What is in a pile of documents: clusters with names, a map, and placing new documents.

Not for: two piles (:mod:`saetext.analysis.differences`) or pairs of concepts
(:mod:`saetext.analysis.cooccurrence`).
"""

from saetext.analysis.clusters.fitting import Settings
from saetext.analysis.clusters.model import ClusterModel, default_path, load_model, save_clusters
from saetext.analysis.clusters.result import ClusterResult
from saetext.analysis.clusters.run import cluster, predict

__all__ = [
    "ClusterModel",
    "ClusterResult",
    "Settings",
    "cluster",
    "default_path",
    "load_model",
    "predict",
    "save_clusters",
]
