"""Which documents have a passage about a theme: a place around which its features are active together.

A sentence about medicine in a text about something else counts, however many of the other texts have one.
Not for: documents with more of a theme than chance gives them (:mod:`saetext.features.theme_counts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike
from saetext.features.passage_sums import passage_sums
from saetext.features.places import full_strength
from saetext.features.themes import Theme
from saetext.io.progress import Count, nobody

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: How much the features of a passage add up to where it is about a theme; one at its full strength adds 1.
STRONG = 0.8

Floats = NDArray[np.float64]


def theme_passages(
    corpus: CorpusLike, sae: str, themes: Sequence[Theme], count: Count = nobody
) -> csr_matrix:
    """Say which documents have a passage about which themes.

    A feature adds its activation as a share of the largest one that the reader knows of it, at most 1, at the
    token where it peaks. A passage is what lies within :data:`~saetext.features.passage_sums.REACH` tokens of
    such a token. It does not matter how many other documents have the theme, so a theme of half of the
    documents is found in half of them.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    sae : str
        Which SAE.
    themes : Themes, or sequence of Theme
        What to look for.
    count : callable
        Gets how many documents are done, and of how many.

    Returns
    -------
    csr_matrix
        float32[documents, themes]: the sum of the strongest passage divided by :data:`STRONG` where that is
        at least 1, else 0 (not stored).
    """
    from scipy import sparse

    scale = full_strength(corpus, sae)
    within = [np.isin(np.arange(len(scale)), theme.features) for theme in themes]
    parts = [sparse.csr_matrix(np.zeros((0, len(themes)), np.float32))]
    start = 0
    for block in corpus.rows(sae):
        document = np.repeat(np.arange(len(block)), np.diff(block.indptr))
        placed = block.peak >= 0
        adds = np.minimum(block.value / scale[block.feature], 1.0)
        columns = []
        for member in within:
            mine = np.flatnonzero(member[block.feature] & placed)
            best = np.zeros(len(block))
            at = document[mine], block.peak[mine].astype(np.int64)
            np.maximum.at(best, at[0], passage_sums(*at, adds[mine]))
            columns.append(sparse.csc_matrix(_present(best)[:, None]))
        if columns:
            parts.append(sparse.hstack(columns, format="csr", dtype=np.float32))
        start += len(block)
        count(start, corpus.n_documents)
    return sparse.vstack(parts, format="csr", dtype=np.float32)


def _present(best: Floats) -> Floats:
    """Return what is strong enough, in units of what is."""
    return np.where(best >= STRONG - 1e-9, np.maximum(best / STRONG, 1.0), 0.0)
