"""The null check: what is found when the labels of the two sets are shuffled.

Not for: p-values; those come from the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.differences.design import Design
from saetext.analysis.differences.entries import Entries
from saetext.analysis.differences.result import NullCheck
from saetext.analysis.differences.testing import (
    ALPHA,
    Floats,
    Sums,
    count_only,
    on_both_halves,
    p_values,
    same_sign,
)

_KEPT = 64_000_000  # bytes of what is kept of features until their last part
_FEATURE = 25  # of each, for one shuffle: three p and a sign


def shuffled(design: Design, rng: np.random.Generator) -> Design:
    """Return the design with shuffled sides: within pairs and prompts, between groups, or at random.

    Halves keep their share of each side.
    """
    side = design.side.copy()
    if design.kind == "paired":
        swap = rng.random(design.n_units) < 0.5
        live = side >= 0
        side[live] ^= swap[design.unit[live]].astype(np.int8)
    elif design.kind == "by prompt":
        rows = np.flatnonzero(side >= 0)
        # a random order of the rows of each unit, for the labels of those rows in their own order
        here = rows[np.lexsort((rows, design.unit[rows]))]
        there = rows[np.lexsort((rng.random(len(rows)), design.unit[rows]))]
        side[here] = design.side[there]
    else:
        first = np.full(design.n_units, -1, np.int8)
        live = design.side >= 0
        first[design.unit[live]] = design.side[live]
        half = np.zeros(design.n_units, np.int8)
        half[design.unit[live]] = design.half[live]
        for number in (0, 1):
            mine = np.flatnonzero((first >= 0) & (half == number))
            first[mine] = first[rng.permutation(mine)]
        side[live] = first[design.unit[live]]
    return design.with_sides(side)


@dataclass(frozen=True)
class _Tested:
    """What decides about features: p on all rows and on each half, and whether the halves have one sign."""

    p: Floats
    halves: tuple[Floats, Floats] | None
    same: NDArray[np.bool_]

    @classmethod
    def of(cls, sums: Sums, design: Design) -> _Tested:
        halves = (p_values(sums, design, 0), p_values(sums, design, 1)) if design.split else None
        return cls(p_values(sums, design), halves, same_sign(sums, design))

    @classmethod
    def join(cls, parts: Sequence[_Tested]) -> _Tested:
        halves = [part.halves for part in parts if part.halves is not None]
        early, late = (np.concatenate([pair[half] for pair in halves]) if halves else None for half in (0, 1))
        p, same = (np.concatenate([getattr(part, name) for part in parts]) for name in ("p", "same"))
        return cls(p, None if early is None or late is None else (early, late), same)

    def found(self) -> tuple[int, int]:
        """Return how many features are significant, and how many are confirmed."""
        significant = int((stats.benjamini_hochberg(self.p) < ALPHA).sum())
        if self.halves is None:
            return significant, 0
        return significant, int(on_both_halves(*self.halves, self.same)[2].sum())


def null_check(
    parts: Callable[[], Iterable[Entries]],
    design: Design,
    n_features: int,
    times: int,
    seed: int,
    on_done: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> NullCheck:
    """Repeat the tests of a diff ``times`` times with shuffled labels.

    Where all features come in one part, each shuffle is judged at once. Else a few bytes of each feature are
    kept until its last part, of as many shuffles as fit into 64 MB, and the parts come again for the next.

    Parameters
    ----------
    parts : callable
        Gives the entries of all features, in parts of which each may fill the memory.
    design : Design
        The real one.
    n_features : int
        Of all parts.
    times, seed : int
        How often, and the seed of the shuffles.
    on_done : callable, optional
        Called with how many shuffles are done, and ``times``.
    threads : int, optional
        By default as many as there are processors.
    """
    found: list[tuple[int, int]] = []
    while len(found) < times:
        some = _some(parts, design, n_features, (len(found), times), seed, on_done, threads)
        if not some:  # no features
            break
        found += some
    significant, confirmed = zip(*found, strict=True) if found else ((0,) * times, (0,) * times)
    return NullCheck(tuple(significant), tuple(confirmed))


def _some(
    parts: Callable[[], Iterable[Entries]],
    design: Design,
    n_features: int,
    which: tuple[int, int],
    seed: int,
    on_done: Callable[[int, int], None] | None,
    threads: int | None,
) -> list[tuple[int, int]]:
    """Return what the next shuffles find, from the first of ``which`` on: as many as one pass can do."""
    low, times = which
    kept: list[list[_Tested]] = []
    found: list[tuple[int, int]] = []

    def judge(tested: Sequence[_Tested]) -> None:
        found.append(_Tested.join(tested).found())
        if on_done is not None:
            on_done(low + len(found), times)

    def count(entries: Entries) -> None:
        whole = len(entries) == n_features
        high = times if whole else low + max(1, _KEPT // (_FEATURE * n_features))
        for number, other in enumerate(islice(_shuffles(design, times, seed), low, high)):
            tested = _Tested.of(count_only(entries, other, threads), other)
            if whole:
                judge([tested])
            else:
                kept.extend([] for _ in range(number + 1 - len(kept)))
                kept[number].append(tested)

    for _ in map(count, parts()):  # map keeps no part while the next one is made
        pass
    for each in kept:
        judge(each)
    return found


def _shuffles(design: Design, times: int, seed: int) -> Iterator[Design]:
    """Yield the same shuffled designs each time."""
    rng = np.random.default_rng(seed + 1)
    for _ in range(times):
        yield shuffled(design, rng)
