"""Exemplars of each cluster, and where in them the features fire that set it apart.

Not for: shading every token again (:mod:`saetext.features.shading`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.representation import Floats32
from saetext.corpus.protocol import CorpusLike, Ints


@dataclass(frozen=True)
class Fired:
    """A telling feature in a document: its number, strength and the token where it is strongest."""

    feature: int
    value: float
    peak: int


@dataclass(frozen=True)
class Exemplar:
    """A document that stands for its cluster: its row, and the telling features in it, the first first."""

    row: int
    fired: tuple[Fired, ...]


def centres(vectors: object, cluster: NDArray[np.int32], n_clusters: int) -> Floats32:
    """Return float32[k, d]: the mean vector of each cluster, of length 1."""
    from saetext.analysis.clusters.representation import unit

    found = np.zeros((n_clusters, vectors.shape[1]), np.float32)  # type: ignore[attr-defined]
    for c in range(1, n_clusters + 1):
        found[c - 1] = np.asarray(vectors[cluster == c].mean(0)).ravel()  # type: ignore[index]
    return unit(found)


def nearest_clusters(centre: Floats32, most: int) -> list[list[int]]:
    """Return, for each cluster, the numbers of the nearest others."""
    similarity = centre @ centre.T
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, : min(most, len(centre) - 1)]
    return (order + 1).tolist()


def exemplar_rows(
    vectors: object,
    cluster: NDArray[np.int32],
    probability: Floats32,
    centre: Floats32,
    most: int,
) -> list[Ints]:
    """Return, for each cluster, the documents nearest its centre among those that belong to it firmly.

    Documents that are the same in the features that count stand for one.
    """
    found = []
    for c in range(1, len(centre) + 1):
        members = np.flatnonzero(cluster == c)
        firm = members[probability[members] >= np.median(probability[members])]
        rows = vectors[firm]  # type: ignore[index]
        closeness = np.asarray(rows @ centre[c - 1]).ravel()
        order = np.argsort(-closeness, kind="stable")
        chosen: list[int] = []
        last = np.inf
        for at in order.tolist():
            if last - closeness[at] > 1e-6:
                chosen.append(int(firm[at]))
                last = closeness[at]
            if len(chosen) == most:
                break
        found.append(np.array(chosen, np.int64))
    return found


def find_exemplars(
    corpus: CorpusLike, sae: str, rows: Sequence[Ints], telling: Sequence[Sequence[int]]
) -> list[tuple[Exemplar, ...]]:
    """Find where the telling features are strongest in the exemplars.

    Parameters
    ----------
    corpus : Corpus
        The documents; pooled rows are streamed once.
    sae : str
        Which SAE.
    rows : sequence of int64 arrays
        The exemplars of each cluster, best first.
    telling : sequence of sequence of int
        Its features, the most telling first.
    """
    owner = {int(row): c for c, chosen in enumerate(rows) for row in chosen}
    wanted = np.array(sorted(owner), np.int64)
    fired: dict[int, tuple[Fired, ...]] = {}
    start = 0
    for block in corpus.rows(sae):
        low, high = np.searchsorted(wanted, (start, start + len(block)))
        for row in wanted[low:high].tolist():
            here = slice(int(block.indptr[row - start]), int(block.indptr[row - start + 1]))
            place = {int(f): at for at, f in enumerate(block.feature[here].tolist(), start=here.start)}
            fired[row] = tuple(
                Fired(f, float(block.value[place[f]]), int(block.peak[place[f]]))
                for f in telling[owner[row]]
                if f in place
            )
        start += len(block)
    return [tuple(Exemplar(int(row), fired[int(row)]) for row in chosen) for chosen in rows]
