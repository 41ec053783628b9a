"""Parts of a search index on disk: each in a folder with a stamp of what it was built from, whole or absent.

Under ``index/`` of a corpus, beside the postings. A part of other content is never taken for this one's: the
folder's name and stamp have the corpus's fingerprint. Every file is read through and compared with its
checksum when a part is opened, see :mod:`saetext.io.derived`. Not for: what is in the parts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.files import writing
from saetext.errors import CorpusError
from saetext.io.array_file import load_array
from saetext.io.derived import Derived
from saetext.io.opener import why


class Entries(NamedTuple):
    """Entries of a corpus by feature: those of ``f`` are at ``indptr[f]:indptr[f + 1]``, by document."""

    indptr: NDArray[np.int64]
    doc: NDArray[np.int32]
    value: NDArray[np.float32]


class Part(Derived):
    """One part of an index: its home, its kind, and what it is built from."""

    def build(self, write: Callable[[Path], None]) -> Path:
        """Let ``write`` fill a folder, then put it into place instead of older ones of its kind.

        Raises
        ------
        CorpusError
            If it cannot be written.
        """
        with writing(self.folder):
            super().build(write)
        self.remove_others()
        return self.folder


def mapped(path: Path) -> NDArray[Any]:
    """Map a .npy file of numbers.

    Raises
    ------
    CorpusError
        If it cannot be read.
    """
    try:
        return np.asarray(load_array(path, mapped=True))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read: {why(error)}; try again") from error
