"""PackedRows: rows of a corpus in little room, a bit for each document, compressed.

A set of a million documents takes at most 125 kB, so each thing in a drawer can keep the sets it is of. Not
for: choosing rows (``choosing.py``).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PackedRows:
    """Rows, increasing.

    Attributes
    ----------
    packed : bytes
        A bit for each row up to the last, the first bit the highest of its byte; compressed by zlib.
    size : int
        How many rows there are.

    Examples
    --------
    >>> PackedRows.of(np.array([1, 5])).rows.tolist()
    [1, 5]
    """

    packed: bytes
    size: int

    @classmethod
    def of(cls, rows: NDArray[np.int64]) -> PackedRows:
        """Pack rows, in any order, each once."""
        bits = np.zeros(int(rows.max(initial=-1)) + 1, bool)
        bits[rows] = True
        return cls(zlib.compress(np.packbits(bits).tobytes()), len(rows))

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self.size

    @property
    def rows(self) -> NDArray[np.int64]:
        """int64[size]: the rows, increasing."""
        return np.flatnonzero(np.unpackbits(np.frombuffer(zlib.decompress(self.packed), np.uint8)))
