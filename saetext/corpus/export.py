"""export: a corpus as one file that other programs read: a scipy matrix, Parquet or plain Arrow.

Not for: copies of a corpus (copy the directory) or texts, which stay in the corpus; ids lead back to them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from saetext.corpus.files import writing
from saetext.corpus.frame import schema
from saetext.corpus.rows import ENTRY_COLUMNS, PooledRows
from saetext.corpus.shard import FEATURES_SCHEMA
from saetext.errors import InputError
from saetext.io.files import atomic_file

if TYPE_CHECKING:
    from saetext.corpus.corpus import Corpus

FORMATS = ("npz", "parquet", "arrow")
_LEFT_OUT = ("row", "text", "prompt")
_LONGEST_ID = 1000  # characters; the npz pads every id to the longest


def export(
    corpus: Corpus,
    path: str | Path,
    format: Literal["npz", "parquet", "arrow"] = "npz",
    *,
    pooling: str | None = None,
    sae: str | None = None,
) -> None:
    """Write a corpus or view to one new file.

    ``npz`` is what :func:`scipy.sparse.load_npz` loads (documents x features), with the array ``ids``
    (unicode) next to the matrix. ``parquet`` and ``arrow`` (uncompressed IPC) have one row for each document,
    also for one without features: ``id``, ``n_tokens``, ``n_unknown``, the metadata, and the lists
    ``feature``, ``value``, ``total``, ``count``, ``peak``, ``first``; exploding the lists together gives the
    long table. A metadata column with the name of a list has the prefix ``meta.``. These two are written
    shard by shard.

    Parameters
    ----------
    corpus : Corpus
        What to export.
    path : path
        The file; must not exist.
    format : {"npz", "parquet", "arrow"}
        See above.
    pooling : str, optional
        For npz: one of the poolings of :meth:`Corpus.csr`, ``max`` by default. The other formats have all
        columns and take none.
    sae : str, optional
        Which SAE, if there are several.

    Raises
    ------
    InputError
        If the file exists or an option does not fit.
    CorpusError
        If it cannot be written.
    """
    path = Path(path)
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; choose one of {', '.join(FORMATS)}")
    if format != "npz" and pooling is not None:
        raise InputError(f"{format} has every column and takes no pooling; leave it out, or export npz")
    if path.exists():
        raise InputError(f"{path} already exists; choose another file or delete it")
    if format == "npz":
        _export_npz(corpus, path, pooling or "max", sae)
        return
    batches = _batches(corpus, corpus.spec.sae(sae).name)
    first = next(batches)
    with writing(path), atomic_file(path) as file:
        if format == "parquet":
            writer = pq.ParquetWriter(file, first.schema, compression="zstd")
        else:
            writer = pa.ipc.new_file(file, first.schema)
        with writer:
            for batch in itertools.chain([first], batches):
                writer.write_batch(batch)


def _export_npz(corpus: Corpus, path: Path, pooling: str, sae: str | None) -> None:
    matrix = corpus.csr(pooling, sae)
    ids = corpus.ids.to_pylist()
    if max(map(len, ids), default=0) > _LONGEST_ID:
        raise InputError(f"an id is longer than {_LONGEST_ID} characters, too long for npz; export parquet")
    arrays: dict[str, Any] = {
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "format": np.array(b"csr"),
        "shape": np.array(matrix.shape),
        "data": matrix.data,
        "ids": np.array(ids, dtype=np.str_),
    }
    with writing(path), atomic_file(path) as file:
        np.savez(file, **arrays)


def _batches(corpus: Corpus, sae: str) -> Iterator[pa.RecordBatch]:
    """Yield the table in batches of one schema, at least one."""
    from polars import CompatLevel

    columns = [name for name in schema(corpus.manifest.meta) if name not in _LEFT_OUT]
    shown: list[str] = []
    for name in columns:
        while name in ENTRY_COLUMNS or name in shown:
            name = f"meta.{name}"
        shown.append(name)
    blocks = corpus.rows(sae) if len(corpus) else iter([PooledRows.empty(0)])
    for frame, rows in zip(corpus.frames(columns), blocks, strict=True):
        documents = frame.to_arrow(compat_level=CompatLevel.oldest())
        arrays = [_plain(column) for column in documents.columns]
        offsets = pa.array(rows.indptr.astype(np.int32))
        for field in FEATURES_SCHEMA:
            values = pa.array(getattr(rows, field.name))
            arrays.append(pa.ListArray.from_arrays(offsets, values, type=field.type))
        yield pa.RecordBatch.from_arrays(arrays, names=[*shown, *ENTRY_COLUMNS])


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """Return one array, with the string type that every reader knows."""
    if pa.types.is_large_string(column.type):
        column = column.cast(pa.string())
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
