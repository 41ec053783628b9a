"""Readers of text formats: JSON Lines, a JSON array, CSV and TSV, each plain or gzipped.

They hold one row (at most ``MAX_ROW`` bytes) and a read buffer in memory, whatever the file's size. Text
is UTF-8, with or without a byte order mark. Not for: Parquet and Arrow, which are in ``columnar``.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final, TypeAlias, cast

from saetext.documents.reading import BadRow, NumberedRow, Row, RowReader, kind_of, shorten
from saetext.documents.record import MALFORMED, UNDECODABLE
from saetext.errors import InputError

MAX_ROW: Final = 64 << 20
_BUFFER: Final = 1 << 20
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_UTF16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")

Stream: TypeAlias = io.BufferedReader


def _integer(digits: str) -> int | str:
    # Python refuses to convert more than 4300 digits; beyond 64 bits an integer ends up as a string anyway
    return int(digits) if len(digits) < 1000 else digits


_DECODER: Final = json.JSONDecoder(parse_int=_integer)


class _Borrowed(io.RawIOBase):
    """Reads from someone else's file object and leaves it open."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        if not isinstance(data, bytes):
            raise InputError("the file object yields text; open it in binary mode ('rb')")
        buffer[: len(data)] = data
        self.taken += len(data)
        return len(data)


