"""How many features of each theme a document has, and from how many on that means something.

Not for: what the themes are (:mod:`saetext.features.themes`), or comparing documents by them
(:mod:`saetext.analysis.differences.families`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.rows import PooledRows
from saetext.corpus.strata import bins
from saetext.features.themes import Theme
from saetext.io.progress import Count, nobody

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LEVEL = 0.05  # share of documents that may have so many of a theme's features by chance
STRATA = 10  # bins of length
STRATUM_ROWS = 200  # documents a bin of length should have


@dataclass(frozen=True, eq=False)
class Thresholds:
    """From how many of its features on a theme counts as present.

    Attributes
    ----------
    least : int32[strata, themes]
        The smallest number that at most :data:`LEVEL` of the documents of a stratum would reach by chance;
        one more than the theme has features if chance alone would give them all.
    stratum : int32[documents]
        The stratum (bin of length) of each document.
    """

    least: NDArray[np.int32]
    stratum: NDArray[np.int32]


def theme_matrix(
    source: CorpusLike | Iterable[PooledRows], sae: str | None, themes: Sequence[Theme]
) -> csr_matrix:
    """Count the features of each theme in each document.

    Parameters
    ----------
    source : Corpus, or blocks of pooled rows
        The documents.
    sae : str, optional
        Which SAE of a corpus, where it has several; for blocks it is not used.
    themes : Themes, or sequence of Theme
        What to count.

    Returns
    -------
    csr_matrix
        int32[documents, themes]: how many different features of the theme are present in the document.
    """
    from scipy import sparse

    blocks = source.rows(sae) if hasattr(source, "rows") else source
    member = _membership(themes)
    parts = [_present(PooledRows.empty(0), member.shape[0]) @ member]  # or there would be nothing to stack
    parts += [_present(block, member.shape[0]) @ member for block in blocks]
    whole = sparse.vstack(parts, format="csr", dtype=np.int32)
    whole.sort_indices()
    return whole


def thresholds(
    sets: Sequence[CorpusLike],
    sae: str | None,
    themes: Sequence[Theme],
    *,
    rows: Ints | None = None,
    count: Count = nobody,
) -> Thresholds:
    """Choose for each theme the number of features that chance seldom reaches, by length of document.

    The null: the presence of each feature is shuffled among the documents of a stratum (a bin of length),
    each feature for itself. Then a document has a feature with a probability that is the share of the
    stratum's documents that have it, and the number of a theme's features in it is the sum of independent
    coins with these probabilities (Poisson-binomial; Wang 1993, Statistica Sinica 3, 295-312). The tail is
    computed exactly: nothing is drawn, and no seed is needed. So a theme of frequent features needs more of
    them than one of rare features, and a long document more than a short one.

    Parameters
    ----------
    sets : sequence of Corpus
        The documents; their rows follow one another.
    sae : str, optional
        Which SAE.
    themes : Themes, or sequence of Theme
        The themes.
    rows : int64[n], optional
        Which rows to use, ascending; all by default.
    count : callable
        Gets how many documents have been read, and of how many.

    Notes
    -----
    It is not used which document is of which set, so a test between the sets stays valid.
    """
    rows, stratum = _strata(sets, rows)
    width = _width(themes)
    size = np.bincount(stratum, minlength=1)
    with_feature = np.zeros((len(size), width), np.int64)
    for low, part in _parts(sets, sae, rows, count):
        owner = np.repeat(stratum[low : low + len(part)], np.diff(part.indptr))
        known = part.feature < width
        at = owner[known].astype(np.int64) * width + part.feature[known]
        with_feature += np.bincount(at, minlength=with_feature.size).reshape(with_feature.shape)
    rate = with_feature / np.maximum(size, 1)[:, None]
    least = np.zeros((len(size), len(themes)), np.int32)
    for column, theme in zip(least.T, themes, strict=True):
        column[:] = _least(rate[:, list(theme.features)])
    return Thresholds(least, stratum)


def theme_presence(
    sets: Sequence[CorpusLike],
    sae: str | None,
    themes: Sequence[Theme],
    *,
    rows: Ints | None = None,
    count: Count = nobody,
) -> csr_matrix:
    """Say which themes are present in which documents.

    Parameters
    ----------
    sets, sae, themes, rows
        As for :func:`thresholds`.
    count : callable
        Gets how many documents have been read, and of how many; all are read twice.

    Returns
    -------
    csr_matrix
        float32[rows, themes]: the number of the theme's features divided by its threshold where that is at
        least 1, else 0 (not stored).
    """
    from scipy import sparse

    chosen = thresholds(sets, sae, themes, rows=rows, count=count)
    used = np.arange(len(chosen.stratum)) if rows is None else rows
    counts = theme_matrix((part for _, part in _parts(sets, sae, used, count)), None, themes)
    owner = np.repeat(chosen.stratum, np.diff(counts.indptr))
    least = chosen.least[owner, counts.indices]
    kept = counts.data >= least
    ends = np.concatenate(([0], np.cumsum(kept)))
    data = (counts.data[kept] / least[kept]).astype(np.float32)
    return sparse.csr_matrix((data, counts.indices[kept], ends[counts.indptr]), shape=counts.shape)


def documents_with_theme(
    sets: Sequence[CorpusLike], sae: str | None, theme: Theme, *, rows: Ints
) -> NDArray[np.bool_]:
    """Return bool[documents]: which of all documents have a theme, by the thresholds of some of them.

    Parameters
    ----------
    sets, sae
        As for :func:`thresholds`.
    theme : Theme
        The theme.
    rows : int64[n]
        The rows whose documents set the thresholds, ascending. Of them :func:`theme_presence` says the same.
    """
    least = thresholds(sets, sae, [theme], rows=rows).least[:, 0]
    lengths = [c.documents.select("n_tokens").collect()["n_tokens"].to_numpy() for c in sets]
    length = np.concatenate(lengths).astype(np.float64)
    live = np.zeros(len(length), bool)
    live[rows] = True
    stratum = bins(length, live, most_bins=STRATA, rows=STRATUM_ROWS)
    counts = theme_matrix((block for corpus in sets for block in corpus.rows(sae)), None, [theme])
    return counts.toarray().ravel() >= least[stratum]


def _parts(
    sets: Sequence[CorpusLike], sae: str | None, rows: Ints, count: Count
) -> Iterator[tuple[int, PooledRows]]:
    """Yield the chosen rows of each block, with the place of the first of them among all that are chosen."""
    total, start = sum(corpus.n_documents for corpus in sets), 0
    for corpus in sets:
        for block in corpus.rows(sae):
            low, high = np.searchsorted(rows, (start, start + len(block)))
            yield int(low), block.take(rows[low:high] - start)
            start += len(block)
            count(start, total)


def _strata(sets: Sequence[CorpusLike], rows: Ints | None) -> tuple[Ints, NDArray[np.int32]]:
    """Return the rows to use and the bin of length of each."""
    lengths = [c.documents.select("n_tokens").collect()["n_tokens"].to_numpy() for c in sets]
    length = np.concatenate(lengths).astype(np.float64)
    rows = np.arange(len(length)) if rows is None else rows
    live = np.ones(len(rows), bool)
    return rows, bins(length[rows], live, most_bins=STRATA, rows=STRATUM_ROWS)


def _least(rate: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return int32[strata]: the smallest count that is rare enough, of rate[strata, features]."""
    strata, n = rate.shape
    chance = np.zeros((strata, n + 2))  # of having exactly 0, 1, ... features; of n + 1 it is 0
    chance[:, 0] = 1
    for p in rate.T[:, :, None]:
        chance[:, 1:] = chance[:, 1:] * (1 - p) + chance[:, :-1] * p
        chance[:, 0] *= 1 - p[:, 0]
    tail = np.cumsum(chance[:, ::-1], axis=1)[:, ::-1]
    seldom = tail <= LEVEL + 1e-12  # or rounding would decide where the tail is .05 exactly
    seldom[:, 0], seldom[:, -1] = False, True
    return seldom.argmax(axis=1).astype(np.int32)


def _width(themes: Sequence[Theme]) -> int:
    return max((theme.features[-1] for theme in themes), default=-1) + 1


def _membership(themes: Sequence[Theme]) -> csr_matrix:
    """Return int32[features, themes]: 1 where a feature is in a theme."""
    from scipy import sparse

    feature = np.array([f for theme in themes for f in theme.features], np.int64)
    place = np.repeat(np.arange(len(themes)), [len(theme.features) for theme in themes])
    ones = np.ones(len(feature), np.int32)
    return sparse.csr_matrix((ones, (feature, place)), shape=(_width(themes), len(themes)))


def _present(block: PooledRows, width: int) -> csr_matrix:
    """Return int32[documents, width]: 1 where a feature is present; those from ``width`` on are left out."""
    from scipy import sparse

    known = block.feature < width
    ends = np.concatenate(([0], np.cumsum(known)))
    ones = np.ones(int(ends[-1]), np.int32)
    return sparse.csr_matrix((ones, block.feature[known], ends[block.indptr]), shape=(len(block), width))
