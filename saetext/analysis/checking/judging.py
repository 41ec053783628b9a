"""From counts to verdicts: the change, its interval, and whether that lies beyond a limit.

Tests and intervals are those of a diff (:mod:`saetext.analysis.differences.testing`), at a level at which all
intervals of a check hold together. Not for: which subjects, or which rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from saetext import stats
from saetext.analysis.differences.design import Design
from saetext.analysis.differences.entries import from_matrix
from saetext.analysis.differences.testing import Sums, count_only, intervals

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Verdict = Literal["breaks", "unclear", "passes"]

POWER = 0.8  # with which a change that is called detectable would be found
_Z_POWER = 0.8416  # the normal quantile of it
_GRID = 2000  # changes that are tried for the smallest detectable one


@dataclass(frozen=True, eq=False)
class Changes:
    """Shares of both sets and their difference, new less old; one entry a subject.

    Attributes
    ----------
    x_new, x_old : int64[k]
        Documents that have it.
    n_new, n_old : int64[k]
        Documents compared.
    low, high : float64[k]
        Interval of the change.
    level : float
        Its confidence level.
    only_old : int64[k]
        Pairs of which only the old one has it; -1 where rows are not paired.
    excess : float64[k]
        How much more the change varies than that of independent rows, as a ratio of variances.
    """

    x_new: Ints
    x_old: Ints
    n_new: Ints
    n_old: Ints
    low: Floats
    high: Floats
    level: float
    only_old: Ints
    excess: Floats

    @property
    def new(self) -> Floats:
        """float64[k]: share of the new documents."""
        found: Floats = self.x_new / np.maximum(self.n_new, 1)
        return found

    @property
    def old(self) -> Floats:
        """float64[k]: share of the old documents."""
        found: Floats = self.x_old / np.maximum(self.n_old, 1)
        return found

    @property
    def change(self) -> Floats:
        """float64[k]: the share of the new less that of the old."""
        return self.new - self.old


def together(confidence: float, intervals: int) -> float:
    """Return the level of each of some intervals at which all hold with ``confidence`` (Bonferroni)."""
    return 1 - (1 - confidence) / max(intervals, 1)


def changes(matrix: csr_matrix, design: Design, level: float) -> Changes:
    """Count and compare subjects.

    Parameters
    ----------
    matrix : csr_matrix
        float[rows of both sets, subjects], above 0 where present.
    design : Design
        Side 0 is new, side 1 is old.
    level : float
        Confidence level of each interval.
    """
    live = design.side >= 0
    sums = count_only(from_matrix(matrix, live), design)
    low, high, _, excess = intervals(sums, design, level)
    x_new, x_old = (sums.by_half[:, side].sum(1) for side in (0, 1))
    change = x_new / max(design.rows(0), 1) - x_old / max(design.rows(1), 1)
    wider = widening(design, level)
    low, high = (
        np.maximum(change - wider * (change - low), -1),
        np.minimum(change + wider * (high - change), 1),
    )
    n = [np.full(len(x_new), design.rows(side)) for side in (0, 1)]
    return Changes(x_new, x_old, n[0], n[1], low, high, level, _only_old(sums, design), excess)


def widening(design: Design, level: float) -> float:
    """Return by how much intervals over prompts or groups are wider for having few of them, else 1.

    A diff takes the normal distribution for them. At the levels of a check its tails are too thin: here it is
    Student's, with as many degrees of freedom as prompts, or as groups of the set with fewer, less one.
    """
    if design.kind not in ("by prompt", "by group"):
        return 1.0
    units = [int((design.per_unit(side) > 0).sum()) for side in (0, 1)]
    df = max(min(units) - 1, 1)
    return float(special.stdtrit(df, 0.5 + level / 2)) / stats.normal_quantile(level)


def of_counts(x_new: Ints, n_new: int, x_old: Ints, n_old: int, level: float) -> Changes:
    """Compare counts of independent documents."""
    low, high = stats.newcombe(x_new, n_new, x_old, n_old, level)
    k = len(x_new)
    n = np.full(k, n_new), np.full(k, n_old)
    return Changes(x_new, x_old, *n, low, high, level, np.full(k, -1), np.ones(k))


def verdict(direction: str, low: float, high: float, limit: float) -> Verdict:
    """Say whether a change is surely beyond a limit (``breaks``), surely within (``passes``), or neither.

    Parameters
    ----------
    direction : str
        ``rise`` or ``fall``.
    low, high : float
        Interval of the change, new less old.
    limit : float
        Largest rise or fall allowed, at least 0.

    Examples
    --------
    >>> verdict("rise", 0.03, 0.09, 0.02), verdict("rise", 0.01, 0.09, 0.02), verdict("fall", 0, 0.09, 0.02)
    ('breaks', 'unclear', 'passes')
    """
    if direction == "fall":
        low, high = -high, -low
    return "breaks" if low > limit else "passes" if high <= limit else "unclear"


def detectable(found: Changes, at: int, direction: str, limit: float) -> float | None:
    """Return the smallest change beyond a limit that these data would show, four times in five.

    Tried on changes from the old share: the interval that such a change would have must lie beyond the limit
    by as much as it varies. Of pairs, as many old ones are taken to change back as did.

    Parameters
    ----------
    found : Changes
        What was counted.
    at : int
        Which subject.
    direction, limit
        As for :func:`verdict`.

    Returns
    -------
    float or None
        At least ``limit``; None if not even the largest possible change would be shown.
    """
    n, n_old, x_old = int(found.n_new[at]), int(found.n_old[at]), int(found.x_old[at])
    up = direction == "rise"
    if found.only_old[at] >= 0:
        low, high, change = _paired_grid(found, at, up)
    else:
        share = x_old / max(n_old, 1)
        least, most = (share, 1.0) if up else (0.0, share)
        x_new = np.unique(np.round(np.linspace(least, most, _GRID) * n).astype(np.int64))
        low, high = stats.newcombe(x_new, n, x_old, n_old, found.level)
        change = x_new / max(n, 1) - share
        wider = np.sqrt(max(float(found.excess[at]), 1.0))
        low, high = change - (change - low) * wider, change + (high - change) * wider
    gap = change - low if up else high - change
    size = change if up else -change
    sure = size - gap * (1 + _Z_POWER / stats.normal_quantile(found.level))
    shown = size[(sure > limit) & (size > limit)]
    return float(shown.min()) if len(shown) else None


def _paired_grid(found: Changes, at: int, up: bool) -> tuple[Any, Any, Any]:
    n, x_old = int(found.n_new[at]), int(found.x_old[at])
    only_old, x_new = int(found.only_old[at]), int(found.x_new[at])
    both = x_old - only_old
    if up:
        only_new = _steps(0, n - x_old)
        low, high = stats.newcombe_paired(both, only_new, only_old, n, found.level)
        return low, high, (only_new - only_old) / max(n, 1)
    lost = _steps(0, x_old)
    only_new = np.full(len(lost), min(x_new - both, n - x_old))
    low, high = stats.newcombe_paired(x_old - lost, only_new, lost, n, found.level)
    return low, high, (only_new - lost) / max(n, 1)


def _steps(first: int, last: int) -> Ints:
    return np.unique(np.round(np.linspace(first, last, _GRID)).astype(np.int64))


def _only_old(sums: Sums, design: Design) -> Ints:
    if design.kind != "paired" or sums.units is None:
        return np.full(len(sums.by_half), -1)
    from saetext.stats.kernels import UNIT_SUMS

    found: Ints = sums.units.sum(1)[:, UNIT_SUMS.index("only_b")].astype(np.int64)
    return found
