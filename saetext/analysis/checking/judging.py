"""From counts to verdicts: the change, its interval, and whether that lies beyond a limit.

Tests and intervals are those of a diff (:mod:`saetext.analysis.differences.testing`), at a level at which all
intervals of a check hold together; of several answers to a prompt they are the prompts' own. Not for: which
subjects, or which rows.
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
_FLAT = 1e-12  # a variance below this is none
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

    Notes
    -----
    Where several rows share a prompt, shares are the means of the prompts' shares, each prompt counted alike
    on both sides, and ``x_new`` and ``x_old`` are the documents that come nearest to these.
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
    by_prompt: tuple[Floats, Floats] | None = None  # the means of the prompts' shares, new and old

    @property
    def new(self) -> Floats:
        """float64[k]: share of the new documents."""
        found: Floats = self.x_new / np.maximum(self.n_new, 1)
        return found if self.by_prompt is None else self.by_prompt[0]

    @property
    def old(self) -> Floats:
        """float64[k]: share of the old documents."""
        found: Floats = self.x_old / np.maximum(self.n_old, 1)
        return found if self.by_prompt is None else self.by_prompt[1]

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
    if design.kind == "by prompt":
        return _within_prompts(matrix, design, level)
    live = design.side >= 0
    sums = count_only(from_matrix(matrix, live), design)
    low, high, _, excess = intervals(sums, design, level)
    x_new, x_old = (sums.by_half[:, side].sum(1) for side in (0, 1))
    rows = design.rows(0), design.rows(1)
    n = [np.full(len(x_new), count) for count in rows]
    if design.kind == "by group" and sums.spread is not None:
        change = x_new / max(rows[0], 1) - x_old / max(rows[1], 1)
        groups = [int((design.per_unit(side) > 0).sum()) for side in (0, 1)]
        wider = widening(min(groups), level)
        low = np.maximum(change - wider * (change - low), -1)
        high = np.minimum(change + wider * (high - change), 1)
        # groups that are all alike say nothing of how much groups vary: each counts as one document then
        flat = sums.spread <= _FLAT
        shares = [np.rint(x / max(r, 1) * g).astype(np.int64)
                  for x, r, g in zip((x_new, x_old), rows, groups, strict=True)]  # fmt: skip
        centre = shares[0] / max(groups[0], 1) - shares[1] / max(groups[1], 1)
        few = stats.newcombe(shares[0], groups[0], shares[1], groups[1], level)
        low = np.where(flat, np.maximum(change - (centre - few[0]), -1), low)
        high = np.where(flat, np.minimum(change + (few[1] - centre), 1), high)
        excess = np.where(flat, max(rows) / max(min(groups), 1), excess * wider**2)
    return Changes(x_new, x_old, n[0], n[1], low, high, level, _only_old(sums, design), excess)


def widening(units: int, level: float) -> float:
    """Return by how much intervals over prompts or groups are wider for having few of them.

    A diff takes the normal distribution for them. At the levels of a check its tails are too thin: here it is
    Student's, with as many degrees of freedom as prompts, or as groups of the set with fewer, less one.
    """
    return float(special.stdtrit(max(units - 1, 1), 0.5 + level / 2)) / stats.normal_quantile(level)


def _within_prompts(matrix: csr_matrix, design: Design, level: float) -> Changes:
    """Compare the new and the old share of each prompt, and average that over the prompts, all alike.

    So it does not matter how many answers a prompt has in either set: where nothing changed within any
    prompt, there is no change. The interval is Student's for the mean of the prompts' differences; where
    these do not vary at all, that of as many pairs as there are prompts.
    """
    rows = [design.per_unit(side) for side in (0, 1)]
    both_sides = (rows[0] > 0) & (rows[1] > 0)
    units = int(both_sides.sum())
    new, old = (_rates(matrix, design, side, rows[side])[both_sides] for side in (0, 1))
    apart = new - old
    share_new, share_old = (np.asarray(one.sum(0)).ravel() / max(units, 1) for one in (new, old))
    change = np.asarray(apart.sum(0)).ravel() / max(units, 1)
    squares = np.asarray(apart.multiply(apart).sum(0)).ravel()
    variance = np.maximum(squares - units * change**2, 0) / max(units - 1, 1)
    wider = widening(units, level)
    reach = wider * stats.normal_quantile(level) * np.sqrt(variance / max(units, 1))
    up, down, both = (
        np.rint(units * part).astype(np.int64)
        for part in (np.maximum(change, 0), np.maximum(-change, 0), np.minimum(share_new, share_old))
    )
    both = np.minimum(both, units - up - down)
    alike = stats.newcombe_paired(both, up, down, np.full(len(both), units), level)
    flat = variance <= _FLAT
    centre = (up - down) / max(units, 1)
    low = np.where(flat, change - (centre - alike[0]), change - reach)
    high = np.where(flat, change + (alike[1] - centre), change + reach)
    n = [int(one[both_sides].sum()) for one in rows]
    alone = share_new * (1 - share_new) / max(n[0], 1) + share_old * (1 - share_old) / max(n[1], 1)
    excess = np.full(len(change), max(n) / max(units, 1))
    known = ~flat & (alone > _FLAT)
    excess[known] = variance[known] / units / alone[known] * wider**2
    x = [
        np.rint(share * count).astype(np.int64)
        for share, count in zip((share_new, share_old), n, strict=True)
    ]
    k = len(change)
    return Changes(
        x[0], x[1], np.full(k, n[0]), np.full(k, n[1]), np.maximum(low, -1), np.minimum(high, 1), level,
        np.full(k, -1), excess, (share_new, share_old),
    )  # fmt: skip


def _rates(matrix: csr_matrix, design: Design, side: int, rows: NDArray[np.int32]) -> Any:
    """float64[units, subjects], sparse: the share of each unit's rows of a side that has a subject."""
    from scipy import sparse

    mine = np.flatnonzero(design.side == side)
    shape = design.n_units, matrix.shape[0]
    member = sparse.csr_matrix((np.ones(len(mine)), (design.unit[mine], mine)), shape=shape)
    found = sparse.csr_matrix(member @ sparse.csr_matrix(matrix > 0, dtype=np.float64))
    found.data /= np.repeat(rows, np.diff(found.indptr))  # not times 1 / rows: three of three are 1
    return found


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
    sure = size - gap * to_be_shown(found.level)
    shown = size[(sure > limit) & (size > limit)]
    return float(shown.min()) if len(shown) else None


def to_be_shown(level: float) -> float:
    """Return how many half intervals beyond a limit a change must be to be shown four times in five."""
    return 1 + _Z_POWER / stats.normal_quantile(level)


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
