"""Numbers of processes, and how they end. A helper for tests, not a test."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable


def dead_process() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-ES", "-c", ""])
    process.wait()
    return process.pid


def exit_code(work: Callable[[], object], crashed: int) -> int:
    """Return the exit code of work in a fork, ``crashed`` after an error of any kind, which is printed.

    Nothing goes through: it would go on in the parent's code.
    """
    try:
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return crashed
    return 0
