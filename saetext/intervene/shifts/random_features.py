"""Random features moved as far as a shift moves its own: what a shift is held against.

Not for: what either does to answers or texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_TURNS, _CLOSE = 6, 0.01  # tries at equal length, and how close is close enough


def drawn(delta: Floats, seed: Sequence[int]) -> Floats:
    """Return a shift of as many random features, none of its own, by the same sizes in another order.

    Parameters
    ----------
    delta : float32[d_sae]
    seed : sequence of int
    """
    draw = np.random.default_rng(list(seed))
    there = np.flatnonzero(delta)
    made = np.zeros_like(delta)
    others = np.setdiff1d(np.arange(len(delta)), there)
    made[draw.permutation(others)[: len(there)]] = delta[draw.permutation(there)[: len(others)]]
    return made


def as_far(length: Callable[[float], float], goal: float) -> float:
    """Return the factor at which a shift goes as far as another.

    What is taken from a feature ends at 0, so that lengths are not proportional to the factor.

    Parameters
    ----------
    length : callable
        How far the shift goes at a factor.
    goal : float
        How far the other goes.

    Examples
    --------
    >>> from saetext.intervene.shifts.random_features import as_far
    >>> as_far(lambda factor: 2 * factor, 3.0)
    1.5
    """
    factor = 1.0
    for _ in range(_TURNS):
        now = length(factor)
        if not now or abs(now / max(goal, 1e-12) - 1) < _CLOSE:
            break
        factor *= goal / now
    return factor
