"""Opened: the shards a corpus has mapped, so that the same file is not opened for every document.

Each use looks at the file's size, time and inode (one stat), so that a file that changed under an open
corpus is mapped, and its checksum computed, again. Not for: what a shard contains (shard.py).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import pyarrow as pa

from saetext.corpus.files import FileStamp, require_size

_MOST = 512  # files: a mapping costs address space, and keeps a deleted file on the disk


class Opened:
    """Record batches by file; shared by a corpus and its views, and safe from several threads."""

    def __init__(self) -> None:
        self._batches: OrderedDict[Path, tuple[tuple[int, ...], pa.RecordBatch]] = OrderedDict()
        self._lock = Lock()

    def batch(
        self, path: Path, stamp: FileStamp, load: Callable[[], pa.RecordBatch], *, again: bool = False
    ) -> pa.RecordBatch:
        """Return the batch of a file; ``load`` checks and maps it if it is new here or ``again`` is set.

        Raises
        ------
        ShardCorruptError
            If the file is missing or has another size than promised; whatever ``load`` raises.
        """
        found = require_size(path, stamp)
        key = (found.st_dev, found.st_ino, found.st_mtime_ns)
        with self._lock:
            known = self._batches.get(path)
            if known is not None and known[0] == key and not again:
                self._batches.move_to_end(path)
                return known[1]
        made = load()
        with self._lock:
            self._batches[path] = (key, made)
            self._batches.move_to_end(path)
            while len(self._batches) > _MOST:
                self._batches.popitem(last=False)
        return made
