"""Which documents and entries of a corpus to read: one pass over its rows, in bounded memory.

Not for: places in texts (gathering.py, passages.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike

BACKGROUND = 4_000  # documents looked at for contexts without a feature
LONGEST_TEXT = 20_000  # code points of a background document that are looked at
_BREAKS = str.maketrans("\n\r\t", "   ")
_SAMPLE = 48  # entries of a feature kept to find the middle of its values
_PENDING = 2_000_000  # entries held before a pool is pruned


class Pool:
    """Keeps, for each feature, the entries with the smallest keys, of any number that pass by."""

    def __init__(self, d_sae: int, size: int) -> None:
        self._size = size
        self._limit = np.full(d_sae, np.inf)  # keys from here on are too large
        self._parts: list[tuple[NDArray[Any], ...]] = []
        self._pending = 0

    def add(self, key: NDArray[Any], feature: NDArray[Any], *columns: NDArray[Any]) -> None:
        """Offer entries; of equal keys the earlier ones stay."""
        take = key < self._limit[feature]
        self._parts.append((key[take].astype(np.float64), feature[take], *(c[take] for c in columns)))
        self._pending += int(take.sum())
        if self._pending > _PENDING:
            self._prune()

    def _prune(self) -> None:
        key, feature, *columns = (np.concatenate(c) for c in zip(*self._parts, strict=True))
        order = np.lexsort((key, feature))  # stable: of equal keys the earlier document stays
        feature = feature[order]
        rank = np.arange(len(feature)) - np.searchsorted(feature, feature)
        last = order[rank == self._size - 1]
        self._limit[feature[rank == self._size - 1]] = key[last]
        order = order[rank < self._size]
        self._parts = [(key[order], feature[rank < self._size], *(c[order] for c in columns))]
        self._pending = 0

    def entries(self) -> tuple[NDArray[Any], ...]:
        """Return key, feature and the other columns, by feature and then by key."""
        if self._parts:
            self._prune()
            return self._parts[0]
        return tuple(np.empty(0, np.int64) for _ in range(5))


def shuffled(corpus: CorpusLike, seed: int, half: str) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which documents are in the half, from their texts, and a random number for each, from their ids.

    Copies of a text are in one half, or a label would be scored on what it was made from.
    """
    table = corpus.documents.select("id", "text").collect()
    ids = table["id"]
    own = (i if t is None else t for i, t in zip(ids, table["text"], strict=True))
    hashed = np.fromiter((xxhash.xxh64_intdigest(i.encode()) for i in own), np.uint64, len(ids))
    kept = np.ones(len(ids), bool) if half == "all" else (hashed & np.uint64(1)) == (half == "score")
    mixed = np.fromiter((xxhash.xxh64_intdigest(i.encode(), seed + 1) for i in ids), np.uint64, len(ids))
    return kept, mixed / 2.0**64


def backdrop(kept: NDArray[np.bool_], priority: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows, in order, of the documents that stand for all those kept."""
    rows = np.flatnonzero(kept)
    return np.sort(rows[np.argsort(priority[rows], kind="stable")[:BACKGROUND]])


def flat(text: str) -> str:
    """Return a text with its line breaks as spaces, place by place.

    A snippet shows them so anyway, and is cut out of such a text many times as fast.
    """
    return text.translate(_BREAKS)


def scan(
    corpus: CorpusLike,
    sae: str,
    wanted: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    priority: NDArray[np.float64],
    chosen: NDArray[np.int64],
    per_level: int,
) -> tuple[dict[int, list[tuple[int, int, float]]], NDArray[np.int64], dict[int, NDArray[np.int64]]]:
    """Return the entries to read by row, as (feature, peak, value), support, who has what in ``chosen``."""
    d_sae = len(wanted)
    spare = per_level + 4  # some texts repeat
    strongest, weakest = Pool(d_sae, spare), Pool(d_sae, spare)
    sample = Pool(d_sae, max(_SAMPLE, 2 * spare))
    support = np.zeros(d_sae, np.int64)
    in_background = np.full(len(kept), -1)
    in_background[chosen] = np.arange(len(chosen))
    present: list[tuple[NDArray[Any], NDArray[Any]]] = []
    start = 0
    for block in corpus.rows(sae):
        owner = start + np.repeat(np.arange(len(block)), np.diff(block.indptr))
        start += len(block)
        take = wanted[block.feature] & kept[owner]
        feature, row, value, peak = block.feature[take], owner[take], block.value[take], block.peak[take]
        support += np.bincount(feature, minlength=d_sae)
        strongest.add(-value, feature, row, value, peak)
        weakest.add(value, feature, row, value, peak)
        sample.add(priority[row], feature, row, value, peak)
        here = in_background[row]
        present.append((feature[here >= 0], here[here >= 0]))

    entries: dict[int, dict[int, tuple[int, float]]] = {}

    def read_later(pool: tuple[NDArray[Any], ...], which: NDArray[Any] | slice) -> None:
        columns = (column[which].tolist() for column in pool[1:])
        for feature, row, value, peak in zip(*columns, strict=True):
            entries.setdefault(row, {})[feature] = (peak, value)

    read_later(strongest.entries(), slice(None))
    read_later(weakest.entries(), slice(None))
    pool = sample.entries()
    read_later(pool, _around_median(pool[1], pool[3], spare))
    return (
        {row: [(f, *of_row[f]) for f in of_row] for row, of_row in sorted(entries.items())},
        support,
        _grouped(present),
    )


def _around_median(feature: NDArray[Any], value: NDArray[Any], size: int) -> NDArray[np.int64]:
    """Return the places of each feature's ``size`` entries in the middle of its values."""
    order = np.lexsort((value, feature))
    sorted_feature = feature[order]
    first = np.searchsorted(sorted_feature, sorted_feature)
    count = np.searchsorted(sorted_feature, sorted_feature, side="right") - first
    off = np.abs(2 * (np.arange(len(order)) - first) - (count - 1))
    return order[off <= size]


def _grouped(parts: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> dict[int, NDArray[np.int64]]:
    """Return the second column's values by those of the first."""
    if not parts:
        return {}
    key, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(key, kind="stable")
    found, begins = np.unique(key[order], return_index=True)
    groups = np.split(value[order], begins[1:])
    return dict(zip(found.tolist(), groups, strict=True)) if len(found) else {}
