"""Opened: the shards a corpus has mapped, so that the same file is not opened for every document.

Each use looks at the file's size, time and inode (one stat), so that a file that changed under an open
corpus is mapped, and its checksum computed, again. Not for: what a shard contains (shard.py).
"""

from __future__ import annotations

import contextlib
import mmap
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from weakref import WeakSet

import pyarrow as pa

from saetext.corpus.elsewhere import Elsewhere
from saetext.corpus.files import require_size
from saetext.corpus.shard import Mapped
from saetext.corpus.without_texts import WithoutTexts
from saetext.errors import ShardCorruptError
from saetext.io.files import FileStamp
from saetext.io.opener import read_text

_MOST = 16_384  # files: a mapping costs address space, and keeps a deleted file on the disk
_FEWEST = 64  # files that are always kept
_Known = tuple[Path, bool]  # a file, and whether with its texts
_in_use: WeakSet[Opened] = WeakSet()
_joining = Lock()  # held for what is in use, never while files are let go


@cache
def most_open() -> int:
    """Return how many files this process may map at once: each has a descriptor, and is one of the mappings.

    Half of the limit of descriptors, which is raised as far as it may be; a quarter of the mappings that
    Linux allows; and at most 16,384. A million documents in shards of 1,024 rows are 1,954 files, and mapping
    them anew for every pass took longer than reading them.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return 512
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = 2 * _MOST if hard == unlimited else min(hard, 2 * _MOST)
    if soft != unlimited and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    most = _MOST if soft == unlimited else min(soft // 2, _MOST)
    try:
        mappings = int(read_text("/proc/sys/vm/max_map_count", 100))
    except (OSError, ValueError):
        return most
    return min(most, mappings // 4)


def _share() -> int:
    """Return how many files each of the corpora that are open may keep mapped."""
    return max(_FEWEST, most_open() // max(len(_in_use), 1))


class Opened:
    """Record batches by file; shared by a corpus and its views, and safe from several threads."""

    def __init__(self, elsewhere: Elsewhere | None = None) -> None:
        self.elsewhere = elsewhere  # what brings files of a corpus that is in an object store
        self._files: OrderedDict[_Known, tuple[tuple[int, ...], Mapped]] = OrderedDict()
        self._used: dict[_Known, mmap.mmap] = {}  # since pages were given back
        self._lock = Lock()
        with _joining:
            others = list(_in_use)
            _in_use.add(self)
        for other in others:  # one lock at a time: their share is smaller now, and they may be filled no more
            other._trim()

    def batch(
        self,
        path: Path,
        stamp: FileStamp,
        load: Callable[[], Mapped],
        *,
        again: bool = False,
        told: WithoutTexts | None = None,
    ) -> pa.RecordBatch:
        """Return the batch of a file; ``load`` checks and maps it if it is new here or ``again`` is set.

        With ``told``, it is the batch without texts, and of a corpus elsewhere they need not be here.

        Raises
        ------
        ShardCorruptError
            If the file is missing or has another size than promised; whatever ``load`` raises.
        """
        if self.elsewhere is None:
            return self._batch(path, stamp, load, again, told)
        for tries_left in (2, 1, 0):
            self.bring(path, stamp, told)
            try:
                return self._batch(path, stamp, load, again, told)
            except ShardCorruptError:
                if not tries_left:
                    raise
                if path.exists():
                    self.elsewhere.drop(path)  # else another process made room
        raise AssertionError("the last try returns or raises")

    def bring(self, path: Path, stamp: FileStamp, told: WithoutTexts | None = None) -> None:
        """Have a file here that may be elsewhere still; see :class:`saetext.corpus.elsewhere.Elsewhere`."""
        if self.elsewhere is None:
            return
        gone = self.elsewhere.bring(path, stamp, told)
        with self._lock:
            for each in gone:
                for is_whole in (True, False):
                    self._files.pop((each, is_whole), None)
                    self._used.pop((each, is_whole), None)

    def with_columns(self, path: Path, stamp: FileStamp, told: WithoutTexts) -> Path:
        """Return which file has the columns of this one: itself, or a copy without texts."""
        return path if self.elsewhere is None else self.elsewhere.with_columns(path, stamp, told)

    def _batch(
        self,
        path: Path,
        stamp: FileStamp,
        load: Callable[[], Mapped],
        again: bool,
        told: WithoutTexts | None,
    ) -> pa.RecordBatch:
        found = require_size(path, stamp)
        key = (found.st_dev, found.st_ino, found.st_mtime_ns)
        what = (path, told is None)
        with self._lock:
            known = self._files.get(what)
            if known is not None and known[0] == key and not again:
                self._files.move_to_end(what)
                self._used[what] = known[1].pages
                return known[1].batch
        made = load()
        with self._lock:
            self._files[what] = (key, made)
            self._files.move_to_end(what)
            self._used[what] = made.pages
            self._keep_to_share()
        return made.batch

    def _trim(self) -> None:
        with self._lock:
            self._keep_to_share()

    def _keep_to_share(self) -> None:
        """Let go of the files that were used longest ago, beyond the share; ``_lock`` is held."""
        while len(self._files) > _FEWEST and len(self._files) > _share():
            gone, _ = self._files.popitem(last=False)
            self._used.pop(gone, None)

    def give_back(self) -> None:
        """Let the kernel take the pages of files used since the last time out of this process's memory.

        They stay in its cache of files, and what is looked at again is simply there again. A read of one
        document maps the pages around it as well, so that many reads would seem to fill the memory.
        """
        with self._lock:
            used, self._used = list(self._used.values()), {}
        advise = getattr(mmap, "MADV_DONTNEED", None)  # not on Windows
        if advise is not None:
            for pages in used:
                pages.madvise(advise)
