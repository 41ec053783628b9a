"""From landed shards to a corpus: what is missing, and the books once nothing is. No model, no input.

Not for: landing shards (:mod:`saetext.corpus.landing`).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.corpus import plan as plans
from saetext.corpus.calibration import Calibration
from saetext.corpus.files import require_here, writing
from saetext.corpus.journal import JournalEntry, lines
from saetext.corpus.landed import End, Landed, Slice, input_digest, landed_numbers, read_about, record_path
from saetext.corpus.manifest import JOURNAL, NAME, PLAN, REJECTS, Manifest, require_sae_names
from saetext.corpus.outbox import Outbox, outbox
from saetext.corpus.spec import ReaderSpec
from saetext.corpus.starting import LANDED, locked, require_calibrations
from saetext.documents.rejects import nothing_readable
from saetext.errors import CorpusError, InputError, ReaderError
from saetext.io.files import FileStamp, checksum, sync_directory, write_atomic
from saetext.io.progress import Count, OnProgress, Stages
from saetext.io.urls import url_of
from saetext.text.one_line import many, one_line

if TYPE_CHECKING:
    from saetext.corpus.corpus import Corpus

#: Where a scheduler says into how many slices the work is cut, if not in the size of its array.
SLICES = "SAETEXT_SLICES"
_NAMED = 8  # slices that a message names
_OTHERS = 600.0  # seconds in which another process finishes the same corpus


@dataclass(frozen=True)
class Status:
    """How far the slices of a corpus are.

    Attributes
    ----------
    path : Path
        The corpus in the making.
    landed : tuple of int
        Shards that are on disk.
    shards : int or None
        How many there will be; None before a slice has read the input to its end.
    of : int or None
        Into how many slices the work was cut, as the last landed shard says.
    digest : str
        Of the input, as the slice that came to its end saw it.
    """

    path: Path
    landed: tuple[int, ...]
    shards: int | None
    of: int | None
    digest: str = ""

    @property
    def missing(self) -> tuple[int, ...] | None:
        """Shards that are not there yet; None where it is not known how many there are."""
        return None if self.shards is None else tuple(sorted({*range(self.shards)} - {*self.landed}))

    @property
    def slices(self) -> tuple[Slice, ...]:
        """The slices that the missing shards are in."""
        if self.of is None or not self.missing:
            return ()
        return tuple(Slice(index, self.of) for index in sorted({shard % self.of for shard in self.missing}))

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return self.missing == ()

    @property
    def finished(self) -> bool:
        """Whether it is a corpus already, which needs no slices."""
        return self.whole and not self.digest

    def describe(self) -> str:
        """Say how far they are, and what makes the rest."""
        if self.shards is None and self.of == 1:  # one slice makes all, or an engine
            return (
                f"{_shards(len(self.landed), 'landed')}; how many there are is known at the end: run the "
                "same command again"
            )
        if self.shards is None:
            more = "" if self.of is None else f" (by slices of {self.of})"
            return (
                f"{_shards(len(self.landed), 'landed')}{more}; how many there are is known once a slice "
                "has come to its end"
            )
        if self.whole:
            return f"all shards have landed ({self.shards:,})"
        told = f"{len(self.missing or ()):,} of {many(self.shards, 'shard')} not there yet"
        if not self.slices:
            return told
        if self.of == 1:
            return f"{told}: run the same command again"
        few = ", ".join(map(str, self.slices[:_NAMED])) + (", ..." if len(self.slices) > _NAMED else "")
        indices = _ranges([part.index for part in self.slices])
        return (
            f"{told}, in --slice {few}: run those that are not running (for SLURM: {SLICES}={self.of}, "
            f"--array={indices})"
        )


def status(path: str | Path) -> Status:
    """Return how far the slices of a corpus are; of one that is finished, that nothing is missing.

    Raises
    ------
    CorpusError
        If there are none.
    """
    if (url := url_of(path)) is not None:
        with outbox(url) as box:
            try:
                return _status_there(box)
            except (CorpusError, InputError):  # others may have finished it meanwhile
                if not box.finished(again=True):
                    raise
                return _finished_there(box)
    path = Path(path)
    if (path / NAME).exists():
        return _finished(path)
    try:
        found = _counted(path)
    except CorpusError:
        if (path / NAME).exists():
            return _finished(path)
        raise
    # where others finish it meanwhile, the manifest comes first, and then the records go
    return _finished(path) if not found.whole and (path / NAME).exists() else found


def _finished(path: Path) -> Status:
    shards = len(Manifest.read(path).shards)
    return Status(path, tuple(range(shards)), shards, None)


def _counted(path: Path) -> Status:
    """Return what has landed, by the records."""
    _require_sliced(path)
    numbers, end, of = [], End.read(path), None
    for shard in landed_numbers(path):
        with contextlib.suppress(CorpusError):  # what is damaged is not there
            of = Landed.read(path, shard).slice.of
            numbers.append(shard)
    if end is None:
        return Status(path, tuple(numbers), None, of)
    return Status(path, tuple(numbers), end.shards, of or end.of, end.digest)


def finish_slices(path: str | Path, *, on_progress: OnProgress | None = None) -> Corpus:
    """Make a corpus of the shards that slices have landed; it needs neither the input nor a model.

    Parameters
    ----------
    path : path or URL
        What the slices wrote into. One that is finished is opened. Otherwise every file is read once.
    on_progress : callable, optional
        Called with a Progress as files are read.

    Returns
    -------
    Corpus
        Its fingerprint is that of the same input encoded in one run, on the same kind of machine.

    Raises
    ------
    CorpusError
        If shards are missing (the message says which slices make them) or damaged, or it cannot be written.
    InputError
        If there is not one document.

    Examples
    --------
    >>> import saetext
    >>> notes = [{"text": "Sorry to hear that!"}, {"text": "Restart it."}]
    >>> saetext.encode_slice(notes, "finished.corpus", "0/1").whole
    True
    >>> len(saetext.finish_slices("finished.corpus"))
    2
    """
    from saetext.corpus.corpus import Corpus

    if (url := url_of(path)) is not None:
        with outbox(url) as box:
            finish_there(box, on_progress=on_progress)
        return Corpus.open(url)
    path = Path(path)
    if (path / NAME).exists():
        opened = Corpus.open(path)
        _clear(path)
        return opened
    found = status(path)
    if not found.whole:
        for shard in found.missing or ():
            if record_path(path, shard).exists():
                Landed.read(path, shard)  # says what is wrong with it
        raise CorpusError(f"{path}: {found.describe()}")
    lock = locked(path, wait=_OTHERS)  # the last two slices may end at the same time
    try:
        if not (path / NAME).exists():  # another process may have been first
            _write_books(path, found, Stages(on_progress).counting("reading shards"))
        _clear(path)
    finally:
        lock.release()
    return Corpus.open(path)


def finish_there(box: Outbox, *, on_progress: OnProgress | None = None) -> None:
    """Make a corpus of the shards in an object store, as :func:`finish_slices`; the manifest comes last."""
    if not box.finished(again=True):
        try:
            found = _status_there(box)
            if not found.whole:
                raise CorpusError(f"{box.shown}: {found.describe()}")
            box.bring_records(found.landed)
            _write_books(box.home, found, Stages(on_progress).counting("reading shards"), box.check_bytes)
        except (CorpusError, InputError):
            if not box.finished(again=True):  # else others were first, and the records have gone
                raise
        else:
            box.send_books()
    box.clear()


def _status_there(box: Outbox) -> Status:
    """Return how far slices are whose corpus is elsewhere: a record there means that the files are."""
    here = Path(box.shown)
    if box.finished():
        return _finished_there(box)
    if not (box.home / PLAN).exists():
        raise CorpusError(
            f"{box.shown} is not being made in slices: saetext encode FILE -o {box.shown} --slice 0/8"
        )
    numbers, end, of = box.landed, End.read(box.home), None
    if numbers:
        box.bring_records(numbers[-1:])
        with contextlib.suppress(CorpusError):
            of = Landed.read(box.home, numbers[-1], check=box.check).slice.of
    if end is None:
        return Status(here, tuple(numbers), None, of)
    return Status(here, tuple(numbers), end.shards, of or end.of, end.digest)


def _finished_there(box: Outbox) -> Status:
    shards = len(box.manifest().shards)
    return Status(Path(box.shown), tuple(range(shards)), shards, None)


def _write_books(
    path: Path, found: Status, say: Count, check: Callable[[str, FileStamp], None] | None = None
) -> None:
    begun = plans.read(path / PLAN, f"delete {path} and encode again")
    spec, about = ReaderSpec.from_dict(begun["spec"]), read_about(path)
    entries: list[JournalEntry] = []
    rejected = bytearray()
    for shard in range(found.shards or 0):
        landed = Landed.read(path, shard, intact=True, check=check)
        rejected += landed.rejected.encode()
        entries.append(replace(landed.entry, rejects_bytes=len(rejected)))
        say(len(entries), found.shards or 0)
    if found.digest != (seen := input_digest(entry.input_hash for entry in entries)):
        raise CorpusError(
            f"{path}: its shards are not of one input ({found.digest[:8]} and {seen[:8]}): the file has "
            f"changed between slices; delete {path} and encode again"
        )
    if not any(entry.rows for entry in entries):
        counts: dict[str, int] = {}
        for entry in entries:
            for reason, n in entry.rejects.items():
                counts[reason] = counts.get(reason, 0) + n
        raise nothing_readable(str(about.get("source", path)), counts)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    run: dict[str, Any] = {
        "plan": begun["plan"],
        "numerics": begun["numerics"],
        "shards": len(entries),
        "rows": sum(entry.rows for entry in entries),
    }
    _require_names(spec, path)
    _require_thresholds(spec, path)
    with writing(path):
        manifest = Manifest(
            spec=spec,
            calibrations={sae.name: checksum(path / "cards" / f"{sae.name}.arrow") for sae in spec.saes},
            rejects=write_atomic(path / REJECTS, bytes(rejected)),
            shards=tuple(entries),
            stores_text=bool(begun.get("stores_text", True)),
            runs=(run,),
            created=now,
            updated=now,
            extra=about,
        )
        try:
            manifest.check()
        except ValueError as error:
            raise CorpusError(
                f"{path}: its records do not fit each other ({one_line(str(error), 200)}): delete it and "
                "encode again"
            ) from error
        write_atomic(path / JOURNAL, lines(entries))
        manifest.write(path)


def _require_names(spec: ReaderSpec, path: Path) -> None:
    """Raise :class:`CorpusError` for names of SAEs that lead elsewhere, before a file of them is read."""
    try:
        require_sae_names([sae.name for sae in spec.saes])
    except ValueError as error:
        raise CorpusError(f"{path / PLAN} is damaged ({one_line(str(error), 200)}): delete {path}") from error


def _require_thresholds(spec: ReaderSpec, path: Path) -> None:
    """Raise :class:`CorpusError` unless the thresholds there are those that the shards were made with."""
    try:
        cards = {sae.name: Calibration.read(path / "cards" / f"{sae.name}.arrow") for sae in spec.saes}
        require_calibrations(spec, cards)
    except ReaderError as error:
        raise CorpusError(str(error)) from error
    except ValueError as error:
        raise CorpusError(
            f"{path}: its thresholds (cards) are not those that its shards were made with: delete it and "
            "encode again"
        ) from error


def _clear(path: Path) -> None:
    """Remove what only slices need; what is left of it does no harm."""
    with contextlib.suppress(OSError):
        shutil.rmtree(path / LANDED)
        sync_directory(path)


def _require_sliced(path: Path) -> None:
    if (path / LANDED).is_dir() and (path / PLAN).exists():
        return
    require_here(path)
    if not path.exists():
        raise CorpusError(f"{path} does not exist")
    raise CorpusError(f"{path} is not being made in slices: saetext encode FILE -o {path} --slice 0/8")


def _shards(n: int, what: str) -> str:
    return f"{many(n, 'shard')} {'has' if n == 1 else 'have'} {what}"


def _ranges(numbers: list[int]) -> str:
    """Return numbers as a scheduler takes them: ``0-2,5``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
