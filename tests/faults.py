"""Faults in what a run does to a disk: the n-th write, sync, rename or new directory fails, or kills the run.

A helper for tests, not a test. A kill is ``os._exit`` in a fork, so that nothing is tidied up; a full disk is
an ENOSPC. What a library writes by itself (safetensors) is half done when it fails.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from saetext.io import files

KILLED = 9


class Faults:
    """Counts what is done to the disk; at the ``at``-th time (from 1) calls ``fail``."""

    def __init__(self, at: int = 0, fail: Callable[[], None] = lambda: None) -> None:
        self.count, self.at, self.fail = 0, at, fail
        self.what: list[str] = []

    def happens(self, what: str) -> None:
        """Note that something is about to be done."""
        self.count += 1
        self.what.append(what)
        if self.count == self.at:
            self.fail()

    @contextlib.contextmanager
    def installed(self) -> Iterator[Faults]:
        """Count inside."""
        from saetext.training import tensor_file

        own = {
            (os, "fsync"): self._before(os.fsync, "sync"),
            (os, "replace"): self._before(os.replace, "rename"),
            (os, "rename"): self._before(os.rename, "rename"),
            (os, "mkdir"): self._making(os.mkdir),
            (files.HashingFile, "write"): self._before(files.HashingFile.write, "write"),
            (tensor_file, "save_file"): self._halfway(tensor_file.save_file),
        }
        before = {key: getattr(*key) for key in own}
        for (owner, name), function in own.items():
            setattr(owner, name, function)
        try:
            yield self
        finally:
            for (owner, name), function in before.items():
                setattr(owner, name, function)

    def _before(self, function: Callable[..., Any], what: str) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.happens(what)
            return function(*args, **kwargs)

        return counted

    def _making(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, *args: Any, **kwargs: Any) -> Any:
            if not os.path.isdir(path):  # noqa: PTH112  # what is there need not be made
                self.happens("mkdir")
            return function(path, *args, **kwargs)

        return counted

    def _halfway(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(tensors: Any, path: Path, *args: Any) -> Any:
            function(tensors, path, *args)
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            self.happens("tensors")
            path.write_bytes(whole)

        return counted


def full() -> None:
    """Fail as a disk without space does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def die() -> None:
    """Fail as a killed process does: at once."""
    os._exit(KILLED)


def in_fork(work: Callable[[], None]) -> int:
    """Run ``work`` in a fork; return its exit code: 0, ``KILLED``, or 1 after a traceback."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def killed_after(work: Callable[[], None], seconds: float) -> int:
    """Run ``work`` in a fork that a SIGKILL ends after so long; return its exit code, -9 if it was killed."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
