"""Probes on a representation of texts: mean test AUC of a linear model and of the best single feature.

Each task's linear model is a logistic regression whose regularisation is chosen on a fifth of the training
rows; the best single feature is chosen on the training rows and measured on the test rows. Not for: choosing
texts (``probe_data.py``).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from probe_data import Task
from scipy.sparse import csr_matrix, issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

GRID = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True)
class Scores:
    """Test AUC per task."""

    linear: Mapping[str, float]
    single: Mapping[str, float]

    @property
    def means(self) -> dict[str, float]:
        both = {"linear": list(self.linear.values()), "single": list(self.single.values())}
        return {name: round(float(np.mean(v)), 4) for name, v in both.items() if v}


def score(x: np.ndarray | csr_matrix, tasks: Sequence[Task], *, single: bool = True) -> Scores:
    """Probe the representation ``x`` [texts, dimensions]."""
    linear, best = {}, {}
    for task in tasks:
        rows, truth = task.rows, task.truth
        train, test = np.flatnonzero(task.train), np.flatnonzero(~task.train)
        inner = np.random.default_rng(0).permutation(train)
        fit, held = inner[len(inner) // 5 :], inner[: len(inner) // 5]
        chosen = max(GRID, key=lambda c: _auc(x[rows[fit]], truth[fit], x[rows[held]], truth[held], c))
        linear[task.name] = _auc(x[rows[train]], truth[train], x[rows[test]], truth[test], chosen)
        if single:
            best[task.name] = _best_single(x[rows[train]], truth[train], x[rows[test]], truth[test])
    return Scores(linear, best)


def _auc(x: object, y: np.ndarray, x_test: object, y_test: np.ndarray, c: float) -> float:
    scaler = MaxAbsScaler() if issparse(x) else StandardScaler()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=c, max_iter=300).fit(scaler.fit_transform(x), y)
    return float(roc_auc_score(y_test, model.decision_function(scaler.transform(x_test))))


def _best_single(x: object, y: np.ndarray, x_test: object, y_test: np.ndarray) -> float:
    dense = x.toarray() if issparse(x) else np.asarray(x)
    auc = rank_auc(dense, y)
    # either direction counts: the absence of a feature tells as much as its presence
    best = int(np.argmax(np.abs(auc - 0.5)))
    column = x_test[:, [best]]
    column = column.toarray()[:, 0] if issparse(column) else column[:, 0]
    found = float(roc_auc_score(y_test, column))
    return found if auc[best] >= 0.5 else 1 - found


def rank_auc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the AUC of every column of ``x`` for ``y``, with ties counted half."""
    from scipy.stats import rankdata

    ranks = rankdata(x, axis=0)
    n1 = int(y.sum())
    n0 = len(y) - n1
    return (ranks[y].sum(0) - n1 * (n1 + 1) / 2) / (n1 * n0)
