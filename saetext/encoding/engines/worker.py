"""A worker: a loaded reader that reads shards and lands them; it keeps no books.

Not for: how shards get to it (:mod:`saetext.encoding.engines.processes`,
:mod:`saetext.encoding.engines.on_ray`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.corpus.landed import Slice
from saetext.corpus.landing import SliceWriter
from saetext.corpus.manifest import PLAN
from saetext.encoding.shards import Shard, read_shard
from saetext.errors import CorpusError
from saetext.io.files import checksum
from saetext.io.progress import Meter

if TYPE_CHECKING:
    from saetext.corpus.spec import ReaderSpec
    from saetext.reader.reader import Reader

#: What an engine makes is what one slice of one would: slices and engines may take turns.
WHOLE = Slice(0, 1)


@dataclass(frozen=True)
class Job:
    """What every worker that encodes is told once.

    Attributes
    ----------
    home : Path
        The corpus in the making, absolute; driver and workers see the same directory under it.
    plan : str
        What tells whether they do: a hash of ``plan.json``.
    opened : callable
        Loads the reader, with its thresholds; ReaderError if it is not the one of the plan.
    stores_text : bool
        Whether texts and prompts are kept.
    role : str
        Whose turns of a chat count.
    cpus : int
        Threads of the worker's model.
    """

    home: Path
    plan: str
    opened: Callable[[], Reader]
    stores_text: bool
    role: str
    cpus: int

    def worker(self) -> Worker:
        """Load the reader."""
        return Worker(self)


class Worker:
    """Loads a reader and lands shards.

    Raises
    ------
    ReaderError
        If there is another reader here than the plan's.
    CorpusError
        If the corpus in the making is not seen here.
    """

    def __init__(self, job: Job) -> None:
        from saetext.reader.threads import use_threads

        _require_same_place(job)
        use_threads(job.cpus)
        self._job = job
        self._reader = job.opened()
        self._writer = SliceWriter.joined(job.home, WHOLE, self._reader.spec, stores_text=job.stores_text)

    def ready(self) -> ReaderSpec:
        """Return what the reader is, and the versions and the device that it has here."""
        return self._reader.spec

    def land(self, number: int, shard: Shard) -> int:
        """Read a shard, write its files and its record; return its number."""
        job = self._job
        prepared = self._reader.tokens.prepare(shard.documents, job.role)
        made = read_shard(
            self._reader,
            shard,
            prepared,
            role=job.role,
            store_text=job.stores_text,
            meter=Meter("encoding", None),
        )
        self._writer.write_shard(number, **made)
        return number


def place_of(home: Path) -> str:
    """Return what tells one corpus in the making from another."""
    return str(checksum(home / PLAN).xxh3_128)


def _require_same_place(job: Job) -> None:
    try:
        same = place_of(job.home) == job.plan
    except OSError:
        same = False
    if not same:
        raise CorpusError(
            f"a worker does not see {job.home} as the driver does: choose a directory that all of them share"
        )
