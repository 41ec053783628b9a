"""CorpusWriter: makes a corpus shard by shard, such that being killed at any moment costs one shard at most.

What a shard needs is on disk and synced before the journal says so; what the journal does not know is
removed when the corpus is opened again; the manifest comes last. Not for: deciding what goes into a shard
(encode.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from saetext.corpus import plan as plans
from saetext.corpus.calibration import Calibration
from saetext.corpus.files import require_size, writing
from saetext.corpus.journal import Journal, JournalEntry, lines
from saetext.corpus.manifest import (
    APPEND_PLAN,
    FIRST_SCHEMA,
    JOURNAL,
    NAME,
    PLAN,
    REJECTS,
    SCHEMA,
    Manifest,
    is_older,
)
from saetext.corpus.put import put_shard
from saetext.corpus.rows import PooledRows
from saetext.corpus.shard import PART
from saetext.corpus.spec import ReaderSpec, require_comparable
from saetext.corpus.starting import locked, refuse_finished, refuse_sliced, require_calibrations, require_ours
from saetext.errors import CorpusError
from saetext.io.files import (
    FileStamp,
    append_synced,
    checksum,
    make_directory,
    sync_directory,
    write_atomic,
)
from saetext.io.opener import HUGE, read_bytes
from saetext.io.orphans import sweep

if TYPE_CHECKING:
    import pyarrow as pa

    from saetext.corpus.corpus import Corpus


class CorpusWriter:
    """Writes one corpus; made by :meth:`open` or :meth:`append`, and a context manager.

    Leaving it without :meth:`finish` keeps what was journalled: the same call resumes there.

    Attributes
    ----------
    path : Path
        The corpus.
    spec : ReaderSpec
        The reader, as recorded.
    stores_text : bool
        Whether texts and prompts are kept.
    """

    def __init__(self, path: Path, lock: FileLock) -> None:
        self.path = path
        self._lock = lock
        self._base: Manifest | None = None  # what is appended to
        self._journal: Journal
        self._plan: dict[str, Any]
        self._calibrations: dict[str, FileStamp]
        self.spec: ReaderSpec
        self.stores_text: bool

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        plan: dict[str, Any],
        spec: ReaderSpec,
        calibrations: Mapping[str, Calibration],
        stores_text: bool,
    ) -> CorpusWriter:
        """Start a corpus, or resume an unfinished one.

        Parameters
        ----------
        path : path
            Its directory; made if missing.
        plan : dict
            What decides the output (inputs, columns, options), as JSON. Recorded first; going on with an
            unfinished corpus needs an equal one.
        spec : ReaderSpec
            The reader. Other library versions may finish what was begun (all are recorded); another dtype
            or device may not.
        calibrations : mapping of SAE to Calibration
            The thresholds used.
        stores_text : bool
            False keeps texts and prompts out.

        Raises
        ------
        CorpusError
            If the corpus is finished, was begun with another plan (the message names the first differing
            key), is being written by someone else or cannot be written, or if the directory holds other
            things.
        """
        path = Path(path)
        require_calibrations(spec, calibrations)
        if path.exists() and not path.is_dir():
            raise CorpusError(f"{path} is a file; choose another path for the corpus")
        require_ours(path)
        with writing(path):
            make_directory(path)
        refuse_finished(path)
        refuse_sliced(path)
        writer = cls(path, locked(path))
        try:
            refuse_finished(path)  # now that nobody else can finish it
            refuse_sliced(path)
            with writing(path):
                writer._begin(plan, spec, calibrations, stores_text)
        except BaseException:
            writer.close()
            raise
        return writer

    @classmethod
    def append(
        cls,
        path: str | Path,
        *,
        plan: dict[str, Any],
        spec: ReaderSpec,
        calibrations: Mapping[str, Calibration],
    ) -> CorpusWriter:
        """Add to a finished corpus, or resume an unfinished append.

        Until :meth:`finish` whoever opens the corpus sees the old one. Parameters as in :meth:`open`.

        Raises
        ------
        CorpusError
            If the corpus is missing, unfinished, damaged, being written by someone else or cannot be
            written, or an append with another plan is unfinished.
        IncompatibleError
            If the corpus was made by a reader of another identity.
        """
        path = Path(path)
        require_calibrations(spec, calibrations)
        Manifest.read(path)  # before a lock file is put beside it
        writer = cls(path, locked(path))
        try:
            writer._base = Manifest.read(path)
            require_comparable(writer._base.spec, spec, names=(str(path), "the reader given"))
            with writing(path):
                writer._begin_append(writer._base, plan, spec)
        except BaseException:
            writer.close()
            raise
        return writer

    @property
    def finished(self) -> list[JournalEntry]:
        """Shards of this run that are on disk already, so that their input can be skipped."""
        return self._journal.entries[self._first_shard :]

    @property
    def _schema(self) -> str:
        """What it has when it is done: an append leaves an older one as whoever made it can read it."""
        return self._base.schema if self._base and is_older(self._base.schema) else SCHEMA

    @property
    def _first_shard(self) -> int:
        return len(self._base.shards) if self._base else 0

    def write_shard(
        self,
        docs: pa.Table,
        rows: Mapping[str, PooledRows],
        *,
        rejects: Sequence[Mapping[str, Any]],
        input_rows: int,
        input_hash: str,
        stats: Mapping[str, Any],
    ) -> JournalEntry:
        """Put one shard on disk and journal it.

        Parameters are those of :func:`saetext.corpus.put.put_shard`.

        Returns
        -------
        JournalEntry

        Raises
        ------
        CorpusError
            If it cannot be written; what was journalled before stays good.
        ValueError
            If documents and rows do not fit each other or the reader.
        """
        self._require_open()
        entry, rejected = put_shard(
            self.path,
            len(self._journal.entries),
            self.spec,
            stores_text=self.stores_text,
            docs=docs,
            rows=rows,
            rejects=rejects,
            input_rows=input_rows,
            input_hash=input_hash,
            stats=stats,
        )
        with writing(self.path):
            before = self._rejects_bytes
            if rejected:
                append_synced(self.path / REJECTS, before, rejected)
            entry = replace(entry, rejects_bytes=before + len(rejected))
            if self._schema == FIRST_SCHEMA:
                entry = replace(entry, without_texts=None)
            self._journal.append(entry)
        return entry

    def finish(self, *, extra: Mapping[str, Any] | None = None) -> Corpus:
        """Write the manifest, let go of the lock and return the finished corpus.

        Parameters
        ----------
        extra : mapping, optional
            Plain JSON types to keep in the manifest.
        """
        from saetext.corpus.corpus import Corpus

        self._require_open()
        base, entries = self._base, self._journal.entries
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        run = {
            "plan": self._plan["plan"],
            "numerics": self._plan["numerics"],
            "shards": len(self.finished),
            "rows": sum(entry.rows for entry in self.finished),
        }
        with writing(self.path):
            manifest = Manifest(
                spec=self.spec,
                calibrations=self._calibrations,
                rejects=checksum(self.path / REJECTS),
                shards=tuple(entries),
                stores_text=self.stores_text,
                runs=(*(base.runs if base else ()), run),
                created=base.created if base else now,
                updated=now,
                extra={**(base.extra if base else {}), **(extra or {})},
                schema=self._schema,
            )
            manifest.write(self.path)
            with contextlib.suppress(OSError):  # it is done: the next append removes what is left of this one
                (self.path / APPEND_PLAN).unlink(missing_ok=True)
                sync_directory(self.path)
        self.close()
        return Corpus.open(self.path)

    def close(self) -> None:
        """Let go of the lock; without :meth:`finish` the corpus stays resumable."""
        self._lock.release()

    def __enter__(self) -> CorpusWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require_open(self) -> None:
        if not self._lock.is_locked:
            raise ValueError("this writer is closed; open the corpus again to continue")

    @property
    def _rejects_bytes(self) -> int:
        return self._journal.entries[-1].rejects_bytes if self._journal.entries else 0

    def _begin(
        self,
        plan: dict[str, Any],
        spec: ReaderSpec,
        calibrations: Mapping[str, Calibration],
        stores_text: bool,
    ) -> None:
        wanted = plans.record(plan, spec, {"stores_text": stores_text})
        self._plan = plans.agree(self.path / PLAN, wanted, self._start_over)
        self.spec = ReaderSpec.from_dict(self._plan["spec"])
        self.stores_text = stores_text
        self._journal = Journal.read(self.path / JOURNAL, self._start_over)
        self._clean()
        self._calibrations = {}
        for sae, calibration in calibrations.items():
            path = self.path / "cards" / f"{sae}.arrow"
            calibration.write(path)
            self._calibrations[sae] = checksum(path)

    def _begin_append(self, base: Manifest, plan: dict[str, Any], spec: ReaderSpec) -> None:
        onto = hashlib.sha256(read_bytes(self.path / NAME, HUGE)).hexdigest()
        path = self.path / APPEND_PLAN
        left = plans.read(path, self._start_over) if path.exists() else None
        if left is not None and left.get("onto") != onto:
            path.unlink()  # left by an append that was killed after its manifest was in place
            if left.get("plan") == base.runs[-1]["plan"] == plans.record(plan, spec, {})["plan"]:
                raise CorpusError(
                    f"this append is already finished: {self.path} has {base.n_documents:,} documents, "
                    "none added now; to add the same rows once more, run the command again"
                )
        if not path.exists():
            write_atomic(self.path / JOURNAL, lines(base.shards))
        self._plan = plans.agree(path, plans.record(plan, spec, {"onto": onto}), self._start_over)
        self.spec, self.stores_text, self._calibrations = base.spec, base.stores_text, dict(base.calibrations)
        self._journal = Journal.read(self.path / JOURNAL, self._start_over)
        if self._journal.entries[: len(base.shards)] != list(base.shards):
            raise CorpusError(f"{self.path / JOURNAL} does not fit {NAME}; {self._start_over}")
        self._clean()

    @property
    def _start_over(self) -> str:
        if self._base:
            return f"delete {self.path / APPEND_PLAN} to cancel that append, and append again"
        return f"delete {self.path} and encode again"

    def _clean(self) -> None:
        """Remove what the journal does not know, and check that what it knows is there."""
        folders = [self.path / name for name in ("docs", "cards", "features")]
        folders += [self.path / "features" / sae.name for sae in self.spec.saes]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        known = {self.path / name for entry in self._journal.entries for name in entry.files}
        for folder in (self.path, *folders):
            sweep(folder)
            for found in folder.iterdir():
                if PART.fullmatch(found.name) and folder != self.path and found not in known:
                    found.unlink()
            sync_directory(folder)
        for entry in self._journal.entries:
            for name, stamp in entry.files.items():
                require_size(self.path / name, stamp)
        rejects = self.path / REJECTS
        if self._rejects_bytes and (not rejects.exists() or rejects.stat().st_size < self._rejects_bytes):
            raise CorpusError(f"{rejects} is shorter than the journal says; {self._start_over}")
        append_synced(rejects, self._rejects_bytes, b"")
        self._journal.trim()
        sync_directory(self.path)