class ByteSource:
    """Where a text reader's bytes come from: a path, or a file object that is read once or rewound.

    Parameters
    ----------
    source : pathlib.Path or binary file object
        A path is opened anew for every pass.
    name : str
        For messages.
    rewind : bool
        Whether a file object may be sought back to where it stood.
    """

    def __init__(self, source: Path | IO[bytes], name: str, *, rewind: bool = False) -> None:
        self._source = source
        self.name = name
        self.size_bytes: int | None = None
        self._start: int | None = None
        self._taken: Callable[[], int] = lambda: 0
        if isinstance(source, Path):
            self.size_bytes = source.stat().st_size
        elif rewind:
            self._start = source.tell()
            self.size_bytes = source.seek(0, io.SEEK_END) - self._start
            source.seek(self._start)
        self.restartable = isinstance(source, Path) or rewind

    def open(self, stack: ExitStack) -> Stream:
        """Open for one pass: decompressed, after the byte order mark; ``stack`` closes it."""
        if isinstance(self._source, Path):
            file = stack.enter_context(self._source.open("rb", buffering=0))
            raw: Stream = io.BufferedReader(file, _BUFFER)
            taken = raw.tell
        else:
            if self._start is not None:
                self._source.seek(self._start)
            borrowed = _Borrowed(self._source)
            raw = io.BufferedReader(cast(io.FileIO, borrowed), _BUFFER)
            taken = lambda: borrowed.taken  # noqa: E731
        stack.callback(self._freeze)
        self._taken = taken
        stream: Stream = raw
        if raw.peek(2)[:2] == b"\x1f\x8b":
            unzipped = stack.enter_context(gzip.GzipFile(fileobj=raw))
            stream = stack.enter_context(io.BufferedReader(cast(io.FileIO, unzipped), _BUFFER))
        head = stream.peek(3)
        if head[:2] in _UTF16_BOMS:
            raise InputError(f"{self.name} is UTF-16 text; save it as UTF-8")
        if head[:3] == _UTF8_BOM:
            stream.read(3)
        return stream

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

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield all rows, whole: text formats cannot skip a column."""
        with ExitStack() as stack:
            try:
                yield from self._parse(self._bytes.open(stack))
            except (OSError, EOFError, zlib.error) as error:
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


def _json_object(value: object) -> Row:
    if isinstance(value, dict):
        return value
    return BadRow(MALFORMED, f"{kind_of(value)}, not an object")


class JsonLines(TextReader):
    """One JSON object a line; blank lines are no rows."""

    format = "jsonl"
    unit = "line"

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        for number, line in enumerate(_lines(stream), 1):
            if line is None:
                yield number, _TOO_LONG
            elif not line.isspace():
                yield number, self._row(line)

    @staticmethod
    def _row(line: bytes) -> Row:
        try:
            return _json_object(_DECODER.decode(line.decode()))
        except UnicodeDecodeError as error:
            at = error.start
            return BadRow(UNDECODABLE, f"byte {line[at]:#04x} at position {at + 1} is not UTF-8")
        except json.JSONDecodeError as error:
            return BadRow(MALFORMED, f"{error.msg} at character {error.pos + 1}")
        except RecursionError:
            return BadRow(MALFORMED, "nested too deeply")


class JsonArray(TextReader):
    """One JSON array of objects, decoded item by item from a sliding buffer."""

    format = "json"

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        buffer = _Sliding(stream)
        if buffer.peek() != "[":
            raise InputError(self._no_array(buffer))
        buffer.at += 1
        number = 0
        while (mark := buffer.peek()) != "]":
            if number:
                if mark != ",":
                    raise self._broken(number, f"expected ',' or ']', found {mark or 'the end'!r}")
                buffer.at += 1
                buffer.peek()
            number += 1
            try:
                value = buffer.item()
            except (ValueError, RecursionError) as error:
                raise self._broken(number, shorten(str(error))) from error
            yield number, _json_object(value)
        buffer.at += 1
        if buffer.peek():
            raise self._broken(number, "something follows the closing ']'")

    def _broken(self, number: int, what: str) -> InputError:
        return InputError(f"{self.name} is no valid JSON at or after item {number} of its array: {what}")

    def _no_array(self, buffer: _Sliding) -> str:
        if not buffer.peek():
            return f"{self.name} is empty: expected a JSON array of objects"
        what = "it does not start with '['"
        if buffer.peek() == "{":
            try:
                value = buffer.item()
                keys = ", ".join(map(repr, list(value)[:10])) if isinstance(value, dict) else ""
                what = f"it is one object (keys {keys}); save the list in it as a file of its own"
            except (ValueError, RecursionError):
                what = "it starts with '{'; if it holds one object a line, say format='jsonl'"
        return f"{self.name} is no JSON array of objects: {what}"


class _Sliding:
    """Text from a stream, of which only what is not consumed yet (from ``at`` on) is kept.

    Bytes that are not UTF-8 become lone surrogates: the rows that hold one are rejected later.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = ""
        self.at = 0

    def _more(self) -> bool:
        """Append at least as much as is pending, so that a long item costs linear time; False at the end."""
        data = self._stream.read(max(_BUFFER, len(self._text) - self.at))
        text = self._decoder.decode(data, final=not data)
        if not data and not text:
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
                value, end = _DECODER.raw_decode(self._text, self.at)
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

    Empty fields are None. A row with too few or too many fields is malformed.
    """

    unit = "line"
    untyped = True

    def __init__(self, source: ByteSource, format: str) -> None:
        super().__init__(source)
        self.format = format
        if csv.field_size_limit() < MAX_ROW:
            csv.field_size_limit(MAX_ROW)  # a process-wide setting: only ever raised

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        overlong = False

        def decoded() -> Iterator[str]:
            nonlocal overlong
            for line in _lines(stream):
                overlong = overlong or line is None
                yield "" if line is None else line.decode("utf-8", "surrogateescape")

        reader = csv.reader(decoded(), delimiter="\t" if self.format == "tsv" else ",", strict=True)
        header: list[str] | None = None
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
            if overlong:
                row = _TOO_LONG
                overlong = False
            elif not fields:
                continue
            elif header is None:
                header = self._header(fields)
                continue
            elif len(fields) != len(header):
                row = BadRow(MALFORMED, f"{len(fields)} fields where the header has {len(header)}")
            else:
                row = {name: field or None for name, field in zip(header, fields, strict=True)}
            if header is None:
                raise InputError(f"{self.name} has a first line longer than {MAX_ROW >> 20} MiB")
            yield number, row

    def _header(self, fields: list[str]) -> list[str]:
        other = ";" if self.format == "tsv" else ";\t"
        if len(fields) == 1 and any(mark in fields[0] for mark in other):
            hint = "; say format='tsv'" if "\t" in fields[0] else ""
            raise InputError(
                f"{self.name} has one column, {shorten(fields[0], 60)!r}: expected fields separated by "
                f"{'tabs' if self.format == 'tsv' else 'commas'}{hint}"
            )
        names = [name or f"column_{i}" for i, name in enumerate(fields, 1)]
        if any("\udc80" <= c <= "\udcff" for c in "".join(names)):
            raise InputError(f"{self.name} has a header that is not UTF-8")
        twice = next((name for name, times in Counter(names).items() if times > 1), None)
        if twice is not None:
            raise InputError(f"{self.name} has two columns named {twice!r}; rename one")
        self.columns = tuple(names)
        return names


def holds_json_lines(source: ByteSource) -> bool:
    """Whether a ``.json`` file is really JSON Lines: an object and then, after a line break, another."""
    with ExitStack() as stack:
        try:
            head = source.open(stack).read(_BUFFER).decode("utf-8", "replace").lstrip()
        except (OSError, EOFError, zlib.error):
            return False  # the reader that comes next says what is wrong
    try:
        value, end = _DECODER.raw_decode(head)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "\n" in head[end:] and head[end:].lstrip().startswith("{")
