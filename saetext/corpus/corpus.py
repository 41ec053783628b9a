"""Corpus: a finished corpus on disk, mapped into memory: documents, matrices, postings, and views of them.

Opening one reads its manifest and the sizes of its files, nothing else; each file's checksum is computed when
the process first uses it. Not for: writing (writer.py).
"""

from __future__ import annotations

import difflib
import hashlib
import operator
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from saetext.corpus import shard as shards
from saetext.corpus.calibration import Calibration
from saetext.corpus.files import require_intact, require_size
from saetext.corpus.frame import DocsPart, frames, scan
from saetext.corpus.item import CorpusDocument
from saetext.corpus.journal import JournalEntry
from saetext.corpus.manifest import REJECTS, Manifest
from saetext.corpus.opened import Opened
from saetext.corpus.rows import PooledRows
from saetext.corpus.spec import ReaderSpec
from saetext.errors import CorpusError, InputError, ShardCorruptError
from saetext.io.files import checksum
from saetext.io.frames import as_pandas
from saetext.io.provided import provided
from saetext.text.one_line import one_line, quoted

if TYPE_CHECKING:
    import polars as pl
    from scipy.sparse import csr_matrix

    from saetext.corpus.postings import Postings
    from saetext.features.labels import FeatureLabels


class StoredDocument(TypedDict):
    """One document as it is stored.

    ``text`` and ``prompt`` are None where they are not stored; ``token_start`` and ``token_end`` (int32) are
    code points in the text; ``meta`` has the user's columns under their own names; ``entries`` has one row of
    features for each SAE.
    """

    id: str
    row: int
    text: str | None
    prompt: str | None
    n_tokens: int
    n_unknown: int
    token_start: NDArray[np.int32]
    token_end: NDArray[np.int32]
    meta: dict[str, Any]
    entries: dict[str, PooledRows]


class _Part(NamedTuple):
    """The rows of one shard that are in a corpus or view."""

    shard: JournalEntry
    start: int  # first of them, counted in the view
    stop: int
    local: NDArray[np.int64] | None  # which rows of the shard; None for all

    @property
    def positions(self) -> NDArray[np.int64]:
        return np.arange(self.start, self.stop)


