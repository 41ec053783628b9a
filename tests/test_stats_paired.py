"""Sign flips, BCa intervals and dose trends against scipy and against going through every case."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from saetext.stats.dose import shape, trend
from saetext.stats.paired import bca_interval, paired, sign_flip_p


@pytest.mark.parametrize("n", [1, 2, 5, 9, 14])
def test_sign_flips_are_exact_for_few_units(n: int) -> None:
    d = np.random.default_rng(n).normal(0.4, 1, n).round(1)
    sums = [
        abs(sum(s * x for s, x in zip(signs, d, strict=True)))
        for signs in itertools.product((-1, 1), repeat=n)
    ]
    assert sign_flip_p(d) == np.mean([s >= abs(d.sum()) - 1e-9 for s in sums])
    if n > 1:
        theirs = scipy.stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert sign_flip_p(d) == pytest.approx(theirs.pvalue, rel=1e-9)


def test_sign_flips_of_many_units_are_close_to_the_t_test_and_seeded() -> None:
    d = np.random.default_rng(0).normal(0.25, 1, 60)
    assert sign_flip_p(d) == sign_flip_p(d) and sign_flip_p(d, seed=1) != sign_flip_p(d)
    assert sign_flip_p(d) == pytest.approx(scipy.stats.ttest_1samp(d, 0).pvalue, abs=0.01)
    assert sign_flip_p(np.full(60, 2.0)) == 1 / 10_001
    assert sign_flip_p(np.zeros(5)) == sign_flip_p(np.zeros(60)) == sign_flip_p([]) == 1.0


def test_sign_flips_are_uniform_under_the_null() -> None:
    draw = np.random.default_rng(3)
    p = np.array([sign_flip_p(draw.standard_t(3, 10)) for _ in range(600)])
    assert (p <= 0.05).mean() < 0.08 and 0.42 < p.mean() < 0.58


@pytest.mark.parametrize("n", [8, 25, 200])
def test_intervals_are_scipy_s(n: int) -> None:
    x = np.random.default_rng(n).exponential(1, n)
    theirs = scipy.stats.bootstrap(
        (x,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    wide = theirs.high - theirs.low
    assert bca_interval(x) == pytest.approx((theirs.low, theirs.high), abs=0.05 * wide)
    ninety = bca_interval(x, level=0.9)
    assert bca_interval(x)[0] < ninety[0] < x.mean() < ninety[1] < bca_interval(x)[1]


def test_intervals_cover() -> None:
    draw = np.random.default_rng(5)
    hits = [low <= 1 <= high for low, high in (bca_interval(draw.exponential(1, 20)) for _ in range(200))]
    assert 0.87 <= np.mean(hits) <= 0.98


def test_intervals_of_too_little() -> None:
    assert bca_interval([]) == bca_interval([1.0]) == (-np.inf, np.inf)
    assert bca_interval([0.3] * 7) == pytest.approx((0.3, 0.3))
    assert paired([]) == (0.0, -np.inf, np.inf, 1.0)
    d = np.array([0.1, 0.3, -0.1, 0.4])
    assert paired(d) == (d.mean(), *bca_interval(d), sign_flip_p(d))


# --- dose ---------------------------------------------------------------------------------------------------

DOSES = [-1.0, 0.0, 1.0, 2.0]


def test_a_trend_is_the_mean_of_scipy_s_tau() -> None:
    y = np.random.default_rng(0).normal(0, 1, (7, 4)).round(0)
    y[3] = 2.0  # no order at all
    taus = [scipy.stats.kendalltau(DOSES, row).statistic for row in y]
    assert trend(DOSES, y).tau == pytest.approx(np.nan_to_num(taus).mean())


def test_a_trend_s_p_is_that_of_every_arrangement() -> None:
    y = np.array([[0.0, 1, 1, 3], [2, 1, 4, 5], [0, 0, 1, 1]])
    found = trend(DOSES, y)

    def tau(rows: tuple[tuple[float, ...], ...]) -> float:
        return float(np.mean([scipy.stats.kendalltau(DOSES, row).statistic for row in rows]))

    tables = [
        {order: scipy.stats.kendalltau(DOSES, order).statistic for order in itertools.permutations(row)}
        for row in y
    ]
    counts = [list(itertools.permutations(row)) for row in y]
    values = [
        np.array([table[order] for order in orders]) for table, orders in zip(tables, counts, strict=True)
    ]
    sums = (values[0][:, None, None] + values[1][None, :, None] + values[2]).ravel() / 3
    assert found.tau == pytest.approx(tau(tuple(map(tuple, y))))
    assert found.p == pytest.approx((np.abs(sums) >= abs(found.tau) - 1e-9).mean())


def test_a_trend_of_one_unit_is_kendall_s_exact_test() -> None:
    y = [[0.1, 0.3, 0.2, 0.4, 0.5]]
    theirs = scipy.stats.kendalltau(range(5), y[0], method="exact")
    found = trend(range(5), y)
    assert (found.tau, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_a_trend_is_found_and_no_trend_is_not() -> None:
    draw = np.random.default_rng(2)
    rising = np.array(DOSES) + draw.normal(0, 0.5, (12, 4))
    assert trend(DOSES, rising).tau > 0.7 and trend(DOSES, rising).p < 0.001
    assert trend(DOSES, -rising).tau < -0.7
    p = np.array([trend(DOSES, draw.normal(0, 1, (9, 4))).p for _ in range(60)])
    assert (p <= 0.05).mean() < 0.15 and 0.35 < p.mean() < 0.65
    assert trend(DOSES, np.zeros((9, 4))) == (0.0, 1.0) and trend(DOSES, np.zeros((0, 4))) == (0.0, 1.0)
    for wrong in ([[1.0, 2.0]], [1.0, 2, 3, 4]):
        with pytest.raises(ValueError, match="doses"):
            trend(DOSES, wrong)


def test_the_shape_of_a_curve() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (10, 4))
    assert shape(DOSES, np.add(noise, [0, 0, 1, 2])) == (2.0, 2.0, False)
    assert shape(DOSES, np.add(0 * noise, [0, 0.97, 1, 1.02])) == (0.0, 2.0, False)
    assert shape(DOSES, np.add(noise, [0, 1, 3, 1])) == (1.0, 1.0, True)
    unsure = np.array([[0, 1, 3, 1], [0, 1, 2.9, 3.5]])
    assert not shape(DOSES, unsure).overshoots
