"""The documents of a corpus as a Polars lazy frame: one shard at a time, and only the columns asked for.

Not for: features, which are matrices (corpus.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

FIXED_COLUMNS = ("row", "id", "text", "prompt", "n_tokens", "n_unknown")
UNNAMED = "unnamed"  # what a metadata column whose name is empty is called


class DocsPart(NamedTuple):
    """One shard's documents: its batch, where its rows lie in the corpus, and which of them are in it."""

    batch: pa.RecordBatch
    start: int
    local: NDArray[np.int64] | None  # None for all


def column_names(meta: Mapping[str, str], added: Sequence[str] = ()) -> dict[str, str]:
    """Return the frame's name for each metadata column; one that is taken gets the prefix ``meta.``.

    A column without a name, which Polars would give one of its own, is :data:`UNNAMED`. ``added`` are names
    of columns that stand beside the metadata.
    """
    fixed = {*FIXED_COLUMNS, *added}
    taken = {*fixed, *(name for name in meta if name not in fixed)}
    names = {}
    for name in meta:
        shown = name or UNNAMED
        if not name or name in fixed:
            while shown in taken:
                shown = f"meta.{shown}"
            taken.add(shown)
        names[name] = shown
    return names


def polars_type(kind: str) -> pl.DataType:
    """Return the Polars type of a metadata column; one without any value reads as strings."""
    import polars as pl

    kinds = {
        "bool": pl.Boolean(),
        "int": pl.Int64(),
        "float": pl.Float64(),
        "date": pl.Date(),
        "datetime": pl.Datetime("us"),
        "datetime_utc": pl.Datetime("us", "UTC"),
    }
    return kinds.get(kind, pl.String())


def schema(meta: Mapping[str, str], added: pl.DataFrame | None = None) -> dict[str, pl.DataType]:
    """Return the columns of the frame and their types, those that were added last."""
    import polars as pl

    return {
        "row": pl.UInt32(),
        "id": pl.String(),
        "text": pl.String(),
        "prompt": pl.String(),
        "n_tokens": pl.Int32(),
        "n_unknown": pl.Int32(),
        **{shown: polars_type(meta[name]) for name, shown in column_names(meta, _names(added)).items()},
        **({} if added is None else dict(added.schema)),
    }


def _names(added: pl.DataFrame | None) -> list[str]:
    return [] if added is None else added.columns


def frames(
    parts: Iterator[DocsPart], meta: Mapping[str, str], columns: list[str], added: pl.DataFrame | None = None
) -> Iterator[pl.DataFrame]:
    """Yield each shard's documents in these columns, at least one frame (which may be empty).

    ``added`` has a row for each document of the corpus or view.
    """
    import polars as pl

    kinds = schema(meta, added)
    own = _names(added)
    names = {shown: name for name, shown in column_names(meta, own).items()}

    def read(part: DocsPart, column: str) -> pl.Series:
        n = part.batch.num_rows if part.local is None else len(part.local)
        if column == "row":
            return pl.Series("row", np.arange(part.start, part.start + n, dtype=np.uint32))
        if added is not None and column in own:
            return added[column].slice(part.start, n)
        fixed = column in FIXED_COLUMNS
        array = part.batch.column(column) if fixed else _meta_column(part.batch, names[column])
        if array is None:
            return pl.repeat(None, n, dtype=kinds[column], eager=True).alias(column)
        if part.local is not None:
            array = array.take(pa.array(part.local))
        return _cast(pl.Series(column, array), kinds[column])

    empty = True
    for part in parts:
        empty = False
        yield pl.DataFrame([read(part, column) for column in columns])
    if empty:
        yield pl.DataFrame(schema={column: kinds[column] for column in columns})


def need_texts(columns: Sequence[str]) -> bool:
    """Return whether one of these columns of the frame is a text or prompt."""
    return not {"text", "prompt"}.isdisjoint(columns)


def scan(
    parts: Callable[[bool], Iterator[DocsPart]], meta: Mapping[str, str], added: pl.DataFrame | None = None
) -> pl.LazyFrame:
    """Return the lazy frame over shards.

    Parameters
    ----------
    parts : callable
        Yields the shards in order, each time it is called; it is told whether texts are needed.
    meta : mapping
        Metadata columns and their unified types.
    added : DataFrame, optional
        Columns beside the metadata, a row for each document.
    """
    # The package first: a thread that asks for a module of it, while another imports it, holds what that one
    # waits for. Python then hands out half a package, and polars had no Series until the process ended.
    import polars  # noqa: F401
    from polars.io.plugins import register_io_source

    kinds = schema(meta, added)

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = list(kinds) if with_columns is None else with_columns
        extra = [] if predicate is None else [c for c in predicate.meta.root_names() if c not in wanted]
        # a frame without columns has no height, so the row number stands in when rows are only counted
        needed = [*wanted, *dict.fromkeys(extra)] or ["row"]
        left = n_rows
        for frame in frames(parts(need_texts(needed)), meta, needed, added):
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            if predicate is not None:
                frame = frame.filter(predicate)
            yield frame if len(needed) == len(wanted) else frame.select(wanted)
            if left == 0:
                return

    return register_io_source(source, schema=kinds, is_pure=True)


def _meta_column(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    """Return a metadata column of a shard; None if the shard has no value in it."""
    struct = batch.column("meta")
    index = struct.type.get_field_index(name)
    if index < 0 or pa.types.is_null(struct.type.field(index).type):
        return None
    return struct.field(index)


def _cast(series: pl.Series, kind: pl.DataType) -> pl.Series:
    import polars as pl

    if series.dtype == kind:
        return series
    if kind == pl.String and isinstance(series.dtype, pl.Datetime):  # as datetime.isoformat writes it
        return series.dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + ("%:z" if series.dtype.time_zone else ""))
    return series.cast(kind)
