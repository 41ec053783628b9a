"""How many groups rows fall into, and whether they do so again in other rows: stability under resampling.

Groups are k-means that starts from Ward's tree, so nothing is drawn at random but the halves. Stability is
compared with rows that have the same spread and no groups. Not for: what the rows are
(:mod:`saetext.analysis.clusters.views.looking`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.representation import Floats32
from saetext.corpus.protocol import Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

GRID = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 25, 30, 36, 44, 52, 64, 77, 92, 110, 130, 155, 185)
LEAST = 7  # rows of a half per group, on average
_ROUNDS = 12  # of k-means: from Ward's groups it is nearly settled after a few

_NEAR = 0.03  # of the best score: as good, and then fewer groups are better
_PEAK = 0.85  # of the best score: a later peak of the curve that is nearly as high, and then finer groups are
CLEAR, WEAK = 0.3, 0.15  # stability above that of the nulls from which on there is structure
_COLUMNS = 500  # shuffled at a time

Groups = NDArray[np.int32]
Curve = NDArray[np.float64]
Structure = Literal["clear", "weak", "none"]


@dataclass(frozen=True)
class Choice:
    """A number of groups, how stable they are, and as many groups of rows that have none.

    Attributes
    ----------
    k : int
        Number of groups.
    stability : float
        Adjusted Rand index, -1 to 1; 1 if both halves give the same groups.
    shuffled : float
        That of rows whose features were shuffled, the largest of all shuffles and of k and its neighbours in
        :data:`GRID`: what features that have nothing to do with each other give by luck.
    cloud : float
        That of a normal cloud with the same spread: what a gradient without groups gives.
    """

    k: int
    stability: float
    shuffled: float
    cloud: float

    @property
    def score(self) -> float:
        """Stability less the mean of that of the nulls."""
        return self.stability - (self.shuffled + self.cloud) / 2

    @property
    def structure(self) -> Structure:
        """Whether the groups are more stable than shuffled features (or none), and than a cloud (or weak)."""
        above = self.stability - self.shuffled
        if above < WEAK:
            return "none"
        return "clear" if above >= CLEAR and self.stability - self.cloud >= WEAK else "weak"


def choose(
    rows: Floats32, nulls: Iterable[Floats32], stratum: Ints, splits: int, rng: np.random.Generator
) -> Choice:
    """Choose the number of groups whose stability is farthest above that of rows without groups.

    Parameters
    ----------
    rows : float32[n, d]
        What is grouped.
    nulls : iterable of float32[n, e]
        Rows of which each feature was shuffled: each null is split once, and so is a normal cloud with the
        spread of ``rows``.
    stratum : int64[n]
        Bins of length, whose means the cloud keeps.
    splits : int
        Random halvings of ``rows``.
    rng : numpy.random.Generator
        Of the halves and the cloud.

    Returns
    -------
    Choice
        See :func:`chosen`.
    """
    ks = grid(len(rows))
    own = stability(rows, ks, splits, rng).mean(0)
    mixed, cloud = [], []
    for null in nulls:
        mixed.append(stability(null, ks, 1, rng)[0])
        cloud.append(stability(smooth(rows, stratum, rng), ks, 1, rng)[0])
    return chosen(ks, own, np.array(mixed), np.array(cloud))


def chosen(ks: Sequence[int], own: Curve, mixed: Curve, cloud: Curve) -> Choice:
    """Choose a number of groups by curves of stability.

    The smallest whose score is within .03 of the best; or a larger one, if the curve falls and rises again by
    .03 to a peak that has .85 of the best score: the finest such groups, if they are clear. Where the
    smallest are no better than shuffled features, those with the best score of all that are clear.

    Parameters
    ----------
    ks : sequence of int
        Numbers of groups, increasing.
    own : float64[len(ks)]
        Stability of the rows.
    mixed, cloud : float64[nulls, len(ks)]
        That of the nulls.
    """
    second = cloud.mean(0)
    score = own - (mixed.mean(0) + second) / 2

    def told(at: int) -> Choice:
        worst = float(np.max(mixed[:, max(at - 1, 0) : at + 2]))
        return Choice(ks[at], *(max(one, 0.0) for one in (float(own[at]), worst, float(second[at]))))

    at = int(np.flatnonzero(score >= score.max() - _NEAR)[0])
    first, finer = told(at), told(later_peak(score, at))
    if finer.structure == "clear":
        return finer
    if first.structure != "none":
        return first
    clear = [one for one in map(told, range(len(ks))) if one.structure == "clear"]
    return max(clear, key=lambda one: one.score, default=first)


def later_peak(score: Curve, at: int) -> int:
    """Return the last peak of a curve behind a place from which it falls and rises again; or the place."""
    found = at
    for later in range(at + 2, len(score)):
        peak = score[later] >= score[later - 1 : later + 2].max()
        risen = score[later] >= score[at:later].min() + _NEAR
        if peak and risen and score[later] >= _PEAK * score.max():
            found = later
    return found


def grid(rows: int) -> tuple[int, ...]:
    """Return the numbers of groups that so many rows are tried with."""
    return tuple(k for k in GRID if k <= max(2, rows // 2 // LEAST))


@dataclass(frozen=True, eq=False)
class Tree:
    """Ward's tree of n rows, so that it is cut into k groups without a look at it all.

    Attributes
    ----------
    order : int64[n]
        Rows so that each subtree's stand together, in scipy's order of groups.
    apart : float64[n - 1]
        At which height a row of ``order`` and the next one come together.
    heights : float64[n - 1]
        Of all merges, increasing.
    """

    order: Ints
    apart: NDArray[np.float64]
    heights: NDArray[np.float64]

    def groups(self, k: int) -> Groups:
        """Return int32[n], the group of each row, of k from 0: scipy's ``fcluster(..., "maxclust")``, less 1.

        Wanted a thousand times a pile, and scipy's looks each time whether the tree is one. Heights that tie
        give fewer groups.
        """
        n = len(self.order)
        if k >= n:
            return np.arange(n, dtype=np.int32)
        found = np.zeros(n, np.int32)
        found[self.order[1:]] = np.cumsum(self.apart > self.heights[n - k - 1])
        return found


def ward(rows: Floats32) -> Tree:
    """Return Ward's tree of two rows or more."""
    from scipy.cluster.hierarchy import linkage

    return tree_of(linkage(rows.astype(np.float64), "ward"))


