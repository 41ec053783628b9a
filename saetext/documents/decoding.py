"""Bytes as they lie on disk -> UTF-8: decompressed within bounds, and recoded.

Not for: rows (``text``), or archives of several files (``archives``).
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, cast

import pyarrow as pa

from saetext.errors import InputError

#: What a broken compressed stream raises.
BROKEN: Final = (OSError, EOFError, zlib.error, lzma.LZMAError, pa.lib.ArrowException)
_ESCAPE: Final = "saetext-escape"
_MAGIC: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
SUFFIXES: Final = (".gz", ".bz2", ".xz", ".zst", ".zstd")
MOST_RATIO: Final = 300  # times that a file may expand ...
FREE: Final = 256 << 20  # ... beyond these bytes
_WIDE: Final = ("utf-16", "utf-32")
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_BOMS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# what Western texts have beyond ASCII, of the bytes of Windows-1252
_WESTERN: Final = frozenset(
    "€‚„…‰‹›‘’“”•–—™œŒžŽšŠŸ ¡¢£§©ª«®°±²³´µ·º»¼½¾¿ÀÁÂÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÖØÙÚÛÜßàáâäåæçèéêëìíîïñòóôöøùúûü"
)


class Pulled(io.RawIOBase):
    """A raw stream that reads from a function of a number of bytes."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.taken = 0

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer and return how much came."""
        data = self._read(len(buffer))
        if not isinstance(data, bytes):
            raise InputError("the file object yields text; open it in binary mode ('rb')")
        buffer[: len(data)] = data
        self.taken += len(data)
        return len(data)


def buffered(read: Callable[[int], bytes], size: int) -> io.BufferedReader:
    """Return a buffered stream that reads from a function."""
    return io.BufferedReader(cast(io.FileIO, Pulled(read)), size)


def decompressed(
    raw: io.BufferedReader, name: str, size: int, taken: Callable[[], int], stack: ExitStack
) -> io.BufferedReader:
    """Return the stream behind gzip, bz2, xz or zstd, which tell themselves by their first bytes.

    Raises
    ------
    InputError
        While it is read, if it expands out of all proportion.
    """
    head = raw.peek(6)[:6]
    kind = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if kind is None:
        return raw
    inner: Any
    if kind == "gzip":
        inner = stack.enter_context(gzip.GzipFile(fileobj=raw))
    elif kind == "bz2":
        inner = stack.enter_context(bz2.BZ2File(raw))
    elif kind == "xz":
        inner = stack.enter_context(lzma.LZMAFile(raw))  # noqa: SIM115
    else:
        inner = stack.enter_context(pa.CompressedInputStream(pa.PythonFile(Pulled(raw.read), "r"), "zstd"))
    return buffered(bounded(inner.read, name, taken), size)


def bounded(read: Callable[[int], bytes], name: str, taken: Callable[[], int]) -> Callable[[int], bytes]:
    """Return a function that reads, but no more than a file can honestly hold."""
    given = 0

    def checked(n: int) -> bytes:
        nonlocal given
        data = bytes(read(n))
        given += len(data)
        if given > FREE and given > MOST_RATIO * max(taken(), 1):
            raise InputError(
                f"{name} expands to more than {MOST_RATIO} times its size ({given >> 20:,} MiB so far), "
                "which no texts do: unpack it yourself if you trust it"
            )
        return data

    return checked


def marked_encoding(head: bytes) -> str | None:
    """Return the encoding that a byte order mark or the zero bytes of UTF-16 tell; None for UTF-8."""
    if head.startswith(_UTF8_BOM):
        return None
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    start = head[:200]
    if len(start) < 8 or start.count(0) < 0.4 * len(start):
        return None
    zeros = start[0::2].count(0), start[1::2].count(0)
    return None if all(zeros) else "utf-16-le" if zeros[1] else "utf-16-be"


def looks_western(data: bytes) -> bool:
    """Whether bytes that are not UTF-8 are text in Windows-1252 beyond doubt.

    That is so where nothing beyond ASCII is valid UTF-8, all of it is a sign that Western texts have, and
    it is the lesser part of the letters; where it is the greater, the alphabet is another.
    """
    beyond = [byte for byte in data if byte >= 0x80]
    if not beyond:
        return False
    text = data.decode("utf-8", "replace")
    if any(c != "�" and ord(c) >= 0x80 for c in text):  # some of it is UTF-8: the rest is damage
        return False
    if not set(bytes(beyond).decode("cp1252", "replace")) <= _WESTERN:
        return False
    letters = sum(chr(byte).isalpha() for byte in data if byte < 0x80)
    return 4 * len(beyond) <= letters


def require_encoding(name: str) -> str:
    """Return the name of an encoding of text.

    Raises
    ------
    InputError
        If Python does not know it.
    """
    try:
        found = codecs.lookup(name)
        if not getattr(found, "_is_text_encoding", True):
            raise LookupError
    except (LookupError, ValueError):
        raise InputError(
            f"encoding {name[:40]!r} is unknown; name one as Python does: utf-8, utf-16, cp1252, cp1251, "
            "shift_jis, gb18030, ..."
        ) from None
    return found.name


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Keep bytes that cannot be decoded; of those that ASCII has, which cannot be kept, make one sign."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        assert isinstance(error, UnicodeDecodeError)
        return "\ufffd", error.end


codecs.register_error(_ESCAPE, _escaped)


def recoded(stream: io.BufferedReader, encoding: str, size: int) -> io.BufferedReader:
    """Return a stream of another encoding as UTF-8; what cannot be decoded stays as its bytes.

    In UTF-16 and UTF-32 each half of a character becomes one replacement character: single bytes of them
    would put the rest out of step.
    """
    wide = codecs.lookup(encoding).name.startswith(_WIDE)
    decoder = codecs.getincrementaldecoder(encoding)("replace" if wide else _ESCAPE)
    ready = bytearray()
    ended = False

    def read(n: int) -> bytes:
        nonlocal ended
        while len(ready) < n and not ended:
            data = stream.read(min(size, 1 << 16))
            ended = not data
            text = decoder.decode(data, final=ended)
            ready.extend(text.encode("utf-8", "surrogateescape"))
        taken = bytes(ready[:n])
        del ready[:n]
        return taken

    return buffered(read, size)


def without_mark(stream: io.BufferedReader) -> io.BufferedReader:
    """Return the stream after UTF-8's byte order mark."""
    if stream.peek(3)[:3] == _UTF8_BOM:
        stream.read(3)
    return stream
