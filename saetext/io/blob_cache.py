"""Small values by key in one SQLite file of the cache: bounded, and safe with several processes.

Every value has a checksum, and each call opens the file anew, so that forked and threaded callers share
nothing. What cannot be read or written is passed over: the value is made again. Not for: anything whose loss
would matter, or what a value means (:mod:`saetext.encoding.text_rows`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import xxhash
from filelock import FileLock

from saetext.io.files import make_directory
from saetext.io.opener import require_regular

MOST_BYTES = 1 << 30
_AT_ONCE = 500  # keys of a question: SQLite takes a limited number of parameters
_WAIT = 30.0  # seconds for another process to finish its writing
_DAY = 86_400
_KEPT = 0.8  # share of the bound that is left after room was made
_TABLE = (
    "CREATE TABLE IF NOT EXISTS blobs "
    "(key BLOB PRIMARY KEY, value BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID"
)
_PROBLEMS = (sqlite3.Error, OSError, ValueError)


class BlobCache:
    """Values by key in a file.

    Parameters
    ----------
    path : Path
        The file; its directory is made when there is something to keep.
    most : int
        Bytes of all values together, about; the values that were used longest ago go first.

    Examples
    --------
    >>> from pathlib import Path
    >>> kept = BlobCache(Path("kept.sqlite"))
    >>> kept.keep({b"one": b"first"})
    >>> kept.find([b"one", b"two"])
    {b'one': b'first'}
    """

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        self.path = path
        self.most = most

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the values that are there, whole, by key."""
        found: dict[bytes, bytes] = {}
        if not self.path.exists():
            return found
        now = int(time.time())
        stale: list[bytes] = []
        try:
            with self._opened() as opened:
                for start in range(0, len(keys), _AT_ONCE):
                    part = keys[start : start + _AT_ONCE]
                    asked = f"SELECT key, value, used FROM blobs WHERE key IN ({','.join('?' * len(part))})"
                    for key, sealed, used in opened.execute(asked, part):
                        value = _unsealed(key, sealed)
                        if value is not None:
                            found[key] = value
                            if used < now - _DAY:
                                stale.append(key)
                with contextlib.suppress(sqlite3.Error):  # a cache that may be read only
                    opened.executemany(
                        "UPDATE blobs SET used = ? WHERE key = ?", [(now, key) for key in stale]
                    )
        except _PROBLEMS as error:
            self._drop_if_damaged(error)
        return found

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """Keep these values, and make room if they are too many."""
        if not values:
            return
        now = int(time.time())
        rows = [(key, _sealed(key, value), now) for key, value in values.items()]
        try:
            make_directory(self.path.parent)
            with self._opened() as opened:
                opened.execute(_TABLE)
                opened.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?)", rows)
                self._make_room(opened)
        except _PROBLEMS as error:
            self._drop_if_damaged(error)

    @contextlib.contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Wait until no other process makes values for ``what``; where locks do not work, go on at once."""
        lock = None
        with contextlib.suppress(OSError, NotImplementedError):
            make_directory(self.path.parent)
            lock = FileLock(self.path.with_name(f"{self.path.stem}-{what}.lock"))
            lock.acquire()
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        if os.path.lexists(self.path):
            require_regular(self.path)  # SQLite would wait for a named pipe
        opened = sqlite3.connect(self.path, timeout=_WAIT)
        try:
            with opened:  # one transaction
                yield opened
        finally:
            opened.close()

    def _make_room(self, opened: sqlite3.Connection) -> None:
        """Drop what was used longest ago; freed pages are used again, so that the file grows no further."""

        def asked(question: str) -> int:
            return int(opened.execute(question).fetchone()[0])

        pages = asked("PRAGMA page_count") - asked("PRAGMA freelist_count")
        size = pages * asked("PRAGMA page_size")
        if size <= self.most:
            return
        n = asked("SELECT count(*) FROM blobs")
        drop = min(n, int(n * (1 - _KEPT * self.most / size)) + 1)
        opened.execute(
            "DELETE FROM blobs WHERE key IN (SELECT key FROM blobs ORDER BY used, key LIMIT ?)", (drop,)
        )

    def _drop_if_damaged(self, error: Exception) -> None:
        """Remove a file that is no database any more; another process's wait is no damage."""
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)


def _sealed(key: bytes, value: bytes) -> bytes:
    return value + xxhash.xxh3_64_digest(key + value)


def _unsealed(key: bytes, sealed: object) -> bytes | None:
    if not isinstance(sealed, bytes) or len(sealed) < 8:
        return None
    value, check = sealed[:-8], sealed[-8:]
    return value if xxhash.xxh3_64_digest(key + value) == check else None
