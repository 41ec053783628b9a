"""A set of documents on a map, as one asks in the explorer: groups, dots to draw, documents in a drawn shape.

The groups and places are :func:`saetext.cluster`'s. Not for: pages (:mod:`saetext.report.explore.rooms.map`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters import ClusterResult, cluster
from saetext.errors import InputError
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress
from saetext.report.explore.queries.choosing import Chosen

WIDTH, HEIGHT = 1000, 680  # the map's box
VIEWS = ("recommended", "subject", "function", "style", "layout", "emotion", "features", "embedding")
COLOURS = 10
_MARGIN = 24
_STRETCH = 1.6  # of one axis against the other, at most
_MOST_DOTS = 6000  # documents that have a dot each; of more, dots stand for the cells of a grid
_CELL = 6.0  # of that grid, in units of the box
_STEPS = (1, 3, 10)  # documents in a cell from which on its dot is stronger
_FEWEST = 20
_BADGE = (30, 22)  # room that the number of a group takes
_MOST_CORNERS = 4000

_MOST_COUNTS = 8_000_000  # cells times groups that are counted in one table

_T = TypeVar("_T")
Ints = NDArray[np.int64]
Box = tuple[float, float, float, float]  # left, top, width, height


@dataclass(frozen=True)
class Question:
    """Which documents, by which SAE, through which view (empty: all features, by density)."""

    chosen: Chosen
    sae: str
    view: str = ""

    def asked(self, labels: FeatureLabels) -> dict[str, Any]:
        """Return what the answer depends on, in plain JSON types."""
        corpus = self.chosen.corpus
        return {
            "labels": labels.checksum,
            "set": [corpus.fingerprint, str(corpus.path)],
            "sae": self.sae,
            "view": self.view,
        }

    @property
    def title(self) -> str:
        """What is done, for who waits."""
        return f"Making a map of {self.chosen.name}"


@dataclass(frozen=True)
class Group:
    """A group of documents: its number from 1, its name, how many, words, and the strongest features."""

    number: int
    name: str
    size: int
    share: float
    words: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dots:
    """Dots of one group and one strength: ``path`` draws a dot at each place."""

    number: int
    strength: int
    path: str


@dataclass(frozen=True, eq=False)
class Map:
    """What came of it: the result, and where each document is in the box (NaN: nowhere)."""

    question: Question
    result: ClusterResult
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    _drawn: dict[tuple[str, int], Any] = field(default_factory=dict, repr=False)

    def kept(self, what: str, level: int, make: Callable[[Map, int], _T]) -> _T:
        """Return what is drawn of the whole map at a level, made once."""
        if (what, level) not in self._drawn:
            self._drawn[what, level] = make(self, level)
        found: _T = self._drawn[what, level]
        return found

    @cached_property
    def levels(self) -> int:
        """The number of levels there are, the coarsest first."""
        return self.result.n_levels

    @property
    def base(self) -> int:
        """Which level is the clusters, from 1."""
        return int(self.result.metrics.get("level_of_clusters", 1))

    def numbers(self, level: int) -> NDArray[np.int64]:
        """int64[n]: the group of each document at a level, 0 for none."""
        table = self.result.documents
        column = f"level_{level}" if f"level_{level}" in table.columns and self.levels > 1 else "cluster"
        return table[column].fill_null(0).to_numpy().astype(np.int64)

    def groups(self, level: int) -> list[Group]:
        """Return the groups of a level, the largest first."""
        if level != self.base and self.levels > 1:
            table = self.result.levels.filter(self.result.levels["level"] == level)
            return [
                Group(row["part"], row["name"], row["size"], row["share"], tuple(row["words"] or ()))
                for row in table.to_dicts()
            ]
        found = []
        for row in self.result.table.to_dicts():
            told = tuple(
                f"{one['label']} ({100 * one['inside']:.0f} against {100 * one['outside']:.0f} %)"
                for one in row["features"][:3]
            )
            words = tuple(row["words"] or ())
            found.append(Group(row["cluster"], row["name"], row["size"], row["share"], words, told))
        return found


def mapped(question: Question, labels: FeatureLabels, on_progress: OnProgress | None = None) -> Map:
    """Group documents and place them.

    Raises
    ------
    InputError
        If they are too few, or there is no such view of them.
    """
    corpus = question.chosen.corpus
    if corpus.n_documents < _FEWEST:
        n = corpus.n_documents
        raise InputError(f"a map takes at least {_FEWEST} documents, and these are {n}")
    result = cluster(
        corpus,
        sae=question.sae,
        labels=labels,
        name=question.chosen.name,
        view=question.view or None,  # type: ignore[arg-type]
        views=question.view == "recommended",
        top=0,
        on_progress=on_progress,
    )
    x, y = (result.documents[name].to_numpy().astype(np.float64) for name in ("x", "y"))
    return Map(question, result, *_in_box(x, y))


def _in_box(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the places in the box; the axes mean nothing, so it is filled, within bounds."""
    if not np.isfinite(x).any():
        return x, y
    low = np.array([np.nanmin(x), np.nanmin(y)])
    high = np.array([np.nanmax(x), np.nanmax(y)])
    room = np.array([WIDTH, HEIGHT]) - 2 * _MARGIN
    scales = room / np.maximum(high - low, 1e-9)
    scales = np.minimum(scales, _STRETCH * scales.min())
    shift = (np.array([WIDTH, HEIGHT]) - scales * (high - low)) / 2
    return scales[0] * (x - low[0]) + shift[0], HEIGHT - (scales[1] * (y - low[1]) + shift[1])


