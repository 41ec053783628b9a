"""How much memory the parts of an index need while they are built, beside the arrays on a shelf.

Not for: sentence models and torch, the vocabulary of the words, or files that are mapped.
"""

from __future__ import annotations

from saetext.io.memory import Bound
from saetext.io.shelf import Shelf

PIECE = 1_000_000  # words of documents that are counted and scored at a time
_WORD = 64  # bytes of each of them, meanwhile
_ROW = 24  # bytes of a document: its lengths, and counting them
_ENTRY = 24  # bytes of an entry of the sample that a projection is fitted on: read, weighted, put together
_DENSE = 4  # matrices of 8 bytes a number, while it is fitted
_EXTRA = 10  # dimensions more, for the same


def for_words(bound: Bound, n: int) -> Shelf:
    """Return a shelf for counting the words of ``n`` documents.

    Raises
    ------
    InputError
        If the bound was asked for, and is too little; so do the others.
    """
    return _shelf(bound, _ROW * n + _WORD * PIECE)


def for_projected(bound: Bound, n: int, entries: int, size: tuple[int, int], vectors: int) -> Shelf:
    """Return a shelf for projected features.

    Parameters
    ----------
    bound : Bound
        The most that working arrays may take.
    n, entries : int
        Documents that the projection is fitted on, and their entries.
    size : (int, int)
        Features of the SAE, and dimensions they are projected to.
    vectors : int
        Bytes that an index of the vectors takes.
    """
    d_sae, width = size
    fitting = _ENTRY * entries + 8 * _DENSE * (width + _EXTRA) * (n + d_sae)
    return _shelf(bound, max(fitting, vectors))


def for_dense(bound: Bound, vectors: int) -> Shelf:
    """Return a shelf for sentence embeddings, of which an index takes so many bytes."""
    return _shelf(bound, vectors, "leave sentence embeddings out (--no-dense)")


def _shelf(bound: Bound, needed: int, instead: str = "index a corpus of fewer documents") -> Shelf:
    shelf = Shelf(bound)
    shelf.reserve(needed, "this index", instead)
    return shelf
