"""Documents x reader -> corpus: shards, resume, progress, rejects.

One shard is the unit of work: it is read, pooled, written and journalled before the next one counts. Not for:
reading files (:mod:`saetext.documents`), running the model (:mod:`saetext.reader`), the bytes on disk
(:mod:`saetext.corpus`).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus.journal import Journal, JournalEntry
from saetext.corpus.manifest import APPEND_PLAN, JOURNAL
from saetext.corpus.notices import warn_of_encoding
from saetext.documents import Document, DocumentSource, Reject
from saetext.documents.convert import IdSet
from saetext.documents.rejects import nothing_readable
from saetext.encoding.beginning import Undo, as_reader, as_source, plan_of
from saetext.encoding.beginning import require_free as require_free  # for the command line
from saetext.encoding.request import AppendRequest, EncodeRequest
from saetext.encoding.shards import ahead, cut, read_shard
from saetext.encoding.targets import (
    beside,
    default_output,
    is_url,
    kept_by_content,
    path_of,
    source_stamp,
)
from saetext.errors import CorpusError, InputError
from saetext.io.progress import Meter, OnProgress
from saetext.io.request import verb_of_one_or_two, verb_of_two
from saetext.io.urls import url_of
from saetext.reader.thresholds.policy import ready

if TYPE_CHECKING:
    from saetext.reader.reader import Reader


@verb_of_one_or_two(EncodeRequest)
def encode(source: Any, output: str | Path | None, request: EncodeRequest) -> Corpus:
    """Read documents and write a corpus; run again after an interruption, it resumes.

    Parameters
    ----------
    source : path, "-", file object, texts in memory or DocumentSource
        What :func:`saetext.documents.open_documents` takes: a list of texts, a frame, a series, ...
    output : path or URL, optional
        The corpus directory, or ``s3://BUCKET/NAME.corpus``, ``gs://``, ``abfs://``: then each shard is put
        there, and nothing stays here. It must not hold a finished corpus. By default the corpus of a file
        lies next to it, ``answers.jsonl.corpus``, and that of a URL in the working directory; that of texts
        in memory is kept in saetext's cache (``SAETEXT_CACHE``) by what is in it, and opened when the same
        texts are encoded in the same way again. It may be deleted at any time.

    Raises
    ------
    InputError, ReaderError, CorpusError
        For what the input, the reader or the output directory is to blame for. Nothing is left behind unless
        a shard was finished; then the same call goes on after it.

    Warns
    -----
    SaetextWarning
        Of rejected rows, of much text with unknown tokens or in another language, and of thresholds
        made from little text.

    Examples
    --------
    >>> import saetext
    >>> texts = [{"text": "Sorry to hear that!"}, {"text": "Restart it."}]
    >>> saetext.encode(texts, "notes.corpus").n_documents
    2
    """
    extra = request.extra
    if output is None and is_url(source):
        output = default_output(source)
    if output is None and (file := path_of(source)) is not None:
        output, extra = beside(file), {**source_stamp(file), **(extra or {})}
    if output is None:
        source = as_source(source, **request.columns())
        request, output = _kept(source, request)
        if (output / "manifest.json").exists():
            return Corpus.open(output)
        require_free(output)
    else:
        output = Path(output)
        require_free(output)  # before the input is opened
        source = as_source(source, **request.columns())
    if request.engine is not None:
        from saetext.encoding.engines.running import encode_on

        corpus = encode_on(request.engine, source, output, request.replace(extra=extra))
        warn_of_encoding(corpus)
        return corpus
    if url_of(output) is not None:
        from saetext.encoding.slices import encode_there

        corpus = encode_there(source, output, request.replace(extra=extra))
        warn_of_encoding(corpus)
        return corpus
    plan = plan_of(source, request.shard_rows)
    reader = ready(
        as_reader(request.reader),
        source,
        threshold=request.threshold,
        min_tokens=request.min_tokens,
        on_progress=request.on_progress,
    )
    undo = Undo(output)
    with CorpusWriter.open(
        output, plan=plan, spec=reader.spec, calibrations=reader.calibrations, stores_text=request.store_text
    ) as writer:
        run = _Run(writer, source, reader, request.shard_rows, request.store_text)
        try:
            run.shards(request.on_progress)
            run.require_documents()
        except BaseException:
            if (done := _journalled(output)) is not None and not any(entry.rows for entry in done):
                undo()
            raise
        corpus = run.finish(extra)
    warn_of_encoding(corpus)
    return corpus


def _kept(source: DocumentSource, request: EncodeRequest) -> tuple[EncodeRequest, Path]:
    """Return the request with its reader identified, and where the corpus of texts in memory is kept."""
    settings = {  # these names are part of where earlier corpora lie
        "floor": request.threshold,
        "min_tokens": request.min_tokens,
        "store_text": request.store_text,
    }
    reader, which = _identified(request.reader)
    return request.replace(reader=reader), kept_by_content(source, {**settings, "reader": which})


@verb_of_two(AppendRequest)
def append(source: Any, corpus: str | Path, request: AppendRequest) -> Corpus:
    """Add documents to a finished corpus, read exactly as it was.

    Until it is done the corpus stays what it was. Ids must also differ from the corpus's; those made from row
    numbers go on where the corpus ends.

    Parameters
    ----------
    source : path, "-", file object, texts in memory or DocumentSource
        What :func:`saetext.documents.open_documents` takes.
    corpus : path
        The finished corpus.

    Examples
    --------
    >>> import saetext
    >>> log = saetext.encode([{"text": "Sorry to hear that!"}], "log.corpus")
    >>> saetext.append([{"text": "Restart it."}], "log.corpus").n_documents
    2
    """
    from saetext.reader.reader import Reader as ReaderClass

    path = Path(corpus)
    opened = Corpus.open(path)
    if opened.elsewhere is not None:
        raise CorpusError(
            f"{opened.elsewhere} is elsewhere: copy it with 'saetext pull URL DIR', append, and push it again"
        )
    source = as_source(source, **request.columns())
    plan = plan_of(source, request.shard_rows)
    calibrations = {name: opened.calibration(name) for name in opened.saes}
    if request.reader is None:
        reader = ReaderClass.from_spec(opened.spec, calibrations)
    else:
        reader = as_reader(request.reader).with_calibrations(calibrations)
    taken = _Taken(opened)
    with CorpusWriter.append(path, plan=plan, spec=reader.spec, calibrations=reader.calibrations) as writer:
        run = _Run(writer, source, reader, request.shard_rows, opened.stores_text, taken)
        try:
            run.shards(request.on_progress)
        except BaseException:
            if (done := _journalled(path)) is not None and len(done) == len(opened.manifest.shards):
                with contextlib.suppress(OSError):
                    (path / APPEND_PLAN).unlink(missing_ok=True)  # nothing to resume
            raise
        grown = run.finish({})
    warn_of_encoding(grown)
    return grown


def _identified(reader: Reader | str | Sequence[str] | None) -> tuple[Reader | None, Any]:
    """Return a reader, and what tells its corpora from others'; the embedded one need not be loaded."""
    if reader is None or reader in ("embedded", ["embedded"], ("embedded",)):
        from saetext.reader import embedded
        from saetext.reader.shipped import EMBEDDED

        return None, [EMBEDDED.name, embedded.WEIGHTS_SHA256, EMBEDDED.load_calibration().sha256]
    loaded = as_reader(reader)
    return loaded, loaded.spec.identity()


