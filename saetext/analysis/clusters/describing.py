"""What sets a cluster apart: the diff's statistics of its documents against the rest, and its neighbours.

Counted on all documents. The clusters were made from the same features, so p and q order what they say and
are no evidence that the clusters exist: for that see :mod:`saetext.analysis.clusters.validation`. Not for:
names (:mod:`saetext.analysis.clusters.names.naming`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.clusters.representation import rows_of
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.strata import LEAST_OVERLAP, bins, overlap_of
from saetext.io.progress import Count

LOOKED_AT = 60  # features of each cluster that are tested
AGAINST = 2  # nearest clusters
_FEWEST = 3  # documents of a cluster in which a feature must be; all of a smaller cluster
_BINS = 5  # of length

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Telling:
    """A feature of a cluster.

    Attributes
    ----------
    feature : int
        Its number.
    inside, outside : float
        Share of the cluster's documents that have it, and of the others'.
    diff, ci_low, ci_high : float
        The difference, and its interval (Newcombe, 95 %).
    p, q : float
        Fisher's exact test; q over all pairs of a cluster and a feature present in it.
    adjusted_diff, adjusted_q : float
        The difference among documents of equal length (Mantel-Haenszel).
    score : float
        inside * ln(inside / outside), by which features are ordered.
    explained_by_length : str
        "yes", "no" or "unclear" (:func:`saetext.stats.explained`).
    """

    feature: int
    inside: float
    outside: float
    diff: float
    ci_low: float
    ci_high: float
    p: float
    q: float
    adjusted_diff: float
    adjusted_q: float
    score: float
    explained_by_length: str = "unclear"


@dataclass(frozen=True)
class Described:
    """What sets a cluster apart from the rest, and from its nearest clusters (number to features)."""

    telling: tuple[Telling, ...]
    against: tuple[tuple[int, tuple[Telling, ...]], ...]


def describe(
    corpus: CorpusLike,
    sae: str,
    cluster: NDArray[np.int32],
    near: list[list[int]],
    on_done: Count | None = None,
) -> list[Described]:
    """Describe every cluster.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    sae : str
        Which SAE.
    cluster : int32[n]
        The cluster of each document, from 1; 0 for none: those count among the others.
    near : list of list of int
        The nearest clusters of each.
    on_done : callable, optional
        Called with documents counted and their number.

    Returns
    -------
    list of Described
        By number, from cluster 1.
    """
    k = int(cluster.max(initial=0))
    if not k:
        return []
    d_sae = corpus.spec.sae(sae).d_sae
    counts = np.zeros((k + 1, d_sae), np.int64)
    for part, present in _present(corpus, sae, cluster, k + 1):
        counts += present
        if on_done is not None:
            on_done(part, 2 * corpus.n_documents)
    sizes = np.bincount(cluster, minlength=k + 1)
    n, total = len(cluster), counts.sum(0)
    tested = [int((counts[c] >= _fewest(int(sizes[c]))).sum()) for c in range(1, k + 1)]
    chosen: list[Ints] = []
    for c in range(1, k + 1):
        others = [(total - counts[c], n - sizes[c])] + [(counts[o], sizes[o]) for o in near[c - 1]]
        chosen.append(
            np.unique(np.concatenate([_best(counts[c], int(sizes[c]), *other) for other in others]))
        )
    union = np.unique(np.concatenate(chosen))
    strata = _strata(corpus)
    by_stratum, rows = _by_stratum(corpus, sae, cluster, k + 1, union, strata, on_done)
    found: list[Described] = []
    outside_tests = sum(m * len(near[c]) for c, m in enumerate(tested))
    whole = by_stratum.sum(0), rows.sum(0)
    numbers: list[list[dict[str, Any]]] = []
    for c in range(1, k + 1):
        at = np.searchsorted(union, chosen[c - 1])
        sides = [(whole[0] - by_stratum[c], whole[1] - rows[c])]
        sides += [(by_stratum[o], rows[o]) for o in near[c - 1]]
        numbers.append([measured(by_stratum[c][:, at], rows[c], x[:, at], m) for x, m in sides])
    # one correction over all pairs of a cluster and a feature: those not looked at count as p = 1
    for which, m in ((0, sum(tested)), (1, outside_tests)):
        groups = [side for sides in numbers for side in (sides[:1] if which == 0 else sides[1:])]
        for name in ("p", "adjusted_p"):
            if not groups:
                continue
            q = stats.benjamini_hochberg(np.concatenate([g[name] for g in groups]), max(m, 1))
            start = 0
            for g in groups:
                g["q" if name == "p" else "adjusted_q"] = q[start : start + len(g[name])]
                start += len(g[name])
        _explain(groups, m)
    for c in range(1, k + 1):
        sides_of = [_listed(chosen[c - 1], g) for g in numbers[c - 1]]
        found.append(Described(sides_of[0], tuple(zip(near[c - 1], sides_of[1:], strict=True))))
    return found


def _present(corpus: CorpusLike, sae: str, code: NDArray[np.int32], size: int) -> Iterator[tuple[int, Ints]]:
    """Yield (rows done, int64[size, d_sae]): how many rows of each code have each feature."""
    from scipy import sparse

    for first, block in rows_of(corpus, "binary", sae):
        mine = code[first : first + block.shape[0]]
        ones = np.ones(len(mine), np.float64)
        member = sparse.csr_matrix((ones, (mine, np.arange(len(mine)))), shape=(size, len(mine)))
        counted = (member @ block.astype(np.float64)).toarray()
        yield first + block.shape[0], counted.astype(np.int64)


def _strata(corpus: CorpusLike) -> NDArray[np.int32]:
    n_tokens = corpus.documents.select("n_tokens").collect()["n_tokens"].to_numpy().astype(np.float64)
    return bins(n_tokens, np.ones(len(n_tokens), bool), _BINS)


def _by_stratum(
    corpus: CorpusLike,
    sae: str,
    cluster: NDArray[np.int32],
    size: int,
    features: Ints,
    strata: NDArray[np.int32],
    on_done: Count | None,
) -> tuple[Ints, Ints]:
    """Return int64[clusters, strata, features], rows with each, and int64[clusters, strata], rows."""
    from scipy import sparse

    s = int(strata.max(initial=0)) + 1
    code = cluster.astype(np.int64) * s + strata
    counts = np.zeros((size * s, len(features)), np.int64)
    for first, block in rows_of(corpus, "binary", sae):
        mine = code[first : first + block.shape[0]]
        member = sparse.csr_matrix(
            (np.ones(len(mine)), (mine, np.arange(len(mine)))), shape=(size * s, len(mine))
        )
        counts += (member @ block[:, features].astype(np.float64)).toarray().astype(np.int64)
        if on_done is not None:
            on_done(corpus.n_documents + first + block.shape[0], 2 * corpus.n_documents)
    rows = np.bincount(code, minlength=size * s)
    return counts.reshape(size, s, -1), rows.reshape(size, s)


def _score(x_a: Ints, n_a: int, x_b: Ints, n_b: int) -> Floats:
    """Return inside * ln(inside / outside), with half a document added to each count."""
    inside, outside = (x_a + 0.5) / (n_a + 1), (x_b + 0.5) / (n_b + 1)
    score: Floats = inside * np.log(inside / outside)
    return score


def _fewest(size: int) -> int:
    return max(1, min(_FEWEST, size))


def _best(x_a: Ints, n_a: int, x_b: Ints, n_b: int) -> Ints:
    score = np.where(x_a >= _fewest(n_a), _score(x_a, n_a, x_b, n_b), -np.inf)
    best = np.argsort(-score, kind="stable")[:LOOKED_AT]
    return best[score[best] > 0]


def _explain(groups: list[dict[str, Any]], tested: int) -> None:
    """Add the verdict on length to comparisons that are read together."""
    selected = sum(int((g["q"] < 0.05).sum()) for g in groups)
    widen = stats.widening(selected, tested, 0.95)
    for g in groups:
        g["verdict"] = stats.explained(
            g["diff"], g["adjusted_diff"], g["adjusted_low"], g["adjusted_high"], g["gap_low"], g["gap_high"],
            widen=widen,
        )  # fmt: skip
        g["verdict"][g["vague"]] = "unclear"


def measured(x_a: Ints, n_a: Ints, x_b: Ints, n_b: Ints) -> dict[str, Any]:
    """Return the numbers of features, or of other things documents have, from their counts by stratum."""
    a, b, all_a, all_b = x_a.sum(0), x_b.sum(0), int(n_a.sum()), int(n_b.sum())
    low, high = stats.newcombe(a, all_a, b, all_b, 0.95)
    adjusted = stats.mantel_haenszel(x_a, n_a, x_b, n_b, 0.95)
    gap_low, gap_high = stats.stratified_gap(x_a, n_a, x_b, n_b, 0.95)
    vague = np.full(len(a), overlap_of(n_a, n_b) < LEAST_OVERLAP)
    inside, outside = a / max(all_a, 1), b / max(all_b, 1)
    return {
        "inside": inside, "outside": outside, "diff": inside - outside, "ci_low": low, "ci_high": high,
        "adjusted_low": adjusted.low, "adjusted_high": adjusted.high, "gap_low": gap_low,
        "gap_high": gap_high, "vague": vague,
        "p": stats.fisher_exact_p(a, all_a, b, all_b), "adjusted_diff": adjusted.diff,
        "adjusted_p": adjusted.p, "score": _score(a, all_a, b, all_b),
    }  # fmt: skip


def _listed(features: Ints, told: dict[str, Any]) -> tuple[Telling, ...]:
    """Return the features that are more frequent inside, and so at equal length, the most telling first.

    Those that length explains come last.
    """
    inside, outside = told["inside"], told["outside"]
    keep = np.flatnonzero((told["q"] < 0.05) & (inside > outside) & ~(told["adjusted_diff"] <= 0))
    keep = keep[np.lexsort((-told["score"][keep], told["verdict"][keep] == "yes"))]
    return tuple(
        Telling(
            int(features[i]), float(inside[i]), float(outside[i]), float(inside[i] - outside[i]),
            float(told["ci_low"][i]), float(told["ci_high"][i]), float(told["p"][i]), float(told["q"][i]),
            float(told["adjusted_diff"][i]), float(told["adjusted_q"][i]), float(told["score"][i]),
            str(told["verdict"][i]),
        )
        for i in keep.tolist()
    )  # fmt: skip
