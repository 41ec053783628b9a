"""``saetext encode``: a file of texts into a corpus."""

from __future__ import annotations

import glob
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.encoding.request import EncodeRequest
from saetext.errors import InputError
from saetext_cli.common import (
    describe_corpus,
    describe_source,
    megabytes,
    note,
    place_shown,
    require_file_of_texts,
    result,
    waiting,
)
from saetext_cli.making import make_corpus
from saetext_cli.meters import duration, progress_bar
from saetext_cli.options import EngineChoice, ReaderChoice, Texts

if TYPE_CHECKING:
    from saetext.documents import DocumentSource
    from saetext.encoding.engines.protocol import Engine
    from saetext.encoding.estimate import Estimate
    from saetext.encoding.prepared import NamedReader


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("encode", epilog="Example: saetext encode answers.jsonl -o answers.corpus")(encode)


def encode(
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="JSONL, JSON, CSV, TSV, text, Parquet, Arrow, Excel, SQLite, DuckDB, a zip, a folder of "
            "them, a saved dataset, a URL (s3://, hf://datasets/...), or - for stdin. Several files are one "
            "corpus.",
        ),
    ],
    request: EncodeRequest,
    texts: Texts,
    choice: ReaderChoice,
    workers: EngineChoice,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The corpus directory, or a URL (s3://); default: the file's name + .corpus.",
        ),
    ] = None,
    reader_of: Annotated[
        Path | None,
        typer.Option(
            "--reader-of",
            metavar="CORPUS",
            help="Read exactly as this corpus was (--reader and --model then say where its parts are now).",
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            "--slice",
            metavar="I/N",
            help="Make one of N slices, 0/N to N-1/N, each on a machine of its own; auto: what SLURM or an "
            "indexed job says. Then: saetext finish.",
            rich_help_panel="Many machines",
        ),
    ] = None,
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Only record what slices have in common; a reader without thresholds needs it first.",
            rich_help_panel="Many machines",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print documents, tokens, time and disk space from a sample; write nothing."
        ),
    ] = False,
) -> None:
    """Read a file of texts into a corpus of named features. Interrupted, the same command resumes."""
    from saetext.documents import open_documents
    from saetext.documents.remote import is_remote
    from saetext.encoding.encoder import require_free
    from saetext.encoding.targets import default_output, source_stamp
    from saetext.io.urls import url_of

    _require_undecided(reader_of, request)
    _require_one_way(part, prepare, dry_run, workers)
    if (engine := workers.made()) is not None:
        engine.size()  # before anything is read
    if source == ["-"] and (prepare or part is not None):
        raise InputError("stdin can be read only once, and every slice reads it: write it to a file")
    one = source[0]
    if output is None and not dry_run:
        _require_named(source)
    for file in source:
        require_file_of_texts(file)
    target = output or default_output(one)
    if not dry_run:
        require_free(target)
    if (prepare or part is not None or engine is not None) and url_of(target) is None:
        from saetext.corpus.landing import require_sliceable

        require_sliceable(target)
    with waiting("fetching" if any(map(is_remote, source)) else "reading the beginning"):
        documents = open_documents(one if len(source) == 1 else list(map(Path, source)), **texts.given())
    told = describe_source(documents)
    reader: Any = _not_loaded(choice, target, engine, reader_of) or choice.load(like=reader_of)
    if dry_run:
        from saetext.encoding.estimate import estimate

        with waiting("reading a sample"):
            found = estimate(
                documents,
                reader,
                store_text=request.store_text,
                threshold=request.threshold,
                min_tokens=request.min_tokens,
            )
        _tell(found, request.shard_rows)
        return
    extra = source_stamp(Path(one)) if len(source) == 1 and Path(one).exists() else {}
    request = request.replace(reader=reader, extra=extra, engine=engine)
    if prepare or part is not None:
        _make_part(documents, target, request, part, told)
        return
    make_corpus(documents, target, request, told=told)


