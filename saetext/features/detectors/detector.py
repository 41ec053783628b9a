"""Detector: a linear probe over the features of one SAE, and the JSON page it is kept as.

Not for: learning one (:mod:`saetext.features.detectors.fitting`) or using one
(:mod:`saetext.features.detectors.scoring`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.shapes import MOST_FEATURES as MOST_SAE_FEATURES
from saetext.errors import IncompatibleError, InputError
from saetext.io import strict_json
from saetext.io.files import write_atomic
from saetext.io.json_file import load
from saetext.io.opener import why
from saetext.io.shape import INT32, List, Number, Record, Table, Text, Whole, check
from saetext.text.one_line import about, quoted

if TYPE_CHECKING:
    from saetext.corpus.spec import SaeSpec

KIND = "saetext detector"
VERSION = 2  # of pages with "reach"; those without are of version 1, and are written so
POOLING = "max"
MOST_FEATURES = 4096
MOST_REACH = 10_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_NUMBERS = List(Number(), least=1, most=MOST_FEATURES)
_PAGE = Record(
    {
        "kind": Text(choices=(KIND,)),
        "version": Whole(1, INT32),
        "name": Text(pattern=_NAME.pattern, means="lower case letters, digits and underscores, at most 60"),
        "title": Text(longest=200, least=1),
        "description": Text(longest=1000),
        "reader": Record(
            {
                "sae": Text(longest=10_000),
                "d_sae": Whole(1, MOST_SAE_FEATURES),
                "weights_sha256": Text(longest=200),
            }
        ),
        "pooling": Text(choices=(POOLING,)),
        "bias": Number(),
        "length_weight": Number(),
        "calibration": Record({"slope": Number(0, above=True), "intercept": Number()}),
        "threshold": Number(0, 1, above=True),
        "auc": Table(Number(0, 1)),
        "made_from": Table(),
        "features": List(Whole(0, INT32), least=1, most=MOST_FEATURES),
        "weights": _NUMBERS,
        "scales": List(Number(0, above=True), least=1, most=MOST_FEATURES),
    },
    {"reach": Whole(0, MOST_REACH)},
)


@dataclass(frozen=True, eq=False, repr=False)
class Detector:
    """A probe that says how likely a text has a property.

    A text's score is ``bias + length_weight * log(1 + n) + sum(weights * min(value / scales, 1))``, with
    ``n`` the number of features present in the text and ``value`` its largest activation of each feature. Its
    probability is ``1 / (1 + exp(-(slope * score + intercept)))`` (Platt 1999), for a collection in which
    half of the texts have the property.

    With a ``reach``, what counts is not the text but its best passage: only features that peak within so many
    tokens of one place add to the score, and the place where they add most is taken. One refusing sentence
    then weighs as much in a long answer as alone.

    Attributes
    ----------
    name : str
        Lower case letters, digits and underscores.
    title : str
        The property in a few words.
    description : str
        One sentence more.
    sae : str
        What the SAE is called.
    weights_sha256 : str
        SHA-256 of the SAE's weights: the detector is of no use for any other.
    d_sae : int
        Number of features of the SAE.
    features : int32[k]
        Strictly increasing.
    weights : float64[k]
        What a text gains where a feature is at full strength.
    scales : float64[k]
        Activation that counts as full strength, above 0.
    length_weight : float
        Weight of the logarithm of the number of features present, so that long texts gain nothing by length.
    bias : float
    slope, intercept : float
        Of the calibration; the slope is above 0.
    threshold : float
        Probability from which the property counts as present.
    auc : mapping
        Area under the ROC curve on each set of texts that was not learned from.
    made_from : mapping
        Number and kind of the texts; JSON types only.
    reach : int
        Tokens on either side of a peak that a passage has; 0: the whole text counts.
    """

    name: str
    title: str
    description: str
    sae: str
    weights_sha256: str
    d_sae: int
    features: NDArray[np.int32]
    weights: NDArray[np.float64]
    scales: NDArray[np.float64]
    length_weight: float
    bias: float
    slope: float
    intercept: float
    threshold: float
    auc: Mapping[str, float] = field(default_factory=dict)
    made_from: Mapping[str, Any] = field(default_factory=dict)
    reach: int = 0

    def __post_init__(self) -> None:
        try:
            _check(self)
        except ValueError as error:
            raise InputError(f"detector {self.name!r}: {error}") from None

    def __repr__(self) -> str:
        return about(self, f"{quoted(self.title)}, {len(self.features):,} features of {self.sae}")

    def require_for(self, sae: SaeSpec) -> None:
        """Raise :class:`IncompatibleError` unless it is of this SAE's features."""
        if self.weights_sha256 != sae.weights_sha256 or self.d_sae != sae.d_sae:
            raise IncompatibleError(
                f"detector {self.name!r} is of the features of {self.sae} "
                f"(weights {self.weights_sha256[:12]}...), not of {sae.origin} ({sae.weights_sha256[:12]}...)"
            )

    def to_json(self) -> str:
        """Return the detector as one JSON object."""
        page = {
            "kind": KIND,
            "version": VERSION if self.reach else 1,
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "reader": {"sae": self.sae, "d_sae": self.d_sae, "weights_sha256": self.weights_sha256},
            "pooling": POOLING,
            "bias": self.bias,
            "length_weight": self.length_weight,
            "calibration": {"slope": self.slope, "intercept": self.intercept},
            "threshold": self.threshold,
            "auc": dict(self.auc),
            "made_from": dict(self.made_from),
            "features": self.features.tolist(),
            "weights": self.weights.tolist(),
            "scales": self.scales.tolist(),
            **({"reach": self.reach} if self.reach else {}),
        }
        return strict_json.dumps(page) + "\n"

    def write(self, path: Path) -> None:
        """Write the page; a file that is there is replaced whole."""
        try:
            write_atomic(path, self.to_json().encode())
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from error

    @classmethod
    def read(cls, path: Path) -> Detector:
        """Read a page.

        Raises
        ------
        InputError
            If the file is missing or is no such page; the message is one line.
        """
        try:
            data = load(path)
        except OSError as error:
            raise InputError(f"cannot read {path}: {why(error)}") from error
        except ValueError as error:
            raise InputError(f"{path} is no detector: {why(error)}") from error
        if not isinstance(data, dict) or data.get("kind") != KIND:
            raise InputError(f"{path} is no detector; make one with 'saetext detector make'")
        if type(data.get("version")) is int and data["version"] > VERSION:
            raise InputError(f"{path} is a detector of version {data['version']}: upgrade saetext")
        try:
            return _of(check(_PAGE, data))
        except (ValueError, InputError) as error:
            raise InputError(f"{path} is a damaged detector: {why(error)}") from error


