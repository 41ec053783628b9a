"""Large arrays of passing use, in a mapped file without a name: the system may take their pages back.

Not for: what is kept (:mod:`saetext.io.array_file`).
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def scratch(length: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of ``length`` items, not set to anything, in a file of the temporary directory.

    The file goes with the array. The directory is ``TMPDIR`` or the system's.

    Raises
    ------
    OSError
        If it cannot be written, or the disk has less than twice the room; also on systems that cannot
        allocate it first: writing into a hole of a mapped file kills the process when the disk is full.
    """
    size = max(length, 1) * np.dtype(dtype).itemsize
    if not hasattr(os, "posix_fallocate"):
        raise OSError(errno.ENOSYS, "files cannot be allocated")
    if shutil.disk_usage(tempfile.gettempdir()).free < 2 * size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with tempfile.TemporaryFile(prefix="saetext-") as file:
        os.posix_fallocate(file.fileno(), 0, size)
        return np.frombuffer(mmap.mmap(file.fileno(), size), dtype)[:length]
