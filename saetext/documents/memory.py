"""Readers of what is in memory already: texts alone, and frames of pandas and ``datasets``.

None of these libraries is imported here: an object of theirs cannot exist unless someone has imported them.
Not for: Polars and Arrow, which are in ``columnar``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from saetext.documents.columnar import ArrowTableReader, BatchReader, FrameReader, ObjectsReader
from saetext.documents.reading import NumberedRow, RowReader, kind_of
from saetext.errors import InputError

if TYPE_CHECKING:
    from contextlib import ExitStack

TEXT: Final = "text"  # the column that texts without a name become
_PIECE: Final = 256  # rows that are converted at a time


class TextsReader(RowReader):
    """A list or another iterable of strings; an iterator can be read once."""

    format = "list"

    def __init__(self, texts: Iterable[Any]) -> None:
        self.name = "list"
        self.columns = (TEXT,)
        self._texts = texts
        self._done = 0
        self.restartable = not isinstance(texts, Iterator)
        self.n_rows = len(texts) if isinstance(texts, Sized) else None

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield the texts, each as a row of one column."""
        for number, text in enumerate(self._texts, 1):
            self._done = number
            yield number, {TEXT: None if is_missing(text) else text}

    def progress(self) -> float | None:
        """Return the share of the texts yielded, if their number is known."""
        return min(1.0, self._done / self.n_rows) if self.n_rows else None


class PandasReader(RowReader):
    """A pandas DataFrame; levels of its index that have a name are columns before its own."""

    format = "frame"

    def __init__(self, frame: Any) -> None:
        self.name = "frame"
        self._frame = frame
        self._done = 0
        own = [str(name) for name in frame.columns]
        if len(set(own)) < len(own):
            twice = next(name for name in own if own.count(name) > 1)
            raise InputError(f"{self.name} has two columns named {twice!r}; rename one")
        levels = [(at, str(name)) for at, name in enumerate(frame.index.names) if name is not None]
        self._levels = [(at, name) for at, name in levels if name not in own]
        self._own = own
        self.columns = (*(name for _, name in self._levels), *own)
        self.n_rows = len(frame)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield the rows in order, a few hundred at a time; missing values are None."""
        wanted = set(self.columns or () if columns is None else columns)
        self._done = 0
        for start in range(0, len(self._frame), _PIECE):
            piece = self._frame.iloc[start : start + _PIECE]
            values = {
                name: _plain(piece.index.get_level_values(at)) for at, name in self._levels if name in wanted
            }
            values |= {name: _plain(piece.iloc[:, at]) for at, name in enumerate(self._own) if name in wanted}
            for offset in range(len(piece)):
                self._done = start + offset + 1
                yield self._done, {name: column[offset] for name, column in values.items()}

    def progress(self) -> float | None:
        """Return the share of the rows yielded."""
        return self._done / self.n_rows if self.n_rows else None


def _plain(column: Any) -> list[Any]:
    """Return a pandas column as Python values: None where one is missing, datetimes of Python's own."""
    missing = column.isna()
    return [
        None if gone else value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value
        for value, gone in zip(column.tolist(), missing.tolist(), strict=True)
    ]


class DatasetReader(BatchReader):
    """A ``datasets.Dataset`` in memory or mapped, with whatever rows were selected in it."""

    format = "dataset"

    def __init__(self, dataset: Any) -> None:
        super().__init__("dataset")
        self._dataset = dataset.with_format("arrow")
        self._describe(dataset.features.arrow_schema, dataset.num_rows)

    def _batches(self, stack: ExitStack, columns: list[str]) -> Iterator[pa.RecordBatch]:
        for start in range(0, len(self._dataset), _PIECE):
            yield from self._dataset[start : start + _PIECE].select(columns).to_batches()


