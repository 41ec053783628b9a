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
_INCREMENTAL = 2  # of auto_vacuum: a file that shrinks when it is told to
_WAIT = 30.0  # seconds for another process to finish its writing
_DAY = 86_400
_KEPT = 0.8  # share of the bound that is left after room was made
_SCHEMA = 1  # the file's own number (user_version); a file with another one is made anew
_TABLE = "CREATE TABLE blobs (key BLOB PRIMARY KEY, value BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID"
_WRONG_SCHEMA = sqlite3.SQLITE_ERROR  # what SQLite says of a statement that does not fit the tables
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
                if _asked(opened, "PRAGMA user_version") != _SCHEMA:
                    return found
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
        """Keep these values, and make room if they are too many; one that has no room at all is left out."""
        now = int(time.time())
        sealed = [(key, _sealed(key, value), now) for key, value in values.items()]
        rows = [row for row in sealed if len(row[1]) <= _KEPT * self.most]
        if not rows:
            return
        try:
            make_directory(self.path.parent)
            with self._opened() as opened:
                _prepare(opened)
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
        """Drop what was used longest ago, as many bytes as are too many, and let the file shrink."""
        pages = _asked(opened, "PRAGMA page_count") - _asked(opened, "PRAGMA freelist_count")
        size = pages * _asked(opened, "PRAGMA page_size")
        if size <= self.most:
            return
        held = opened.execute("SELECT key, length(value) FROM blobs ORDER BY used, key").fetchall()
        stored = sum(length for _, length in held)
        surplus = stored * (1 - _KEPT * self.most / size)  # pages hold less than they are long
        drop = []
        for key, length in held:
            if surplus <= 0:
                break
            surplus -= length
            drop.append((key,))
        opened.executemany("DELETE FROM blobs WHERE key = ?", drop)
        opened.executescript("PRAGMA incremental_vacuum")  # it commits first; execute() would free one page

    def _drop_if_damaged(self, error: Exception) -> None:
        """Remove a file that is no database any more, or another one; a wait or a full disk is no damage."""
        if not isinstance(error, sqlite3.DatabaseError):
            return
        if (
            not isinstance(error, sqlite3.OperationalError)
            or getattr(error, "sqlite_errorcode", None) == _WRONG_SCHEMA
        ):
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)


def _asked(opened: sqlite3.Connection, question: str) -> int:
    return int(opened.execute(question).fetchone()[0])


def _prepare(opened: sqlite3.Connection) -> None:
    """Make the table, of a file that has none or that an older or a newer saetext made."""
    if _asked(opened, "PRAGMA user_version") == _SCHEMA:
        return
    opened.execute("BEGIN IMMEDIATE")
    if _asked(opened, "PRAGMA user_version") != _SCHEMA:  # nobody else has made it meanwhile
        opened.execute("DROP TABLE IF EXISTS blobs")
        opened.execute(_TABLE)
        opened.execute(f"PRAGMA user_version = {_SCHEMA}")
    opened.commit()
    if _asked(opened, "PRAGMA auto_vacuum") != _INCREMENTAL:  # it is set while the file is nearly empty
        opened.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        opened.execute("VACUUM")


def _sealed(key: bytes, value: bytes) -> bytes:
    return value + xxhash.xxh3_64_digest(key + value)


def _unsealed(key: bytes, sealed: object) -> bytes | None:
    if not isinstance(sealed, bytes) or len(sealed) < 8:
        return None
    value, check = sealed[:-8], sealed[-8:]
    return value if xxhash.xxh3_64_digest(key + value) == check else None
