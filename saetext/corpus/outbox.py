"""Outbox: a corpus in the making whose place is an object store.

What is small (plan, thresholds, records of shards) has a copy here, in a folder that ends with the run. A
shard is written here, put there, read back and removed here; its record follows, so that a record there means
that the files are. Not for: what is in them (:mod:`saetext.corpus.landing`), or copying a finished corpus
(:mod:`saetext.corpus.transfer`).
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from saetext.corpus import plan as plans
from saetext.corpus.calibration import Calibration
from saetext.corpus.copying import PUSHED, put_whole
from saetext.corpus.elsewhere import CORPORA
from saetext.corpus.files import writing
from saetext.corpus.landed import ABOUT, END, End, Landed, numbers_in, read_about, record_path
from saetext.corpus.manifest import JOURNAL, NAME, PLAN, REJECTS, Manifest, require_sae_names
from saetext.corpus.spec import ReaderSpec
from saetext.corpus.starting import LANDED
from saetext.errors import CorpusError, InputError, SaetextError, ShardCorruptError
from saetext.io.files import FileStamp, checksum, make_directory, write_atomic
from saetext.io.opener import HUGE, LARGE
from saetext.io.store import Store, There
from saetext.io.urls import kind_of, shown_url, url_of
from saetext.text.one_line import one_line

_AT_ONCE: Final = 16  # records that are asked for at the same time
_TRIES: Final = 3  # other processes that may begin the same corpus at the same moment
_OURS: Final = (PLAN, REJECTS, JOURNAL, f"{LANDED}/", "cards/", "docs/", "features/")


class Outbox:
    """A corpus in the making, there and here; made by :func:`outbox` and :func:`in_place`.

    Attributes
    ----------
    store : Store
        Where it goes.
    home : Path
        The folder here: as of a corpus in the making, without the shards.
    shown : str
        Its URL without keys.
    """

    def __init__(self, store: Store, files: Mapping[str, There], home: Path = Path()) -> None:
        self.store, self.home, self.shown = store, home, store.shown
        self._sizes = {name: file.size for name, file in files.items()}
        self._put: set[str] = set()  # by this run
        self._plan = ""  # the version of the plan that was last seen to be ours
        self._torn = False  # whether there is a manifest that a store broke off within
        if NAME in files and self.landed:  # the last steps of finishing
            try:
                self.manifest()
            except CorpusError:
                del self._sizes[NAME]
                self._torn = True

    # ---- what is there

    @property
    def landed(self) -> list[int]:
        """The shards whose records are there, in order."""
        names = [name.partition("/")[2] for name in self._sizes if name.startswith(f"{LANDED}/")]
        return numbers_in(names)

    def finished(self, *, again: bool = False) -> bool:
        """Return whether there is a manifest; with ``again`` the store is asked once more."""
        if again and not self._torn and NAME not in self._sizes:
            return self.store.look(NAME) is not None
        return NAME in self._sizes

    def manifest(self) -> Manifest:
        """Return the manifest that is there."""
        return Manifest.parse(self.store.read(NAME, HUGE), self.shown)

    def check(self, name: str, stamp: FileStamp) -> None:
        """Raise :class:`ShardCorruptError` unless a file is there in its size."""
        has = self._sizes.get(name)
        if has != stamp.bytes:
            found = "is missing" if has is None else f"should have {stamp.bytes:,} bytes and has {has:,}"
            raise ShardCorruptError(f"{self.store.name(name)} {found}; run its slice again")

    def check_bytes(self, name: str, stamp: FileStamp) -> None:
        """Raise :class:`ShardCorruptError` unless a file is there and, read through, what it should be."""
        self.check(name, stamp)
        if self.store.stamp(name, stamp.bytes) != stamp:
            self._remove(_record(int(name.rpartition("-")[2].partition(".")[0])))  # so that it is made again
            raise ShardCorruptError(f"{self.store.name(name)} is damaged; run its slice again")

    def has_documents(self) -> bool:
        """Return whether a shard with a document has landed; True if that cannot be told."""
        try:
            self._look_again()
            self.bring_records(self.landed)
            return self.finished(again=True) or any(
                Landed.read(self.home, shard, check=self.check).entry.rows for shard in self.landed
            )
        except SaetextError:
            return True

    # ---- here

    def bring(self) -> None:
        """Copy here what all slices have in common, as far as it is there."""
        with writing(self.home):
            make_directory(self.home / LANDED)
        if PLAN not in self._sizes:
            if self.landed:
                raise CorpusError(f"{self.shown} has shards, and {PLAN} is missing; {self._start_over}")
            return
        self._bring(PLAN)
        try:
            cards = self._cards()
        except CorpusError:
            if self.landed:
                raise
            self._forget(PLAN)  # a store broke off within it: it is put again
            return
        self._plan = self.store.version(PLAN)
        self._bring_whole(f"{LANDED}/{ABOUT}", lambda: read_about(self.home))
        self._bring_whole(f"{LANDED}/{END}", lambda: End.read(self.home))
        for name in cards:
            self._bring_whole(name, functools.partial(Calibration.read, self.home / name))

    def bring_records(self, shards: Iterable[int]) -> None:
        """Copy the records of shards here, of those that have one."""
        there = set(self.landed)
        wanted = [_record(shard) for shard in shards if shard in there]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(self._bring, wanted):
                pass

    def bring_end(self) -> None:
        """Copy here what another slice has seen of the whole input meanwhile."""
        name = f"{LANDED}/{END}"
        if (found := self.store.look(name)) is not None:
            self._sizes[name] = found.size
            self._bring_whole(name, lambda: End.read(self.home))

    def _bring_whole(self, name: str, read: Callable[[], object]) -> None:
        """Copy a file here if it is there; one that cannot be read is forgotten, and put again."""
        if name in self._sizes:
            self._bring(name)
            try:
                read()
            except SaetextError:
                self._forget(name)

    def _forget(self, name: str) -> None:
        del self._sizes[name]
        with writing(self.home):
            (self.home / name).unlink()

    def _bring(self, name: str) -> None:
        content = self.store.read(name, HUGE if name.startswith(LANDED) else LARGE)
        with writing(self.home):
            make_directory((self.home / name).parent)
            write_atomic(self.home / name, content)

    def _cards(self) -> list[str]:
        """Return the files of thresholds, by the plan here, which may come from anybody."""
        begun = plans.read(self.home / PLAN, self._start_over)
        names = [sae.name for sae in ReaderSpec.from_dict(begun["spec"]).saes]
        try:
            require_sae_names(names)
        except ValueError as error:
            told = one_line(str(error), 200)
            raise CorpusError(f"{self.home / PLAN} is damaged ({told}); {self._start_over}") from error
        return [f"cards/{name}.arrow" for name in names]

    # ---- there

    def send_common(self, agree: Callable[[], object]) -> None:
        """Put what all slices have in common, unless it is there, the plan last.

        ``agree`` compares this run with the plan here, or raises :class:`CorpusError`: it is called when
        another process was first.
        """
        for _ in range(_TRIES):
            found = self.store.look(PLAN)
            if found is not None and PLAN not in self._sizes:  # another process has begun it meanwhile
                self._sizes[PLAN] = found.size
                self._bring(PLAN)
                agree()
            for name in (f"{LANDED}/{ABOUT}", *self._cards(), PLAN):
                self._send(name)
            self._plan = self.store.version(PLAN)
            if self._same_plan():
                return
            agree()
        raise CorpusError(f"{self.shown} is being begun by other processes; run the same command again")

    def send(self, landed: Landed) -> None:
        """Put the files of a shard, then its record, and remove the files here."""
        for name, stamp in landed.entry.files.items():
            self._send(name, stamp)
        if self.store.look(PLAN) is None:  # another took its own away, which was the same
            self._look_again()
            for name in (f"{LANDED}/{ABOUT}", *self._cards(), PLAN):
                self._send(name)
            self._plan = self.store.version(PLAN)
        if (version := self.store.version(PLAN)) != self._plan:
            if not self._same_plan():
                raise CorpusError(
                    f"{self.shown} was begun anew by another process; choose another URL for one of them"
                )
            self._plan = version
        self._send(_record(landed.entry.shard))
        with writing(self.home):
            for name in landed.entry.files:
                (self.home / name).unlink(missing_ok=True)

    def send_end(self) -> None:
        """Put what the slice at hand has seen of the whole input."""
        self._send(f"{LANDED}/{END}")

    def send_books(self) -> None:
        """Put rejects and journal, and the manifest last: from then on it is a corpus."""
        for name in (REJECTS, JOURNAL, NAME):
            self._send(name)

    def clear(self) -> None:
        """Remove there what only slices need; what is left of it does no harm."""
        if any(name.startswith(f"{LANDED}/") for name in self._sizes):
            with contextlib.suppress(InputError):
                self.store.delete_folder(LANDED)

    def undo(self) -> None:
        """Remove there what this run has put, unless the plan is another's or shards have landed."""
        if PLAN not in self._put:
            return
        with contextlib.suppress(SaetextError):
            if self.has_documents() or not self._same_plan():
                return
            for name in sorted(self._put, key=lambda name: name == PLAN):
                self._remove(name)

    def _look_again(self) -> None:
        self._sizes = {name: file.size for name, file in self.store.files().items()}

    def _remove(self, name: str) -> None:
        try:
            self.store.delete(name)
        except InputError:
            return
        self._sizes.pop(name, None)

    def _send(self, name: str, stamp: FileStamp | None = None) -> None:
        path = self.home / name
        stamp = checksum(path) if stamp is None else stamp
        if put_whole(self.store, name, path, stamp, self._sizes.get(name) == stamp.bytes):
            self._put.add(name)
        self._sizes[name] = stamp.bytes

    def _same_plan(self) -> bool:
        """Return whether the plan there is that of this run, other library versions aside; it comes here."""
        before = plans.read(self.home / PLAN, self._start_over)
        self._bring(PLAN)
        return _settings(before) == _settings(plans.read(self.home / PLAN, self._start_over))

    @property
    def _start_over(self) -> str:
        return f"delete {self.shown} and encode again"


