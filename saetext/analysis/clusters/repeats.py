"""The same text many times over: one row stands for all of them while neighbours and places are found.

Two hundred equal rows are each other's nearest neighbours, and no graph of neighbours would say that they are
one place. Not for: copies in small numbers, which leave each other room for other neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from saetext.corpus.keys import columns, keys
from saetext.corpus.protocol import CorpusLike, Ints

_CLOSE = 1e-3  # of a vector of length 1: the same text in another batch differs by less


def representatives(corpus: CorpusLike, rows: Ints, vectors: Any, least: int) -> tuple[Ints, Ints]:
    """Return which rows stand for themselves or others, and for each row the place of its own among them.

    Parameters
    ----------
    corpus : Corpus
        What the rows are of; without stored texts every row stands for itself.
    rows : int64[m]
        Documents of the corpus.
    vectors : float32[m, d] or csr_matrix
        Theirs.
    least : int
        Fewest copies for which one row stands.

    Returns
    -------
    kept : int64[u]
        Increasing.
    place : int64[m]
        ``kept[place[i]]`` stands for row i.
    """
    stand = np.arange(len(rows), dtype=np.int64)
    if "text" in columns(corpus):
        text = keys([corpus], "text")[0][rows]
        order = np.argsort(text, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(text[order]) != 0])
        for same in np.split(order, starts[1:]):
            if len(same) >= least and text[same[0]] >= 0:
                alike = same[_same(vectors, same)]
                if len(alike) >= least:
                    stand[alike] = alike[0]
    kept, place = np.unique(stand, return_inverse=True)
    return kept, place.reshape(-1)


def _same(vectors: Any, which: Ints) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which of these rows have the vector of the first."""
    if isinstance(vectors, np.ndarray):
        near: np.ndarray[Any, np.dtype[np.bool_]] = (
            np.abs(vectors[which] - vectors[which[0]]).max(axis=1) <= _CLOSE
        )
        return near
    first = vectors[which[0]]
    return np.array([abs(vectors[i] - first).max() <= _CLOSE for i in which])
