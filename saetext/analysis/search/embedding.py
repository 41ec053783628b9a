"""Sentence embeddings made by the workers of an engine: the driver that encodes hands out shards here too.

A worker embeds a shard as a slice does and keeps it under its checksum, so that slices, engines and a plain
build may take turns. Not for: the index that is made of them (:mod:`saetext.analysis.search.dense`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.analysis.search.dense import Place, embed_shard, places_of
from saetext.analysis.search.kept import embeddings_folder
from saetext.corpus.files import writing
from saetext.encoding.engines.driver import Driver, Piece
from saetext.encoding.engines.processes import visible_gpus
from saetext.encoding.engines.protocol import Engine
from saetext.errors import CorpusError, InputError, ReaderError
from saetext.io.files import make_directory
from saetext.io.progress import OnProgress, Stages
from saetext.reader import sentences as embed
from saetext.text.one_line import many

if TYPE_CHECKING:
    from saetext.corpus import Corpus


@dataclass(frozen=True)
class Shard:
    """What a worker is sent: how many rows; the texts are in the corpus that it sees."""

    rows: int


@dataclass(frozen=True)
class EmbedJob:
    """What every worker is told once.

    Attributes
    ----------
    home : Path
        The corpus, absolute; driver and workers see the same directory under it.
    fingerprint : str
        What tells whether they do.
    device : str
        Where the sentence model runs.
    cpus : int
        Threads of the worker.
    """

    home: Path
    fingerprint: str
    device: str
    cpus: int

    def worker(self) -> EmbedWorker:
        """Load the sentence model."""
        return EmbedWorker(self)


class EmbedWorker:
    """Loads the sentence model and embeds shards.

    Raises
    ------
    CorpusError
        If another corpus is seen here than by the driver.
    """

    def __init__(self, job: EmbedJob) -> None:
        from saetext.corpus import Corpus
        from saetext.reader.threads import use_threads

        use_threads(job.cpus)
        try:
            self._corpus = Corpus.open(job.home)
            same = self._corpus.manifest.fingerprint == job.fingerprint
        except CorpusError:
            same = False
        if not same:
            raise CorpusError(
                f"a worker does not see {job.home} as the driver does: index a corpus on a disk that all of "
                "them share"
            )
        self._places = {place.shard: place for place in places_of(self._corpus)}
        self._embedder = embed.Embedder.load(job.device)

    def ready(self) -> str:
        """Return which model it is."""
        return embed.MODEL_SHA256

    def land(self, number: int, piece: Shard) -> int:
        """Embed a shard and keep what comes of it; return its number."""
        place = self._places[number]
        place.kept.write(embed_shard(self._corpus, place, self._embedder))
        return number


class _Ground:
    """Where embeddings land: each shard's under its checksum."""

    def __init__(self, places: dict[int, Place]) -> None:
        self._places = places

    def welcome(self, spec: Any) -> None:
        if spec != embed.MODEL_SHA256:
            raise ReaderError("a worker has another sentence model than the driver: install one version")

    def seen(self, number: int) -> bool:
        return self._places[number].kept.path.exists()

    def landed(self, number: int) -> bool:
        return self._places[number].kept.check().state == "intact"

    def record(self, number: int) -> Place:
        if not self.landed(number):
            raise CorpusError(f"{self._places[number].kept.path} cannot be read back; run the command again")
        return self._places[number]


def embed_on(
    engine: Engine, corpus: Corpus, *, device: str = "auto", on_progress: OnProgress | None = None
) -> None:
    """Have workers embed every shard that is not embedded yet; run again after an interruption, it resumes.

    Parameters
    ----------
    engine : Engine
        Who embeds.
    corpus : Corpus
        A whole corpus that stores texts, on a disk that workers see under the same path.
    device : str
        Where the model of each worker runs.
    on_progress : callable, optional
        Called as documents are embedded.

    Raises
    ------
    InputError, CorpusError, ReaderError, WorkerError
        Whoever met the error; and if workers die again and again.
    """
    size = engine.size()
    _require_devices(engine, size, device)
    with writing(corpus.path):
        make_directory(embeddings_folder(corpus.path))
    places = {place.shard: place for place in places_of(corpus)}
    missing = [place for place in places.values() if place.kept.read(tell_of_damage=True) is None]
    if not missing:
        return
    tell, total = Stages(on_progress, "documents"), corpus.n_documents
    done = total - sum(place.kept.n for place in missing)

    def pieces() -> Iterator[Piece]:
        for place in missing:
            yield Piece(place.shard, Shard(place.kept.n), place.first)

    def landed(place: Place, piece: Shard) -> None:
        nonlocal done
        done += piece.rows
        tell("embedding documents", done, total)

    home, fingerprint = corpus.path.absolute(), corpus.manifest.fingerprint
    crew = engine.start(lambda cpus: EmbedJob(home, fingerprint, device, cpus))
    try:
        Driver(crew, size, _Ground(places)).run(
            pieces(),
            landed,
            lambda: tell("embedding documents", done, total),
            lambda workers: tell(f"starting {many(workers, 'worker')}"),
        )
    finally:
        crew.stop()


def _require_devices(engine: Engine, size: int, device: str) -> None:
    if engine.gpus and device == "cpu":
        raise InputError("a GPU for each worker, and the sentence model is to run on cpu: leave one out")
    if not engine.gpus and size > 1 and device != "cpu" and visible_gpus(os.environ):
        raise InputError(
            f"{size} workers would share one GPU: say how many each of them has (--gpus 1), or --device cpu"
        )
