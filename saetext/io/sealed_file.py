"""A derived file of its own: sealed when it is written, checked when it is opened.

Not for: directories (:mod:`saetext.io.derived`); files that people move around, such as tables of labels.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from saetext.io.derived import Verdict
from saetext.io.files import write_atomic
from saetext.io.opener import MIB, read_bytes, why
from saetext.io.sealed import Stale, Unsealed, seal_bytes, unseal_bytes

_MOST = 4096 * MIB
_T = TypeVar("_T")


@dataclass(frozen=True)
class SealedFile:
    """A file and what it is made from.

    Attributes
    ----------
    path : Path
        Where it lies.
    made_from : str
        Any change of it makes the file stale.
    """

    path: Path
    made_from: str

    def write(self, content: bytes) -> None:
        """Write it, whole or not at all; OSError if that cannot be."""
        write_atomic(self.path, seal_bytes(content, self.made_from))

    def checked(self, load: Callable[[bytes], _T]) -> tuple[Verdict, _T | None]:
        """Return what was found, and what ``load`` made of the content; None unless it is intact.

        The bytes that are checked are those that are loaded. ``load`` may raise ValueError.
        """
        try:
            return Verdict(self.path, "intact"), load(
                unseal_bytes(read_bytes(self.path, _MOST), self.made_from)
            )
        except FileNotFoundError:
            return Verdict(self.path, "missing"), None
        except Unsealed as error:
            return Verdict(self.path, "unchecked", str(error)), None
        except Stale as error:
            return Verdict(self.path, "stale", str(error)), None
        except (OSError, ValueError, EOFError, MemoryError) as error:
            return Verdict(self.path, "damaged", why(error)), None


def array_bytes(array: NDArray[Any]) -> bytes:
    """Return an array as the content of a ``.npy`` file."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()


def array_of(shape: tuple[int, ...], dtype: Any) -> Callable[[bytes], NDArray[Any]]:
    """Return what loads the content of a ``.npy`` file; ValueError if it is another array."""

    def load(content: bytes) -> NDArray[Any]:
        array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"it holds {array.dtype}{list(array.shape)}, not {np.dtype(dtype)}{list(shape)}")
        return array

    return load
