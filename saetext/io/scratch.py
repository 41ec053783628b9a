"""Large arrays of passing use, in a mapped file without a name: the system may take their pages back.

Not for: what is kept (:mod:`saetext.io.array_file`).
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from saetext.io.opener import MIB, read_text

_MOUNTS: Final = "/proc/self/mountinfo"  # Linux alone has it
_IN_MEMORY: Final = ("tmpfs", "ramfs")


def scratch(length: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of ``length`` items, not set to anything, in a file of the temporary directory.

    The file goes with the array. The directory is ``TMPDIR`` or the system's.

    Raises
    ------
    OSError
        If it cannot be written, or the disk has less than twice the room, or is memory itself; also on
        systems that cannot allocate it first: writing into a hole of a mapped file kills the process when the
        disk is full.
    """
    size = max(length, 1) * np.dtype(dtype).itemsize
    if not hasattr(os, "posix_fallocate"):
        raise OSError(errno.ENOSYS, "files cannot be allocated")
    if _is_memory(tempfile.gettempdir()):
        raise OSError(errno.ENODEV, "the temporary directory is in memory")
    if shutil.disk_usage(tempfile.gettempdir()).free < 2 * size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with tempfile.TemporaryFile(prefix="saetext-") as file:
        os.posix_fallocate(file.fileno(), 0, size)
        return np.frombuffer(mmap.mmap(file.fileno(), size), dtype)[:length]


def _is_memory(folder: str) -> bool:
    """Return whether a directory is in a file system in memory, which counts as the writer's own."""
    device = Path(folder).stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = read_text(_MOUNTS, MIB).splitlines()
    except (OSError, ValueError):
        return False
    # 36 35 98:0 /root /where rw,noatime shared:1 - tmpfs tmpfs rw
    found = [mount.partition(" - ")[2].split(" ")[0] for mount in mounts if mount.split(" ")[2:3] == [number]]
    return any(kind in _IN_MEMORY for kind in found)
