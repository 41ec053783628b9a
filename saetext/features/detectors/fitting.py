"""Learn a detector from rows of features with and without a property.

A logistic regression with an L2 penalty, cut to its largest weights and fitted again on those; then Platt's
calibration on rows that were set aside, and a threshold by precision. Not for: where the texts come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError
from saetext.features.detectors.detector import Detector
from saetext.features.detectors.scoring import raw_scores, score_matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.corpus.spec import SaeSpec

MOST = 200  # features of a detector
LEAST_TEXTS = 8  # of either kind
PRECISION = 0.9  # that the threshold is chosen for ...
BASE_RATE = 0.1  # ... where so many texts have the property
_STRENGTH = 0.3  # inverse regularisation
_MIN_ROWS = 3  # texts a feature must be present in


@dataclass(frozen=True)
class Quality:
    """How well a detector does on texts whose truth is known.

    Attributes
    ----------
    n, positives : int
        Texts, and those with the property.
    auc : float
        Area under the ROC curve.
    precision, recall : float
        At the detector's threshold; precision for a base rate of one text in ten.
    """

    n: int
    positives: int
    auc: float
    precision: float
    recall: float


def fit(
    matrix: csr_matrix,
    target: NDArray[np.bool_],
    held: NDArray[np.bool_],
    sae: SaeSpec,
    *,
    name: str,
    title: str,
    description: str = "",
    made_from: Mapping[str, Any] | None = None,
) -> Detector:
    """Return a detector.

    Parameters
    ----------
    matrix : csr_matrix
        float32[n, d_sae]: the largest activation of each feature in each text.
    target : bool[n]
        Which texts have the property.
    held : bool[n]
        Texts that are kept for the calibration, the threshold and ``auc``.
    sae : SaeSpec
        The SAE.
    made_from : mapping, optional
        What to note about the texts.

    Raises
    ------
    InputError
        If there are fewer than eight texts of either kind on either side, or nothing tells them apart.
    """
    for part, what in ((~held, "to learn from"), (held, "to calibrate with")):
        counts = np.bincount(target[part].astype(int), minlength=2)
        if counts.min() < LEAST_TEXTS:
            raise InputError(
                f"{counts[1]} texts with and {counts[0]} without the property {what}; "
                f"at least {LEAST_TEXTS} of each are needed"
            )
    seen = matrix[~held]
    often = np.flatnonzero(np.bincount(seen.indices, minlength=matrix.shape[1]) >= _MIN_ROWS)
    if not len(often):
        raise InputError("the texts have no features in common: nothing can be learned from them")
    scales = _full_strength(seen, often)
    every = _scaled(seen, often, scales)
    first = _logistic(every, target[~held])[0][:-1]
    kept = np.sort(np.lexsort((often, -np.abs(first)))[:MOST])
    weights, bias = _logistic(_scaled(seen, often[kept], scales[kept]), target[~held])
    plain = Detector(
        name, title, description, sae.origin, sae.weights_sha256, sae.d_sae, often[kept].astype(np.int32),
        _short(weights[:-1]), _short(scales[kept]), float(_short(weights[-1:])[0]), round(bias, 5),
        1.0, 0.0, 0.5, made_from=made_from or {},
    )  # fmt: skip
    return _calibrated(plain, matrix[held], target[held])


def _short(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to five digits: the page is for people, too."""
    return np.array([float(f"{value:.5g}") for value in values])


def _full_strength(matrix: csr_matrix, features: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the 90th percentile of each feature's values above 0."""
    columns = matrix[:, features].tocsc()
    return np.array(
        [
            np.percentile(columns.data[start:end], 90) if end > start else 1.0
            for start, end in zip(columns.indptr[:-1], columns.indptr[1:], strict=True)
        ]
    )


def _scaled(matrix: csr_matrix, features: NDArray[np.int64], scales: NDArray[np.float64]) -> csr_matrix:
    from scipy import sparse

    part = matrix[:, features].astype(np.float64)
    part.data = np.minimum(part.data / scales[part.indices], 1.0)
    length = np.log1p(np.diff(matrix.indptr))
    return sparse.hstack([part, sparse.csr_matrix(length[:, None])], format="csr")


def _logistic(matrix: csr_matrix, target: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    from sklearn.linear_model import LogisticRegression

    model: Any = LogisticRegression(
        C=_STRENGTH, class_weight="balanced", solver="liblinear", max_iter=1000, random_state=0
    )
    model.fit(matrix, target)
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])


def _calibrated(detector: Detector, matrix: csr_matrix, target: NDArray[np.bool_]) -> Detector:
    import dataclasses

    from sklearn.linear_model import LogisticRegression

    raw = raw_scores(matrix, detector)
    platt: Any = LogisticRegression(C=1.0, class_weight="balanced", random_state=0)
    platt.fit(raw[:, None], target)
    slope = float(platt.coef_[0, 0])
    if slope <= 0:
        raise InputError("nothing that was learned holds on the texts set aside: give more and other texts")
    made = dataclasses.replace(
        detector, slope=round(slope, 5) or 1e-5, intercept=round(float(platt.intercept_[0]), 5)
    )
    probability = score_matrix(matrix, [made])[:, 0]
    threshold = threshold_for(probability, target)
    return dataclasses.replace(
        made, threshold=threshold, auc={"held out": round(_auc(probability, target), 3)}
    )


def threshold_for(
    probability: NDArray[np.float32],
    target: NDArray[np.bool_],
    precision: float = PRECISION,
    base_rate: float = BASE_RATE,
) -> float:
    """Return the lowest threshold from which every higher one has at least this precision at the base rate.

    At least .5, and at most what the tenth of the texts with the property that scores highest has.
    """
    order = np.argsort(-probability, kind="stable")
    hits = target[order]
    recall = np.cumsum(hits) / max(int(target.sum()), 1)
    false = np.cumsum(~hits) / max(int((~target).sum()), 1)
    precise = base_rate * recall / np.maximum(base_rate * recall + (1 - base_rate) * false, 1e-12)
    good = np.flatnonzero((precise >= precision) & (recall > 0))
    tenth = float(np.quantile(probability[target], 0.9))
    least = tenth if not len(good) else min(float(probability[order[good[-1]]]), tenth)
    return float(np.clip(np.floor(least * 1000) / 1000, 0.5, 0.999))


def quality(
    probability: NDArray[np.float32],
    target: NDArray[np.bool_],
    threshold: float,
    base_rate: float = BASE_RATE,
) -> Quality:
    """Return how well probabilities tell texts with the property from those without."""
    above = probability >= threshold
    recall, false = float(above[target].mean()), float(above[~target].mean())
    found = base_rate * recall + (1 - base_rate) * false
    precision = base_rate * recall / found if found else float("nan")
    return Quality(len(target), int(target.sum()), _auc(probability, target), precision, recall)


def _auc(probability: NDArray[np.float32], target: NDArray[np.bool_]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(target, probability))
