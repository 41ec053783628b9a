"""Where a feature is active and where it does not: contexts to name it from, and trials to check a name on.

Not for: naming features (:mod:`saetext.features.labelling`) or showing one (:mod:`saetext.features`).
"""

from saetext.features.contexts.gathering import (
    HALVES,
    MIN_FIRING,
    PLACES,
    Context,
    FeatureContexts,
    Half,
    Level,
    Trial,
    gather,
    trials,
)
from saetext.features.contexts.passages import random_passages

__all__ = [
    "HALVES",
    "MIN_FIRING",
    "PLACES",
    "Context",
    "FeatureContexts",
    "Half",
    "Level",
    "Trial",
    "gather",
    "random_passages",
    "trials",
]
