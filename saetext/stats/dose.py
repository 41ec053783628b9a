"""Whether an outcome rises with a dose, within units; where it stops rising, and where it turns back.

Not for: how much one dose differs from none (:mod:`saetext.stats.paired`).
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saetext.stats.paired import DRAWS, sign_flip_p

Floats = NDArray[np.float64]
_MOST_EXACT = 20_000  # arrangements of all units together up to which each is gone through
_BLOCK = 1 << 22
_NEARLY = 0.9  # of the whole rise: from there on it has saturated
_TIE = 1e-12


class Trend(NamedTuple):
    """Kendall's tau of dose and outcome, mean over units, and its two-sided p."""

    tau: float
    p: float


class Shape(NamedTuple):
    """The course of a dose-response curve.

    ``saturates`` is the smallest dose with nine tenths of the whole rise, ``peak`` the dose of the largest
    mean outcome; ``overshoots`` says whether the strongest dose lies below the peak (paired, p < .05).
    """

    saturates: float
    peak: float
    overshoots: bool


def trend(doses: ArrayLike, outcomes: ArrayLike, *, seed: int = 0) -> Trend:
    """Return whether an outcome goes up (or down) with the dose.

    The statistic is the mean over units of Kendall's tau-b within the unit (0 where its outcomes are all
    equal); under the hypothesis, the outcomes of a unit are exchangeable over the doses. Exact where all
    arrangements are few, else (1 + draws as far) / (1 + draws) of 10,000.

    Parameters
    ----------
    doses : float[D]
        At least two that differ.
    outcomes : float[n, D]
        One row a unit.
    seed : int
        Of the permutations.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the doses are all equal.
    """
    dose, y = np.asarray(doses, np.float64), np.asarray(outcomes, np.float64)
    if y.ndim != 2 or y.shape[1] != len(dose) or np.ptp(dose) == 0:
        raise ValueError("expected outcomes of each unit at each of several doses")
    if not len(y):
        return Trend(0.0, 1.0)
    steps, scale = _pairs(dose, y)
    found = _statistic(steps, y, scale)
    return Trend(found, _p(found, steps, y, scale, seed))


def shape(doses: ArrayLike, outcomes: ArrayLike) -> Shape:
    """Return where the mean outcome stops rising and whether it turns back.

    Parameters
    ----------
    doses : float[D]
        Ascending, from the smallest on.
    outcomes : float[n, D]
        One row a unit.
    """
    dose, y = np.asarray(doses, np.float64), np.asarray(outcomes, np.float64)
    means = y.mean(axis=0)
    top = int(means.argmax())
    rise = means[top] - means[0]
    reached = np.flatnonzero(means[: top + 1] >= means[0] + _NEARLY * rise - _TIE)
    back = top < len(dose) - 1 and sign_flip_p(y[:, top] - y[:, -1]) < 0.05
    return Shape(float(dose[reached[0]]), float(dose[top]), bool(back))


def _pairs(dose: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the signs of the differences of doses, float64[D, D], and 1 / (units x tau's denominator)."""
    steps = np.triu(np.sign(dose[None, :] - dose[:, None]), 1)
    untied = np.abs(steps).sum()
    differing = np.abs(np.triu(np.sign(y[:, None, :] - y[:, :, None]), 1)).sum(axis=(1, 2))
    bottom = np.sqrt(untied * differing)
    return steps, np.divide(1.0, bottom, out=np.zeros(len(y)), where=bottom > 0) / len(y)


def _statistic(steps: Floats, y: Floats, scale: Floats) -> float:
    return float(_taus(steps, y) @ scale)


def _taus(steps: Floats, y: Floats) -> Floats:
    """Return the concordant less the discordant pairs, float64[...], of outcomes float64[..., D]."""
    total = np.zeros(y.shape[:-1])
    for i, j in itertools.combinations(range(y.shape[-1]), 2):
        if steps[i, j]:
            total += steps[i, j] * np.sign(y[..., j] - y[..., i])
    return total


def _p(found: float, steps: Floats, y: Floats, scale: Floats, seed: int) -> float:
    units, doses = y.shape
    least = abs(found) - _TIE
    orders = math.factorial(doses) if doses <= 8 else _MOST_EXACT
    if units * math.log(orders) <= math.log(_MOST_EXACT):
        every = np.array(list(itertools.permutations(range(doses))))
        sums = np.zeros(1)
        for row, weight in zip(y, scale, strict=True):
            sums = (sums[:, None] + _taus(steps, row[every]) * weight).ravel()
        return float((np.abs(sums) >= least).mean())
    draw = np.random.default_rng(seed)
    block = max(1, _BLOCK // y.size)
    far = 0
    for start in range(0, DRAWS, block):
        many = np.broadcast_to(y, (min(block, DRAWS - start), units, doses))
        far += int((np.abs(_taus(steps, draw.permuted(many, axis=-1)) @ scale) >= least).sum())
    return (1 + far) / (1 + DRAWS)
