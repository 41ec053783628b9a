"""Where the two items of a pair are in the documents that have both. Not for: the words there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.items import Items
from saetext.corpus.protocol import CorpusLike, Ints

REACH = 2  # tokens between two peaks of one phrase, at most
BEST = 3  # rows kept of each pair


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


def place(corpus: CorpusLike, sae: str, items: Items, take: Ints) -> Placed:
    """Read strengths and peaks of features from a corpus; row ``r`` is its document ``take[r]``."""
    from saetext.stats import kept_kernels

    slot = np.full(corpus.spec.sae(sae).d_sae, -1, np.int32)
    slot[items.name] = np.arange(len(items), dtype=np.int32)
    lengths, parts = [np.zeros(1, np.int64)], []
    for block in corpus.rows(sae):
        found = slot[block.feature]
        keep = found >= 0
        upto = np.concatenate([[0], np.cumsum(keep)])
        lengths.append(np.diff(upto[block.indptr]))
        parts.append((found[keep], block.value[keep], block.peak[keep]))
    stored = np.cumsum(np.concatenate(lengths))
    empty = (np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int32))
    item, value, peak = (np.concatenate(column) for column in zip(*(parts or [empty]), strict=True))
    strength, where = np.empty(len(items.row), np.float32), np.empty(len(items.row), np.int32)
    kept_kernels.fill_entries(
        stored, item, value, peak.astype(np.int32), take, items.indptr[:-1].copy(), strength, where
    )
    return Placed(items, strength, where)


def meetings(left: Placed, right: Placed, mine: Ints, theirs: Ints) -> Meetings:
    """Walk the rows that pairs have in common; ``mine`` and ``theirs`` are items of the two."""
    from saetext.stats import kept_kernels

    close = np.zeros(len(mine), np.int64)
    best = np.full((len(mine), BEST), -1, np.int64)
    score = np.zeros((len(mine), BEST), np.float32)
    tops = []
    for placed in (left, right):
        top = np.zeros(len(placed.items), np.float32)
        owner = np.repeat(np.arange(len(placed.items)), placed.items.n)
        np.maximum.at(top, owner, placed.value)
        tops.append(np.maximum(top, np.float32(1e-30)))
    kept_kernels.meet(
        mine, theirs, left.items.indptr, left.items.row, left.value, left.peak, right.items.indptr,
        right.items.row, right.value, right.peak, tops[0], tops[1], REACH, close, best, score,
    )  # fmt: skip
    return Meetings(close, best)
