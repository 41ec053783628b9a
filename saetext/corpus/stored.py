"""StoredDocument: one document as it is stored, with its arrays.

Not for: what users look at (item.py).
"""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import shard as shards
from saetext.corpus.journal import JournalEntry
from saetext.corpus.parts import Parts
from saetext.corpus.rows import PooledRows


class StoredDocument(TypedDict):
    """One document as it is stored.

    ``text`` and ``prompt`` are None where they are not stored; ``token_start`` and ``token_end`` (int32) are
    code points in the text; ``meta`` has the user's columns under their own names; ``entries`` has one row of
    features for each SAE.
    """

    id: str
    row: int
    text: str | None
    prompt: str | None
    n_tokens: int
    n_unknown: int
    token_start: NDArray[np.int32]
    token_end: NDArray[np.int32]
    meta: dict[str, Any]
    entries: dict[str, PooledRows]


def scalars(parts: Parts, row: int) -> tuple[JournalEntry, int, dict[str, Any]]:
    """Return the shard that has a row, which of its rows that is, and its columns as Arrow scalars."""
    entry, local = parts.shard_of(row)
    batch = parts.docs(entry)
    columns = zip(batch.schema, batch.columns, strict=True)
    return entry, local, {field.name: column[local] for field, column in columns}


def stored_document(parts: Parts, row: int) -> StoredDocument:
    """Return a document by its row."""
    entry, local, stored = scalars(parts, row)
    meta = stored["meta"].as_py()
    return StoredDocument(
        id=stored["id"].as_py(),
        row=row,
        text=stored["text"].as_py(),
        prompt=stored["prompt"].as_py(),
        n_tokens=stored["n_tokens"].as_py(),
        n_unknown=stored["n_unknown"].as_py(),
        token_start=stored["token_start"].values.to_numpy(),
        token_end=stored["token_end"].values.to_numpy(),
        meta={name: meta.get(name) for name in parts.manifest.meta},
        entries={
            sae.name: shards.pooled_row(parts.features(entry, sae.name), local)
            for sae in parts.manifest.spec.saes
        },
    )
