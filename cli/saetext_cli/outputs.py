"""The files of one command are all written or none: what is left of a failure would block the same command.

Not for: writing them.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def all_or_none(*paths: Path | None) -> Iterator[None]:
    """Remove those of ``paths`` that the block has written if it ends with an error or is interrupted."""
    new = [path for path in paths if path is not None and not path.exists()]
    try:
        yield
    except BaseException:
        for path in new:
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise
