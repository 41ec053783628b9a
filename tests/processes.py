"""Numbers of processes. A helper for tests, not a test."""

from __future__ import annotations

import subprocess
import sys


def dead_process() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-ES", "-c", ""])
    process.wait()
    return process.pid
