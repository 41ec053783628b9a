"""Copying the files of a corpus elsewhere: what it should consist of, and one file at a time, checked.

Not for: whole corpora (:mod:`saetext.corpus.transfer`), or which file is needed when
(:mod:`saetext.corpus.elsewhere`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import xxhash

from saetext.corpus.files import writing
from saetext.corpus.manifest import JOURNAL, REJECTS, Manifest
from saetext.corpus.without_texts import WithoutTexts
from saetext.errors import CorpusError, InputError, ShardCorruptError
from saetext.io.files import STAMP, FileStamp, HashingFile, atomic_file, checksum, make_directory
from saetext.io.json_file import loads
from saetext.io.opener import LARGE, open_regular, require_regular
from saetext.io.orphans import sweep
from saetext.io.sealed import require_seal
from saetext.io.shape import Record, Table, Text
from saetext.io.store import Store, There

#: What a push puts first: whose files follow, and the checksums of those that the manifest does not have.
PUSHED: Final = "pushed.json"
_PUSHED: Final = Record({"fingerprint": Text(longest=64), "manifest": STAMP, "beside": Table(STAMP)})
#: Files of a corpus that its manifest does not name: what an append goes on from, and labels.
BESIDE: Final = re.compile(r"journal|plan\.json|labels[A-Za-z0-9._+=@-]{0,120}\.parquet")
SPARE: Final = 64 << 20  # bytes that a disk keeps free


def stamps(manifest: Manifest) -> dict[str, FileStamp]:
    """Return the files that a manifest promises; their names were checked when it was read."""
    found = {f"cards/{sae}.arrow": stamp for sae, stamp in manifest.calibrations.items()}
    found[REJECTS] = manifest.rejects
    for shard in manifest.shards:
        found.update(sorted(shard.files.items()))
    return found


def beside(store: Store, files: Mapping[str, There], manifest: FileStamp) -> dict[str, FileStamp]:
    """Return the files beside the manifest's, and what they should be by the record of the push.

    ``manifest`` is the stamp of the manifest that is there. None of them is asked for if the record is of
    another: that push has not come to its end, and they may be its own or the earlier one's.
    """
    if PUSHED not in files:  # copied by other means: labels can be made again, an append starts a new journal
        return {}
    _, known, found = record(store)
    if known != manifest:
        return {}
    if strange := [name for name in found if not BESIDE.fullmatch(name)]:
        raise ShardCorruptError(f"{store.name(PUSHED)} is damaged: it names {strange[0][:100]!r}")
    if any(stamp.bytes > LARGE for stamp in found.values()):
        raise ShardCorruptError(f"{store.name(PUSHED)} is damaged: a file beside the corpus is too large")
    return found


def record(store: Store) -> tuple[str, FileStamp, dict[str, FileStamp]]:
    """Return whose push is there: its fingerprint, its manifest, and the files beside the manifest's."""
    content = store.read(PUSHED, LARGE)
    try:
        data = loads(content, _PUSHED, most=LARGE)
        require_seal(data)
    except ValueError as error:
        raise ShardCorruptError(
            f"{store.name(PUSHED)} is damaged ({error}); remove it and push again"
        ) from None
    stamps_beside = {name: FileStamp.from_dict(stamp) for name, stamp in data["beside"].items()}
    return data["fingerprint"], FileStamp.from_dict(data["manifest"]), stamps_beside


def require_there(store: Store, files: Mapping[str, There], wanted: Mapping[str, FileStamp]) -> None:
    """Raise :class:`ShardCorruptError` unless the store lists every file in its size, before any is read.

    What an append has added to rejects.jsonl since is fine: the first bytes count.
    """
    for name, stamp in wanted.items():
        found = files.get(name)
        if found is None:
            raise ShardCorruptError(f"{store.name(name)} is missing; push the corpus again")
        grown = name in (REJECTS, JOURNAL) and found.size > stamp.bytes
        if found.size != stamp.bytes and not grown:
            raise ShardCorruptError(
                f"{store.name(name)} is damaged: it should have {stamp.bytes:,} bytes and has "
                f"{found.size:,}; push the corpus again"
            )


def require_room(home: Path, size: int) -> None:
    """Raise :class:`CorpusError` unless the disk has so many bytes free, beside what is there already."""
    has = sum(f.stat().st_size for f in home.rglob("*") if f.is_file())
    free = shutil.disk_usage(home).free
    if size - has > free - SPARE:
        raise CorpusError(
            f"{home.parent} has {free / 1e6:,.0f} MB free, and {(size - has) / 1e6:,.0f} MB are to come; "
            "free space"
        )


