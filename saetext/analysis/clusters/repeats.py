"""The same text many times over: one row stands for all of them while neighbours and places are found.

Two hundred equal rows are each other's nearest neighbours, and no graph of neighbours would say that they are
one place. So it is with texts that are equal but for numbers and names
(:mod:`saetext.text.skeletons`). Not for: copies in small numbers, which leave each other room for other
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.semantic_map import texts_of
from saetext.corpus.keys import columns, copies, keys
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.text.skeletons import LONGEST, skeleton

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_ALIKE = 0.9  # share of features: near a threshold another batch may flip a few
_TOLD = 0.05  # of the rows, that a note says of one text
_MOST_TOLD = 3
_READINGS = 20  # of one text that are told apart
_NEAR = 0.25  # share of features, or cosine: texts that are nearly the same, read after like prompts
_CLOSE = 1e-3  # of a vector of length 1: the same text in another batch differs by less


def nearly_repeated(corpus: CorpusLike, rows: Ints, least: int) -> list[Ints]:
    """Return which of these rows are equal but for numbers and names, where so many or more are.

    Parameters
    ----------
    corpus : Corpus
        What the rows are of; without stored texts there are none.
    rows : int64[m]
        Documents of the corpus, increasing.
    least : int
        Fewest rows that count. Groups whose texts are all the same are left out: see :func:`repeated`.
    """
    texts = texts_of(corpus, rows, LONGEST + 1) if "text" in columns(corpus) else None
    if texts is None:
        return []
    places: dict[str, list[int]] = {}
    for at, text in enumerate(texts):
        if key := skeleton(text):
            places.setdefault(key, []).append(at)
    return [
        np.array(some, np.int64)
        for some in places.values()
        if len(some) >= least and len({texts[at] for at in some}) > 1
    ]


def as_one(corpus: CorpusLike, rows: Ints, near: Sequence[Ints]) -> Ints:
    """Return int64[m]: which text each row has, by a number; those of :func:`nearly_repeated` have one."""
    text: Ints = copies([corpus])[rows].copy()
    for same in near:
        text[same] = text[same[0]]
    return text


def different(corpus: CorpusLike, rows: Ints, near: Sequence[Ints]) -> int:
    """Return how many different texts these rows have; those of :func:`nearly_repeated` count as one each."""
    text = copies([corpus])[rows]
    return len(np.unique(text)) - sum(len(np.unique(text[same])) - 1 for same in near)


def capped(n: int, repeats: Sequence[Ints], near: Sequence[Ints], matrix: csr_matrix, most: int) -> Ints:
    """Return the rows without all but so many copies of a text: more would shape the space of the others.

    Parameters
    ----------
    n : int
        Number of rows.
    repeats, near : sequence of int64 arrays
        From :func:`repeated` and :func:`nearly_repeated`.
    matrix : csr_matrix
        n x features; copies share nine in ten, near copies a quarter.
    most : int
        Copies that are kept, at least 1.
    """
    gone = np.zeros(n, bool)
    for groups, least in ((repeats, _ALIKE), (near, _NEAR)):
        for same in groups:
            for alike in _readings(same, partial(_enough_shared, matrix, least)):
                gone[alike[most:]] = True
    return np.flatnonzero(~gone)


def _enough_shared(matrix: csr_matrix, least: float, rest: Ints) -> NDArray[np.bool_]:
    return np.asarray(_shared(matrix, rest) >= least)


def noted(repeats: Sequence[Ints], near: Sequence[Ints], n: int) -> list[str]:
    """Say which texts stand there again and again: those with a twentieth of the rows or more, most first."""
    found = [(len(same), "are the same text") for same in repeats]
    found += [(len(same), "are the same text but for numbers and names") for same in near]
    found = sorted((one for one in found if one[0] >= max(_TOLD * n, 2)), key=lambda one: -one[0])
    return [f"{count:,} documents {what}: they count as one place" for count, what in found[:_MOST_TOLD]]


def repeated(corpus: CorpusLike, rows: Ints, least: int) -> list[Ints]:
    """Return which of these rows have the same text, for each text that so many or more have.

    Parameters
    ----------
    corpus : Corpus
        What the rows are of; without stored texts there are none.
    rows : int64[m]
        Documents of the corpus.
    least : int
        Fewest copies that count.
    """
    if "text" not in columns(corpus):
        return []
    text = keys([corpus], "text")[0][rows]
    order = np.argsort(text, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(text[order]) != 0])
    return [same for same in np.split(order, starts[1:]) if len(same) >= least and text[same[0]] >= 0]


def among(repeats: Sequence[Ints], kept: NDArray[np.bool_]) -> list[Ints]:
    """Return the same where only these rows are left, by their new numbers."""
    number = np.cumsum(kept) - 1
    return [number[same[kept[same]]] for same in repeats]


def distinct(n: int, repeats: Sequence[Ints], matrix: csr_matrix) -> Ints | None:
    """Return the rows without the copies of a row; None where there are none.

    Parameters
    ----------
    n : int
        Number of rows.
    repeats : sequence of int64 arrays
        From :func:`repeated`.
    matrix : csr_matrix
        n x features. A text that was read in another way, after another prompt, has other features, and is
        no copy: copies share nine in ten.
    """
    copies = [
        alike[1:]
        for same in repeats
        for alike in _readings(same, lambda rest: _shared(matrix, rest) >= _ALIKE)
    ]
    gone = np.concatenate([np.empty(0, np.int64), *copies])
    return np.setdiff1d(np.arange(n), gone) if len(gone) else None


def _readings(same: Ints, alike: Callable[[Ints], NDArray[np.bool_]]) -> Iterator[Ints]:
    """Yield the rows of one text by how they were read; those that are left after :data:`_READINGS` alone."""
    rest = same
    for _ in range(_READINGS):
        if not len(rest):
            return
        near = alike(rest)
        near[0] = True
        yield rest[near]
        rest = rest[~near]


def _shared(matrix: csr_matrix, which: Ints) -> NDArray[np.float64]:
    """Return the share of features, of those of either, that each row has in common with the first."""
    rows = matrix[which]
    first = np.zeros(matrix.shape[1], bool)
    first[rows.indices[: rows.indptr[1]]] = True
    row = np.repeat(np.arange(len(which)), np.diff(rows.indptr))
    common = np.bincount(row, first[rows.indices], minlength=len(which))
    either = np.diff(rows.indptr) + first.sum() - common
    found: NDArray[np.float64] = common / np.maximum(either, 1)
    return found


def representatives(
    n: int, repeats: Sequence[Ints], vectors: Any, least: int, near: Sequence[Ints] = ()
) -> tuple[Ints, Ints]:
    """Return which rows stand for themselves or others, and for each row the place of its own among them.

    Parameters
    ----------
    n : int
        Number of rows.
    repeats : sequence of int64 arrays
        From :func:`repeated`.
    vectors : float32[n, d] or csr_matrix
        A text that was read in another way, after another prompt, stands for itself.
    least : int
        Fewest copies for which one row stands.
    near : sequence of int64 arrays
        From :func:`nearly_repeated`; one row stands for those whose vector is near that of the first.

    Returns
    -------
    kept : int64[u]
        Increasing.
    place : int64[n]
        ``kept[place[i]]`` stands for row i.
    """
    stand = np.arange(n, dtype=np.int64)
    for same in repeats:
        for alike in _readings(same, lambda rest: _same(vectors, rest)):
            if len(alike) >= least:
                stand[alike] = alike[0]
    for same in near:
        for alike in _readings(same, lambda rest: _alike(vectors, rest) >= _NEAR):
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
    apart = abs(vectors[which] - vectors[np.full(len(which), which[0])])
    return np.asarray(apart.max(axis=1).toarray()[:, 0] <= _CLOSE)


def _alike(vectors: Any, which: Ints) -> NDArray[np.float64]:
    """Return how like the first each of these rows is: the cosine, or the share of features."""
    if isinstance(vectors, np.ndarray):
        return np.asarray(vectors[which] @ vectors[which[0]], np.float64)
    return _shared(vectors, which)
