"""Opening what is no plain file: named pipes and a shell's ``<(...)``, said so while nobody writes to them.

Not for: what is in them.
"""

from __future__ import annotations

import os
import select
import stat
from pathlib import Path
from typing import IO, Final

from saetext.errors import InputError
from saetext.io.warning import warn

_PATIENCE: Final = 2.0  # seconds before it is said that nobody writes


def open_stream(path: Path) -> IO[bytes]:
    """Open a pipe, waiting for its first bytes; a warning says so where that takes a while.

    Raises
    ------
    InputError
        If it is a device, which may never end, or something else that holds no texts.
    OSError
        If it cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe without a writer opens too
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISFIFO(mode):
            _await(handle, path)
        elif not os.isatty(handle):
            raise InputError(f"{path} is a device or a socket; expected a file of texts, or - for stdin")
        os.set_blocking(handle, True)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _await(handle: int, path: Path) -> None:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    if not poll.poll(_PATIENCE * 1000):
        waiting = f"waiting for texts: nobody has written to the pipe {path} yet (Ctrl-C ends it)"
        warn(waiting)
        poll.poll()
