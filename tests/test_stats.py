"""Intervals and exact tests against scipy, statsmodels, exact arithmetic and published examples."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from saetext import stats

counts = st.integers(0, 60)


@st.composite
def two_sets(draw, most: int = 60):
    n_a, n_b = draw(st.integers(0, most)), draw(st.integers(0, most))
    return draw(st.integers(0, n_a)), n_a, draw(st.integers(0, n_b)), n_b


# --- intervals ----------------------------------------------------------------------------------------------


@given(st.integers(0, 5000), st.integers(0, 5000), st.floats(0.5, 0.999))
def test_wilson_equals_statsmodels(x, failures, level):
    n = max(x + failures, 1)
    low, high = stats.wilson(x, n, level=level)
    expected = proportion_confint(x, n, alpha=1 - level, method="wilson")
    np.testing.assert_allclose([low, high], expected, atol=1e-12)


@given(two_sets())
def test_newcombe_equals_statsmodels(table):
    x_a, n_a, x_b, n_b = table
    low, high = stats.newcombe(*table)
    assert -1 <= low <= high <= 1
    if n_a and n_b:
        expected = confint_proportions_2indep(x_a, n_a, x_b, n_b, method="newcomb", compare="diff")
        np.testing.assert_allclose([low, high], expected, atol=1e-12)
        assert low <= x_a / n_a - x_b / n_b <= high


@pytest.mark.parametrize(
    ("table", "expected"),
    [  # Newcombe, Statistics in Medicine 17:873 (1998), table II, method 10
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((0, 10, 0, 10), (-0.2775, 0.2775)),
        ((10, 10, 0, 20), (0.6791, 1.0000)),
        ((10, 10, 0, 10), (0.6075, 1.0000)),
    ],
)
def test_newcombe_published_examples(table, expected):
    assert tuple(np.round(stats.newcombe(*table), 4)) == expected


def test_paired_published_examples():
    # Cavo et al. 2012 and Bentur et al. 2009 as worked in Fagerland, Lydersen and Laake,
    # Statistical Analysis of Contingency Tables (2017), chapter 8
    assert tuple(np.round(stats.newcombe_paired(59, 6, 16, 161), 4)) == (-0.1186, -0.0046)
    assert tuple(np.round(stats.newcombe_paired(1, 1, 7, 21), 3)) == (-0.507, -0.026)
    assert float(stats.mcnemar_exact_p(6, 16)) == pytest.approx(0.052479, abs=5e-7)


def _newcombe_paired_slowly(both: int, only_a: int, only_b: int, n: int, level: float) -> tuple[float, float]:
    """The 1998 formula for one table, with statsmodels' Wilson limits."""
    x_a, x_b, neither = both + only_a, both + only_b, n - both - only_a - only_b
    (l_a, u_a), (l_b, u_b) = (proportion_confint(x, n, alpha=1 - level, method="wilson") for x in (x_a, x_b))
    product = x_a * (n - x_a) * x_b * (n - x_b)
    numerator = both * neither - only_a * only_b
    if numerator > n / 2:
        numerator -= n / 2
    elif numerator >= 0:
        numerator = 0
    phi = numerator / math.sqrt(product) if product else 0
    p_a, p_b = x_a / n, x_b / n
    below = (p_a - l_a) ** 2 - 2 * phi * (p_a - l_a) * (u_b - p_b) + (u_b - p_b) ** 2
    above = (u_a - p_a) ** 2 - 2 * phi * (u_a - p_a) * (p_b - l_b) + (p_b - l_b) ** 2
    return p_a - p_b - math.sqrt(max(below, 0)), p_a - p_b + math.sqrt(max(above, 0))


