"""By how much texts became longer: the ratio of typical lengths, with its interval.

Not for: shares of documents (:mod:`saetext.analysis.checking.judging`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.design import Design
from saetext.corpus.protocol import Ints
from saetext.stats import mean_difference

#: How much longer a text may be that was not seen, on the logarithmic scale: texts of one length do not say
#: that all are.
UNSEEN = math.log(2)


@dataclass(frozen=True)
class LengthChange:
    """Geometric means of the lengths in tokens, and by what share the new one is larger."""

    new: float
    old: float
    change: float
    low: float
    high: float


def length_change(tokens: Ints, design: Design, level: float) -> LengthChange:
    """Compare lengths on the logarithmic scale, as they are spread; an empty text counts as one token.

    Pairs are compared within pairs. Where several rows share a prompt or a group, each counts once with the
    mean of its rows, so that rows that belong together are not taken for independent ones.

    Parameters
    ----------
    tokens : int64[rows]
        Lengths.
    design : Design
        Side 0 is new, side 1 is old.
    level : float
        Confidence level (Student's t, of independent rows Welch's).
    """
    logs = np.log(np.maximum(tokens, 1).astype(np.float64))
    a, b = (_means(logs, design, side) for side in (0, 1))
    paired = design.kind in ("paired", "by prompt")
    if paired:
        kept = ~np.isnan(a) & ~np.isnan(b)
        a, b = a[kept], b[kept]
    else:
        a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    diff, low, high = mean_difference(a, b, paired=paired, level=level, unseen=UNSEEN)
    return LengthChange(
        math.exp(a.mean()), math.exp(b.mean()), math.expm1(diff), math.expm1(low), _expm1(high)
    )


def _means(logs: NDArray[np.float64], design: Design, side: int) -> NDArray[np.float64]:
    """Return the mean of each unit's rows of a side, NaN without any."""
    mine = design.side == side
    n = np.bincount(design.unit[mine], minlength=design.n_units)
    total = np.bincount(design.unit[mine], logs[mine], minlength=design.n_units)
    found: NDArray[np.float64] = np.divide(total, n, out=np.full(design.n_units, np.nan), where=n > 0)
    return found


def _expm1(value: float) -> float:
    return math.expm1(value) if value < 700 else math.inf
