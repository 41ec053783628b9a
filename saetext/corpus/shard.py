"""One shard on disk: documents and each SAE's features, as uncompressed Arrow IPC of one record batch.

Written atomically, read by mapping memory: what comes back are views of the file. Not for: knowing which
shards there are (manifest.py, journal.py).
"""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from saetext.corpus.files import require_intact
from saetext.corpus.meta import DOCS_FIELDS, META_TYPES
from saetext.corpus.rows import ENTRY_COLUMNS, PooledRows
from saetext.corpus.spec import SaeSpec
from saetext.corpus.without_texts import TEXTS, WithoutTexts, spans_of
from saetext.errors import InputError, ShardCorruptError
from saetext.io.files import FileStamp, HashingFile, atomic_file
from saetext.io.opener import open_regular

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Pooling = Literal["max", "mean", "total", "count", "binary"]
#: Characters from which on a shard is not added to, so that what is read at once stays small.
SHARD_CHARACTERS = 8_000_000
POOLINGS: tuple[str, ...] = get_args(Pooling)
PART = re.compile(r"part-\d{5,}\.arrow")
_ARROW = {"value": pa.float32(), "total": pa.float32()}
FEATURES_SCHEMA = pa.schema(
    [
        pa.field(
            name, pa.list_(pa.field("item", _ARROW.get(name, pa.int32()), nullable=False)), nullable=False
        )
        for name in ENTRY_COLUMNS
    ]
)


def docs_name(shard: int) -> str:
    """Return the path of a shard's documents inside its corpus."""
    return f"docs/part-{shard:05d}.arrow"


def features_name(sae: str, shard: int) -> str:
    """Return the path of a shard's features inside its corpus."""
    return f"features/{sae}/part-{shard:05d}.arrow"


def write_batch(path: Path, batch: pa.RecordBatch) -> FileStamp:
    """Write one record batch atomically, uncompressed, and return the file's stamp."""
    with atomic_file(path) as file:
        hashing = HashingFile(file)
        with pa.ipc.new_file(hashing, batch.schema) as writer:
            writer.write_batch(batch)
    return hashing.stamp


def write_docs(path: Path, batch: pa.RecordBatch) -> tuple[FileStamp, WithoutTexts]:
    """Write documents as :func:`write_batch` does; return the stamp, and the checksum beside the texts."""
    content = pa.BufferOutputStream()  # in memory: where its columns lie is known once it is whole
    with pa.ipc.new_file(content, batch.schema) as writer:
        writer.write_batch(batch)
    whole = content.getvalue()
    with atomic_file(path) as file:
        hashing = HashingFile(file)
        hashing.write(whole)
    return hashing.stamp, WithoutTexts.of(whole)


def features_batch(rows: PooledRows, sae: SaeSpec) -> pa.RecordBatch:
    """Return rows as six parallel list columns, after checking them.

    Raises
    ------
    ValueError
        If the rows are not what :class:`PooledRows` promises, or name features the SAE does not have.
    InputError
        If there are more entries than an int32 offset can count.
    """
    lengths = np.diff(rows.indptr)
    if rows.n_entries >= 2**31:
        raise InputError(f"{rows.n_entries} entries are too many for one shard (2^31); use smaller shards")
    if rows.indptr[0] != 0 or rows.indptr[-1] != rows.n_entries or (lengths < 0).any():
        raise ValueError(f"indptr of SAE {sae.name} does not fit its {rows.n_entries} entries")
    for name in ENTRY_COLUMNS:
        if len(getattr(rows, name)) != rows.n_entries:
            raise ValueError(f"column {name} of SAE {sae.name} has {len(getattr(rows, name))} entries")
    if rows.n_entries:
        if rows.feature.min() < 0 or rows.feature.max() >= sae.d_sae:
            raise ValueError(f"SAE {sae.name} has {sae.d_sae} features, a row names {rows.feature.max()}")
        rising = np.diff(rows.feature) > 0
        starts = rows.indptr[1:-1][(rows.indptr[1:-1] > 0) & (rows.indptr[1:-1] < rows.n_entries)]
        rising[starts - 1] = True  # a new row may begin lower
        if not rising.all():
            raise ValueError(f"features of SAE {sae.name} are not strictly increasing within a row")
    offsets = pa.array(rows.indptr.astype(np.int32))  # one buffer for all six
    columns = [
        pa.ListArray.from_arrays(
            offsets, pa.array(getattr(rows, field.name), field.type.value_type), type=field.type
        )
        for field in FEATURES_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=FEATURES_SCHEMA)


class Mapped(NamedTuple):
    """A file's record batch, and the mapping that its buffers are in."""

    batch: pa.RecordBatch
    pages: mmap.mmap


def map_docs(path: Path, stamp: FileStamp, rows: int, *, again: bool = False) -> Mapped:
    """Map a shard's documents, checking the file the first time this process uses it.

    Raises
    ------
    ShardCorruptError
        If the file is missing, damaged or holds something else.
    """

    def check() -> None:
        _require_docs(path, _map(path, rows).batch.schema)

    require_intact(path, stamp, check, again=again)
    return _map(path, rows, full=False)


