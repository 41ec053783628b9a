"""Counts of items in strata of rows, and what they say of the joint count of a pair by chance.

Few strata are held as a table, many (one for each prompt) as a sparse matrix. Not for: making strata
(:mod:`saetext.strata`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saetext.correlate.items import Items
from saetext.protocols import Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FEW = 256  # strata up to which a table is held

Floats = NDArray[np.float64]
Counted = tuple[Ints, NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Strata:
    """The stratum of each row of some range of rows.

    Attributes
    ----------
    code : int32[n_rows]
        Stratum of each row, from 0.
    first, last : int
        The rows that count.
    few : bool
        Whether item counts are held as a table.
    """

    code: NDArray[np.int32]
    first: int
    last: int
    few: bool

    @classmethod
    def of(cls, code: NDArray[np.int32]) -> Strata:
        """Return the strata of all rows."""
        return cls(code, 0, len(code), int(code.max(initial=0)) < FEW)

    def part(self, first: int, last: int) -> Strata:
        """Return the strata of the rows ``first:last``."""
        return Strata(self.code, first, last, self.few)

    @cached_property
    def size(self) -> Floats:
        """float64[S]: rows of each stratum."""
        counts = np.bincount(self.code[self.first : self.last], minlength=int(self.code.max(initial=0)) + 1)
        return counts.astype(np.float64)

    @cached_property
    def once(self) -> Floats:
        """float64[S]: 1 / n, 0 for empty strata."""
        return np.divide(1.0, self.size, out=np.zeros(len(self.size)), where=self.size > 0)

    @cached_property
    def twice(self) -> Floats:
        """float64[S]: 1 / (n² (n - 1)), 0 for strata of fewer than two rows."""
        n = self.size
        return np.divide(1.0, n * n * (n - 1), out=np.zeros(len(n)), where=n > 1)

    def counts(self, items: Items) -> StrataCounts:
        """Count the rows of each item in each stratum."""
        if self.few:
            from saetext.stats import pair_kernels

            table = np.zeros((len(items), len(self.size)), np.float32)
            indptr, row = items.indptr, items.row
            if (self.first, self.last) != (0, len(self.code)):
                inside = (row >= self.first) & (row < self.last)
                upto = np.concatenate([[0], np.cumsum(inside)])
                indptr, row = upto[indptr].astype(np.int64), row[inside]
            pair_kernels.count_strata(indptr, row, self.code, table)
            return StrataCounts(self, table, None)
        from scipy import sparse

        inside = (items.row >= self.first) & (items.row < self.last)
        owner = np.repeat(np.arange(len(items), dtype=np.int32), items.n)[inside]
        stratum = self.code[items.row[inside]]
        ones = np.ones(len(owner), np.float32)
        matrix = sparse.csr_matrix((ones, (owner, stratum)), shape=(len(items), len(self.size)))
        matrix.sort_indices()
        return StrataCounts(self, None, matrix)


class Moments(NamedTuple):
    """Of the joint counts of P pairs by chance, float64[P] each; ``most`` is the largest they could be."""

    mean: Floats
    variance: Floats
    most: Floats


@dataclass(frozen=True, eq=False)
class StrataCounts:
    """Rows of each item in each stratum: a table float32[I, S], or a sparse matrix of that shape."""

    strata: Strata
    table: NDArray[np.float32] | None
    matrix: csr_matrix | None

    @property
    def largest_rate(self) -> NDArray[np.float32]:
        """float32[I]: the largest share of a stratum's rows that have the item."""
        if self.table is not None:
            return (self.table * self.strata.once.astype(np.float32)).max(1, initial=0)
        assert self.matrix is not None
        rates = self.matrix.multiply(self.strata.once[None, :])
        return np.asarray(rates.max(axis=1).todense(), np.float32).ravel()

    def of(self, item: int) -> Ints:
        """int64[S]: the rows of one item in each stratum."""
        if self.table is not None:
            return self.table[item].astype(np.int64)
        assert self.matrix is not None
        return np.asarray(self.matrix[[item]].todense()).ravel().astype(np.int64)

    def moments(self, mine: Ints, other: StrataCounts, theirs: Ints) -> Moments:
        """Return the moments of pairs of items ``mine`` here and ``theirs`` there."""
        parts = [
            self._moments(mine[start : start + 8192], other, theirs[start : start + 8192])
            for start in range(0, len(mine), 8192)
        ]
        if not parts:
            return Moments(np.empty(0), np.empty(0), np.empty(0))
        return Moments(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _moments(self, mine: Ints, other: StrataCounts, theirs: Ints) -> Moments:
        n, once, twice = self.strata.size, self.strata.once, self.strata.twice
        if self.table is not None and other.table is not None:
            a, b = self.table[mine].astype(np.float64), other.table[theirs].astype(np.float64)
            mean = (a * b) @ once
            variance = (a * (n - a) * b * (n - b)) @ twice
            return Moments(mean, variance, np.minimum(a, b).sum(1, dtype=np.float64))
        assert self.matrix is not None
        assert other.matrix is not None
        left, right = self.matrix[mine].astype(np.float64), other.matrix[theirs].astype(np.float64)
        both = left.multiply(right).tocsr()
        mean = both @ once
        # x (n - x) y (n - y) = n² xy - n x²y - n xy² + x²y²
        square = both.multiply(left) + both.multiply(right)
        variance = both @ (n * n * twice) - square @ (n * twice) + both.power(2) @ twice
        most = np.asarray(left.minimum(right).sum(1), np.float64).ravel()
        return Moments(mean, variance, most)

    def by_item(self) -> Counted:
        """Return (indptr, stratum, count) item by item."""
        assert self.matrix is not None
        return _arrays(self.matrix)

    def by_stratum(self) -> Counted:
        """Return (indptr, item, count) stratum by stratum."""
        assert self.matrix is not None
        return _arrays(self.matrix.T.tocsr())


def _arrays(matrix: csr_matrix) -> Counted:
    matrix.sort_indices()
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32)
