"""saetext: read piles of text through a language model and a sparse autoencoder, and compare what is in them.

The names a user types, loaded when first used: importing saetext loads neither torch nor polars.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from saetext.errors import SaetextError, SaetextWarning

if TYPE_CHECKING:
    from saetext.analysis.clusters import ClusterResult, cluster
    from saetext.analysis.cooccurrence import CorrelateResult, correlate
    from saetext.analysis.differences import DiffResult, diff
    from saetext.analysis.search import Searcher, SearchResult, build_index, search
    from saetext.corpus import Corpus
    from saetext.documents import open_documents
    from saetext.encoding.encoder import append, encode
    from saetext.features.labelling.pipeline import label
    from saetext.features.labels import FeatureLabels
    from saetext.reader.reader import Reader
    from saetext.reader.thresholds.estimation import calibrate
    from saetext.training.batch_topk import TrainConfig, train_sae
    from saetext.training.pipeline import train

__all__ = [
    "ClusterResult",
    "Corpus",
    "CorrelateResult",
    "DiffResult",
    "FeatureLabels",
    "Reader",
    "SaetextError",
    "SaetextWarning",
    "SearchResult",
    "Searcher",
    "TrainConfig",
    "append",
    "build_index",
    "calibrate",
    "cluster",
    "correlate",
    "diff",
    "encode",
    "label",
    "open_documents",
    "search",
    "train",
    "train_sae",
]

_HOMES = {
    "ClusterResult": "saetext.cluster",
    "Corpus": "saetext.corpus",
    "CorrelateResult": "saetext.correlate",
    "DiffResult": "saetext.diff",
    "FeatureLabels": "saetext.labels",
    "Reader": "saetext.reader.reader",
    "SearchResult": "saetext.search",
    "Searcher": "saetext.search",
    "TrainConfig": "saetext.train",
    "append": "saetext.encode",
    "build_index": "saetext.search",
    "calibrate": "saetext.calibrate",
    "cluster": "saetext.cluster",
    "correlate": "saetext.correlate",
    "diff": "saetext.diff",
    "encode": "saetext.encode",
    "label": "saetext.features.labelling.pipeline",
    "open_documents": "saetext.documents",
    "search": "saetext.search",
    "train": "saetext.training.pipeline",
    "train_sae": "saetext.train",
}


class _Package(types.ModuleType):
    """Keeps ``saetext.diff`` the function: importing the module of that name would put itself there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOMES and isinstance(value, types.ModuleType):
            return
        super().__setattr__(name, value)


if not TYPE_CHECKING:  # or every name that there is not would have a type

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'saetext' has no attribute {name!r}")
        value = getattr(importlib.import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)


sys.modules[__name__].__class__ = _Package
