"""The one way to read: regular files only, of a size that is bounded, opened without waiting.

A named pipe would block, a device may never end, a directory is no file: each is refused at once. Streams of
texts (``-``, pipes) are the business of :mod:`saetext.documents`. Not for: what is in the files, for which
there are :mod:`saetext.io.json_file` and :mod:`saetext.io.array_file`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from io import BufferedReader
from pathlib import Path

from saetext.errors import SaetextError

MIB = 1 << 20
SMALL = 4 * MIB  # a configuration, a stamp, a detector
LARGE = 64 * MIB  # what lists features, labels or tensors
HUGE = 256 * MIB  # what lists the shards of a corpus

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


class UnfitFile(OSError):
    """A file of the wrong kind or size; ``strerror`` says which."""

    def __init__(self, reason: str, path: str | os.PathLike[str]) -> None:
        super().__init__(errno.EINVAL, reason, os.fspath(path))


def require_regular(path: str | os.PathLike[str], most: int | None = None) -> os.stat_result:
    """Return what the system says of a regular file; for libraries that open files by name.

    Parameters
    ----------
    path : path
        Symbolic links are followed.
    most : int, optional
        Bytes that it may have.

    Raises
    ------
    OSError
        If it is missing or cannot be looked at; :class:`UnfitFile` if it is no regular file or too large.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - a corpus may have 20,000 files
    except ValueError as error:  # a zero byte in the name
        raise UnfitFile("the name holds a zero byte", "") from error
    _require_fit(found, path, most)
    return found


def open_regular(path: str | os.PathLike[str], most: int | None = None) -> BufferedReader:
    """Open a regular file for reading bytes, or raise as :func:`require_regular` does."""
    require_regular(path, most)  # before it is opened: to open a device may already do something
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _require_fit(os.fstat(handle), path, most)  # again: the name may have been given to another file
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes.

    Raises
    ------
    OSError
        As :func:`require_regular`; also if the file grows beyond ``most`` while it is read.
    """
    with open_regular(path, most) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise UnfitFile(_too_large(len(content), most), path)
    return content


def read_text(path: str | os.PathLike[str], most: int) -> str:
    """Return a UTF-8 file as text, without a byte order mark; OSError or ValueError if that cannot be."""
    return decoded(read_bytes(path, most))


def decoded(content: bytes) -> str:
    """Return UTF-8 as text, without a byte order mark; ValueError that says where it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text (byte {error.start:,})") from None


def packaged_text(package: str, *name: str) -> str:
    """Return a text file that ships with saetext."""
    return resources.files(package).joinpath(*name).read_text("utf-8")


def inside(folder: Path, name: object) -> Path:
    """Return the path of a file that a stranger's manifest names, if it is in the manifest's own directory.

    Raises
    ------
    UnfitFile
        If the name has more than letters, digits and ``. _ -``, or is a link that leaves the directory.
    OSError
        If there is no such file.
    """
    if not isinstance(name, str) or not _PLAIN_NAME.fullmatch(name):
        raise UnfitFile(f"the file name {shown(name)} is not one of this directory", folder)
    path = folder / name
    if Path(os.path.realpath(path)).parent != Path(os.path.realpath(folder)):
        raise UnfitFile(f"{name} is a link to a file outside of the directory", folder)
    require_regular(path)
    return path


@contextmanager
def reading(
    path: str | os.PathLike[str], raises: type[SaetextError], what: str, advice: str = ""
) -> Iterator[None]:
    """Turn an OSError or ValueError inside into ``raises``, in one line.

    Parameters
    ----------
    path : path
        The file that is read.
    raises : type
        Class of the error.
    what : str
        What the file should be: ``"saved query"``.
    advice : str
        What to do about it.
    """
    more = f"; {advice}" if advice else ""
    try:
        yield
    except FileNotFoundError as error:
        raise raises(f"there is no file {os.fspath(path)}{more}") from error
    except OSError as error:
        raise raises(f"cannot read {os.fspath(path)}: {why(error)}{more}") from error
    except ValueError as error:
        raise raises(f"{os.fspath(path)} is no {what}: {why(error)}{more}") from error


def why(error: BaseException) -> str:
    """Return what an error says as one line of at most 200 characters, without the file's name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)[:1000]).split())
    return line if len(line) <= 200 else f"{line[:199]}…"


_LONG = 10**100


def shown(value: object, most: int = 40) -> str:
    """Return the beginning of a value from a file, as one line without control characters."""
    text = value if isinstance(value, str) else _brief(value)
    line = "".join(c if c.isprintable() else " " for c in text[: most + 1])
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return f'"{line}"' if isinstance(value, str) else line


def _brief(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= _LONG:
        return "a number of more than 100 digits"  # of thousands Python makes no text at all
    return repr(value)[:100]


def _require_fit(found: os.stat_result, path: str | os.PathLike[str], most: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for test, name in _KINDS if test(found.st_mode)), "not a regular file")
        raise UnfitFile(f"it is {kind}; expected a regular file", path)
    if most is not None and found.st_size > most:
        raise UnfitFile(_too_large(found.st_size, most), path)


def _too_large(size: int, most: int) -> str:
    return f"it has {size:,} bytes; at most {most:,} are read"
