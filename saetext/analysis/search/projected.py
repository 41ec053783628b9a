"""Documents as points of 128 dimensions, projected from their features: near ones have the same in them.

A truncated SVD of log(1 + value / scale), rare features weighing more, fitted on at most 20,000 documents
with one thread, so that it does not depend on how many there are. Not for: queries in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.room import for_projected
from saetext.analysis.search.stored import Part
from saetext.analysis.search.vectors import needed, write_vectors
from saetext.io.memory import Bound
from saetext.io.progress import Count, nobody
from saetext.io.threads import one_thread

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.corpus import Corpus

_FORMAT = 1
WIDTH = 128
SAMPLE = 20_000  # documents the projection is fitted on
_SEED = 0


def projected_part(corpus: Corpus, sae: str) -> Part:
    """Return where the index of a corpus's projected features is, or would be."""
    stamp = f"{_FORMAT} {corpus.manifest.fingerprint} {sae}"
    return Part(corpus.path / "index" / sae, "projected", stamp)


def build_projected(
    corpus: Corpus,
    sae: str,
    scales: NDArray[np.float32],
    bound: Bound | None = None,
    count: Count = nobody,
) -> Path | None:
    """Fit the projection on a whole corpus and build the index; None for fewer than three documents.

    Parameters
    ----------
    scales : float32[d_sae]
        Full strength of each feature.
    bound : Bound, optional
        The most that working arrays may take.
    count : callable
        Gets how many documents have been passed over, and of how many, in each pass.

    Raises
    ------
    CorpusError
        If it cannot be written.
    InputError
        If the bound was asked for, and is too little.
    """
    from scipy import sparse
    from sklearn.decomposition import TruncatedSVD

    n = corpus.n_documents
    frequency = corpus.postings(sae).document_frequency
    present = int((frequency > 0).sum())
    if n < 3 or present < 3:
        return None
    mean = int(frequency.sum()) // n + 1
    some, sizes = min(n, SAMPLE), (len(scales), WIDTH)
    shelf = for_projected(bound or Bound.of(None), some, some * mean, sizes, needed(n, WIDTH))
    inverse = np.divide(1.0, scales, out=np.zeros(len(scales)), where=scales > 0)
    rarity = np.log((n + 1) / (frequency + 1))
    chosen = np.sort(np.random.default_rng(_SEED).permutation(n)[:SAMPLE])
    parts = []
    for rows, block in corpus.blocks("max", sae):
        low, high = np.searchsorted(chosen, (rows[0], rows[-1] + 1))
        parts.append(_weighted(block[chosen[low:high] - rows[0]], inverse, rarity))
        count(int(rows[-1]) + 1, n)
    width = min(WIDTH, len(chosen) - 1, present - 1)
    with one_thread():
        svd = TruncatedSVD(width, algorithm="randomized", random_state=_SEED).fit(sparse.vstack(parts))

    def blocks() -> Iterator[NDArray[np.float32]]:
        for rows, block in corpus.blocks("max", sae):
            count(int(rows[0]), n)
            point = svd.transform(_weighted(block, inverse, rarity)).astype(np.float32)
            yield point / np.maximum(np.linalg.norm(point, axis=1, keepdims=True), 1e-30)

    return projected_part(corpus, sae).build(lambda folder: write_vectors(folder, blocks(), n, width, shelf))


def _weighted(block: csr_matrix, inverse: NDArray[np.float64], rarity: NDArray[np.float64]) -> csr_matrix:
    """Return the block with log(1 + value / scale) times the feature's rarity."""
    from scipy.sparse import csr_matrix

    data = np.log1p(block.data * inverse[block.indices]) * rarity[block.indices]
    return csr_matrix((data.astype(np.float32), block.indices, block.indptr), shape=block.shape)
