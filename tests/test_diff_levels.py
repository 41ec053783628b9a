"""Graded descriptions are tested at the level that the first half chooses, and noise stays noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from saetext.analysis.differences.design import Design
from saetext.analysis.differences.entries import from_matrix
from saetext.analysis.differences.levels import Leveled, choose
from saetext.analysis.differences.testing import Adjusting, measure, numbers
from saetext.corpus.strata import bins
from saetext.stats import benjamini_hochberg

LEVELS = (0.8, 0.5, 1.2)


def independent(n_a: int, n_b: int, seed: int) -> Design:
    """Independent rows, A first, in random halves."""
    n = n_a + n_b
    half = np.random.default_rng(seed).permutation(np.arange(n) % 2).astype(np.int8)
    side = np.repeat(np.array([0, 1], np.int8), [n_a, n_b])
    return Design("independent", None, side, np.arange(n, dtype=np.int32), n, half, split=True)


def leveled(graded: np.ndarray) -> Leveled:
    names = tuple(f"t{at}" for at in range(graded.shape[1]))
    matrix = sparse.csr_matrix(graded.astype(np.float32))
    return Leveled.of(names, matrix, [np.full(len(names), level) for level in LEVELS])


def test_a_level_is_what_a_dense_comparison_says() -> None:
    rng = np.random.default_rng(0)
    graded = np.where(rng.random((50, 4)) < 0.5, rng.random((50, 4)) * 2, 0).astype(np.float32)
    found = leveled(graded)
    for matrix, level in zip(found.matrices, LEVELS, strict=True):
        np.testing.assert_array_equal(matrix.toarray() > 0, graded >= level - 1e-6)
    chosen = np.array([2, 0, 1, 1])
    expected = np.stack([graded[:, at] >= LEVELS[level] for at, level in enumerate(chosen)], axis=1)
    np.testing.assert_array_equal(found.at(chosen).matrix.toarray() > 0, expected)
    np.testing.assert_array_equal(found.usual.matrix.toarray() > 0, graded >= 0.8 - 1e-6)
    assert found.stacked().shape == (50, 12)


def columns_of(graded: np.ndarray, n_a: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The level of each term, and its numbers."""
    design = independent(n_a, len(graded) - n_a, seed)
    entries = from_matrix(leveled(graded).stacked(), design.side >= 0)
    length = Adjusting.by(
        bins(np.ones(len(graded)), np.ones(len(graded), bool)), design, np.ones(len(graded))
    )
    sums = measure([entries], design, length, length)
    level = choose(sums, design, len(LEVELS))
    at = level * graded.shape[1] + np.arange(graded.shape[1])
    return level, numbers(sums.take(at), design, length, None, tried=len(LEVELS))


def test_the_level_at_which_the_sets_differ_is_found_and_confirmed() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((150, 3)) * 0.75, rng.random((150, 3)) * 0.75  # up to .75: about half above .5
    a[:60, 0] = 1.5  # strong passages, among texts that all have something
    b[:50, 1] = 0.9
    b[:, 0] = np.where(rng.random(150) < 0.4, 0.9, 0.1)  # as many at .8, weak
    level, columns = columns_of(np.concatenate([a, b]), 150, 1)
    assert [LEVELS[at] for at in level[:2]] == [1.2, 0.8]
    assert columns["q"][0] < 1e-6 and columns["confirmed"][:2].all() and not columns["confirmed"][2]


def test_of_noise_no_more_is_found_than_the_level_of_the_test() -> None:
    """Choosing the level uses the documents that are tested, which the factor has to make up for."""
    rng = np.random.default_rng(2)
    any_found, p = 0, []
    for seed in range(200):
        _, columns = columns_of(rng.gamma(1.0, 0.5, (120, 20)), 60, seed)
        any_found += bool((benjamini_hochberg(columns["p"]) < 0.05).any())
        p.append(columns["p"])
        assert not columns["confirmed"].any()
    assert any_found <= 16, "of 200, 10 are expected at most; more than 16 have a chance of 2 %"
    assert np.mean(np.concatenate(p) < 0.05) < 0.05


@pytest.mark.parametrize("tried", [1, 3])
def test_the_factor_is_on_p_of_all_rows_and_of_the_first_half_alone(tried: int) -> None:
    rng = np.random.default_rng(3)
    has = (rng.random((200, 6)) < np.array([0.3] * 6)) | (
        (np.arange(200) < 100)[:, None] & (rng.random((200, 6)) < 0.5)
    )
    design = independent(100, 100, 4)
    length = Adjusting.by(np.zeros(200, np.int32), design, np.ones(200))
    entries = from_matrix(sparse.csr_matrix(has.astype(np.float32)), design.side >= 0)
    sums = measure([entries], design, length, length)
    once, more = (numbers(sums, design, length, None, tried=n) for n in (1, tried))
    np.testing.assert_allclose(more["p"], np.minimum(tried * once["p"], 1))
    both = ~np.isnan(once["q_confirm"]) & ~np.isnan(more["q_confirm"])
    np.testing.assert_allclose(more["diff_confirm"][both], once["diff_confirm"][both])
