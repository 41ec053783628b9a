"""Stratified and clustered statistics and rank effects, against statsmodels, scipy and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import StratifiedTable

from saetext import stats
from saetext.stats import kernels


@st.composite
def strata(draw):
    """x_a, n_a, x_b, n_b of a few strata."""
    rows = []
    for _ in range(draw(st.integers(1, 6))):
        n_a, n_b = draw(st.integers(0, 30)), draw(st.integers(0, 30))
        rows.append((draw(st.integers(0, n_a)), n_a, draw(st.integers(0, n_b)), n_b))
    return np.array(rows)


def table(rows: np.ndarray) -> StratifiedTable:
    full = [[[a, n - a], [b, m - b]] for a, n, b, m in rows if n and m]
    return StratifiedTable([np.array(t, float) for t in full])


@settings(max_examples=200, deadline=None)
@given(strata())
def test_mantel_haenszel_equals_statsmodels(rows):
    a, n, b, m = rows.T
    got = stats.mantel_haenszel(a[:, None], n, b[:, None], m)
    values = np.array([got.diff[0], got.low[0], got.high[0], got.p[0]])
    assert np.isfinite(values).all() and not np.isnan(got.odds_ratio[0])
    assert got.low[0] <= got.diff[0] <= got.high[0]
    use = (n > 0) & (m > 0)
    if not use.any():
        assert (got.diff[0], got.low[0], got.high[0], got.p[0]) == (0, -1, 1, 1)
        return
    weight = (n * m / np.maximum(n + m, 1))[use]
    rates = (a[use] / n[use] - b[use] / m[use]) * weight
    assert got.diff[0] == pytest.approx(rates.sum() / weight.sum())
    oracle = table(rows)
    with np.errstate(all="ignore"):
        odds = oracle.oddsratio_pooled
        test = oracle.test_null_odds(correction=True)
    if np.isfinite(odds) and odds > 0:
        assert got.odds_ratio[0] == pytest.approx(odds)
    excess = abs((a - n * (a + b) / np.maximum(n + m, 1))[use].sum())
    if np.isfinite(test.statistic) and excess >= 0.5:
        assert got.p[0] == pytest.approx(test.pvalue, abs=1e-12)


def test_a_published_example_of_mantel_haenszel():
    """R's UCBAdmissions: admission by sex within six departments (Bickel, Hammel and O'Connell 1975).

    ``mantelhaen.test(UCBAdmissions)`` prints X-squared 1.4269, p 0.2323, odds ratio 0.9047.
    """
    men = np.array([[512, 313], [353, 207], [120, 205], [138, 279], [53, 138], [22, 351]])
    women = np.array([[89, 19], [17, 8], [202, 391], [131, 244], [94, 299], [24, 317]])
    got = stats.mantel_haenszel(men[:, :1], men.sum(1), women[:, :1], women.sum(1))
    assert got.odds_ratio[0] == pytest.approx(0.9047, abs=5e-5)
    assert got.p[0] == pytest.approx(0.2323, abs=5e-5)


def test_intervals_of_the_stratified_difference_cover():
    """Sato's interval holds its level in few large strata and in many of two rows."""
    rng = np.random.default_rng(0)
    for sizes, base in ((np.full(8, 40), np.linspace(0.1, 0.6, 8)), (np.full(300, 1), rng.random(300) * 0.6)):
        a = rng.binomial(sizes[:, None], base[:, None] + 0.15, (len(sizes), 4000))
        b = rng.binomial(sizes[:, None], base[:, None], (len(sizes), 4000))
        got = stats.mantel_haenszel(a, sizes, b, sizes)
        covered = ((got.low <= 0.15) & (got.high >= 0.15)).mean()
        assert 0.935 < covered < 0.965
        assert abs(got.diff.mean() - 0.15) < 0.003


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 5), st.integers(0, 5)), min_size=3, max_size=30))
def test_grouped_p_is_the_t_test_on_residuals(groups):
    side, size, some = (np.array(column) for column in zip(*groups, strict=True))
    present = np.minimum(some, size)
    g_a, g_b = int((side == 0).sum()), int((side == 1).sum())
    residual = present - present.sum() / size.sum() * size
    p = stats.grouped_p([residual[side == 0].sum()], [(residual**2).sum()], g_a, g_b)[0]
    if not g_a or not g_b or (residual**2).sum() < 1e-9:
        assert p == 1
        return
    with np.errstate(all="ignore"):
        expected = scipy_stats.ttest_ind(residual[side == 0], residual[side == 1]).pvalue
    if np.isfinite(expected):
        assert p == pytest.approx(max(expected, 1 / math.comb(g_a + g_b, g_a)), abs=1e-6)


