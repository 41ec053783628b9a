"""From entries and a design to the numbers of each row: rates, tests, rank effects, adjustment, confirmation.

Not for: deciding the design, or what is shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.differences.design import Design
from saetext.analysis.differences.entries import Entries
from saetext.corpus.protocol import Ints
from saetext.corpus.strata import LEAST_OVERLAP, overlap
from saetext.io.progress import Count

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ALPHA = 0.05  # false-discovery rate below which a row counts as significant
LEVEL = 0.95  # confidence level of the intervals

_CONTROL = {f"adjusted_{name}": f"control_{name}" for name in ("diff", "q", "low", "high", "odds_ratio")} | {
    "explained_by_length": "explained_by_control"
}


@dataclass(frozen=True, eq=False)
class Adjusting:
    """Bins of rows within which sets are compared, and what that needs where rows belong together.

    Attributes
    ----------
    code : int32[n]
        Bin of each row.
    rows : int64[2, bins]
        Rows of each side in each bin.
    overlap : float
        Share of rows in bins that hold both sets.
    n_tokens : float64[n] or None
        Lengths, where the bins are of length.
    model : WithinUnits or None
        How lengths are adjusted for within pairs and prompts, or over groups.
    """

    code: NDArray[np.int32]
    rows: Ints
    overlap: float
    n_tokens: Floats | None = None
    model: stats.WithinUnits | None = None

    @classmethod
    def by(cls, code: NDArray[np.int32], design: Design, n_tokens: Floats | None = None) -> Adjusting:
        """Count the rows of each side in each bin, and solve the model of length if rows belong together."""
        size = int(code.max(initial=0)) + 1
        rows = np.stack([np.bincount(code[design.side == s], minlength=size) for s in (0, 1)])
        model = None if n_tokens is None else _model(code, design, n_tokens)
        return cls(code, rows, overlap(code, design.side), n_tokens, model)

    @property
    def vague(self) -> bool:
        """Whether so few rows are alike that nothing can be told from what is adjusted for."""
        if self.model is not None and self.model.paired:
            return not self.model.known or self.model.close < stats.LEAST_CLOSE
        return self.overlap < LEAST_OVERLAP


def _model(code: NDArray[np.int32], design: Design, n_tokens: Floats) -> stats.WithinUnits | None:
    if design.kind == "independent":
        return None
    live = design.side >= 0
    if design.kind == "by group":  # one column a bin: the difference is Mantel and Haenszel's
        columns = (code[:, None] == np.unique(code[live])[None, 1:]).astype(np.float64)
        return stats.within_units(design.side, design.unit, columns, own_rate=False)
    columns = np.zeros((len(code), 1))
    if live.any():
        found = stats.curve(n_tokens[live], len(np.unique(design.unit[live])))
        columns = np.zeros((len(code), found.shape[1]))
        columns[live] = found
    return stats.within_units(design.side, design.unit, columns, own_rate=True, length=n_tokens)


@dataclass(frozen=True, eq=False)
class Sums:
    """What is counted of F features; see :mod:`saetext.stats.kernels`."""

    features: Ints
    by_half: Ints  # [F, side, half]
    by_stratum: Ints  # [F, side, bins]
    by_control: Ints
    by_early: Ints  # [F, side]
    units: Floats | None  # [F, half, len(UNIT_SUMS)], unless rows are independent
    spread: Floats | None  # [F]
    weighed: Floats | None  # [F, 5], see kernels.weigh_units
    auc: Floats
    auc_variance: Floats

    @classmethod
    def join(cls, parts: list[Sums]) -> Sums:
        """Put the features of several parts one after the other."""
        first = parts[0]
        if len(parts) == 1:
            return first

        def stacked(name: str) -> Any:
            columns = [getattr(part, name) for part in parts]
            return None if columns[0] is None else np.concatenate(columns)

        return cls(**{name: stacked(name) for name in cls.__dataclass_fields__})


def measure(
    parts: Iterable[Entries],
    design: Design,
    length: Adjusting,
    control: Adjusting,
    threads: int | None = None,
    count: Count | None = None,
) -> Sums:
    """Count everything that :func:`numbers` needs, in threads: by default as many as there are processors.

    ``count`` gets how many of the features of each part are done.
    """

    def measured(entries: Entries) -> Sums:
        return _measure(entries, design, length, control, threads, count)

    done = list(map(measured, parts))  # map keeps no part while the next one is made
    if not done:
        nothing = Entries(
            np.empty(0, np.int64), np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32),
            np.empty(0, np.uint8),
        )  # fmt: skip
        return _measure(nothing, design, length, control, threads)
    return Sums.join(done)


def _measure(
    entries: Entries,
    design: Design,
    length: Adjusting,
    control: Adjusting,
    threads: int | None,
    count: Count | None = None,
) -> Sums:
    from saetext.stats import kernels

    n = len(entries)
    by_half = np.zeros((n, 2, 2), np.int64)
    by_stratum = np.zeros((n, 2, length.rows.shape[1]), np.int64)
    by_control = np.zeros((n, 2, control.rows.shape[1]), np.int64)
    by_early = np.zeros((n, 2), np.int64)
    auc, variance = np.zeros(n), np.zeros(n)
    model = length.model
    weighed = None if model is None else np.zeros((n, 5))
    rows_a, rows_b = design.per_unit(0), design.per_unit(1)
    grouped = design.kind != "independent"
    units = np.zeros((n, 2, len(kernels.UNIT_SUMS))) if grouped else None
    spread = np.zeros(n) if grouped else None

    def work(low: int, high: int) -> None:
        kernels.count(
            entries.indptr, entries.row, entries.early, design.side, design.half, length.code, control.code,
            low, high, by_half, by_stratum, by_control, by_early,
        )  # fmt: skip
        if units is not None and spread is not None:
            kernels.count_units(
                entries.indptr, entries.row, design.side, design.half, design.unit, rows_a, rows_b,
                low, high, units, spread,
            )  # fmt: skip
        if model is not None and weighed is not None:
            kernels.weigh_units(
                entries.indptr, entries.row, design.side, model.unit, model.rows, model.expected,
                model.squares, model.cross, model.once, model.all_once, model.residual_df,
                low, high, weighed,
            )  # fmt: skip
        kernels.rank_effects(
            entries.indptr, entries.row, entries.value, design.side, design.unit, rows_a, rows_b,
            low, high, auc, variance,
        )  # fmt: skip

    kernels.over_features(work, n, threads or os.cpu_count() or 1, count)
    return Sums(
        entries.features, by_half, by_stratum, by_control, by_early, units, spread, weighed, auc, variance
    )


def count_only(entries: Entries, design: Design, threads: int | None = None) -> Sums:
    """Count what the tests of both halves need and nothing else; for the null check."""
    from saetext.stats import kernels

    n = len(entries)
    by_half = np.zeros((n, 2, 2), np.int64)
    grouped = design.kind != "independent"
    units = np.zeros((n, 2, len(kernels.UNIT_SUMS))) if grouped else None
    spread = np.zeros(n) if grouped else None
    rows_a, rows_b = design.per_unit(0), design.per_unit(1)

    def work(low: int, high: int) -> None:
        kernels.count_halves(entries.indptr, entries.row, design.side, design.half, low, high, by_half)
        if units is not None and spread is not None:
            kernels.count_units(
                entries.indptr, entries.row, design.side, design.half, design.unit, rows_a, rows_b,
                low, high, units, spread,
            )  # fmt: skip

    kernels.over_features(work, n, threads or os.cpu_count() or 1)
    none, nothing = np.zeros((n, 2, 0), np.int64), np.zeros(n)
    return Sums(
        entries.features, by_half, none, none, by_half[:, :, 0], units, spread, None, nothing, nothing
    )


def p_values(sums: Sums, design: Design, half: int | None = None) -> Floats:
    """Return float64[F]: p of the design's test on all rows, or on one half of them."""
    x_a, x_b = (_count(sums.by_half, side, half) for side in (0, 1))
    n_a, n_b = design.rows(0, half), design.rows(1, half)
    if design.kind == "independent" or sums.units is None:
        return stats.fisher_exact_p(x_a, n_a, x_b, n_b)
    unit = _named(sums.units, half)
    if design.kind == "paired":
        return stats.mcnemar_exact_p(unit["only_a"].astype(np.int64), unit["only_b"].astype(np.int64))
    if design.kind == "by prompt":
        return stats.cmh_p(unit["above"], unit["variance"])
    rows_a, rows_b = design.per_unit(0), design.per_unit(1)
    if half is not None:
        mine = np.zeros(design.n_units, bool)
        mine[design.unit[(design.side >= 0) & (design.half == half)]] = True
        rows_a, rows_b = rows_a * mine, rows_b * mine
    rate = (x_a + x_b) / max(n_a + n_b, 1)
    sizes = float(((rows_a + rows_b).astype(np.float64) ** 2).sum())
    squares = unit["squares"] - 2 * rate * unit["products"] + rate**2 * sizes
    return stats.grouped_p(x_a - rate * n_a, squares, int((rows_a > 0).sum()), int((rows_b > 0).sum()))


