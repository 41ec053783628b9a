"""Reader of CSV and TSV, as databases and spreadsheets write them.

Not for: telling delimiters and titles apart (``dialect``), or bytes and lines (``text``).
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Final

from saetext.documents import text
from saetext.documents.decoding import BROKEN, buffered, looks_western
from saetext.documents.dialect import DELIMITERS, Dialect, dialect_of, fields_of
from saetext.documents.reading import BadRow, NumberedRow, Row, shorten
from saetext.documents.record import MALFORMED
from saetext.documents.text import ByteSource, Stream, TextReader
from saetext.errors import InputError

_HEAD: Final = 1 << 16  # bytes by which a dialect is told
_LOOKED_AT: Final = 4 << 20  # bytes by which an encoding is told


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
        if csv.field_size_limit() < text.MAX_ROW:
            csv.field_size_limit(text.MAX_ROW)  # a process-wide setting: only ever raised
        if source.restartable and source.encoding is None:
            self._find_encoding()

    @property
    def decimal_comma(self) -> bool:
        """Whether ``3,5`` is a number: it is where semicolons separate."""
        return self._dialect is not None and self._dialect.delimiter == ";"

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
        size = min(_HEAD, text.BUFFER)
        head = stream.read(size)
        stream = _after(head, stream)
        if self._dialect is None:
            default = "\t" if self.format == "tsv" else ","
            start = head.decode("utf-8", "replace")
            whole = len(head) < size
            self._dialect = dialect_of(start, self.name, default, self._given, whole=whole)
            self.notices += tuple(self._dialect.notices)
        yield from self._rows(stream, self._dialect)

    def _rows(self, stream: Stream, dialect: Dialect) -> Iterator[NumberedRow]:
        overlong = False

        def decoded() -> Iterator[str]:
            nonlocal overlong
            for line in text.lines(_old_ended(stream) if dialect.old_ends else stream):
                overlong = overlong or line is None
                yield "" if line is None else line.decode("utf-8", "surrogateescape")

        reader = fields_of(decoded(), dialect.delimiter, dialect.quotes)
        header: list[str] | None = None
        skipped = below = 0
        while True:
            number = reader.line_num + 1
            row: Row
            try:
                fields = next(reader, None)
            except csv.Error as error:
                if header is None:
                    raise InputError(f"{self.name} has a header that cannot be read: {error}") from error
                overlong = False
                lines = f" (lines {number:,} to {reader.line_num:,})" if reader.line_num > number else ""
                yield number, BadRow(MALFORMED, shorten(str(error)) + lines)
                continue
            if fields is None:
                return
            if skipped < dialect.skipped:
                skipped += 1
                continue
            if overlong:
                row = text.TOO_LONG
                overlong = False
            elif not fields:
                continue
            elif header is None:
                header = self._header(fields[: dialect.width])
                continue
            elif below < dialect.below:
                below += 1
                continue
            else:
                row = self._row(header, fields, dialect)
            if header is None:
                raise InputError(f"{self.name} has a first line longer than {text.MAX_ROW >> 20} MiB")
            yield number, row

    @staticmethod
    def _row(header: list[str], fields: list[str], dialect: Dialect) -> Row:
        width = len(header)
        if len(fields) != width and (len(fields) < width or any(fields[width:])):
            return BadRow(MALFORMED, f"{len(fields)} fields where the header has {width}")
        if dialect.old_ends:
            fields = [field.replace("\x0b", "\n") for field in fields]
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


def _after(head: bytes, stream: Stream) -> Stream:
    """Return a stream that gives ``head`` before the rest."""
    first = io.BytesIO(head)
    return buffered(lambda n: first.read(n) or stream.read1(n), text.BUFFER)


def _old_ended(stream: Stream) -> Stream:
    """Return a stream in which rows end in line feeds instead of carriage returns."""
    table = bytes.maketrans(b"\r\n", b"\n\x0b")
    return buffered(lambda n: stream.read1(n).translate(table), text.BUFFER)


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
