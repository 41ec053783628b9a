"""Where the two items of a pair are in the documents that have both. Not for: the words there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.items import Items, Stored
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.io.progress import Count, nobody
from saetext.io.shelf import Shelf, roomy

REACH = 2  # tokens between two peaks of one phrase, at most
BEST = 3  # rows kept of each pair
_AT_ONCE = 256  # pairs that are walked before it is told
_IN_MEMORY = 20_000_000  # entries, of which strength and peak are in memory


@dataclass(frozen=True, eq=False)
class Placed:
    """Items with the strength and the peak of each entry, beside their rows."""

    items: Items
    value: NDArray[np.float32]
    peak: NDArray[np.int32]

    def at(self, item: int, row: int) -> tuple[float, int]:
        """Return the strength and the peak of an item in a row, 0 and -1 where it is absent."""
        rows = self.items.rows(item)
        place = int(np.searchsorted(rows, row))
        if place == len(rows) or rows[place] != row:
            return 0.0, -1
        start = int(self.items.indptr[item])
        return float(self.value[start + place]), int(self.peak[start + place])

    def strongest(self, item: int) -> int:
        """Return the row in which an item is strongest."""
        low, high = self.items.indptr[item], self.items.indptr[item + 1]
        return int(self.items.row[low + int(np.argmax(self.value[low:high]))])


@dataclass(frozen=True, eq=False)
class Meetings:
    """Of P pairs: how many rows have both within one phrase, and the best rows to show; -1 for none."""

    close: Ints
    rows: Ints  # [P, BEST]


def place(
    corpus: CorpusLike,
    sae: str,
    items: Items,
    take: Ints,
    shelf: Shelf | None = None,
    count: Count = nobody,
) -> Placed:
    """Read strengths and peaks of features from a corpus; row ``r`` is its document ``take[r]``.

    They lie on the shelf: in a file if they are many, or if memory is short. ``count`` gets how many
    documents are done, and of how many.
    """
    from saetext.stats import kept_kernels

    slot = np.full(corpus.spec.sae(sae).d_sae, -1, np.int32)
    slot[items.name] = np.arange(len(items), dtype=np.int32)
    n, shelf = len(items.row), shelf or roomy()
    strength, where = shelf.array(n, np.float32, _IN_MEMORY), shelf.array(n, np.int32, _IN_MEMORY)
    down = np.flatnonzero(np.diff(take) < 0)
    split = int(down[0]) + 1 if len(down) else len(take)
    hint = np.repeat(items.indptr[:-1, None], 2, axis=1)
    for block, rows_ptr, rows in Stored.of(corpus, sae).blocks(take, count):
        kept_kernels.fill_entries(
            block.indptr, block.feature, block.value, block.peak, slot, rows_ptr, rows, split, items.indptr,
            items.row, hint, strength, where,
        )  # fmt: skip
    return Placed(items, strength, where)


def meetings(left: Placed, right: Placed, mine: Ints, theirs: Ints, count: Count = nobody) -> Meetings:
    """Walk the rows that pairs have in common; ``mine`` and ``theirs`` are items of the two.

    ``count`` gets how many pairs are done, and of how many.
    """
    from saetext.stats import kept_kernels

    close = np.zeros(len(mine), np.int64)
    best = np.full((len(mine), BEST), -1, np.int64)
    score = np.zeros((len(mine), BEST), np.float32)
    tops = []
    for placed in (left, right):
        ends = placed.items.indptr.tolist()
        top = [placed.value[a:b].max(initial=1e-30) for a, b in pairwise(ends)]
        tops.append(np.array(top, np.float32))
    for start in range(0, len(mine), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        kept_kernels.meet(
            mine[part], theirs[part], left.items.indptr, left.items.row, left.value, left.peak,
            right.items.indptr, right.items.row, right.value, right.peak, tops[0], tops[1], REACH,
            close[part], best[part], score[part],
        )  # fmt: skip
        count(min(start + _AT_ONCE, len(mine)), len(mine))
    return Meetings(close, best)