def numbers(
    sums: Sums, design: Design, length: Adjusting, control: Adjusting | None
) -> dict[str, NDArray[Any]]:
    """Return the numeric columns of the table, one entry a feature.

    Every row has a verdict on length; :func:`without_verdict` takes it from those that are not significant.
    """
    x_a, x_b = (_count(sums.by_half, side, None) for side in (0, 1))
    n_a, n_b = design.rows(0), design.rows(1)
    rate_a, rate_b = x_a / max(n_a, 1), x_b / max(n_b, 1)
    low, high, odds, excess = intervals(sums, design)
    p = p_values(sums, design)
    auc_low, auc_high = stats.auc_interval(sums.auc, sums.auc_variance, n_a, n_b, LEVEL)
    early = sums.by_early / np.maximum([n_a, n_b], 1)
    columns: dict[str, NDArray[Any]] = {
        "n_a": x_a, "n_b": x_b, "rate_a": rate_a, "rate_b": rate_b, "diff": rate_a - rate_b,
        "ci_low": low, "ci_high": high, "odds_ratio": odds, "p": p, "q": stats.benjamini_hochberg(p),
        "auc": sums.auc, "auc_low": auc_low, "auc_high": auc_high, "early_diff": early[:, 0] - early[:, 1],
    }  # fmt: skip
    columns |= _adjusted(columns, sums.by_stratum, length, excess, sums.weighed)
    if control is not None:
        columns |= {
            _CONTROL[key]: column
            for key, column in _adjusted(columns, sums.by_control, control, excess).items()
        }
    return columns | confirmation(sums, design)


