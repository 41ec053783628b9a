"""Pooler: token activations of many documents -> one sparse row per document (max-pooling).

A document's tokens may arrive in any number of pieces and in any order, which is how windows of a long
document and batches sorted by length arrive. Not for: deciding which tokens count or what is present
(:mod:`saetext.reader.tokenization` and the calibration's thresholds did that before).
"""

from __future__ import annotations

from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray

from saetext.corpus.rows import ENTRY_DTYPES, PooledRows

Array = torch.Tensor | NDArray


@dataclass(frozen=True)
class _Partials:
    """What is known so far of (row, feature) pairs, ``key = row * d_sae + feature``; one entry may be part of
    a pair, until :meth:`reduced`."""

    key: NDArray[np.int64]
    value: NDArray[np.float32]
    total: NDArray[np.float64]  # float64: the sum then does not depend on the order of arrival
    count: NDArray[np.int64]
    peak: NDArray[np.int64]
    first: NDArray[np.int64]

    def reduced(self) -> _Partials:
        """Merge entries of equal key; the result is sorted by key."""
        if len(self.key) == 0:
            return self
        order = np.argsort(self.key)
        key, value, peak = self.key[order], self.value[order], self.peak[order]
        changes = np.flatnonzero(key[1:] != key[:-1]) + 1
        starts = np.concatenate([np.zeros(1, changes.dtype), changes])
        lengths = np.diff(starts, append=len(key))
        highest = np.maximum.reduceat(value, starts)
        at_highest = value == np.repeat(highest, lengths)
        peak = np.where(at_highest, peak, np.iinfo(np.int64).max)
        return _Partials(
            key=key[starts],
            value=highest,
            total=np.add.reduceat(self.total[order], starts),
            count=np.add.reduceat(self.count[order], starts),
            peak=np.minimum.reduceat(peak, starts),
            first=np.minimum.reduceat(self.first[order], starts),
        )


class Pooler:
    """Collects the entries of tokens and pools them into one row per document.

    Parameters
    ----------
    d_sae : int
        Number of features.
    min_tokens : int
        Tokens above the threshold that make a feature present; pairs with fewer are dropped at the end.
    """

    def __init__(self, d_sae: int, min_tokens: int = 1) -> None:
        if d_sae < 1 or min_tokens < 1:
            raise ValueError(f"d_sae and min_tokens must be at least 1, got {d_sae} and {min_tokens}")
        self.d_sae = d_sae
        self.min_tokens = min_tokens
        self._parts: list[_Partials] = []

    def add(self, row: Array, ordinal: Array, token: Array, feature: Array, value: Array) -> None:
        """Take the entries of one block of tokens. A (document, token) pair must arrive once only.

        Parameters
        ----------
        row : int64[T]
            Document (row of the result) of each token of the block.
        ordinal : int32[T]
            Position of each token among its document's counted tokens, from 0.
        token : int64[n]
            Index into ``row`` and ``ordinal`` for each entry.
        feature : int64[n]
            Feature of each entry, below ``d_sae``.
        value : float32[n]
            Activation of each entry, above zero and above the threshold.
        """
        index = _numpy(token)
        if len(index) == 0:
            return
        values = _numpy(value).astype(np.float32, copy=False)
        at = _numpy(ordinal)[index].astype(np.int64)
        key = _numpy(row)[index].astype(np.int64) * self.d_sae + _numpy(feature)
        ones = np.ones(len(index), np.int64)
        self._parts.append(_Partials(key, values, values.astype(np.float64), ones, at, at).reduced())

    def finish(self, n_rows: int) -> PooledRows:
        """Return the pooled rows and forget everything taken so far.

        Parameters
        ----------
        n_rows : int
            Number of documents, those without any entry included.

        Returns
        -------
        PooledRows
            Row ``i`` holds the document given as ``i``; entries sorted by feature; ``peak`` is the earliest
            ordinal at the maximum.
        """
        parts, self._parts = self._parts, []
        if not parts:
            return PooledRows.empty(n_rows)
        names = ("key", "value", "total", "count", "peak", "first")
        merged = _Partials(*(np.concatenate([getattr(p, name) for p in parts]) for name in names)).reduced()
        if merged.key[0] < 0 or merged.key[-1] >= n_rows * self.d_sae:
            raise ValueError(f"an entry belongs to a document outside 0..{n_rows - 1}")
        kept = merged.count >= self.min_tokens
        row, feature = np.divmod(merged.key[kept], self.d_sae)
        indptr = np.zeros(n_rows + 1, np.int64)
        np.cumsum(np.bincount(row, minlength=n_rows), out=indptr[1:])
        columns = {name: getattr(merged, name)[kept] for name in names[1:]}
        return PooledRows(
            indptr=indptr,
            feature=feature.astype(ENTRY_DTYPES["feature"]),
            **{name: column.astype(ENTRY_DTYPES[name], copy=False) for name, column in columns.items()},
        )


def _numpy(array: Array) -> NDArray:
    """Return a NumPy view (or a copy from another device)."""
    return array.detach().cpu().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)
