"""What a user should be told about an encoding, one line each. Not for: printing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from saetext.errors import InputError

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.documents import DocumentSource
    from saetext.reader.reader import Reader

UNKNOWN_WARNING = 0.02  # share of tokens
FOREIGN_WARNING = 0.10  # share of documents


def reading_notes(source: DocumentSource, reader: Reader) -> list[str]:
    """Return what a user should know about how this reader will read this source."""
    if reader.tokens.has_chat_template:
        return []
    if source.columns.messages is not None:
        counted = "all turns" if source.role == "all" else f"the turns of role {source.role} alone"
        return [f"{reader.name} has no chat template: it reads {counted}, joined"]
    if source.columns.prompt is not None:
        return [f"{reader.name} has no chat template: it reads each text alone; the prompt is kept beside it"]
    return []


def warnings(corpus: Corpus, *, english_only: bool) -> list[str]:
    """Return what a user should know about a fresh corpus: unknown tokens, another language."""

    def total(key: str) -> int:
        return sum(int(shard.stats.get(key, 0)) for shard in corpus.manifest.shards)

    found = []
    tokens, judged = corpus.manifest.counts["tokens"], total("language_known")
    unknown, foreign = total("unknown") / max(tokens, 1), total("not_english") / max(judged, 1)
    if unknown > UNKNOWN_WARNING:
        found.append(
            f"{unknown:.1%} of the tokens are unknown to this reader (emoji, rare signs): it cannot see them"
        )
    if english_only and foreign > FOREIGN_WARNING:
        found.append(f"{foreign:.0%} of the documents do not look English, the only language of this reader")
    return found


def nothing_readable(name: str, rejects: Mapping[str, int]) -> InputError:
    """Return the error for a source without a single document."""
    return InputError(f"{name} has no document that can be read: {describe_rejects(rejects)}")


def describe_rejects(counts: Mapping[str, int]) -> str:
    """Return ``12 rows rejected (8 empty text, 4 duplicate id)``, or an empty string."""
    total = sum(counts.values())
    if not total:
        return ""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = ", ".join(f"{n:,} {reason}" for reason, n in ranked)
    return f"{total:,} row{'s' if total != 1 else ''} rejected ({parts})"