def confirmation(sums: Sums, design: Design) -> dict[str, NDArray[Any]]:
    """Select features on the first half, test those on the second.

    Returns
    -------
    dict
        ``diff_confirm`` and ``q_confirm`` (NaN for features that were not selected) and ``confirmed``: same
        sign on both halves and q below .05 on the second.
    """
    n = len(sums.features)
    diff, q = np.full(n, np.nan), np.full(n, np.nan)
    if design.split and n:
        early, late = (p_values(sums, design, half) for half in (0, 1))
        chosen, q, confirmed = on_both_halves(early, late, same_sign(sums, design))
        diff[chosen] = _half_difference(sums, design, 1)[chosen]
    else:
        confirmed = np.zeros(n, bool)
    return {"diff_confirm": diff, "q_confirm": q, "confirmed": confirmed}


def on_both_halves(
    early: Floats, late: Floats, same: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Floats, NDArray[np.bool_]]:
    """Return which features the first half selects, their q on the second (else NaN), which are confirmed.

    Parameters
    ----------
    early, late : float64[F]
        p on each half.
    same : bool[F]
        Whether the difference has one sign on both.
    """
    chosen = stats.benjamini_hochberg(early) < ALPHA
    q = np.full(len(early), np.nan)
    q[chosen] = stats.benjamini_hochberg(late[chosen])
    return chosen, q, chosen & (q < ALPHA) & same


def same_sign(sums: Sums, design: Design) -> NDArray[np.bool_]:
    """Return bool[F]: whether the difference of rates has the same sign on both halves."""
    first, second = (np.sign(_half_difference(sums, design, half)) for half in (0, 1))
    return np.asarray(first == second)


def _half_difference(sums: Sums, design: Design, half: int) -> Floats:
    rate_a, rate_b = (_count(sums.by_half, side, half) / max(design.rows(side, half), 1) for side in (0, 1))
    return np.asarray(rate_a - rate_b)