def _of(data: Mapping[str, Any]) -> Detector:
    reader, calibration = data["reader"], data["calibration"]
    return Detector(
        data["name"],
        data["title"],
        data["description"],
        reader["sae"],
        reader["weights_sha256"],
        reader["d_sae"],
        np.array(data["features"], np.int32),
        np.array(data["weights"], np.float64),
        np.array(data["scales"], np.float64),
        float(data["length_weight"]),
        float(data["bias"]),
        float(calibration["slope"]),
        float(calibration["intercept"]),
        float(data["threshold"]),
        {key: float(value) for key, value in data["auc"].items()},
        data["made_from"],
        data.get("reach", 0),
    )


def _check(detector: Detector) -> None:
    """Raise :class:`ValueError` for what no detector can be."""
    if not _NAME.fullmatch(detector.name):
        raise ValueError("a name is lower case letters, digits and underscores, at most 60")
    if not detector.title.strip() or len(detector.title) > 200 or len(detector.description) > 1000:
        raise ValueError("a title has 1 to 200 characters, a description at most 1,000")
    lengths = {len(detector.features), len(detector.weights), len(detector.scales)}
    if len(lengths) > 1 or not 0 < len(detector.features) <= MOST_FEATURES:
        raise ValueError(
            f"{len(detector.features)} features, {len(detector.weights)} weights and "
            f"{len(detector.scales)} scales; expected as many of each, 1 to {MOST_FEATURES:,}"
        )
    if detector.features[0] < 0 or detector.features[-1] >= detector.d_sae:
        raise ValueError(f"there are features 0 to {detector.d_sae - 1} only")
    if (np.diff(detector.features) <= 0).any():
        raise ValueError("features are not strictly increasing")
    single = (detector.length_weight, detector.bias, detector.slope, detector.intercept, detector.threshold)
    finite = np.isfinite(detector.weights).all() and np.isfinite(detector.scales).all()
    if not finite or not all(map(math.isfinite, single)):
        raise ValueError("a number is not finite")
    if detector.scales.min() <= 0 or detector.slope <= 0:
        raise ValueError("scales and slope are above 0")
    if not 0 < detector.threshold <= 1:
        raise ValueError(f"threshold {detector.threshold}; expected more than 0 and at most 1")
    if not 0 <= detector.reach <= MOST_REACH:
        raise ValueError(f"a reach is from 0 to {MOST_REACH:,} tokens")
    if detector.reach and detector.length_weight:
        raise ValueError("a passage has no length to weigh: length_weight is 0 where there is a reach")
    if not all(0 <= value <= 1 for value in detector.auc.values()):
        raise ValueError("an AUC is from 0 to 1")
