"""Encode a slice of the shards: one corpus, made by processes or machines that know nothing of each other.

Every slice reads the whole input, which is cheap, and runs the model on its own shards. Not for: what lands
where (:mod:`saetext.corpus.landing`), or the books once all is there (:mod:`saetext.corpus.finishing`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.corpus.finishing import SLICES, Status, finish_there, status
from saetext.corpus.landed import Slice, input_digest
from saetext.corpus.landing import Finished, SliceWriter, differs, prepare, require_sliceable
from saetext.corpus.outbox import in_place
from saetext.documents import DocumentSource
from saetext.encoding.beginning import as_reader, as_source, require_free
from saetext.encoding.prepared import common_of, prepared_reader
from saetext.encoding.request import EncodeRequest
from saetext.encoding.shards import ahead, cut, read_shard
from saetext.errors import InputError, refuse_unused
from saetext.io.progress import Meter
from saetext.io.request import verb_of_two
from saetext.io.urls import url_of
from saetext.reader.thresholds.policy import ready, with_known_thresholds

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.reader.reader import Reader


@verb_of_two(EncodeRequest)
def prepare_slices(source: Any, output: str | Path, request: EncodeRequest) -> Status:
    """Record what the slices of a corpus have in common: the plan, and the thresholds of its reader.

    Only a reader that has no thresholds yet needs it: they are made from the input, once for all slices.

    Parameters
    ----------
    source : path or DocumentSource
        What :func:`saetext.documents.open_documents` takes, if it can be read again.
    output : path or URL
        The corpus's directory, or its place in an object store.

    Examples
    --------
    >>> import saetext
    >>> notes = [{"text": "Sorry to hear that!"}, {"text": "Restart it."}]
    >>> saetext.prepare_slices(notes, "sliced.corpus", shard_rows=1).landed
    ()
    """
    output = Path(output)
    refuse_unused("nothing is encoded before slices are", engine=request.engine)
    documents = _opened(source, output, request)
    with in_place(output) as (home, box):
        reader = _ready(home, documents, request)
        prepare(home, common_of(documents, reader, request), box)
    return status(output)


def encode_slice(source: Any, output: str | Path, part: str | Slice, **options: Any) -> Status:
    """Read documents and write one slice of a corpus; run again after an interruption, it resumes.

    Parameters
    ----------
    source : path or DocumentSource
        What :func:`saetext.documents.open_documents` takes, if it can be read again; the same for all slices.
    output : path or URL
        The corpus's directory, the same for all slices; or its place in an object store, for machines that
        share no disk: each shard is put there, read back, and followed by its record.
    part : str or Slice
        ``0/8`` for the first of eight, ``7/8`` for the last, or ``auto`` for what the scheduler says
        (:func:`scheduled_slice`).
    **options
        Those of :func:`saetext.encode`.

    Returns
    -------
    Status
        How far all slices are; once nothing is missing, :func:`saetext.finish_slices` makes the corpus.

    Raises
    ------
    InputError, ReaderError, CorpusError
        For what the input, the reader or the output directory is to blame for; what has landed stays.

    Examples
    --------
    >>> import saetext
    >>> notes = [{"text": "Sorry to hear that!"}, {"text": "Restart it."}, {"text": "Wait a day."}]
    >>> saetext.encode_slice(notes, "parts.corpus", "0/2", shard_rows=1).missing
    (1,)
    >>> saetext.encode_slice(notes, "parts.corpus", "1/2", shard_rows=1).whole
    True
    >>> saetext.finish_slices("parts.corpus").n_documents
    3
    """
    request = EncodeRequest(**options)
    refuse_unused("a slice is encoded by the process that is asked for it", engine=request.engine)
    output = Path(output)
    part = part if isinstance(part, Slice) else slice_of(part)
    documents = _opened(source, output, request)
    with in_place(output) as (home, box):
        reader = prepared_reader(home, request) or with_known_thresholds(
            as_reader(request.reader), request.threshold, request.min_tokens
        )
        if reader is None:
            raise InputError(
                "the reader has no thresholds yet, and each slice would make its own: run the command with "
                "--prepare instead of --slice first"
            )
        with (
            SliceWriter.begin(home, part, common_of(documents, reader, request), box) as writer,
            contextlib.suppress(Finished),  # all had landed, and another slice was at its end first
        ):
            _land(writer, documents, reader, request)
    return status(output)


def encode_there(source: DocumentSource, output: Path, request: EncodeRequest) -> Corpus:
    """Encode all of a corpus that is made in an object store: one slice of one, then the books.

    Parameters
    ----------
    source : DocumentSource
        Read once; of a stream the reader needs its thresholds already.
    output : Path
        A URL, see :func:`saetext.io.urls.url_of`.

    Raises
    ------
    InputError, ReaderError, CorpusError
        As :func:`saetext.encode`. What has landed stays there, and the same call goes on.
    """
    from saetext.corpus import Corpus

    with in_place(output) as (home, box):
        assert box is not None
        try:
            reader = _ready(home, source, request)
            common = common_of(source, reader, request)
            with SliceWriter.begin(home, Slice(0, 1), common, box) as writer, contextlib.suppress(Finished):
                _land(writer, source, reader, request)
            finish_there(box, on_progress=request.on_progress)
        except BaseException:
            if not box.has_documents():
                box.undo()
            raise
        return Corpus.open(box.store.url)


def slice_of(told: str) -> Slice:
    """Read ``3/8``, or ``auto`` for what the scheduler says; InputError for what is no slice."""
    return scheduled_slice(os.environ) if told.strip() == "auto" else Slice.parse(told)


def scheduled_slice(environment: Mapping[str, str]) -> Slice:
    """Return the slice that a scheduler gives this process.

    Parameters
    ----------
    environment : mapping
        A SLURM array has ``SLURM_ARRAY_TASK_ID``, ``_MIN``, ``_COUNT`` and ``_STEP``; an indexed job of
        Kubernetes has ``JOB_COMPLETION_INDEX``. ``SAETEXT_SLICES`` says into how many slices the work is cut
        where that is not the size of the array: the index is then the slice's number, from 0.

    Raises
    ------
    InputError
        If there is neither.
    """

    def number(name: str, default: int | None = None) -> int:
        told = environment.get(name, "" if default is None else str(default))
        if not told.isdecimal() or len(told) > 9:
            raise InputError(f"--slice auto: {name} is {told[:20]!r}, not a number")
        return int(told)

    if "SLURM_ARRAY_TASK_ID" in environment:
        if environment.get(SLICES):  # an array of some of the slices, those that are missing
            return Slice(number("SLURM_ARRAY_TASK_ID"), number(SLICES))
        first, step = number("SLURM_ARRAY_TASK_MIN", 0), max(1, number("SLURM_ARRAY_TASK_STEP", 1))
        return Slice((number("SLURM_ARRAY_TASK_ID") - first) // step, number("SLURM_ARRAY_TASK_COUNT"))
    if "JOB_COMPLETION_INDEX" in environment:
        return Slice(number("JOB_COMPLETION_INDEX"), number(SLICES))
    raise InputError(
        "--slice auto needs a SLURM array (SLURM_ARRAY_TASK_ID) or an indexed job (JOB_COMPLETION_INDEX, and "
        f"{SLICES} for how many): write --slice 0/8"
    )


def _ready(home: Path, documents: DocumentSource, request: EncodeRequest) -> Reader:
    """Return the reader with thresholds: those that were recorded, its own, or made from the documents."""
    return prepared_reader(home, request) or ready(
        as_reader(request.reader),
        documents,
        threshold=request.threshold,
        min_tokens=request.min_tokens,
        on_progress=request.on_progress,
    )


def _opened(source: Any, output: Path, request: EncodeRequest) -> DocumentSource:
    require_free(output)
    if url_of(output) is None:
        require_sliceable(output)
    documents = as_source(source, **request.columns())
    if not documents.restartable:
        raise InputError(
            f"{documents.name} can be read only once, and every slice reads it: write it to a file"
        )
    return documents


def _land(writer: SliceWriter, source: DocumentSource, reader: Reader, request: EncodeRequest) -> None:
    """Land the shards of a slice that have not landed yet, then say how many there are of all."""
    meter = Meter(f"encoding slice {writer.slice}", request.on_progress)
    before = {}
    hashes: list[str] = []
    differing: list[int] = []

    def wanted(shard: int) -> bool:
        if not writer.slice.has(shard):
            return False
        before[shard] = writer.landed(shard)
        return before[shard] is None

    shards = cut(source, request.shard_rows)
    with closing(ahead(shards, reader, source.role, wanted)) as loaded:
        for number, (shard, prepared) in enumerate(loaded):
            hashes.append(shard.digest)
            if not writer.slice.has(number):
                continue
            entry = before.pop(number)
            if entry is not None and entry.input_hash == shard.digest:
                meter.skip(entry.rows, shard.rows - entry.rows, shard.share)
            elif entry is not None:
                differing.append(number)
            elif not differing:  # what is made of another input is not wanted
                made = read_shard(
                    reader, shard, prepared, role=source.role, store_text=request.store_text, meter=meter
                )
                writer.write_shard(number, **made)
                meter.end(len(made["docs"]), len(made["rejects"]))
    if differing:
        raise differs(source.name, writer.path, differing)
    writer.end(len(hashes), input_digest(hashes))
