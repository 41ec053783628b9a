"""What an analysis needs of a corpus, so that a test can bring a small one.

Not for: corpora themselves; :class:`saetext.corpus.Corpus` is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.calibration import Calibration
from saetext.corpus.rows import PooledRows
from saetext.corpus.spec import ReaderSpec

if TYPE_CHECKING:
    import polars as pl
    from scipy.sparse import csr_matrix

Ints = NDArray[np.int64]


class CorpusLike(Protocol):
    """What an analysis needs of a corpus; :class:`saetext.corpus.Corpus` has it."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        ...

    @property
    def fingerprint(self) -> str:
        """What identifies its contents."""
        ...

    @property
    def spec(self) -> ReaderSpec:
        """The reader that made it."""
        ...

    @property
    def n_documents(self) -> int:
        """Number of documents."""
        ...

    @property
    def documents(self) -> pl.LazyFrame:
        """One row a document, with the metadata as columns."""
        ...

    def blocks(self, pooling: str, sae: str | None) -> Iterator[tuple[Ints, csr_matrix]]:
        """Yield (positions, documents x features), every document once."""
        ...

    def rows(self, sae: str | None) -> Iterator[PooledRows]:
        """Yield the pooled rows of all documents, in order of position."""
        ...

    def document(self, row: int) -> Mapping[str, Any]:
        """Return one document with ``id``, ``text``, ``token_start`` and ``token_end``."""
        ...

    def calibration(self, sae: str | None) -> Calibration:
        """Return the calibration of an SAE."""
        ...

    def select(self, expr: pl.Expr) -> Self:
        """Return a view of the documents for which ``expr`` is true."""
        ...
