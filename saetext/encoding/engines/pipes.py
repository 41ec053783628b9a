"""Objects through a pipe between a driver and a process that it has started itself.

They are pickled, which is for processes that trust each other: nothing of a file comes this way. Not for:
files.
"""

from __future__ import annotations

import contextlib
import pickle
from typing import IO, Any


def send(stream: IO[bytes], thing: object) -> None:
    """Write an object; OSError if nobody reads any more."""
    pickle.dump(thing, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Return the next object; EOFError where the other process has ended, maybe in the middle of one."""
    try:
        return pickle.load(stream)
    except pickle.UnpicklingError as error:  # cut off
        raise EOFError(str(error)) from error


def sendable(error: BaseException) -> BaseException:
    """Return an error as it can be sent: itself, or one that says what it was."""
    with contextlib.suppress(pickle.PicklingError, TypeError, AttributeError, ValueError):
        copy = pickle.loads(pickle.dumps(error))
        if type(copy) is type(error) and str(copy) == str(error):
            return error
    return RuntimeError(f"{type(error).__name__}: {error}")
