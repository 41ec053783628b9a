"""Readers that this process has open, so that many callers of one reader share one loaded model.

Files that were replaced since are read anew. Not for: which thresholds they have; each caller puts its own in
place (weights are shared all the same).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from saetext.io.file_state import file_state

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

    ReaderName: TypeAlias = Reader | str | Path | Sequence[str | Path]

_MOST = 2  # a model takes much memory
_State: TypeAlias = "tuple[object, ...]"
_opened: dict[_State, tuple[Reader, _State]] = {}
_lock = threading.Lock()


def open_reader(name: ReaderName, dtype: str = "auto") -> Reader:
    """Return a reader, opened now or earlier; one that is given is returned as it is.

    One that was opened earlier is opened again if a file of its SAEs or of its language model has changed.

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
    names = given if isinstance(given, list) else [given]
    key = (isinstance(given, list), *map(_place, names), dtype)
    with _lock:
        if key in _opened:
            made, state = _opened[key]
            if state == (_state(names), _state([made.model.path])):
                return made
            del _opened[key]
        before = _state(names)
        made = ReaderClass(given, dtype=dtype)
        while len(_opened) >= _MOST:
            del _opened[next(iter(_opened))]
        _opened[key] = made, (before, _state([made.model.path]))
        return made


def _place(name: str | Path) -> str:
    """Return what names a reader wherever the process goes: of a directory its whole path."""
    path = Path(name)
    return str(path.resolve()) if path.is_dir() else os.fspath(name)


def _state(places: Sequence[str | Path]) -> _State:
    """Return what changes when a file in one of the directories does; a name is no directory."""
    files = [file for place in map(Path, places) if place.is_dir() for file in sorted(place.iterdir())]
    return tuple((str(file), *file_state(file)) for file in files if file.is_file())
