"""Files in a zip archive, opened within bounds; and the logs of inspect_ai, which are such archives.

Not for: what is in the members (``text``, ``records``).
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

import pyarrow as pa

from saetext.documents.decoding import bounded
from saetext.documents.json_text import json_row
from saetext.documents.json_values import decode_json
from saetext.documents.paths import at
from saetext.documents.presets.base import plain
from saetext.documents.reading import BadRow, NumberedRow, RowReader, display_name, shorten
from saetext.documents.record import MALFORMED
from saetext.documents.text import MAX_ROW, ByteSource
from saetext.errors import InputError
from saetext.io.opener import open_regular

_MOST_MEMBERS: Final = 100_000
_ZSTANDARD: Final = 93
_SAMPLES: Final = "samples/"
_PROBLEMS: Final = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError,
                    ValueError, pa.lib.ArrowException)  # fmt: skip
_UNREAD: Final = (RecursionError, *_PROBLEMS)


def is_archive(path: Path) -> bool:
    """Whether a file begins as a zip archive does."""
    with open_regular(path) as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


class Archive:
    """A zip archive whose list of files is read once, and which stays open as long as it is used.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Attributes
    ----------
    name : str
        For messages.
    members : list of zipfile.ZipInfo
        The files in it, sorted by name, without those that a system hid there.

    Raises
    ------
    InputError
        If it is damaged, has a password, or too many files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = display_name(path)
        try:
            self._zip = zipfile.ZipFile(path)  # closes itself when nothing refers to it
        except _PROBLEMS as error:
            raise InputError(f"{self.name} is no readable zip archive: {error}") from error
        found = [info for info in self._zip.infolist() if not _is_noise(info)]
        if len(found) > _MOST_MEMBERS:
            raise InputError(f"{self.name} holds {len(found):,} files; at most {_MOST_MEMBERS:,} are read")
        if any(info.flag_bits & 1 for info in found):
            raise InputError(f"{self.name} has a password; unpack it yourself")
        self.members = sorted(found, key=lambda info: info.filename)

    def source(self, info: zipfile.ZipInfo, encoding: str | None = None) -> ByteSource:
        """Return the bytes of one member."""
        name = f"{self.name}:{PurePosixPath(info.filename).name}".encode("utf-8", "replace").decode()
        return ByteSource(partial(self.open, info, name), name, encoding=encoding, size=info.file_size)

    @contextmanager
    def open(self, info: zipfile.ZipInfo, name: str) -> Iterator[IO[bytes]]:
        """Open one member for reading, within bounds."""
        if info.compress_type == _ZSTANDARD:
            yield io.BytesIO(_zstandard(self.path, info, name))
            return
        try:
            file = self._zip.open(info)
        except _PROBLEMS as error:
            raise InputError(f"{name} cannot be read: {error}") from error
        with file:
            read = bounded(file.read, name, lambda: info.compress_size)
            yield _Reading(read)  # type: ignore[misc]


def _is_noise(info: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(info.filename).parts
    link = stat.S_ISLNK(info.external_attr >> 16)
    return info.is_dir() or link or any(part == "__MACOSX" or part.startswith(".") for part in parts)


class _Reading:
    """What a member gives, with damage as an OSError."""

    def __init__(self, read: Any) -> None:
        self._read = read

    def read(self, n: int = -1) -> bytes:
        try:
            return bytes(self._read(n))
        except zipfile.BadZipFile as error:
            raise OSError(str(error)) from error


def _zstandard(path: Path, info: zipfile.ZipInfo, name: str) -> bytes:
    """Return the content of a member that Python's own module cannot unpack."""
    with open_regular(path) as file:
        file.seek(info.header_offset + 26)
        lengths = file.read(4)
        skip = int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        file.seek(skip, io.SEEK_CUR)
        packed = file.read(info.compress_size)
    inner = pa.CompressedInputStream(pa.BufferReader(packed), "zstd")
    read = bounded(inner.read, name, lambda: info.compress_size)
    content = read(MAX_ROW + 1)
    while (more := read(MAX_ROW)) and len(content) <= MAX_ROW:
        content += more
    if len(content) > MAX_ROW or len(content) != info.file_size:
        raise InputError(f"{name} is damaged, or longer than {MAX_ROW >> 20} MiB")
    return content


def is_log(infos: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether these are the files of an inspect_ai log."""
    names = [info.filename for info in infos]
    head = "header.json" in names or any(name.startswith("_journal/") for name in names)
    return head and any(name.startswith(_SAMPLES) and name.endswith(".json") for name in names)


class LogArchive(RowReader):
    """An inspect_ai log (.eval): a zip archive with a JSON file for each sample."""

    format = "eval"

    def __init__(self, archive: Archive) -> None:
        self.name = archive.name
        self._archive = archive
        self._samples = [
            info
            for info in archive.members
            if info.filename.startswith(_SAMPLES) and info.filename.endswith(".json")
        ]
        self._done = 0
        self.size_bytes = archive.path.stat().st_size
        self.n_rows = len(self._samples)
        named = {info.filename: info for info in archive.members}
        header = named.get("header.json") or named.get("_journal/start.json")
        about: Any = {}
        if header is not None:
            try:
                about = self._json(header)
            except (InputError, *_UNREAD) as error:
                what = shorten(str(error), 100)
                self.notices += (f"{header.filename} cannot be read, nor the task's name in it: {what}",)
        told = {name: at(about, f"eval.{name}") for name in ("task", "model")}
        self._around = {name: value for name, value in told.items() if plain(value)}

    def _json(self, info: zipfile.ZipInfo) -> Any:
        if info.file_size > MAX_ROW:
            raise ValueError(f"longer than {MAX_ROW >> 20} MiB")
        with self._archive.open(info, f"{self.name}:{info.filename}") as file:
            content = file.read(MAX_ROW + 1)
        if len(content) > MAX_ROW:
            raise ValueError(f"longer than {MAX_ROW >> 20} MiB")
        return decode_json(content.decode("utf-8", "surrogateescape"))

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield the samples, by the names of their files."""
        self._done = 0
        for number, info in enumerate(self._samples, 1):
            self._done = number
            try:
                value = self._json(info)
            except _UNREAD as error:
                yield number, BadRow(MALFORMED, f"{PurePosixPath(info.filename).name}: {error}"[:200])
                continue
            row = json_row(value)
            yield number, row if isinstance(row, BadRow) else {**self._around, **row}

    def progress(self) -> float | None:
        """Return the share of the samples yielded."""
        return self._done / self.n_rows if self.n_rows else None