@given(counts, counts, counts, counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_paired_interval_equals_the_formula(both, only_a, only_b, neither, level):
    n = both + only_a + only_b + neither
    low, high = stats.newcombe_paired(both, only_a, only_b, n, level)
    assert -1 <= low <= high <= 1
    if n:
        expected = _newcombe_paired_slowly(both, only_a, only_b, n, level)
        np.testing.assert_allclose([low, high], np.clip(expected, -1, 1), atol=1e-7)


def test_paired_interval_covers():
    rng = np.random.default_rng(0)
    cells = np.array([0.35, 0.15, 0.08, 0.42])  # both, only a, only b, neither
    drawn = rng.multinomial(120, cells, 4000)
    low, high = stats.newcombe_paired(*drawn[:, :3].T, 120)
    assert np.mean((low <= 0.07) & (high >= 0.07)) == pytest.approx(0.95, abs=0.015)


def test_intervals_without_rows():
    assert [float(v) for v in stats.wilson(0, 0)] == [0, 1]
    assert [float(v) for v in stats.newcombe(0, 0, 0, 0)] == [-1, 1]
    assert [float(v) for v in stats.newcombe_paired(0, 0, 0, 0)] == [-1, 1]
    low, high = stats.newcombe(0, 0, 5, 10)
    wilson_low, wilson_high = stats.wilson(5, 10)
    assert (float(low), float(high)) == (-wilson_high, 1 - wilson_low)


def test_difference_of_one():
    low, high = stats.newcombe(20, 20, 0, 20)
    assert 0.7 < low < 1 and high == 1
    low, high = stats.newcombe_paired(0, 20, 0, 20)
    assert 0.7 < low < 1 and high == 1


# --- exact tests --------------------------------------------------------------------------------------------


def _fisher_in_fractions(x_a: int, n_a: int, x_b: int, n_b: int) -> float:
    k = x_a + x_b
    ways = {x: math.comb(n_a, x) * math.comb(n_b, k - x) for x in range(max(0, k - n_b), min(k, n_a) + 1)}
    return float(Fraction(sum(w for w in ways.values() if w <= ways[x_a]), sum(ways.values())))


@settings(max_examples=200, deadline=None)
@given(two_sets())
def test_fisher_equals_exact_arithmetic_and_scipy(table):
    x_a, n_a, x_b, n_b = table
    p = float(stats.fisher_exact_p(*table))
    assert p == pytest.approx(_fisher_in_fractions(*table), rel=1e-10)
    scipy_p = reference.fisher_exact([[x_a, n_a - x_a], [x_b, n_b - x_b]])[1]
    assert p == pytest.approx(scipy_p, rel=1e-8)


def test_fisher_of_all_small_tables():
    tables = [
        (x_a, n_a, x_b, n_b)
        for n_a in range(9)
        for n_b in range(9)
        for x_a in range(n_a + 1)
        for x_b in range(n_b + 1)
    ]
    got = stats.fisher_exact_p(*np.array(tables).T)
    np.testing.assert_allclose(got, [_fisher_in_fractions(*t) for t in tables], rtol=1e-12)


@pytest.mark.parametrize(("n_a", "n_b"), [(805, 805), (50_000, 50_000), (50_000, 1_200), (7, 300_000)])
def test_fisher_of_large_sets_equals_scipy(n_a, n_b):
    rng = np.random.default_rng(n_a)
    rate = rng.random(150) ** 4
    x_a = rng.binomial(n_a, rate)
    x_b = rng.binomial(n_b, np.clip(rate * np.exp(rng.normal(0, 0.15, 150)), 0, 1))
    x_a[:3], x_b[:3] = (0, n_a, n_a), (0, n_b, 0)  # all zeros, all ones, as different as can be
    expected = [
        reference.fisher_exact([[a, n_a - a], [b, n_b - b]])[1] for a, b in zip(x_a, x_b, strict=True)
    ]
    got = stats.fisher_exact_p(x_a, n_a, x_b, n_b)
    np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-290)
    assert got[0] == 1 and got[1] == 1 and got[2] < 1e-4


def test_fisher_keeps_shape_and_order():
    x_a = np.array([[3, 0, 3], [9, 9, 3]])
    p = stats.fisher_exact_p(x_a, 10, 5, 12)
    assert p.shape == (2, 3)
    assert p[0, 0] == p[0, 2] == p[1, 2] and p[1, 0] == p[1, 1] != p[0, 0]
    assert stats.fisher_exact_p([], 10, [], 12).shape == (0,)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=20))
def test_mcnemar_equals_statsmodels(pairs):
    only_a, only_b = np.array(pairs).T
    expected = [mcnemar([[0, a], [b, 0]], exact=True).pvalue for a, b in pairs]
    np.testing.assert_allclose(stats.mcnemar_exact_p(only_a, only_b), expected, rtol=1e-9)


