"""Pull and push: a corpus, or a file, copied from or to an object store.

Every byte is checked, but of a single file that is pulled: nothing says what it should be. What is pulled
lies under a hidden name beside its place until it is whole; what is pushed gets its manifest last. A corpus
goes on at the file where it stopped, a file begins anew. Not for: opening a corpus that stays elsewhere
(:mod:`saetext.corpus.elsewhere`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from saetext.corpus.copying import (
    BESIDE,
    PUSHED,
    fetch,
    put_whole,
    record,
    require_room,
    require_room_for_file,
    require_there,
    stamps,
)
from saetext.corpus.copying import beside as beside_it
from saetext.corpus.corpus import Corpus
from saetext.corpus.files import require_here, require_known_home, require_outside_corpora, writing
from saetext.corpus.manifest import NAME, REJECTS, Manifest
from saetext.errors import CorpusError, InputError, SaetextError
from saetext.io.files import (
    FileStamp,
    atomic_file,
    checksum,
    make_directory,
    rename_directory,
    stamp_of,
    write_atomic,
)
from saetext.io.opener import HUGE, LARGE, require_regular
from saetext.io.progress import OnProgress, Stages
from saetext.io.sealed import sealed
from saetext.io.store import Store, There
from saetext.io.urls import is_remote


def pull(url: str, target: str | Path, *, on_progress: OnProgress | None = None) -> Corpus | Path:
    """Copy a corpus, or a file, from an object store.

    Nothing is to be seen at ``target`` before all of it is there and has the checksums of its manifest. An
    interrupted pull of a corpus keeps what it has beside ``target``, and the same call goes on; a file begins
    anew.

    Parameters
    ----------
    url : str
        ``s3://BUCKET/NAME``, ``gs://``, ``abfs://``, ``file://``, or what fsspec knows.
    target : path
        The new corpus, or the new file; into a directory that is there, a file goes by its own name.

    Returns
    -------
    Corpus or Path

    Raises
    ------
    InputError
        If there is nothing, or it cannot be read.
    ShardCorruptError
        If a file there is not what the manifest promises; the message names it.
    CorpusError
        If something else is at ``target``, or it cannot be written.

    Examples
    --------
    >>> import saetext
    >>> from pathlib import Path
    >>> made = saetext.push("gentle.corpus", Path("shelf/gentle.corpus").absolute().as_uri())
    >>> saetext.pull(made, "again.corpus").n_documents
    150
    """
    target = Path(target)
    require_here(target)
    store = Store.open(_url(url))
    require_known_home(target)
    say = Stages(on_progress)
    say("looking")
    files = store.files()
    if NAME in files:
        return _pull_corpus(store, files, target, say)
    found = store.look()
    if found is None:
        raise _nothing(store, files)
    return _pull_file(store, found, target, say)


def push(source: str | Path, url: str, *, on_progress: OnProgress | None = None) -> str:
    """Copy a finished corpus, or a file, to an object store; each file is read back and compared.

    The manifest is put last: until then nobody takes what is there for a corpus. What an interrupted push has
    put is read and kept by the next one. A corpus that has grown since may be pushed over its earlier self.

    Parameters
    ----------
    source : path
        A finished corpus; labels beside it go with it, the index does not. Or any file.
    url : str
        Where it goes: ``s3://BUCKET/NAME.corpus``.

    Returns
    -------
    str
        The URL, without a password.

    Raises
    ------
    InputError
        If it cannot be written there, or something else is there.
    CorpusError
        If ``source`` is no finished corpus, or damaged.

    Examples
    --------
    >>> import saetext
    >>> from pathlib import Path
    >>> url = saetext.push("brisk.corpus", Path("shelf/brisk.corpus").absolute().as_uri())
    >>> url.startswith("file:///")
    True
    """
    source = Path(source)
    store = Store.open(_url(url), write=True)
    say = Stages(on_progress)
    if source.is_dir():
        _push_corpus(Corpus.open(source), store, say)
    else:
        _push_file(source, store, say)
    return store.shown


def _url(url: str) -> str:
    if not is_remote(url):
        raise InputError(
            f"{url[:200]!r} is no URL; expected s3://BUCKET/NAME, gs://, abfs:// or file:///PATH"
        )
    return url


def _nothing(store: Store, files: Mapping[str, There]) -> InputError:
    if PUSHED in files:
        return InputError(f"{store.shown} is being pushed and not whole yet: run that push again, then pull")
    if files:
        return InputError(f"{store.shown} is no corpus (it has no {NAME}); name a corpus or a file in it")
    store.require_bucket()
    return InputError(f"{store.shown}: there is no corpus and no file")


# ---- pulling


def _pull_corpus(store: Store, files: Mapping[str, There], target: Path, say: Stages) -> Corpus:
    content = store.read(NAME, HUGE)
    manifest = Manifest.parse(content, store.shown)
    require_outside_corpora(target)
    with writing(target):
        make_directory(target.absolute().parent)
    with _workplace(target) as home:
        if (there := _same_corpus(target, manifest, store)) is not None:
            return there
        wanted = {**stamps(manifest), **beside_it(store, files, stamp_of(content))}
        require_there(store, files, wanted)
        require_room(home, sum(stamp.bytes for stamp in wanted.values()))
        done, total = 0, sum(stamp.bytes for stamp in wanted.values())
        for name, stamp in wanted.items():

            def tell(n: int, before: int = done) -> None:
                say("pulling", before + n, total)

            fetch(store, name, stamp, home / name, tell)
            done += stamp.bytes
            say("pulling", done, total)
        with writing(target):
            _remove_others(home, set(wanted))
            write_atomic(home / NAME, content)
            rename_directory(home, target)
    return Corpus.open(target)


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """Give the hidden directory where a corpus is put together, to one process alone."""
    beside = target.absolute()
    home = beside.with_name(f".{beside.name}.pulling")
    lock = FileLock(beside.with_name(f".{beside.name}.pulling.lock"))
    with writing(target):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise CorpusError(f"{target} is being pulled by another process; wait for it to end") from None
    try:
        with writing(target):
            if home.is_symlink() or (home.exists() and not home.is_dir()):
                raise CorpusError(f"{home} is in the way; remove it")
            home.mkdir(exist_ok=True)
        yield home
    finally:
        if home.is_dir() and not any(path.is_file() for path in home.rglob("*")):
            shutil.rmtree(home, ignore_errors=True)
        with contextlib.suppress(OSError):  # Windows removes no file that is open
            Path(lock.lock_file).unlink(missing_ok=True)  # while it is held: else another's would be removed
        lock.release()


def _same_corpus(target: Path, manifest: Manifest, store: Store) -> Corpus | None:
    """Return the corpus at ``target`` if it is the one that is pulled already."""
    if not target.exists() and not target.is_symlink():
        return None
    if target.is_dir() and not any(target.iterdir()):
        return None
    if (target / NAME).is_file():
        corpus = Corpus.open(target)
        if corpus.fingerprint == manifest.fingerprint:
            return corpus
        raise CorpusError(f"{target} is another corpus than {store.shown}; choose another path")
    raise CorpusError(f"{target} exists already and is not this corpus; choose another path")


def _remove_others(home: Path, wanted: set[str]) -> None:
    """Remove what an earlier pull of another state of the corpus left."""
    for path in sorted(home.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(home).as_posix() not in wanted:
            path.unlink()


def _pull_file(store: Store, found: There, target: Path, say: Stages) -> Path:
    if target.is_dir():
        name = store.path.rpartition("/")[2]
        if not name or name in (".", "..") or re.search(r'[\\:\0-\x1f<>"|?*]', name):
            raise InputError(f"{store.shown}: name the file it goes to, not the directory {target} alone")
        target = target / name
    require_outside_corpora(target)
    version = store.version()
    if os.path.lexists(target):
        alike = target.is_file() and target.stat().st_size == found.size
        if alike and store.stamp("", found.size) == checksum(target):
            return target
        raise CorpusError(f"{target} exists already and is another file; choose another path")
    with writing(target):
        make_directory(target.absolute().parent)
        require_room_for_file(target, found.size)
        with atomic_file(target) as file:
            done = 0
            for piece in store.pieces("", found.size):
                file.write(piece)
                done += len(piece)
                say("pulling", done, found.size)
            if store.version() != version:
                raise InputError(f"{store.shown} changed while it was copied; run the same command again")
    return target


# ---- pushing


def _push_corpus(corpus: Corpus, store: Store, say: Stages) -> None:
    home, manifest = corpus.path, corpus.manifest
    say("looking")
    files = store.files()
    if not files:
        store.require_bucket()
        if store.look() is not None:
            raise InputError(f"{store.shown} is a file; choose another URL for a corpus")
    content = (home / NAME, checksum(home / NAME))
    wanted = stamps(manifest)
    beside = {
        path.name: checksum(path)
        for path in sorted(home.iterdir())
        if BESIDE.fullmatch(path.name) and path.is_file() and path.stat().st_size <= LARGE
    }
    _require_ours(store, files, manifest, wanted)
    told = {
        "fingerprint": manifest.fingerprint,
        "manifest": content[1].to_dict(),
        "beside": {name: stamp.to_dict() for name, stamp in beside.items()},
    }
    content_of_record = json.dumps(sealed(told), indent=1).encode()
    if not _is_there(store, files, PUSHED, content_of_record):
        store.put(PUSHED, content_of_record)
    ours = _Ours(store, content_of_record)
    done = 0
    both = {**wanted, **beside}
    total = sum(stamp.bytes for stamp in both.values())
    for name, stamp in both.items():
        say("pushing", done, total)
        has = files.get(name)
        there = has is not None and has.size == stamp.bytes
        put_whole(store, name, home / name, stamp, there, ours.require)
        done += stamp.bytes
    say("pushing", done, total)
    if checksum(home / NAME) != content[1]:
        raise CorpusError(f"{home} changed while it was pushed; run the same command again")
    has = files.get(NAME)
    ours.require(read=True)
    put_whole(store, NAME, home / NAME, content[1], has is not None and has.size == content[1].bytes)


class _Ours:
    """The record of this push, which another push into the same place would have written over.

    It is looked at before each file is put, so that no more than the file under way can come after another
    push has begun, and read before the manifest is: then this corpus is not told to be whole.
    """

    def __init__(self, store: Store, content: bytes) -> None:
        self._store, self._content = store, content
        self._seen = ""

    def require(self, *, read: bool = False) -> None:
        """Raise :class:`InputError` if the record is another's."""
        version = self._store.version(PUSHED)
        if read or version != self._seen:
            size = len(self._content)
            if int(version.split()[0]) != size or self._store.read(PUSHED, size) != self._content:
                raise self._another()
            self._seen = version

    def _another(self) -> InputError:
        return InputError(
            f"{self._store.shown}: another push into it has begun; let it end, choose another URL for one of "
            "them, and run this command again"
        )


