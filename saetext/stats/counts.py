"""Counts as arrays, checked. Not for: statistics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # scipy.stats would take a second to import

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def as_counts(columns: tuple[ArrayLike, ...], at_most: list[tuple[int, int]]) -> tuple[Ints, ...]:
    """Broadcast counts to int64 and check them; ``at_most`` lists (part, whole) positions."""
    arrays = np.broadcast_arrays(*(np.asarray(column) for column in columns))
    counts = tuple(array.astype(np.int64) for array in arrays)
    for count, array in zip(counts, arrays, strict=True):
        if (count != array).any() or (count < 0).any():
            raise ValueError("counts must be whole numbers of at least 0")
    for part, whole in at_most:
        if (counts[part] > counts[whole]).any():
            raise ValueError("a count is larger than its total")
    return counts


def normal_quantile(level: float) -> float:
    """Return z such that a normal variable lies within -z and z with probability ``level``.

    Raises
    ------
    ValueError
        If ``level`` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not {level}")
    return float(special.ndtri(0.5 + level / 2))
