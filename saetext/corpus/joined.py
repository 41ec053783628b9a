"""Joined: several corpora as one, for what is fitted to all of them together.

Their documents follow one another; the column ``set`` says which corpus each is of. Not for: corpora of
different readers, or writing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.corpus.calibration import Calibration
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.rows import PooledRows
from saetext.corpus.spec import ReaderSpec

if TYPE_CHECKING:
    import polars as pl
    from scipy.sparse import csr_matrix

SET = "set"
_FEWEST = 1000  # documents of a set that are fitted, however few others have


class Joined:
    """Corpora that one reader made, one after the other.

    Parameters
    ----------
    sets : sequence of Corpus
        Corpora or views.
    names : sequence of str
        What they are called, each another.
    own : int64[n], optional
        Of each document, which fitted document of a model it is; -1 for none.
    """

    def __init__(self, sets: Sequence[CorpusLike], names: Sequence[str], own: Ints | None = None) -> None:
        self.sets, self.names, self.own = tuple(sets), tuple(names), own
        self.sizes = [corpus.n_documents for corpus in self.sets]
        self.starts = np.cumsum([0, *self.sizes])

    @property
    def path(self) -> Path:
        """Where the first of them lies."""
        return self.sets[0].path

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of theirs."""
        return hashlib.sha256("\n".join(corpus.fingerprint for corpus in self.sets).encode()).hexdigest()

    @property
    def spec(self) -> ReaderSpec:
        """The reader of the first, which is comparable with the others'."""
        return self.sets[0].spec

    @property
    def n_documents(self) -> int:
        """Number of documents."""
        return int(self.starts[-1])

    @property
    def side(self) -> Ints:
        """int64[n]: the number of the set of each document."""
        return np.repeat(np.arange(len(self.sets)), self.sizes)

    @cached_property
    def documents(self) -> pl.LazyFrame:
        """One row a document, with the columns of all; ``set`` has the name of its corpus.

        A column ``set`` of theirs becomes ``meta.set``. One whose types differ is text.
        """
        import polars as pl

        frames = [self._frame(number) for number in range(len(self.sets))]
        schemas = [frame.collect_schema() for frame in frames]
        mixed = [
            name
            for name in dict.fromkeys(name for schema in schemas for name in schema)
            if len({schema[name] for schema in schemas if name in schema}) > 1
        ]
        texts = [
            frame.with_columns(pl.col(name).cast(pl.String) for name in mixed if name in schema)
            for frame, schema in zip(frames, schemas, strict=True)
        ]
        return pl.concat(texts, how="diagonal")

    def _frame(self, number: int) -> pl.LazyFrame:
        import polars as pl

        frame = self.sets[number].documents
        there = frame.collect_schema().names()
        if SET in there:
            frame = frame.rename({SET: f"meta.{SET}"})
        more = [pl.lit(self.names[number]).alias(SET)]
        if "row" in there:
            more.append(pl.col("row") + pl.lit(int(self.starts[number]), pl.UInt32))
        return frame.with_columns(more)

    def blocks(self, pooling: str, sae: str | None) -> Iterator[tuple[Ints, csr_matrix]]:
        """Yield (positions, documents x features), every document once."""
        for corpus, start in zip(self.sets, self.starts.tolist(), strict=False):
            for rows, matrix in corpus.blocks(pooling, sae):
                yield rows + start, matrix

    def rows(self, sae: str | None) -> Iterator[PooledRows]:
        """Yield the pooled rows of all documents, in order of position."""
        for corpus in self.sets:
            yield from corpus.rows(sae)

    def document(self, row: int) -> Mapping[str, Any]:
        """Return one document with ``id``, ``text``, ``token_start`` and ``token_end``."""
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.sets[number].document(row - int(self.starts[number]))

    def calibration(self, sae: str | None) -> Calibration:
        """Return the calibration of an SAE, the first corpus's."""
        return self.sets[0].calibration(sae)

    def select(self, which: Any) -> Joined:
        """Return some documents: by a condition that each corpus understands, or rows, increasing."""
        if not isinstance(which, np.ndarray | list):
            parts = [corpus.select(which) for corpus in self.sets]
        else:
            rows = np.asarray(which)
            at = np.searchsorted(rows, self.starts)
            parts = [
                _of_rows(corpus, rows[at[i] : at[i + 1]] - self.starts[i])
                for i, corpus in enumerate(self.sets)
            ]
        return Joined(parts, self.names)

    def rows_to_fit(self, most: int, seed: int) -> Ints:
        """Return documents such that no set outweighs the others.

        Of a set at most twice as many as the smallest has, at least 1,000, and at most an equal part of
        ``most``; drawn at random.

        Parameters
        ----------
        most : int
            Documents in all.
        seed : int
            Of the draw.

        Returns
        -------
        int64[m]
            Increasing.
        """
        room = min(max(2 * min(self.sizes), _FEWEST), max(most // len(self.sets), 1))
        drawn = []
        for number, size in enumerate(self.sizes):
            rows = np.arange(size)
            if size > room:
                rows = np.sort(np.random.default_rng([seed, 10, number]).permutation(size)[:room])
            drawn.append(rows + self.starts[number])
        return np.concatenate(drawn)


def _of_rows(corpus: Any, rows: Ints) -> Any:
    return corpus.select(rows) if hasattr(type(corpus), "whole") else corpus.take(rows)
