"""Corpus: a finished corpus on disk, mapped into memory: documents, matrices, postings, and views of them.

Opening one reads its manifest and the sizes of its files, nothing else; each file's checksum is computed when
the process first uses it. Not for: writing (writer.py).
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from saetext.corpus import matrices, verification
from saetext.corpus.calibration import Calibration
from saetext.corpus.elsewhere import open_elsewhere, url_of_copy
from saetext.corpus.files import require_intact, require_size
from saetext.corpus.frame import frames, need_texts, scan
from saetext.corpus.item import CorpusDocument
from saetext.corpus.manifest import Manifest
from saetext.corpus.opened import Opened
from saetext.corpus.parts import Parts
from saetext.corpus.rows import PooledRows
from saetext.corpus.selecting import find_id, row_of_id, rows_of, rows_where
from saetext.corpus.spec import ReaderSpec
from saetext.corpus.stored import StoredDocument as StoredDocument
from saetext.corpus.stored import scalars, stored_document
from saetext.errors import CorpusError, InputError, ShardCorruptError
from saetext.io.derived import Verdict
from saetext.io.frames import as_pandas
from saetext.io.provided import provided
from saetext.io.urls import url_of
from saetext.text.one_line import one_line, quoted

if TYPE_CHECKING:
    import polars as pl
    from scipy.sparse import csr_matrix

    from saetext.corpus.postings import Postings
    from saetext.features.labels import FeatureLabels


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
    columns_from : tuple of str
        Where columns came from that were added to those it stores, see :meth:`with_columns`.

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
        added: pl.DataFrame | None = None,
        columns_from: tuple[str, ...] = (),
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.selection = selection
        self.columns_from = columns_from
        self._added = added  # a row for each document of the whole corpus
        self._opened = opened or Opened()
        self._parts = Parts(path, manifest, selection, self._opened)
        self._postings: dict[str, Postings] = {}
        self._labels: dict[str, tuple[int, FeatureLabels]] = {}

    @classmethod
    def open(cls, path: str | Path) -> Corpus:
        """Open a finished corpus, here or in an object store.

        Parameters
        ----------
        path : path or URL
            Its directory; or ``s3://BUCKET/NAME``, ``gs://``, ``abfs://``: then a shard is copied into the
            cache when it is first used, see :mod:`saetext.corpus.elsewhere`.

        Raises
        ------
        CorpusError
            If it is missing, unfinished or of a newer version.
        ShardCorruptError
            If a file is missing or has another size than promised.
        InputError
            If a URL cannot be read.
        """
        url = url_of(path) or url_of_copy(Path(path))
        if url is not None:
            home, manifest, elsewhere = open_elsewhere(url)
            return cls(home, manifest, opened=Opened(elsewhere))
        path = Path(path)
        manifest = Manifest.read(path)
        for entry in manifest.shards:
            for name, stamp in entry.files.items():
                require_size(f"{path}/{name}", stamp)  # no Path: there may be 20,000
        for sae, stamp in manifest.calibrations.items():
            require_size(path / "cards" / f"{sae}.arrow", stamp)
        return cls(path, manifest)

    @property
    def elsewhere(self) -> str | None:
        """The URL of a corpus that is in an object store, as it may be printed; None for one that is here."""
        return None if self._opened.elsewhere is None else self._opened.elsewhere.store.shown

    def __repr__(self) -> str:
        kind = "Corpus" if self.selection is None else f"Corpus view of {self.manifest.n_documents:,}"
        path = self.elsewhere or str(self.path)
        path = path if len(path) <= 60 else f"…{path[-59:]}"  # its end is what tells it from others
        saes = one_line(", ".join(self.saes), 60)
        return f"<{kind} {quoted(path)}: {len(self):,} documents, SAEs {saes}>"

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self._parts)

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
        for part in self._parts:
            for row in range(part.start, part.stop):
                yield self._item(row)
            self.give_back_pages()

    def __contains__(self, id: object) -> bool:
        """Whether there is a document of this id."""
        return isinstance(id, str) and find_id(id, self.ids) is not None

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
        parts = [
            self._parts.columns(part.shard).column("n_tokens").to_numpy()[part.chosen] for part in self._parts
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.int32)

    @cached_property
    def ids(self) -> pa.ChunkedArray:
        """The documents' ids, strings, in row order; views of the files unless this is a view."""
        parts = []
        for part in self._parts.all_docs(texts=False):
            column = part.batch.column("id")
            parts.append(column if part.local is None else column.take(pa.array(part.local)))
        return pa.chunked_array(parts, pa.string())

    def calibration(self, sae: str | None = None) -> Calibration:
        """Return the thresholds and reference statistics of an SAE (the only one, if none is named)."""
        name = self.spec.sae(sae).name
        path = self.path / "cards" / f"{name}.arrow"
        self._opened.bring(path, self.manifest.calibrations[name])
        require_intact(path, self.manifest.calibrations[name])
        calibration = Calibration.read(path)
        if len(calibration) != self.spec.sae(name).d_sae:
            raise ShardCorruptError(
                f"{path} has thresholds of {len(calibration):,} features, and {name} has "
                f"{self.spec.sae(name).d_sae:,}; restore it or encode again"
            )
        return calibration

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
        return matrices.blocks(self._parts, pooling, sae)

    def csr(self, pooling: str = "max", sae: str | None = None) -> csr_matrix:
        """Return the whole matrix, documents x features; poolings as in :meth:`blocks`.

        A corpus of one shard is returned as a read-only view of the file, a larger one is copied together.
        """
        return matrices.csr(self._parts, pooling, sae)

    def rows(self, sae: str | None = None) -> Iterator[PooledRows]:
        """Yield the rows with all entry columns shard by shard, in row order."""
        return matrices.pooled_rows(self._parts, sae)

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
        return scan(self._parts.all_docs, self.manifest.meta, self._columns)

    def with_columns(self, table: pl.DataFrame, origin: tuple[str, ...] = ()) -> Corpus:
        """Return the corpus or view with more columns in :attr:`documents`; nothing is written.

        A stored column of the same name has the prefix ``meta.`` then.

        Parameters
        ----------
        table : DataFrame
            A row for each document of the whole corpus, in its order.
        origin : tuple of str
            Where they came from.

        Raises
        ------
        InputError
            If the rows are not as many as the documents of the whole corpus.
        """
        if table.height != self.manifest.n_documents:
            n = self.manifest.n_documents
            raise InputError(f"{table.height:,} rows for {n:,} documents of {self.path}")
        return Corpus(self.path, self.manifest, self.selection, self._opened, table, origin)

    @cached_property
    def _columns(self) -> pl.DataFrame | None:
        """The added columns of the documents that are in this view."""
        if self._added is None or self.selection is None:
            return self._added
        return self._added[self.selection]

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
        parts = self._parts.all_docs(need_texts(columns))
        return frames(parts, self.manifest.meta, list(columns), self._columns)

    def document(self, key: str | int) -> StoredDocument:
        """Return one document by its id (str) or its row (int).

        Raises
        ------
        CorpusError
            If there is none; for an id, the message has those that come close.
        """
        return stored_document(self._parts, self._row_of(key))

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
        import polars as pl

        if isinstance(which, str | pl.Expr):
            rows = rows_where(which, self.documents)
        else:
            rows = rows_of(which, len(self))
        chosen = rows if self.selection is None else self.selection[rows]
        return Corpus(self.path, self.manifest, chosen, self._opened, self._added, self.columns_from)

    @property
    def whole(self) -> Corpus:
        """The corpus that this is a view of; itself if it is no view."""
        if self.selection is None:
            return self
        return Corpus(self.path, self.manifest, None, self._opened, self._added, self.columns_from)

    def verify(self) -> None:
        """Read every file through and check it against the manifest.

        Raises
        ------
        ShardCorruptError
            If a file is damaged; the message names the first one.
        """
        verification.verify(self._parts)

    def verdicts(self) -> list[Verdict]:
        """Read every file through and return a verdict for each, the manifest's first."""
        return verification.corpus_verdicts(self._parts)

    def sizes(self) -> dict[str, float]:
        """Return the bytes on disk by part (of the whole corpus), their total, and kB per 100 tokens.

        The derived index is listed but is not in the total.
        """
        return verification.sizes(self._parts)

    def _row_of(self, key: str | int) -> int:
        """Return the row of an id, or a row if it is one."""
        row = row_of_id(key, self.ids, self.path) if isinstance(key, str) else int(key)
        if not 0 <= row < len(self):
            raise CorpusError(f"{self.path} has no row {row}; rows are 0 to {len(self) - 1}")
        return int(row)

    def _item(self, row: int) -> CorpusDocument:
        _, _, stored = scalars(self._parts, row)
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