class Corpus:
    """A finished corpus, or a view of some of its documents; made by :meth:`open` and :meth:`select`.

    Rows are numbered from 0 within the corpus or view, in the order they were encoded. ``corpus[0]``,
    ``corpus[-1]`` and ``corpus["id"]`` are documents, ``corpus[10:20]`` is a view; iterating yields the
    documents one by one, whatever the size of the corpus.

    Attributes
    ----------
    path : Path
        Its directory.
    manifest : Manifest
        What it consists of; of a view, that of the whole corpus.
    selection : int64 array or None
        The rows of the whole corpus that are in this view, increasing; None for all.

    Examples
    --------
    >>> import saetext
    >>> gentle = saetext.Corpus.open("gentle.corpus")
    >>> gentle.n_documents, gentle.csr("max").shape
    (150, (150, 4096))
    >>> gentle.select("topic = 'cooking' AND n_tokens > 80").n_documents
    15
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        selection: NDArray[np.int64] | None = None,
        opened: Opened | None = None,
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.selection = selection
        self._opened = opened or Opened()
        self._postings: dict[str, Postings] = {}
        self._labels: dict[str, tuple[int, FeatureLabels]] = {}

    @classmethod
    def open(cls, path: str | Path) -> Corpus:
        """Open a finished corpus.

        Raises
        ------
        CorpusError
            If it is missing, unfinished or of a newer version.
        ShardCorruptError
            If a file is missing or has another size than promised.
        """
        path = Path(path)
        manifest = Manifest.read(path)
        for entry in manifest.shards:
            for name, stamp in entry.files.items():
                require_size(path / name, stamp)
        for sae, stamp in manifest.calibrations.items():
            require_size(path / "cards" / f"{sae}.arrow", stamp)
        return cls(path, manifest)

    def __repr__(self) -> str:
        kind = "Corpus" if self.selection is None else f"Corpus view of {self.manifest.n_documents:,}"
        path = str(self.path)
        path = path if len(path) <= 60 else f"…{path[-59:]}"  # its end is what tells it from others
        saes = one_line(", ".join(self.saes), 60)
        return f"<{kind} {quoted(path)}: {len(self):,} documents, SAEs {saes}>"

    def __len__(self) -> int:
        """Return the number of documents."""
        return self.manifest.n_documents if self.selection is None else len(self.selection)

    @overload
    def __getitem__(self, key: int | str) -> CorpusDocument: ...

    @overload
    def __getitem__(self, key: slice) -> Corpus: ...

    def __getitem__(self, key: int | str | slice) -> CorpusDocument | Corpus:
        """Return a document by its row (negative: from the end) or id, or a view for a slice.

        Raises
        ------
        CorpusError
            If there is no such document.
        InputError
            If the key is of another type, or the slice runs backwards.
        """
        if isinstance(key, slice):
            rows = range(len(self))[key]
            if rows.step < 0:
                raise InputError("a slice of a corpus runs forwards: a view keeps the corpus's order")
            return self.select(np.arange(rows.start, max(rows.stop, rows.start), rows.step))
        if isinstance(key, str):
            return self._item(self._row_of(key))
        try:
            row = operator.index(key)
        except TypeError:
            raise InputError(
                f"a document is named by its row, its id or a slice, not by {type(key).__name__}"
            ) from None
        return self._item(self._row_of(row + len(self) if -len(self) <= row < 0 else row))

    def __iter__(self) -> Iterator[CorpusDocument]:
        """Yield the documents in order of their rows; memory stays what one shard takes."""
        for part in self._parts():
            for row in range(part.start, part.stop):
                yield self._item(row)
            self.give_back_pages()

    def __contains__(self, id: object) -> bool:
        """Whether there is a document of this id."""
        return isinstance(id, str) and pc.index(self.ids, pa.scalar(id)).as_py() >= 0

    @property
    def n_documents(self) -> int:
        """Number of documents."""
        return len(self)

    @property
    def spec(self) -> ReaderSpec:
        """The reader that made it."""
        return self.manifest.spec

    @property
    def saes(self) -> tuple[str, ...]:
        """Names of the SAEs."""
        return tuple(sae.name for sae in self.spec.saes)

    @property
    def stores_text(self) -> bool:
        """Whether texts and prompts are stored."""
        return self.manifest.stores_text

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) that changes with the content, and with the selection of a view."""
        if self.selection is None:
            return self.manifest.fingerprint
        digest = hashlib.sha256(self.manifest.fingerprint.encode())
        digest.update(self.selection.astype("<i8").tobytes())
        return digest.hexdigest()

    @cached_property
    def n_tokens(self) -> NDArray[np.int32]:
        """int32[n_documents]: counted tokens of each document."""
        parts = [part.batch.column("n_tokens").to_numpy()[_all(part.local)] for part in self._docs_parts()]
        return np.concatenate(parts) if parts else np.empty(0, np.int32)

    @cached_property
    def ids(self) -> pa.ChunkedArray:
        """The documents' ids, strings, in row order; views of the files unless this is a view."""
        parts = []
        for part in self._docs_parts():
            column = part.batch.column("id")
            parts.append(column if part.local is None else column.take(pa.array(part.local)))
        return pa.chunked_array(parts, pa.string())

    def calibration(self, sae: str | None = None) -> Calibration:
        """Return the thresholds and reference statistics of an SAE (the only one, if none is named)."""
        name = self.spec.sae(sae).name
        path = self.path / "cards" / f"{name}.arrow"
        require_intact(path, self.manifest.calibrations[name])
        return Calibration.read(path)

    def blocks(
        self, pooling: str = "max", sae: str | None = None
    ) -> Iterator[tuple[NDArray[np.int64], csr_matrix]]:
        """Yield the matrix shard by shard.

        Parameters
        ----------
        pooling : {"max", "mean", "total", "count", "binary"}
            Maximum over the counted tokens; sum of activations above the threshold, divided by the document's
            tokens or as it is; number of tokens above the threshold (int32); or 1 for every feature present.
        sae : str, optional
            Which SAE, if there are several.

        Yields
        ------
        rows : int64 array
            Which rows of this corpus or view, consecutive.
        matrix : csr_matrix
            ``len(rows)`` x ``d_sae``, read-only and without a copy for max, total and count of a whole shard.
        """
        if pooling not in shards.POOLINGS:
            raise InputError(f"unknown pooling {pooling!r}; choose one of {', '.join(shards.POOLINGS)}")
        d_sae = self.spec.sae(sae).d_sae
        for part in self._parts():
            n_tokens = self._docs(part.shard).column("n_tokens").to_numpy() if pooling == "mean" else None
            matrix = shards.csr(self._features(part.shard, sae), pooling, d_sae, n_tokens)
            yield part.positions, matrix if part.local is None else matrix[part.local]

    def csr(self, pooling: str = "max", sae: str | None = None) -> csr_matrix:
        """Return the whole matrix, documents x features; poolings as in :meth:`blocks`.

        A corpus of one shard is returned as a read-only view of the file, a larger one is copied together.
        """
        d_sae = self.spec.sae(sae).d_sae
        blocks = self.blocks(pooling, sae)
        parts = list(self._parts())
        if len(parts) == 1:
            return next(blocks)[1]
        rows = np.zeros(len(self) + 1, np.int64)
        for part in parts:
            lengths = np.diff(shards.indptr(self._features(part.shard, sae)))
            rows[part.start + 1 : part.stop + 1] = lengths[_all(part.local)]
        np.cumsum(rows, out=rows)
        data = np.empty(rows[-1], np.int32 if pooling == "count" else np.float32)
        indices = np.empty(rows[-1], np.int32)
        for part, (_, block) in zip(parts, blocks, strict=True):
            here = slice(rows[part.start], rows[part.stop])
            data[here], indices[here] = block.data, block.indices
        if rows[-1] < 2**31:
            rows = rows.astype(np.int32)
        return shards.matrix(data, indices, rows, (len(self), d_sae))

    def rows(self, sae: str | None = None) -> Iterator[PooledRows]:
        """Yield the rows with all entry columns shard by shard, in row order."""
        for part in self._parts():
            rows = shards.pooled_rows(self._features(part.shard, sae))
            yield rows if part.local is None else rows.take(part.local)

    def postings(self, sae: str | None = None, *, cache_dir: str | Path | None = None) -> Postings:
        """Return the index from features to documents, building it on disk the first time.

        Parameters
        ----------
        sae : str, optional
            Which SAE, if there are several.
        cache_dir : path, optional
            Where to keep the index if the corpus cannot be written to; without it, memory is used then.
        """
        from saetext.corpus.postings import Postings

        name = self.spec.sae(sae).name
        if name not in self._postings:
            self._postings[name] = Postings.of(self, name, None if cache_dir is None else Path(cache_dir))
        return self._postings[name]

    @property
    def documents(self) -> pl.LazyFrame:
        """The documents as a lazy frame, read shard by shard and only in the columns asked for.

        Columns ``row``, ``id``, ``text``, ``prompt``, ``n_tokens``, ``n_unknown`` and the metadata; a
        metadata column of one of these names has the prefix ``meta.``.
        """
        return scan(self._docs_parts, self.manifest.meta)

    def to_polars(self) -> pl.DataFrame:
        """Return the documents as a Polars frame in memory; columns as in :attr:`documents`."""
        return self.documents.collect()

    def to_pandas(self) -> Any:
        """Return the documents as a pandas frame in memory; columns as in :attr:`documents`.

        Raises
        ------
        InputError
            If pandas is not installed.
        """
        return as_pandas(self.to_polars())

    def to_scipy(self, pooling: str = "max", sae: str | None = None) -> csr_matrix:
        """Return the matrix documents x features as SciPy CSR, see :meth:`csr`."""
        return self.csr(pooling, sae)

    def labels(self, sae: str | None = None) -> FeatureLabels:
        """Return what an SAE's features are called, see :func:`saetext.features.known_labels.labels_for`."""
        labels_for, labels_path = provided("labels_of_corpus"), provided("labels_path_of_corpus")

        name = self.spec.sae(sae).name
        own = labels_path(self.path, self.spec, name)
        stamp = own.stat().st_mtime_ns if own.is_file() else 0  # labels may be made while it is open
        if name not in self._labels or self._labels[name][0] != stamp:
            self._labels[name] = (stamp, labels_for(self, name))
        return self._labels[name][1]

    def frames(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield these columns of :attr:`documents` shard by shard, in row order; at least one frame."""
        return frames(self._docs_parts(), self.manifest.meta, list(columns))

    def document(self, key: str | int) -> StoredDocument:
        """Return one document by its id (str) or its row (int).

        Raises
        ------
        CorpusError
            If there is none; for an id, the message has those that come close.
        """
        row = self._row_of(key)
        entry, local, stored = self._stored(row)
        meta = stored["meta"].as_py()
        return StoredDocument(
            id=stored["id"].as_py(),
            row=row,
            text=stored["text"].as_py(),
            prompt=stored["prompt"].as_py(),
            n_tokens=stored["n_tokens"].as_py(),
            n_unknown=stored["n_unknown"].as_py(),
            token_start=stored["token_start"].values.to_numpy(),
            token_end=stored["token_end"].values.to_numpy(),
            meta={name: meta.get(name) for name in self.manifest.meta},
            entries={sae: shards.pooled_row(self._features(entry, sae), local) for sae in self.saes},
        )

    def give_back_pages(self) -> None:
        """Take pages of files that were read out of this process's memory; see :class:`Opened`."""
        self._opened.give_back()

    def select(self, which: str | pl.Expr | Sequence[bool] | Sequence[int] | NDArray[Any]) -> Corpus:
        """Return a view of some documents: the same files, other rows.

        Parameters
        ----------
        which : str, polars.Expr, mask or row indices
            A condition on the columns of :attr:`documents` (SQL syntax if a string, see
            :mod:`saetext.corpus.where`); one boolean for each row; or row indices, increasing, since a view
            keeps the order of its corpus.

        Raises
        ------
        InputError
            If the condition names unknown columns or is no condition, or rows are out of range, repeated or
            not in order.
        """
        rows = self._rows_of(which)
        chosen = rows if self.selection is None else self.selection[rows]
        return Corpus(self.path, self.manifest, chosen, self._opened)

    @property
    def whole(self) -> Corpus:
        """The corpus that this is a view of; itself if it is no view."""
        return self if self.selection is None else Corpus(self.path, self.manifest, None, self._opened)

    def verify(self) -> None:
        """Read every file through and check it against the manifest.

        Raises
        ------
        ShardCorruptError
            If a file is damaged; the message names the first one.
        """
        for entry in self.manifest.shards:
            self._docs(entry, again=True)
            for sae in self.saes:
                self._features(entry, sae, again=True)
        for sae, stamp in self.manifest.calibrations.items():
            require_intact(self.path / "cards" / f"{sae}.arrow", stamp, again=True)
        # an append under way adds to the end of this file before the manifest knows
        told = self.manifest.rejects
        try:
            intact = checksum(self.path / REJECTS, limit=told.bytes) == told
        except OSError as error:
            raise ShardCorruptError(f"{self.path / REJECTS} cannot be read ({error.strerror})") from error
        if not intact:
            raise ShardCorruptError(
                f"{self.path / REJECTS} is damaged: its first {told.bytes} bytes have changed"
            )

    def sizes(self) -> dict[str, float]:
        """Return the bytes on disk by part (of the whole corpus), their total, and kB per 100 tokens.

        The derived index is listed but is not in the total.
        """
        sizes: dict[str, float] = {"docs": 0, **{f"features/{sae}": 0 for sae in self.saes}}
        for entry in self.manifest.shards:
            for name, stamp in entry.files.items():
                sizes[name.rpartition("/")[0]] += stamp.bytes
        sizes["cards"] = sum(stamp.bytes for stamp in self.manifest.calibrations.values())
        sizes["rejects"] = self.manifest.rejects.bytes
        total = sum(sizes.values())
        sizes["index"] = sum(f.stat().st_size for f in (self.path / "index").rglob("*") if f.is_file())
        sizes["total"] = total
        tokens = self.manifest.counts["tokens"]
        sizes["kb_per_100_tokens"] = total / 1000 / (tokens / 100) if tokens else 0.0
        return sizes

    def _parts(self) -> Iterator[_Part]:
        """Yield the shards that have rows in this corpus or view."""
        first = 0  # of the shard, counted in the whole corpus
        for entry in self.manifest.shards:
            start, stop, local = first, first + entry.rows, None
            if self.selection is not None:
                start, stop = map(int, np.searchsorted(self.selection, (start, stop)))
                if stop - start < entry.rows:
                    local = self.selection[start:stop] - first
            if stop > start:
                yield _Part(entry, start, stop, local)
            first += entry.rows

    @cached_property
    def _firsts(self) -> NDArray[np.int64]:
        """The first row of each shard in the whole corpus."""
        return np.cumsum([0, *(entry.rows for entry in self.manifest.shards)])[:-1]

    def _shard_of(self, row: int) -> tuple[JournalEntry, int]:
        """Return the shard that has a row, and which of its rows that is."""
        whole = row if self.selection is None else int(self.selection[row])
        at = int(np.searchsorted(self._firsts, whole, side="right")) - 1
        return self.manifest.shards[at], whole - int(self._firsts[at])

    def _docs_parts(self) -> Iterator[DocsPart]:
        for part in self._parts():
            yield DocsPart(self._docs(part.shard), part.start, part.local)

    def _docs(self, entry: JournalEntry, *, again: bool = False) -> pa.RecordBatch:
        name = shards.docs_name(entry.shard)
        path, stamp = self.path / name, entry.files[name]
        return self._opened.batch(
            path, stamp, lambda: shards.map_docs(path, stamp, entry.rows, again=again), again=again
        )

    def _features(self, entry: JournalEntry, sae: str | None, *, again: bool = False) -> pa.RecordBatch:
        spec = self.spec.sae(sae)
        name = shards.features_name(spec.name, entry.shard)
        path, stamp = self.path / name, entry.files[name]
        return self._opened.batch(
            path,
            stamp,
            lambda: shards.map_features(path, stamp, entry.rows, spec.d_sae, again=again),
            again=again,
        )

    def _rows_of(self, which: Any) -> NDArray[np.int64]:
        import polars as pl

        if isinstance(which, str | pl.Expr):
            return self._rows_where(which)
        index = np.asarray(which)
        if index.ndim != 1:
            raise InputError(f"rows to select have one dimension, not {index.ndim}")
        if index.dtype == bool:
            if len(index) != len(self):
                raise InputError(f"a mask of {len(index)} values for {len(self)} documents")
            return np.flatnonzero(index)
        if not len(index):
            return np.empty(0, np.int64)
        if not np.issubdtype(index.dtype, np.integer):
            raise InputError(f"select takes a condition, a mask or row numbers, not {index.dtype}")
        if index.min() < 0 or index.max() >= len(self):
            raise InputError(f"row {index.max()} or {index.min()} is outside 0 to {len(self) - 1}")
        rows = index.astype(np.int64)
        if (np.diff(rows) <= 0).any():
            raise InputError("row numbers must be increasing and not repeat: a view keeps the corpus's order")
        return rows

    def _rows_where(self, condition: str | pl.Expr) -> NDArray[np.int64]:
        import polars as pl

        from saetext.corpus.where import parse_where, problems

        documents = self.documents
        if isinstance(condition, str):
            condition = parse_where(condition, documents.collect_schema())
        try:
            mask = documents.select("row", condition.alias("\0mask")).collect()["\0mask"]
        except problems() as error:
            reason = one_line(str(error).partition("\n")[0])
            raise InputError(f"the condition does not fit the columns: {reason}") from error
        if mask.dtype != pl.Boolean:
            raise InputError(f"the condition is {mask.dtype}, not true or false")
        return np.flatnonzero(mask.fill_null(False).to_numpy())

    def _row_of(self, key: str | int) -> int:
        """Return the row of an id, or a row if it is one."""
        if isinstance(key, str):
            row = pc.index(self.ids, pa.scalar(key)).as_py()
            if row < 0:
                raise CorpusError(f"{self.path} has no document {key!r}{self._close_to(key)}")
        else:
            row = int(key)
        if not 0 <= row < len(self):
            raise CorpusError(f"{self.path} has no row {row}; rows are 0 to {len(self) - 1}")
        return int(row)

    def _stored(self, row: int) -> tuple[JournalEntry, int, dict[str, Any]]:
        """Return the shard that has a row, which of its rows that is, and its columns as Arrow scalars."""
        entry, local = self._shard_of(row)
        batch = self._docs(entry)
        columns = zip(batch.schema, batch.columns, strict=True)
        return entry, local, {field.name: column[local] for field, column in columns}

    def _item(self, row: int) -> CorpusDocument:
        _, _, stored = self._stored(row)
        meta = stored["meta"].as_py()
        return CorpusDocument(
            id=stored["id"].as_py(),
            row=row,
            text=stored["text"].as_py(),
            prompt=stored["prompt"].as_py(),
            n_tokens=stored["n_tokens"].as_py(),
            metadata={name: meta.get(name) for name in self.manifest.meta},
            _corpus=self,
        )

    def _close_to(self, key: str) -> str:
        """Return what to say about ids like an unknown one, looking at a bounded number of them."""
        alike = self.ids.filter(pc.starts_with(self.ids, key[:3])).slice(0, 2000).to_pylist()
        near = difflib.get_close_matches(key, alike or self.ids.slice(0, 2000).to_pylist(), n=3, cutoff=0.5)
        return f"; did you mean {', '.join(map(repr, near))}?" if near else ""


def _all(local: NDArray[np.int64] | None) -> NDArray[np.int64] | slice:
    return slice(None) if local is None else local
