"""Ctrl-C and SIGTERM: a run that was asked to stop stops, whatever a library makes of it.

The handler remembers the request and raises :class:`Stopped`, a KeyboardInterrupt, so that files are put away
as always. Some libraries swallow it; then the next :func:`check` (each tick of progress, each note, before a
result is printed, at the end) raises it again, and no interrupted run exits 0. While a module is imported
nothing is raised: an import that is broken off can leave its lock taken. Nor while numba makes a function
ready: its dispatcher, in C, then went on with what was half made (9 of 360 interrupted runs of ``cluster``
ended in a segmentation fault). Nor while polars makes the Python object of a data type: its Rust code takes
it for granted that this cannot fail, and prints a panic. Nor while a file is begun beside another or takes
its place: one that is just made would be left. A second signal ends the process at once.

Light, since it is imported before everything else. Not for: the line that says so.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_AGAIN = 0.02  # seconds until it is looked again whether an import or a compilation is over
_IMPORTING = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")
#: What begins and ends a file; what is written meanwhile is not among their callees, and can be stopped.
_PUT_AWAY = {"saetext.io.files": ("atomic_path", "atomic_directory"), "saetext.io.orphans": ("held",)}


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM."""


class _Request:
    """The signal that asked to stop, if one did, in this process."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.process = os.getpid()
        self.looking = False  # whether the next call of the handler is our own, after an import
        self.raised = False  # whether Stopped was raised already


_request = _Request()


def asked() -> bool:
    """Return whether the run was asked to stop."""
    return _request.number is not None


def exit_code() -> int:
    """Return what a stopped run exits with: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (_request.number or signal.SIGINT)


def check() -> None:
    """Raise :class:`Stopped` if the run was asked to stop; in the main thread alone."""
    if _request.number is not None and threading.current_thread() is threading.main_thread():
        _request.raised = True
        raise Stopped


def watch() -> list[int]:
    """Handle the signals that nobody else does (nor ignores, as a shell has it for jobs), and return them."""
    global _request
    _request = _Request()
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    ours = [number for number, handler in usual.items() if signal.getsignal(number) is handler]
    for number in ours:
        signal.signal(number, _stop)
    if ours and sys.unraisablehook is not _unraisable:
        sys.unraisablehook = _unraisable
    return [int(number) for number in ours]


def _unraisable(about: Any) -> None:
    """Say nothing where a library's callback has let a stop fall: the next safe point raises it again."""
    if not isinstance(about.exc_value, Stopped):
        sys.__unraisablehook__(about)


@contextmanager
def watching() -> Iterator[None]:
    """Handle the signals inside, where that is not done yet."""
    if threading.current_thread() is not threading.main_thread() or _watched():
        yield
        return
    ours = watch()
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def leave() -> None:
    """Let signals end the process at once from now on: Python's shutdown would pass over them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_DFL)


def _watched() -> bool:
    handled = any(signal.getsignal(number) is _stop for number in (signal.SIGINT, signal.SIGTERM))
    return handled and _request.process == os.getpid()


def _stop(number: int, frame: FrameType | None) -> None:
    request = _request
    if os.getpid() != request.process:  # a process that a library forked
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    # between a second Ctrl-C and our own look after an import a race has no loser: both end the run
    if request.number is not None and not request.looking:
        os._exit(128 + request.number)
    look, request.looking = request.looking, False
    request.number = request.number or number
    if look and request.raised:  # by a safe point that came first: the run is ending
        return
    if _unsafe(frame):
        _thread.start_new_thread(_look_again, (number,))  # without threading's locks: the frame may hold one
        return
    request.raised = True
    raise Stopped


def _unsafe(frame: FrameType | None) -> bool:
    """Return whether one of the things above is done that must not be broken off."""
    functions = {(_file_of(module), name) for module, names in _PUT_AWAY.items() for name in names}
    folders = tuple(f for f in (_folder_of("numba"), _folder_of("polars.datatypes")) if f is not None)
    while frame is not None:
        file = frame.f_code.co_filename
        if file in _IMPORTING or file.startswith(folders) or (file, frame.f_code.co_name) in functions:
            return True
        frame = frame.f_back
    return False


def _folder_of(package: str) -> str | None:
    """Return the directory of a package that is imported already, with a separator at its end."""
    file = _file_of(package)
    return None if file is None else os.path.join(os.path.dirname(file), "")  # noqa: PTH118, PTH120 - light


def _file_of(module: str) -> str | None:
    return getattr(sys.modules.get(module), "__file__", None)


def _look_again(number: int) -> None:
    time.sleep(_AGAIN)
    _request.looking = True
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)  # wakes it, too, where it waits by now
    else:
        _thread.interrupt_main(signal.Signals(number))
