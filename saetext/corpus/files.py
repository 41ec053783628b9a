"""Files that are either whole or absent: atomic writes, checksums, and what to say when a disk is full.

Not for: what is in the files; nothing here knows a corpus.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import xxhash

from saetext.errors import CorpusError, ShardCorruptError

TEMPORARY = ".tmp"  # what every half-written file ends with, so that it is known for one
_CHUNK = 1 << 20
_RESTORE = "restore it or encode again"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_intact: set[tuple[object, ...]] = set()  # files whose checksum this process has already seen to be right


@dataclass(frozen=True)
class FileStamp:
    """Size in bytes and XXH3-128 (hex) of a file."""

    bytes: int
    xxh3_128: str

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FileStamp:
        """Build a stamp from JSON; unknown keys are ignored."""
        return cls(int(data["bytes"]), str(data["xxh3_128"]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"bytes": self.bytes, "xxh3_128": self.xxh3_128}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn any OSError inside into a CorpusError that names ``path`` and says what to do."""
    try:
        yield
    except OSError as error:
        advice = "free space" if error.errno in _FULL else "put that right"
        raise CorpusError(
            f"cannot write {path}: {error.strerror or error}; {advice} and run the same command again"
        ) from error


class HashingFile(io.RawIOBase):
    """A file to write to that keeps the checksum of what went through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = xxhash.xxh3_128()
        self._size = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write all of ``data``."""
        view = memoryview(data).cast("B")
        self._file.write(view)
        self._hash.update(view)
        self._size += len(view)
        return len(view)

    @property
    def stamp(self) -> FileStamp:
        """Stamp of what was written so far."""
        return FileStamp(self._size, self._hash.hexdigest())


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside ``path`` that takes its place, synced, when the block ends without an error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_atomic(path: Path, data: bytes) -> FileStamp:
    """Write a small file atomically and return its stamp."""
    with atomic_file(path) as file:
        hashing = HashingFile(file)
        hashing.write(data)
    return hashing.stamp


def sync_directory(path: Path) -> None:
    """Make renames and new names in a directory durable; Windows has no such call."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def append_synced(path: Path, at: int, data: bytes) -> int:
    """Put ``data`` at offset ``at``, cutting off what lay beyond it, and sync; return the new size."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.truncate(at)
        file.seek(at)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return at + len(data)


def checksum(path: Path, limit: int | None = None) -> FileStamp:
    """Read a file through (without mapping it, so that resident memory stays flat) and return its stamp.

    With ``limit``, that of its first ``limit`` bytes.
    """
    digest, size = xxhash.xxh3_128(), 0
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        while n := file.readinto(buffer[: _CHUNK if limit is None else min(_CHUNK, limit - size)]):
            digest.update(buffer[:n])
            size += n
    return FileStamp(size, digest.hexdigest())


def require_size(path: Path, stamp: FileStamp) -> os.stat_result:
    """Raise :class:`ShardCorruptError` unless the file is there with the promised size."""
    try:
        found = path.stat()
    except OSError as error:
        raise ShardCorruptError(f"{path} cannot be read ({error.strerror}); {_RESTORE}") from error
    if found.st_size != stamp.bytes:
        raise ShardCorruptError(
            f"{path} is damaged: it should have {stamp.bytes} bytes and has {found.st_size}; {_RESTORE}"
        )
    return found


def require_intact(
    path: Path, stamp: FileStamp, check: Callable[[], object] | None = None, *, again: bool = False
) -> None:
    """Raise :class:`ShardCorruptError` unless size and checksum are right; a file is read once per process.

    Parameters
    ----------
    path : Path
        The file.
    stamp : FileStamp
        What it should be.
    check : callable, optional
        Further checks of the content, run when the checksum is computed.
    again : bool
        Read it even though this process has already done so.
    """
    found = require_size(path, stamp)
    key = (os.path.realpath(path), found.st_ino, found.st_mtime_ns, stamp)
    if key in _intact and not again:
        return
    try:
        actual = checksum(path)
    except OSError as error:
        raise ShardCorruptError(f"{path} cannot be read ({error.strerror}); {_RESTORE}") from error
    if actual != stamp:
        raise ShardCorruptError(
            f"{path} is damaged: its checksum should be {stamp.xxh3_128} and is {actual.xxh3_128}; {_RESTORE}"
        )
    if check is not None:
        check()
    _intact.add(key)