def _settings(plan: Mapping[str, Any]) -> dict[str, Any]:
    spec = {key: value for key, value in plan["spec"].items() if key != "numerics"}
    return {**{key: value for key, value in plan.items() if key != "numerics"}, "spec": spec}


def _record(shard: int) -> str:
    return record_path(Path(), shard).as_posix()


@contextmanager
def outbox(url: str) -> Iterator[Outbox]:
    """Give the outbox of a URL, with a folder here that ends with it; what is there may be finished.

    Raises
    ------
    InputError
        If nothing can be written there, or other things are there.
    """
    store, files = _opened(url)
    with tempfile.TemporaryDirectory(prefix="saetext-outbox-") as folder:
        box = Outbox(store, files, Path(folder) / "corpus")
        try:
            if not box.finished():
                box.bring()
            yield box
        except SaetextError as error:  # what it says of the folder here, it says of the URL
            error.args = tuple(str(arg).replace(str(box.home), box.shown) for arg in error.args)
            raise


@contextmanager
def in_place(output: Path) -> Iterator[tuple[Path, Outbox | None]]:
    """Give where a corpus is made: the directory itself, or of a URL a folder here and its outbox.

    Raises
    ------
    CorpusError
        If what is at the URL is finished.
    InputError
        If nothing can be written there, or other things are there.
    """
    if (url := url_of(output)) is None:
        yield output, None
        return
    with outbox(url) as box:
        _require_unfinished(box.finished(), box.shown)
        yield box.home, box


def require_free_there(url: str) -> None:
    """Raise what :func:`in_place` would raise of a URL; ask before a model is loaded."""
    box = Outbox(*_opened(url))
    _require_unfinished(box.finished(), box.shown)


def _opened(url: str) -> tuple[Store, dict[str, There]]:
    if kind_of(url) not in CORPORA:
        raise InputError(
            f"{shown_url(url)}: no corpora are kept at {kind_of(url)}://; encode into a directory"
        )
    store = Store.open(url, write=True)
    files = store.files()
    if not files:
        store.require_bucket()
        if store.look() is not None:
            raise InputError(f"{store.shown} is a file; choose another URL for a corpus")
    if NAME in files:
        return store, files
    if PUSHED in files:
        raise InputError(f"{store.shown}: a push into it has begun; choose another URL")
    if others := [name for name in files if not name.startswith(_OURS)]:
        raise InputError(
            f"{store.shown} is no corpus and not empty (it has {one_line(min(others), 100)}); "
            "choose another URL"
        )
    return store, files


def _require_unfinished(finished: bool, shown: str) -> None:
    if finished:
        raise CorpusError(f"{shown} already exists and is finished; choose another URL")
