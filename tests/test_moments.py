"""Moments in one pass over batches: against scipy, against exact fractions, and in any cut and order."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from saetext.stats.moments import Summary

Matrix = NDArray[np.float32]


def streamed(matrix: Matrix, cuts: list[int]) -> Summary:
    """Summarise the values of a dense matrix that are not zero, rows cut into batches, zeros at the end."""
    found = Summary.empty(matrix.shape[1])
    for part in np.split(matrix, sorted(cut % (len(matrix) + 1) for cut in cuts)):
        row, column = np.nonzero(part)
        found = found.joined(Summary.of(column, part[row, column], matrix.shape[1]))
    return found.among(len(matrix))


def exact(column: Matrix) -> tuple[float, float, float, float]:
    """Mean, standard deviation, skewness and excess kurtosis without any rounding until the end."""
    values = [Fraction(float(value)) for value in column]
    n = len(values)
    mean = sum(values) / n
    m2, m3, m4 = (sum((value - mean) ** k for value in values) / n for k in (2, 3, 4))
    if m2 == 0:
        return float(mean), 0.0, math.nan, math.nan
    return float(mean), math.sqrt(m2), float(m3) / float(m2) ** 1.5, float(m4 / m2**2) - 3


def assert_exact(matrix: Matrix, found: Summary) -> None:
    for at in range(matrix.shape[1]):
        mean, std, skewness, kurtosis = exact(matrix[:, at])
        assert found.mean[at] == pytest.approx(mean, rel=1e-12)
        assert found.std[at] == pytest.approx(std, rel=1e-7)
        assert found.skewness[at] == pytest.approx(skewness, rel=1e-6, abs=1e-6, nan_ok=True)
        assert found.kurtosis[at] == pytest.approx(kurtosis, rel=1e-6, abs=1e-6, nan_ok=True)


positive = st.floats(2.0**-10, 2.0**10, width=32)
matrices = st.integers(1, 4).flatmap(
    lambda d: st.lists(st.lists(st.just(0.0) | positive, min_size=d, max_size=d), min_size=1, max_size=25)
)


@settings(deadline=None)
@given(matrices, st.lists(st.integers(0, 100), max_size=6))
def test_any_cut_gives_the_exact_moments(rows: list[list[float]], cuts: list[int]) -> None:
    matrix = np.array(rows, np.float32)
    assert_exact(matrix, streamed(matrix, cuts))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(200, 900), st.floats(0.002, 0.6), st.integers(1, 40))
def test_as_scipy_does_over_the_dense_matrix(seed: int, n: int, density: float, batches: int) -> None:
    rng = np.random.default_rng(seed)
    dense = (rng.gamma(2.0, 3.0, (n, 7)) * (rng.random((n, 7)) < density)).astype(np.float32)
    dense[:, 5], dense[:, 6] = 0.0, 0.0
    dense[rng.integers(n), 6] = 2.5
    found = streamed(dense, rng.integers(0, n, batches).tolist())
    whole = dense.astype(np.float64)
    np.testing.assert_allclose(found.mean, whole.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.std, whole.std(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found.skewness, stats.skew(whole), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.kurtosis, stats.kurtosis(whole), rtol=1e-9, atol=1e-9)
    assert np.isnan(found.skewness[5]) and found.std[5] == 0.0


def test_values_that_are_almost_alike_keep_their_digits() -> None:
    """Where sums of powers lose all of them."""
    matrix = np.float32(4096) + np.random.default_rng(1).integers(0, 9, (400, 2)).astype(np.float32) / 1024
    assert_exact(matrix, streamed(matrix, [7, 100, 101, 350]))
    values = matrix[:, 0].astype(np.float32)
    lost = np.float64(np.mean(values**2) - np.mean(values) ** 2)  # what must not be done
    assert abs(lost - values.astype(np.float64).var()) > 100 * values.astype(np.float64).var()


def test_a_very_long_stream_of_zeros() -> None:
    """A feature on 3 of ten billion tokens: sums of fourth powers of counts would overflow int64."""
    one = Summary.of(np.zeros(3, np.int64), np.array([1.0, 2.0, 3.0]), 1)
    n = 10**10
    found = one.among(n)
    mean = Fraction(6, n)
    m2, m3, m4 = ((sum((v - mean) ** k for v in (1, 2, 3)) + (n - 3) * (-mean) ** k) / n for k in (2, 3, 4))
    assert found.mean[0] == pytest.approx(float(mean))
    assert found.skewness[0] == pytest.approx(float(m3) / float(m2) ** 1.5)
    assert found.kurtosis[0] == pytest.approx(float(m4 / m2**2) - 3)


def test_nothing_and_too_much() -> None:
    none = Summary.empty(3)
    assert np.isnan(none.std).all() and np.isnan(none.among(0).skewness).all()
    assert none.among(5).std.tolist() == [0.0] * 3 and none.among(5).mean.tolist() == [0.0] * 3
    with pytest.raises(ValueError, match="2 values, which is more than 1"):
        Summary.of(np.array([1, 1]), np.ones(2), 3).among(1)
