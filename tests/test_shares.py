"""Shares in sets and along an order, against slow ones by their definition, and how often they err."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from saetext.stats.multiple import benjamini_hochberg
from saetext.stats.shares import compare_shares, share_trends


def test_two_sets_against_fisher_and_newcombe_by_hand() -> None:
    counts, totals = np.array([[9, 46], [0, 7], [40, 38], [0, 0]]), np.array([1000, 997])
    found = compare_shares(counts, totals)
    for row, (a, b) in enumerate(counts.tolist()):
        table = [[b, 997 - b], [a, 1000 - a]]
        assert found.p[row] == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-6)
        assert found.change[row] == pytest.approx(b / 997 - a / 1000)
        low, high = wilson_difference(b, 997, a, 1000)
        assert (found.low[row], found.high[row]) == (pytest.approx(low), pytest.approx(high))
    assert found.set.tolist() == [1, 1, 1, 1]


def wilson_difference(x: int, n: int, y: int, m: int, level: float = 0.95) -> tuple[float, float]:
    """Newcombe's method 10 from scipy's Wilson intervals."""
    one = stats.binomtest(x, n).proportion_ci(level, "wilson")
    two = stats.binomtest(y, m).proportion_ci(level, "wilson")
    p, q = x / n, y / m
    low = p - q - np.hypot(p - one.low, two.high - q)
    return float(low), float(p - q + np.hypot(one.high - p, q - two.low))


def test_of_several_sets_the_one_that_stands_out_pays_for_the_choice() -> None:
    counts, totals = np.array([[5, 6, 40, 4], [10, 10, 10, 10]]), np.array([300, 310, 290, 305])
    found = compare_shares(counts, totals)
    ps = []
    for s in range(4):
        rest, n = counts[0].sum() - counts[0, s], totals.sum() - totals[s]
        ps.append(stats.fisher_exact([[counts[0, s], totals[s] - counts[0, s]], [rest, n - rest]]).pvalue)
    assert found.set[0] == int(np.argmin(ps)) == 2
    assert found.p[0] == pytest.approx(min(1, 4 * min(ps)), rel=1e-6)
    assert found.change[0] == pytest.approx(40 / 290 - 15 / 915)
    low, high = wilson_difference(40, 290, 15, 915, 1 - 0.05 / 4)
    assert (found.low[0], found.high[0]) == (pytest.approx(low), pytest.approx(high))
    assert found.p[1] == 1


def test_a_trend_is_the_line_through_the_documents() -> None:
    rng = np.random.default_rng(3)
    totals = np.array([40, 70, 0, 55, 90])[[0, 1, 3, 4]]
    position = np.array([2.0, 3.0, 7.0, 12.0])
    counts = rng.binomial(totals, [0.1, 0.15, 0.2, 0.35], (3, 4))
    found = share_trends(counts, totals, position)
    scaled = (position - 2) / 10
    for row in range(3):
        x = np.repeat(scaled, totals)
        y = np.concatenate(
            [np.r_[np.ones(c), np.zeros(n - c)] for c, n in zip(counts[row], totals, strict=True)]
        )
        design = np.column_stack([np.ones(len(x)), x])
        beta = np.linalg.lstsq(design, y, rcond=None)[0]
        bread = np.linalg.inv(design.T @ design)
        rest = y - design @ beta
        meat = design.T @ (design * (rest**2)[:, None])
        error = np.sqrt((bread @ meat @ bread)[1, 1] * len(x) / (len(x) - 2))
        assert found.change[row] == pytest.approx(beta[1])
        assert found.high[row] - found.change[row] == pytest.approx(1.959964 * error, rel=1e-6)
        # p: as often as a random order of the documents has a slope as far from 0
        centred = x - x.mean()
        far = np.mean([abs(rng.permutation(centred) @ y) >= abs(centred @ y) - 1e-9 for _ in range(4000)])
        assert found.p[row] == pytest.approx(far, abs=0.02)


def test_a_large_group_has_the_p_of_cochran_and_armitage() -> None:
    counts, totals = np.array([[300, 340, 390]]), np.array([1000, 1000, 1000])
    found = share_trends(counts, totals, [0, 1, 2])
    x = np.repeat([0, 1, 2], totals)
    y = np.concatenate([np.r_[np.ones(c), np.zeros(n - c)] for c, n in zip(counts[0], totals, strict=True)])
    z = np.corrcoef(x, y)[0, 1] * np.sqrt(len(x) - 1)
    assert found.p[0] == pytest.approx(2 * stats.norm.sf(z), rel=1e-9)


SIZES = np.array(
    [0.2, 0.12, 0.1, *[0.04] * 6, *[0.015] * 10, *[0.006] * 15]
)  # of clusters; the rest is noise


def drawn(rng: np.random.Generator, n: int, surge: tuple[float, float] | None = None) -> np.ndarray:
    """int[k + 2, 2]: two sets of n documents with the same shares but, where told, one cluster's."""
    sets = []
    for number in (0, 1):
        shares = np.r_[SIZES, 0 if surge is None else surge[number]]
        sets.append(rng.multinomial(n, np.r_[shares, 1 - shares.sum()]))
    return np.stack(sets, axis=1)


def test_without_a_change_hardly_any_is_found_and_a_surge_nearly_always() -> None:
    rng = np.random.default_rng(0)
    n, false, power, covered = 1000, 0, 0, []
    for _ in range(300):
        found = compare_shares(drawn(rng, n), [n, n])
        false += bool((benjamini_hochberg(found.p) < 0.05).any())
        covered.append(((found.low <= 0) & (found.high >= 0))[: len(SIZES)].mean())
        counts = drawn(rng, n, (0.009, 0.046))
        power += bool(benjamini_hochberg(compare_shares(counts, [n, n]).p)[len(SIZES)] < 0.05)
    assert false / 300 <= 0.05  # Fisher's test is conservative; 15 of 300 would be all that is allowed
    assert np.mean(covered) >= 0.94
    assert power / 300 >= 0.95


def test_without_a_trend_hardly_any_is_found_and_growth_nearly_always() -> None:
    rng = np.random.default_rng(1)
    totals, position = np.array([60, 90, 130, 200, 300, 420]), np.arange(6.0)
    shares = np.array([0.2, 0.05, 0.03, 0.02, 0.01, 0.008, 0.005])
    false, power, covered = 0, 0, []
    for seed in range(60):
        counts = rng.binomial(totals, shares[:, None], (7, 6))
        found = share_trends(counts, totals, position, seed=seed)
        false += bool((benjamini_hochberg(found.p) < 0.05).any())
        covered.append(((found.low <= 0) & (found.high >= 0)).mean())
        counts[2] = rng.binomial(totals, np.linspace(0.005, 0.13, 6))
        power += bool(benjamini_hochberg(share_trends(counts, totals, position, seed=seed).p)[2] < 0.05)
    assert false / 60 <= 0.1  # 5 % and twice its error
    assert np.mean(covered) >= 0.93
    assert power / 60 >= 0.9
