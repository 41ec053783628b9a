"""How well a linear model of some columns tells two sets of documents apart on documents it has not seen.

Not for: making the columns (:mod:`saetext.text.phrases`, :mod:`saetext.text.marks`), or testing them.
"""

from __future__ import annotations

import warnings
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
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline

    seen, unseen = matrix[fit], matrix[held]
    for part in (seen, unseen):
        part.eliminate_zeros()  # of a stored zero tf-idf would take the logarithm
    model: Any = make_pipeline(
        *_scaling(scale), LogisticRegression(solver="liblinear", max_iter=200, random_state=0)
    )
    folds = min(3, int(counts.min()))
    strengths = {"logisticregression__C": list(_STRENGTHS)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that has not converged: it is a yardstick
        if folds > 1:
            split = StratifiedKFold(folds, shuffle=True, random_state=0)
            model = GridSearchCV(model, strengths, scoring="roc_auc", cv=split)
        model.fit(seen, side[fit] == 0)
        return float(roc_auc_score(side[held] == 0, model.decision_function(unseen)))


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