def tree_of(linked: NDArray[np.float64]) -> Tree:
    """Return what scipy's ``linkage`` (float64[n - 1, 4], heights increasing) says, ready to be cut."""
    n = len(linked) + 1
    first, last = list(range(n)), list(range(n))  # leaves of each subtree
    after, apart = [-1] * n, [0.0] * n  # of each leaf: the next one, and the height at which they meet
    for one, other, height in zip(*linked[:, :2].astype(int).T.tolist(), linked[:, 2].tolist(), strict=True):
        if one < n <= other:  # scipy counts what has parts before single rows
            one, other = other, one
        after[last[one]], apart[last[one]] = first[other], height
        first.append(first[one])
        last.append(last[other])
    order = [first[-1]]
    while after[order[-1]] >= 0:
        order.append(after[order[-1]])
    return Tree(np.array(order), np.array(apart)[order[:-1]], linked[:, 2])


def centres(rows: Floats32, tree: Tree, k: int) -> Floats32:
    """Return float32[k', d]: centres of k-means that starts from Ward's k groups; an empty one is dropped."""
    return _settled(_Means(rows, k), tree.groups(k), k, _ROUNDS)


def settled(rows: Floats32, group: NDArray[np.integer], k: int, rounds: int) -> Floats32:
    """Return the centres of k-means after at most so many rounds from given groups."""
    return _settled(_Means(rows, k), group, k, rounds)


def _settled(means: _Means, group: NDArray[np.integer], k: int, rounds: int) -> Floats32:
    middle = means.of(group, k)
    for _ in range(rounds):
        told = assign(means.rows, middle)
        if (told == group).all():
            break
        group = told
        middle = means.of(group, len(middle))
    return middle


def assign(rows: Floats32, middle: Floats32) -> Groups:
    """Return int32[n]: the nearest centre of each row."""
    away = (middle**2).sum(1) - 2 * (rows @ middle.T)
    return away.argmin(1).astype(np.int32)