# ---- rank effects ---------------------------------------------------------------------------------------


@st.composite
def rows_in_units(draw):
    """value, side and unit of some rows; value 0 is absence."""
    n = draw(st.integers(2, 25))
    side = draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n, max_size=n))
    value = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    unit = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    return np.array(value, np.float32), np.array(side, np.int8), np.array(unit, np.int32)


def entries(value: np.ndarray):
    row = np.flatnonzero(value).astype(np.int32)
    return np.array([0, len(row)], np.int64), row, value[row]


def per_unit(side: np.ndarray, unit: np.ndarray, s: int) -> np.ndarray:
    return np.bincount(unit[side == s], minlength=7).astype(np.int32)


def ranks(value, side, unit) -> tuple[float, float]:
    auc, variance = np.zeros(1), np.zeros(1)
    kernels.rank_effects(
        *entries(value), side, unit, per_unit(side, unit, 0), per_unit(side, unit, 1), 0, 1, auc, variance
    )
    return float(auc[0]), float(variance[0])


@settings(max_examples=200, deadline=None)
@given(rows_in_units())
def test_rank_effects_equal_brute_force(rows):
    """AUC by comparing all pairs of rows, Obuchowski's variance from placements written out."""
    value, side, unit = rows
    auc, variance = ranks(value, side, unit)
    a, b = value[side == 0], value[side == 1]
    if not len(a) or not len(b):
        assert (auc, variance) == (0.5, 0.0)
        return
    wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    assert auc == pytest.approx(wins.mean())
    if (side >= 0).sum() > 3:
        expected = scipy_stats.mannwhitneyu(a, b).statistic / (len(a) * len(b))
        assert auc == pytest.approx(expected)
    theta, place_a, place_b = wins.mean(), wins.mean(1), wins.mean(0)
    x = np.array([(place_a[unit[side == 0] == u] - theta).sum() for u in range(7)])
    y = np.array([(place_b[unit[side == 1] == u] - theta).sum() for u in range(7)])
    in_a, in_b = per_unit(side, unit, 0) > 0, per_unit(side, unit, 1) > 0
    i_a, i_b, i = in_a.sum(), in_b.sum(), (in_a | in_b).sum()
    total = 0.0
    if i_a > 1:
        total += i_a / (i_a - 1) * (x**2).sum() / len(a) ** 2
    if i_b > 1:
        total += i_b / (i_b - 1) * (y**2).sum() / len(b) ** 2
    if i > 1:
        total += 2 * i / (i - 1) * (x * y).sum() / (len(a) * len(b))
    assert variance == pytest.approx(max(total, 0.0), abs=1e-12)


def test_delong_where_rows_are_their_own_units():
    rng = np.random.default_rng(1)
    value = rng.integers(0, 6, 60).astype(np.float32)
    side = np.repeat(np.array([0, 1], np.int8), [25, 35])
    unit = np.arange(60, dtype=np.int32)
    a, b = value[:25], value[25:]
    wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    delong = wins.mean(1).var(ddof=1) / 25 + wins.mean(0).var(ddof=1) / 35
    auc, variance = np.zeros(1), np.zeros(1)
    rows = [np.bincount(unit[side == s], minlength=60).astype(np.int32) for s in (0, 1)]
    kernels.rank_effects(*entries(value), side, unit, rows[0], rows[1], 0, 1, auc, variance)
    assert variance[0] == pytest.approx(delong) and auc[0] == pytest.approx(wins.mean())


