"""Texts of millions of characters are cut before the tokenizer sees them: it takes 150 bytes a character.

A process that runs out of memory there is ended without a word. Not for: windows, which cut tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from saetext.corpus.notices import warn
from saetext.documents import Document

LONGEST = 5_000_000  # characters of a text, of its prompt, or of a chat's turns together


def shortened(documents: Sequence[Document]) -> list[Document]:
    """Return documents of which no text is longer than :data:`LONGEST`; warn of those that were."""
    kept = [_shortened(document) for document in documents]
    long = [old for old, new in zip(documents, kept, strict=True) if new is not old]
    if long:
        more = f" and {len(long) - 1:,} more" if len(long) > 1 else ""
        warn(
            f"{long[0].where or 'a text'}{more}: {n_characters(long[0]):,} characters; only the first "
            f"{LONGEST:,} are read: split long texts into documents"
        )
    return kept


def n_characters(document: Document) -> int:
    """Return the length of a document's text, prompt and turns together."""
    turns = sum(len(m.content) for m in document.messages or ())
    return len(document.text) + len(document.prompt or "") + turns


def _shortened(document: Document) -> Document:
    if n_characters(document) <= LONGEST:
        return document
    changed: dict[str, object] = {}
    if len(document.text) > LONGEST:
        changed["text"] = document.text[:LONGEST]
    if document.prompt is not None and len(document.prompt) > LONGEST:
        changed["prompt"] = document.prompt[:LONGEST]
    if document.messages is not None:
        left, turns = LONGEST, []
        for turn in document.messages:
            turns.append(dataclasses.replace(turn, content=turn.content[:left]) if left else None)
            left -= min(left, len(turn.content))
        changed["messages"] = tuple(turn for turn in turns if turn is not None)
        if changed["messages"] == document.messages:
            del changed["messages"]
    return dataclasses.replace(document, **changed) if changed else document  # type: ignore[arg-type]
