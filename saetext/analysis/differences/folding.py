"""Which descriptions of a difference say the same, and which of them says it most simply.

A description (a mark, a phrase, a feature, a theme) is folded under another if its difference goes away among
documents that are alike in the other. Not for: testing descriptions, or their names.

Documents count as independent: where they are paired, the intervals are too wide and less is folded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from saetext import stats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BLOCK = 4096  # documents whose descriptions are dense at once
SAME = 0.9  # share of the documents with either of two descriptions that have both, from which they are one
LEVEL = 0.95  # of the interval that must lie below half of a difference for it to have gone away


class Foldable(Protocol):
    """What :func:`fold` must know of C descriptions."""

    @property
    def diff(self) -> Floats:
        """float64[C]: the difference, or the effect, of each."""
        ...

    def left(self, given: int) -> tuple[Floats, Floats]:
        """Return what is left of each among documents alike in one, and its upper end."""
        ...

    def common(self, given: int) -> Floats:
        """float64[C]: of the documents with either description, the share that has both (Jaccard)."""
        ...

    def alongside(self, given: int) -> NDArray[np.bool_]:
        """bool[C]: which can stand for the description: present more often where it is."""
        ...


@dataclass(frozen=True, eq=False)
class Together:
    """How often descriptions are present, alone and two at a time, on each side.

    Attributes
    ----------
    n : (int, int)
        Documents of each side.
    one : float64[2, C]
        Those that have each description.
    two : float64[2, C, C]
        Those that have both of two.
    """

    n: tuple[int, int]
    one: Floats
    two: Floats

    @classmethod
    def count(cls, present: csr_matrix, side: NDArray[np.int8]) -> Together:
        """Count a matrix of documents x descriptions (above 0 where present), 0 for A and 1 for B."""
        parts = []
        for s in (0, 1):
            rows = np.flatnonzero(side == s)
            both = np.zeros((present.shape[1], present.shape[1]))
            # descriptions are frequent: products of dense blocks are many times faster than sparse ones
            for start in range(0, len(rows), _BLOCK):
                has = (present[rows[start : start + _BLOCK]].toarray() > 0).astype(np.float32)
                both += has.T @ has  # counts below 2**24 are exact
            parts.append(both)
        two = np.stack(parts)
        n = int((side == 0).sum()), int((side == 1).sum())
        return cls(n, np.stack([np.diagonal(part) for part in two]), two)

    @property
    def diff(self) -> Floats:
        """float64[C]: share of A less share of B."""
        found: Floats = self.one[0] / max(self.n[0], 1) - self.one[1] / max(self.n[1], 1)
        return found

    def left(self, given: int) -> tuple[Floats, Floats]:
        """Return what is left of each difference among documents alike in one; see :func:`remaining`."""
        return remaining(self, given)

    def common(self, given: int) -> Floats:
        """float64[C]: of the documents with either description, the share that has both (Jaccard)."""
        one, two = self.one.sum(0), self.two[:, given].sum(0)
        either = one + one[given] - two
        return np.divide(two, either, out=np.zeros(len(one)), where=either > 0)

    def alongside(self, given: int) -> NDArray[np.bool_]:
        """bool[C]: which are present more often where the description is, of both sides together.

        Without that, two descriptions of opposite sides could stand in for each other.
        """
        n = float(sum(self.n))
        one, two = self.one.sum(0), self.two[:, given].sum(0)
        with_it, expected = self.one[:, given].sum(), self.one[:, given].sum() * one / max(n, 1.0)
        found: NDArray[np.bool_] = (two > expected) & (with_it > 0)
        return found


def remaining(together: Together, given: int) -> tuple[Floats, Floats]:
    """Return what is left of each difference among documents alike in one description.

    The Mantel-Haenszel risk difference over two strata, with and without it, and the upper end of its
    interval in the direction of the raw difference (Greenland and Robins, Biometrics 41:55, 1985; shares
    within strata take one more document with and without in the variance, as Agresti and Caffo do, so that
    few documents are not certain ones).

    Parameters
    ----------
    together : Together
        Counts.
    given : int
        The description whose documents are alike.

    Returns
    -------
    left, upper : float64[C]
        Difference that is left, and the upper end of its interval, both counted in the direction of the raw
        difference; infinite where no stratum holds both sides.
    """
    sign = np.where(together.diff < 0, -1.0, 1.0)
    total, weight_sum, variance = (np.zeros(len(sign)) for _ in range(3))
    for has in (True, False):
        n = [together.one[s, given] if has else together.n[s] - together.one[s, given] for s in (0, 1)]
        if min(n) <= 0:
            continue
        x = [together.two[s, given] if has else together.one[s] - together.two[s, given] for s in (0, 1)]
        weight = n[0] * n[1] / (n[0] + n[1])
        share = [x[s] / n[s] for s in (0, 1)]
        near = [(x[s] + 1) / (n[s] + 2) for s in (0, 1)]
        total += weight * (share[0] - share[1])
        variance += weight**2 * sum(near[s] * (1 - near[s]) / n[s] for s in (0, 1))
        weight_sum += weight
    if not weight_sum.any():
        nothing = np.full(len(sign), np.inf)
        return nothing, nothing.copy()
    left = sign * total / weight_sum
    return left, left + stats.normal_quantile(LEVEL) * np.sqrt(variance) / weight_sum


def fold(together: Foldable, strength: Floats) -> Ints:
    """Return int64[C]: the description that leads each one, itself where it stands alone.

    The strongest leads. Each next one goes under the leader that leaves least of it, if there is one given
    which its difference goes away: the interval of what is left lies below half of it. So does one that
    nearly the same documents have: what tells the sets apart perfectly has no documents of both sides that
    are alike in it.

    Parameters
    ----------
    together : Foldable
        Counts.
    strength : float64[C]
        By what descriptions are ranked: the size of their difference, more for simple ones.
    """
    size = np.abs(together.diff)
    leader = np.full(len(size), -1, np.int64)
    least, best = np.full(len(size), np.inf), np.full(len(size), -1, np.int64)
    for at in np.lexsort((np.arange(len(size)), -strength)).tolist():
        if best[at] >= 0:
            leader[at] = best[at]
            continue
        leader[at] = at
        _, upper = together.left(at)
        share = np.divide(upper, size, out=np.full(len(size), np.inf), where=size > 0)
        apart = 1 - together.common(at)
        share = np.minimum(share, np.where(apart <= 1 - SAME, apart, np.inf))
        goes = (share < 0.5) & (share < least) & together.alongside(at)
        least[goes], best[goes] = share[goes], at
    return leader
