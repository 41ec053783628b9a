"""The groups of one view for all documents: k-means, and a map by the view's own neighbours.

Not for: how many groups there are (:mod:`saetext.analysis.clusters.views.looking`), or clusters by density
(:mod:`saetext.analysis.clusters.fitting`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from saetext.analysis.clusters import density, layout, semantic_map
from saetext.analysis.clusters.backends import one_thread
from saetext.analysis.clusters.drawn import drawn
from saetext.analysis.clusters.fitting import FARTHEST, Fitted, nearest, start_of, with_semantic_map
from saetext.analysis.clusters.repeats import as_one, nearly_repeated, noted, repeated, representatives
from saetext.analysis.clusters.representation import Floats32, gather_rows
from saetext.analysis.clusters.request import ClusterRequest
from saetext.analysis.clusters.views import stability as stable
from saetext.analysis.clusters.views.looking import EMBEDDING, MOST, principal, view_axis, view_basis
from saetext.analysis.clusters.views.themes import THEMED
from saetext.corpus.keys import copies
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.io.progress import Say

_EXEMPLARS = 0.02  # share of a group's documents that are marked as standing for it
_ROUNDS = 10


def fit_view(
    corpus: CorpusLike, sae: str, request: ClusterRequest, name: str, k: int, say: Say
) -> tuple[Fitted, density.Grouping, list[str]]:
    """Cut all documents, or a random sample, into the k groups of a view.

    New documents are placed by the view's features; those of the embedding view by all features and the
    semantic map, which stand for the embeddings.

    Returns
    -------
    fitted : Fitted
    grouping : Grouping
        Without a tree.
    notes : list of str
    """
    seed = request.seed
    rows, notes = drawn(corpus, request)
    embedded = None
    if name == EMBEDDING:
        rows, embedded = _embedded(corpus, rows, seed, say, notes)
    matrix = gather_rows(
        corpus, request.pooling, sae, rows, lambda done, of: say("reading the corpus", done, of)
    )
    axis = view_axis(corpus.spec, sae, name)
    basis = view_basis(matrix, request, None if axis is None else np.flatnonzero(axis))
    filled = np.diff(matrix[:, basis.features].indptr) > 0
    rows, matrix = rows[filled], matrix[filled]
    if embedded is not None:
        embedded = embedded[filled]
    least = max(2, request.neighbours // 2)
    again, near_same = repeated(corpus, rows, least), nearly_repeated(corpus, rows, least)
    notes += noted(again, near_same, len(rows))
    if name not in THEMED and request.semantic:
        basis = with_semantic_map(corpus, rows, matrix, basis, seed, say, notes, near_same)
    vectors = basis.project(matrix)
    say("grouping", 0, 0)
    near_by = vectors if embedded is None else embedded
    # the number of groups was chosen with each text once: so are their centres, or copies would make one
    once = np.sort(np.unique(as_one(corpus, rows, near_same), return_index=True)[1])
    grouping = grouped(vectors if name in THEMED else principal(near_by), k, seed, once)
    kept, place = representatives(len(rows), again, near_by, least, near_same)
    apart = near_by[kept] if len(kept) < len(rows) else near_by
    near = nearest(apart, None, request.neighbours, lambda done, of: say("finding neighbours", done, of))
    say("loading UMAP and HDBSCAN (the first time they compile, up to a minute)", 0, 0)
    start = start_of(apart, request.components, seed)
    places = layout.embed_graph(
        layout.fuzzy_graph(near, seed), start, 2, min_dist=layout.MAP_DISTANCE, seed=seed,
        epochs=request.epochs, on_done=lambda done, of: say("UMAP for the map", done, of),
    )[place]  # fmt: skip
    by_features = near if embedded is None else nearest(vectors, None, request.neighbours)
    second = by_features.distance[:, min(1, by_features.distance.shape[1] - 1)]
    farthest = float(np.quantile(second, FARTHEST))
    fitted = Fitted(
        basis, rows, vectors, start[place], places, grouping.cluster, grouping.probability,
        farthest, near.row.shape[1],
    )  # fmt: skip
    return fitted, grouping, notes


def grouped(rows: Floats32, k: int, seed: int, once: Ints | None = None) -> density.Grouping:
    """Cut rows into k groups: k-means from Ward's groups of at most 2,400 of them, the largest group first.

    The centres are those of the rows in ``once`` (by default of all); every row goes to the nearest.
    ``probability`` is one less the ratio of the distances to the nearest and the second centre, ``outlier``
    the distance to the nearest as a share of the farthest in the group; there is no tree.
    """
    apart = rows if once is None else rows[once]
    some = np.sort(np.random.default_rng([seed, 32]).permutation(len(apart))[:MOST])
    with one_thread():
        middle = stable.centres(apart[some], stable.ward(apart[some]), k)
        middle = stable.settled(apart, stable.assign(apart, middle), len(middle), _ROUNDS)
        away = np.sqrt(np.maximum((rows**2).sum(1)[:, None] - 2 * rows @ middle.T + (middle**2).sum(1), 0))
    told = away.argmin(1)
    near = np.sort(away, axis=1)
    second = near[:, 1] if len(middle) > 1 else np.full(len(rows), np.inf)
    sizes = np.bincount(told, minlength=len(middle))
    first = np.array(
        [np.flatnonzero(told == one)[0] if sizes[one] else len(told) for one in range(len(middle))]
    )
    order = np.lexsort((first, -sizes))[: int((sizes > 0).sum())]
    number = np.zeros(len(middle), np.int32)
    number[order] = np.arange(1, len(order) + 1)
    outlier, exemplar = np.zeros(len(rows), np.float32), np.zeros(len(rows), bool)
    for one in order.tolist():
        own = np.flatnonzero(told == one)
        outlier[own] = near[own, 0] / max(float(near[own, 0].max()), 1e-12)
        exemplar[own[np.argsort(near[own, 0], kind="stable")[: max(1, round(_EXEMPLARS * len(own)))]]] = True
    return density.Grouping(
        number[told], (1 - near[:, 0] / np.maximum(second, 1e-12)).astype(np.float32), outlier,
        np.full(len(order), np.nan), exemplar, None, None, order,
    )  # fmt: skip


def _embedded(corpus: CorpusLike, rows: Ints, seed: int, say: Say, notes: list[str]) -> tuple[Ints, Floats32]:
    """Return the documents whose embeddings the semantic map wants, with their copies, and the embeddings."""
    n_tokens = corpus.documents.select("n_tokens").collect()["n_tokens"].to_numpy().astype(np.int64)
    text = copies([corpus])[rows]
    chosen = semantic_map.choose(n_tokens[rows], seed, text)
    texts: Any = semantic_map.texts_of(corpus, rows[chosen])
    embedded = semantic_map.embed_texts(texts, lambda done, of: say("embedding texts", done, of))
    at = np.full(int(text.max(initial=-1)) + 1, -1)
    at[text[chosen]] = np.arange(len(chosen))
    known = at[text] >= 0
    if not known.all():
        notes.append(
            f"{len(chosen):,} texts were embedded, the other documents were placed by the features of those"
        )
    return rows[known], embedded[at[text[known]]]
