"""Placing documents in clusters that were fitted: by their nearest fitted documents.

Not for: the fit (:mod:`saetext.analysis.clusters.fitting`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.backends import umap_weights
from saetext.analysis.clusters.fitting import Fitted, nearest
from saetext.analysis.clusters.neighbours import Neighbours
from saetext.analysis.clusters.representation import Floats32, rows_of
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.io.progress import Say

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_ROUNDING = 1e-6  # of a distance: equal documents are not always at 0
_SAME = 1e-5  # the same text in another batch


@dataclass(frozen=True, eq=False)
class Placed:
    """Where every document of a corpus is: cluster (0: none), probability, outlier, x and y; one each.

    ``outlier`` is GLOSH's score of fitted documents and NaN for placed ones; documents without any feature
    that counts have no place (NaN) and no cluster. ``fitted`` says which were fitted. ``like`` is, for
    documents in a cluster, the fitted one of it that they are nearest, by its place in ``Fitted.rows``; -1
    for others. ``same`` is how many placed documents are where a fitted one is: that one, or its copy.
    """

    cluster: NDArray[np.int32]
    probability: Floats32
    outlier: Floats32
    x: Floats32
    y: Floats32
    fitted: NDArray[np.bool_]
    empty: NDArray[np.bool_]
    unlike: int
    like: Ints
    same: int = 0


def place(
    corpus: CorpusLike,
    sae: str,
    fitted: Fitted,
    say: Say,
    *,
    known: Ints | None = None,
    noise: bool = True,
    own: Ints | None = None,
) -> Placed:
    """Place every document of a corpus: fitted ones where they are, others by their nearest fitted ones.

    A document goes where UMAP's weights of its nearest fitted documents, summed by cluster, are largest
    (noise counts as one), and to the weighted mean of the places of those of that cluster; one that is
    farther from all fitted documents than 99.5 % of these are from each other is unlike them, noise.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    sae : str
        Which SAE.
    fitted : Fitted
        What was fitted.
    say : callable
        Progress.
    known : int64[m], optional
        Rows of this corpus that are the fitted documents.
    noise : bool
        Whether a document may go to none.
    own : int64[n], optional
        Which fitted document each document is, -1 for none: it is placed by the others, as a new one is.
    """
    n = corpus.n_documents
    cluster, fine = np.zeros(n, np.int32), np.zeros(n, bool)
    probability, outlier = np.zeros(n, np.float32), np.full(n, np.nan, np.float32)
    where = np.full((n, 2), np.nan, np.float32)
    empty, unlike, same = np.zeros(n, bool), 0, 0
    like = np.full(n, -1, np.int64)
    if known is not None:
        cluster[known], probability[known] = fitted.cluster, fitted.probability
        where[known], fine[known] = fitted.places, True
        like[known] = np.where(fitted.cluster > 0, np.arange(len(known)), -1)
    if known is not None and len(known) == n:
        return Placed(cluster, probability, outlier, where[:, 0], where[:, 1], fine, empty, 0, like)
    for first, block in rows_of(corpus, fitted.basis.pooling, sae):
        part = np.arange(first, first + block.shape[0])
        here = ~fine[part]
        rows = block[here]
        part = part[here]
        filled = np.diff(rows[:, fitted.basis.features].indptr) > 0
        empty[part[~filled]] = True
        part, rows = part[filled], rows[filled]
        if len(part):
            found = _place(fitted, rows, noise, None if own is None else own[part])
            cluster[part], probability[part], where[part], like[part] = found[:4]
            unlike += found[4]
            same += found[5]
        say("placing documents", first + block.shape[0], n)
    return Placed(cluster, probability, outlier, where[:, 0], where[:, 1], fine, empty, unlike, like, same)


def _without(near: Neighbours, own: Ints) -> Neighbours:
    """Return the neighbours of each document without itself; where it is none of them, without the last."""
    itself = near.row == own[:, None]
    itself[~itself.any(1), -1] = True
    shape = (len(own), near.row.shape[1] - 1)
    return Neighbours(near.row[~itself].reshape(shape), near.distance[~itself].reshape(shape))


def _place(
    fitted: Fitted, rows: csr_matrix, noise: bool, own: Ints | None = None
) -> tuple[NDArray[np.int32], Floats32, Floats32, Ints, int, int]:
    basis = fitted.basis
    vectors: Any = basis.sparse(rows) if basis.components is None else basis.project(rows)
    near = nearest(fitted.vectors, vectors, fitted.neighbours + (own is not None))
    if own is not None:
        near = _without(near, own)
    m = len(near.row)
    weight = np.maximum(umap_weights(near.row, near.distance), 1e-12)
    theirs = fitted.cluster[near.row]
    votes = np.zeros((m, fitted.n_clusters + 1))
    np.add.at(votes, (np.arange(m)[:, None], theirs), weight)
    votes /= votes.sum(1, keepdims=True)
    far = near.distance[:, 0] > fitted.farthest + _ROUNDING
    same = int((near.distance[:, 0] <= _SAME).sum())
    if not noise:
        votes[:, 0] = 0
        far[:] = False
    chosen = votes.argmax(1).astype(np.int32)
    mine = theirs == chosen[:, None]
    mine[~mine.any(1)] = True
    own = weight * mine
    own /= own.sum(1, keepdims=True)
    where = np.einsum("mk,mkd->md", own, fitted.places[near.row])
    firm = votes[np.arange(m), chosen] * (own * fitted.probability[near.row]).sum(1)
    chosen[far] = 0
    firm[chosen == 0] = 0
    nearest_own = near.row[np.arange(m), own.argmax(1)].astype(np.int64)
    like = np.where(chosen > 0, nearest_own, -1)
    return chosen, firm.astype(np.float32), where.astype(np.float32), like, int(far.sum()), same
