"""PooledRows: the sparse rows of a block of documents, as NumPy arrays.

This is what a reader hands to a corpus. Not for: tokens, text, or statistics; nothing here knows torch
or Arrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENTRY_COLUMNS = ("feature", "value", "total", "count", "peak", "first")
ENTRY_DTYPES = {
    "feature": np.dtype(np.int32),
    "value": np.dtype(np.float32),
    "total": np.dtype(np.float32),
    "count": np.dtype(np.int32),
    "peak": np.dtype(np.int32),
    "first": np.dtype(np.int32),
}


@dataclass(frozen=True)
class PooledRows:
    """One entry for each feature present in a document, rows in CSR layout, sorted by feature.

    Attributes
    ----------
    indptr : int64[n_documents + 1]
        Row ``i`` owns entries ``indptr[i]:indptr[i + 1]``.
    feature : int32[n_entries]
        Feature index, strictly increasing within a row.
    value : float32[n_entries]
        Maximum activation over the counted tokens.
    total : float32[n_entries]
        Sum of the activations above the feature's threshold.
    count : int32[n_entries]
        Number of counted tokens above the threshold, at least 1.
    peak : int32[n_entries]
        Ordinal (0 = first counted token) of the token with the maximum; the earliest one on a tie.
    first : int32[n_entries]
        Ordinal of the first counted token above the threshold.
    """

    indptr: NDArray[np.int64]
    feature: NDArray[np.int32]
    value: NDArray[np.float32]
    total: NDArray[np.float32]
    count: NDArray[np.int32]
    peak: NDArray[np.int32]
    first: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of rows (documents)."""
        return len(self.indptr) - 1

    @property
    def n_entries(self) -> int:
        """Number of stored (document, feature) entries."""
        return len(self.feature)

    @classmethod
    def empty(cls, n_rows: int) -> PooledRows:
        """Return ``n_rows`` rows without entries."""
        columns: dict[str, Any] = {name: np.empty(0, dtype) for name, dtype in ENTRY_DTYPES.items()}
        return cls(indptr=np.zeros(n_rows + 1, np.int64), **columns)

    def take(self, order: Sequence[int] | NDArray[np.integer]) -> PooledRows:
        """Return the rows named by ``order`` (row indices, repeats allowed), in that order."""
        index = np.asarray(order, dtype=np.int64)
        lengths = (self.indptr[1:] - self.indptr[:-1])[index]
        indptr = np.zeros(len(index) + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        # entry j of output row i comes from indptr_in[order[i]] + (j - indptr_out[i])
        shift = np.repeat(self.indptr[:-1][index] - indptr[:-1], lengths)
        entries = np.arange(indptr[-1], dtype=np.int64) + shift
        return PooledRows(indptr=indptr, **{name: getattr(self, name)[entries] for name in ENTRY_COLUMNS})

    @classmethod
    def concatenate(cls, blocks: Sequence[PooledRows]) -> PooledRows:
        """Stack blocks of rows on top of each other."""
        if not blocks:
            return cls.empty(0)
        lengths = np.concatenate([np.diff(block.indptr) for block in blocks])
        indptr = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        columns = {name: np.concatenate([getattr(b, name) for b in blocks]) for name in ENTRY_COLUMNS}
        return cls(indptr=indptr, **columns)