def dots(found: Map, level: int, box: Box = (0, 0, WIDTH, HEIGHT)) -> list[Dots]:
    """Return what to draw of a part of the map: a dot a document, or of many a dot a cell.

    A cell has the group of most of its documents. Coordinates are those of the box of the whole map.
    """
    left, top, width, height = box
    number = found.numbers(level)
    there = np.flatnonzero(
        (found.x >= left) & (found.x <= left + width) & (found.y >= top) & (found.y <= top + height)
    )
    if len(there) <= _MOST_DOTS:
        return [
            Dots(int(one), 0, _path(found.x[mine], found.y[mine]))
            for one in np.unique(number[there]).tolist()
            if len(mine := there[number[there] == one])
        ]
    cell = _CELL * width / WIDTH
    columns = int(np.ceil(width / cell)) + 1
    place = ((found.y[there] - top) // cell).astype(np.int64) * columns + (
        (found.x[there] - left) // cell
    ).astype(np.int64)
    cells, own, total = _counted(place, number[there])
    strength = 1 + np.searchsorted(_STEPS, total, side="right") - 1
    x, y = left + (cells % columns + 0.5) * cell, top + (cells // columns + 0.5) * cell
    return [
        Dots(int(one), int(step), _path(x[mine], y[mine]))
        for one in np.unique(own).tolist()
        for step in range(1, len(_STEPS) + 1)
        if (mine := (own == one) & (strength == step)).any()
    ]


def _counted(place: Ints, number: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the cells that have documents, the group of most of them in each, and how many there are."""
    kinds = int(number.max()) + 1
    if (int(place.max()) + 1) * kinds <= _MOST_COUNTS:
        counts = np.bincount(place * kinds + number, minlength=(int(place.max()) + 1) * kinds)
        table = counts.reshape(-1, kinds)
        total = table.sum(axis=1)
        cells = np.flatnonzero(total)
        return cells, table[cells].argmax(axis=1), total[cells]
    both, counts = np.unique(place * kinds + number, return_counts=True)  # slower, and needs less memory
    cells, own = both // kinds, both % kinds
    order = np.lexsort((-own, counts, cells))
    last = np.flatnonzero(np.append(np.diff(cells[order]) != 0, True))  # the most frequent of each cell
    total = np.add.reduceat(counts[order], np.append(0, last[:-1] + 1))
    return cells[order][last], own[order][last], total


def _path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    return "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))


@dataclass(frozen=True)
class Badge:
    """Where the number of a group stands, beside its documents, and the place in their middle."""

    number: int
    x: float
    y: float
    to_x: float
    to_y: float


def badges(found: Map, level: int, most: int = 24) -> list[Badge]:
    """Return where the numbers of the largest groups stand: near their middles, over no dot."""
    grid = 8
    columns, rows = WIDTH // grid, HEIGHT // grid
    taken = np.zeros((rows + 1, columns + 1), bool)
    there = np.isfinite(found.x)
    taken[(found.y[there] // grid).astype(int), (found.x[there] // grid).astype(int)] = True
    number = found.numbers(level)
    wide, tall = -(-_BADGE[0] // grid), -(-_BADGE[1] // grid)
    made = []
    for group in found.groups(level)[:most]:
        mine = there & (number == group.number)
        if not mine.any():
            continue
        x, y = float(np.median(found.x[mine])), float(np.median(found.y[mine]))
        sums = np.pad(taken.astype(np.int32).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        full = sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
        free = np.argwhere(full == 0)
        if not len(free):
            break
        middle = (free + np.array([tall / 2, wide / 2])) * grid
        at = free[((middle - [y, x]) ** 2).sum(axis=1).argmin()]
        taken[at[0] : at[0] + tall, at[1] : at[1] + wide] = True
        made.append(
            Badge(group.number, float((at[1] + wide / 2) * grid), float((at[0] + tall / 2) * grid), x, y)
        )
    return made


def inside(found: Map, corners: Sequence[tuple[float, float]]) -> NDArray[np.int64]:
    """Return the documents inside a shape that was drawn, by the even-odd rule.

    Raises
    ------
    InputError
        If it is no shape, or no document is in it.
    """
    if not 3 <= len(corners) <= _MOST_CORNERS:
        raise InputError(f"a shape has 3 to {_MOST_CORNERS:,} corners, not {len(corners)}")
    ends = np.array(corners, float)
    (left, top), (right, bottom) = ends.min(axis=0), ends.max(axis=0)
    near = (found.x >= left) & (found.x <= right) & (found.y >= top) & (found.y <= bottom)
    rows = np.flatnonzero(near)
    rows = rows[np.argsort(found.y[rows], kind="stable")]
    x, y = found.x[rows], found.y[rows]
    odd = np.zeros(len(rows), bool)
    for (x0, y0), (x1, y1) in zip(ends, np.roll(ends, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        first, last = np.searchsorted(y, (min(y0, y1), max(y0, y1)))  # those beside the edge
        mine = slice(first, last)
        odd[mine] ^= x[mine] < (x1 - x0) * (y[mine] - y0) / (y1 - y0) + x0
    rows = np.sort(rows[odd])
    if not len(rows):
        raise InputError("no document is in this shape: draw it around some dots")
    return rows


def nearest(found: Map, x: float, y: float) -> int | None:
    """Return the document nearest a place; None where none is on the map."""
    away = (found.x - x) ** 2 + (found.y - y) ** 2
    return None if not np.isfinite(away).any() else int(np.nanargmin(away))


def rows_of(found: Map, documents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of some documents of the map in their whole corpus."""
    selection = found.question.chosen.corpus.selection
    return documents if selection is None else selection[documents]
