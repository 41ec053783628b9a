"""``saetext encode``, ``append``, ``calibrate``, ``export``, ``upgrade``: make, grow and convert a corpus."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saetext.errors import InputError
from saetext_cli.common import (
    Device,
    Dtype,
    Format,
    IdColumn,
    MessagesColumn,
    ModelName,
    PromptColumn,
    ReaderNames,
    Role,
    TapName,
    TextColumn,
    TrustPickle,
    describe_corpus,
    describe_source,
    load_reader,
    megabytes,
    note,
    require_file_of_texts,
    result,
    waiting,
)
from saetext_cli.making import make_corpus
from saetext_cli.meters import duration, progress_bar

if TYPE_CHECKING:
    from saetext.encoding.estimate import Estimate

ShardRows = Annotated[
    int, typer.Option("--shard-rows", help="Input rows per shard, the unit of resuming.", min=1)
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("encode", epilog="Example: saetext encode answers.jsonl -o answers.corpus")(encode)
    app.command("append", epilog="Example: saetext append answers.corpus more.jsonl")(append)
    app.command("calibrate", epilog="Example: saetext calibrate sae_dir/ texts.jsonl --model gpt2")(calibrate)
    app.command("export", epilog="Example: saetext export answers.corpus -o matrix.npz --pooling binary")(
        export
    )
    app.command("upgrade", epilog="Example: saetext upgrade answers.corpus")(upgrade)


def encode(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="JSONL, JSON, CSV, TSV, Parquet, Arrow, a saved dataset, or - for stdin."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The corpus directory; default: the file's name + .corpus."),
    ] = None,
    reader: ReaderNames = None,
    model: ModelName = None,
    reader_of: Annotated[
        Path | None,
        typer.Option(
            "--reader-of",
            metavar="CORPUS",
            help="Read exactly as this corpus was (--reader and --model then say where its parts are now).",
        ),
    ] = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    prompt_column: PromptColumn = None,
    messages_column: MessagesColumn = None,
    role: Role = "assistant",
    format: Format = None,
    no_text: Annotated[
        bool, typer.Option("--no-text", help="Keep texts and prompts out of the corpus.")
    ] = False,
    floor: Annotated[
        float | None,
        typer.Option(
            help="Percentile of activations a feature must exceed to be present (default 75; 0 keeps all)."
        ),
    ] = None,
    min_tokens: Annotated[
        int | None,
        typer.Option(help="Tokens above the floor that make a feature present (default 1).", min=1),
    ] = None,
    shard_rows: ShardRows = 1024,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print documents, tokens, time and disk space from a sample; write nothing."
        ),
    ] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    trust_pickle: TrustPickle = False,
) -> None:
    """Read a file of texts into a corpus of named features. Interrupted, the same command resumes."""
    from saetext.documents import open_documents
    from saetext.encoding.encoder import require_free
    from saetext.encoding.estimate import estimate
    from saetext.encoding.opening import source_stamp

    if reader_of is not None:
        decided = {"--floor": floor, "--min-tokens": min_tokens}
        if given := [name for name, value in decided.items() if value is not None]:
            raise typer.BadParameter(f"--reader-of says how to read already; leave out {', '.join(given)}")
    if source == "-" and output is None and not dry_run:
        raise InputError("reading from stdin: name the corpus with --output")
    require_file_of_texts(source)
    target = output or Path(source.rstrip("/") + ".corpus")
    if not dry_run:
        require_free(target)
    documents = open_documents(
        source,
        format=format,
        text=text_column,
        id=id_column,
        prompt=prompt_column,
        messages=messages_column,
        role=role,
    )
    told = describe_source(documents)
    loaded = load_reader(reader, model, device=device, dtype=dtype, trust_pickle=trust_pickle, like=reader_of)
    if dry_run:
        with waiting("reading a sample"):
            found = estimate(documents, loaded, store_text=not no_text, floor=floor, min_tokens=min_tokens)
        _tell(found)
        return
    make_corpus(
        documents,
        target,
        loaded,
        told=told,
        floor=floor,
        min_tokens=min_tokens,
        store_text=not no_text,
        shard_rows=shard_rows,
        extra={} if source == "-" else source_stamp(Path(source)),
    )


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


def append(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A finished corpus.")],
    source: Annotated[str, typer.Argument(metavar="FILE", help="What to add, as for encode.")],
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    prompt_column: PromptColumn = None,
    messages_column: MessagesColumn = None,
    role: Role = "assistant",
    format: Format = None,
    shard_rows: ShardRows = 1024,
    reader: ReaderNames = None,
    model: ModelName = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    trust_pickle: TrustPickle = False,
) -> None:
    """Add documents to a corpus, read exactly as it was. Interrupted, the same command resumes."""
    from saetext.corpus import Corpus
    from saetext.corpus.notices import reading_notes
    from saetext.documents import open_documents
    from saetext.encoding.encoder import append as run

    before = len(Corpus.open(corpus))
    require_file_of_texts(source)
    documents = open_documents(
        source,
        format=format,
        text=text_column,
        id=id_column,
        prompt=prompt_column,
        messages=messages_column,
        role=role,
    )
    told = describe_source(documents)
    loaded = load_reader(reader, model, device=device, dtype=dtype, trust_pickle=trust_pickle, like=corpus)
    for line in reading_notes(documents, loaded):
        note(line)
    started = time.perf_counter()
    with progress_bar() as show:
        grown = run(documents, corpus, reader=loaded, shard_rows=shard_rows, on_progress=show)
    describe_corpus(grown, documents, told=told, seconds=time.perf_counter() - started, before=before)


def calibrate(
    reader: Annotated[str, typer.Argument(metavar="READER", help="RELEASE/SAE_ID, or an SAE directory.")],
    texts: Annotated[str, typer.Argument(metavar="FILE", help="Reference text, as for encode.")],
    model: ModelName = None,
    percentile: Annotated[float, typer.Option(help="Percentile of non-zero token activations.")] = 75.0,
    max_tokens: Annotated[int, typer.Option(help="Reference tokens to read.", min=1000)] = 200_000,
    text_column: TextColumn = None,
    prompt_column: PromptColumn = None,
    messages_column: MessagesColumn = None,
    role: Role = "assistant",
    format: Format = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    trust_pickle: TrustPickle = False,
) -> None:
    """Set one floor per feature from reference text; kept in your cache and used by later encodings."""
    from saetext.documents import open_documents
    from saetext.reader.thresholds.estimation import cache_cards
    from saetext.reader.thresholds.estimation import calibrate as make
    from saetext.reader.thresholds.policy import readable

    documents = open_documents(
        texts, format=format, text=text_column, prompt=prompt_column, messages=messages_column, role=role
    )
    describe_source(documents)
    loaded = load_reader([reader], model, device=device, dtype=dtype, trust_pickle=trust_pickle)
    if loaded.calibrated and all(card.percentile == percentile for card in loaded.cards.values()):
        raise InputError(
            f"{reader} comes with floors at the {percentile:g}th percentile; choose another with --percentile"
        )
    with progress_bar() as show:
        calibrated = make(
            loaded,
            readable(documents),
            percentile=percentile,
            max_tokens=max_tokens,
            role=role,
            reference=documents.name,
            on_progress=show,
        )
    try:
        paths = cache_cards(calibrated, percentile, 1)
    except OSError as error:
        raise InputError(
            f"cannot write {error.filename or 'the cache'}: {error.strerror or error}; "
            "set SAETEXT_CACHE to a directory that can be written to"
        ) from error
    for (tap, card), path in zip(calibrated.cards.items(), paths, strict=True):
        silent = int((card.density == 0).sum())
        note(
            f"{tap}: floors of {len(card):,} features at the {percentile:g}th percentile, from "
            f"{card.about['tokens']:,} tokens; L0 {card.about['l0']:.1f}, {silent:,} features never active"
        )
        result(str(path))


def export(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; must not exist.")],
    format: Annotated[
        str | None, typer.Option("--format", help="npz, parquet or arrow; by the file's name.")
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option("--pooling", help="Of an npz matrix: max (default), mean, total, count or binary."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="EXPR", help="Only these documents, e.g. \"topic = 'travel'\"."),
    ] = None,
    tap: TapName = None,
) -> None:
    """Write a corpus's vectors as a SciPy matrix (npz), Parquet or plain Arrow."""
    from saetext.corpus import Corpus
    from saetext.corpus.export import FORMATS
    from saetext.corpus.export import export as write

    opened = Corpus.open(corpus)
    kind = format or output.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise InputError(f"cannot tell the format of {output}: name it with --format ({', '.join(FORMATS)})")
    if where is not None:
        opened = opened.select(where)
    write(opened, output, kind, pooling=pooling, tap=tap)  # type: ignore[arg-type]  # one of FORMATS
    note(f"wrote {output}: {len(opened):,} documents, {megabytes(output.stat().st_size)}")


def upgrade(corpus: Annotated[Path, typer.Argument(metavar="CORPUS")]) -> None:
    """Bring a corpus to the newest layout on disk."""
    from saetext.corpus.manifest import upgrade as run

    result(f"{corpus} has the layout {run(corpus)}, the newest there is")
