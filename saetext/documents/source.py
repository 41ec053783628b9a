"""open_documents: any input -> a stream of documents and rejects.

Not for: the formats themselves (``text``, ``columnar``), nor for what a reader does with a document.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa

from saetext.documents.columnar import ArrowReader, ParquetReader, open_saved_dataset
from saetext.documents.convert import ROLES, Converter, IdSet, row_id
from saetext.documents.guess import ColumnChooser
from saetext.documents.memory import expected, open_in_memory
from saetext.documents.pipes import open_stream
from saetext.documents.reading import BadRow, NumberedRow, RowReader, display_name
from saetext.documents.record import Columns, Document, Reject
from saetext.documents.text import (
    ByteSource,
    DelimitedText,
    JsonArray,
    JsonLines,
    TextReader,
    holds_json_lines,
)
from saetext.errors import InputError, refuse_unused
from saetext.text.one_line import about, quoted

if TYPE_CHECKING:
    import polars as pl

    Frame: TypeAlias = pl.DataFrame | pl.LazyFrame | pa.Table | pa.RecordBatch
    Texts: TypeAlias = pl.Series | pa.Array | pa.ChunkedArray | Iterable[str]
    # what pandas and datasets have is iterable too, of anything as far as types can tell
    Source: TypeAlias = str | os.PathLike[str] | IO[bytes] | Frame | Texts | Iterable[Any]

SAMPLE_ROWS: Final = 100
FORMATS: Final = ("jsonl", "json", "csv", "tsv", "parquet", "arrow", "dataset")
_TEXT_FORMATS: Final = ("jsonl", "json", "csv", "tsv")
_BY_SUFFIX: Final = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}


class DocumentSource:
    """The documents of one input, with the columns that were chosen. Made by :func:`open_documents`.

    Iterating yields a :class:`Document` or a :class:`Reject` for every row, in order, with consecutive
    positions. A source read from disk or from memory starts afresh with every ``iter()``; one read from a
    stream can be iterated once.

    Attributes
    ----------
    name, format : str
        For messages: the file's name, and how it was read.
    columns : Columns
        Which column is what.
    role : str
        The counted role of a chat.
    size_bytes, n_rows : int or None
        Where cheap to know: bytes on disk (compressed), rows (Parquet, Arrow, frames and lists).
    restartable : bool
        Whether it can be iterated more than once.
    notices : list of str
        What the user should know, one line each; grows while iterating.
    """

    def __init__(
        self,
        reader: RowReader,
        *,
        text: str | None = None,
        id: str | None = None,
        prompt: str | None = None,
        messages: str | None = None,
        role: str = "assistant",
    ) -> None:
        if role not in ROLES:
            raise InputError(f"role {quoted(role)} is unknown; choose one of {', '.join(ROLES)}")
        self._reader = reader
        self.name = reader.name
        self.format = reader.format
        self.size_bytes = reader.size_bytes
        self.n_rows = reader.n_rows
        self.restartable = reader.restartable
        self.role = role
        self.notices: list[str] = list(reader.notices)
        self._once: Iterator[NumberedRow] | None = None
        sample = self._sample()
        readable = [row for _, row in sample if not isinstance(row, BadRow)]
        chooser = ColumnChooser(self.name, readable, reader.columns, reader.untyped)
        self.columns = chooser.choose(text, id, prompt, messages)
        if self.columns.messages is None:
            refuse_unused(
                f"it says whose turns of a chat count, and {self.name} has no messages; leave it out",
                role=None if role == "assistant" else role,
            )
        self._check_ids = self.columns.id is not None and "id" not in self.columns.guessed
        if "id" in self.columns.guessed:
            self._confirm_guessed_id()
        chosen = self.columns.chosen().values()
        dropped = [name for name in reader.binary if name not in chosen]
        self.notices += [f"column {name!r} holds bytes: left out" for name in dropped]
        self._wanted = None if not dropped else [n for n in self.columns.available if n not in dropped]

    def __repr__(self) -> str:
        rows = "rows" if self.n_rows is None else f"{self.n_rows:,} rows"
        return about(self, f"{quoted(self.name, 50)}, {rows} of {self.format}, {self.columns.describe()}")

    def _sample(self) -> list[NumberedRow]:
        if self.restartable:
            sample = self._reader.sample(SAMPLE_ROWS)
        else:
            rows = self._reader.rows()
            sample = list(islice(rows, SAMPLE_ROWS))
            self._once = chain(sample, rows)
        if not sample:
            raise InputError(f"{self.name} has no rows")
        number, first = sample[0]
        if isinstance(first, BadRow) and all(isinstance(row, BadRow) for _, row in sample):
            what = f"{len(sample)} {self._reader.unit}{'s' if len(sample) > 1 else ''}"
            raise InputError(
                f"{self.name}: none of the first {what} can be read as {self.format} "
                f"({self._reader.unit} {number}: {first.reason}, {first.detail})"
            )
        return sample

    def _confirm_guessed_id(self) -> None:
        """Keep a guessed id column only if its ids are unique; else it is metadata."""
        column = self.columns.id
        assert column is not None
        if self.restartable:
            seen = IdSet()
            for position, (_, row) in enumerate(self._reader.rows([column])):
                if isinstance(row, BadRow):
                    continue
                id = row_id(row.get(column), position)
                if id is None or not seen.add(id):
                    why = "repeats" if id is not None else "holds values that are no ids"
                    break
            else:
                return
        else:
            why = "cannot be checked for repeats in a stream unless it is named"
        self.notices.append(f"column {column!r} {why}: kept as metadata, and rows get new ids")
        guessed = tuple(part for part in self.columns.guessed if part != "id")
        old = self.columns
        self.columns = Columns(old.text, None, old.prompt, old.messages, guessed, old.available)

    def __iter__(self) -> Iterator[Document | Reject]:
        """Start reading from the first row.

        Raises
        ------
        InputError
            If a stream is read a second time; while iterating, if the file is damaged.
        """
        if self.restartable:
            return self._documents(self._reader.rows(self._wanted))
        if self._once is None:
            raise InputError(f"{self.name} can be read only once")
        rows, self._once = self._once, None
        return self._documents(rows)

    def _documents(self, rows: Iterator[NumberedRow]) -> Iterator[Document | Reject]:
        converter = Converter(
            self.columns,
            self.role,
            untyped=self._reader.untyped,
            notices=self.notices,
            check_ids=self._check_ids,
        )
        place = f"{self.name}, {self._reader.unit} "
        for position, (number, row) in enumerate(rows):
            yield converter.convert(row, position, f"{place}{number}")

    def progress(self) -> float | None:
        """Return the share of the input (bytes or rows) that the latest iteration has consumed, 0 to 1."""
        return self._reader.progress()

    def identity(self) -> dict[str, Any]:
        """Return what a resumed run must agree on, as plain JSON types."""
        return {
            "name": self.name,
            "format": self.format,
            "size_bytes": self.size_bytes,
            "n_rows": self.n_rows,
            "columns": self.columns.chosen(),
            "role": self.role,
        }


def open_documents(
    source: Source,
    *,
    format: str | None = None,
    text: str | None = None,
    id: str | None = None,
    prompt: str | None = None,
    messages: str | None = None,
    role: str = "assistant",
) -> DocumentSource:
    """Open documents for reading.

    Parameters
    ----------
    source : path, "-", binary file object, or texts in memory
        ``"-"`` is standard input as JSON Lines. A directory is one saved by Hugging Face ``datasets``. In
        memory: an iterable of texts or of dicts, a DataFrame or Series of pandas or Polars, a Polars
        LazyFrame, an Arrow table, batch or array, a ``datasets.Dataset``. The name of a series is its text
        column; levels of a pandas index that have a name are columns.
    format : str, optional
        One of ``jsonl``, ``json``, ``csv``, ``tsv``, ``parquet``, ``arrow``, ``dataset``; by the file's
        extension if left out. Gzip is recognised by itself in the four text formats.
    text, id, prompt, messages : str, optional
        Column names. What is left out is guessed; ``""`` means there is none. An ``id`` that is named must
        be unique (repeats are rejected); a guessed one that repeats becomes metadata.
    role : str
        Which turns of a chat count: ``assistant``, ``user``, ``system`` or ``all``.

    Returns
    -------
    DocumentSource

    Raises
    ------
    InputError
        If the source cannot be read, is empty, or lacks a column.

    Examples
    --------
    >>> import saetext
    >>> [document.id for document in saetext.open_documents("examples/gentle.jsonl")][:2]
    ['cooking-01-gentle', 'cooking-02-gentle']
    """
    reader = _open_reader(source, format)
    if text is None and messages is None:
        text = reader.text_column
    return DocumentSource(reader, text=text, id=id, prompt=prompt, messages=messages, role=role)


def _open_reader(source: Source, format: str | None) -> RowReader:
    if format is not None:
        format = format.lower().removesuffix(".gz").lstrip(".")
        format = _BY_SUFFIX.get(f".{format}", format)
        if format not in FORMATS:
            raise InputError(f"format {format!r} is unknown; choose one of {', '.join(FORMATS)}")
    if isinstance(source, str) and source == "-":
        if sys.stdin is None or getattr(sys.stdin, "closed", False):
            raise InputError("cannot read standard input: it is closed; name a file instead")
        return _text_reader(ByteSource(sys.stdin.buffer, "standard input"), format or "jsonl")
    if isinstance(source, str | os.PathLike):
        return _path_reader(Path(source), format)
    reader = open_in_memory(source)
    if reader is not None:
        refuse_unused("it is for files, and these texts are in memory; leave it out", format=format)
        return reader
    if hasattr(source, "read"):
        return _file_object_reader(source, format)
    raise expected(source)


def _path_reader(path: Path, format: str | None) -> RowReader:
    try:
        info = path.stat()
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)[:200]!r} cannot be opened: {error}") from error
    try:
        if stat.S_ISDIR(info.st_mode):
            return open_saved_dataset(path.resolve())
        if not stat.S_ISREG(info.st_mode):  # a named pipe, or a shell's <(...)
            format = format or (_format_of(path) if path.suffix else "jsonl")
            return _text_reader(ByteSource(open_stream(path), str(path)), format)
        format = format or _format_of(path)
        if info.st_size == 0:
            raise InputError(f"{path} is empty")
        if format == "dataset":
            raise InputError(f"{path} is a file; format 'dataset' means a directory saved by datasets")
        if format == "parquet":
            return ParquetReader(path)
        if format == "arrow":
            return ArrowReader(display_name(path), [path])
        return _text_reader(ByteSource(path, display_name(path)), format)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _format_of(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    zipped = bool(suffixes) and suffixes[-1] == ".gz"
    suffix = (suffixes[:-1] if zipped else suffixes)[-1:] or [""]
    format = _BY_SUFFIX.get(suffix[0])
    if format is None or (zipped and format not in _TEXT_FORMATS):
        raise InputError(
            f"cannot tell the format of {display_name(path)}; saetext reads {' '.join(_BY_SUFFIX)}, "
            f"the text formats also with .gz, and saved datasets: name it with format ({', '.join(FORMATS)})"
        )
    return format


def _file_object_reader(file: Any, format: str | None) -> RowReader:
    if isinstance(file, io.TextIOBase):
        raise InputError("the file object yields text; open it in binary mode ('rb')")
    name = getattr(file, "name", None)
    path = Path(name) if isinstance(name, str) else None
    format = format or (_format_of(path) if path is not None and path.suffix else "jsonl")
    rewind = bool(getattr(file, "seekable", lambda: False)())
    return _text_reader(ByteSource(file, display_name(path) if path else "stream", rewind=rewind), format)


def _text_reader(source: ByteSource, format: str) -> TextReader:
    if format == "jsonl":
        return JsonLines(source)
    if format == "json":
        if source.restartable and holds_json_lines(source):
            lines = JsonLines(source)
            lines.notices = (f"{source.name} holds one object a line: read as JSON Lines",)
            return lines
        return JsonArray(source)
    if format in ("csv", "tsv"):
        return DelimitedText(source, format)
    raise InputError(f"{source.name} is a stream: {format} has to be read from a file by its path")
