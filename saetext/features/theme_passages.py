"""Which documents have a passage about a theme: a place around which its features are active together.

A sentence about medicine in a text about something else counts, however many of the other texts have one.
Not for: documents with more of a theme than chance gives them (:mod:`saetext.features.theme_counts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.rows import PooledRows
from saetext.features.places import REACH, full_strength
from saetext.features.themes import Theme

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: How much the features of a passage add up to where it is about a theme; one at its full strength adds 1.
STRONG = 0.8

Floats = NDArray[np.float64]


def theme_passages(
    corpus: CorpusLike,
    sae: str,
    themes: Sequence[Theme],
    *,
    strong: float = STRONG,
    scale: Floats | None = None,
) -> csr_matrix:
    """Say which documents have a passage about which themes.

    A feature adds its activation as a share of the largest one that the reader knows of it, at most 1, at the
    token where it peaks. A passage is what lies within :data:`~saetext.features.places.REACH` tokens of such
    a token. It does not matter how many other documents have the theme, so a theme of half of the documents
    is found in half of them.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    sae : str
        Which SAE.
    themes : Themes, or sequence of Theme
        What to look for.
    strong : float
        How much the features of a passage add up to where it is about a theme.
    scale : float64[d_sae], optional
        The full strength of each feature, where several corpora need the same; by default the corpus's own.

    Returns
    -------
    csr_matrix
        float32[documents, themes]: the sum of the strongest passage divided by ``strong`` where that is
        at least 1, else 0 (not stored).
    """
    from scipy import sparse

    scale = full_strength(corpus, sae) if scale is None else scale
    member = _membership(themes, len(scale))
    parts = [sparse.csr_matrix(np.zeros((0, len(themes)), np.float32))]
    parts += [_of_block(block, member, scale, strong) for block in corpus.rows(sae)]
    return sparse.vstack(parts, format="csr", dtype=np.float32)


def _membership(themes: Sequence[Theme], d_sae: int) -> csr_matrix:
    """Return bool[d_sae, themes]: which features are in which themes."""
    from scipy import sparse

    feature = np.array([f for theme in themes for f in theme.features if f < d_sae], np.int64)
    theme = [at for at, theme in enumerate(themes) for f in theme.features if f < d_sae]
    return sparse.csr_matrix((np.ones(len(feature), bool), (feature, theme)), shape=(d_sae, len(themes)))


def _of_block(block: PooledRows, member: csr_matrix, scale: Floats, strong: float) -> csr_matrix:
    """Return float32[documents, themes] of some documents, all themes in one pass."""
    from scipy import sparse

    n, n_themes = len(block), member.shape[1]
    document = np.repeat(np.arange(n, dtype=np.int64), np.diff(block.indptr))
    times = np.where(block.peak >= 0, np.diff(member.indptr)[block.feature], 0)
    entry = np.repeat(np.arange(len(times)), times)
    # of the themes of an entry's feature the first, the second ...
    nth = np.arange(len(entry)) - np.repeat(np.cumsum(times) - times, times)
    theme = member.indices[member.indptr[block.feature[entry]] + nth]
    cell = document[entry] * n_themes + theme
    adds = np.minimum(block.value[entry] / scale[block.feature[entry]], 1.0)
    best = np.zeros(n * n_themes)
    np.maximum.at(best, cell, passage_sums(cell, block.peak[entry].astype(np.int64), adds))
    return sparse.csr_matrix(_present(best, strong).reshape(n, n_themes), dtype=np.float32)


def passage_sums(document: Ints, peak: Ints, adds: Floats) -> Floats:
    """Return float64[n]: what is added in the passage around each of n places.

    Parameters
    ----------
    document, peak : int64[n]
        Where each feature peaks: the document and the token, from 0.
    adds : float64[n]
        What it adds.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.features.theme_passages import passage_sums
    >>> passage_sums(np.array([0, 0, 0, 1]), np.array([1, 7, 30, 2]), np.array([0.5, 0.25, 1, 0.5]))
    array([0.75, 0.75, 1.  , 0.5 ])
    """
    if not len(peak):
        return np.zeros(0)
    # documents one after the other, too far apart for a passage to reach from one into the next
    place = document.astype(np.int64) * (int(peak.max()) + 2 * REACH + 1) + peak
    order = np.argsort(place, kind="stable")
    ordered, upto = place[order], np.concatenate([[0.0], np.cumsum(adds[order])])
    first = np.searchsorted(ordered, place - REACH, side="left")
    end = np.searchsorted(ordered, place + REACH, side="right")
    return np.asarray(upto[end] - upto[first])


def _present(best: Floats, strong: float) -> Floats:
    """Return what is strong enough, in units of what is."""
    return np.where(best >= strong - 1e-9, np.maximum(best / strong, 1.0), 0.0)
