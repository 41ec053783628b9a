"""Detectors: saved linear probes that say how likely a text has a property, such as a refusal or a table.

A detector belongs to one SAE. Those of the embedded reader come with the package. Not for: finding features
(:mod:`saetext.features.label_index`) or testing how sets differ (:mod:`saetext.analysis.differences`).
"""

from saetext.features.detectors.asked import LEAST, NEAR, DetectorIndex, resolved, similarities
from saetext.features.detectors.detector import Detector
from saetext.features.detectors.fitting import Quality, fit, quality
from saetext.features.detectors.scoring import (
    LONG_SHARE,
    LONGEST,
    long_share,
    of_such_length,
    presence,
    score,
)
from saetext.features.detectors.shipping import SUBJECTS, load, shipped

__all__ = [
    "LEAST",
    "LONGEST",
    "LONG_SHARE",
    "NEAR",
    "SUBJECTS",
    "Detector",
    "DetectorIndex",
    "Quality",
    "fit",
    "load",
    "long_share",
    "of_such_length",
    "presence",
    "quality",
    "resolved",
    "score",
    "shipped",
    "similarities",
]
