"""What the map of a pile of documents shows, as plain data: points, clusters, what each document says.

Made from a result by :mod:`saetext.report.html.map_gathering`, drawn by :mod:`saetext.report.html.map_page`
and :mod:`saetext.report.html.map_picture`. Everything textual may come from strangers: whoever draws it
escapes it. Not for: computing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from saetext.report.html.passages import Passage, Piece


@dataclass(frozen=True)
class MapFeature:
    """A feature that sets a cluster apart: its label, and its rate (0 to 1) inside and outside."""

    label: str
    inside: float
    outside: float
    feature: int | None = None


@dataclass(frozen=True)
class MapCluster:
    """One cluster.

    Attributes
    ----------
    number : int
        From 1, the largest first; ``MapPage.cluster`` has it for each point, 0 for no cluster.
    name : str
        What it is, in a few words; distinct from every other cluster's.
    size : int
        Documents in it.
    share : float
        Share of all documents, 0 to 1.
    features : tuple of MapFeature
        What sets it apart from the rest, best first.
    nearest : tuple of (str, tuple of MapFeature)
        Its nearest clusters by name, and what sets it apart from each.
    words : tuple of str
        Typical words.
    examples : tuple of Passage
        Typical documents, best first.
    facts : tuple of (str, str)
        Other figures about it, named.
    """

    number: int
    name: str
    size: int
    share: float
    features: tuple[MapFeature, ...] = ()
    nearest: tuple[tuple[str, tuple[MapFeature, ...]], ...] = ()
    words: tuple[str, ...] = ()
    examples: tuple[Passage, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class MapColumn:
    """A column the points can be coloured by.

    A category has ``values`` and ``code`` (int32[n], -1: unknown); a number has ``number`` (float32[n], NaN:
    unknown).
    """

    name: str
    values: tuple[str, ...] = ()
    code: NDArray[np.int32] | None = None
    number: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class MapPart:
    """A part of a level: a group of clusters, a cluster, or a part of one.

    ``number`` is from 1, the largest first; ``parent`` the number of the part it lies in a level above, 0 at
    the first; ``cluster`` the number of the cluster it is or is part of, None for a group of several.
    """

    number: int
    name: str
    size: int
    parent: int = 0
    cluster: int | None = None


@dataclass(frozen=True, eq=False)
class MapLevel:
    """Parts of one level, by number, and the number of the part of each point (int32[n], 0: none)."""

    parts: tuple[MapPart, ...]
    number: NDArray[np.int32]


@dataclass(frozen=True)
class MapDocument:
    """A whole document, for a click on its point: its text in pieces, and its strongest features."""

    pieces: tuple[Piece, ...]
    features: tuple[tuple[str, float], ...] = ()  # label and strength, strongest first
    prompt: str = ""


@dataclass(frozen=True, eq=False)
class MapPage:
    """A page of one clustering.

    Attributes
    ----------
    title : str
        Heading.
    summary : sequence of str
        Sentences for the top.
    x, y : float32[n]
        Where each document is on the map.
    cluster : int32[n]
        The number of its cluster, 0: none (noise).
    probability : float32[n]
        How firmly it belongs there, 0 to 1.
    ids : sequence of str
        The documents' ids.
    beginnings : sequence of str
        The beginning of each text, about 160 characters; empty where texts are not stored.
    clusters : sequence of MapCluster
        By number.
    columns : sequence of MapColumn
        What points can be coloured by.
    documents : sequence of MapDocument
        One a point, or none if there are too many.
    notes : sequence of str
        What to know before believing it.
    facts : mapping
        Parameters and files, name to text.
    shading : str
        What the shade of words in the examples means.
    levels : sequence of MapLevel
        The coarsest first, the clusters among them; empty if there are only those.
    base : int
        Which level is the clusters.
    colour : str
        The column that points are coloured by at first; by their cluster where there is none of this name.
    """

    title: str
    summary: Sequence[str]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    cluster: NDArray[np.int32]
    probability: NDArray[np.float32]
    ids: Sequence[str]
    beginnings: Sequence[str]
    clusters: Sequence[MapCluster]
    columns: Sequence[MapColumn] = ()
    documents: Sequence[MapDocument] = ()
    notes: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    shading: str = ""
    levels: Sequence[MapLevel] = ()
    base: int = 0
    colour: str = ""

    def groups(self) -> tuple[MapPart, ...]:
        """Return the groups of clusters of the level just above the clusters; none where there is none."""
        return self.levels[self.base - 1].parts if self.base else ()

    def group_of(self, cluster: int) -> MapPart | None:
        """Return the group that a cluster lies in, if there are groups."""
        if not self.base:
            return None
        own = next(part for part in self.levels[self.base].parts if part.number == cluster)
        return next(part for part in self.groups() if part.number == own.parent)

    def parts_of(self, cluster: int) -> tuple[MapPart, ...]:
        """Return the parts a cluster is split into a level below; none if it is whole."""
        if self.base + 1 >= len(self.levels):
            return ()
        mine = tuple(part for part in self.levels[self.base + 1].parts if part.parent == cluster)
        return mine if len(mine) > 1 else ()
