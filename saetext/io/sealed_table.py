"""Arrow tables with a seal: a checksum over the columns' values and the note that goes with them.

Of the values, not of the file: a table may be written as Parquet or as Arrow IPC, compressed or not. A table
without a seal was written by an earlier version or by hand. Not for: what the columns mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from saetext.io.sealed import Broken

SEAL = b"saetext.checksum"
SEALED = "checked"  # said in the note as well, so that a lost seal is not taken for a table that has none


def with_seal(table: pa.Table, key: bytes, note: str) -> pa.Table:
    """Return the table with a note under ``key`` and its seal as the metadata; other metadata is dropped."""
    return table.replace_schema_metadata({key: note, SEAL: _checksum(table, note.encode())})


def require_table_seal(table: pa.Table, key: bytes, promised: object) -> bool:
    """Return whether a table has a seal; ``promised`` is what its note says under :data:`SEALED`.

    Raises
    ------
    Broken
        If it does not fit its seal, or has lost it.
    ValueError
        If it is no valid table.
    """
    table.validate(full=True)  # first: Arrow aborts the process where offsets lead beyond their ends
    found = (table.schema.metadata or {}).get(SEAL)
    if found is None and not promised:
        return False
    if found != _checksum(table, (table.schema.metadata or {}).get(key, b"")).encode():
        raise Broken("its content does not fit its checksum")
    return True


def _checksum(table: pa.Table, note: bytes) -> str:
    digest = xxhash.xxh3_128(note)
    for name, column in zip(table.column_names, table.columns, strict=True):  # damage may name two alike
        digest.update(f"\0{name}\0".encode())
        for part in _parts(column):
            digest.update(part)
    return digest.hexdigest()


def _parts(column: pa.ChunkedArray) -> Iterable[Any]:
    """Yield what a column's values are as bytes, however they are cut into chunks."""
    # Parquet and Arrow do not call the items of a list the same
    yield b"list" if pa.types.is_list(column.type) else str(column.type).encode()
    yield np.packbits(column.is_valid().to_numpy()).tobytes()
    kind = column.type
    if pa.types.is_list(kind):
        yield pc.fill_null(pc.list_value_length(column), 0).to_numpy().tobytes()
        yield from _parts(pc.list_flatten(column))
    elif pa.types.is_string(kind):
        whole = pc.fill_null(column, "")
        yield pc.binary_length(whole).to_numpy().tobytes()
        for chunk in whole.chunks if isinstance(whole, pa.ChunkedArray) else [whole]:
            yield _text(chunk)
    else:
        yield np.ascontiguousarray(pc.fill_null(column, 0).to_numpy()).tobytes()


def _text(chunk: pa.StringArray) -> memoryview:
    """Return the characters of an array of texts, one after the other, without a copy."""
    _, offsets, data = chunk.buffers()
    if data is None or not len(chunk):
        return memoryview(b"")
    at = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    return memoryview(data)[int(at[0]) : int(at[-1])]