def _not_loaded(
    choice: ReaderChoice, target: Path, engine: Engine | None, like: Path | None
) -> NamedReader | None:
    """Return the reader unloaded where workers load it: what it is was recorded when the corpus was begun."""
    if engine is None or like is not None:
        return None
    from saetext.encoding.prepared import NamedReader, is_prepared

    if not is_prepared(target):
        return None
    return NamedReader(choice.reader, choice.model, choice.device, choice.dtype, choice.trust_pickle)


def _require_one_way(part: str | None, prepare: bool, dry_run: bool, workers: EngineChoice) -> None:
    """Refuse options that exclude each other, and a slice that there is not, before anything is opened."""
    if workers.engine is not None and (dry_run or prepare or part is not None):
        other = "--dry-run" if dry_run else "--prepare" if prepare else "--slice"
        raise typer.BadParameter(f"--engine encodes all of it with workers: leave out {other}")
    if part is not None and prepare:
        raise typer.BadParameter("--prepare comes before --slice, as a command of its own")
    if dry_run and (prepare or part is not None):
        raise typer.BadParameter("--dry-run is of all slices: leave out --slice and --prepare")
    if part is not None:
        from saetext.encoding.slices import slice_of

        slice_of(part)


def _make_part(
    documents: DocumentSource, target: Path, request: EncodeRequest, part: str | None, told: int
) -> None:
    """Prepare slices or make one of them; the last one to come to its end finishes the corpus."""
    from saetext.corpus.finishing import finish_slices
    from saetext.corpus.notices import reading_notes, warn_of_encoding
    from saetext.encoding.slices import encode_slice, prepare_slices

    reader: Any = request.reader
    for line in reading_notes(documents, reader, request.shard_rows):
        note(line)
    started = time.perf_counter()
    with progress_bar() as show:
        options = request.replace(on_progress=show).keywords()
        if part is None:
            found = prepare_slices(documents, target, **options)
        else:
            found = encode_slice(documents, target, part, **options)
    if part is None:
        shown = place_shown(target)
        note(f"{shown}: prepared; run it again with --slice 0/N to N-1/N, then 'saetext finish {shown}'")
        return
    note(f"{place_shown(target)}: {found.describe()}")
    if found.whole:
        with progress_bar() as show:
            corpus = finish_slices(target, on_progress=show)
        describe_corpus(corpus, documents, told=told, seconds=time.perf_counter() - started)
        warn_of_encoding(corpus)


def _require_named(source: list[str]) -> None:
    """Require --output where a corpus has no one file to be called after."""
    from saetext.encoding.targets import is_url

    if source == ["-"]:
        raise InputError("reading from stdin: name the corpus with --output")
    if len(source) == 1 and is_url(source[0]):  # its query is no pattern
        return
    if Path(source[0]).name in ("", ".."):
        raise InputError(f"{source[0]} has no name to call a corpus by: name it with --output")
    if len(source) > 1 or not Path(source[0]).exists():
        what = f"{len(source)} files" if len(source) > 1 else source[0]
        if len(source) > 1 or glob.has_magic(source[0]):
            raise InputError(f"{what} become one corpus: name it with --output")


def _require_undecided(reader_of: Path | None, request: EncodeRequest) -> None:
    """Refuse options about how to read beside a corpus that is read like."""
    decided = {"--threshold": request.threshold, "--min-tokens": request.min_tokens}
    given = [name for name, value in decided.items() if value is not None]
    if reader_of is not None and given:
        raise typer.BadParameter(f"--reader-of says how to read already; leave out {', '.join(given)}")


def _tell(found: Estimate, shard_rows: int) -> None:
    from saetext.corpus.notices import shard_note
    from saetext.documents.rejects import describe_rejects

    if found.rejects:
        note(f"{describe_rejects(found.rejects)} of the first {found.looked_at:,}")
    if shards := shard_note(found.documents, shard_rows):
        note(shards)
    # of a stream only its beginning is known
    about = "at least " if found.at_least else "" if found.exact else "about "
    result(
        f"{about}{found.documents:,} documents, about {found.tokens:,} tokens, "
        f"{duration(found.seconds)} at {found.tokens_per_second:,.0f} tokens/s, "
        f"about {megabytes(found.bytes)} on disk (from a sample of {found.sampled:,} documents)"
    )
