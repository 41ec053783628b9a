"""Parts of a search index on disk: each in a folder with a stamp of what it was built from, whole or absent.

Under ``index/`` of a corpus, beside the postings. A part of other content is never taken for this one's: the
folder's name and stamp have the corpus's fingerprint. Sizes are checked when a part is opened, checksums when
``saetext index`` is run again: reading gigabytes through for each search would take longer than the search.
Not for: what is in the parts.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.files import require_size, writing
from saetext.errors import CorpusError
from saetext.io.files import FileStamp, atomic_directory, checksum, write_atomic
from saetext.io.orphans import sweep


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
            sweep(self.home)
            try:
                with atomic_directory(self.folder) as building:
                    write(building)
                    files = {
                        path.relative_to(building).as_posix(): checksum(path).to_dict()
                        for path in sorted(building.rglob("*"))
                        if path.is_file()
                    }
                    told = {"built_from": self.stamp, "files": files}
                    write_atomic(building / "stamp.json", json.dumps(told).encode())
                    shutil.rmtree(self.folder, ignore_errors=True)
            except OSError:
                if self.find() is None:  # another process was first, else this is a real failure
                    raise
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
