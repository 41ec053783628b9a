"""The one way to write: files and directories that are whole or absent, after a crash too; and checksums.

Everything is made beside its place, synced and renamed. Only what grows in place (a journal, activations in
the making) is written otherwise. Not for: what is in the files.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import xxhash

from saetext.errors import SaetextError
from saetext.io.opener import open_regular
from saetext.io.orphans import BUILDING, SHOWN, TEMPORARY, held, host, sweep
from saetext.io.shape import Record, Table, Text, Whole, check

_CHUNK = 1 << 20
STAMP = Record({"bytes": Whole(), "xxh3_128": Text(longest=64)})
STAMPED = Record({"built_from": Text(), "files": Table(STAMP)})  # stamp.json of a derived directory
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class FileStamp:
    """Size in bytes and XXH3-128 (hex) of a file."""

    bytes: int
    xxh3_128: str

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FileStamp:
        """Build a stamp from JSON; unknown keys are ignored. ValueError unless it is a :data:`STAMP`."""
        check(STAMP, data)
        return cls.of_checked(data)

    @classmethod
    def of_checked(cls, data: Mapping[str, Any]) -> FileStamp:
        """Build a stamp of what is known to be a :data:`STAMP`."""
        return cls(data["bytes"], data["xxh3_128"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"bytes": self.bytes, "xxh3_128": self.xxh3_128}


def stamp_of(content: bytes) -> FileStamp:
    """Return the stamp of a file with this content."""
    return FileStamp(len(content), xxhash.xxh3_128_hexdigest(content))


@contextmanager
def writing(path: Path, raises: type[SaetextError]) -> Iterator[None]:
    """Turn any OSError inside into ``raises``, in one line that names ``path`` and says what to do."""
    try:
        yield
    except OSError as error:
        reason = " ".join(str(error.strerror or error).split())
        advice = "free space" if error.errno in _FULL else "put that right"
        raise raises(f"cannot write {path}: {reason}; {advice} and run the same command again") from error


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


# ---- files -------------------------------------------------------------------------------------------------


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give the name of an empty file beside ``path``, for what writes by name.

    The file takes the place of ``path``, synced, when the block ends without an error, and is removed
    otherwise; what lay at ``path`` is there until then.

    Raises
    ------
    OSError
        If it cannot be written; :func:`writing` makes a message of it.
    """
    sweep(path.parent, path.name)
    with held(lambda: _new_file(path)) as beside:
        try:
            yield beside
            put_in_place(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise


def _new_file(path: Path) -> Path:
    beside = path.with_name(f".{_unique(path)}")
    beside.open("xb").close()  # a name that is taken is another's file, not ours to write or remove
    return beside


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside ``path`` that takes its place, synced, when the block ends without an error."""
    with atomic_path(path) as beside, beside.open("wb") as file:
        yield file


def write_atomic(path: Path, data: bytes) -> FileStamp:
    """Write a small file atomically and return its stamp."""
    with atomic_file(path) as file:
        hashing = HashingFile(file)
        hashing.write(data)
    return hashing.stamp


def put_in_place(beside: Path, path: Path) -> None:
    """Let a whole file take the place of another in the same directory, durably: sync, rename, sync.

    If the last sync fails, a file that was new is removed: the caller is told of a failure, and may write the
    same file again.
    """
    is_new = not path.exists()
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    beside.replace(path)
    try:
        sync_directory(path.parent)
    except OSError:
        if is_new:
            with contextlib.suppress(OSError):
                path.unlink()
        raise


def append_synced(path: Path, at: int, data: bytes) -> int:
    """Put ``data`` at offset ``at``, cutting off what lay beyond it, and sync; return the new size.

    If that fails, the file is cut off at ``at`` again: after a failed sync the system may show data that
    never reached the disk.
    """
    with path.open("r+b" if path.exists() else "w+b", buffering=0) as file:
        file.truncate(at)
        file.seek(at)
        try:
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                file.truncate(at)
            raise
    return at + len(data)


# ---- directories -------------------------------------------------------------------------------------------


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Make a directory beside ``path`` that takes its name, synced, when the block ends without an error.

    A directory cannot take the place of one that holds something: where another process may have been first,
    the caller looks at what is there before it lets the error through.

    Raises
    ------
    OSError
        If it cannot be written, or ``path`` is there by then and not an empty directory.
    """
    sweep(path.parent, path.name)
    with held(lambda: _new_directory(path)) as beside:
        try:
            yield beside
            for made in sorted(beside.rglob("*")):
                if made.is_dir():
                    sync_directory(made)
                else:
                    with made.open("rb+") as file:
                        os.fsync(file.fileno())
            sync_directory(beside)
            beside.rename(path)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    try:
        sync_directory(path.parent)
    except OSError:  # whole or absent: the caller is told that it failed, and may write it again
        shutil.rmtree(path, ignore_errors=True)
        raise


def rename_directory(whole: Path, path: Path) -> None:
    """Give a directory whose files are synced its name, durably; an empty one that is there gives way."""
    sync_directory(whole)
    whole.rename(path)
    sync_directory(path.parent.absolute())


def make_directory(path: Path) -> None:
    """Make a directory, and those above it, durably; one that is there already is fine.

    A file that is synced in a new directory is lost all the same if the directory's name was not.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in dict.fromkeys([*reversed(missing), path]):
        with contextlib.suppress(PermissionError):  # a directory above it that may not be listed
            sync_directory(folder.parent)


def _new_directory(path: Path) -> Path:
    beside = path.with_name(f"{BUILDING}{_unique(path)}")
    beside.mkdir()
    return beside


def sync_directory(path: Path) -> None:
    """Make renames and new names in a directory durable; Windows has no such call."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unique(path: Path) -> str:
    """Return a name that no other thread, process or machine takes."""
    return f"{path.name[:SHOWN]}.{host()}-{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY}"


# ---- checksums ---------------------------------------------------------------------------------------------


def checksum(path: Path, limit: int | None = None) -> FileStamp:
    """Read a file through (without mapping it, so that resident memory stays flat) and return its stamp.

    With ``limit``, that of its first ``limit`` bytes.
    """
    digest, size = xxhash.xxh3_128(), 0
    buffer = memoryview(bytearray(_CHUNK))
    with open_regular(path) as file:
        while n := file.readinto(buffer[: _CHUNK if limit is None else min(_CHUNK, limit - size)]):
            digest.update(buffer[:n])
            size += n
    return FileStamp(size, digest.hexdigest())
