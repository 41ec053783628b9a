"""Differences at equal length within units, and the verdict on length, by statsmodels and bootstraps."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from saetext import stats
from saetext.stats import kernels

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))


def weighed(model, side, present):
    """Sums of each column of ``present``, through the kernel."""
    f = present.shape[1]
    where = [np.flatnonzero(present[:, i]) for i in range(f)]
    indptr = np.cumsum([0, *(len(w) for w in where)]).astype(np.int64)
    row = np.concatenate([*where, np.empty(0)]).astype(np.int32)
    sums = np.zeros((f, 5))
    kernels.weigh_units(
        indptr, row, side, model.unit, model.rows, model.expected, model.squares, model.cross, model.once,
        model.all_once, model.residual_df, 0, f, sums,
    )  # fmt: skip
    return sums


def left_out(side, unit, covariates, x, own_rate):
    """The difference by least squares on dummies of units, and the gap, in turn without each unit."""

    def fit(keep):
        columns = [(side[keep] == 0).astype(float)[:, None], covariates[keep]]
        names = np.unique(unit[keep])
        columns.append((unit[keep][:, None] == names).astype(float) if own_rate else np.ones((keep.sum(), 1)))
        diff = np.linalg.pinv(np.hstack(columns), rcond=1e-9) @ x[keep]
        raw = x[keep & (side == 0)].mean() - x[keep & (side == 1)].mean()
        return np.array([diff[0], diff[0] - raw / 2])

    whole = fit(side >= 0)
    return whole, np.stack([fit((side >= 0) & (unit != u)) for u in np.unique(unit[side >= 0])])


@pytest.mark.parametrize("seed", range(4))
def test_pairs_equal_least_squares_and_the_jackknife(seed):
    rng = np.random.default_rng(seed)
    n = 90
    unit = np.concatenate([rng.permutation(n), rng.permutation(n)]).astype(np.int32)
    side = np.repeat([0, 1], n).astype(np.int8)
    side[np.isin(unit, [3, 50])] = -1
    length = np.exp(rng.normal(4, 0.6, 2 * n) + 0.3 * (side == 0))
    x = (rng.random((2 * n, 5)) < np.clip(length / 150, 0, 0.9)[:, None]).astype(float)
    live = side >= 0
    covariates = np.zeros((2 * n, 2))
    covariates[live] = stats.curve(length[live], n - 2)
    model = stats.within_units(side, unit, covariates, own_rate=True, length=length)
    sums = weighed(model, side, x > 0)
    for f in range(5):
        whole, without = left_out(side, unit, covariates, x[:, f], True)
        assert sums[f, 0] == pytest.approx(whole[0])
        assert sums[f, 0] - sums[f, 1] / 2 == pytest.approx(whole[1])
        n_units = n - 2
        spread = ((without - whole) ** 2).sum(0)
        assert sums[f, 2:4] == pytest.approx(spread, rel=1e-6)
        names = np.unique(unit[live])
        dummies = (unit[live][:, None] == names).astype(float)
        fit = sm.OLS(x[live, f], np.hstack([(side[live] == 0)[:, None], covariates[live], dummies])).fit()
        assert sums[f, 4] == pytest.approx(fit.mse_resid)
        assert sums[f, 4] * model.norm[0] == pytest.approx(fit.bse[0] ** 2)
        assert model.df == n_units - 3
    found = model.results(sums)
    assert (found.low <= found.diff).all() and (found.diff <= found.high).all()
    error = (found.high - found.diff) / scipy_stats.t.ppf(0.975, model.df)
    assert found.p == pytest.approx(2 * scipy_stats.t.sf(np.abs(found.diff) / error, model.df))


def test_pairs_agree_with_estimating_equations():
    """The interval is about that of GEE on the differences of pairs, and holds what the bootstrap holds."""
    rng = np.random.default_rng(8)
    n = 400
    unit = np.tile(np.arange(n), 2).astype(np.int32)
    side = np.repeat([0, 1], n).astype(np.int8)
    length = np.exp(rng.normal(4.5, 0.5, n)[unit] + rng.normal(0, 0.3, 2 * n) + 0.2 * (side == 0))
    x = (rng.random((2 * n, 3)) < (0.1 + length / 500)[:, None]).astype(float)
    model = stats.within_units(side, unit, stats.curve(length, 0), own_rate=True, length=length)
    found = model.results(weighed(model, side, x > 0))
    log = np.log(length)
    z = np.column_stack([np.ones(n), log[:n] - log[n:]])
    for f in range(3):
        d = x[:n, f] - x[n:, f]
        fit = sm.GEE(d, z, groups=np.arange(n)).fit()
        assert found.diff[f] == pytest.approx(fit.params[0])
        assert found.high[f] - found.low[f] == pytest.approx(2 * 1.96 * fit.bse[0], rel=0.08)
        draws = rng.integers(0, n, (800, n))
        gaps = [np.linalg.lstsq(z[i], d[i], rcond=None)[0][0] - d[i].mean() / 2 for i in draws]
        width = np.subtract(*np.quantile(gaps, [0.975, 0.025]))
        assert found.gap_high[f] - found.gap_low[f] == pytest.approx(width, rel=0.15)


def test_groups_have_the_difference_of_the_bins_and_the_sandwich():
    rng = np.random.default_rng(3)
    n, groups = 240, 24
    unit = rng.integers(0, groups, n).astype(np.int32)
    side = (unit % 2).astype(np.int8)
    code = rng.integers(0, 4, n)
    x = rng.random((n, 4)) < 0.2 + 0.1 * code[:, None] + 0.1 * side[:, None]
    model = stats.within_units(side, unit, (code[:, None] == [1, 2, 3]).astype(float), own_rate=False)
    sums = weighed(model, side, x)
    counts = [np.stack([x[(side == s) & (code == c)].sum(0) for c in range(4)]) for s in (0, 1)]
    rows = [np.bincount(code[side == s], minlength=4) for s in (0, 1)]
    assert sums[:, 0] == pytest.approx(stats.mantel_haenszel(counts[0], rows[0], counts[1], rows[1]).diff)
    z = np.column_stack([side == 0, code[:, None] == [0, 1, 2, 3]]).astype(float)
    live = len(np.unique(unit))
    for f in range(4):
        fit = sm.OLS(x[:, f].astype(float), z).fit(
            cov_type="cluster", cov_kwds={"groups": unit, "use_correction": False}
        )
        assert sums[f, 2] == pytest.approx(fit.bse[0] ** 2 * (live / (live - 1)) ** 2)
        assert sums[f, 4] == pytest.approx(fit.mse_resid)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.booleans())
def test_any_design_gives_numbers(seed, units, own_rate):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    unit, side = rng.integers(0, units, n).astype(np.int32), rng.integers(-1, 2, n).astype(np.int8)
    length = rng.integers(0, 4, n).astype(float)
    columns = stats.curve(length, units)
    model = stats.within_units(side, unit, columns, own_rate=own_rate, length=length)
    present = rng.random((n, 3)) < 0.5
    found = model.results(weighed(model, side, present))
    assert np.isfinite(np.stack(found)).all()
    assert (found.low <= found.diff).all() and (found.diff <= found.high).all()
    if not model.known:
        assert (found.p == 1).all() and not found.diff.any()


def test_pairs_of_one_length_have_the_raw_difference():
    """ "I am sorry about ..." in 110 of A and 90 of B, all of 11 tokens."""
    n = 200
    x = np.concatenate([np.arange(n) < 110, np.arange(n) < 90])[:, None]
    side, unit = np.repeat([0, 1], n).astype(np.int8), np.tile(np.arange(n), 2).astype(np.int32)
    length = np.full(2 * n, 11.0)
    model = stats.within_units(side, unit, stats.curve(length, n), own_rate=True, length=length)
    found = model.results(weighed(model, side, x))
    assert found.diff[0] == pytest.approx(0.1) and found.low[0] > 0 and found.gap_low[0] > 0
    assert stats.explained([0.1], *(np.array(c) for c in (found[0], found[1], found[2], *found[4:]))) == [
        "no"
    ]


def test_always_longer_by_one_factor_cannot_be_told():
    n = 100
    side, unit = np.repeat([0, 1], n).astype(np.int8), np.tile(np.arange(n), 2).astype(np.int32)
    length = np.random.default_rng(0).integers(20, 90, n)[unit] * np.where(side == 0, 4.0, 1.0)
    model = stats.within_units(side, unit, stats.curve(length, 0), own_rate=True, length=length)
    assert not model.known and model.close == 0
    found = model.results(weighed(model, side, np.ones((2 * n, 1), bool)))
    assert (found.diff[0], found.low[0], found.high[0], found.p[0]) == (0, -1, 1, 1)


def test_the_gap_of_independent_rows_varies_as_the_bootstrap_says():
    rng = np.random.default_rng(4)
    sizes = np.array([[60, 10], [40, 30], [20, 50], [0, 25]])
    p = np.array([0.2, 0.3, 0.5, 0.6])
    x = [rng.binomial(sizes[:, s], np.minimum(p + 0.1 * (s == 0), 1)) for s in (0, 1)]
    low, high = stats.stratified_gap(x[0][:, None], sizes[:, 0], x[1][:, None], sizes[:, 1])
    rows = [np.column_stack([np.repeat(np.arange(4), sizes[:, s]),
                             np.concatenate([np.arange(m) < k for m, k in zip(sizes[:, s], x[s])])])
            for s in (0, 1)]  # fmt: skip
    gaps = []
    for _ in range(3000):
        drawn = [r[rng.integers(0, len(r), len(r))] for r in rows]
        n = [np.bincount(d[:, 0], minlength=4) for d in drawn]
        k = [np.bincount(d[:, 0], d[:, 1], minlength=4).astype(int) for d in drawn]
        found = stats.mantel_haenszel(k[0][:, None], n[0], k[1][:, None], n[1])
        gaps.append(found.diff[0] - (k[0].sum() / n[0].sum() - k[1].sum() / n[1].sum()) / 2)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * np.std(gaps), rel=0.08)


def test_the_rule():
    """In either direction; in doubt nothing is said, and stretched intervals say less."""
    cases = [
        # raw, adjusted, interval, interval of the gap
        (0.2, 0.02, (-0.05, 0.09), (-0.15, -0.01), "yes"),
        (0.2, 0.02, (-0.15, 0.19), (-0.25, 0.09), "unclear"),  # not significant is no evidence of absence
        (0.2, 0.15, (0.05, 0.25), (-0.05, 0.15), "no"),
        (0.2, 0.09, (0.01, 0.17), (-0.1, 0.08), "unclear"),
        (0.2, -0.2, (-0.3, -0.1), (-0.4, -0.2), "yes"),  # it turned round
        (0.0, 0.1, (0.05, 0.15), (0.05, 0.15), "unclear"),
    ]
    for sign in (1, -1):
        columns = np.array([
            [sign * raw, sign * adjusted, *sorted(sign * v for v in interval), *sorted(sign * v for v in gap)]
            for raw, adjusted, interval, gap, _ in cases
        ]).T  # fmt: skip
        assert stats.explained(*columns).tolist() == [word for *_, word in cases]
        assert set(stats.explained(*columns, widen=20.0)) == {"unclear"}


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 300), st.sampled_from([3.0, 40.0, np.inf]))
def test_widening_is_the_quotient_of_quantiles(selected, more, df):
    got = stats.widening(selected, selected + more, 0.9, df)
    law = scipy_stats.norm if np.isinf(df) else scipy_stats.t(df)
    share = 0.1 * selected / (selected + more)
    assert got == pytest.approx(law.isf(share / 2) / law.isf(0.05))
    assert stats.widening(0, 100, 0.95) == stats.widening(1, 100, 0.95)


@pytest.mark.parametrize("kind", ["independent", "paired", "by prompt", "by group"])
def test_power_and_error_of_the_verdict(kind):
    """The benchmark, small: length that causes all is rarely denied, and one that causes nothing blamed."""
    from length_verdict import shares

    every = shares(kind, "all", "2 times", 1000, features=120, draws=3)["new"]
    nothing = shares(kind, "none", "1.3 times", 1000, features=120, draws=3)["new"]
    equal = shares(kind, "none", "equal", 300, features=120, draws=3)["new"]
    half = shares(kind, "half", "2 times", 300, features=120, draws=3)["new"]
    assert every["no"] < 0.05 and every["yes"] > 0.5
    assert nothing["yes"] < 0.05 and nothing["no"] > 0.9
    assert equal["yes"] == 0 and equal["no"] > 0.9
    assert half["yes"] < 0.1
