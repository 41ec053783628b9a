"""How much evidence a pair has: the end of its interval that is nearest to chance, less if not confirmed.

By this both lists are ordered: pairs in plain words by phi, pairs of features by NPMI. Not for: what is
significant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext import stats

Floats = NDArray[np.float64]

#: How much evidence counts that the held-out half did not confirm.
UNCONFIRMED = 0.85
#: Level of the interval, two-sided: five common rows are little evidence however seldom chance has them.
LEVEL = 0.99


def least_npmi(both: NDArray[Any], expected: NDArray[Any], n: int) -> Floats:
    """Return float64[P]: the end of NPMI's 99 % interval that is nearest to chance.

    The number of rows with both counts as a Poisson count ``O`` with a score interval, whose ends are
    ``O + z²/2 ± z * sqrt(O + z²/4)`` (Barker, Am. Stat. 56:85, 2002). So ten rows of twelve rank below sixty
    of seventy. It is positive for what occurs together more often than by chance, negative for less often;
    where the interval covers chance, the sign is turned.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.analysis.cooccurrence.evidence import least_npmi
    >>> least_npmi(np.array([10, 60, 1]), np.array([1.0, 10.0, 12.0]), 400).round(2)
    array([ 0.41,  0.77, -0.09])
    """
    z = stats.normal_quantile(LEVEL)
    middle, half = both + z * z / 2, z * np.sqrt(both + z * z / 4)
    more = both >= expected
    end = np.where(more, middle - half, middle + half)
    # as by NPMI itself: what the count is, or for less than chance, what it may at most be
    scale = -np.log(np.where(more, np.maximum(both, 1), np.minimum(end, n - 0.5)) / n)
    return np.asarray(np.log(end / np.maximum(expected, 1e-9)) / np.maximum(scale, 1e-9))


def least_phi(
    both: NDArray[Any], expected: NDArray[Any], n_a: NDArray[Any], n_b: NDArray[Any], n: int
) -> Floats:
    """Return float64[P]: the end of phi's 99 % interval that is nearest to chance, of what is above chance.

    Phi is the correlation of two presences, ``(both - expected) / sqrt(n_a (1 - n_a/n) n_b (1 - n_b/n))``;
    the interval is that of :func:`least_npmi`. NPMI is as large for five rows as for fifty that are always
    together, and its bound still ranks a pair of rare words before a habit that thirty rows share with
    another. This bound asks for both, many rows and few without the other.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.analysis.cooccurrence.evidence import least_phi
    >>> both, expected = np.array([5, 30]), np.array([0.3, 9.0])
    >>> least_phi(both, expected, np.array([9, 60]), np.array([14, 60]), 400).round(2)
    array([0.13, 0.19])
    """
    z = stats.normal_quantile(LEVEL)
    low = both + z * z / 2 - z * np.sqrt(both + z * z / 4)
    spread = np.sqrt(n_a * (1 - n_a / n) * n_b * (1 - n_b / n))
    return np.asarray((low - expected) / np.maximum(spread, 1e-9))


def least_rho(rho: Floats, n: int) -> Floats:
    """Return float64[P]: the end of a rank correlation's interval nearest to 0, by Fisher's z (99 %).

    The standard error is ``sqrt(1.06 / (n - 3))`` (Fieller, Hartley and Pearson, Biometrika 44:470, 1957).
    """
    bound = np.arctanh(np.clip(np.abs(rho), 0, 1 - 1e-12)) - stats.normal_quantile(LEVEL) * np.sqrt(
        1.06 / max(n - 3, 1)
    )
    return np.asarray(np.sign(rho) * np.tanh(bound))


def weight_of(confirmed: NDArray[Any]) -> Floats:
    """Return float64[P]: 1 where the held-out half confirmed a pair, .85 elsewhere."""
    return np.where(np.asarray(confirmed, bool), 1.0, UNCONFIRMED)
