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
from saetext.features.detectors.scoring import best_passages, matrix_of, raw_scores, score_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.corpus.rows import PooledRows
    from saetext.corpus.spec import SaeSpec

MOST = 200  # features of a detector
LEAST_TEXTS = 8  # of either kind
PRECISION = 0.9  # that the threshold is chosen for ...
BASE_RATE = 0.1  # ... where so many texts have the property
_STRENGTH = 0.3  # inverse regularisation
ROUNDS = 3  # of learning from passages that the weights before found
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
    rows: PooledRows,
    target: NDArray[np.bool_],
    held: NDArray[np.bool_],
    sae: SaeSpec,
    *,
    name: str,
    title: str,
    description: str = "",
    made_from: Mapping[str, Any] | None = None,
    reach: int = 0,
) -> Detector:
    """Return a detector.

    Parameters
    ----------
    rows : PooledRows
        The features of each of n texts, and where they peak.
    target : bool[n]
        Which texts have the property.
    held : bool[n]
        Texts that are kept for the calibration, the threshold and ``auc``.
    sae : SaeSpec
        The SAE.
    made_from : mapping, optional
        What to note about the texts.
    reach : int
        0: the whole text counts. Otherwise its best passage, of so many tokens on either side of a peak.
        Which one that is depends on the weights, so they are learned from whole texts first, and again from
        the passages that they find, in texts with and without the property (as in MI-SVM: Andrews,
        Tsochantaridis and Hofmann 2002, Support vector machines for multiple-instance learning).

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
    seen, aside = rows.take(np.flatnonzero(~held)), rows.take(np.flatnonzero(held))
    matrix = matrix_of(seen, sae.d_sae)
    often = np.flatnonzero(np.bincount(matrix.indices, minlength=sae.d_sae) >= _MIN_ROWS)
    if not len(often):
        raise InputError("the texts have no features in common: nothing can be learned from them")
    scales = _full_strength(matrix, often)

    def learn(from_: csr_matrix) -> Detector:
        first = _logistic(_scaled(from_, often, scales, length=not reach), target[~held])[0][: len(often)]
        kept = np.sort(np.lexsort((often, -np.abs(first)))[:MOST])
        part = _scaled(from_, often[kept], scales[kept], length=not reach)
        weights, bias = _logistic(part, target[~held])
        length = 0.0 if reach else float(_short(weights[-1:])[0])
        return Detector(
            name, title, description, sae.origin, sae.weights_sha256, sae.d_sae, often[kept].astype(np.int32),
            _short(weights[: len(kept)]), _short(scales[kept]), length, round(bias, 5),
            1.0, 0.0, 0.5, made_from=made_from or {}, reach=reach,
        )  # fmt: skip

    plain = learn(matrix)
    for _ in range(ROUNDS if reach else 0):
        plain = learn(_in_passages(seen, plain))
    return _calibrated(plain, aside, target[held])


def _in_passages(rows: PooledRows, detector: Detector) -> csr_matrix:
    """Return float32[n, d_sae]: what is active in the best passage of each text, by the detector so far."""
    from scipy import sparse

    document = np.repeat(np.arange(len(rows)), np.diff(rows.indptr))
    place = best_passages(rows, detector).place[document]
    near = (place >= 0) & (rows.peak >= 0) & (np.abs(rows.peak - place) <= detector.reach)
    return sparse.csr_matrix(
        (rows.value[near], (document[near], rows.feature[near])), shape=(len(rows), detector.d_sae)
    )


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


def _scaled(
    matrix: csr_matrix, features: NDArray[np.int64], scales: NDArray[np.float64], *, length: bool
) -> csr_matrix:
    from scipy import sparse

    part = matrix[:, features].astype(np.float64)
    part.data = np.minimum(part.data / scales[part.indices], 1.0)
    if not length:
        return part
    present = np.log1p(np.diff(matrix.indptr))
    return sparse.hstack([part, sparse.csr_matrix(present[:, None])], format="csr")


def _logistic(matrix: csr_matrix, target: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    from sklearn.linear_model import LogisticRegression

    model: Any = LogisticRegression(
        C=_STRENGTH, class_weight="balanced", solver="liblinear", max_iter=1000, random_state=0
    )
    model.fit(matrix, target)
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])


def _calibrated(detector: Detector, rows: PooledRows, target: NDArray[np.bool_]) -> Detector:
    import dataclasses

    from sklearn.linear_model import LogisticRegression

    raw = raw_scores(rows, detector)
    platt: Any = LogisticRegression(C=1.0, class_weight="balanced", random_state=0)
    platt.fit(raw[:, None], target)
    slope = float(platt.coef_[0, 0])
    if slope <= 0:
        raise InputError("nothing that was learned holds on the texts set aside: give more and other texts")
    made = dataclasses.replace(
        detector, slope=round(slope, 5) or 1e-5, intercept=round(float(platt.intercept_[0]), 5)
    )
    probability = score_rows(rows, [made])[:, 0]
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
    """Return the lowest threshold that has at least this precision at the base rate.

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
