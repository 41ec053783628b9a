"""Descriptions that say the same are folded under the simplest; against counting by hand and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from statsmodels.stats.contingency_tables import StratifiedTable

from saetext.analysis.differences.folding import Together, fold, remaining


def matrix(columns: list[np.ndarray]) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.stack(columns, 1).astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(8, 60), d=st.integers(1, 5))
def test_counts_and_what_remains_are_as_by_hand(seed: int, n: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    value = rng.random((n, d)) * (rng.random((n, d)) < rng.random(d))
    side = rng.integers(-1, 2, n).astype(np.int8)
    together = Together.count(sparse.csr_matrix(value), side)
    has = value.astype(np.float32) > 0
    for s in (0, 1):
        for i in range(d):
            for j in range(d):
                assert together.two[s, i, j] == (has[:, i] & has[:, j] & (side == s)).sum()
    if not min(together.n):
        return
    for given_ in range(d):
        left, upper = remaining(together, given_)
        for of in range(d):
            total = weights = 0.0
            for present in (True, False):
                rows = [np.flatnonzero((side == s) & (has[:, given_] == present)) for s in (0, 1)]
                a, b = map(len, rows)
                if a and b:
                    w = a * b / (a + b)
                    total += w * (has[rows[0], of].mean() - has[rows[1], of].mean())
                    weights += w
            if not weights:
                assert np.isinf(left[of])
                continue
            raw = has[side == 0, of].mean() - has[side == 1, of].mean()
            assert left[of] == pytest.approx((-1 if raw < 0 else 1) * total / weights)
            assert upper[of] > left[of]


def test_the_estimate_is_that_of_statsmodels_where_effects_are_small() -> None:
    """Its test of a common odds ratio of 1 agrees that nothing is left."""
    rng = np.random.default_rng(0)
    side = np.repeat([0, 1], 2000).astype(np.int8)
    cause = rng.random(4000) < np.where(side == 0, 0.5, 0.2)
    effect = rng.random(4000) < np.where(cause, 0.7, 0.1)
    together = Together.count(matrix([cause, effect]), side)
    left, upper = remaining(together, 0)
    tables = [
        np.array([[(effect & m & (side == s)).sum(), (~effect & m & (side == s)).sum()] for s in (0, 1)])
        for m in (cause, ~cause)
    ]
    assert StratifiedTable(tables).test_null_odds().pvalue > 0.05
    assert abs(left[1]) < 0.02 and upper[1] < 0.05
    assert together.diff[1] > 0.15


def test_what_another_causes_is_folded_and_what_stands_alone_is_not() -> None:
    rng = np.random.default_rng(1)
    n = 600
    side = np.repeat([0, 1], n // 2).astype(np.int8)
    bold = rng.random(n) < np.where(side == 0, 0.6, 0.2)
    seen_in_bold = bold & (rng.random(n) < 0.9)
    loosely = np.where(bold, rng.random(n) < 0.7, rng.random(n) < 0.1)
    other = rng.random(n) < np.where(side == 0, 0.5, 0.25)
    fewer = rng.random(n) < np.where(side == 0, 0.1, 0.4)
    present = matrix([bold, seen_in_bold, loosely, other, fewer])
    together = Together.count(present, side)
    leader = fold(together, np.abs(together.diff) * [1.2, 1, 1, 1, 1])
    assert leader.tolist() == [0, 0, 0, 3, 4]
    # the same under a name with more strength
    assert fold(together, np.abs(together.diff) * [1, 9, 1, 1, 1]).tolist()[:2] == [1, 1]


def test_too_few_documents_do_not_explain() -> None:
    """Where a mark stands for the side itself, nothing can be said of what else differs."""
    rng = np.random.default_rng(2)
    side = np.repeat([0, 1], 60).astype(np.int8)
    mark = np.where(side == 0, rng.random(120) < 0.97, rng.random(120) < 0.03)
    other = rng.random(120) < np.where(side == 0, 0.6, 0.2)
    together = Together.count(matrix([mark, other]), side)
    assert fold(together, np.abs(together.diff)).tolist() == [0, 1]


def test_opposite_sides_do_not_stand_for_each_other() -> None:
    side = np.repeat([0, 1], 200).astype(np.int8)
    more = np.arange(400) % 2 == 0
    more[200:] &= np.arange(200) % 4 == 0
    together = Together.count(matrix([more, ~more]), side)
    assert together.diff[0] > 0 > together.diff[1]
    assert fold(together, np.abs(together.diff) * [1.1, 1]).tolist() == [0, 1]


@pytest.mark.slow
def test_error_of_folding_what_is_independent() -> None:
    """Two independent differences of one size: one is folded under the other in few runs."""
    rng = np.random.default_rng(3)
    side = np.repeat([0, 1], 150).astype(np.int8)
    folded = 0
    for _ in range(300):
        one, two = (rng.random(300) < np.where(side == 0, 0.45, 0.2) for _ in range(2))
        together = Together.count(matrix([one, two]), side)
        folded += len(set(fold(together, np.abs(together.diff)).tolist())) == 1
    assert folded <= 1


def test_what_tells_the_sets_apart_perfectly_is_one_finding() -> None:
    """No documents of both sets are alike in it, so nothing can be left or go away among such documents."""
    rng = np.random.default_rng(3)
    side = np.repeat([0, 1], 400).astype(np.int8)
    always = side == 0
    nearly = always & (rng.random(800) < 0.97)
    stray = always | (rng.random(800) < 0.003)
    other = rng.random(800) < np.where(side == 0, 0.6, 0.2)
    together = Together.count(matrix([always, nearly, stray, other]), side)
    assert fold(together, np.array([4.0, 3.0, 2.0, 1.0])).tolist() == [0, 0, 0, 3]
