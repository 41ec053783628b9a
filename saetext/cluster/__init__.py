"""What is in a pile of documents: clusters with names, a map, and placing new documents.

Not for: two piles (:mod:`saetext.diff`) or pairs of concepts (:mod:`saetext.correlate`).
"""

from saetext.cluster.fitting import Settings
from saetext.cluster.model import ClusterModel, default_path, load_model, save_clusters
from saetext.cluster.result import ClusterResult
from saetext.cluster.run import cluster, predict

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
