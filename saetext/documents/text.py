"""Readers of text formats: JSON Lines, a JSON array, CSV and TSV, plain text, each of them compressed or not.

They hold one row (at most ``MAX_ROW`` bytes) and a read buffer in memory, whatever the file's size. Text
is UTF-8 unless a byte order mark, the bytes of a CSV file or the user say otherwise. Not for: Parquet and
Arrow, which are in ``columnar``, or JSON files that are one object (``records``).
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import IO, Final, TypeAlias, cast

from saetext.documents.decoding import (
    BROKEN,
    Pulled,
    buffered,
    decompressed,
    looks_western,
    marked_encoding,
    recoded,
    require_encoding,
    without_mark,
)
from saetext.documents.dialect import DELIMITERS, Dialect, dialect_of
from saetext.documents.json_values import DECODER, decode_json
from saetext.documents.paths import opened
from saetext.documents.reading import BadRow, NumberedRow, Row, RowReader, kind_of, shorten
from saetext.documents.record import MALFORMED, UNDECODABLE
from saetext.errors import InputError

MAX_ROW: Final = 64 << 20
_BUFFER: Final = 1 << 20
_HEAD: Final = 1 << 16  # bytes by which a dialect is told
_LOOKED_AT: Final = 4 << 20  # bytes by which an encoding is told

Stream: TypeAlias = io.BufferedReader


class ByteSource:
    """Where a text reader's bytes come from: a path, or a file object that is read once or rewound.

    Parameters
    ----------
    source : pathlib.Path, binary file object, or function
        A path is opened anew for every pass, and so is what a function returns: a member of an archive.
    name : str
        For messages.
    rewind : bool
        Whether a file object may be sought back to where it stood.
    encoding : str, optional
        The encoding that the user named.
    size : int, optional
        Bytes, of what a function opens.
    """

    def __init__(
        self,
        source: Path | IO[bytes] | Callable[[], AbstractContextManager[IO[bytes]]],
        name: str,
        *,
        rewind: bool = False,
        encoding: str | None = None,
        size: int | None = None,
    ) -> None:
        self._source = source
        self.name = name
        self.size_bytes: int | None = size
        self.encoding = None if encoding is None else require_encoding(encoding)
        self._start: int | None = None
        self._taken: Callable[[], int] = lambda: 0
        if isinstance(source, Path):
            self.size_bytes = source.stat().st_size
        elif rewind and not callable(source):
            self._start = source.tell()
            self.size_bytes = source.seek(0, io.SEEK_END) - self._start
            source.seek(self._start)
        self.restartable = isinstance(source, Path) or rewind or callable(source)

    def open(self, stack: ExitStack) -> Stream:
        """Open for one pass: decompressed, as UTF-8, after the byte order mark; ``stack`` closes it."""
        if isinstance(self._source, Path):
            file = stack.enter_context(self._source.open("rb", buffering=0))
            raw: Stream = io.BufferedReader(file, _BUFFER)
            taken = raw.tell
        else:
            if callable(self._source):
                pulled = Pulled(stack.enter_context(self._source()).read)
            else:
                if self._start is not None:
                    self._source.seek(self._start)
                pulled = Pulled(self._source.read)
            raw = io.BufferedReader(cast(io.FileIO, pulled), _BUFFER)
            taken = lambda: pulled.taken  # noqa: E731
        stack.callback(self._freeze)
        self._taken = taken
        stream = decompressed(raw, self.name, _BUFFER, taken, stack)
        encoding = self.encoding or marked_encoding(stream.peek(200))
        if encoding is not None and encoding != "utf-8":
            stream = recoded(stream, encoding, _BUFFER)
        return without_mark(stream)

    def head(self, most: int) -> bytes:
        """Return the first bytes of a source that can be opened again."""
        with ExitStack() as stack:
            try:
                return self.open(stack).read(most)
            except BROKEN:
                return b""  # the reader that comes next says what is wrong

    def told(self) -> tuple[str, ...]:
        """Return a notice about the encoding, if there is anything to say."""
        return (f"read as {self.encoding}",) if self.encoding not in (None, "utf-8") else ()

    def _freeze(self) -> None:
        """Keep the count when the file is closed."""
        last = self._taken()
        self._taken = lambda: last

    def progress(self) -> float | None:
        """Return the share of the (compressed) bytes that the latest pass has taken."""
        return min(1.0, self._taken() / self.size_bytes) if self.size_bytes else None


class TextReader(RowReader):
    """A reader of bytes: opens, closes, and turns a broken container into an InputError."""

    def __init__(self, source: ByteSource) -> None:
        self._bytes = source
        self.name = source.name
        self.size_bytes = source.size_bytes
        self.restartable = source.restartable
        self.notices = source.told()

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield all rows, whole: text formats cannot skip a column."""
        with ExitStack() as stack:
            try:
                yield from self._parse(self._bytes.open(stack))
            except BROKEN as error:
                raise InputError(f"{self.name} cannot be read to its end: {error}") from error

    def progress(self) -> float | None:
        """Return the share of the bytes consumed."""
        return self._bytes.progress()

    @abstractmethod
    def _parse(self, stream: Stream) -> Iterator[NumberedRow]: ...


