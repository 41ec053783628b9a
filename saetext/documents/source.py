"""open_documents: any input -> a stream of documents and rejects.

Not for: the formats themselves (``text``, ``columnar``), nor for what a reader does with a document.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa

from saetext.documents.chat import parse_messages
from saetext.documents.convert import ROLES, Converter, IdSet, row_id
from saetext.documents.formats import FORMATS as FORMATS
from saetext.documents.grouping import are_turns
from saetext.documents.guess import ColumnChooser
from saetext.documents.opening import Manner, manner_of, open_reader
from saetext.documents.reading import BadRow, NumberedRow, RowReader
from saetext.documents.recognition import holds_turns, recognised
from saetext.documents.record import Columns, Document, Reject
from saetext.documents.shapes import Reshaped, Shape
from saetext.documents.words import examples
from saetext.errors import InputError, refuse_unused
from saetext.text.one_line import about, quoted

if TYPE_CHECKING:
    import polars as pl

    Frame: TypeAlias = pl.DataFrame | pl.LazyFrame | pa.Table | pa.RecordBatch
    Texts: TypeAlias = pl.Series | pa.Array | pa.ChunkedArray | Iterable[str]
    # what pandas and datasets have is iterable too, of anything as far as types can tell
    Source: TypeAlias = str | os.PathLike[str] | IO[bytes] | Frame | Texts | Iterable[Any]

SAMPLE_ROWS: Final = 100


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
    examples : str
        The beginnings of two texts, where their column was guessed.
    shape : str
        What wrote the rows, where their shape told it: ``OpenAI batch output``; else empty.
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
        manner: Manner | None = None,
    ) -> None:
        if role not in ROLES:
            raise InputError(f"role {quoted(role)} is unknown; choose one of {', '.join(ROLES)}")
        self._reader = reader
        self._manner = manner or Manner()
        self.name = reader.name
        self._version = reader.version
        self.format = reader.format
        self.size_bytes = reader.size_bytes
        self.n_rows = reader.n_rows
        self.restartable = reader.restartable
        self.role = role
        self._once: Iterator[NumberedRow] | None = None
        self._counted: dict[str, int] = {}
        parts = {"text": text, "messages": messages, "prompt": prompt, "id": id}
        sample = self._sample()
        self.notices: list[str] = list(reader.notices)
        if text and not prompt and not messages and holds_turns(sample, text):
            text, messages = None, text
            parts |= {"text": None, "messages": messages}
        sample, late = self._in_shape(sample, parts)
        readable = [row for _, row in sample if not isinstance(row, BadRow)]
        shape = self._shape
        self.shape = "" if shape is None else shape.name
        columns = None if shape is not None else self._reader.columns
        chooser = ColumnChooser(self.name, readable, columns, reader.untyped, late)
        known = None if shape is None else Columns(shape.text, shape.id, shape.prompt, shape.messages)
        self.columns = chooser.choose(text, id, prompt, messages, known)
        self._tell(readable)
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

    def _in_shape(
        self, sample: list[NumberedRow], parts: Mapping[str, str | None]
    ) -> tuple[list[NumberedRow], Sequence[str]]:
        """Put the reader and its first rows into the shape they are recognised to have.

        Returns the rows, and the columns that were named and come later in the file.
        """
        readable = [row for _, row in sample if not isinstance(row, BadRow)]
        late = self._late_columns(readable, parts)
        self._shape: Shape | None = recognised(self._reader, readable, parts, late)
        if self._shape is None:
            return sample, late
        self._reader = Reshaped(self._reader, self._shape)
        if self._once is not None:
            self._once = self._shape.rows(self._once)
        self.n_rows = None
        shaped = list(self._shape.rows(sample))
        if not any(not isinstance(row, BadRow) for _, row in shaped):
            number, bad = next(((n, row) for n, row in shaped if isinstance(row, BadRow)), (0, None))
            why = "" if bad is None else f" ({self._reader.unit} {number}: {bad.reason}, {bad.detail})"
            named = self._shape.name or f"texts at {self._shape.reads}"
            first = "row" if len(sample) == 1 else f"{len(sample)} rows"
            out = "; --text-column NAME reads a column as it is" if self._shape.name else ""
            raise InputError(f"{self.name}, read as {named}: no text in the first {first}{why}{out}")
        return shaped, late

    def _late_columns(self, readable: Sequence[Any], parts: Mapping[str, str | None]) -> list[str]:
        """Return the named columns that the first rows lack, if a later row has them."""
        known = {name for row in readable for name in row}
        missing = {
            name for name in parts.values() if name and name not in known and not name.strip(".").count(".")
        }
        if not missing or self._reader.columns is not None or not self.restartable:
            return []
        found: list[str] = []
        for _, row in self._reader.rows():
            if not isinstance(row, BadRow):
                found += [name for name in missing if name in row and name not in found]
            if len(found) == len(missing):
                break
        return found

    def _tell(self, readable: Sequence[Mapping[str, Any]]) -> None:
        """Take notice of what was recognised, with examples of what was guessed."""
        shape = self._shape
        if shape is not None:
            if shape.name:
                self.notices.append(f"recognised as {shape.name}: text at {shape.reads}")
            self.notices += [notice for notice in shape.notices if notice not in self.notices]
            shape.notices = self.notices
        if shape is None and self.columns.text is not None and are_turns(readable):
            speakers = {str(row["role"]).lower() for row in readable}
            if len(speakers) > 1:
                self.notices.append(
                    "column 'role' says who speaks, but no column in which conversation: each row is a "
                    "document, whoever speaks"
                )
        self.examples = ""
        for part in ("text", "messages"):
            name = self.columns.chosen().get(part)
            if name is not None and part in self.columns.guessed:
                self.examples = examples([_shown(row.get(name), self.role) for row in readable])

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
            unit = self._reader.unit
            many = len(sample) > 1
            what = f"none of the first {len(sample)} {unit}s can" if many else f"its only {unit} cannot"
            raise InputError(
                f"{self.name}: {what} be read as {self.format} "
                f"({unit} {number}: {first.reason}, {first.detail}); name another with --format"
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
            counted=self._counted,
            check_ids=self._check_ids,
        )
        reader = self._reader
        for position, (number, row) in enumerate(rows):
            where = f"{reader.part}, {reader.unit} {number}"
            yield converter.convert(row, position, where, comma=reader.decimal_comma)

    def metadata(self) -> list[str]:
        """Return the columns that become metadata.

        Of a file without a schema all rows are read for them: a column may begin late. Of a stream only those
        of its first rows are known.
        """
        names = dict.fromkeys(self.columns.available)
        if self._reader.columns is None and self.restartable:
            names |= {name: None for item in self if isinstance(item, Document) for name in item.meta}
        chosen = self.columns.chosen().values()
        return [name for name in names if name not in chosen]

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
            **self._manner.given(),
            **({"shape": self.shape} if self.shape else {}),
            **({"version": self._version} if self._version else {}),
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
    delimiter: str | None = None,
    encoding: str | None = None,
    records: str | None = None,
) -> DocumentSource:
    """Open documents for reading.

    Parameters
    ----------
    source : path, URL, "-", binary file object, list of paths, or texts in memory
        ``"-"`` is standard input as JSON Lines. A directory is one saved by Hugging Face ``datasets``, or of
        files of one kind; a path with ``*`` is all files that fit. A URL (``s3://``, ``https://``,
        ``hf://datasets/OWNER/NAME``) is fetched by fsspec. In memory: an iterable of texts or of
        dicts, a DataFrame or Series of pandas or Polars, a Polars LazyFrame, an Arrow table, batch or array,
        a ``datasets.Dataset``. The name of a series is its text column; levels of a pandas index that have a
        name are columns.
    format : str, optional
        One of ``jsonl``, ``json``, ``csv``, ``tsv``, ``txt``, ``lines``, ``parquet``, ``arrow``, ``dataset``,
        ``zip``, ``eval``, ``sheet``, ``sqlite``, ``duckdb``; by the file's extension if left out. Gzip, bz2,
        xz and zstd are recognised by themselves in the text formats.
    text, id, prompt, messages : str, optional
        Columns, or paths into nested ones: ``response.body.choices[0].message.content``. What is left out is
        guessed; ``""`` means there is none. An ``id`` that is named must be unique (repeats are rejected); a
        guessed one that repeats becomes metadata.
    role : str
        Which turns of a chat count: ``assistant``, ``user``, ``system`` or ``all``.
    delimiter, encoding : str, optional
        Of CSV, and of any text; told from the bytes if left out.
    records : str, optional
        Path to the rows in a JSON file that is one object: ``samples``. The sheet of a workbook; the table of
        a database, or a query: ``select * from answers where score > 3``.

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
    manner = manner_of(format, delimiter, encoding, records)
    reader = open_reader(source, manner)
    if text is None and messages is None:
        text = reader.text_column
    return DocumentSource(
        reader, text=text, id=id, prompt=prompt, messages=messages, role=role, manner=manner
    )


def _shown(value: object, role: str) -> object:
    """Return what of a value is shown as an example: of a chat the first turn that counts."""
    if value is None or isinstance(value, str):
        chat = parse_messages(value) if isinstance(value, str) and value.lstrip()[:1] == "[" else None
        if chat is None:
            return value
    else:
        chat = parse_messages(value)
    return next((turn.content for turn in chat or () if role in ("all", turn.role)), None)
