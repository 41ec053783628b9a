"""A corpus that stays in an object store: a directory of the cache that gets a file when it is first used.

The manifest, the thresholds and the labels are copied when it is opened, the shards one by one; each is
compared with the manifest's checksum before it takes its place. Shards that were used longest ago go when all
of them take more than the limit. Several processes may share the directory. Not for: copies that stay
(:mod:`saetext.corpus.transfer`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import parse_qsl, urlencode

from filelock import FileLock

from saetext.corpus.copying import beside, fetch, fetch_columns, require_there, stamps
from saetext.corpus.files import writing
from saetext.corpus.manifest import NAME, Manifest
from saetext.corpus.without_texts import WithoutTexts
from saetext.errors import InputError
from saetext.io.cache import cache_dir
from saetext.io.files import FileStamp, make_directory, stamp_of, write_atomic
from saetext.io.json_file import load
from saetext.io.opener import HUGE
from saetext.io.shape import Record, Text
from saetext.io.store import Store
from saetext.io.urls import kind_of, shown_url, without_secrets

LIMIT: Final = "SAETEXT_ELSEWHERE_GB"
_GIGABYTES: Final = 20.0
_KEPT: Final = 0.9  # share of the limit that is left after room was made
_FOLDER: Final = "elsewhere"
_WORTH: Final = 1 << 18  # bytes of texts that cost more than asking for what is before and behind them
_WHOLE: Final = ".arrow"
_COLUMNS: Final = ".columns.arrow"  # of a documents' file: a hole where its texts are
_PLACE: Final = "elsewhere.json"
_SHAPE: Final = Record({"url": Text(longest=2000)})
_TOUCHED_FOR: Final = 30.0  # seconds in which a use is not noted again
CORPORA: Final = {"s3", "gs", "gcs", "abfs", "abfss", "file", "memory", "hf"}
_LEFT: Final = 4  # a process looks again at all shards when it has brought this part of the room there was
_PLAIN: Final = ("region", "scheme", "endpoint_override", "anonymous", "force_virtual_addressing")


class Elsewhere:
    """The files of a corpus that is elsewhere, brought here when they are needed.

    Parameters
    ----------
    store : Store
        Where they are.
    home : Path
        The directory of the cache that they come to.
    """

    def __init__(self, store: Store, home: Path) -> None:
        self.store, self.home = store, home
        self._seen: dict[Path, float] = {}

    def bring(self, path: Path, stamp: FileStamp, told: WithoutTexts | None = None) -> list[Path]:
        """Have a file here, and return those that had to go for it.

        With ``told``, ``path`` may be what :meth:`with_columns` has named: then no texts are brought.

        Raises
        ------
        ShardCorruptError
            If it is damaged there; the message names its URL.
        InputError, CorpusError
            If it cannot be read there, or written here.
        """
        now = time.monotonic()
        if now - self._seen.get(path, float("-inf")) < _TOUCHED_FOR and path.exists():
            return []
        is_new = not _has(path, stamp)
        brought = stamp.bytes
        if is_new and told is not None and path.name.endswith(_COLUMNS):
            whole = path.with_name(path.name.removesuffix(_COLUMNS) + _WHOLE)
            fetch_columns(self.store, self._name(whole), stamp, told, path)
            brought = sum(last - first for first, last in told.kept(stamp.bytes))
        elif is_new:
            fetch(self.store, self._name(path), stamp, path)
        self._seen[path] = now
        with contextlib.suppress(OSError):  # when it was used; its own time stays, by which it is known here
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        gone = make_room(keep=path, brought=brought) if is_new else []
        for each in gone:
            self._seen.pop(each, None)
        return gone

    def with_columns(self, path: Path, stamp: FileStamp, told: WithoutTexts) -> Path:
        """Return which file has a shard's columns: itself if here or small, else a copy without texts."""
        texts = sum(last - first for first, last in told.left_out)
        return path if texts < _WORTH or _has(path, stamp) else path.with_name(path.stem + _COLUMNS)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.home).as_posix()

    def drop(self, path: Path) -> None:
        """Remove a file that is damaged here, so that it is brought again."""
        self._seen.pop(path, None)
        with writing(path):
            path.unlink(missing_ok=True)


def _has(path: Path, stamp: FileStamp) -> bool:
    try:
        return path.stat().st_size == stamp.bytes  # its checksum is compared when it is mapped
    except OSError:
        return False


