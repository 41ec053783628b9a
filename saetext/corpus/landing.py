"""SliceWriter: shards of one corpus written by several processes or machines, with a record of each.

A shard that has landed has its files and ``landed/part-00007.json``: its journal entry, its rejects, its
slice. Records are the only thing that slices tell each other, so that a corpus may be in a directory that
many machines see: no line is appended, nothing is locked but the slice itself. Not for: what is in a record
(:mod:`saetext.corpus.landed`), making a corpus of them (:mod:`saetext.corpus.finishing`).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock

from saetext.corpus import plan as plans
from saetext.corpus.calibration import Calibration
from saetext.corpus.files import writing
from saetext.corpus.journal import JournalEntry
from saetext.corpus.landed import ABOUT, END, End, Landed, Slice, record_path
from saetext.corpus.manifest import NAME, PLAN
from saetext.corpus.outbox import Outbox
from saetext.corpus.put import put_shard
from saetext.corpus.spec import ReaderSpec
from saetext.corpus.starting import (
    LANDED,
    LOCK,
    locked,
    refuse_begun,
    refuse_finished,
    require_calibrations,
    require_ours,
)
from saetext.errors import CorpusError, InputError
from saetext.io.files import make_directory, sync_directory, write_atomic
from saetext.io.json_file import plain
from saetext.io.orphans import sweep
from saetext.io.sealed import sealed
from saetext.text.one_line import many

_NAMED = 5  # records that a message names
_OTHERS = 60.0  # seconds in which another process writes a shard or a plan


class Finished(CorpusError):
    """The corpus was finished by others while a slice was being written: all is there."""


@dataclass(frozen=True)
class Common:
    """What all slices of a corpus have in common.

    Attributes
    ----------
    plan, spec, calibrations, stores_text
        As :meth:`saetext.corpus.writer.CorpusWriter.open` takes them.
    extra : mapping
        Plain JSON types to keep in the manifest.
    """

    plan: dict[str, Any]
    spec: ReaderSpec
    calibrations: Mapping[str, Calibration]
    stores_text: bool
    extra: Mapping[str, Any]


class SliceWriter:
    """Writes the shards of one slice; made by :meth:`begin`, and a context manager.

    Attributes
    ----------
    path : Path
        The corpus in the making.
    spec : ReaderSpec
        The reader, as recorded.
    stores_text : bool
        Whether texts and prompts are kept.
    """

    def __init__(self, path: Path, part: Slice, lock: FileLock, outbox: Outbox | None = None) -> None:
        self.path = path
        self.slice = part
        self._lock = lock
        self._outbox = outbox
        self.spec: ReaderSpec
        self.stores_text: bool

    @classmethod
    def begin(
        cls, path: str | Path, part: Slice, common: Common, outbox: Outbox | None = None
    ) -> SliceWriter:
        """Begin or go on with a slice; other slices may be written meanwhile.

        Parameters
        ----------
        path : path
            The corpus's directory; made if missing.
        part : Slice
            Which slice.
        common : Common
            The same for all slices.
        outbox : Outbox, optional
            Where all of it goes, if ``path`` is but a place on the way.

        Raises
        ------
        CorpusError
            If the corpus is finished, was begun with another plan or without slices, this slice is being
            written by another process, or the directory holds other things or cannot be written.
        """
        path = Path(path)
        prepare(path, common, outbox)
        what = f"slice {part} of "
        lock = locked(path, f"{LANDED}/{LOCK}-{part.index}-of-{part.of}", what)
        writer = cls(path, part, lock, outbox)
        if outbox is not None:
            outbox.bring_records(shard for shard in outbox.landed if part.has(shard))
        writer.spec, writer.stores_text = common.spec, common.stores_text
        return writer

    @classmethod
    def joined(cls, path: Path, part: Slice, spec: ReaderSpec, *, stores_text: bool) -> SliceWriter:
        """Return a writer of shards of a slice that another process has begun and keeps the lock of."""
        writer = cls(path, part, FileLock(path / LANDED / f"{LOCK}-unused", thread_local=False))
        writer.spec, writer.stores_text = spec, stores_text
        return writer

    def landed(self, shard: int) -> JournalEntry | None:
        """Return what has landed of a shard; None if nothing, or something damaged."""
        if not record_path(self.path, shard).exists():
            return None
        try:
            check = None if self._outbox is None else self._outbox.check
            return Landed.read(self.path, shard, intact=True, check=check).entry
        except CorpusError:
            return None  # it is made again

    def write_shard(self, shard: int, **made: Any) -> JournalEntry:
        """Put one shard on disk and its record beside it; the rest as in :func:`put_shard`.

        A slice of another number of slices may have the same shard: who is second takes what has landed.

        Raises
        ------
        Finished
            If others have finished the corpus meanwhile: what is in it is not written again.
        """
        with self._alone(f"{LOCK}-of-shard-{shard}"):
            if (entry := self.landed(shard)) is not None and entry.input_hash == made["input_hash"]:
                return entry
            entry, rejected = put_shard(self.path, shard, self.spec, stores_text=self.stores_text, **made)
            landed = Landed(entry, rejected.decode(), self.slice)
            with writing(self.path):
                landed.write(self.path)
            self.send(landed)
        return entry

    def send(self, landed: Landed) -> None:
        """Put a shard that is here where the corpus is made, if that is elsewhere."""
        if self._outbox is not None:
            self._require_unfinished()
            self._outbox.send(landed)

    def end(self, shards: int, digest: str) -> None:
        """Record that the input has so many shards.

        Raises
        ------
        InputError
            If another slice saw another input.
        Finished
            If others have finished the corpus meanwhile.
        """
        with self._alone(f"{LOCK}-of-end"):
            if self._outbox is not None:
                self._outbox.bring_end()
            seen = End.read(self.path)
            if seen is None:
                data = {"shards": shards, "digest": digest, "of": self.slice.of}
                with writing(self.path):
                    write_atomic(self.path / LANDED / END, json.dumps(sealed(data)).encode())
                if self._outbox is not None:
                    self._outbox.send_end()
                return
        if (seen.shards, seen.digest) != (shards, digest):
            raise InputError(
                f"the input differs from what another slice of {self.path} read ({seen.shards:,} shards, "
                f"here {shards:,}): restore it, or if this one is right, delete "
                f"{self.path / LANDED / END} and run the other slices again"
            )

    @contextlib.contextmanager
    def _alone(self, lock: str) -> Iterator[None]:
        """Hold a lock that others wait for; :class:`Finished` if the corpus is, before or within."""
        self._require_unfinished()
        try:
            held = locked(self.path, f"{LANDED}/{lock}", wait=_OTHERS)
            try:
                self._require_unfinished()
                yield
            finally:
                held.release()
        except CorpusError:
            self._require_unfinished()  # who finishes takes the folder of records away
            raise

    def _require_unfinished(self) -> None:
        there = self._outbox is not None and self._outbox.finished(again=True)
        if there or (self.path / NAME).exists():
            raise Finished(f"{self.path} was finished meanwhile")

    def tidy(self) -> None:
        """Remove what killed processes have left half-written."""
        with contextlib.suppress(OSError):
            for folder in _folders(self.path, self.spec):
                sweep(folder)

    def close(self) -> None:
        """Let go of the slice."""
        self._lock.release()

    def __enter__(self) -> SliceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def differs(name: str, home: Path, shards: Sequence[int]) -> InputError:
    """Return what is told where shards have landed that came from another input than the one of this name."""
    few = ", ".join(record_path(Path(), shard).name for shard in shards[:_NAMED])
    more = f" and {len(shards) - _NAMED:,} more" * (len(shards) > _NAMED)
    return InputError(
        f"{name} differs from what {many(len(shards), 'shard')} of {home} came from: "
        f"restore it, or if it is right, delete {few}{more} in {home / LANDED} and run this again"
    )


def require_sliceable(path: Path) -> None:
    """Raise :class:`CorpusError` if slices cannot be written into ``path``; ask before a model is loaded."""
    if path.exists() and not path.is_dir():
        raise CorpusError(f"{path} is a file; choose another path for the corpus")
    require_ours(path)
    refuse_finished(path)
    refuse_begun(path)


def prepare(path: Path, common: Common, outbox: Outbox | None = None) -> None:
    """Record what slices have in common, or check that it is the same; errors as of a slice's beginning.

    All slices may begin at the same time: one does this at a time.
    """
    require_calibrations(common.spec, common.calibrations)
    require_sliceable(path)
    with writing(path):
        make_directory(path)
    lock = locked(path, wait=_OTHERS)
    try:
        require_sliceable(path)  # now that nobody else can begin it
        _record(path, common)
        if outbox is not None:
            outbox.send_common(lambda: _record(path, common))
    finally:
        lock.release()


def _record(path: Path, common: Common) -> None:
    wanted = plans.record(common.plan, common.spec, {"stores_text": common.stores_text})
    with writing(path):
        make_directory(path / LANDED)  # before the plan: a plan without it is a run that makes all shards
        for folder in _folders(path, common.spec):
            folder.mkdir(exist_ok=True)
            sweep(folder)
            sync_directory(folder)
        sweep(path / LANDED)
        if not (path / LANDED / ABOUT).exists():
            data = sealed({"extra": plain(dict(common.extra))})
            write_atomic(path / LANDED / ABOUT, json.dumps(data).encode())
        plans.agree(path / PLAN, wanted, f"delete {path} and encode again")
        for sae, calibration in common.calibrations.items():
            card = path / "cards" / f"{sae}.arrow"
            if not card.exists():
                calibration.write(card)


def _folders(path: Path, spec: ReaderSpec) -> list[Path]:
    """Return the folders that files of shards and thresholds are put into, those above first."""
    folders = [path, *(path / name for name in ("docs", "cards", "features"))]
    return folders + [path / "features" / sae.name for sae in spec.saes]
