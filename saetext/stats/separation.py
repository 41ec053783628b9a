"""How well a linear model of some columns tells two sets of documents apart on documents it has not seen.

Not for: making the columns (:mod:`saetext.text.phrases`, :mod:`saetext.text.marks`), or testing them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Scale = Literal["max", "log", "tfidf", "standard"]
_STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # of the inverse penalty, tried on the training rows


def separation(
    matrix: csr_matrix,
    side: NDArray[np.int8],
    train: NDArray[np.bool_],
    *,
    scale: Scale,
    seed: int = 0,
    most: int = 4000,
    count: Callable[[int, int], None] | None = None,
) -> float | None:
    """Return how well a linear model fitted on some rows separates the sets on the others.

    A logistic regression with an L2 penalty whose strength is chosen by cross-validation within the training
    rows; scaling too is learned from those alone.

    Parameters
    ----------
    matrix : csr_matrix
        Rows by terms, at least 0.
    side : int8[n]
        0 for A, 1 for B.
    train : bool[n]
        Rows the model is fitted on.
    scale : {"max", "log", "tfidf", "standard"}
        Each column divided by its maximum; the same after log(1 + x); sublinear tf-idf; or log(1 + x) with
        mean 0 and variance 1.
    seed : int
        For the choice of rows, if there are more than ``most`` of either kind.
    most : int
        Rows of each kind that are used.
    count : callable, optional
        Called with how many of how many models have been fitted; what it raises ends the work.

    Returns
    -------
    float or None
        AUC, None where the rows of either kind lack a set.
    """
    rng = np.random.default_rng(seed)
    fit, held = (np.flatnonzero(which) for which in (train, ~train))
    fit, held = (np.sort(rng.permutation(rows)[:most]) for rows in (fit, held))
    counts = np.bincount(side[fit] == 0, minlength=2)
    if len(np.unique(side[held])) < 2 or counts.min() < 1 or not matrix.shape[1]:
        return None
    from sklearn import config_context

    seen, unseen = matrix[fit], matrix[held]
    for part in (seen, unseen):
        part.eliminate_zeros()  # of a stored zero tf-idf would take the logarithm
    truth = side[fit] == 0
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore")  # of a fit that has not converged: it is a yardstick
        strength = _best_strength(seen, truth, scale, min(3, int(counts.min())), count or _nobody)
        scaler, (scaled,) = _scaled(seen, scale)
        model = _fitted(scaled, truth, strength)
        return _auc(side[held] == 0, model.decision_function(scaler.transform(unseen)))


def _nobody(done: int, total: int) -> None:
    pass


def _best_strength(
    rows: csr_matrix, truth: NDArray[np.bool_], scale: Scale, folds: int, count: Callable[[int, int], None]
) -> float:
    """Return the strength with the largest mean AUC over the folds, the first of equal ones.

    What sklearn's GridSearchCV would choose, which learns each fold's scaling again for each strength, and
    checks rows and parameters more often than it fits: eight tenths of a small comparison's time.
    """
    from sklearn.model_selection import StratifiedKFold

    if folds < 2:
        return 1.0
    scores = np.empty((len(_STRENGTHS), folds))
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    for fold, (some, others) in enumerate(split.split(np.zeros(len(truth)), truth)):
        _, (train, test) = _scaled(rows[some], scale, rows[others])
        for at, strength in enumerate(_STRENGTHS):
            model = _fitted(train, truth[some], strength)
            scores[at, fold] = _auc(truth[others], model.decision_function(test))
            count(fold * len(_STRENGTHS) + at + 1, folds * len(_STRENGTHS) + 1)
    return _STRENGTHS[int(scores.mean(axis=1).argmax())]


def _scaled(rows: csr_matrix, scale: Scale, *others: csr_matrix) -> tuple[Any, list[Any]]:
    """Return what scales, learned from rows, and those rows and others scaled."""
    from sklearn.pipeline import make_pipeline

    scaler: Any = make_pipeline(*_scaling(scale))
    return scaler, [scaler.fit_transform(rows), *map(scaler.transform, others)]


def _fitted(rows: Any, truth: NDArray[np.bool_], strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, solver="liblinear", max_iter=200, random_state=0).fit(rows, truth)


def _auc(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve: to the last bit that of sklearn's roc_auc_score."""
    down = np.argsort(-score, kind="stable")
    ends = np.r_[np.flatnonzero(np.diff(score[down])), len(score) - 1]  # of rows with one score
    true = np.cumsum(truth[down], dtype=np.float64)[ends]
    false = 1 + ends - true
    if len(ends) > 2:  # what lies on a line between its neighbours is left out
        corner = np.r_[True, (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0), True]
        true, false = true[corner], false[corner]
    true, false = np.r_[0.0, true], np.r_[0.0, false]
    return float(np.trapezoid(true / true[-1], false / false[-1]))


def _scaling(scale: Scale) -> list[Any]:
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, StandardScaler

    log = FunctionTransformer(_log1p, accept_sparse=True)
    steps: dict[str, list[Any]] = {
        "max": [MaxAbsScaler()],
        "log": [log, MaxAbsScaler()],
        "tfidf": [TfidfTransformer(sublinear_tf=True)],
        "standard": [log, FunctionTransformer(_dense, accept_sparse=True), StandardScaler()],
    }
    return steps[scale]


def _log1p(matrix: Any) -> Any:
    return matrix.log1p()


def _dense(matrix: Any) -> Any:
    return matrix.toarray()
