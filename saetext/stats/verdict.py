"""Whether a covariate such as length explains a difference: yes, no, or unclear.

One rule for all analyses. Not for: estimating what remains (:mod:`saetext.stats.stratified` for bins,
:mod:`saetext.stats.units` for pairs, prompts and groups).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

SHARE = 0.5  # of a difference that must remain, or go away


def explained(
    raw: ArrayLike,
    adjusted: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    gap_low: ArrayLike,
    gap_high: ArrayLike,
    *,
    widen: float = 1.0,
) -> NDArray[Any]:
    """Say whether a difference is explained by what was adjusted for.

    ``adjusted`` and ``raw`` come from the same rows and vary together, so that an interval of ``adjusted``
    alone beside the estimate of ``raw`` is too wide for "yes": the interval of the *gap*, ``adjusted - raw
    / 2``, knows that, and also that ``raw`` is an estimate.

    Parameters
    ----------
    raw, adjusted : array_like of float, [F]
        The difference, and the one after adjustment.
    low, high : array_like of float, [F]
        Interval of ``adjusted``.
    gap_low, gap_high : array_like of float, [F]
        Interval of ``adjusted - SHARE * raw``.
    widen : float
        By what to stretch both intervals, see :func:`widening`.

    Returns
    -------
    object array, [F]
        All in the direction of ``raw``: "yes" where the whole interval of the gap lies below 0 (less than
        half remains); "no" where the whole interval of ``adjusted`` lies above 0 and at least half remains;
        otherwise "unclear", which is also said where ``raw`` is 0.

    Examples
    --------
    >>> explained([0.2, 0.2, 0.2], [0.01, 0.19, 0.1], [-0.02, 0.1, -0.1], [0.04, 0.28, 0.3],
    ...           [-0.12, 0.05, -0.1], [-0.06, 0.13, 0.1]).tolist()
    ['yes', 'no', 'unclear']
    """
    raw, adjusted = np.asarray(raw, np.float64), np.asarray(adjusted, np.float64)
    sign = np.sign(raw)
    # the lower end in the direction of raw, and the upper end of the gap
    nearest = np.where(sign < 0, -np.asarray(high), np.asarray(low))
    nearest = sign * adjusted - widen * (sign * adjusted - nearest)
    most = np.where(sign < 0, -np.asarray(gap_low), np.asarray(gap_high))
    gap = sign * (adjusted - SHARE * raw)
    most = gap + widen * (most - gap)
    # rows whose lengths are all equal have adjusted == raw but for rounding
    remains = (nearest > 0) & (sign * adjusted >= SHARE * np.abs(raw) * (1 - 1e-9))
    words = np.full(raw.shape, "unclear", object)
    words[(sign != 0) & remains] = "no"
    words[(sign != 0) & (most < 0)] = "yes"
    return words


def widening(selected: int, tested: int, level: float, df: float = np.inf) -> float:
    """Return by what intervals are stretched that are read of the significant rows alone.

    Rows with a significant difference are those whose estimates happen to be large, the adjusted ones too. An
    interval at 1 - (1 - level) * selected / tested keeps the share of wrong intervals among the selected
    (Benjamini and Yekutieli, Journal of the American Statistical Association 100:71, 2005).

    Parameters
    ----------
    selected, tested : int
        Significant rows, and all rows.
    level : float
        Level of the intervals that are stretched.
    df : float
        Degrees of freedom of Student's t; infinite for the normal distribution.

    Examples
    --------
    >>> round(widening(10, 100, 0.95), 2)
    1.43
    """
    apart = (1 - level) / 2
    fewer = apart * max(selected, 1) / max(tested, selected, 1)
    if np.isinf(df):
        return float(special.ndtri(fewer) / special.ndtri(apart))
    return float(special.stdtrit(df, fewer) / special.stdtrit(df, apart))
