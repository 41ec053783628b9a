"""Items, and the rows that have them: features of a corpus, or values of a column, most frequent first.

Not for: which rows there are (:mod:`saetext.analysis.cooccurrence.rows`) or what is counted on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.rows import PooledRows
from saetext.io.progress import Count, nobody

Array = Callable[[int, DTypeLike], NDArray[Any]]  # makes one that is not set to anything, where there is room


@dataclass(frozen=True, eq=False)
class Stored:
    """The features of every document of a corpus, read block by block: all may not fit in memory."""

    corpus: CorpusLike
    sae: str
    d_sae: int

    @classmethod
    def of(cls, corpus: CorpusLike, sae: str) -> Stored:
        """Return those of a corpus."""
        return cls(corpus, sae, corpus.spec.sae(sae).d_sae)

    def blocks(self, take: Ints, count: Count = nobody) -> Iterator[tuple[PooledRows, Ints, Ints]]:
        """Yield blocks of documents with the rows that they are; row ``r`` is document ``take[r]``.

        ``count`` gets how many documents are done, and of how many.

        Yields
        ------
        block : PooledRows
            The documents.
        indptr, row : int64 arrays
            Those of document ``d`` of the block are ``row[indptr[d]:indptr[d + 1]]``, ascending.
        """
        order = np.argsort(take, kind="stable")
        documents = take[order]
        start = 0
        for block in self.corpus.rows(self.sae):
            indptr = np.searchsorted(documents, np.arange(start, start + len(block) + 1))
            start += len(block)
            yield block, indptr, order
            count(start, self.corpus.n_documents)


@dataclass(frozen=True, eq=False)
class Items:
    """Item-major presence: the rows of item ``i`` are ``row[indptr[i]:indptr[i + 1]]``, ascending.

    Attributes
    ----------
    name : int64[I]
        Which feature, or number of the value, each item is; the most frequent first.
    indptr : int64[I + 1]
        Where each one's rows lie.
    row : int32[E]
        Rows.
    array : callable
        Makes large arrays of what is derived from them.
    """

    name: Ints
    indptr: Ints
    row: NDArray[np.int32]
    array: Array = np.empty

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.name)

    @property
    def n(self) -> Ints:
        """int64[I]: rows that have each item."""
        return np.diff(self.indptr)

    def rows(self, item: int) -> NDArray[np.int32]:
        """Return the rows of an item."""
        return self.row[self.indptr[item] : self.indptr[item + 1]]

    def picked(self, which: NDArray[np.bool_]) -> Items:
        """Return some of the items, in their order."""
        if which.all():
            return self
        parts = [self.rows(i) for i in np.flatnonzero(which).tolist()]
        lengths = np.cumsum([0, *(len(p) for p in parts)], dtype=np.int64)
        row = self.array(int(lengths[-1]), np.int32)
        if parts:
            np.concatenate(parts, out=row)
        return Items(self.name[which], lengths, row, self.array)

    def by_row(self, n_rows: int) -> tuple[Ints, NDArray[np.int32]]:
        """Return the items of each row, ascending: (indptr, item)."""
        from saetext.stats import pair_kernels

        indptr = np.zeros(n_rows + 1, np.int64)
        pair_kernels.count_rows(self.row, indptr[1:])
        np.cumsum(indptr, out=indptr)
        item = self.array(len(self.row), np.int32)
        pair_kernels.by_row(self.indptr, self.row, indptr[:-1].copy(), item)
        return indptr, item


def feature_items(
    stored: Stored,
    take: Ints,
    least: int,
    only: NDArray[np.bool_] | None = None,
    array: Array = np.empty,
    counts: tuple[Count, Count] = (nobody, nobody),
) -> tuple[Items, int, int]:
    """Make items of the features that enough rows have, and not all.

    Parameters
    ----------
    stored : Stored
        The corpus.
    take : int64[n_rows]
        Document of the corpus that each row is.
    least : int
        Rows that must have a feature.
    only : bool[d_sae], optional
        Features to choose from.
    array : callable
        Makes large arrays.
    counts : tuple of callable
        Get how many documents have been counted, and sorted by feature, and of how many.

    Returns
    -------
    items : Items
    rare, always : int
        How many features fewer rows have (though some), and how many every row has.
    """
    from saetext.stats import pair_kernels

    having = np.zeros(stored.d_sae, np.int64)
    for block, rows_ptr, _ in stored.blocks(take, counts[0]):
        times = np.diff(rows_ptr)
        if len(times) and times.max() == times.min() == 1:
            having += np.bincount(block.feature, minlength=stored.d_sae)
        else:
            weight = np.repeat(times, np.diff(block.indptr))
            found = np.bincount(block.feature, weights=weight, minlength=stored.d_sae)
            having += found.astype(np.int64)
    if only is not None:
        having = np.where(only, having, 0)
    good = (having >= least) & (having < len(take))
    names = np.flatnonzero(good)
    names = names[np.argsort(-having[names], kind="stable")]
    slot = np.full(stored.d_sae, -1, np.int32)
    slot[names] = np.arange(len(names), dtype=np.int32)
    indptr = np.concatenate([[0], np.cumsum(having[names])]).astype(np.int64)
    row = array(int(indptr[-1]), np.int32)
    fill = indptr[:-1].copy()
    for block, rows_ptr, rows in stored.blocks(take, counts[1]):
        pair_kernels.by_item(block.indptr, block.feature, slot, rows_ptr, rows, fill, row)
    if (np.diff(take) < 0).any():  # documents come in another order than rows
        for i in range(len(names)):
            row[indptr[i] : indptr[i + 1]].sort()
    always = int((having == len(take)).sum()) if len(take) else 0
    return Items(names, indptr, row, array), int(((having > 0) & (having < least)).sum()), always


def value_items(code: NDArray[np.int64], least: int) -> Items:
    """Make items of the values of a column: ``code[r]`` is the value of row ``r``, -1 for none."""
    counts = np.bincount(code[code >= 0], minlength=int(code.max(initial=-1)) + 1)
    names = np.flatnonzero((counts >= least) & (counts < len(code)))
    names = names[np.argsort(-counts[names], kind="stable")]
    parts = [np.flatnonzero(code == name).astype(np.int32) for name in names]
    indptr = np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int64)
    return Items(names, indptr, np.concatenate(parts) if parts else np.empty(0, np.int32))
