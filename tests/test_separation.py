"""Linear models that tell sets apart: planted truth, chance, and nothing learned from rows held out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline

from saetext.stats.separation import _auc, _scaling, separation


def planted(n: int, strength: float, rng) -> tuple[sparse.csr_matrix, np.ndarray]:
    side = rng.integers(0, 2, n).astype(np.int8)
    rates = np.full((n, 40), 0.2)
    rates[:, :4] += strength * (side == 0)[:, None]
    return sparse.csr_matrix(
        (rng.random((n, 40)) < rates) * rng.integers(1, 5, (n, 40)), dtype=np.float32
    ), side


@pytest.mark.parametrize("scale", ["max", "log", "tfidf", "standard"])
def test_planted_differences_separate_and_chance_does_not(scale):
    chance = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        train = rng.random(600) < 0.5
        matrix, side = planted(600, 0.75, rng)
        auc = separation(matrix, side, train, scale=scale)
        assert auc > 0.95 and separation(matrix, side, train, scale=scale) == auc
        chance.append(separation(*planted(600, 0.0, rng), train, scale=scale))
    assert abs(np.mean(chance) - 0.5) < 0.08


def test_how_many_models_are_fitted_is_told_and_can_be_stopped():
    matrix, side = planted(200, 0.5, np.random.default_rng(3))
    train, told = np.arange(200) < 100, []
    auc = separation(matrix, side, train, scale="max", count=lambda *of: told.append(of))
    assert auc == separation(matrix, side, train, scale="max")
    assert told == [(n + 1, 13) for n in range(12)], "four strengths on three folds, then the last"

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        separation(matrix, side, train, scale="max", count=stop)


@pytest.mark.parametrize("scale", ["max", "log", "tfidf", "standard"])
def test_nothing_is_learned_from_the_rows_that_are_held_out(scale):
    """Rows added to those held out, and their sets, change no other row's score.

    The score of a row is not to be seen, but the AUC is: of the same row in A and in B, far above all others,
    the one in A wins its pairs, the one in B loses its own, and they tie.
    """
    rng = np.random.default_rng(5)
    matrix, side = planted(400, 0.25, rng)
    train = np.arange(400) < 200
    before = separation(matrix, side, train, scale=scale)
    assert 0.6 < before < 0.97
    wrong = np.where(train, side, 1 - side).astype(np.int8)
    assert separation(matrix, wrong, train, scale=scale) == pytest.approx(1 - before)
    extreme = np.zeros((1, 40))
    extreme[:, :4] = [1, 30, 900, 20_000]  # what tells A; a leak would shrink these columns, each otherwise
    more = sparse.vstack(
        [matrix, sparse.csr_matrix(np.repeat(extreme, 60, axis=0), dtype=np.float32)]
    ).tocsr()
    after = separation(
        more, np.r_[side, np.arange(60) % 2].astype(np.int8), np.r_[train, np.zeros(60, bool)], scale=scale
    )
    a, b = int((side[200:] == 0).sum()), int((side[200:] == 1).sum())
    expected = (before * a * b + 30 * 30 / 2 + 30 * b) / ((a + 30) * (b + 30))
    assert after == pytest.approx(expected, abs=1e-9)


def test_the_score_is_the_auc_of_a_model_fitted_by_hand():
    rng = np.random.default_rng(6)
    matrix, side = planted(300, 0.3, rng)
    matrix, train = matrix[:, :1], rng.random(300) < 0.5  # one column: every strength gives the same order
    value = matrix.toarray()[~train, 0]
    expected = roc_auc_score(side[~train] == 0, value)
    assert separation(matrix, side, train, scale="max") == pytest.approx(expected)


def test_zeros_that_are_stored_are_absent_terms():
    matrix, side = planted(100, 0.5, np.random.default_rng(1))
    stored = matrix.copy()
    stored.data[::7] = 0
    clean = stored.copy()
    clean.eliminate_zeros()
    train = np.arange(100) < 50
    assert separation(stored, side, train, scale="tfidf") == separation(clean, side, train, scale="tfidf")
    assert stored.nnz == matrix.nnz  # the caller's matrix is left alone


def test_where_a_set_is_missing_there_is_no_score():
    matrix, side = planted(20, 0.5, np.random.default_rng(0))
    assert separation(matrix, side, np.ones(20, bool), scale="max") is None
    assert separation(matrix, np.zeros(20, np.int8), np.arange(20) < 10, scale="max") is None
    assert separation(matrix[:, :0], side, np.arange(20) < 10, scale="max") is None


def test_importing_is_light():
    program = (
        "import sys, saetext.stats.separation, saetext.text.marks, saetext.text.phrases, saetext.text.terms\n"
        "print([n for n in ('sklearn', 'torch', 'polars') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40), st.floats(0.1, 9))
def test_the_area_is_that_of_sklearn_to_the_last_bit(rows, width):
    truth, score = (np.array(column) for column in zip(*rows, strict=True))
    assume(truth.any() and not truth.all())
    assert _auc(truth, score / width) == roc_auc_score(truth, score / width)


@pytest.mark.parametrize("scale", ["max", "log", "tfidf", "standard"])
@pytest.mark.parametrize("n", [14, 90])
def test_the_strength_is_the_one_that_a_grid_search_of_pipelines_finds(scale, n):
    matrix, side = planted(n, 0.2, np.random.default_rng(n))
    train = np.arange(n) < n // 2
    model = make_pipeline(
        *_scaling(scale), LogisticRegression(solver="liblinear", max_iter=200, random_state=0)
    )
    search = GridSearchCV(
        model, {"logisticregression__C": [0.01, 0.1, 1.0, 10.0]}, scoring="roc_auc",
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
    )  # fmt: skip
    search.fit(matrix[train], side[train] == 0)
    expected = roc_auc_score(side[~train] == 0, search.decision_function(matrix[~train]))
    assert separation(matrix, side, train, scale=scale) == expected
