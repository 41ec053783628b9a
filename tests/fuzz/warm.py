"""One process that has imported everything and loaded the reader; each case runs in a fork of it.

Not for: what the cases are.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.processes import exit_code

LIMIT = 120.0  # seconds of a case, on a machine that does other things too
MEMORY = 24 << 30  # bytes of address space of a case
FILE = 1 << 30  # bytes of a file that a case may write
CODES = (0, 1, 2)  # that the command line documents
LONGEST = 400  # characters of the line that says what is wrong
_CRASHED = 70


@dataclass(frozen=True)
class Outcome:
    """How a case ended; ``code`` is negative for a signal and None where the time was up."""

    code: int | None
    stdout: str
    stderr: str
    seconds: float

    @property
    def fault(self) -> str | None:
        """What no command may do, in a word; None if there is nothing of it."""
        told = [line for line in self.stderr.splitlines() if line.startswith("saetext: ")]
        if self.code is None:
            return "hang"
        if "Traceback" in self.stderr or "panicked" in self.stderr:
            return "traceback"
        if self.code not in CODES:
            return f"code {self.code}"
        if self.code == 1 and len(told) != 1:
            return "no line that says what is wrong"
        return "long message" if any(len(line) > LONGEST for line in told) else None


def warm_up() -> None:
    """Import everything and load the embedded reader; nothing that starts threads of its own."""
    import saetext_cli
    from saetext_cli.common import _load

    import saetext

    for package in (saetext, saetext_cli):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    _load((), None, "auto", "auto", False)


def run(work: Callable[[], None], folder: Path, limit: float = LIMIT) -> Outcome:
    """Run ``work`` in a fork, in ``folder``; what is not done in time is killed with its children."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        process = os.fork()
        if not process:
            _child(work, folder, out.fileno(), err.fileno())
        code = _wait(process, started + limit)
        seconds = time.monotonic() - started
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(1 << 20).decode("utf-8", "replace"))
    return Outcome(code, *texts, seconds)


def command(arguments: list[str]) -> Callable[[], None]:
    """Return a command line as work."""

    def work() -> None:
        from saetext_cli.main import main

        sys.argv = ["saetext", *arguments]
        main()

    return work


def _child(work: Callable[[], None], folder: Path, out: int, err: int) -> None:
    code = _CRASHED
    try:
        os.setsid()
        os.chdir(folder)
        os.environ["SAETEXT_CACHE"] = str(folder / "cache")  # what a case adds is its own
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, handle in enumerate((nothing, out, err)):
            os.dup2(handle, number)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        code = exit_code(work, _CRASHED)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait(process: int, until: float) -> int | None:
    pause = 0.001
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process, signal.SIGKILL)  # what it has left running
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process, signal.SIGKILL)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return None
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
