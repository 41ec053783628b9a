"""How many processors this process may use: its affinity, and the quota of its control group (a container).

Libraries count the machine's cores; on a share of them, too many threads wait for each other and burn time.
Not for: torch's threads (:mod:`saetext.reader.threads`).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from saetext.io.control_groups import GROUPS, OWN, folders_of, text_of


def available_cpus() -> int:
    """Return how many processors this process may use, at least 1.

    Examples
    --------
    >>> available_cpus() >= 1
    True
    """
    return max(1, min(_allowed(), quota() or _allowed()))


def quota(groups: Path = GROUPS, own: Path = OWN) -> int | None:
    """Return the quota of processors of this process's control group, rounded up; None where there is none.

    Parameters
    ----------
    groups : Path
        Where control groups are mounted.
    own : Path
        Which groups this process is in, as the kernel lists them.
    """
    found = [limit for folder in folders_of("cpu", groups, own) if (limit := _limit(folder)) is not None]
    return max(1, math.ceil(min(found))) if found else None


def _allowed() -> int:
    counted: int | None = getattr(os, "process_cpu_count", os.cpu_count)()  # from Python 3.13
    if not hasattr(os, "process_cpu_count") and hasattr(os, "sched_getaffinity"):
        counted = len(os.sched_getaffinity(0))
    return counted or 1


def _limit(folder: Path) -> float | None:
    told = text_of(folder / "cpu.max").split()  # version 2: "150000 100000", or "max 100000"
    if not told:
        told = [*text_of(folder / "cpu.cfs_quota_us").split(), *text_of(folder / "cpu.cfs_period_us").split()]
    if len(told) != 2 or not all(part.isdecimal() for part in told) or not int(told[1]):
        return None  # "max", or -1: none
    return int(told[0]) / int(told[1]) or None
