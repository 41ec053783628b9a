"""NPMI, phi and the tails of joint counts against scipy, brute force and each other; q from a histogram."""

from __future__ import annotations

import itertools
from math import comb, log

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from saetext import stats


@st.composite
def strata(draw: st.DrawFn, most: int = 6, largest: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes of strata and the margins of two items in each."""
    n = np.array(draw(st.lists(st.integers(2, largest), min_size=1, max_size=most)))
    a = np.array([draw(st.integers(0, int(k))) for k in n])
    b = np.array([draw(st.integers(0, int(k))) for k in n])
    return n, a, b


def joint_distribution(n: np.ndarray, a: np.ndarray, b: np.ndarray) -> dict[int, float]:
    """Probability of every joint count, by counting all tables."""
    total = {0: 1.0}
    for size, x, y in zip(n.tolist(), a.tolist(), b.tolist(), strict=True):
        ways = {k: comb(y, k) * comb(size - y, x - k) for k in range(min(x, y) + 1) if x - k <= size - y}
        whole = comb(size, x)
        after: dict[int, float] = {}
        for (done, p), (k, w) in itertools.product(total.items(), ways.items()):
            after[done + k] = after.get(done + k, 0.0) + p * (w / whole)
        total = after
    return total


@settings(max_examples=60, deadline=None)
@given(strata(), st.data())
def test_the_exact_tail_is_that_of_all_tables(margins: tuple, data: st.DataObject) -> None:
    n, a, b = margins
    distribution = joint_distribution(n, a, b)
    x = data.draw(st.sampled_from(sorted(distribution)))
    mean = float((a * b / n).sum())
    tail = sum(p for k, p in distribution.items() if (k >= x if x > mean else k <= x))
    assert stats.joint_tail_exact(x, a, b, n) == pytest.approx(min(2 * tail, 1.0), rel=1e-9)


def test_the_exact_tail_of_one_stratum_is_scipys() -> None:
    for n, a, b, x in [(100, 20, 30, 15), (5000, 40, 60, 9), (1000, 900, 5, 5), (400, 200, 200, 70)]:
        law = scipy.stats.hypergeom(n, a, b)
        expected = 2 * (law.sf(x - 1) if x > a * b / n else law.cdf(x))
        assert stats.joint_tail_exact(x, [a], [b], [n]) == pytest.approx(min(expected, 1.0), rel=1e-8)


def test_a_tiny_p_keeps_its_digits() -> None:
    # all 30 of one are among the 30 of the other, of 1,000: one table in choose(1000, 30)
    assert stats.joint_tail_exact(30, [30], [30], [1000]) == pytest.approx(2 / comb(1000, 30), rel=1e-9)


def moments(n: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float, float, float]:
    mean = (a * b / n).sum()
    each = a * (n - a) * b * (n - b) / (n**2 * np.maximum(n - 1.0, 1))
    third = (each * (n - 2 * a) * (n - 2 * b) / (n * np.maximum(n - 2.0, 1))).sum()
    return float(mean), float(each.sum()), float(np.minimum(a, b).sum()), float(third)


@settings(max_examples=150, deadline=None)
@given(strata(most=8, largest=200), st.data())
def test_with_little_variance_the_tail_is_a_bound(margins: tuple, data: st.DataObject) -> None:
    n, a, b = margins
    mean, variance, most, _ = moments(n, a, b)
    low, high = int(np.maximum(a + b - n, 0).sum()), int(most)
    x = data.draw(st.integers(low, high))
    if variance < 10:
        exact = stats.joint_tail_exact(x, a, b, n)
        assert float(stats.joint_tail(x, mean, variance, most)) >= exact * (1 - 1e-6)


def test_with_more_variance_the_tail_is_near_the_exact_one_and_the_normal_one_is_not() -> None:
    rng = np.random.default_rng(0)
    ours, normal = [], []
    for _ in range(400):
        n = rng.integers(100, 3000, rng.integers(1, 20))
        rates = 10 ** rng.uniform(-2.5, -0.3, 2)
        a, b = (rng.binomial(n, rate * rng.uniform(0.5, 1, len(n))) for rate in rates)
        mean, variance, most, third = moments(n, a, b)
        x = round(mean + rng.uniform(2, 8) * np.sqrt(variance))
        exact = stats.joint_tail_exact(x, a, b, n)
        if variance < 10 or x > most or not exact:
            continue
        ours.append(np.log10(float(stats.joint_tail(x, mean, variance, most, third)) / exact))
        z = (abs(x - mean) - 0.5) / np.sqrt(variance)
        normal.append(np.log10(2 * scipy.stats.norm.sf(z) / exact))
    assert len(ours) > 100
    assert abs(np.median(ours)) < 0.1
    assert np.quantile(np.abs(ours), 0.9) < 0.4
    assert np.quantile(np.abs(normal), 0.9) > 1  # in powers of ten


def test_nothing_varies_so_nothing_is_found() -> None:
    assert stats.joint_tail(10, 10.0, 0.0, 10) == 1
    assert stats.joint_tail(0, 0.0, 0.0, 0) == 1


@pytest.mark.parametrize(
    ("both", "a", "b", "n", "expected"),
    [
        (0, 5, 5, 100, -1.0),
        (100, 100, 100, 100, 0.0),
        (10, 10, 10, 100, 1.0),
        (4, 20, 20, 100, 0.0),
        (8, 20, 20, 100, log(2) / -log(0.08)),
    ],
)
def test_npmi(both: int, a: int, b: int, n: int, expected: float) -> None:
    assert stats.npmi(both, a * b / n, n) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(strata(), st.data())
def test_npmi_stays_in_bounds(margins: tuple, data: st.DataObject) -> None:
    n, a, b = margins
    mean, _, most, _ = moments(n, a, b)
    x = data.draw(st.integers(int(np.maximum(a + b - n, 0).sum()), int(most)))
    value = float(stats.npmi(x, mean, float(n.sum())))
    assert -1 <= value <= 1
    if x and mean and x < n.sum():
        assert value == pytest.approx(log(x / mean) / -log(x / n.sum()), abs=1e-9)


def test_phi_is_the_correlation() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(300) < 0.3, rng.random(300) < 0.6
    found = stats.phi((a & b).sum(), a.sum(), b.sum(), 300)
    assert found == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert stats.phi(3, 3, 10, 10) == 0


@pytest.mark.parametrize(("dependent", "method"), [(False, "fdr_bh"), (True, "fdr_by")])
def test_q_from_a_histogram_is_that_of_all_p(dependent: bool, method: str) -> None:
    rng = np.random.default_rng(2)
    p = np.concatenate([rng.random(5000), 10 ** -rng.uniform(3, 30, 400), [0.0, 1.0]])
    histogram = stats.PHistogram(dependent)
    for part in np.array_split(p[p < 0.1], 7):  # the others count as 1
        histogram.add(part)
    expected = multipletests(p, method=method)[1]
    found = histogram.q(p, len(p))
    small = expected < 0.09
    assert found[small] == pytest.approx(expected[small], rel=1e-3, abs=1e-300)
    assert (found[~small] > 0.08).all()
    count, reach = histogram.found(0.05, len(p))
    assert abs(count - (expected < 0.05).sum()) <= 1
    assert np.sort(p)[count - 1] <= reach


def test_an_empty_histogram_finds_nothing() -> None:
    assert stats.PHistogram().found(0.05, 10) == (0, 0.0)
    assert stats.PHistogram().q([0.5], 10) == pytest.approx([1.0])


@pytest.mark.parametrize(
    "rates", [(0.5, 0.5), (0.9, 0.5), (0.9, 0.9), (0.98, 0.98), (0.98, 0.1), (0.02, 0.99)]
)
def test_pairs_of_frequent_items_are_tested_by_their_rarest_cell(rates: tuple[float, float]) -> None:
    from saetext.analysis.cooccurrence.items import Items
    from saetext.analysis.cooccurrence.strata import Strata

    rng = np.random.default_rng(3)
    n = 3000
    parts = [np.sort(rng.choice(n, int(rate * n), replace=False)).astype(np.int32) for rate in rates]
    items = Items(np.arange(2), np.cumsum([0, *map(len, parts)]), np.concatenate(parts))
    for few in (True, False):
        for codes in (np.zeros(n, np.int32), rng.integers(0, 12, n).astype(np.int32)):
            strata = Strata(codes, 0, n, few)
            counts = strata.counts(items)
            pair = (np.array([0]), counts, np.array([1]))
            moments = counts.moments(*pair)
            a, b = counts.of(0), counts.of(1)
            tables = [[(s := strata.size) - a, b], [a, s - b], [s - a, s - b]]
            assert moments.most[0, 0] == np.minimum(a, b).sum()
            for cell, (x, y) in zip((1, 2, 3), tables, strict=True):
                assert moments.most[0, cell] == pytest.approx(np.minimum(x, y).sum())
            low, high = np.maximum(a + b - s, 0).sum(), np.minimum(a, b).sum()
            before = None
            for z in (2, 3, 4, 5, 6, 7, 8):
                for sign in (1, -1):
                    x = round(float(moments.mean[0] + sign * z * np.sqrt(moments.variance[0])))
                    if not low <= x <= high:
                        continue
                    found = float(moments.p(np.array([x]))[0])
                    exact = stats.joint_tail_exact(x, a, b, s)
                    assert exact / 2 < found < 8 * exact ** (0.5 if moments.variance[0] < 10 else 0.75)
                    if sign == 1 and before is not None:
                        assert found < before
                    before = found if sign == 1 else before


@settings(max_examples=60, deadline=None)
@given(st.lists(strata(), min_size=1, max_size=5), st.data())
def test_compiled_exact_tails_are_the_same(pairs: list, data: st.DataObject) -> None:
    from scipy.special import gammaln

    from saetext.stats.pair_kernels import exact_tails

    together, expected = [], []
    for n, a, b in pairs:
        low, high = int(np.maximum(a + b - n, 0).sum()), int(np.minimum(a, b).sum())
        together.append(data.draw(st.integers(low, high)))
        expected.append(stats.joint_tail_exact(together[-1], a, b, n))
    ptr = np.cumsum([0, *(len(n) for n, _, _ in pairs)])
    size, a, b = (np.concatenate([p[k] for p in pairs]).astype(np.int64) for k in range(3))
    p = np.empty(len(pairs))
    logs = gammaln(np.arange(size.max() + 1) + 1.0)
    exact_tails(np.array(together), ptr, a, b, size, 0, len(pairs), logs, p)
    assert p == pytest.approx(expected, rel=1e-8)


@settings(max_examples=60, deadline=None)
@given(strata(largest=30))
def test_the_moments_are_those_of_all_tables(margins: tuple) -> None:
    n, a, b = margins
    distribution = joint_distribution(n, a, b)
    mean, variance, most, third = moments(n, a, b)
    values, p = np.array(list(distribution)), np.array(list(distribution.values()))
    assert p @ values == pytest.approx(mean)
    assert p @ (values - mean) ** 2 == pytest.approx(variance, abs=1e-9)
    assert p @ (values - mean) ** 3 == pytest.approx(third, abs=1e-8)
    assert values.max() <= most


def test_pearsons_tails_are_scipys() -> None:
    for skew in (-1.5, -0.2, 0.0, 0.3, 2.0):
        law = scipy.stats.pearson3(skew)
        for z in (-3.0, -1.0, 0.2, 2.5, 6.0):
            expected = min(2 * min(law.sf(z), law.cdf(z)), 1.0)
            assert stats.pearson_tails(z, skew) == pytest.approx(expected, rel=1e-6, abs=1e-300)