def _lines(stream: Stream) -> Iterator[bytes | None]:
    """Yield lines of bytes; None for one of more than ``MAX_ROW`` bytes, so that memory stays bounded."""
    while line := stream.readline(MAX_ROW):
        if len(line) == MAX_ROW and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_BUFFER)
            yield None
        else:
            yield line


_TOO_LONG: Final = BadRow(MALFORMED, f"longer than {MAX_ROW >> 20} MiB")


def json_row(value: object, texts: bool = False) -> Row:
    """Return the row that a JSON value is: an object, one that a string or a list of one holds, a chat.

    ``texts`` says whether a string is a text.
    """
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        inner = opened(value)
        if isinstance(inner, dict):
            return inner
        if texts:
            return {"text": value}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        if all("role" in item or "from" in item for item in value):
            return {"messages": value}
        if len(value) == 1:
            return cast(Row, value[0])
    return BadRow(MALFORMED, f"{kind_of(value)}, not an object")


def _starts_cut(error: ValueError, text: str) -> bool:
    """Whether JSON is broken because it ends too early."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip()) - 1


class JsonLines(TextReader):
    """One JSON object a line; blank lines are no rows. A line may be a string that holds it, or a text."""

    format = "jsonl"
    unit = "line"

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        texts: bool | None = None
        for number, line in enumerate(_lines(stream), 1):
            if line is None:
                yield number, _TOO_LONG
            elif not line.isspace():
                texts = line.lstrip().startswith(b'"') if texts is None else texts
                yield number, self._row(line, texts)

    @staticmethod
    def _row(line: bytes, texts: bool) -> Row:
        try:
            return json_row(decode_json(line.decode()), texts)
        except UnicodeDecodeError as error:
            at = error.start
            return BadRow(UNDECODABLE, f"byte {line[at]:#04x} at position {at + 1} is not UTF-8")
        except json.JSONDecodeError as error:
            if line.lstrip().startswith(b"{'"):
                return BadRow(MALFORMED, "single quotes, as Python prints a dict: write rows with json.dumps")
            return BadRow(MALFORMED, f"{error.msg} at character {error.pos + 1}")
        except RecursionError:
            return BadRow(MALFORMED, "nested too deeply")


class JsonArray(TextReader):
    """One JSON array of objects or texts, decoded item by item from a sliding buffer.

    A comma before the closing bracket is passed over. Where the file ends within an item, the items before it
    are rows, and the last is a bad one.
    """

    format = "json"

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        buffer = _Sliding(stream)
        if buffer.peek() != "[":
            raise InputError(self._no_array(buffer))
        buffer.at += 1
        number = 0
        texts = buffer.peek() == '"'
        while (mark := buffer.peek()) != "]":
            if number:
                if not mark:
                    yield number + 1, BadRow(MALFORMED, "the array is not closed: the file is cut off")
                    return
                if mark != ",":
                    raise self._broken(number, f"expected ',' or ']', found {mark!r}")
                buffer.at += 1
                if buffer.peek() == "]":
                    break
            number += 1
            try:
                value = buffer.item()
            except (ValueError, RecursionError) as error:
                if number > 1 and isinstance(error, ValueError) and buffer.ended and buffer.is_cut(error):
                    yield number, BadRow(MALFORMED, "the file is cut off within it")
                    return
                raise self._broken(number, shorten(str(error))) from error
            yield number, json_row(value, texts)
        buffer.at += 1
        if buffer.peek():
            if not number:
                raise self._broken(number, "something follows the closing ']'")
            yield number + 1, BadRow(MALFORMED, "something follows the closing ']' of the array")

    def _broken(self, number: int, what: str) -> InputError:
        return InputError(f"{self.name} is no valid JSON at or after item {number} of its array: {what}")

    def _no_array(self, buffer: _Sliding) -> str:
        if not buffer.peek():
            return f"{self.name} is empty: expected a JSON array of objects"
        what = "it does not start with '['"
        if buffer.peek() == "{":
            what = "it starts with '{'; if it holds one object a line, say --format jsonl"
        return f"{self.name} is no JSON array of objects: {what}"


class JsonValues(TextReader):
    """JSON objects one after another, each over several lines, with or without commas between them."""

    format = "json"

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        buffer = _Sliding(stream)
        number = 0
        while mark := buffer.peek():
            if mark == ",":
                buffer.at += 1
                continue
            number += 1
            try:
                value = buffer.item()
            except (ValueError, RecursionError) as error:
                if number == 1:
                    raise InputError(f"{self.name} is no valid JSON: {shorten(str(error))}") from error
                yield number, BadRow(MALFORMED, f"not JSON from here to the end: {shorten(str(error))}")
                return
            yield number, json_row(value)


class _Sliding:
    """Text from a stream, of which only what is not consumed yet (from ``at`` on) is kept.

    Bytes that are not UTF-8 become lone surrogates: the rows that hold one are rejected later.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = ""
        self.at = 0
        self.ended = False

    def is_cut(self, error: ValueError) -> bool:
        """Whether what starts here is broken because the text ends too early."""
        return _starts_cut(error, self._text)

    def _more(self) -> bool:
        """Append at least as much as is pending, so that a long item costs linear time; False at the end."""
        data = self._stream.read(max(_BUFFER, len(self._text) - self.at))
        text = self._decoder.decode(data, final=not data)
        if not data and not text:
            self.ended = True
            return False
        self._text, self.at = self._text[self.at :] + text, 0
        return True

    def peek(self) -> str:
        """Skip white space and return the next character, ``""`` at the end."""
        while True:
            while self.at < len(self._text):
                if self._text[self.at] not in " \t\r\n":
                    return self._text[self.at]
                self.at += 1
            if not self._more():
                return ""

    def item(self) -> object:
        """Decode the value that starts here; a ValueError if it is broken, cut or too long."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self.at)
            except ValueError as error:
                if len(self._text) - self.at > MAX_ROW:
                    raise ValueError(f"broken, or longer than {MAX_ROW >> 20} Mi characters") from error
                if not self._more():
                    raise
                continue
            number = not isinstance(value, dict | list | str)
            if number and end + 3 > len(self._text) and self._more():  # "12" may be cut from "12e+3"
                continue
            self.at = end
            return value


class DelimitedText(TextReader):
    """CSV or TSV with a header: quoted fields may hold line breaks; every value is a string.

    Empty fields are None. A row with too few or too many fields is malformed, unless those too many are
    empty. Delimiter, encoding, the ends of rows and titles above the header are told from the beginning.

    Parameters
    ----------
    source : ByteSource
        The bytes.
    format : str
        ``csv`` or ``tsv``: the delimiter, unless another is named or found.
    delimiter : str, optional
        The one that the user named.
    """

    unit = "line"
    untyped = True

    def __init__(self, source: ByteSource, format: str, delimiter: str | None = None) -> None:
        super().__init__(source)
        self.format = format
        self._given = delimiter
        self._dialect: Dialect | None = None
        if csv.field_size_limit() < MAX_ROW:
            csv.field_size_limit(MAX_ROW)  # a process-wide setting: only ever raised
        if source.restartable and source.encoding is None:
            self._find_encoding()

    def _find_encoding(self) -> None:
        """Take note of an encoding other than UTF-8, as far as the first megabytes tell it."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        ascii_only = True
        damaged = b""
        with ExitStack() as stack, suppress(*BROKEN):  # the reader that comes next says what is broken
            stream = self._bytes.open(stack)
            for _ in range(_LOOKED_AT // _HEAD):
                chunk = stream.read(_HEAD)
                try:
                    ascii_only &= decoder.decode(chunk).isascii()
                except UnicodeDecodeError:
                    damaged = chunk
                    break
                if not chunk:
                    break
        if damaged:
            if ascii_only and looks_western(damaged):
                self._bytes.encoding = "cp1252"
                self.notices += ("it is not UTF-8: read as cp1252 (Windows); --encoding names another",)
            else:
                self.notices += ("some of it is not UTF-8: name what it is with --encoding",)

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        size = min(_HEAD, _BUFFER)
        head = stream.read(size)
        stream = _after(head, stream)
        if self._dialect is None:
            default = "\t" if self.format == "tsv" else ","
            text = head.decode("utf-8", "replace")
            whole = len(head) < size
            self._dialect = dialect_of(text, self.name, default, self._given, whole=whole)
            self.notices += tuple(self._dialect.notices)
        yield from self._rows(stream, self._dialect)

    def _rows(self, stream: Stream, dialect: Dialect) -> Iterator[NumberedRow]:
        overlong = False

        def decoded() -> Iterator[str]:
            nonlocal overlong
            for line in _lines(_old_ended(stream) if dialect.old_ends else stream):
                overlong = overlong or line is None
                yield "" if line is None else line.decode("utf-8", "surrogateescape")

        reader = csv.reader(decoded(), delimiter=dialect.delimiter, strict=True)
        header: list[str] | None = None
        skipped = 0
        while True:
            number = reader.line_num + 1
            row: Row
            try:
                fields = next(reader, None)
            except csv.Error as error:
                if header is None:
                    raise InputError(f"{self.name} has a header that cannot be read: {error}") from error
                overlong = False
                yield number, BadRow(MALFORMED, shorten(str(error)))
                continue
            if fields is None:
                return
            if skipped < dialect.skipped:
                skipped += 1
                continue
            if overlong:
                row = _TOO_LONG
                overlong = False
            elif not fields:
                continue
            elif header is None:
                header = self._header(fields[: dialect.width])
                continue
            else:
                row = self._row(header, fields, dialect)
            if header is None:
                raise InputError(f"{self.name} has a first line longer than {MAX_ROW >> 20} MiB")
            yield number, row

    @staticmethod
    def _row(header: list[str], fields: list[str], dialect: Dialect) -> Row:
        width = len(header)
        if len(fields) != width and (len(fields) < width or any(fields[width:])):
            return BadRow(MALFORMED, f"{len(fields)} fields where the header has {width}")
        if dialect.old_ends:
            fields = [field.replace("\x0b", "\n") for field in fields]
        if dialect.delimiter == ";":  # where a semicolon separates, a comma is a decimal point
            fields = [_COMMA.sub(r"\1.\2", field) for field in fields]
        return {name: field or None for name, field in zip(header, fields, strict=False)}

    def _header(self, fields: list[str]) -> list[str]:
        names = [name or f"column_{i}" for i, name in enumerate(fields, 1)]
        if any("\udc80" <= c <= "\udcff" for c in "".join(names)):
            raise InputError(f"{self.name} has a header that is not UTF-8; name what it is with --encoding")
        twice = next((name for name, times in Counter(names).items() if times > 1), None)
        if twice is not None:
            raise InputError(f"{self.name} has two columns named {twice!r}; rename one")
        self.columns = tuple(names)
        return names


_COMMA: Final = re.compile(r"\A(-?\d{1,15}),(\d{1,15})\Z")


def _after(head: bytes, stream: Stream) -> Stream:
    """Return a stream that gives ``head`` before the rest."""
    first = io.BytesIO(head)
    return buffered(lambda n: first.read(n) or stream.read1(n), _BUFFER)


def _old_ended(stream: Stream) -> Stream:
    """Return a stream in which rows end in line feeds instead of carriage returns."""
    table = bytes.maketrans(b"\r\n", b"\n\x0b")
    return buffered(lambda n: stream.read1(n).translate(table), _BUFFER)


def require_delimiter(given: str) -> str:
    """Return the one character that separates fields; ``tab`` and ``\\t`` are a tab.

    Raises
    ------
    InputError
        If it is not one character, or one that cannot separate.
    """
    spelt = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
    mark = spelt.get(given.lower(), given)
    if len(mark) != 1 or mark in '"\r\n' or ord(mark) >= 0x80:
        known = ", ".join(DELIMITERS.values())
        raise InputError(f"--delimiter is one character, such as ';' or tab ({known}); got {given[:20]!r}")
    return mark


class TextLines(TextReader):
    """A text on each line; blank lines are none."""

    format = "lines"
    unit = "line"
    columns = ("text",)

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        for number, line in enumerate(_lines(stream), 1):
            if line is None:
                yield number, _TOO_LONG
            elif not line.isspace():
                yield number, {"text": line.decode("utf-8", "surrogateescape").rstrip("\r\n")}


class WholeText(TextReader):
    """A file that is one text, whose name is its id."""

    format = "txt"
    columns = ("id", "text")
    n_rows = 1

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        content = stream.read(MAX_ROW + 1)
        if len(content) > MAX_ROW:
            yield 1, _TOO_LONG
        else:
            yield 1, {"id": self.name, "text": content.decode("utf-8", "surrogateescape")}


def holds_json_lines(source: ByteSource) -> bool:
    """Whether a ``.json`` file is really JSON Lines: an object on its first line, and then another."""
    head = source.head(_BUFFER).decode("utf-8", "replace").lstrip()
    try:
        value, end = DECODER.raw_decode(head)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "\n" in head[end:] and head[end:].lstrip().startswith("{")


def kind_of_json(source: ByteSource) -> str:
    """Return how a file of JSON is written, by its beginning, whatever it is called.

    Returns
    -------
    str
        ``lines`` (a value on each line), ``line`` (one object on one), ``array``, ``object`` (one that may
        hold the rows), or ``values`` (objects over several lines).
    """
    head = source.head(_BUFFER).decode("utf-8", "replace").lstrip()
    first, _, rest = head.partition("\n")
    try:
        alone = DECODER.decode(first)
    except (ValueError, RecursionError):
        alone = None
    if head.startswith("["):
        lines = isinstance(alone, list) and rest.lstrip().startswith("[")
        return "lines" if lines else "array"
    if not head.startswith("{") or alone is not None:
        return "lines" if rest.strip() or not head.startswith("{") else "line"
    try:
        _, end = DECODER.raw_decode(head)
    except ValueError:
        # an object larger than what was looked at; if its first line is broken, the lines are to be told
        return "object" if first.strip() in ("{", "{ ") or len(head) >= _BUFFER // 2 else "lines"
    except RecursionError:
        return "lines"
    return "values" if head[end:].strip(" \t\r\n,") else "object"
