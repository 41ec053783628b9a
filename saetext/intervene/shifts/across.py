"""Every group's shift against every group's answers, and whether a shift is best for its own group.

Not for: making the table's answers.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_MOST_EXACT = 40_320  # permutations that are all gone through: 8 groups
_DRAWS = 10_000
_TIE = 1e-9


class Diagonal(NamedTuple):
    """What a table of groups by groups says.

    ``own`` is the mean of the diagonal, ``other`` that of the rest, ``best`` the number of columns whose
    largest value is on the diagonal, ``p`` the share of permutations of the group names with a sum on the
    diagonal at least as large, and ``least`` the smallest that p can be.
    """

    own: float
    other: float
    best: int
    p: float
    least: float


def diagonal(table: NDArray[np.float64], seed: int = 0) -> Diagonal:
    """Return whether shifts fit their own groups better than others, by permuting the groups' names.

    Every permutation has each shift and each group once, so that neither a shift that is good for all nor a
    group that is easy for all counts. Exact up to 8 groups, else of 10,000 draws.

    Parameters
    ----------
    table : float[groups, groups]
        Alignment of the answers under each shift (rows) with each group (columns).

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.intervene.shifts.across import diagonal
    >>> found = diagonal(np.eye(4))
    >>> found.best, round(found.p, 3)
    (4, 0.042)
    """
    n = len(table)
    columns = np.arange(n)
    own = float(np.trace(table))
    limit = own - _TIE * max(1.0, float(np.abs(table).sum()))
    if math.factorial(n) <= _MOST_EXACT:
        sums = [float(table[list(order), columns].sum()) for order in itertools.permutations(range(n))]
        p, least = float((np.array(sums) >= limit).mean()), 1 / len(sums)
    else:
        draw = np.random.default_rng(seed)
        at_least = sum(float(table[draw.permutation(n), columns].sum()) >= limit for _ in range(_DRAWS))
        p, least = (1 + at_least) / (1 + _DRAWS), 1 / (1 + _DRAWS)
    others = (float(table.sum()) - own) / max(n * n - n, 1)
    rest = np.where(np.eye(n, dtype=bool), -np.inf, table)
    best = int((np.diagonal(table) > rest.max(axis=0)).sum())
    return Diagonal(own / n, others, best, p, least)


def overlap(one: NDArray[np.floating], other: NDArray[np.floating]) -> tuple[float, float]:
    """Return how alike two shifts are: Jaccard of the features they move, and their cosine; 0 of nothing.

    A feature that is moved up by one and down by the other counts for neither.
    """
    either = (one != 0) | (other != 0)
    same = (one * other > 0).sum()
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return (
        float(same / either.sum()) if either.any() else 0.0,
        float(np.dot(one, other) / lengths) if lengths else 0.0,
    )
