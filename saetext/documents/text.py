"""What readers of text share: bytes, compressed or not, and lines of them; and plain text itself.

One row (at most ``MAX_ROW`` bytes) and a read buffer are held in memory, whatever the file's size. Text is
UTF-8 unless a byte order mark, the bytes of a CSV file or the user say otherwise. Not for: JSON
(``json_text``, ``records``), CSV and TSV (``delimited``), Parquet and Arrow (``columnar``).
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO, Final, TypeAlias, cast

from saetext.documents.decoding import (
    BROKEN,
    Pulled,
    decompressed,
    marked_encoding,
    recoded,
    require_encoding,
    without_mark,
)
from saetext.documents.reading import BadRow, NumberedRow, RowReader
from saetext.documents.record import MALFORMED
from saetext.errors import InputError

MAX_ROW: Final = 64 << 20
BUFFER: Final = 1 << 20

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
        stream = self._decompressed(stack)
        encoding = self.encoding or marked_encoding(stream.peek(200))
        if encoding is not None and encoding != "utf-8":
            stream = recoded(stream, encoding, BUFFER)
        return without_mark(stream)

    def _decompressed(self, stack: ExitStack) -> Stream:
        if isinstance(self._source, Path):
            file = stack.enter_context(self._source.open("rb", buffering=0))
            raw: Stream = stack.enter_context(io.BufferedReader(file, BUFFER))
            taken = raw.tell
        else:
            if callable(self._source):
                pulled = Pulled(stack.enter_context(self._source()).read)
            else:
                if self._start is not None:
                    self._source.seek(self._start)
                pulled = Pulled(self._source.read)
            raw = io.BufferedReader(cast(io.FileIO, pulled), BUFFER)
            taken = lambda: pulled.taken  # noqa: E731
        stack.callback(self._freeze)
        self._taken = taken
        return decompressed(raw, self.name, BUFFER, taken, stack)

    def head(self, most: int) -> bytes:
        """Return the first bytes of a source that can be opened again."""
        with ExitStack() as stack:
            try:
                return self.open(stack).read(most)
            except BROKEN:
                return b""  # the reader that comes next says what is wrong

    def marked(self) -> str | None:
        """Return the encoding that the first bytes of a source that can be opened again tell, if any."""
        with ExitStack() as stack:
            try:
                return marked_encoding(self._decompressed(stack).peek(200))
            except BROKEN:
                return None

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


def lines(stream: Stream) -> Iterator[bytes | None]:
    """Yield lines of bytes; None for one of more than ``MAX_ROW`` bytes, so that memory stays bounded."""
    while line := stream.readline(MAX_ROW):
        if len(line) == MAX_ROW and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(BUFFER)
            yield None
        else:
            yield line


TOO_LONG: Final = BadRow(MALFORMED, f"longer than {MAX_ROW >> 20} MiB")


class TextLines(TextReader):
    """A text on each line; blank lines are none."""

    format = "lines"
    unit = "line"
    columns = ("text",)

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        for number, line in enumerate(lines(stream), 1):
            if line is None:
                yield number, TOO_LONG
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
            yield 1, TOO_LONG
        else:
            yield 1, {"id": self.name, "text": content.decode("utf-8", "surrogateescape")}
