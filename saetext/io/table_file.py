"""Small Parquet tables: bounded in size before they are unpacked. Not for: documents to be encoded.

A few bytes of Parquet may stand for any number of rows, and one text for many: rows and unpacked bytes are
counted before memory is taken, and the texts of a dictionary as often as they are used.
"""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from saetext.io.opener import HUGE, MIB, read_bytes

_MOST_ROWS = 1 << 27
_MOST_UNPACKED = 2048 * MIB
_ROWS = 4096
_TEXT = "BYTE_ARRAY"


def read_table(path: str | os.PathLike[str], most: int = HUGE) -> pa.Table:
    """Return a Parquet file as a table in memory, not mapped: the file may be replaced while it is in use.

    Parameters
    ----------
    path : path
        A regular file.
    most : int
        Bytes that it may have.

    Raises
    ------
    OSError, ValueError, pyarrow.ArrowException
        If it cannot be read, is no Parquet file, or unpacks to more than 2 GiB.
    """
    content = pa.BufferReader(read_bytes(path, most))
    about = pq.read_metadata(content)
    unpacked = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
    if about.num_rows > _MOST_ROWS or unpacked > _MOST_UNPACKED:
        raise ValueError(f"it unpacks to {about.num_rows:,} rows and {unpacked:,} bytes, which is too large")
    content.seek(0)
    _require_bounded(content)
    content.seek(0)
    return pq.read_table(content)


def _require_bounded(content: pa.BufferReader) -> None:
    """Raise ValueError if texts that are stored once and used often would fill the memory."""
    columns = pq.ParquetFile(content).schema
    names = [
        c.path for c in (columns.column(i) for i in range(len(columns.names))) if c.physical_type == _TEXT
    ]
    if not names:
        return
    content.seek(0)
    total = 0
    file = pq.ParquetFile(content, read_dictionary=names)
    for group in range(file.num_row_groups):  # one by one: lists of two groups cannot be one batch
        for batch in file.iter_batches(_ROWS, row_groups=[group], columns=names):
            total += sum(map(_unpacked, batch.columns))
            if total > _MOST_UNPACKED:
                raise ValueError("its texts unpack to more than 2 GiB")


def _unpacked(column: pa.Array) -> int:
    """Return the bytes of the texts in a column, each as often as it is used."""
    while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = pc.list_flatten(column)
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.cast(pc.binary_length(column.dictionary), pa.int64())
    return int(pc.sum(lengths.take(column.indices)).as_py() or 0)
