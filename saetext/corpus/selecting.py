"""Which rows are meant: by a condition, a mask, row numbers, or one row by its id.

Not for: the syntax of conditions (where.py).
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from saetext.errors import CorpusError, InputError

if TYPE_CHECKING:
    import polars as pl


def rows_of(which: Any, n: int) -> NDArray[np.int64]:
    """Return the rows that a mask of ``n`` values or row numbers name, increasing.

    Raises
    ------
    InputError
        If they are out of range, repeated or not in order.
    """
    index = np.asarray(which)
    if index.ndim != 1:
        raise InputError(f"rows to select have one dimension, not {index.ndim}")
    if index.dtype == bool:
        if len(index) != n:
            raise InputError(f"a mask of {len(index)} values for {n} documents")
        return np.flatnonzero(index)
    if not len(index):
        return np.empty(0, np.int64)
    if not np.issubdtype(index.dtype, np.integer):
        raise InputError(f"select takes a condition, a mask or row numbers, not {index.dtype}")
    if index.min() < 0 or index.max() >= n:
        raise InputError(f"row {index.max()} or {index.min()} is outside 0 to {n - 1}")
    rows = index.astype(np.int64)
    if (np.diff(rows) <= 0).any():
        raise InputError("row numbers must be increasing and not repeat: a view keeps the corpus's order")
    return rows


def rows_where(condition: str | pl.Expr, documents: pl.LazyFrame) -> NDArray[np.int64]:
    """Return the rows for which a condition on the documents' columns is true.

    Raises
    ------
    InputError
        If it names unknown columns or is no condition.
    """
    import polars as pl

    from saetext.corpus.where import parse_where

    if isinstance(condition, str):
        condition = parse_where(condition, documents.collect_schema())
    try:
        mask = documents.select("row", condition.alias("\0mask")).collect()["\0mask"]
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"the condition does not fit the columns: {reason}") from error
    if mask.dtype != pl.Boolean:
        raise InputError(f"the condition is {mask.dtype}, not true or false")
    return np.flatnonzero(mask.fill_null(False).to_numpy())


def row_of_id(key: str, ids: pa.ChunkedArray, path: Path) -> int:
    """Return the row of an id; CorpusError, with ids that come close, if there is none."""
    if (row := find_id(key, ids)) is None:
        raise CorpusError(f"{path} has no document {key!r}{_close_to(key, ids)}")
    return row


def find_id(key: str, ids: pa.ChunkedArray) -> int | None:
    """Return the row of an id, or None."""
    try:
        row = int(pc.index(ids, pa.scalar(key)).as_py())
    except UnicodeEncodeError:  # a lone surrogate, as of an argument that is not UTF-8
        return None
    return None if row < 0 else row


def _close_to(key: str, ids: pa.ChunkedArray) -> str:
    """Return what to say about ids like an unknown one, looking at a bounded number of them."""
    key = key.encode("utf-8", "replace").decode()
    alike = ids.filter(pc.starts_with(ids, key[:3])).slice(0, 2000).to_pylist()
    near = difflib.get_close_matches(key, alike or ids.slice(0, 2000).to_pylist(), n=3, cutoff=0.5)
    return f"; did you mean {', '.join(map(repr, near))}?" if near else ""
