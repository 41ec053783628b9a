"""Kept: answers by what was asked, the latest ones, so that the same address gives the same page at once.

Not for: keeping anything beyond the process.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Kept(Generic[_T]):
    """Keeps the answers that were asked for last; two who ask the same at once share the work.

    Parameters
    ----------
    most : int
        So many at most.
    room : int, optional
        So many bytes at most, by ``size``; but the latest answer is kept however large it is.
    size : callable, optional
        From an answer to its bytes.
    """

    def __init__(
        self, most: int, *, room: int | None = None, size: Callable[[_T], int] = lambda _: 0
    ) -> None:
        self._most, self._room, self._size = most, room, size
        self._bytes = 0
        self._lock = threading.Lock()
        self._found: OrderedDict[Hashable, _T] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}

    def __contains__(self, key: Hashable) -> bool:
        """Whether an answer is kept."""
        with self._lock:
            return key in self._found

    def get(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return the answer of a key, made where it is not kept; what ``make`` raises is raised."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._found:
                    return self._found[key]
            try:
                made = make()
                with self._lock:
                    self._found[key] = made
                    self._bytes += self._size(made)
                    while self._is_full():
                        self._bytes -= self._size(self._found.popitem(last=False)[1])
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return made

    def _is_full(self) -> bool:
        if len(self._found) > self._most:
            return True
        return self._room is not None and self._bytes > self._room and len(self._found) > 1
