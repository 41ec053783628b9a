"""A shelf of large arrays: in memory as long as a bound allows, else in files, with the same numbers in them.

Not for: parts of an array (who makes one piece after another counts for themselves).
"""

from __future__ import annotations

import errno
import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from saetext.errors import InputError
from saetext.io.memory import Bound, size_text
from saetext.io.scratch import scratch


class Shelf:
    """Hands out arrays, and knows how many bytes of them are in memory and in use.

    Parameters
    ----------
    bound : Bound
        The most that working arrays may take.
    """

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self._reserved = 0
        self._used = 0

    @property
    def left(self) -> int:
        """Bytes that may still be taken; 0 where more is in use than allowed."""
        return max(0, self.bound.bytes - self._reserved - self._used)

    @property
    def unused(self) -> int:
        """Bytes that no array has that was handed out, reserved or not."""
        return max(0, self.bound.bytes - self._used)

    def reserve(self, size: int, what: str, instead: str) -> None:
        """Set so many bytes aside, for what is not handed out here.

        Raises
        ------
        InputError
            If the bound was asked for, and is less; see :meth:`saetext.io.memory.Bound.require`.
        """
        self.bound.require(size + self._used, what, instead)
        self._reserved = size

    def array(self, n: int, dtype: DTypeLike, most: int | None = None) -> NDArray[Any]:
        """Return an array of ``n`` items, not set to anything; more than ``most`` items lie in a file.

        Raises
        ------
        InputError
            If it fits neither into the bound that was asked for nor into a file.
        """
        size = n * np.dtype(dtype).itemsize
        fits = size <= self.left
        if not fits or (most is not None and n > most):
            try:
                return scratch(n, dtype)
            except OSError as error:
                if not fits and self.bound.asked:
                    needed = self._reserved + self._used + size
                    # no disk helps where the system has no such files
                    other = "" if error.errno == errno.ENOSYS else ", or set TMPDIR to a directory with room"
                    raise InputError(
                        f"--memory {size_text(self.bound.bytes)} is too little: {size_text(needed, up=True)} "
                        f"are needed if arrays cannot lie in files ({error.strerror or error}); allow that"
                        f"{other}"
                    ) from error
        made = np.empty(n, dtype)
        self._used += size
        weakref.finalize(made, self._back, size)  # views of it keep it
        return made

    def _back(self, size: int) -> None:
        self._used -= size


def roomy() -> Shelf:
    """Return a shelf with half of what the machine has free; what does not fit a file is in memory."""
    return Shelf(Bound.of(None))
