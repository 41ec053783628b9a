"""An interval for the difference of two means, independent values or pairs. Not for: presence counts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


def mean_difference(
    a: ArrayLike, b: ArrayLike, *, paired: bool = False, level: float = 0.95, unseen: float = 0.0
) -> tuple[float, float, float]:
    """Return the difference of two means and its interval by Student's t (of independent values Welch's).

    Parameters
    ----------
    a, b : array_like of float
        The values; paired ones in the same order.
    paired : bool
        Whether they are pairs.
    level : float
        Confidence level.
    unseen : float
        How far from the mean a value may lie that was not seen: each mean has a standard error of at least
        that over the number of its values.

    Returns
    -------
    diff, low, high : float
        ``mean(a) - mean(b)``; the interval is infinite where a side has fewer than two values,
        and where no value differs from another: such say nothing of how much they vary.

    Raises
    ------
    ValueError
        If a side is empty, or pairs are not of one length.
    """
    one, other = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not len(one) or not len(other) or (paired and len(one) != len(other)):
        raise ValueError(f"means of {len(one)} and {len(other)} values{', paired' if paired else ''}")
    diff = float(one.mean() - other.mean())
    parts = [one - other] if paired else [one, other]
    if min(map(len, parts)) < 2:
        return diff, -math.inf, math.inf
    variances = [max(float(part.var(ddof=1)) / len(part), (unseen / len(part)) ** 2) for part in parts]
    whole = sum(variances)
    if whole == 0:
        return diff, -math.inf, math.inf
    df = whole**2 / sum(v**2 / (len(part) - 1) for v, part in zip(variances, parts, strict=True))
    reach = float(special.stdtrit(df, 0.5 + level / 2)) * math.sqrt(whole)
    return diff, diff - reach, diff + reach
