"""A difference at equal length where rows belong together: within pairs and prompts, or over groups.

A linear model of presence, ``presence = unit + difference * side + f(length) + error``. Its estimate of the
difference is a sum of a weight for each row that has the feature, and the weights do not depend on the
feature: so the model is solved once, and each feature costs one pass over its rows. Variances are those of
the jackknife over units. Not for: rows that are independent (:func:`saetext.stats.mantel_haenszel`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from saetext.stats.verdict import SHARE

Floats = NDArray[np.float64]
_KNOT_UNITS = 40  # units for each further piece of the curve of length
_MOST_KNOTS = 4
_MOST_LEVERAGE = 0.95  # a unit that determines the estimate alone has no residual to tell its error
_CLOSE = np.log(1.25)  # lengths that differ by no more count as about equal
LEAST_CLOSE = 0.02  # share of units with about equal lengths, below which equal length is an extrapolation


class Within(NamedTuple):
    """Float64[F] each: difference with interval and p, and the interval of difference - raw / 2."""

    diff: Floats
    low: Floats
    high: Floats
    p: Floats
    gap_low: Floats
    gap_high: Floats


@dataclass(frozen=True, eq=False)
class WithinUnits:
    """The weights of each row and unit of a design.

    Attributes
    ----------
    unit : int32[n]
        Unit of each row.
    rows : float64[n, K + 2]
        Of a row that has the feature, what it adds to the coefficients (the difference, the curve of length,
        the two rates) and to its unit's part of the difference and of the gap. 0 for rows left out.
    expected : float64[U, 2, K]
        What each unit's parts are by the coefficients.
    squares : float64[2, K, K]
        Sum over units of the products of ``expected``.
    cross : float64[K, K]
        Cross products of the covariates.
    once : float64[U]
        1 / rows of each unit, 0 where units have no rate of their own.
    all_once : float
        1 / rows, 0 where units have a rate of their own.
    norm : float64[2]
        Variance of the difference and of the gap for residuals of variance 1.
    residual_df, df : int
        Degrees of freedom of the residuals, and of the intervals.
    known : bool
        Whether the difference can be told from length at all.
    close : float
        Share of units where the side that is mostly longer is at most a quarter longer; 1 where units
        lie on one side each.
    """

    unit: NDArray[np.int32]
    rows: Floats
    expected: Floats
    squares: Floats
    cross: Floats
    once: Floats
    all_once: float
    norm: Floats
    residual_df: int
    df: int
    known: bool
    close: float

    @property
    def paired(self) -> bool:
        """Whether units have rows on both sides and a rate of their own."""
        return self.all_once == 0.0

    def results(self, sums: Floats, level: float = 0.95) -> Within:
        """Return differences, intervals and p from what :func:`saetext.stats.kernels.weigh_units` summed.

        Parameters
        ----------
        sums : float64[F, 5]
            Difference, raw difference, jackknife variances of the difference and of the gap, and the
            variance of the residuals.
        level : float
            Confidence level.

        Returns
        -------
        Within
            Student's t with ``df``. Where length cannot be told from the side: difference 0 within [-1, 1].
        """
        diff, raw = sums[:, 0], sums[:, 1]
        if not self.known:
            none, one = np.zeros(len(sums)), np.ones(len(sums))
            return Within(none, -one, one, one.copy(), -2 * one, 2 * one)
        # few units of equal length that happen not to vary would seem to know everything
        error = np.sqrt(np.maximum(sums[:, 2:4], sums[:, 4:5] * self.norm))
        reach = special.stdtrit(self.df, 0.5 + level / 2) * error
        gap = diff - SHARE * raw
        t = np.divide(np.abs(diff), error[:, 0], out=np.zeros(len(diff)), where=error[:, 0] > 1e-12)
        return Within(
            np.clip(diff, -1, 1), np.clip(diff - reach[:, 0], -1, 1), np.clip(diff + reach[:, 0], -1, 1),
            2 * special.stdtr(self.df, -t), gap - reach[:, 1], gap + reach[:, 1],
        )  # fmt: skip


def curve(length: Floats, units: int) -> Floats:
    """Return float64[n, K]: a linear spline of log length, with more knots (at quantiles) for more units."""
    x = np.log(np.maximum(length, 1.0))
    knots = int(np.clip(units // _KNOT_UNITS - 1, 0, _MOST_KNOTS))
    at = np.unique(np.quantile(x, np.linspace(0, 1, knots + 2)[1:-1]))
    columns = [x - x.mean(), *(np.maximum(x - k, 0.0) for k in at)]
    return np.stack(columns, axis=1)


def within_units(
    side: NDArray[np.int8],
    unit: NDArray[np.int32],
    covariates: Floats,
    *,
    own_rate: bool,
    length: Floats | None = None,
) -> WithinUnits:
    """Solve the model for a design.

    Parameters
    ----------
    side : int8[n]
        0 for A, 1 for B, -1 for rows that are left out.
    unit : int32[n]
        Pair, prompt or group of each row.
    covariates : float64[n, C]
        What is adjusted for: :func:`curve` of length, or one column a bin.
    own_rate : bool
        Whether each unit has a rate of its own (pairs and prompts, which have rows on both sides).
    length : float64[n], optional
        Length of each row, from which it is told how many units have about equal lengths.
    """
    live = side >= 0
    n_units = int(unit.max(initial=-1)) + 1
    mine, sides = unit[live], side[live]
    n_a, n_b = max(int((sides == 0).sum()), 1), max(int((sides == 1).sum()), 1)
    units = len(np.unique(mine))
    size = np.maximum(np.bincount(mine, minlength=n_units), 1).astype(np.float64)

    def per_unit(columns: Floats) -> Floats:
        return np.stack([np.bincount(mine, c, minlength=n_units) for c in columns.T], axis=1)

    def freed(columns: Floats) -> Floats:
        mean = (per_unit(columns) / size[:, None])[mine] if own_rate else columns.mean(0)
        rest: Floats = columns - mean
        return rest

    raw_weight = np.where(sides == 0, 1 / n_a, -1 / n_b)
    a = (sides == 0).astype(np.float64)
    z = freed(np.column_stack([a, covariates[live]])) if len(mine) else np.zeros((0, covariates.shape[1] + 1))
    cross = z.T @ z
    inverse = _inverse(cross)
    known = inverse is not None and bool(units > 1)
    if inverse is None:
        inverse = np.zeros_like(cross)
    coefficient = z @ inverse  # [rows, K]
    adjusted = coefficient[:, 0]
    leverage = np.bincount(mine, (coefficient * z).sum(1), minlength=n_units)
    # the jackknife's estimate without a unit differs by its part over one less its leverage
    scale = (
        1 / (1 - np.minimum(leverage, _MOST_LEVERAGE))
        if own_rate
        else np.full(n_units, units / max(units - 1, 1))
    )
    parts = per_unit(adjusted[:, None] * z) * scale[:, None]
    again = units / max(units - 1, 1)
    # the rate of all rows, where units have none of their own
    level = per_unit((adjusted * scale[mine])[:, None]) * np.array([n_a, n_b]) / max(len(mine), 1)
    rates = per_unit(np.column_stack([raw_weight * a, raw_weight * (1 - a)]))
    gap_rates = level - SHARE * again * rates
    expected = np.stack([np.hstack([parts, level]), np.hstack([parts, gap_rates])], axis=1)
    gap = adjusted - SHARE * freed(raw_weight[:, None])[:, 0]
    own = adjusted * scale[mine]
    rows = np.zeros((len(side), z.shape[1] + 4))
    rows[live] = np.column_stack([coefficient, a / n_a, (1 - a) / n_b, own, own - SHARE * again * raw_weight])
    rank = int(np.linalg.matrix_rank(cross)) if len(cross) else 0
    one_side = int(min(len(np.unique(mine[sides == s])) for s in (0, 1)))
    return WithinUnits(
        unit,
        rows,
        expected,
        np.einsum("usk,usl->skl", expected, expected, optimize=True),
        cross,
        1 / size if own_rate else np.zeros(n_units),
        0.0 if own_rate else 1 / max(len(mine), 1),
        np.array([(adjusted**2).sum(), (gap**2).sum()]),
        max(len(mine) - (units if own_rate else 1) - rank, 1),
        max(units - rank if own_rate else min(units - 2, 2 * one_side), 1),
        known,
        _close(sides, mine, length[live]) if length is not None and own_rate else 1.0,
    )


def _inverse(cross: Floats) -> Floats | None:
    """Return the generalised inverse of cross products, None if the first column is one of the others."""
    if not len(cross) or cross[0, 0] <= 1e-12:
        return None
    scale = np.sqrt(np.maximum(np.diag(cross), 1e-300))
    scale[np.diag(cross) <= 1e-12] = np.inf
    alike = cross / np.outer(scale, scale)
    if len(cross) > 1:
        others = np.linalg.pinv(alike[1:, 1:], rcond=1e-10, hermitian=True)
        if 1 - alike[0, 1:] @ others @ alike[1:, 0] < 1e-8:
            return None
    inverse: Floats = np.linalg.pinv(alike, rcond=1e-12, hermitian=True) / np.outer(scale, scale)
    return inverse


def _close(side: NDArray[np.int8], unit: NDArray[np.int32], length: Floats) -> float:
    """Return the share of units in which the side that is mostly longer is about as long, or shorter."""
    x = np.log(np.maximum(length, 1.0))
    n = int(unit.max(initial=-1)) + 1
    rows = [np.bincount(unit[side == s], minlength=n) for s in (0, 1)]
    both = (rows[0] > 0) & (rows[1] > 0)
    if not both.any():
        return 0.0
    means = [
        np.bincount(unit[side == s], x[side == s], minlength=n)[both] / r[both] for s, r in enumerate(rows)
    ]
    longer = means[0] - means[1]
    if np.median(longer) < 0:
        longer = -longer
    return float((longer <= _CLOSE).mean())
