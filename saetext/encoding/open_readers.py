"""Readers that this process has open, so that many callers of one reader share one loaded model.

Not for: which thresholds they have; each caller puts its own in place (weights are shared all the same).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

    ReaderName: TypeAlias = Reader | str | Path | Sequence[str | Path]

_MOST = 2  # a model takes much memory
_opened: dict[tuple[object, ...], Reader] = {}
_lock = threading.Lock()


def open_reader(name: ReaderName, dtype: str = "auto") -> Reader:
    """Return a reader, opened now or earlier; one that is given is returned as it is.

    Raises
    ------
    ReaderError
        If it cannot be opened.
    """
    from saetext.reader.reader import Reader as ReaderClass

    if isinstance(name, ReaderClass):
        return name
    given: str | Path | list[str | Path]
    given = name if isinstance(name, str | Path) or not isinstance(name, Sequence) else list(name)
    key = (os.fspath(given) if not isinstance(given, list) else tuple(os.fspath(one) for one in given), dtype)
    with _lock:
        if key not in _opened:
            made = ReaderClass(given, dtype=dtype)
            while len(_opened) >= _MOST:
                del _opened[next(iter(_opened))]
            _opened[key] = made
        return _opened[key]
