"""A worker: a loaded reader that reads shards and lands them; it keeps no books.

Not for: how shards get to it (:mod:`saetext.encoding.engines.processes`,
:mod:`saetext.encoding.engines.on_ray`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saetext.corpus.landed import Slice
from saetext.corpus.landing import SliceWriter
from saetext.corpus.manifest import PLAN
from saetext.encoding.engines.protocol import Job
from saetext.encoding.shards import Shard, read_shard
from saetext.errors import CorpusError
from saetext.io.files import checksum
from saetext.io.progress import Meter

if TYPE_CHECKING:
    from saetext.corpus.spec import ReaderSpec

#: What an engine makes is what one slice of one would: slices and engines may take turns.
WHOLE = Slice(0, 1)


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
