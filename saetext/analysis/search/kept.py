"""Sentence embeddings of one shard's texts on disk, sealed: what a build that was stopped goes on with.

Not for: the index that is searched (:mod:`saetext.analysis.search.dense`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.files import writing
from saetext.io.derived import Verdict
from saetext.io.files import FileStamp
from saetext.io.sealed_file import SealedFile, array_bytes, array_of
from saetext.io.warning import warn
from saetext.reader import sentences as embed


@dataclass(frozen=True)
class Kept:
    """Embeddings of a shard's texts, or the place for them.

    Attributes
    ----------
    folder : Path
        The directory that holds the file.
    docs : str
        Checksum of the shard's documents.
    n : int
        How many there are.
    """

    folder: Path
    docs: str
    n: int

    @classmethod
    def of(cls, corpus: Path, files: Mapping[str, FileStamp], n: int) -> Kept:
        """Return where those of a shard with these files are, or would be."""
        docs = next(stamp.xxh3_128 for name, stamp in files.items() if name.startswith("docs/"))
        return cls(embeddings_folder(corpus), docs, n)

    @property
    def path(self) -> Path:
        """Where they lie."""
        return self._file.path

    @property
    def _file(self) -> SealedFile:
        path = self.folder / f"{self.docs}-{embed.MODEL_SHA256[:8]}.npy"
        return SealedFile(path, f"{self.docs} {embed.MODEL_SHA256}")

    def write(self, vectors: NDArray[Any]) -> None:
        """Write float16[n, width]; CorpusError if that cannot be."""
        with writing(self.path):
            self._file.write(array_bytes(vectors))

    def read(self, *, tell_of_damage: bool = False) -> NDArray[np.float16] | None:
        """Return float16[n, width]; None if they are not there, or not as they were written."""
        found, vectors = self._opened()
        if tell_of_damage and found.state in ("damaged", "unchecked"):
            warn(f"{found}: its documents are embedded again")
        return vectors

    def check(self) -> Verdict:
        """Say whether they are there and intact."""
        return self._opened()[0]

    def _opened(self) -> tuple[Verdict, NDArray[np.float16] | None]:
        return self._file.checked(array_of((self.n, embed.WIDTH), np.float16))


def embeddings_folder(corpus: Path) -> Path:
    """Return the directory that holds those of all shards."""
    return corpus / "index" / "text" / "embeddings"
