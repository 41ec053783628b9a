"""Pairs that stand out, and the strongest of them while all are counted. Not for: counting them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.corpus.protocol import Ints

Floats = NDArray[np.float64]

ALPHA = 0.05  # false-discovery rate below which a pair counts as found


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs that stand out: items, joint counts in the first half and in all, and p.

    Attributes
    ----------
    left, right : int64[P]
        Items.
    half, both : int64[P]
        Rows of the first half, and of all, that have both.
    npmi : float64[P]
        Against the expectation within strata.
    p, p_half : float64[P]
        Two-sided, on all rows and on the first half.
    """

    left: Ints
    right: Ints
    half: Ints
    both: Ints
    npmi: Floats
    p: Floats
    p_half: Floats

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.left)

    def take(self, which: NDArray[np.bool_] | Ints) -> Pairs:
        """Return some of them."""
        return Pairs(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    @classmethod
    def join(cls, parts: list[Pairs]) -> Pairs:
        """Put several one after the other."""
        if not parts:
            ints, floats = np.empty(0, np.int64), np.empty(0)
            return cls(ints, ints, ints, ints, floats, floats, floats)
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.__dataclass_fields__))


class Pool:
    """The strongest pairs so far, of those more and of those less often than by chance.

    What is held depends on the order in which pairs are added.

    Parameters
    ----------
    p : PHistogram
        Of all pairs so far, those added and the others.
    keep : int
        Pairs held of each kind.
    tests : int
        Pairs there are.

    Attributes
    ----------
    gone : float
        The smallest p that was dropped.
    share : float
        Share of the work that is done.
    """

    def __init__(self, p: stats.PHistogram, keep: int, tests: int) -> None:
        self._p, self._keep, self._tests = p, keep, tests
        self._held: list[list[Pairs]] = [[], []]
        self._size = [0, 0]
        self.gone = 1.0
        self.share = 0.0

    def add(self, pairs: Pairs) -> None:
        """Add pairs; drop the weakest when there are twice as many as are kept."""
        for kind, which in enumerate((pairs.npmi >= 0, pairs.npmi < 0)):
            part = pairs.take(which)
            self._held[kind].append(part)
            self._size[kind] += len(part)
            if self._size[kind] > 2 * self._keep:
                self._prune(kind)

    def finish(self) -> Pairs:
        """Return what is held at the end."""
        self.share = 1.0
        for kind in (0, 1):
            if self._size[kind] > self._keep:
                self._prune(kind)
        return Pairs.join([part for held in self._held for part in held])

    def _prune(self, kind: int) -> None:
        """Drop what cannot be significant, then the weakest.

        The largest significant p grows with what is found: extrapolate it from the share of the work done,
        and allow for twice that.
        """
        pairs = Pairs.join(self._held[kind])
        tests = self._tests * max(self.share, 0.01) / (2 if self.share < 1 else 1)
        _, reach = self._p.found(ALPHA, max(int(tests), 1))
        kept = pairs.p <= max(reach, ALPHA / self._tests)
        self.gone = min(self.gone, float(pairs.p[~kept].min(initial=1.0)))
        pairs = pairs.take(kept)
        if len(pairs) > self._keep:
            strength = np.abs(pairs.npmi)
            order = np.lexsort((pairs.right, pairs.left, -strength))
            self.gone = min(self.gone, float(pairs.p[order[self._keep :]].min()))
            pairs = pairs.take(order[: self._keep])
        self._held[kind], self._size[kind] = [pairs], len(pairs)
