"""The matrix documents x features of a corpus or view: shard by shard, or copied together.

Not for: one shard's matrix (shard.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import shard as shards
from saetext.corpus.parts import Parts
from saetext.corpus.rows import PooledRows
from saetext.errors import InputError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def blocks(parts: Parts, pooling: str, sae: str | None) -> Iterator[tuple[NDArray[np.int64], csr_matrix]]:
    """Yield rows and matrix of each shard, see :meth:`saetext.corpus.Corpus.blocks`."""
    if pooling not in shards.POOLINGS:
        raise InputError(f"unknown pooling {pooling!r}; choose one of {', '.join(shards.POOLINGS)}")
    d_sae = parts.manifest.spec.sae(sae).d_sae
    for part in parts:
        n_tokens = parts.columns(part.shard).column("n_tokens").to_numpy() if pooling == "mean" else None
        matrix = shards.csr(parts.features(part.shard, sae), pooling, d_sae, n_tokens)
        yield part.positions, matrix if part.local is None else matrix[part.local]


def csr(parts: Parts, pooling: str, sae: str | None) -> csr_matrix:
    """Return the whole matrix, see :meth:`saetext.corpus.Corpus.csr`."""
    d_sae = parts.manifest.spec.sae(sae).d_sae
    pieces = blocks(parts, pooling, sae)
    listed = list(parts)
    if len(listed) == 1:
        return next(pieces)[1]
    rows = np.zeros(len(parts) + 1, np.int64)
    for part in listed:
        lengths = np.diff(shards.indptr(parts.features(part.shard, sae)))
        rows[part.start + 1 : part.stop + 1] = lengths[part.chosen]
    np.cumsum(rows, out=rows)
    data = np.empty(rows[-1], np.int32 if pooling == "count" else np.float32)
    indices = np.empty(rows[-1], np.int32)
    for part, (_, block) in zip(listed, pieces, strict=True):
        here = slice(rows[part.start], rows[part.stop])
        data[here], indices[here] = block.data, block.indices
    if rows[-1] < 2**31:
        rows = rows.astype(np.int32)
    return shards.matrix(data, indices, rows, (len(parts), d_sae))


def pooled_rows(parts: Parts, sae: str | None) -> Iterator[PooledRows]:
    """Yield the rows with all entry columns shard by shard, in row order."""
    for part in parts:
        rows = shards.pooled_rows(parts.features(part.shard, sae))
        yield rows if part.local is None else rows.take(part.local)
