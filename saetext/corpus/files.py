"""What a corpus says of its files: which are damaged, and what to do when one cannot be written.

Not for: writing them (:mod:`saetext.io.files`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from saetext.errors import CorpusError, ShardCorruptError
from saetext.io import files
from saetext.io.files import FileStamp, checksum
from saetext.io.opener import require_regular

_RESTORE = "restore it or encode again"
_intact: set[tuple[object, ...]] = set()  # files whose checksum this process has already seen to be right


def writing(path: Path) -> AbstractContextManager[None]:
    """Turn any OSError inside into a CorpusError that names ``path`` and says what to do."""
    return files.writing(path, CorpusError)


def require_size(path: Path, stamp: FileStamp) -> os.stat_result:
    """Raise :class:`ShardCorruptError` unless the file is there with the promised size."""
    try:
        found = require_regular(path)
    except OSError as error:
        raise ShardCorruptError(f"{path} cannot be read ({error.strerror}); {_RESTORE}") from error
    if found.st_size != stamp.bytes:
        raise ShardCorruptError(
            f"{path} is damaged: it should have {stamp.bytes} bytes and has {found.st_size}; {_RESTORE}"
        )
    return found


def require_intact(
    path: Path, stamp: FileStamp, check: Callable[[], object] | None = None, *, again: bool = False
) -> None:
    """Raise :class:`ShardCorruptError` unless size and checksum are right; a file is read once per process.

    Parameters
    ----------
    path : Path
        The file.
    stamp : FileStamp
        What it should be.
    check : callable, optional
        Further checks of the content, run when the checksum is computed.
    again : bool
        Read it even though this process has already done so.
    """
    found = require_size(path, stamp)
    key = (os.path.realpath(path), found.st_ino, found.st_mtime_ns, stamp)
    if key in _intact and not again:
        return
    try:
        actual = checksum(path)
    except OSError as error:
        raise ShardCorruptError(f"{path} cannot be read ({error.strerror}); {_RESTORE}") from error
    if actual != stamp:
        raise ShardCorruptError(
            f"{path} is damaged: its checksum should be {stamp.xxh3_128} and is {actual.xxh3_128}; {_RESTORE}"
        )
    if check is not None:
        check()
    _intact.add(key)