def test_mcnemar_without_discordant_pairs():
    assert stats.mcnemar_exact_p(0, 0) == 1
    assert stats.mcnemar_exact_p(1, 1) == 1
    assert stats.mcnemar_exact_p(0, 10) == pytest.approx(2 / 2**10)


# --- false discoveries --------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1), max_size=50))
def test_benjamini_hochberg_by_hand(p):
    q = stats.benjamini_hochberg(p)
    assert len(q) == len(p)
    for value, adjusted in zip(p, q, strict=True):
        reached = [min(1.0, other * len(p) / sum(v <= other for v in p)) for other in p if other >= value]
        assert adjusted == pytest.approx(min(reached))


def test_benjamini_hochberg_equals_scipy():
    rng = np.random.default_rng(0)
    p = np.round(rng.random(5000) ** 3, 3)  # with many ties
    np.testing.assert_allclose(stats.benjamini_hochberg(p), reference.false_discovery_control(p), rtol=1e-14)


def test_mcnemar_of_many_pairs_equals_scipy():
    rng = np.random.default_rng(0)
    n = rng.integers(0, 2_000_000, 300)
    only_a = rng.binomial(n, np.clip(rng.normal(0.5, 0.01, 300), 0, 1))
    expected = 2 * reference.binom.cdf(np.minimum(only_a, n - only_a), n, 0.5)
    got = stats.mcnemar_exact_p(only_a, n - only_a)
    np.testing.assert_allclose(got, np.minimum(expected, 1), rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("bad", [[0.1, np.nan], [1.5], [-0.1]])
def test_benjamini_hochberg_refuses(bad):
    with pytest.raises(ValueError, match="between 0 and 1"):
        stats.benjamini_hochberg(bad)


def test_false_discovery_rate_is_controlled():
    """200 studies of 300 features, 60 of them truly different: the mean share of false finds is under 5 %."""
    rng = np.random.default_rng(1)
    rate_a = rng.uniform(0.05, 0.6, (200, 300))
    rate_b = rate_a.copy()
    rate_b[:, :60] = np.clip(rate_b[:, :60] + 0.25, 0, 1)
    x_a, x_b = rng.binomial(150, rate_a), rng.binomial(150, rate_b)
    p = stats.fisher_exact_p(x_a, 150, x_b, 150)
    found = np.array([stats.benjamini_hochberg(study) < 0.05 for study in p])
    false = found[:, 60:].sum(1) / np.maximum(found.sum(1), 1)
    assert false.mean() < 0.05
    assert found[:, :60].mean() > 0.5  # and the test has power: it does not hold by finding nothing


@pytest.mark.parametrize("test", ["fisher", "mcnemar"])
def test_nothing_is_found_where_nothing_differs(test):
    rng = np.random.default_rng(2)
    rate = rng.uniform(0.02, 0.5, (300, 200))
    x_a, x_b = rng.binomial(120, rate), rng.binomial(120, rate)
    if test == "fisher":
        p = stats.fisher_exact_p(x_a, 120, x_b, 120)
    else:
        discordant = rng.binomial(120, rate)
        only_a = rng.binomial(discordant, 0.5)
        p = stats.mcnemar_exact_p(only_a, discordant - only_a)
    studies_with_a_find = np.mean([(stats.benjamini_hochberg(study) < 0.05).any() for study in p])
    assert studies_with_a_find < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.wilson(3, 2),
        lambda: stats.newcombe(-1, 5, 0, 5),
        lambda: stats.newcombe(0.5, 5, 0, 5),
        lambda: stats.newcombe_paired(3, 3, 3, 8),
        lambda: stats.fisher_exact_p(6, 5, 0, 5),
        lambda: stats.mcnemar_exact_p(-1, 2),
        lambda: stats.wilson(1, 2, level=95),
    ],
)
def test_impossible_counts_are_refused(call):
    with pytest.raises(ValueError):
        call()


@given(st.lists(two_sets(30), min_size=1, max_size=10))
def test_never_nan(tables):
    columns = np.array(tables).T
    with np.errstate(all="raise", under="ignore"):
        results = [*stats.newcombe(*columns), stats.fisher_exact_p(*columns)]
        results += [*stats.wilson(columns[0], columns[1]), stats.mcnemar_exact_p(columns[0], columns[2])]
    assert all(np.isfinite(values).all() for values in results)