def fetch(
    store: Store, name: str, stamp: FileStamp, path: Path, on_bytes: Callable[[int], None] | None = None
) -> bool:
    """Copy one file here, unless it is here already; return whether it was copied.

    Raises
    ------
    ShardCorruptError
        If it has another checksum than promised; nothing is left of it then.
    InputError, CorpusError
        If it cannot be read there, or written here.
    """
    with writing(path):
        make_directory(path.parent)
        if _is_here(path, stamp):
            return False
        sweep(path.parent, path.name)
    with writing(path), atomic_file(path) as file:
        hashing, done = HashingFile(file), 0
        for piece in store.pieces(name, stamp.bytes):
            hashing.write(piece)
            done += len(piece)
            if on_bytes is not None:
                on_bytes(done)
        if hashing.stamp != stamp:
            raise ShardCorruptError(
                f"{store.name(name)} is damaged: its checksum should be {stamp.xxh3_128} and is "
                f"{hashing.stamp.xxh3_128}; push the corpus again"
            )
    return True


def fetch_columns(store: Store, name: str, stamp: FileStamp, told: WithoutTexts, path: Path) -> None:
    """Copy a documents' file here without its texts: there is a hole in their place.

    Raises
    ------
    ShardCorruptError, InputError, CorpusError
        As :func:`fetch`.
    """
    with writing(path):
        make_directory(path.parent)
    with writing(path), atomic_file(path) as file:
        digest = xxhash.xxh3_128()
        for first, last in told.kept(stamp.bytes):
            file.seek(first)
            for piece in store.pieces(name, last, first):
                file.write(piece)
                digest.update(piece)
        file.truncate(stamp.bytes)
        if digest.hexdigest() != told.xxh3_128:
            raise ShardCorruptError(
                f"{store.name(name)} is damaged: the checksum beside its texts should be {told.xxh3_128} and "
                f"is {digest.hexdigest()}; push the corpus again"
            )


def put_whole(
    store: Store,
    name: str,
    path: Path,
    stamp: FileStamp,
    there: bool,
    before: Callable[[], None] | None = None,
) -> bool:
    """Put a file unless it is there already, and read it back; return whether it was put.

    Parameters
    ----------
    store, name
        Where it goes.
    path : Path
        The file here.
    stamp : FileStamp
        What it should be; of the lists that grow, its first bytes.
    there : bool
        Whether something of this size is there: it is read then, and kept if it is this file.
    before : callable, optional
        Called if the file is to be put, before it is.

    Raises
    ------
    ShardCorruptError
        If the file here is not what it should be.
    InputError
        If it did not arrive.
    """
    if there and store.stamp(name, stamp.bytes) == stamp:
        return False
    if before is not None:
        before()
    limit = stamp.bytes if name in (REJECTS, JOURNAL) else None
    if checksum(path, limit=limit) != stamp:
        raise ShardCorruptError(f"{path} is damaged or has changed; restore it, or encode again")
    content: bytes | Path = path
    if path.stat().st_size != stamp.bytes:  # an append has added to it since
        with open_regular(path) as file:
            content = file.read(stamp.bytes)
    failed: InputError | None = None
    try:
        store.put(name, content)
    except InputError as error:  # the answer may be lost, and the file there
        failed = error
    try:
        found = store.look(name)
        arrived = found is not None and found.size == stamp.bytes and store.stamp(name, stamp.bytes) == stamp
    except InputError as error:
        raise failed or error from None
    if not arrived:
        raise failed or InputError(
            f"{store.name(name)} did not arrive whole; run the same command again to go on"
        )
    return True


def _is_here(path: Path, stamp: FileStamp) -> bool:
    try:
        if require_regular(path).st_size == stamp.bytes:
            return checksum(path) == stamp
    except FileNotFoundError:  # or it went meanwhile: another process made room in the cache
        pass
    return False


def require_room_for_file(path: Path, size: int) -> None:
    """Raise :class:`CorpusError` unless there is room for a file of so many bytes."""
    free = shutil.disk_usage(path.absolute().parent).free
    if size > free - SPARE:
        raise CorpusError(
            f"{path.parent} has {free / 1e6:,.0f} MB free, and the file has {size / 1e6:,.0f} MB; free space"
        )
