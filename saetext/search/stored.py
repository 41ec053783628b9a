"""Parts of a search index on disk: each in a folder with a stamp of what it was built from, whole or absent.

Under ``index/`` of a corpus, beside the postings. A part of other content is never taken for this one's: the
folder's name and stamp have the corpus's fingerprint. Sizes are checked when a part is opened, checksums when
``saetext index`` is run again: reading gigabytes through for each search would take longer than the search.
Not for: what is in the parts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.files import FileStamp, checksum, require_size, sync_directory, write_atomic, writing
from saetext.errors import CorpusError

_BUILDING = ".building-"
_ABANDONED = 24 * 3600  # seconds after which another process's half-built part is taken for dead


class Entries(NamedTuple):
    """Entries of a corpus by feature: those of ``f`` are at ``indptr[f]:indptr[f + 1]``, by document."""

    indptr: NDArray[np.int64]
    doc: NDArray[np.int32]
    value: NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """One part of an index: its home, its kind, and what it is built from.

    Attributes
    ----------
    home : Path
        The directory that holds its folder.
    kind : str
        Begins the folder's name.
    stamp : str
        What it is built from; any change makes it another part.
    """

    home: Path
    kind: str
    stamp: str

    @property
    def folder(self) -> Path:
        """Where it lies, if it is there."""
        return self.home / f"{self.kind}-{hashlib.sha256(self.stamp.encode()).hexdigest()[:16]}"

    def find(self) -> Path | None:
        """Return its folder if it is there with files of the right sizes."""
        try:
            for name, stamp in self._files().items():
                require_size(self.folder / name, stamp)
        except (OSError, CorpusError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return self.folder

    def stale(self) -> bool:
        """Return whether there is a part of this kind, but of other content."""
        return self.find() is None and any(self.home.glob(f"{self.kind}-*"))

    def intact(self) -> bool:
        """Return whether it is there and has its checksums."""
        folder = self.find()
        return folder is not None and all(
            checksum(folder / name) == stamp for name, stamp in self._files().items()
        )

    def build(self, write: Callable[[Path], None]) -> Path:
        """Let ``write`` fill a folder, then put it into place instead of older ones of its kind.

        Raises
        ------
        CorpusError
            If it cannot be written.
        """
        with writing(self.folder):
            self.home.mkdir(parents=True, exist_ok=True)
            for left in self.home.glob(f"{_BUILDING}*"):
                with contextlib.suppress(OSError):
                    if time.time() - left.stat().st_mtime > _ABANDONED:
                        shutil.rmtree(left, ignore_errors=True)
            building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=self.home))
            try:
                write(building)
                files = {}
                for path in sorted(building.rglob("*")):
                    if path.is_file():
                        with path.open("rb") as file:
                            os.fsync(file.fileno())
                        files[path.relative_to(building).as_posix()] = checksum(path).to_dict()
                told = {"built_from": self.stamp, "files": files}
                write_atomic(building / "stamp.json", json.dumps(told).encode())
                shutil.rmtree(self.folder, ignore_errors=True)
                try:
                    building.rename(self.folder)
                except OSError:
                    if self.find() is None:  # another process was first, else this is a real failure
                        raise
                sync_directory(self.home)
            finally:
                shutil.rmtree(building, ignore_errors=True)
            for old in self.home.glob(f"{self.kind}-*"):
                if old != self.folder:
                    shutil.rmtree(old, ignore_errors=True)
        return self.folder

    def _files(self) -> dict[str, FileStamp]:
        told = json.loads((self.folder / "stamp.json").read_bytes())
        if told["built_from"] != self.stamp:
            raise ValueError("of other content")
        return {str(name): FileStamp.from_dict(stamp) for name, stamp in told["files"].items()}


def mapped(path: Path) -> NDArray[Any]:
    """Map a .npy file of numbers."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