def intervals(sums: Sums, design: Design, level: float = LEVEL) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the interval of each difference, the odds ratio, and how much more it varies than by chance.

    Parameters
    ----------
    sums : Sums
        What was counted; :func:`count_only` is enough.
    design : Design
        Which rows belong together.
    level : float
        Confidence level.

    Returns
    -------
    low, high, odds, excess : float64[F]
    """
    x_a, x_b = (_count(sums.by_half, side, None) for side in (0, 1))
    n_a, n_b = design.rows(0), design.rows(1)
    one = np.ones(len(x_a))
    if design.kind == "paired" and sums.units is not None:
        pair = {key: column.astype(np.int64) for key, column in _named(sums.units, None).items()}
        low, high = stats.newcombe_paired(pair["both"], pair["only_a"], pair["only_b"], n_a, level)
        return low, high, stats.odds_ratio(pair["only_a"], pair["only_b"]), one
    low, high = stats.newcombe(x_a, n_a, x_b, n_b, level)
    f = np.float64
    odds = stats.odds_ratio(x_a.astype(f) * (n_b - x_b), x_b.astype(f) * (n_a - x_a))
    if design.kind == "independent" or sums.units is None or sums.spread is None:
        return low, high, odds, one
    if design.kind == "by prompt":
        unit = _named(sums.units, None)
        odds = stats.odds_ratio(unit["odds_a"], unit["odds_b"])
    rate_a, rate_b = x_a / n_a, x_b / n_b
    live = int((design.per_unit(0) + design.per_unit(1) > 0).sum())
    robust = sums.spread * live / max(live - 1, 1)
    alone = rate_a * (1 - rate_a) / n_a + rate_b * (1 - rate_b) / n_b
    reach = stats.normal_quantile(level) * np.sqrt(robust)
    varies = robust > 1e-14
    low = np.where(varies, np.maximum(rate_a - rate_b - reach, -1), low)
    high = np.where(varies, np.minimum(rate_a - rate_b + reach, 1), high)
    return low, high, odds, np.divide(robust, alone, out=one.copy(), where=alone > 1e-14)


def _adjusted(
    columns: Mapping[str, NDArray[Any]],
    counts: Ints,
    within: Adjusting,
    excess: Floats,
    weighed: Floats | None = None,
) -> dict[str, NDArray[Any]]:
    """Return the difference at equal length (or of equal columns), and whether that explains it."""
    strata = (counts[:, 0].T, within.rows[0], counts[:, 1].T, within.rows[1], LEVEL, np.maximum(excess, 1.0))
    found = stats.mantel_haenszel(*strata)
    diff, low, high, p = found.diff, found.low, found.high, found.p
    if within.model is not None and weighed is not None:
        diff, low, high, p, *gap = within.model.results(weighed, LEVEL)
    else:
        gap = list(stats.stratified_gap(*strata))
    df = np.inf if within.model is None else within.model.df
    widen = stats.widening(int((columns["q"] < ALPHA).sum()), len(diff), LEVEL, df)
    words = stats.explained(columns["diff"], diff, low, high, *gap, widen=widen)
    if within.vague:
        words[:] = "unclear"
    return {
        "adjusted_diff": diff, "adjusted_q": stats.benjamini_hochberg(p), "explained_by_length": words,
        "adjusted_low": low, "adjusted_high": high, "adjusted_odds_ratio": found.odds_ratio,
    }  # fmt: skip


def without_verdict(columns: dict[str, NDArray[Any]]) -> None:
    """Take the verdicts from rows without a significant difference: there is nothing to explain."""
    for name in ("explained_by_length", "explained_by_control"):
        if name in columns:
            columns[name][columns["q"] >= ALPHA] = None


def order(columns: Mapping[str, NDArray[Any]], features: Ints, size: Floats) -> Ints:
    """Return the order of the rows: confirmed, significant, others.

    The first two by ``size`` of the difference, those that length explains last; the others by p, since among
    those a large difference is mostly noise.
    """
    significant, p = columns["q"] < ALPHA, columns["p"]
    found = significant | columns["confirmed"]
    explained = found & (columns["explained_by_length"] == "yes")
    by_size, by_p = np.where(found, -size, p), np.where(found, p, -size)
    return np.lexsort((features, by_p, by_size, explained, ~found, ~columns["confirmed"]))


def _count(by_half: Ints, side: int, half: int | None) -> Ints:
    counts = by_half[:, side]
    return counts.sum(1) if half is None else counts[:, half]


def _named(units: Floats, half: int | None) -> dict[str, Floats]:
    from saetext.stats.kernels import UNIT_SUMS

    table = units.sum(1) if half is None else units[:, half]
    return dict(zip(UNIT_SUMS, table.T, strict=True))
