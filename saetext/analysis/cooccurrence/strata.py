"""Counts of items in strata of rows, and what they say of the joint count of a pair by chance.

Few strata are held as a table, many (one for each prompt) as a sparse matrix. Not for: making strata
(:mod:`saetext.corpus.strata`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.cooccurrence.items import Items
from saetext.corpus.protocol import Ints

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
            pair_kernels.count_strata(items.indptr, items.row, self.code, self.first, self.last, table)
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
    """Of the joint counts of P pairs by chance: mean, variance and third central moment, float64[P].

    ``most`` is float64[P, 4], how many rows each cell of the table (both, b alone, a alone, neither) could
    hold at most; ``n_a``, ``n_b`` the rows that have each, ``n`` all rows.
    """

    mean: Floats
    variance: Floats
    third: Floats
    most: Floats
    n_a: Floats
    n_b: Floats
    n: float

    @classmethod
    def of(cls, columns: Floats, n_a: Floats, n_b: Floats, n: float) -> Moments:
        """Read what the kernels write, float64[P, 7]."""
        apart = np.stack([np.zeros(len(n_a)), n_b, n_a, n - n_a - n_b], 1)
        mean, variance, third = columns[:, 0], columns[:, 1], columns[:, 2]
        return cls(mean, variance, third, columns[:, 3:] + apart, n_a, n_b, n)

    def p(self, together: NDArray[np.int64]) -> Floats:
        """Return two-sided p of joint counts, by the cell of the table that is expected to be rarest."""
        both = together.astype(np.float64)
        apart = np.stack([np.zeros(len(both)), self.n_b, self.n_a, self.n - self.n_a - self.n_b], 1)
        sign = np.array([1.0, -1.0, -1.0, 1.0])
        means, counts = apart + sign * self.mean[:, None], apart + sign * both[:, None]
        cell = np.argmin(means, axis=1)
        row = np.arange(len(both))
        return stats.joint_tail(
            counts[row, cell],
            np.maximum(means[row, cell], 0.0),
            self.variance,
            self.most[row, cell],
            sign[cell] * self.third,
        )

    def take(self, which: NDArray[Any]) -> Moments:
        """Return some of the pairs."""
        return Moments(
            self.mean[which],
            self.variance[which],
            self.third[which],
            self.most[which],
            self.n_a[which],
            self.n_b[which],
            self.n,
        )


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
        n_a, n_b = self.rows[mine], other.rows[theirs]
        parts = [
            self._moments(mine[start : start + 8192], other, theirs[start : start + 8192])
            for start in range(0, len(mine), 8192)
        ]
        columns = np.concatenate(parts) if parts else np.empty((0, 7))
        return Moments.of(columns, n_a, n_b, float(self.strata.size.sum()))

    def _moments(self, mine: Ints, other: StrataCounts, theirs: Ints) -> Floats:
        n, once, twice = self.strata.size, self.strata.once, self.strata.twice
        if self.table is not None and other.table is not None:
            a, b = self.table[mine].astype(np.float64), other.table[theirs].astype(np.float64)
            mean = (a * b) @ once
            variance = (a * (n - a) * b * (n - b)) @ twice
            met = (a > 0) & (b > 0)
            cells = [
                np.minimum(a, b),
                np.where(met, np.minimum(n - a, b) - b, 0),
                np.where(met, np.minimum(a, n - b) - a, 0),
                np.where(met, np.minimum(n - a, n - b) - (n - a - b), 0),
            ]
            third = (a * (n - a) * (n - 2 * a) * b * (n - b) * (n - 2 * b)) @ self._thrice
            return np.stack([mean, variance, third, *(cell.sum(1) for cell in cells)], 1)
        assert self.matrix is not None
        assert other.matrix is not None
        left, right = self.matrix[mine].astype(np.float64), other.matrix[theirs].astype(np.float64)
        both = left.multiply(right).tocsr()
        mean = both @ once
        # x (n - x) y (n - y) = n² xy - n x²y - n xy² + x²y²
        square = both.multiply(left) + both.multiply(right)
        variance = both @ (n * n * twice) - square @ (n * twice) + both.power(2) @ twice
        # in strata where both occur: the entries of the product, looked up in each
        owner, stratum = np.repeat(np.arange(len(mine)), np.diff(both.indptr)), both.indices
        a = np.asarray(left[owner, stratum]).ravel()
        b = np.asarray(right[owner, stratum]).ravel()
        size = n[stratum]
        cells = [
            np.minimum(a, b),
            np.minimum(size - a, b) - b,
            np.minimum(a, size - b) - a,
            np.minimum(size - a, size - b) - (size - a - b),
        ]
        skewed = a * (size - a) * (size - 2 * a) * b * (size - b) * (size - 2 * b) * self._thrice[stratum]
        sums = [np.bincount(owner, weights=cell, minlength=len(mine)) for cell in (skewed, *cells)]
        return np.stack([mean, variance, *sums], 1)

    @property
    def _thrice(self) -> Floats:
        n = self.strata.size
        return np.divide(1.0, n**3 * (n - 1) * (n - 2), out=np.zeros(len(n)), where=n > 2)

    @cached_property
    def rows(self) -> Floats:
        """float64[I]: rows of each item."""
        if self.table is not None:
            return self.table.sum(1, dtype=np.float64)
        assert self.matrix is not None
        return np.asarray(self.matrix.sum(1), np.float64).ravel()

    def listed(self, mine: Ints, other: StrataCounts, theirs: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Return, for each pair one after the other, the strata in which both occur.

        Returns
        -------
        indptr, a, b, n : int64 arrays
            Where each pair's strata begin, and the rows of each with the one, the other, and in all.
        """
        if self.table is not None and other.table is not None:
            a, b = self.table[mine], other.table[theirs]
            pair, stratum = np.nonzero((a > 0) & (b > 0))
            one, two = a[pair, stratum], b[pair, stratum]
        else:
            assert self.matrix is not None
            assert other.matrix is not None
            left, right = self.matrix[mine], other.matrix[theirs]
            both = left.multiply(right).tocsr()
            pair, stratum = np.repeat(np.arange(len(mine)), np.diff(both.indptr)), both.indices
            one = np.asarray(left[pair, stratum]).ravel()
            two = np.asarray(right[pair, stratum]).ravel()
        indptr = np.searchsorted(pair, np.arange(len(mine) + 1)).astype(np.int64)
        size = self.strata.size[stratum]
        return indptr, one.astype(np.int64), two.astype(np.int64), size.astype(np.int64)

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
