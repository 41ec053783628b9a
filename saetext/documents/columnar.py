"""Readers of columnar data: Parquet, Arrow IPC, a saved Hugging Face dataset, and frames in memory.

Files are read in batches of a few hundred rows; columns of bytes (pictures, sound) are not read unless
chosen. Not for: text formats, which are in ``text``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from saetext.documents.reading import BadRow, NumberedRow, Row, RowReader, display_name, kind_of, shorten
from saetext.documents.record import MALFORMED, UNDECODABLE
from saetext.errors import InputError
from saetext.io.json_file import load
from saetext.io.opener import why
from saetext.io.shape import Table

if TYPE_CHECKING:
    import polars as pl

_BATCH: Final = 256
_ARROW_MAGIC: Final = b"ARROW1"
# a name or a value in the schema that is not UTF-8 is found out by Python, not by Arrow
_PROBLEMS: Final = (OSError, pa.lib.ArrowException, UnicodeDecodeError)


def _told(error: Exception) -> str:
    """Return what is wrong with a file, on one line."""
    if isinstance(error, UnicodeDecodeError):
        return "a name in its schema is not UTF-8; rename that column"
    return shorten(str(error))


def _is_binary(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_binary(kind.value_type)
    if pa.types.is_nested(kind):
        return any(_is_binary(kind.field(i).type) for i in range(kind.num_fields))
    return (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


class _Unreadable:
    """Stands for a value of an Arrow column that has no Python equivalent."""


_UNREADABLE: Final = _Unreadable()


def _python_values(column: pa.Array) -> tuple[list[Any], bool]:
    """Return the values of a column, and whether some are ``_UNREADABLE``."""
    kind = column.type
    raw = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(kind)
    # offsets that point outside the buffers would crash the process; bad UTF-8 is the row's own problem
    (column if raw is None else column.view(raw)).validate(full=True)
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)  # datetime has no nanoseconds
    try:
        return column.to_pylist(), False
    except (ValueError, OverflowError):
        return [_python_value(column, i) for i in range(len(column))], True


def _python_value(column: pa.Array, i: int) -> Any:
    try:
        return column[i].as_py()
    except (ValueError, OverflowError):  # invalid UTF-8, or a date beyond the year 9999
        return _UNREADABLE


def _python_rows(batch: pa.RecordBatch) -> Iterator[Row]:
    names = batch.schema.names
    read = [_python_values(column) for column in batch.columns]
    damaged = any(bad for _, bad in read)
    for values in zip(*(column for column, _ in read), strict=True):
        if damaged and _UNREADABLE in values:
            name = names[values.index(_UNREADABLE)]
            yield BadRow(UNDECODABLE, f"column {name!r} holds bytes that are no valid value")
        else:
            yield dict(zip(names, values, strict=True))


class BatchReader(RowReader):
    """A reader of Arrow record batches with a known schema and number of rows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._done = 0

    def _describe(self, schema: pa.Schema, n_rows: int) -> None:
        try:
            names = schema.names
        except UnicodeDecodeError as error:
            raise InputError(f"{self.name} cannot be read: {_told(error)}") from error
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{self.name} has two columns named {twice!r}; rename one")
        self.columns = tuple(names)
        self.binary = tuple(field.name for field in schema if _is_binary(field.type))
        self.n_rows = n_rows

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield the rows of all batches."""
        wanted = list((self.columns or ()) if columns is None else columns)
        self._done = number = 0
        with ExitStack() as stack:
            try:
                for batch in self._batches(stack, wanted):
                    for start in range(0, batch.num_rows, _BATCH):
                        for row in _python_rows(batch.slice(start, _BATCH)):
                            number += 1
                            self._done = number
                            yield number, row
            except _PROBLEMS as error:
                raise InputError(f"{self.name} is damaged: {_told(error)}") from error

    def progress(self) -> float | None:
        """Return the share of the rows yielded."""
        return self._done / self.n_rows if self.n_rows else None

    @abstractmethod
    def _batches(self, stack: ExitStack, columns: list[str]) -> Iterator[pa.RecordBatch]: ...


class ParquetReader(BatchReader):
    """A Parquet file, read page by page."""

    format = "parquet"

    def __init__(self, path: Path) -> None:
        super().__init__(display_name(path))
        self._path = path
        self.size_bytes = path.stat().st_size
        try:
            with self._open() as file:
                self._describe(file.schema_arrow, file.metadata.num_rows)
        except _PROBLEMS as error:
            raise InputError(f"{self.name} is no readable Parquet file: {_told(error)}") from error

    def _open(self) -> Any:
        import pyarrow.parquet as pq

        # buffered and without pre-buffering: otherwise whole row groups are held in memory
        return pq.ParquetFile(self._path, pre_buffer=False, buffer_size=1 << 20)

    def _batches(self, stack: ExitStack, columns: list[str]) -> Iterator[pa.RecordBatch]:
        file = stack.enter_context(self._open())
        for batch in file.iter_batches(batch_size=_BATCH, columns=columns, use_threads=False):
            yield batch.select(columns)  # "a" also asks for the leaves of a column "a.b"


class ArrowReader(BatchReader):
    """Arrow IPC files (Feather too) or streams, one after another; memory-mapped."""

    def __init__(self, name: str, paths: Sequence[Path], format: str = "arrow") -> None:
        super().__init__(name)
        self.format = format
        self._paths = tuple(paths)
        self.size_bytes = sum(path.stat().st_size for path in paths)
        schema: pa.Schema | None = None
        n_rows = 0
        for path in paths:
            try:
                with ExitStack() as stack:
                    found, batches = self._open(path, stack)
                    n_rows += sum(batch.num_rows for batch in batches)
                    names = found.names
            except _PROBLEMS as error:
                what = _told(error)
                raise InputError(f"{display_name(path)} is no readable Arrow file: {what}") from error
            if schema is not None and names != schema.names:
                raise InputError(f"{name}: {path.name} has other columns than {paths[0].name}")
            schema = found
        if schema is None:
            raise InputError(f"{name} has no data files")
        self._describe(schema, n_rows)

    @staticmethod
    def _open(path: Path, stack: ExitStack) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        source = stack.enter_context(pa.memory_map(str(path)))
        is_file = source.read(len(_ARROW_MAGIC)) == _ARROW_MAGIC
        source.seek(0)
        if not is_file:
            stream = stack.enter_context(pa.ipc.open_stream(source))
            return stream.schema, iter(stream)
        file = stack.enter_context(pa.ipc.open_file(source))
        return file.schema, (file.get_batch(i) for i in range(file.num_record_batches))

    def _batches(self, stack: ExitStack, columns: list[str]) -> Iterator[pa.RecordBatch]:
        for path in self._paths:
            for batch in self._open(path, stack)[1]:
                yield batch.select(columns)


def open_saved_dataset(path: Path) -> ArrowReader:
    """Open a directory written by Hugging Face ``Dataset.save_to_disk``.

    Raises
    ------
    InputError
        If it is none, or holds several splits.
    """
    name = display_name(path)
    splits = _json_file(path / "dataset_dict.json")
    if splits is not None:
        names = splits.get("splits")
        listed = [str(s) for s in names] if isinstance(names, list) else []
        example = path / (listed[0] if listed else "train")
        raise InputError(f"{name} holds several splits ({', '.join(listed)}); name one, as in {example}")
    state = _json_file(path / "state.json")
    if state is None:
        raise InputError(f"{path} is a directory, but no saved Hugging Face dataset (no state.json)")
    if state.get("_indices_data_files"):
        raise InputError(f"{name} was saved with an index over its rows; save it after flatten_indices()")
    files = state.get("_data_files")
    paths = []
    for entry in files if isinstance(files, list) else []:
        file = entry.get("filename") if isinstance(entry, dict) else None
        if not isinstance(file, str) or Path(file).name != file:
            raise InputError(f"{name}/state.json names a data file that is not in the directory: {file!r}")
        if not (path / file).is_file():
            raise InputError(f"{name} lacks its data file {file}")
        paths.append(path / file)
    return ArrowReader(name, paths, "dataset")


def _json_file(path: Path) -> dict[str, Any] | None:
    """Return the object in a small JSON file, None if there is no file."""
    try:
        return dict(load(path, Table(), loose=True))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {why(error)}") from error


class ArrowTableReader(BatchReader):
    """A ``pyarrow.Table``."""

    format = "frame"

    def __init__(self, table: pa.Table) -> None:
        super().__init__("table")
        self._table = table
        self._describe(table.schema, table.num_rows)

    def _batches(self, stack: ExitStack, columns: list[str]) -> Iterator[pa.RecordBatch]:
        yield from self._table.select(columns).to_batches()


class FrameReader(RowReader):
    """A Polars DataFrame, or a LazyFrame that is evaluated anew, in streaming mode, for every pass."""

    format = "frame"

    def __init__(self, frame: pl.DataFrame | pl.LazyFrame) -> None:
        import polars as pl

        self.name = "frame"
        self._frame = frame
        self._done = 0
        try:
            schema = frame.collect_schema()
        except pl.exceptions.PolarsError as error:
            raise InputError(f"the frame cannot be evaluated: {shorten(str(error))}") from error
        self.columns = tuple(schema.names())
        self.binary = tuple(name for name, kind in schema.items() if kind == pl.Binary)
        self.n_rows = frame.height if isinstance(frame, pl.DataFrame) else None

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield the rows in order."""
        self._done = 0
        return self._rows(self._frame.select(self.columns if columns is None else columns))

    def sample(self, n: int) -> list[NumberedRow]:
        """Return the first ``n`` rows without evaluating more of a lazy frame than they need."""
        return list(self._rows(self._frame.head(n)))

    def _rows(self, frame: pl.DataFrame | pl.LazyFrame) -> Iterator[NumberedRow]:
        import polars as pl

        number = 0
        try:
            for chunk in [frame] if isinstance(frame, pl.DataFrame) else _collected(frame):
                for part in chunk.iter_slices(_BATCH):
                    for row in part.to_dicts():
                        number += 1
                        self._done = number
                        yield number, row
        except pl.exceptions.PolarsError as error:
            raise InputError(f"the frame cannot be evaluated: {shorten(str(error))}") from error

    def progress(self) -> float | None:
        """Return the share of the rows yielded; None for a lazy frame."""
        return self._done / self.n_rows if self.n_rows else None


def _collected(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield the result of a lazy frame in chunks; before Polars 1.34, in one."""
    if hasattr(frame, "collect_batches"):
        yield from frame.collect_batches(chunk_size=_BATCH * 16, maintain_order=True)
    else:
        yield frame.collect()


class ObjectsReader(RowReader):
    """A list or another iterable of dicts; an iterator can be read once."""

    format = "list"

    def __init__(self, objects: Iterable[Any]) -> None:
        self.name = "list"
        self._objects = objects
        self._done = 0
        self.restartable = not isinstance(objects, Iterator)
        self.n_rows = len(objects) if isinstance(objects, Sized) else None

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield the objects."""
        for number, value in enumerate(self._objects, 1):
            self._done = number
            if isinstance(value, Mapping):
                yield number, value
            else:
                yield number, BadRow(MALFORMED, f"{kind_of(value)}, neither a text nor a dict")

    def progress(self) -> float | None:
        """Return the share of the objects yielded, if their number is known."""
        return min(1.0, self._done / self.n_rows) if self.n_rows else None
