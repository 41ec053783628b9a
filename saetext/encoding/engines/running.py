"""Encode with an engine: what was landed stays, workers land the rest, then the books are kept.

Everything is as of slices: the plan, the records, resuming, finishing; so both may take turns at one corpus.
Not for: who does what (:mod:`saetext.encoding.engines.driver`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.corpus import Corpus
from saetext.corpus.finishing import finish_slices, finish_there
from saetext.corpus.landed import Landed, input_digest, landed_numbers, record_path
from saetext.corpus.landing import Common, Finished, SliceWriter, differs, prepare, require_sliceable
from saetext.corpus.outbox import in_place
from saetext.corpus.spec import differing_fields
from saetext.corpus.starting import LANDED, LOCK
from saetext.documents import DocumentSource
from saetext.encoding.beginning import Undo, as_reader
from saetext.encoding.engines.driver import Driver, Piece
from saetext.encoding.engines.protocol import Engine
from saetext.encoding.engines.worker import WHOLE, Job, place_of
from saetext.encoding.prepared import NamedReader, common_of, common_with, prepared_reader, unloaded_reader
from saetext.encoding.request import EncodeRequest
from saetext.encoding.shards import Shard, cut
from saetext.errors import CorpusError, InputError, ReaderError
from saetext.io.progress import Meter, Stages
from saetext.reader.thresholds.policy import ready
from saetext.text.one_line import many

if TYPE_CHECKING:
    from saetext.corpus.spec import ReaderSpec
    from saetext.reader.reader import Reader


def encode_on(engine: Engine, source: DocumentSource, output: Path, request: EncodeRequest) -> Corpus:
    """Encode documents with the workers of an engine; run again after an interruption, it resumes.

    Parameters
    ----------
    engine : Engine
        Who encodes.
    source : DocumentSource
        Read once, here; of a stream the reader needs its thresholds already.
    output : Path
        The corpus, which driver and workers see under this path. Of a URL, workers write into a folder of
        this machine, and the driver puts there what they have landed.
    request : EncodeRequest
        Its reader may be a :class:`saetext.encoding.prepared.NamedReader`: where the corpus was prepared, no
        model is loaded here then.

    Raises
    ------
    InputError, ReaderError, CorpusError, WorkerError
        As :func:`saetext.encode`, whoever met the error; and if workers die again and again.
    """
    size = engine.size()  # before anything is loaded
    with in_place(output) as (home, box):
        if box is None:
            require_sliceable(home)
        undo = Undo(home) if box is None else box.undo
        common, opened = _begun(source, home, request)
        _require_devices(engine, size, common)
        books = _Books(source, request)
        try:
            with SliceWriter.begin(home, WHOLE, common, box) as writer, contextlib.suppress(Finished):
                try:
                    _land(engine, size, writer, common, opened, books)
                    writer.end(len(books.hashes), input_digest(books.hashes))
                except BaseException:
                    if not (_any_documents(home) if box is None else box.has_documents()):
                        undo()
                    raise
            if box is None:
                return finish_slices(home, on_progress=request.on_progress)
            finish_there(box, on_progress=request.on_progress)
            return Corpus.open(box.store.url)
        except InputError:
            if books.ended and not books.documents:  # nothing readable: as if it had not been tried
                undo()
            raise


def _require_devices(engine: Engine, size: int, common: Common) -> None:
    if engine.gpus and common.spec.numerics.device == "cpu":
        raise InputError(
            "a GPU for each worker, and the reader runs on cpu here: where workers have GPUs and the driver "
            "has none, run the command with --prepare on a machine with a GPU first"
        )
    if common.spec.numerics.device != "cpu" and not engine.gpus and size > 1:
        raise InputError(
            f"{size} workers would share one GPU: say how many each of them has (--gpus 1), or --device cpu"
        )


class _Landing:
    """Where shards land: in a corpus in the making, with a record each."""

    def __init__(self, writer: SliceWriter, common: Common) -> None:
        self._writer, self._common = writer, common

    def welcome(self, spec: ReaderSpec) -> None:
        if fields := differing_fields(spec, self._common.spec):
            raise ReaderError(
                f"a worker has another reader than the driver; it differs in: {', '.join(fields)}"
            )
        if spec != self._common.spec:  # other versions go into the plan, another device does not
            prepare(self._writer.path, dataclasses.replace(self._common, spec=spec))

    def seen(self, number: int) -> bool:
        return record_path(self._writer.path, number).exists()

    def landed(self, number: int) -> bool:
        return self._writer.landed(number) is not None

    def record(self, number: int) -> Landed:
        return Landed.read(self._writer.path, number)


class _Books:
    """What the driver knows of the input, and where the run stands."""

    def __init__(self, source: DocumentSource, request: EncodeRequest) -> None:
        self.source = source
        self.shard_rows = request.shard_rows
        self.meter = Meter("encoding", request.on_progress)
        self._stages = Stages(request.on_progress)
        self.hashes: list[str] = []
        self.documents = 0
        self.ended = False
        self._share = 0.0  # of the input whose shards have landed
        self._read = 0.0  # of the input that is cut
        self._own: dict[str, float] = {}

    def pieces(self, writer: SliceWriter) -> Iterator[Piece]:
        """Yield the shards that have not landed; InputError at the end if others came from another input."""
        differing: list[int] = []
        before = 0
        for number, shard in enumerate(cut(self.source, self.shard_rows)):
            self.hashes.append(shard.digest)
            share, self._read = (shard.share or 0.0) - self._read, shard.share or 0.0
            entry = writer.landed(number)
            if entry is not None and entry.input_hash == shard.digest:
                self.documents += entry.rows
                self._share += share
                self.meter.skip(entry.rows, shard.rows - entry.rows, self._known(shard))
            elif entry is not None:
                differing.append(number)
            elif not differing:
                self._own[shard.digest] = share
                yield Piece(number, shard, before)
            before += shard.rows
        if differing:
            raise differs(self.source.name, writer.path, differing)
        self.ended = True

    def landed(self, landed: Landed, shard: Shard) -> None:
        """Take note of a shard that a worker has landed."""
        entry = landed.entry
        self.documents += entry.rows
        self._share += self._own.pop(shard.digest, 0.0)
        self.meter.begin(self._known(shard), entry.tokens)
        self.meter.add(entry.tokens)
        self.meter.end(entry.rows, sum(entry.rejects.values()))

    def starting(self, workers: int) -> None:
        """Tell that nothing is encoded yet, since workers are on their way."""
        self._stages(f"starting {many(workers, 'worker')}")

    def _known(self, shard: Shard) -> float | None:
        return None if shard.share is None else min(1.0, self._share)


def _begun(
    source: DocumentSource, output: Path, request: EncodeRequest
) -> tuple[Common, Callable[[], Reader]]:
    """Return what workers have in common, recorded or made now, and what loads their reader."""
    asked: Any = request.reader
    if not hasattr(asked, "saes"):
        named = asked if isinstance(asked, NamedReader) else NamedReader(_names(asked))
        if (known := unloaded_reader(output, request, named)) is not None:
            spec, calibrations, opened = known
            return common_with(source, spec, calibrations, request), opened
        asked = named.load()
    reader = as_reader(asked)
    prepared = prepared_reader(output, request.replace(reader=reader)) or ready(
        reader,
        source,
        threshold=request.threshold,
        min_tokens=request.min_tokens,
        on_progress=request.on_progress,
    )
    load, arguments = prepared.__reduce__()
    return common_of(source, prepared, request), functools.partial(load, *arguments)


def _names(asked: Any) -> tuple[str, ...]:
    return () if asked is None else (asked,) if isinstance(asked, str) else tuple(map(str, asked))


def _land(
    engine: Engine,
    size: int,
    writer: SliceWriter,
    common: Common,
    opened: Callable[[], Reader],
    books: _Books,
) -> None:
    home = writer.path.absolute()
    plan = place_of(home)

    def job(cpus: int) -> Job:
        return Job(home, plan, opened, common.stores_text, books.source.role, cpus)

    def landed(record: Landed, shard: Shard) -> None:
        writer.send(record)
        books.landed(record, shard)

    crew = engine.start(job)
    try:
        driver = Driver(crew, size, _Landing(writer, common))
        driver.run(books.pieces(writer), landed, books.meter.tick, books.starting)
    finally:
        crew.stop()
        writer.tidy()


def _any_documents(output: Path) -> bool:
    """Return whether a shard with a document has landed, or slices run too; True if that cannot be told."""
    if (output / "manifest.json").exists():  # another has finished it
        return True
    slices = {path.name for path in (output / LANDED).glob(f"{LOCK}-[0-9]*-of-*")}
    if slices - {f"{LOCK}-{WHOLE.index}-of-{WHOLE.of}"}:
        return True
    try:
        return any(Landed.read(output, number).entry.rows for number in landed_numbers(output))
    except CorpusError:
        return True