def open_elsewhere(url: str) -> tuple[Path, Manifest, Elsewhere]:
    """Return the directory of a corpus that is at a URL, its manifest, and what brings its shards.

    Every file is looked for in its size; no shard is read.

    Raises
    ------
    InputError
        If there is no corpus, or the place cannot be read.
    CorpusError
        If it is damaged; the message names the file.
    """
    if kind_of(url) not in CORPORA:
        raise InputError(
            f"{shown_url(url)}: no corpora are opened from {kind_of(url)}://; copy it here first"
        )
    store = Store.open(url)
    files = store.files()
    if NAME not in files:
        if not files and store.look() is None:
            store.require_bucket()
        raise InputError(
            f"{store.shown}: no such corpus; encode what is elsewhere first: saetext encode URL -o DIR"
        )
    content = store.read(NAME, HUGE)
    known = hashlib.sha256(shown_url(url).encode() + b"\0" + content).hexdigest()[:20]
    home = cache_dir() / _FOLDER / known / _called(store.path.rpartition("/")[2])
    manifest = Manifest.parse(content, store.shown)
    with writing(home):
        make_directory(home)
        if not (home / NAME).is_file():
            write_atomic(home / _PLACE, json.dumps({"url": _without_keys(url)}).encode())
            write_atomic(home / NAME, content)
    wanted = stamps(manifest)
    require_there(store, files, wanted)
    small = {name: stamp for name, stamp in wanted.items() if name.startswith("cards/")}
    told = beside(store, files, stamp_of(content))
    labels = {name: stamp for name, stamp in told.items() if name.startswith("labels")}
    for each, stamp in {**small, **labels}.items():
        fetch(store, each, stamp, home / each)
    with writing(home):
        for path in home.glob("labels*.parquet"):  # deleted there since, they would be used here still
            if path.name not in labels:
                path.unlink(missing_ok=True)
    return home, manifest, Elsewhere(store, home)


def _called(name: str) -> str:
    """Return a name here for a corpus, whatever it is called there: no ``..``, and no longer than may be."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    return plain.lstrip(".")[-100:] or "corpus"


def _without_keys(url: str) -> str:
    """Return a URL that leads to the same place, without keys: a container of Azure stands where users do."""
    place, _, query = url.partition("?")
    user, at, _ = place.partition("://")[2].partition("/")[0].rpartition("@")
    held = user.partition(":")[0]
    is_place = kind_of(url) in ("abfs", "abfss") or held == "anonymous"
    bare = without_secrets(place)
    if at and is_place:
        bare = bare.replace("://", f"://{held}@", 1)
    kept = urlencode([(key, value) for key, value in parse_qsl(query) if key in _PLAIN])
    return bare + (f"?{kept}" if kept else "")


def url_of_copy(path: Path) -> str | None:
    """Return the URL of a corpus, if ``path`` is the directory of the cache that its shards come to."""
    path = path.absolute()
    try:
        copies = (cache_dir() / _FOLDER).absolute()
    except InputError:  # no cache can be used, and a corpus that is here needs none
        return None
    if path.parent.parent != copies:  # nobody else's file leads elsewhere
        return None
    try:
        return str(load(path / _PLACE, _SHAPE)["url"])
    except (OSError, ValueError):
        return None


# ---- room


def limit() -> int:
    """Return how many bytes the shards of all corpora elsewhere may take here.

    Raises
    ------
    InputError
        If ``SAETEXT_ELSEWHERE_GB`` is no number above 0.
    """
    told = os.environ.get(LIMIT, "")
    try:
        gigabytes = float(told) if told else _GIGABYTES
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < 1e9:
        raise InputError(f"{LIMIT} is {told[:40]!r}; expected gigabytes, a number above 0")
    return int(gigabytes * 1e9)


class _Room:
    """How many bytes may come before all shards are looked at again, which is slow where they are many.

    Other processes bring shards too, so a part of the room that there was is used before the next look.
    """

    def __init__(self) -> None:
        self._left: dict[tuple[Path, int], int] = {}
        self._lock = Lock()

    def has(self, home: Path, most: int, brought: int) -> bool:
        """Take ``brought`` bytes of the room; return whether that much is known to be free."""
        with self._lock:
            left = self._left.get((home, most), 0) - brought
            self._left[home, most] = left
            return left > 0

    def set(self, home: Path, most: int, size: int) -> None:
        """Note what all shards take."""
        with self._lock:
            self._left[home, most] = (most - size) // _LEFT


_room = _Room()


def make_room(keep: Path, brought: int) -> list[Path]:
    """Remove the shards that were used longest ago while all take more than the limit, and return them.

    ``keep`` stays, which has just ``brought`` so many bytes. Another process may use what goes: what it has
    mapped stays readable to it, and what it has not is brought again.
    """
    most = limit()
    home = cache_dir() / _FOLDER
    gone: list[Path] = []
    if _room.has(home, most, brought):
        return []
    with contextlib.suppress(OSError), FileLock(home / ".lock"):
        found = sorted(_shards(home))
        size = sum(each[1] for each in found)
        if size <= most:
            _room.set(home, most, size)
            return []
        for _, bytes_, path in found:
            if size <= _KEPT * most:
                break
            if path != keep:
                with contextlib.suppress(OSError):  # on Windows, of what is mapped
                    path.unlink()
                    gone.append(path)
                    size -= bytes_
        _room.set(home, most, size)
    return gone


def _shards(home: Path) -> Iterator[tuple[int, int, Path]]:
    """Yield when a shard was last used, its bytes, and where it is."""
    for pattern in ("*/*/docs/*.arrow", "*/*/features/*/*.arrow"):
        for path in home.glob(pattern):
            with contextlib.suppress(OSError):
                told = path.stat()
                yield told.st_atime_ns, _taken(path, told), path


def _taken(path: Path, told: os.stat_result) -> int:
    """Return the bytes that a shard takes here, without holes."""
    if path.name.endswith(_COLUMNS) and hasattr(told, "st_blocks"):
        return min(told.st_size, told.st_blocks * 512)
    return told.st_size