def _is_there(store: Store, files: Mapping[str, There], name: str, content: bytes) -> bool:
    return name in files and files[name].size == len(content) and store.read(name, len(content)) == content


def _require_ours(
    store: Store, files: Mapping[str, There], manifest: Manifest, wanted: Mapping[str, FileStamp]
) -> None:
    """Raise :class:`InputError` if something else is there than this corpus, whole or in part."""
    if NAME in files:
        try:
            there = Manifest.parse(store.read(NAME, HUGE), store.shown)
        except CorpusError:
            if PUSHED in files and record(store)[0] == manifest.fingerprint:
                return  # a store broke off within it
            raise
        old = stamps(there)
        same = all(wanted.get(name) == stamp for name, stamp in old.items() if name != REJECTS)
        if not same or there.spec.fingerprint != manifest.spec.fingerprint:
            raise InputError(f"{store.shown} holds another corpus; choose another URL, or delete it first")
        return
    if set(files) == {PUSHED}:  # broken off at once, and perhaps within the record
        return
    if PUSHED in files:
        if record(store)[0] != manifest.fingerprint:
            raise InputError(
                f"{store.shown} holds an unfinished push of another corpus; choose another URL, or delete it "
                "first"
            )
        return
    if files:
        raise InputError(
            f"{store.shown} is not empty (it has {min(files)[:100]!r}); choose another URL for the corpus"
        )


def _push_file(source: Path, store: Store, say: Stages) -> None:
    try:
        size = require_regular(source).st_size
    except OSError as error:
        raise InputError(f"{source} cannot be pushed: {error.strerror or error}") from error
    stamp = checksum(source)
    say("looking")
    found = store.look()
    if found is not None:
        if found.size == size and store.stamp("", size) == stamp:
            return
        raise InputError(f"{store.shown} holds another file; choose another URL, or delete it first")
    if store.files():
        raise InputError(f"{store.shown} is a folder; name the file that {source.name} becomes")
    say("pushing", 0, size)
    try:
        put_whole(store, "", source, stamp, False)
    except BaseException as error:  # a part that is left would be another file to the next push
        with contextlib.suppress(SaetextError):
            left = store.look()
            if left is not None and (left.size != size or isinstance(error, InputError)):
                store.delete()
        raise
    say("pushing", size, size)
