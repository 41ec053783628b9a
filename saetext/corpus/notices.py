"""What a user should be told about an encoding, one line each: notes to show, and warnings to issue.

Not for: printing; the command line prints both (:mod:`saetext_cli.common`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.documents.rejects import describe_rejects
from saetext.io.warning import warn as warn

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.corpus.protocol import CorpusLike
    from saetext.documents import DocumentSource
    from saetext.reader.reader import Reader

UNKNOWN_WARNING = 0.02  # share of tokens
FOREIGN_WARNING = 0.10  # share of documents
MANY_ROWS = 1_000_000  # of one corpus, from which on large shards are suggested
LARGE_SHARD = 10_000  # rows
FEW_TOKENS = 20_000  # reference text below which most features' thresholds are guesses


def warn_of(*corpora: CorpusLike | None) -> None:
    """Warn of what is known of these corpora, once for each that is elsewhere; others get none."""
    from saetext.corpus import Corpus

    found = [text for corpus in corpora if isinstance(corpus, Corpus) for text in corpus_warnings(corpus)]
    for text in dict.fromkeys(found):  # views of one corpus say the same
        warn(text)


def warn_of_encoding(corpus: Corpus) -> None:
    """Warn of a fresh corpus: rows that were rejected, and what :func:`corpus_warnings` finds."""
    rejected = describe_rejects(corpus.manifest.counts["rejects"])
    if rejected:
        warn(f"{rejected}; see {corpus.path / 'rejects.jsonl'}")
    warn_of(corpus)


def warn_of_a_beginning(documents: int, reference: str) -> None:
    """Warn that thresholds are from the beginning of a very large source alone."""
    warn(
        f"only the first {documents:,} documents of {reference or 'the source'} were sampled for "
        "the thresholds: if it is sorted, first run 'saetext calibrate' on a shuffled sample"
    )


def warn_of_few_tokens(tokens: int) -> None:
    """Warn if thresholds were made from too little text."""
    if tokens < FEW_TOKENS:
        warn(
            f"thresholds from only {tokens:,} tokens: those of rare features are estimates; "
            "'saetext calibrate' on 200,000 tokens of typical text gives better ones"
        )


def shard_note(rows: int, shard_rows: int) -> str | None:
    """Return that larger shards suit so many rows; None if they are fine.

    Every shard is two files or more, and an entry in the manifest and the journal.
    """
    if rows <= MANY_ROWS or shard_rows >= LARGE_SHARD:
        return None
    return (
        f"{rows:,} rows make {-(-rows // shard_rows):,} shards: --shard-rows {LARGE_SHARD} makes "
        f"{-(-rows // LARGE_SHARD):,}, which are read faster"
    )


def reading_notes(source: DocumentSource, reader: Reader, shard_rows: int | None = None) -> list[str]:
    """Return what a user should know about how this reader will read this source, in shards of so many."""
    shards = None if shard_rows is None or source.n_rows is None else shard_note(source.n_rows, shard_rows)
    return [*_of_prompts(source, reader), *([shards] if shards else [])]


def _of_prompts(source: DocumentSource, reader: Reader) -> list[str]:
    if reader.tokens.has_chat_template:
        return []
    if source.columns.messages is not None:
        counted = "all turns" if source.role == "all" else f"the turns of role {source.role} alone"
        return [f"{reader.name} has no chat template: it reads {counted}, joined"]
    if source.columns.prompt is not None:
        return [f"{reader.name} has no chat template: it reads each text alone and stores the prompt with it"]
    return []


def corpus_warnings(corpus: Corpus, *, english_only: bool | None = None) -> list[str]:
    """Return what weakens every use of a corpus: unknown tokens, another language.

    ``english_only`` says whether the reader knows English alone; by default those of the package do.
    """
    if english_only is None:
        english_only = corpus.spec.source.get("kind") in ("embedded", "shipped")

    def total(key: str) -> int:
        return sum(int(shard.stats.get(key, 0)) for shard in corpus.manifest.shards)

    found = []
    tokens, judged = corpus.manifest.counts["tokens"], total("language_known")
    unknown, foreign = total("unknown") / max(tokens, 1), total("not_english") / max(judged, 1)
    if cut := total("cut"):
        found.append(
            f"{cut:,} text{'s' if cut > 1 else ''} of {corpus.path} {'were' if cut > 1 else 'was'} too long: "
            "only the beginning was read; split long texts into documents"
        )
    if unknown > UNKNOWN_WARNING:
        found.append(
            f"{unknown:.1%} of the tokens of {corpus.path} are unknown to this reader (such as emoji or rare "
            "characters): no feature can represent them"
        )
    if english_only and foreign > FOREIGN_WARNING:
        found.append(
            f"{foreign:.0%} of the documents of {corpus.path} do not look English, "
            "the only language of this reader"
        )
    return found
