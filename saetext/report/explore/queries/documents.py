"""Which documents are listed, and in which order: those of a view, with a text, by how strong a feature is.

Not for: what is shown of them (passages.py), or searches by description (searching.py).
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.report.explore.kept import Kept
from saetext.report.explore.queries.shades import Shade, full_of

ORDERS = ("corpus", "strongest", "weakest", "longest", "shortest")
_ROOM = 128 * 2**20  # bytes of rows that are kept: 16 orders of a million documents
_texts: Kept[NDArray[np.int64]] = Kept(64, room=_ROOM, size=lambda rows: rows.nbytes)
_orders: Kept[NDArray[np.int64]] = Kept(64, room=_ROOM, size=lambda rows: rows.nbytes)

Ints = NDArray[np.int64]


def listed(corpus: Corpus, sae: str, words: str, shade: Shade | None, order: str) -> Ints:
    """Return the rows, in the whole corpus's numbering, of the documents to list.

    Parameters
    ----------
    corpus : Corpus
        The corpus, or a view of it.
    sae : str
        Whose features.
    words : str
        A text they contain, as it is written but for capitals; empty for all.
    shade : Shade or None
        With the orders ``strongest`` and ``weakest``: its documents alone are listed.
    order : str
        One of :data:`ORDERS`.

    Raises
    ------
    InputError
        If there are no texts to look for words in, or nothing to order by.
    """
    if order in ("strongest", "weakest"):
        if shade is None:
            raise InputError(f"the order {order} is that of a feature or theme: choose one to shade by")
        rows, strength = having(corpus, sae, shade)
        key: tuple[object, ...] = (corpus.path, corpus.fingerprint, sae, shade.features, order)
        rows = _orders.get(
            key, lambda: rows[np.argsort(-strength if order == "strongest" else strength, kind="stable")]
        )
        return rows if not words else rows[np.isin(rows, containing(corpus, words))]
    rows = containing(corpus, words) if words else _all(corpus)
    if order in ("longest", "shortest"):
        key = (*_key(corpus, words), order)
        found, way = rows, -1 if order == "longest" else 1
        tokens = corpus.whole.n_tokens
        rows = _orders.get(
            key, lambda: found[np.argsort(way * tokens[found].astype(np.int64), kind="stable")]
        )
    return rows


def having(corpus: Corpus, sae: str, shade: Shade) -> tuple[Ints, NDArray[np.float32]]:
    """Return the rows that have any of the features, increasing, and the largest share of full strength."""
    postings = corpus.postings(sae)
    full = full_of(corpus, sae)
    rows: list[NDArray[np.int32]] = []
    strength: list[NDArray[np.float32]] = []
    for feature in shade.features:
        doc, value = postings.documents(feature)
        rows.append(doc)
        strength.append(
            value / (full[feature] if full[feature] > 0 else max(float(value.max(initial=0)), 1e-9))
        )
    every, parts = np.concatenate(rows), np.concatenate(strength)
    if len(shade.features) > 1:
        order = np.lexsort((-parts, every))
        every, parts = every[order], parts[order]
        first = np.concatenate([[True], every[1:] != every[:-1]]) if len(every) else np.zeros(0, bool)
        every, parts = every[first], parts[first]
    found = every.astype(np.int64)
    return (found if corpus.selection is None else corpus.selection[found]), parts.astype(np.float32)


def looked_for(corpus: Corpus, words: str) -> bool:
    """Return whether the documents with a text are known already."""
    return _key(corpus, words) in _texts


def containing(corpus: Corpus, words: str) -> Ints:
    """Return the rows of the documents that contain a text, capitals or not; texts are read through once.

    Raises
    ------
    InputError
        If the corpus stores no texts.
    """
    if not corpus.stores_text:
        raise InputError("this corpus was encoded with --no-text: there are no words to search")
    return _texts.get(_key(corpus, words), lambda: _containing(corpus, words))


def _containing(corpus: Corpus, words: str) -> Ints:
    import polars as pl

    pattern = f"(?i){re.escape(words)}" if any(c.isalpha() for c in words) else None
    found, start = [], 0
    for frame in corpus.frames(["text"]):
        text = frame["text"].str
        there = text.contains(pattern) if pattern else text.contains(words, literal=True)
        found.append(start + there.fill_null(False).arg_true().cast(pl.Int64).to_numpy())
        start += frame.height
    corpus.give_back_pages()
    rows = np.concatenate(found) if found else np.empty(0, np.int64)
    return rows if corpus.selection is None else corpus.selection[rows]


def _key(corpus: Corpus, words: str) -> tuple[object, ...]:
    # the words as they are: the search takes no other view of capitals than its own, Straße is not STRASSE
    return (corpus.path, corpus.fingerprint, words)


def _all(corpus: Corpus) -> Ints:
    return np.arange(corpus.n_documents, dtype=np.int64) if corpus.selection is None else corpus.selection
