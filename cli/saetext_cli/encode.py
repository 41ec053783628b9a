"""``saetext encode``: a file of texts into a corpus."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saetext.encoding.request import EncodeRequest
from saetext.errors import InputError
from saetext_cli.common import describe_source, megabytes, note, require_file_of_texts, result, waiting
from saetext_cli.making import make_corpus
from saetext_cli.meters import duration
from saetext_cli.options import ReaderChoice, Texts

if TYPE_CHECKING:
    from saetext.encoding.estimate import Estimate


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
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The corpus directory; default: the file's name + .corpus."),
    ] = None,
    reader_of: Annotated[
        Path | None,
        typer.Option(
            "--reader-of",
            metavar="CORPUS",
            help="Read exactly as this corpus was (--reader and --model then say where its parts are now).",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print documents, tokens, time and disk space from a sample; write nothing."
        ),
    ] = False,
) -> None:
    """Read a file of texts into a corpus of named features. Interrupted, the same command resumes."""
    from saetext.documents import open_documents
    from saetext.documents.remote import is_remote, shown_url
    from saetext.encoding.encoder import require_free
    from saetext.encoding.targets import default_output, source_stamp

    _require_undecided(reader_of, request)
    one = source[0]
    if output is None and not dry_run:
        _require_named(source)
    for file in source:
        require_file_of_texts(file)
        if len(source) > 1 and is_remote(file):
            raise InputError(f"{shown_url(file)}: give one place elsewhere at a time; append the others")
    target = output or default_output(one)
    if not dry_run:
        require_free(target)
    with waiting("fetching" if is_remote(one) else "reading the beginning"):
        documents = open_documents(one if len(source) == 1 else list(map(Path, source)), **texts.given())
    told = describe_source(documents)
    reader = choice.load(like=reader_of)
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
        _tell(found)
        return
    extra = source_stamp(Path(one)) if len(source) == 1 and Path(one).exists() else {}
    make_corpus(documents, target, request.replace(reader=reader, extra=extra), told=told)


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


def _tell(found: Estimate) -> None:
    from saetext.documents.rejects import describe_rejects

    if found.rejects:
        note(f"{describe_rejects(found.rejects)} of the first {found.looked_at:,}")
    # of a stream only its beginning is known
    about = "at least " if found.at_least else "" if found.exact else "about "
    result(
        f"{about}{found.documents:,} documents, about {found.tokens:,} tokens, "
        f"{duration(found.seconds)} at {found.tokens_per_second:,.0f} tokens/s, "
        f"about {megabytes(found.bytes)} on disk (from a sample of {found.sampled:,} documents)"
    )
