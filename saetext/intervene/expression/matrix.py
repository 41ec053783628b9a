"""The matrix of features by examples, scaled, and its axes in the order of a hierarchical clustering.

Not for: tests (:mod:`saetext.intervene.expression.enrichment`) or drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

PERCENTILE = 99
_MOST_GROUPS = 12
_ORDERED = 400  # leaves up to which the order of a tree is optimised


@dataclass(frozen=True)
class Matrix:
    """Features by examples.

    Attributes
    ----------
    features : int64[n]
        Feature numbers, ascending.
    value : float64[n, examples]
        Attribution of a feature in an example, summed over its positions.
    scale : float64[n]
        99th percentile of the sizes of a feature's values that are not zero.
    top : bool[n, examples]
        Whether the feature is among the strongest of the example.
    """

    features: Ints
    value: Floats
    scale: Floats
    top: NDArray[np.bool_]

    @property
    def expression(self) -> Floats:
        """float64[n, examples]: value over scale, from -1 to 1."""
        scale = self.scale[:, None]
        scaled = np.divide(self.value, scale, out=np.zeros_like(self.value), where=scale > 0)
        return np.clip(scaled, -1.0, 1.0)


def matrix_of(pairs: pl.DataFrame, examples: int, top: int, most: int) -> Matrix:
    """Return the union of each example's strongest features, by all examples.

    Parameters
    ----------
    pairs : polars.DataFrame
        ``prompt``, ``feature`` and ``attribution``, a row for each position.
    examples : int
        How many examples there are.
    top : int
        Strongest features of an example; those with an attribution of zero do not count.
    most : int
        Most features: those that are strongest in most examples, then those of the largest values.
    """
    summed = pairs.group_by("prompt", "feature").agg(pl.col("attribution").sum())
    ranked = summed.filter(pl.col("attribution") != 0).with_columns(
        rank=pl.struct(-pl.col("attribution").abs(), "feature").rank("ordinal").over("prompt")
    )
    strongest = ranked.filter(pl.col("rank") <= top)
    chosen = (
        strongest.group_by("feature")
        .agg(pl.len().alias("n"), pl.col("attribution").abs().sum().alias("size"))
        .sort(["n", "size", "feature"], descending=[True, True, False])
        .head(most)["feature"]
        .sort()
    )
    features = chosen.to_numpy().astype(np.int64)
    value = np.zeros((len(features), examples))
    best = np.zeros(value.shape, bool)
    mine = summed.filter(pl.col("feature").is_in(chosen.to_list()))
    row = np.searchsorted(features, mine["feature"].to_numpy())
    value[row, mine["prompt"].to_numpy()] = mine["attribution"].to_numpy()
    mine = strongest.filter(pl.col("feature").is_in(chosen.to_list()))
    best[np.searchsorted(features, mine["feature"].to_numpy()), mine["prompt"].to_numpy()] = True
    return Matrix(features, value, _scale(value), best)


def _scale(value: Floats) -> Floats:
    sizes = np.abs(value)
    sizes[sizes == 0] = np.nan
    some = ~np.isnan(sizes).all(axis=1)
    scale = np.zeros(len(value))
    scale[some] = np.nanpercentile(sizes[some], PERCENTILE, axis=1)
    return scale


@dataclass(frozen=True)
class Grouped:
    """Rows in the order of a tree, and the groups it falls into.

    Attributes
    ----------
    order : int64[n]
        Rows, as they stand next to each other.
    group : int64[n]
        Group of each row, from 0 in the order of the tree; all 0 where there are no groups.
    silhouette : float or None
        How well the groups are apart, up to 1; None where there is one.
    """

    order: Ints
    group: Ints
    silhouette: float | None


def grouped(rows: Floats) -> Grouped:
    """Cluster rows by average linkage of cosine distance, and cut the tree where groups are best apart.

    The number of groups, 2 to 12, is that of the largest mean silhouette (Rousseeuw 1987).

    Parameters
    ----------
    rows : float64[n, m]
        Rows of zeros are as far from everything as orthogonal ones.
    """
    n = len(rows)
    if n < 3:
        return Grouped(np.arange(n), np.zeros(n, np.int64), None)
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
    from scipy.spatial.distance import squareform

    apart = cosine_distances(rows)
    condensed = squareform(apart, checks=False)
    tree = linkage(condensed, "average", optimal_ordering=n <= _ORDERED)
    order = leaves_list(tree).astype(np.int64)
    best, score = np.zeros(n, np.int64), None
    for groups in range(2, min(_MOST_GROUPS, n - 1) + 1):
        cut = fcluster(tree, groups, "maxclust").astype(np.int64)
        if (own := silhouette(apart, cut)) is not None and own > (score or 0):
            best, score = cut, own
    return Grouped(order, _renumbered(best, order), score)


def cosine_distances(rows: Floats) -> Floats:
    """Return float64[n, n]: 1 - cosine, 0 to 2, exactly 0 on the diagonal and symmetric."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 0)
    apart = np.clip(1 - unit @ unit.T, 0.0, 2.0)
    np.fill_diagonal(apart, 0.0)
    return np.asarray((apart + apart.T) / 2)


def silhouette(apart: Floats, group: Ints) -> float | None:
    """Return the mean silhouette of groups (Rousseeuw 1987); None where there is one group alone.

    Parameters
    ----------
    apart : float64[n, n]
        Distances.
    group : int[n]
        A row that is alone in its group counts 0.
    """
    names, index, sizes = np.unique(group, return_inverse=True, return_counts=True)
    if len(names) < 2:
        return None
    member = np.eye(len(names))[index]
    sums = apart @ member
    own = sums[np.arange(len(group)), index] / np.maximum(sizes[index] - 1, 1)
    means = sums / sizes
    means[np.arange(len(group)), index] = np.inf
    other = means.min(axis=1)
    larger = np.maximum(own, other)
    each = np.divide(other - own, larger, out=np.zeros_like(own), where=larger > 0)
    each[sizes[index] == 1] = 0.0
    return float(each.mean())


def _renumbered(group: Ints, order: Ints) -> Ints:
    seen: dict[int, int] = {}
    for row in order.tolist():
        seen.setdefault(int(group[row]), len(seen))
    return np.array([seen[int(name)] for name in group], np.int64)