def map_columns(
    path: Path, stamp: FileStamp, rows: int, told: WithoutTexts, *, again: bool = False
) -> Mapped:
    """Map a shard's documents without texts and places of tokens, which are neither read nor checked.

    Raises
    ------
    ShardCorruptError
        If the file is missing, or what is beside the texts is damaged or something else.
    """

    def check() -> None:
        mapped = _map(path, rows, full=False)
        _require_docs(path, mapped.batch.schema)
        if spans_of(mapped.batch, pa.py_buffer(mapped.pages).address) != told.left_out:
            raise ShardCorruptError(f"{path} has its columns elsewhere than the manifest says; encode again")
        _validate(path, _columns(mapped.batch))

    require_intact(path, stamp, check, again=again, told=told)
    batch, pages = _map(path, rows, full=False)
    return Mapped(_columns(batch), pages)


def _columns(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.select([name for name in batch.schema.names if name not in TEXTS])


def _require_docs(path: Path, found: pa.Schema) -> None:
    kinds = {field.name: field for field in found}
    right = all(kinds.get(f.name) == f for f in DOCS_FIELDS) and "meta" in kinds
    if not right or any(f.type not in META_TYPES.values() for f in kinds["meta"].type):
        raise ShardCorruptError(f"{path} does not have the columns of a documents' shard; encode again")


def map_features(path: Path, stamp: FileStamp, rows: int, d_sae: int, *, again: bool = False) -> Mapped:
    """Map a shard's features, checking the file the first time this process uses it.

    Raises
    ------
    ShardCorruptError
        If the file is missing, damaged or holds something else.
    """

    def check() -> None:
        batch = _map(path, rows).batch
        if batch.schema != FEATURES_SCHEMA:
            raise ShardCorruptError(f"{path} does not have the columns of a features' shard; encode again")
        offsets = batch.column(0).offsets
        feature = entry(batch, "feature")
        if any(not column.offsets.equals(offsets) for column in batch.columns[1:]) or (
            len(feature) and (feature.min() < 0 or feature.max() >= d_sae)
        ):
            raise ShardCorruptError(f"{path} names features that its reader does not have; encode again")

    require_intact(path, stamp, check, again=again)
    return _map(path, rows, full=False)


def _map(path: Path, rows: int, *, full: bool = True) -> Mapped:
    try:
        with open_regular(path) as file:  # the mapping outlives the handle, held by the batch
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(pages)))
        if reader.num_record_batches != 1:
            raise ShardCorruptError(f"{path} has {reader.num_record_batches} record batches, not one")
        batch = reader.get_batch(0)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ShardCorruptError(f"{path} is not a readable Arrow file: {_first_line(error)}") from error
    if full:
        _validate(path, batch)
    if batch.num_rows != rows:
        raise ShardCorruptError(f"{path} has {batch.num_rows} rows, the manifest says {rows}; encode again")
    return Mapped(batch, pages)


def _validate(path: Path, batch: pa.RecordBatch) -> None:
    try:
        batch.validate(full=True)  # offsets out of range would be read as memory
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ShardCorruptError(f"{path} is not a readable Arrow file: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def indptr(batch: pa.RecordBatch) -> NDArray[np.int32]:
    """Return the row offsets of a features' batch: int32[rows + 1], a view of the file."""
    return batch.column(0).offsets.to_numpy()


def entry(batch: pa.RecordBatch, name: str) -> NDArray[Any]:
    """Return one entry column of a features' batch as a view of the file."""
    return batch.column(ENTRY_COLUMNS.index(name)).values.to_numpy()


def pooled_rows(batch: pa.RecordBatch) -> PooledRows:
    """Return a features' batch as pooled rows; the entries are views of the file."""
    columns = {name: entry(batch, name) for name in ENTRY_COLUMNS}
    return PooledRows(indptr=indptr(batch).astype(np.int64), **columns)


def pooled_row(batch: pa.RecordBatch, row: int) -> PooledRows:
    """Return one row of a features' batch; the entries are views of the file."""
    offsets = indptr(batch)
    first, last = int(offsets[row]), int(offsets[row + 1])
    columns = {name: entry(batch, name)[first:last] for name in ENTRY_COLUMNS}
    return PooledRows(indptr=np.array([0, last - first], np.int64), **columns)


def csr(batch: pa.RecordBatch, pooling: str, d_sae: int, n_tokens: NDArray[np.int32] | None) -> csr_matrix:
    """Return a features' batch as a matrix (documents x features).

    ``max`` and ``total`` (float32) and ``count`` (int32) are views of the file; ``mean`` (needs ``n_tokens``)
    and ``binary`` (float32) have data of their own.
    """
    rows, columns = indptr(batch), entry(batch, "feature")
    match pooling:
        case "mean":
            if n_tokens is None:
                raise ValueError("pooling 'mean' needs n_tokens")
            per_row = np.maximum(n_tokens, 1).astype(np.float32)
            data = entry(batch, "total") / np.repeat(per_row, np.diff(rows))
        case "binary":
            data = np.ones(len(columns), np.float32)
        case _:
            data = entry(batch, "value" if pooling == "max" else pooling)
    return matrix(data, columns, rows, (len(rows) - 1, d_sae))


def matrix(
    data: NDArray[Any], indices: NDArray[np.int32], rows: NDArray[np.integer], shape: tuple[int, int]
) -> csr_matrix:
    """Return a CSR matrix over these arrays without copying them (unless int64 indices are needed)."""
    from scipy.sparse import csr_matrix

    result = csr_matrix((data, indices, rows), shape=shape, copy=False)
    result.has_canonical_format = True  # sorted, no duplicates: spares scipy a scan and an in-place sort
    return result
