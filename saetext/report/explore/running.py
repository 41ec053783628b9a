"""The lock under which models run: hooks and buffers are shared, so two threads may not use one at a time.

Not for: what is changed by users (:class:`saetext.report.explore.loaded.Loaded` has a lock for that).
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

#: Held while a reader or a sentence model runs.
RUNNING = threading.RLock()


def one_at_a_time(reader: Reader) -> Reader:
    """Return a reader whose calls, and those of its tokenizer, wait for each other under :data:`RUNNING`.

    Pages and jobs use one model in several threads. It is read with by whoever has it, as the reports do that
    know nothing of threads, so the lock is in the reader.
    """
    return cast("Reader", _Alone(reader, parts=("tokens",)))


class _Alone:
    """What another thing is, with methods that run one at a time; so are those of its ``parts``."""

    def __init__(self, of: Any, parts: tuple[str, ...] = ()) -> None:
        self._of = of
        self._parts = {name: _Alone(getattr(of, name)) for name in parts}

    def __getattr__(self, name: str) -> Any:
        if name in ("_of", "_parts"):  # while it is made, or copied
            raise AttributeError(name)
        if name in self._parts:
            return self._parts[name]
        found = getattr(self._of, name)
        return _locked(found) if callable(found) else found


def _locked(method: Any) -> Any:
    @functools.wraps(method)
    def alone(*arguments: Any, **named: Any) -> Any:
        with RUNNING:
            return method(*arguments, **named)

    return alone
