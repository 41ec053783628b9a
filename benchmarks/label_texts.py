"""The texts in which features are shown to who labels them, and the others in which labels are scored.

Kinds of text in turn, so that the large ones do not drown the small. Not for: reading them
(``label_reading.py``).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from smollm2_texts import texts_of_split

from saetext.documents import Document

LONGEST = 3_000  # characters of a text
PER_TOKEN = 4  # characters, about


@dataclasses.dataclass(frozen=True)
class Sourced:
    """One text, and the name of its kind."""

    source: str
    document: Document


def of_registers(corpus: Path, seed: int) -> list[Sourced]:
    """Return the training texts of the first reader, in random order."""
    frame = pl.read_parquet(corpus, columns=["text", "split", "register"]).filter(pl.col("split") == "train")
    frame = frame.sample(fraction=1, shuffle=True, seed=seed)
    rows = frame.select("text", "register").iter_rows()
    return [
        Sourced(register, Document(str(i), text, None, None, {}, i, ""))
        for i, (text, register) in enumerate(rows)
    ]


def of_chats(corpus: Path, answers: Path, own: Path, split: str, seed: int) -> list[Sourced]:
    """Return the texts of a split of the reader ``smollm2``, in random order."""
    found = [Sourced(t.source, _shortened(t.document)) for t in texts_of_split(corpus, answers, own, split)]
    return [found[i] for i in np.random.default_rng(seed).permutation(len(found))]


def in_turn(texts: Iterable[Sourced]) -> list[Sourced]:
    """Return the first of each kind, then the second of each, and so on."""
    kinds: dict[str, list[Sourced]] = defaultdict(list)
    for text in texts:
        kinds[text.source].append(text)
    placed = [(turn, kind, text) for kind, some in kinds.items() for turn, text in enumerate(some)]
    return [text for _, _, text in sorted(placed, key=lambda p: p[:2])]


def within(texts: Sequence[Sourced], tokens: int) -> list[Sourced]:
    """Return the first texts, about as many as have so many tokens."""
    lengths = np.cumsum([_length(text.document) for text in texts])
    return list(texts[: int(np.searchsorted(lengths, tokens * PER_TOKEN)) + 1])


def _shortened(document: Document) -> Document:
    if document.messages is not None:
        return document
    return dataclasses.replace(document, text=document.text[:LONGEST])


def _length(document: Document) -> int:
    return len(document.text) + sum(len(m.content) for m in document.messages or ())
