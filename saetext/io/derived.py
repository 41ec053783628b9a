"""What is made from something else and kept on disk: written with checksums, checked when it is opened.

A derived directory has a ``stamp.json`` that says what it was built from and what its files should be. Its
name has the hash of what it was built from, so that one of other content (stale) is never taken for a damaged
one, nor either for this one's. Not for: what is in the files, or whether to build them again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from saetext.io.files import (
    STAMPED,
    FileStamp,
    atomic_directory,
    checksum,
    make_directory,
    sweep,
    write_atomic,
)
from saetext.io.json_file import load
from saetext.io.opener import inside, require_regular, why
from saetext.io.sealed import require_seal, sealed

STAMP_FILE = "stamp.json"
State = Literal["intact", "unchecked", "stale", "damaged", "missing"]
_TICK = 100_000_000  # ns: a file may change twice within a tick of the clock that gives it its times
_seen: set[tuple[object, ...]] = set()  # files that this process has read through and found to be right


@dataclass(frozen=True)
class Verdict:
    """What was found of a file or a directory.

    Attributes
    ----------
    path : Path
        Which.
    state : str
        ``intact``; ``unchecked``: it opens, but has no checksum; ``stale``: whole, but made from something
        that has changed; ``damaged``; ``missing``.
    reason : str
        What is wrong, in words that follow the path; empty for an intact one.
    """

    path: Path
    state: State
    reason: str = ""

    def __str__(self) -> str:
        """Return the path and what is wrong: ``x.npy is damaged (its checksum has changed)``."""
        return f"{self.path} is {self.state}{f' ({self.reason})' if self.reason else ''}"


def check_file(path: Path, stamp: FileStamp, *, again: bool = False) -> Verdict:
    """Read a file through, once in this process, and say whether it is what the stamp says.

    The whole file, however large: XXH3 reads 3.4 GB/s here from the page cache, .3 s for the gigabyte of
    vectors that a million documents have, and a search compares them all anyway. A sample of blocks would
    be quicker and would miss the one byte that gives another answer.

    Parameters
    ----------
    path : Path
        A regular file.
    stamp : FileStamp
        Its size and checksum when it was written.
    again : bool
        Read it even though this process has already done so.
    """
    try:
        found = require_regular(path)
        if found.st_size != stamp.bytes:
            return Verdict(path, "damaged", f"it has {found.st_size:,} bytes, not {stamp.bytes:,}")
        # ctime too: a tool that sets the time back after a change cannot set that one
        times = (found.st_mtime_ns, found.st_ctime_ns)
        key = (os.path.realpath(path), found.st_dev, found.st_ino, times, stamp)
        if key not in _seen or again:
            if checksum(path) != stamp:
                _seen.discard(key)
                return Verdict(path, "damaged", "its checksum has changed")
            if time.time_ns() - max(times) > _TICK:
                _seen.add(key)
    except FileNotFoundError:
        return Verdict(path, "missing")
    except OSError as error:
        return Verdict(path, "damaged", f"it cannot be read: {why(error)}")
    return Verdict(path, "intact")


def first_bad(found: Iterable[Verdict]) -> Verdict | None:
    """Return the first that is damaged or missing."""
    return next((verdict for verdict in found if verdict.state in ("damaged", "missing")), None)


@dataclass(frozen=True)
class Derived:
    """A derived directory: its home, its kind, and what it is built from.

    Attributes
    ----------
    home : Path
        The directory that holds its folder.
    kind : str
        Begins the folder's name.
    stamp : str
        What it is built from; any change makes it another one.
    """

    home: Path
    kind: str
    stamp: str

    @property
    def folder(self) -> Path:
        """Where it lies, if it is there."""
        return self.home / f"{self.kind}-{hashlib.sha256(self.stamp.encode()).hexdigest()[:16]}"

    def find(self) -> Path | None:
        """Return its folder if it is there and intact."""
        return self.folder if self.check().state == "intact" else None

    def check(self, *, again: bool = False) -> Verdict:
        """Say whether it is there and intact; of damage, which file and what is wrong with it."""
        found = self.verdicts(again=again)
        bad = first_bad(found)
        if bad is None or bad.path == self.folder:
            return found[0] if bad or found[0].state == "stale" else Verdict(self.folder, "intact")
        what = bad.reason if bad.state == "damaged" else "it is missing"
        return Verdict(self.folder, "damaged", f"{bad.path.name}: {what}")

    def verdicts(self, *, again: bool = False) -> list[Verdict]:
        """Return a verdict for each of its files; one alone where it is stale or missing."""
        if not self.folder.exists():
            try:
                others = next(iter(self._others()), None)
            except OSError:  # a directory that cannot be listed: building it says what is wrong
                others = None
            if others is None:
                return [Verdict(self.folder, "missing")]
            return [Verdict(others, "stale", "what it was built from has changed")]
        told = self.folder / STAMP_FILE
        try:
            files = self._files()
        except FileNotFoundError:
            return [Verdict(told, "missing")]
        except (OSError, ValueError) as error:
            return [Verdict(told, "damaged", why(error))]
        return [*(self._file(name, stamp, again) for name, stamp in files.items()), Verdict(told, "intact")]

    def build(self, write: Callable[[Path], None]) -> Path:
        """Let ``write`` fill a folder with files, then put it into place instead of a damaged one.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        make_directory(self.home)
        sweep(self.home)
        try:
            with atomic_directory(self.folder) as building:
                write(building)
                files = {path.name: checksum(path).to_dict() for path in sorted(building.iterdir())}
                told = sealed({"built_from": self.stamp, "files": files})
                write_atomic(building / STAMP_FILE, json.dumps(told).encode())
                if self.find() is None:  # damaged: out of the way
                    shutil.rmtree(self.folder, ignore_errors=True)
        except OSError:
            if self.find() is None:  # another process was first, else this is a real failure
                raise
        return self.folder

    def remove_others(self) -> None:
        """Remove those of this kind that are of other content; what cannot be is left for next time."""
        with contextlib.suppress(OSError):
            for old in self._others():
                shutil.rmtree(old, ignore_errors=True)

    def _others(self) -> list[Path]:
        return [old for old in sorted(self.home.glob(f"{self.kind}-*")) if old != self.folder]

    def _files(self) -> dict[str, FileStamp]:
        told = load(self.folder / STAMP_FILE, STAMPED)
        require_seal(told)  # one of an earlier version has none: then the files' checksums still tell
        if told["built_from"] != self.stamp:
            raise ValueError("it says that it was built from something else")
        if not told["files"]:
            raise ValueError("it names no files")
        return {name: FileStamp.from_dict(stamp) for name, stamp in told["files"].items()}

    def _file(self, name: str, stamp: FileStamp, again: bool) -> Verdict:
        try:
            return check_file(inside(self.folder, name), stamp, again=again)
        except FileNotFoundError:
            return Verdict(self.folder / name, "missing")
        except OSError as error:
            return Verdict(self.folder / name, "damaged", why(error))