def test_auc_intervals_cover_and_stay_inside():
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(600):
        a, b = rng.normal(0.6, 1, 40), rng.normal(0, 1, 60)
        wins = a[:, None] > b
        variance = wins.mean(1).var(ddof=1) / 40 + wins.mean(0).var(ddof=1) / 60
        low, high = stats.auc_interval([wins.mean()], [variance], 40, 60)
        covered.append(low[0] <= scipy_stats.norm.cdf(0.6 / np.sqrt(2)) <= high[0])
    assert 0.92 < np.mean(covered) < 0.98
    low, high = stats.auc_interval([0.0, 0.5, 1.0], [0.0, 0.0, 0.0], 12, 9)
    assert (low >= 0).all() and (high <= 1).all() and low[0] == 0 < high[0] < 0.5 and high[2] == 1
    assert 0.5 < low[2] < 1 and low[1] < 0.5 < high[1]
    assert stats.auc_interval([0.5], [0.0], 0, 3)[1][0] == 1


# ---- units ----------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(rows_in_units(), st.lists(st.integers(0, 1), min_size=7, max_size=7))
def test_unit_sums_equal_the_definitions(rows, halves):
    value, side, unit = rows
    half = np.array(halves, np.int8)[unit]
    sums, spread = np.zeros((1, 2, len(kernels.UNIT_SUMS))), np.zeros(1)
    rows_a, rows_b = per_unit(side, unit, 0), per_unit(side, unit, 1)
    indptr, row, _ = entries(value)
    kernels.count_units(indptr, row, side, half, unit, rows_a, rows_b, 0, 1, sums, spread)
    present = value > 0
    a, b = (np.bincount(unit[(side == s) & present], minlength=7) for s in (0, 1))
    n_a, n_b = max(rows_a.sum(), 1), max(rows_b.sum(), 1)
    each = (a - a.sum() / n_a * rows_a) / n_a - (b - b.sum() / n_b * rows_b) / n_b
    assert spread[0] == pytest.approx((each**2).sum(), abs=1e-12)
    for h in (0, 1):
        mine = np.array(halves) == h
        total, x = rows_a + rows_b, a + b
        ok = mine & (x > 0)
        size = np.maximum(total, 1)
        variance = np.where(
            total > 1, rows_a * rows_b * x * (total - x) / (size**2 * np.maximum(total - 1, 1)), 0
        )
        expected = [
            (mine & (a > 0) & (b > 0)).sum(),
            (mine & (a > 0) & (b == 0)).sum(),
            (mine & (a == 0) & (b > 0)).sum(),
            (a - rows_a * x / size)[ok].sum(),
            variance[ok].sum(),
            (a * (rows_b - b) / size)[ok].sum(),
            (b * (rows_a - a) / size)[ok].sum(),
            (x**2)[ok].sum(),
            (x * total)[ok].sum(),
        ]
        assert sums[0, h].tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n", [300, 5000])
def test_placements_of_many_values_equal_searching_sorted_ones(n):
    """Two widths of digits, both signs, both zeros, ties, rows that are on no side."""
    rng = np.random.default_rng(n)
    value = (rng.normal(0, 1, n) * 10.0 ** rng.integers(-30, 30, n)).astype(np.float32)
    value[::3] = rng.integers(-2, 3, len(value[::3]))
    value[1::30], value[2::30] = -0.0, 0.0
    side = rng.integers(-1, 2, n).astype(np.int8)
    row = rng.permutation(n).astype(np.int32)
    keys, at = np.empty((2, n), np.uint32), np.empty((2, n), np.uint32)
    twice = np.full(n, -1, np.int64)
    kernels._placements(0, n, row, value.view(np.uint32), side, keys[0], at[0], keys[1], at[1], twice)
    for s in (0, 1):
        mine, others = side[row] == s, np.sort(value[side[row] == 1 - s])
        expected = np.searchsorted(others, value) + np.searchsorted(others, value, side="right")
        assert (twice[mine] == expected[mine]).all()
    assert (twice[side[row] < 0] == -1).all()