def agreement(one: Groups, other: Groups) -> float:
    """Return the adjusted Rand index of two partitions; 0 if either has only one group.

    Wanted hundreds of times a view, and scikit-learn's takes ten times as long.
    """
    a, b = int(one.max(initial=0)) + 1, int(other.max(initial=0)) + 1
    table = np.bincount(one.astype(np.int64) * b + other, minlength=a * b).reshape(a, b).astype(np.float64)
    rows, columns = table.sum(1), table.sum(0)

    def pairs(counts: NDArray[np.float64]) -> float:
        return float((counts * (counts - 1)).sum() / 2)

    both, first, second = pairs(table), pairs(rows), pairs(columns)
    n = table.sum()
    chance = first * second / max(n * (n - 1) / 2, 1)
    most = (first + second) / 2
    if (rows > 0).sum() < 2 or (columns > 0).sum() < 2 or most == chance:
        return 0.0
    return float((both - chance) / (most - chance))


def stability(
    rows: Floats32, ks: Sequence[int], splits: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return float64[splits, len(ks)]: how well groups of one random half agree with those of the other.

    Each half gets its own groups; all rows go to the nearest centre of either; the two partitions are
    compared by the adjusted Rand index.
    """
    found = np.zeros((splits, len(ks)))
    for split in range(splits):
        mixed = rng.permutation(len(rows))
        halves = [rows[np.sort(part)] for part in np.array_split(mixed, 2)]
        trees = [(_Means(half, max(ks)), ward(half)) for half in halves]
        for at, k in enumerate(ks):
            one, other = (assign(rows, _settled(means, tree.groups(k), k, _ROUNDS)) for means, tree in trees)
            found[split, at] = agreement(one, other)
    return found


def shuffled(rows: Floats32, stratum: Ints, rng: np.random.Generator) -> Floats32:
    """Return rows each of whose columns is shuffled on its own among rows of one stratum."""
    found = rows.copy()
    for one in np.unique(stratum):
        own = np.flatnonzero(stratum == one)
        order = rng.random((len(own), rows.shape[1])).argsort(0)
        found[own] = np.take_along_axis(rows[own], order, 0)
    return found


def shuffled_sparse(
    matrix: csr_matrix, features: Ints, stratum: Ints, rng: np.random.Generator
) -> csr_matrix:
    """Return the matrix with only some columns, each shuffled on its own among rows of one stratum."""
    from scipy import sparse

    by_column = matrix.tocsc()
    shape, parts = matrix.shape, []
    for start in range(0, len(features), _COLUMNS):
        some = features[start : start + _COLUMNS]
        block = sparse.coo_matrix(shuffled(by_column[:, some].toarray(), stratum, rng))
        parts.append((block.data, block.row, some[block.col]))
    data, row, column = (np.concatenate(part) for part in zip(*parts, strict=True))
    found = sparse.csr_matrix((data, (row, column)), shape)
    found.sort_indices()
    return sparse.csr_matrix(found)


def smooth(rows: Floats32, stratum: Ints, rng: np.random.Generator) -> Floats32:
    """Return normal rows with the covariance of ``rows`` and the mean of each stratum: spread, no groups."""
    middle = np.zeros_like(rows)
    for one in np.unique(stratum):
        own = stratum == one
        middle[own] = rows[own].mean(0)
    left = rows - middle
    _, values, right = np.linalg.svd(left, full_matrices=False)
    drawn = rng.standard_normal((len(rows), len(values))).astype(np.float32)
    return np.asarray(middle + (drawn * (values / np.sqrt(len(rows)))) @ right, np.float32)


class _Means:
    """Means of groups of the same rows, again and again: one sparse matrix says who is in which.

    To make a new one takes ten times as long as to multiply with it.
    """

    def __init__(self, rows: Floats32, most: int) -> None:
        from scipy import sparse

        n = len(rows)
        self.rows = rows
        ends = np.full(most + 1, n, np.int32)
        ends[0] = 0  # all in the first group
        one, at = np.ones(n, np.float32), np.arange(n, dtype=np.int32)
        self._member = sparse.csr_matrix((one, at, ends), (most, n))

    def of(self, group: NDArray[np.integer], k: int) -> Floats32:
        """Return float32[k', d] of groups 0 to k - 1; an empty one is dropped."""
        member = self._member
        size = np.bincount(group, minlength=k)
        member.indices[:] = np.argsort(group, kind="stable")
        member.indptr[1 : k + 1] = np.cumsum(size)
        member.indptr[k + 1 :] = len(self.rows)
        total = np.asarray(member @ self.rows)[:k]
        return np.ascontiguousarray(total[size > 0] / size[size > 0, None], np.float32)
