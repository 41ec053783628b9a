"""What a killed run leaves half-written: told from what somebody writes now, and from what others own.

Ours is what bears the name that :mod:`saetext.io.files` gives; dead is what nobody holds a lock on and whose
process, by the number in its name, has ended. Only what is both is removed. Not for: writing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

BUILDING = ".building-"  # what every half-made directory begins with
TEMPORARY = ".tmp"  # what every half-written file or directory ends with
SHOWN = 30  # characters of a name in its temporary one: a name may be as long as the system allows
_OURS = re.compile(
    r"\.(?:building-)?(?P<target>.*)\.(?:(?P<host>[0-9a-f]{8})-)?(?P<process>\d{1,10})\.[0-9a-f]{8}\.tmp",
    re.DOTALL,
)
_ABANDONED = 24 * 3600  # seconds; without locks, or on another machine, what is older is taken for dead


def host() -> str:
    """Return eight characters that stand for this machine: processes of two may have the same number."""
    return hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()


def is_ours(name: str) -> bool:
    """Return whether a file or directory is called as what is half-written here."""
    return _OURS.fullmatch(name) is not None


@contextmanager
def held(make: Callable[[], Path]) -> Iterator[Path]:
    """Let ``make`` make a file or directory by a name of its own, and hold a lock on it for the block.

    The system lets go of the lock when the process dies. A file system may have no locks: there, nothing is
    taken for dead.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    path, handle = _made_and_locked(make)
    try:
        yield path
    finally:
        if handle is not None:
            os.close(handle)


def _made_and_locked(make: Callable[[], Path]) -> tuple[Path, int | None]:
    while True:
        path = make()
        handle = None
        try:
            if fcntl is None:
                return path, None
            handle = os.open(path, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, handle):
                return path, handle
        except (BlockingIOError, FileNotFoundError):
            pass  # somebody sweeps, and was quicker than our lock: once more, by another name
        except OSError:
            return path, handle
        if handle is not None:
            os.close(handle)


def _is_still(path: Path, handle: int) -> bool:
    there, ours = path.stat(), os.fstat(handle)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def sweep(home: Path, target: str | None = None) -> None:
    """Remove what processes left half-written in ``home`` when they were killed.

    Parameters
    ----------
    home : Path
        A directory.
    target : str, optional
        Remove what was to become the file or directory of this name alone, for a directory that is not ours.
    """
    with contextlib.suppress(OSError):
        for left in list(os.scandir(home)):
            told = _OURS.fullmatch(left.name)
            if not told or (target is not None and told["target"] != target[:SHOWN]):
                continue
            if told["host"] not in (None, host()):  # whether its process lives cannot be told from here
                _remove_abandoned(Path(left.path))
            else:
                _remove_dead(Path(left.path), int(told["process"]))


def _remove_dead(path: Path, process: int) -> None:
    if fcntl is None:
        _remove_abandoned(path)
        return
    if process != os.getpid() and _lives(process):  # of this process, a thread may write: the lock tells
        return
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        finally:
            os.close(handle)


def _remove_abandoned(path: Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > _ABANDONED:
            _remove(path)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's, or no number of a process
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
