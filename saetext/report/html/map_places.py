"""Where each cluster is on the map and which colour it has: what the page and the picture of a map share.

Not for: drawing (:mod:`saetext.report.html.map_page`, :mod:`saetext.report.html.map_picture`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.report.html.map_model import MapPage

# p0 to p11 in map.css too; on the page's card each has a contrast of 3 to 1 or more
LIGHT = (
    *("#2f6fbb", "#d96f0a", "#2e8b57", "#8b4fc4", "#d1383d", "#0e8b95"),
    *("#a17600", "#d44a97", "#7d4a2b", "#3f3fa8", "#66881b", "#3d93cc"),
)
DARK = (
    *("#6fa8ee", "#f59a4a", "#6fcf97", "#c39af0", "#f37d7d", "#4fd0d6"),
    *("#e3c04a", "#f59fcb", "#c79a7c", "#8f8ff5", "#b5d65c", "#a8d8ff"),
)


def check(page: MapPage) -> None:
    """See that everything about the points is there for each of them.

    Raises
    ------
    ValueError
        If two parts of the page differ in how many points they are about, or two clusters have one number.
    """
    points = len(page.x)
    lengths = {
        **{name: len(getattr(page, name)) for name in ("y", "cluster", "probability", "ids", "beginnings")},
        **({"documents": len(page.documents)} if len(page.documents) else {}),
        **{f"level {at}": len(level.number) for at, level in enumerate(page.levels, start=1)},
    }
    for column in page.columns:
        held = column.code if column.number is None else column.number
        if held is None:
            raise ValueError(f"column {column.name!r} holds neither codes nor numbers")
        lengths[f"column {column.name!r}"] = len(held)
        if column.number is None and points and int(held.max()) >= len(column.values):
            raise ValueError(f"column {column.name!r} has a code without a value")
    for name, length in lengths.items():
        if length != points:
            raise ValueError(f"{points} points, but {length} of {name}")
    numbers = [cluster.number for cluster in page.clusters]
    if page.levels and sorted(part.number for part in page.levels[page.base].parts) != sorted(numbers):
        raise ValueError(f"level {page.base + 1} is not the clusters")
    if len(set(numbers)) < len(numbers):
        raise ValueError("two clusters have the same number")


def middles(page: MapPage) -> NDArray[np.float64]:
    """Return the median place of each cluster's points, float64[clusters, 2]; NaN for one without points."""
    return medians(page, page.cluster, [cluster.number for cluster in page.clusters])


def medians(page: MapPage, number: NDArray[np.int32], wanted: Sequence[int]) -> NDArray[np.float64]:
    """Return the same of any numbers of points, float64[wanted, 2]."""
    at = np.column_stack([page.x, page.y]).astype(np.float64)
    at[~np.isfinite(at).all(axis=1)] = np.nan
    found = np.full((len(wanted), 2), np.nan)
    order = np.argsort(number, kind="stable")
    ordered = np.asarray(number)[order]
    for index, one in enumerate(wanted):
        members = at[order[slice(*np.searchsorted(ordered, (one, one + 1)))]]
        members = members[np.isfinite(members[:, 0])]
        if len(members):
            found[index] = np.median(members, axis=0)
    return found


def colours(page: MapPage) -> list[int]:
    """Return the place in the palette of each cluster's colour.

    The first clusters have the colours in order; further ones take, each in turn, the colour whose clusters
    are farthest, so that neighbours differ.
    """
    at = middles(page)
    chosen: list[int] = []
    for index, place in enumerate(at):
        if index < len(LIGHT):
            chosen.append(index)
            continue
        away = np.linalg.norm(at[:index] - place, axis=1)
        away[~np.isfinite(away)] = np.inf
        nearest = np.full(len(LIGHT), np.inf)
        np.minimum.at(nearest, np.array(chosen), away)
        used = np.bincount(chosen, minlength=len(LIGHT))
        # one that is not known to be near anything takes the colour used least
        chosen.append(int(np.lexsort((used, -nearest))[0]))
    return chosen
