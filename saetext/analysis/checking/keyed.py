"""Hashed keys of documents, so that a set can be paired with one of which only figures are kept.

Not for: which rows pair (:mod:`saetext.analysis.differences.design`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.keys import PAIR_COLUMNS, as_key, columns, require_column
from saetext.corpus.protocol import CorpusLike

if TYPE_CHECKING:
    import polars as pl

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Keyed:
    """The documents of a set as a design needs them: hashed columns and nothing else."""

    path: Path
    n_documents: int
    keys: Mapping[str, Hashes]

    @property
    def documents(self) -> pl.LazyFrame:
        """A column of texts for each key; 0 is null."""
        import polars as pl

        found = {
            name: [f"{value:016x}" if value else None for value in column.tolist()]
            for name, column in self.keys.items()
        }
        schema = dict.fromkeys(self.keys, pl.String)
        frame = pl.DataFrame(
            {**found, "": np.zeros(self.n_documents, np.int8)}, schema={**schema, "": pl.Int8}
        )
        return frame.lazy()


def wanted(corpus: CorpusLike, pair_on: str | None, group: str | None) -> tuple[str, ...]:
    """Return the columns whose values say which rows belong together.

    Raises
    ------
    InputError
        If a column that was named is missing.
    """
    if group or pair_on:
        column = str(group or pair_on)
        require_column(corpus, column)
        return (column,)
    if pair_on is None:
        return tuple(column for column in PAIR_COLUMNS if column in columns(corpus))
    return ()


def hashed(corpus: CorpusLike, names: tuple[str, ...]) -> dict[str, Hashes]:
    """Return uint64[n] for each column: the first 8 bytes of the SHA-256 of each value as text, 0 for null.

    Values are one where they are for a comparison of texts, see :func:`saetext.corpus.keys.as_key`.
    """
    found: dict[str, Hashes] = {}
    for name in names:
        value = as_key(corpus, name).alias("value")
        texts = corpus.documents.select(value).collect()["value"].to_list()
        found[name] = np.array([0 if text is None else _hash(text) for text in texts], np.uint64)
    return found


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") or 1
