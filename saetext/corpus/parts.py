"""Parts: the shards of a corpus or view, the rows of them that are in it, and their batches.

Not for: what is computed from them (matrices.py, frame.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from saetext.corpus import shard as shards
from saetext.corpus.frame import DocsPart
from saetext.corpus.journal import JournalEntry
from saetext.corpus.manifest import Manifest
from saetext.corpus.opened import Opened


class Part(NamedTuple):
    """The rows of one shard that are in a corpus or view."""

    shard: JournalEntry
    start: int  # first of them, counted in the view
    stop: int
    local: NDArray[np.int64] | None  # which rows of the shard; None for all

    @property
    def positions(self) -> NDArray[np.int64]:
        """Rows of the corpus or view."""
        return np.arange(self.start, self.stop)

    @property
    def chosen(self) -> NDArray[np.int64] | slice:
        """Which rows of the shard, as an index."""
        return slice(None) if self.local is None else self.local


class Parts:
    """The shards of a corpus, or of a view of some of its rows.

    Parameters
    ----------
    path : Path
        The corpus's directory.
    manifest : Manifest
        What it consists of.
    selection : int64 array or None
        The rows that are in the view, increasing; None for all.
    opened : Opened
        The files that are mapped already.
    """

    def __init__(
        self, path: Path, manifest: Manifest, selection: NDArray[np.int64] | None, opened: Opened
    ) -> None:
        self.path, self.manifest, self.selection, self.opened = path, manifest, selection, opened

    def __len__(self) -> int:
        """Return the number of documents."""
        return self.manifest.n_documents if self.selection is None else len(self.selection)

    def __iter__(self) -> Iterator[Part]:
        """Yield the shards that have rows in this corpus or view."""
        first = 0  # of the shard, counted in the whole corpus
        for entry in self.manifest.shards:
            start, stop, local = first, first + entry.rows, None
            if self.selection is not None:
                start, stop = map(int, np.searchsorted(self.selection, (start, stop)))
                if stop - start < entry.rows:
                    local = self.selection[start:stop] - first
            if stop > start:
                yield Part(entry, start, stop, local)
            first += entry.rows

    @cached_property
    def _firsts(self) -> NDArray[np.int64]:
        """The first row of each shard in the whole corpus."""
        return np.cumsum([0, *(entry.rows for entry in self.manifest.shards)])[:-1]

    def shard_of(self, row: int) -> tuple[JournalEntry, int]:
        """Return the shard that has a row, and which of its rows that is."""
        whole = row if self.selection is None else int(self.selection[row])
        at = int(np.searchsorted(self._firsts, whole, side="right")) - 1
        return self.manifest.shards[at], whole - int(self._firsts[at])

    def all_docs(self, texts: bool = True) -> Iterator[DocsPart]:
        """Yield the documents of each shard; those without ``texts`` are read without them where they can."""
        read = self.docs if texts else self.columns
        for part in self:
            yield DocsPart(read(part.shard), part.start, part.local)

    def docs(self, entry: JournalEntry, *, again: bool = False) -> pa.RecordBatch:
        """Return the documents of a shard; ``again`` checks the file once more."""
        name = shards.docs_name(entry.shard)
        path, stamp = self.path / name, entry.files[name]
        return self.opened.batch(
            path, stamp, lambda: shards.map_docs(path, stamp, entry.rows, again=again), again=again
        )

    def columns(self, entry: JournalEntry, *, again: bool = False) -> pa.RecordBatch:
        """Return the documents of a shard without texts and places of tokens.

        The texts are neither read nor checked; in a corpus of schema 1.0 the whole file is, and they are
        there too.
        """
        told = entry.without_texts
        if told is None:
            return self.docs(entry, again=again)
        name = shards.docs_name(entry.shard)
        stamp = entry.files[name]
        path = self.opened.with_columns(self.path / name, stamp, told)
        return self.opened.batch(
            path,
            stamp,
            lambda: shards.map_columns(path, stamp, entry.rows, told, again=again),
            again=again,
            told=told,
        )

    def features(self, entry: JournalEntry, sae: str | None, *, again: bool = False) -> pa.RecordBatch:
        """Return the features of a shard; ``again`` checks the file once more."""
        spec = self.manifest.spec.sae(sae)
        name = shards.features_name(spec.name, entry.shard)
        path, stamp = self.path / name, entry.files[name]
        return self.opened.batch(
            path,
            stamp,
            lambda: shards.map_features(path, stamp, entry.rows, spec.d_sae, again=again),
            again=again,
        )
