"""Coarse and fine: the clusters grouped into fewer, and the big ones split further down HDBSCAN's tree.

Every level is a partition of the clustered documents, and each of its parts lies in one part of the level
above. Not for: names of the parts (:mod:`saetext.analysis.clusters.levels.names`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.representation import Floats32
from saetext.corpus.protocol import Ints

if TYPE_CHECKING:
    import polars as pl

LUMP = 0.1  # share of the documents from which on a cluster is split
COVERED = 0.5  # share of a cluster that has to be in the dense parts it is split into
STABLE = 0.5  # sum of their stabilities, in that of the cluster: 1 would have made them clusters themselves
GROUPS = 12  # parts of the coarsest level but one; a cluster less needs no groups
_NEAR = 5  # dense documents of a cluster by which the others of it are given to its parts

Number = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Levels:
    """Partitions of the same rows, each of which refines the one before.

    Attributes
    ----------
    number : int32[l, n]
        The part of each row at each level, the coarsest first, from 1, the largest first (ties: the one with
        the earlier row); 0 for rows in no cluster.
    base : int
        The level that is the clusters themselves.
    """

    number: NDArray[np.int32]
    base: int

    def __len__(self) -> int:
        """Return the number of levels."""
        return len(self.number)

    def parents(self, level: int) -> Ints:
        """Return int64[k + 1]: the part of the level above that each part lies in; 0 at 0, and at level 0."""
        k = int(self.number[level].max(initial=0))
        found = np.zeros(k + 1, np.int64)
        if level:
            found[self.number[level]] = self.number[level - 1]
        return found


def levels(tree: pl.DataFrame, points: Floats32, cluster: Number, most: int, *, lump: float = LUMP) -> Levels:
    """Return at most so many levels, of which the clusters are one.

    More than :data:`GROUPS` clusters are grouped into so many; clusters of at least ``lump`` of the rows are
    split into the parts below them in the tree. With four levels and more the groups are grouped again, into
    a third as many, and the parts split again.

    Parameters
    ----------
    tree : polars.DataFrame
        HDBSCAN's condensed tree (:class:`~saetext.analysis.clusters.density.Grouping`).
    points : float32[n, d]
        What was clustered.
    cluster : int32[n]
        The cluster of each row, from 1, the largest first; 0 for none.
    most : int
        Number of levels, at least 1.
    lump : float
        Share of all rows from which on a cluster is split.

    Returns
    -------
    Levels
        A level that would be the same as its neighbour is left out.
    """
    nodes = Nodes.of(tree, len(cluster))
    made = [cluster]
    base = 0
    own = {
        int(number): int(node)
        for node, number in zip(tree["child"].to_list(), tree["cluster"].to_list(), strict=True)
        if number is not None and node >= len(cluster)
    }
    k = int(cluster.max(initial=0))
    down = up = True
    groups = GROUPS
    while len(made) < most and (down or up):
        if up := up and k > groups >= 2 and base < most // 2:
            made.insert(0, grouped(points, made[0], groups))
            base, k, groups = base + 1, groups, -(-groups // 3)
        if down := down and len(made) < most and len(made) - 1 - base < most // 2:
            finer, own = split(nodes, points, made[-1], own, lump)
            if down := finer is not None:
                made.append(finer)
    return Levels(np.stack(made), base)


# ---- down: parts of a cluster -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Nodes:
    """The nodes of a condensed tree: ``parent``, ``birth`` and ``stability`` by node, ``children`` of each.

    ``leaf`` and ``above`` are int64[n]: the rows, and the node that each falls out of.
    """

    stability: dict[int, float]
    children: dict[int, list[int]]
    above: Ints

    @classmethod
    def of(cls, tree: pl.DataFrame, n: int) -> Nodes:
        """Read the nodes of a tree over ``n`` rows."""
        parent, child = tree["parent"].to_numpy(), tree["child"].to_numpy()
        at, size = tree["lambda"].to_numpy(), tree["size"].to_numpy()
        finite = at[np.isfinite(at)]
        at = np.minimum(at, finite.max(initial=0.0))  # of equal rows: as late as any other leaves
        birth = dict(zip(child[child >= n].tolist(), at[child >= n].tolist(), strict=True))
        stability: dict[int, float] = dict.fromkeys({*parent.tolist(), *birth}, 0.0)
        children: dict[int, list[int]] = {}
        for p, c, end, s in zip(parent.tolist(), child.tolist(), at.tolist(), size.tolist(), strict=True):
            stability[p] += (end - birth.get(p, 0.0)) * s
            if c >= n:
                children.setdefault(p, []).append(c)
        above = np.full(n, -1, np.int64)
        above[child[child < n]] = parent[child < n]
        return cls(stability, children, above)

    def below(self, node: int) -> list[int]:
        """Return the nodes strictly below one that have the largest sum of stabilities, none in another.

        That is HDBSCAN's excess of mass, if ``node`` itself cannot be chosen.
        """
        order = self._under(node)
        best: dict[int, tuple[float, list[int]]] = {}
        for one in reversed(order):
            inner = self.children.get(one, [])
            total = sum(best[child][0] for child in inner)
            if one == node or total > self.stability[one]:
                best[one] = total, [found for child in inner for found in best[child][1]]
            else:
                best[one] = self.stability[one], [one]
        return best[node][1]

    def rows(self, node: int) -> Ints:
        """Return the rows that fall out of a node or of one below it, increasing."""
        return np.flatnonzero(np.isin(self.above, self._under(node)))

    def _under(self, node: int) -> list[int]:
        """Return a node and all below it, parents first."""
        order = [node]
        for one in order:
            order += self.children.get(one, [])
        return order


def split(
    nodes: Nodes, points: Floats32, cluster: Number, own: dict[int, int], lump: float
) -> tuple[Number | None, dict[int, int]]:
    """Split the big parts of a level by the tree.

    Rows of a part that are in none of the dense nodes below it go where most of their nearest dense rows are,
    so that the parts add up.

    Parameters
    ----------
    nodes : Nodes
        Of the tree.
    points : float32[n, d]
        What was clustered.
    cluster : int32[n]
        The level.
    own : mapping
        The tree's node of each part of the level that has one.
    lump : float
        Share of all rows from which on a part is split.

    Returns
    -------
    cluster : int32[n] or None
        The finer level; None if nothing was split.
    own : mapping
        As above, of the finer level.
    """
    sizes = np.bincount(cluster)
    finer, node_of, free = cluster.astype(np.int64), dict(own), len(sizes)
    done = False
    for part in range(1, len(sizes)):
        if part not in own or sizes[part] < lump * len(cluster):
            continue
        rows = np.flatnonzero(cluster == part)
        inner = nodes.below(own[part])
        core = np.zeros(len(rows), np.int64)
        for at, node in enumerate(inner, start=1):
            core[np.isin(rows, nodes.rows(node))] = at
        there = np.unique(core[core > 0])
        told = sum(nodes.stability[node] for node in inner)
        if len(there) < 2 or (core > 0).mean() < COVERED or told < STABLE * nodes.stability[own[part]]:
            continue
        finer[rows] = free + whole(points[rows], core) - 1
        node_of.update({free + at: node for at, node in enumerate(inner)})
        free += len(inner)
        done = True
    if not done:
        return None, own
    numbered, order = renumbered(finer)
    return numbered, {at: node_of[old] for at, old in enumerate(order, start=1) if old in node_of}


def whole(points: Floats32, core: Ints) -> Ints:
    """Return the parts of all rows: those in none (0) go where most of their nearest rows in a part are.

    Rows in one place are in one part, the one that most of them have.
    """
    from sklearn.neighbors import NearestNeighbors

    known = np.flatnonzero(core)
    found = core.copy()
    rest = np.flatnonzero(core == 0)
    if len(rest):
        near = NearestNeighbors(n_neighbors=min(_NEAR, len(known))).fit(points[known])
        votes = core[known][near.kneighbors(points[rest], return_distance=False)]
        found[rest] = [int(np.bincount(row).argmax()) for row in votes]
    _, place, count = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    for one in np.flatnonzero(count > 1):
        same = np.flatnonzero(place == one)
        found[same] = np.bincount(found[same]).argmax()
    return found


# ---- up: groups of clusters -------------------------------------------------------------------------------


def grouped(points: Floats32, cluster: Number, k: int) -> Number:
    """Group the parts of a level into ``k``: those are joined first whose rows are nearest on average.

    Average linkage between the parts' centres, so that a group is never a chain of clusters each of which is
    near the next alone, and clusters of equal texts, which are in no tree, have groups too.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    n_parts = int(cluster.max())
    centre = np.stack([points[cluster == part].mean(0) for part in range(1, n_parts + 1)])
    group = fcluster(linkage(centre.astype(np.float64), "average"), k, "maxclust")
    coarse = np.concatenate([[0], group])[cluster]
    return renumbered(coarse)[0]


def renumbered(number: Ints) -> tuple[Number, list[int]]:
    """Return a partition numbered from 1 by size (ties: the earlier row), and the old numbers in order."""
    old, first, size = np.unique(number, return_index=True, return_counts=True)
    known = old > 0
    old, first, size = old[known], first[known], size[known]
    order = np.lexsort((first, -size))
    new = np.zeros(int(number.max(initial=0)) + 1, np.int32)
    new[old[order]] = np.arange(1, len(old) + 1)
    return new[number], old[order].tolist()