def open_in_memory(source: object) -> RowReader | None:
    """Return a reader of an object in memory; None if it is nothing that documents can be read from.

    Raises
    ------
    InputError
        If it holds several data sets.
    """
    if isinstance(source, pa.Table):
        return ArrowTableReader(source)
    if isinstance(source, pa.RecordBatch):
        return ArrowTableReader(pa.Table.from_batches([source]))
    if isinstance(source, pa.ChunkedArray | pa.Array):
        return _named(ArrowTableReader(pa.table({TEXT: source})), TEXT)
    for open_theirs in (_polars, _pandas, _datasets, _numpy):
        found = open_theirs(source)
        if found is not None:
            return found
    if hasattr(source, "read") or isinstance(source, str | Mapping | bytes | bytearray):
        return None  # a file is iterable too
    return _iterable(source) if isinstance(source, Iterable) and getattr(source, "shape", True) else None


def _named(reader: RowReader, column: str) -> RowReader:
    reader.text_column = column
    return reader


def _polars(source: object) -> RowReader | None:
    polars = sys.modules.get("polars")
    if polars is None:
        return None
    if isinstance(source, polars.Series):
        name = source.name or TEXT
        return _named(FrameReader(source.to_frame(name)), name)
    if isinstance(source, polars.DataFrame | polars.LazyFrame):
        return FrameReader(source)
    return None


def _pandas(source: object) -> RowReader | None:
    pandas = sys.modules.get("pandas")
    # while pandas is being imported, its names are not there yet
    if pandas is None or not hasattr(pandas, "DataFrame"):
        return None
    if isinstance(source, pandas.Series):
        name = TEXT if source.name is None else str(source.name)
        return _named(PandasReader(source.to_frame(name)), name)
    if isinstance(source, pandas.DataFrame):
        return PandasReader(source)
    return None


def _datasets(source: object) -> RowReader | None:
    datasets = sys.modules.get("datasets")
    if datasets is None or not hasattr(datasets, "Dataset"):
        return None
    if isinstance(source, datasets.Dataset):
        return DatasetReader(source)
    if isinstance(source, datasets.DatasetDict):
        splits = list(source)
        example = splits[0] if splits else "train"
        raise InputError(
            f"the dataset holds several splits ({', '.join(splits)}); name one, as in dataset[{example!r}]"
        )
    return None


def _numpy(source: object) -> RowReader | None:
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray") or not isinstance(source, numpy.ndarray):
        return None
    if source.ndim < 2:
        return None
    require_one_column(source.shape)
    return _iterable(source[:, 0])


def require_one_column(shape: tuple[int, ...], names: tuple[str, ...] = ()) -> None:
    """Raise InputError unless there is one text a row.

    Parameters
    ----------
    shape : tuple of int
        Of an array or a frame.
    names : tuple of str
        Of its columns.
    """
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        return
    if len(shape) != 2:
        raise InputError(f"expected one text a row, and the array has the shape {shape}")
    listed = ": " + ", ".join(map(repr, names[:6])) + (", ..." if len(names) > 6 else "") if names else ""
    raise InputError(
        f"expected one column of texts, and there are {shape[1]}{listed}; give the column that holds them"
    )


def _iterable(source: Iterable[Any]) -> RowReader:
    """Return the reader of texts or of dicts, whichever comes first; missing ones do not tell."""
    seen: list[Any] = []
    for value in source:
        seen.append(value)
        if not is_missing(value):
            break
    whole = chain(seen, source) if isinstance(source, Iterator) else source
    if seen and is_missing(seen[-1]):  # nothing else in it: each is a reject
        return _named(TextsReader(whole), TEXT)
    return TextsReader(whole) if seen and isinstance(seen[-1], str) else ObjectsReader(whole)


def is_missing(value: object) -> bool:
    """Return whether a value stands for none: None, NaN, or the NA of pandas."""
    return value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and value != value)


def expected(source: object) -> InputError:
    """Return the error for what documents cannot be read from."""
    return InputError(
        "expected a path, a binary file, a list of texts or of dicts, a frame or series of Polars or pandas, "
        f"an Arrow table or a dataset, got {kind_of(source)}"
    )