def _journalled(path: Path) -> list[JournalEntry] | None:
    """Return the shards that are on disk: an interrupt may come before the writer has taken note of one.

    None if that cannot be told; then nothing is taken back.
    """
    try:
        return Journal.read(path / JOURNAL, "delete it").entries
    except CorpusError:
        return None


class _Taken:
    """The ids a corpus has, so that appended documents get others."""

    def __init__(self, corpus: Corpus) -> None:
        self._ids = IdSet()
        self._next = 0
        for chunk in corpus.ids.chunks:
            for id in chunk.to_pylist():
                self._ids.add(id)
                if id.isdecimal() and len(id) < 19:
                    self._next = max(self._next, int(id) + 1)

    def unique(self, document: Document, named: bool) -> Document | Reject:
        """Return the document if its id is new; an id made from a row number is moved on to a free one."""
        if not named:
            document = dataclasses.replace(document, id=str(self._next + document.position))
        if self._ids.add(document.id):
            return document
        detail = f"id {document.id!r} is already in the corpus"
        return Reject(document.position, document.where, "duplicate id", detail)


class _Run:
    """One pass of a reader over a source into a writer."""

    def __init__(
        self,
        writer: CorpusWriter,
        source: DocumentSource,
        reader: Reader,
        shard_rows: int,
        store_text: bool,
        taken: _Taken | None = None,
    ) -> None:
        self.writer = writer
        self.source = source
        self.reader = reader
        self.shard_rows = shard_rows
        self.store_text = store_text
        self.taken = taken

    def shards(self, on_progress: OnProgress | None) -> None:
        """Write every shard that is not finished yet, checking that the input of the others is the same."""
        finished = list(self.writer.finished)
        meter = Meter("encoding", on_progress)
        seen = 0
        shards = cut(self.source, self.shard_rows, self.taken)
        role = self.source.role
        with closing(ahead(shards, self.reader, role, lambda i: i >= len(finished))) as loaded:
            for shard, prepared in loaded:
                seen += 1
                if seen > len(finished):
                    read = read_shard(
                        self.reader, shard, prepared, role=role, store_text=self.store_text, meter=meter
                    )
                    self.writer.write_shard(**read)
                    meter.end(len(read["docs"]), len(read["rejects"]))
                    continue
                entry = finished[seen - 1]
                if entry.input_hash != shard.digest:
                    raise self._changed(f"rows up to {shard.rows * seen:,} differ")
                meter.skip(entry.rows, shard.rows - entry.rows, shard.share)
        if seen < len(finished):
            raise self._changed("it has become shorter")

    def require_documents(self) -> None:
        """Raise :class:`InputError` unless there is at least one document."""
        counts: Counter[str] = Counter()
        for entry in self.writer.finished:
            if entry.rows:
                return
            counts.update(entry.rejects)
        raise nothing_readable(self.source.name, counts)

    def finish(self, extra: Mapping[str, Any] | None) -> Corpus:
        """Complete the corpus."""
        about = {"source": self.source.name, "columns": self.source.columns.describe()}
        return self.writer.finish(extra={**about, **(extra or {})})

    def _changed(self, how: str) -> InputError:
        return InputError(
            f"{self.source.name} has changed since {self.writer.path} was started ({how}): "
            "restore it, or encode into another directory"
        )
