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
    from saetext.calibrate import calibrate
    from saetext.cluster import ClusterResult, cluster
    from saetext.corpus import Corpus
    from saetext.correlate import CorrelateResult, correlate
    from saetext.diff import DiffResult, diff
    from saetext.documents import open_documents
    from saetext.encode import append, encode
    from saetext.labelling.label import label
    from saetext.labels import FeatureLabels
    from saetext.reader.reader import Reader
    from saetext.search import Searcher, SearchResult, build_index, search
    from saetext.train import TrainConfig, train_sae
    from saetext.training import train

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
    "label": "saetext.labelling.label",
    "open_documents": "saetext.documents",
    "search": "saetext.search",
    "train": "saetext.training",
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
