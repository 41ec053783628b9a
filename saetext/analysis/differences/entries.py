"""The entries of many features, feature by feature, from corpora or from a matrix of terms.

Built in one pass over the corpora; many entries lie in a mapped file, not in memory. Not for: what is
counted on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.rows import PooledRows
from saetext.io.progress import Count, nobody
from saetext.io.scratch import scratch

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BUDGET = 20_000_000  # entries in memory at once, where the others can lie in a file
ENTRY = 9  # bytes of each
_Room = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.uint8]]  # row, value, early


@dataclass(frozen=True, eq=False)
class Entries:
    """Feature-major entries: those of ``features[i]`` are ``indptr[i]:indptr[i + 1]``, by row.

    Attributes
    ----------
    features : int64[F]
        Which features.
    indptr : int64[F + 1]
        Where each one's entries lie.
    row : int32[E]
        Row, counted through all sets.
    value : float32[E]
        Strength, above 0.
    early : uint8[E]
        1 where the feature fires within the first tokens.
    """

    features: Ints
    indptr: Ints
    row: NDArray[np.int32]
    value: NDArray[np.float32]
    early: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of features."""
        return len(self.features)


def blocks(sets: Sequence[CorpusLike], sae: str, count: Count = nobody) -> Iterator[tuple[int, PooledRows]]:
    """Yield blocks of all sets, and how many rows come before each; ``count`` gets rows done, and all."""
    total, start = sum(corpus.n_documents for corpus in sets), 0
    for corpus in sets:
        for block in corpus.rows(sae):
            yield start, block
            start += len(block)
            count(start, total)


def support(
    sets: Sequence[CorpusLike], sae: str, live: NDArray[np.bool_], d_sae: int, count: Count = nobody
) -> Ints:
    """Return int64[d_sae]: in how many of the live rows each feature is present."""
    counts = np.zeros(d_sae, np.int64)
    for start, block in blocks(sets, sae, count):
        mine = live[start : start + len(block)]
        feature = block.feature
        if not mine.all():
            feature = feature[np.repeat(mine, np.diff(block.indptr))]
        counts += np.bincount(feature, minlength=d_sae)
    return counts


def gather(
    sets: Sequence[CorpusLike],
    sae: str,
    features: Ints,
    counts: Ints,
    live: NDArray[np.bool_],
    length: int,
    budget: int = BUDGET,
    held: int | None = None,
    count: Count = nobody,
) -> Iterator[Entries]:
    """Yield the entries of ``features``, from one pass over the corpora.

    ``counts`` is their support among the ``live`` rows; entries of other rows are left out. ``length`` is how
    many tokens count as early. More than ``budget`` entries lie in a file (:mod:`saetext.io.scratch`). Where
    it cannot be written they come in parts of at most ``held`` entries (by default ``budget``; one feature at
    least), each a pass over the corpora. A part is not kept here: who drops it before asking for the next has
    one in memory at a time. ``count`` gets the rows that are done, and all, in each pass.
    """
    total = int(counts[features].sum())
    if total > min(budget, held or budget):
        try:
            room = _room(total, scratch)
        except OSError:
            pass
        else:
            yield _pass(sets, sae, features, counts, live, length, room, count)
            return
    first = 0
    while first < len(features):
        sizes = np.cumsum(counts[features[first:]])
        last = first + max(1, int(np.searchsorted(sizes, held or budget, side="right")))
        size = int(sizes[last - first - 1])
        yield _pass(sets, sae, features[first:last], counts, live, length, _room(size, np.empty), count)
        first = last


def _room(n: int, array: Callable[[int, DTypeLike], NDArray[Any]]) -> _Room:
    return array(n, np.int32), array(n, np.float32), array(n, np.uint8)


def _pass(
    sets: Sequence[CorpusLike],
    sae: str,
    features: Ints,
    counts: Ints,
    live: NDArray[np.bool_],
    length: int,
    room: _Room,
    count: Count,
) -> Entries:
    from saetext.stats.kernels import scatter

    slot = np.full(len(counts), -1, np.int32)
    slot[features] = np.arange(len(features), dtype=np.int32)
    indptr = np.concatenate([[0], np.cumsum(counts[features])]).astype(np.int64)
    row, value, early = room
    fill = indptr[:-1].copy()
    for start, block in blocks(sets, sae, count):
        scatter(
            block.indptr, block.feature, block.value, block.first, live[start : start + len(block)],
            start, length, slot, fill, row, value, early,
        )  # fmt: skip
    return Entries(features, indptr, row, value, early)


def from_matrix(matrix: csr_matrix, live: NDArray[np.bool_]) -> Entries:
    """Return the entries of a matrix of counts, rows x terms, of the live rows; none counts as early."""
    from scipy import sparse

    kept = sparse.diags_array(live.astype(np.float32)) @ matrix
    columns = sparse.csc_array(kept)
    columns.eliminate_zeros()
    columns.sort_indices()
    return Entries(
        np.arange(columns.shape[1]),
        columns.indptr.astype(np.int64),
        columns.indices.astype(np.int32),
        columns.data.astype(np.float32),
        np.zeros(columns.nnz, np.uint8),
    )
