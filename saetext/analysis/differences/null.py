"""The null check: what is found when the labels of the two sets are shuffled.

Not for: p-values; those come from the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from saetext import stats
from saetext.analysis.differences.design import Design
from saetext.analysis.differences.entries import Entries
from saetext.analysis.differences.result import NullCheck
from saetext.analysis.differences.testing import ALPHA, Sums, confirmation, count_only, p_values


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


def null_check(
    parts: Callable[[], Iterable[Entries]],
    design: Design,
    times: int,
    seed: int,
    on_done: Callable[[int, int], None] | None = None,
) -> NullCheck:
    """Repeat the tests of a diff ``times`` times with shuffled labels.

    Parts of the entries come one after the other, and each is shuffled in the same ways: what is counted is
    small, and a part may fill the memory.
    """
    counted: list[list[Sums]] = [[] for _ in range(times)]

    def count(entries: Entries) -> None:
        for number, other in enumerate(_shuffles(design, times, seed)):
            counted[number].append(count_only(entries, other))
            if on_done is not None:
                on_done(number + 1, times)

    for _ in map(count, parts()):  # map keeps no part while the next one is made
        pass
    if not all(counted):
        return NullCheck((0,) * times, (0,) * times)
    significant, confirmed = [], []
    for each, other in zip(counted, _shuffles(design, times, seed), strict=True):
        sums = Sums.join(each)
        significant.append(int((stats.benjamini_hochberg(p_values(sums, other)) < ALPHA).sum()))
        confirmed.append(int(confirmation(sums, other)["confirmed"].sum()))
    return NullCheck(tuple(significant), tuple(confirmed))


def _shuffles(design: Design, times: int, seed: int) -> Iterator[Design]:
    """Yield the same shuffled designs each time."""
    rng = np.random.default_rng(seed + 1)
    for _ in range(times):
        yield shuffled(design, rng)
