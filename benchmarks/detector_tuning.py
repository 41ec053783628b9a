"""Learn a detector's weights again from texts of other kinds, near those that it has.

Its features stay, and so this takes seconds. Not for: learning anew from the first texts
(``train_detectors.py``), or what the texts are (``detector_data.py``).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from saetext.corpus.rows import PooledRows
from saetext.features.detectors import Detector
from saetext.features.detectors.fitting import PRECISION, ROUNDS, threshold_for
from saetext.features.detectors.scoring import best_passages, raw_scores, score_rows

NEARNESS = 1 / 0.3  # penalty on half the squared distance from the weights before, as fit() has from 0
FAR_SHARE = 0.5  # of the weight of texts without the property that those of other kinds have

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def _inputs(rows: PooledRows, detector: Detector) -> sparse.csr_matrix:
    """Return float64[n, n_features]: how strong each feature is where the detector looks, at most 1."""
    of = np.full(detector.d_sae, -1)
    of[detector.features] = np.arange(len(detector.features))
    document = np.repeat(np.arange(len(rows)), np.diff(rows.indptr))
    there = of[rows.feature] >= 0
    if detector.reach:
        place = best_passages(rows, detector).place[document]
        there &= (place >= 0) & (rows.peak >= 0) & (np.abs(rows.peak - place) <= detector.reach)
    at = of[rows.feature[there]]
    value = np.minimum(rows.value[there] / detector.scales[at], 1.0)
    return sparse.csr_matrix((value, (document[there], at)), shape=(len(rows), len(detector.features)))


def _weights(target: Bools, far: Bools) -> Floats:
    """Return what each text counts: both kinds of truth alike, and texts of other kinds their share."""
    counts = np.ones(len(target))
    for share, mine, rest in ((FAR_SHARE, far & ~target, ~far & ~target), (0.5, far & target, ~far & target)):
        if mine.any() and rest.any():
            counts[mine], counts[rest] = share / mine.sum(), (1 - share) / rest.sum()
        else:
            counts[mine | rest] = 1 / max((mine | rest).sum(), 1)
    return counts * len(target) / 2


def tuned(
    detector: Detector, rows: PooledRows, target: Bools, far: Bools, nearness: float = NEARNESS
) -> Detector:
    """Return the detector with weights learned again from these texts, not calibrated."""
    sign, counts = np.where(target, 1.0, -1.0), _weights(target, far)
    length = detector.length_weight * np.log1p(np.diff(rows.indptr))
    before = np.append(detector.weights, detector.bias)
    for _ in range(ROUNDS if detector.reach else 1):
        inputs = sparse.hstack([_inputs(rows, detector), np.ones((len(rows), 1))], format="csr")

        def loss(weights: Floats, inputs: sparse.csr_matrix = inputs) -> tuple[float, Floats]:
            z = sign * (inputs @ weights + length)
            apart = weights - before
            apart[-1] = 0  # the bias is free
            slope = inputs.T @ (-counts * sign * expit(-z))
            total = float((counts * np.logaddexp(0, -z)).sum()) + nearness / 2 * float(apart @ apart)
            return total, slope + nearness * apart

        found = minimize(loss, np.append(detector.weights, detector.bias), jac=True, method="L-BFGS-B").x
        detector = dataclasses.replace(
            detector,
            weights=np.array([float(f"{value:.5g}") for value in found[:-1]]),
            bias=round(float(found[-1]), 5),
        )
    return detector


def calibrated(detector: Detector, rows: PooledRows, target: Bools, far: Bools) -> Detector:
    """Return the detector with probabilities and a threshold for texts set aside, of both kinds."""
    platt = LogisticRegression(C=1.0, random_state=0)
    platt.fit(raw_scores(rows, detector)[:, None], target, sample_weight=_weights(target, far))
    slope, intercept = round(float(platt.coef_[0, 0]), 5), round(float(platt.intercept_[0]), 5)
    made = dataclasses.replace(detector, slope=slope, intercept=intercept)
    probability = score_rows(rows, [made])[:, 0]
    return dataclasses.replace(made, threshold=threshold_of(probability, target, far))


def threshold_of(
    probability: NDArray[np.float32], target: Bools, far: Bools, precision: float = PRECISION
) -> float:
    """Return the threshold of that precision where texts of other kinds are as many as the others."""
    times = max(round(float((~far & ~target).sum() / max((far & ~target).sum(), 1))), 1)
    again = np.repeat(np.arange(len(target)), np.where(far & ~target, times, 1))
    return threshold_for(probability[again], target[again], precision)
