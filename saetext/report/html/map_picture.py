"""The map of a pile of documents as a picture for a slide: points coloured by cluster, names on both sides.

What the picture does not do: name every cluster where there are many (the largest go first, and the caption
says how many have names), or show letters that no font here has. Not for: anything one can touch
(:mod:`saetext.report.html.map_page`), or where names stand (:mod:`saetext.report.html.map_names`).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.export import atomically
from saetext.errors import InputError
from saetext.io.extras import require
from saetext.report.html.map_model import MapPage
from saetext.report.html.map_names import Shown, write_names
from saetext.report.html.map_places import DARK, LIGHT, check, colours
from saetext.text.one_line import many

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
_DPI = 200
_FOOT = 0.045  # share of the height for the caption
_STRETCH = 1.5
_CUT, _REACH = 0.01, 0.15  # quantile, and share of what is between two of them: farther out are outliers
_GROUND, _INK, _NONE = ("#ffffff", "#16171a"), ("#1d1c1a", "#f2efe8"), ("#b5b1a8", "#5f6167")
_SOFT = ("#5d5a53", "#b3afa6")


def write_map_picture(
    page: MapPage,
    path: str | Path,
    *,
    overwrite: bool = False,
    width: int = 1600,
    height: int = 1100,
    dark: bool = False,
) -> Path:
    """Draw the map into a file, whole or not at all, and return its path.

    Parameters
    ----------
    page : MapPage
        The map; its texts other than the clusters' names are not shown.
    path : str or Path
        Ends in ``.png``, ``.svg`` or ``.pdf``.
    overwrite : bool
        Whether a file that is there may be replaced.
    width, height : int
        Pixels, 200 and more; of a picture of lines, the size it has at 200 pixels an inch.
    dark : bool
        Light points on a dark ground.

    Raises
    ------
    InputError
        If the suffix is another, the size cannot be drawn, the file exists and ``overwrite`` is false, or it
        cannot be written.
    ValueError
        If the parts of the page are not about the same points.
    """
    path = Path(path)
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"cannot draw {path.name}: name a file that ends in {', '.join(KINDS)}")
    if not (200 <= width <= 20000 and 200 <= height <= 20000):
        raise InputError(f"a picture of {width} by {height} pixels cannot be drawn; take 200 to 20,000")
    check(page)
    about: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})

    def write(beside: Path) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*[Gg]lyph")  # a letter that no font has is a box
            _figure(page, width / _DPI, height / _DPI, dark).savefig(
                beside, format=kind, dpi=_DPI, metadata=about
            )

    return atomically(path, write, overwrite)


def _figure(page: MapPage, width: float, height: float, dark: bool) -> Figure:
    require("matplotlib", "pictures", "drawing a picture", error=InputError)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor=_GROUND[dark])
    FigureCanvasAgg(figure)
    figure.set_dpi(_DPI)
    draw_map(page, figure.add_axes((0.0, 0.0, 1.0, 1.0)), dark=dark, counted=True)
    return figure


def draw_map(
    page: MapPage, axes: Any, *, dark: bool = False, named: int | None = None, counted: bool = False
) -> None:
    """Draw the map into axes of matplotlib: points in the middle, names on both sides, a line to each.

    Where clusters are in groups, the groups have the colours and the names, and the names of their largest
    clusters stand below; a cluster that is split has the names of its parts there. A few points far from all
    others are left out, and the caption says how many.

    Parameters
    ----------
    page : MapPage
        The map.
    axes : matplotlib.axes.Axes
        They get limits that fit their shape, and neither ticks nor a frame.
    dark : bool
        Light points, for a dark ground.
    named : int, optional
        Only the names of so many groups or clusters, the largest.
    counted : bool
        Whether the caption says how many documents there are.
    """
    axes.set_axis_off()
    at = np.column_stack([page.x, page.y]).astype(np.float64)
    there = np.isfinite(at).all(axis=1)
    dots = axes.get_figure().dpi
    frame = axes.get_window_extent()
    width, height = max(frame.width, 1.0) / dots, max(frame.height, 1.0) / dots
    drawn = there & trimmed(at)
    number, shown = shown_of(page, dark)
    ordered = sorted(shown, key=lambda one: -one.size)[:named]
    names = write_names(axes, at, np.where(drawn, number, 0), ordered, ink=_INK[dark], soft=_SOFT[dark])
    _limit(axes, at[drawn], width, height, (names.left, names.right))
    own = {one.number: one.colour for one in shown}
    inside = drawn & np.isin(number, list(own))
    outside = drawn & ~inside
    area = width * (1 - names.left - names.right) * height
    size = (22.0 * max(len(at), 60) ** -0.28) ** 2 * area / 28  # square points, at 8 by 5.5 inches
    alpha = 0.55 if len(at) > 20000 else 0.7 if len(at) > 2000 else 0.85
    plain: dict[str, Any] = {"linewidths": 0, "rasterized": True}
    axes.scatter(at[outside, 0], at[outside, 1], s=size * 0.5, c=_NONE[dark], alpha=0.7 * alpha, **plain)
    # mixed, so that no cluster lies on top of another because of its number
    order = np.random.default_rng(0).permutation(np.flatnonzero(inside))
    paint = [own[one] for one in number[order].tolist()]
    axes.scatter(at[order, 0], at[order, 1], s=size, c=paint or None, alpha=alpha, **plain)
    names.set(axes, _GROUND[dark])
    told_of = len(shown) if named is None else len(ordered)
    out = int(there.sum() - drawn.sum())
    parts = (_counts(page) if counted else []) + _left_out(page, out, names.number, told_of)
    _caption(axes, "; ".join(parts) if drawn.any() else "", width, dark)


def shown_of(page: MapPage, dark: bool) -> tuple[NDArray[np.int32], list[Shown]]:
    """Return the number by which points are coloured, int32[n], and what has a name: groups, or clusters."""
    palette = DARK if dark else LIGHT
    if page.base:
        level = page.levels[0]
        found = []
        for at, part in enumerate(level.parts):
            inner = [one for one in page.levels[1].parts if one.parent == part.number]
            found.append(
                Shown(
                    part.number, part.name, part.size, palette[at % len(palette)],
                    tuple(one.name for one in inner if len(inner) > 1),
                )
            )  # fmt: skip
        return np.asarray(level.number), found
    return np.asarray(page.cluster), [
        Shown(
            cluster.number, cluster.name or f"cluster {cluster.number}", cluster.size, palette[colour],
            tuple(part.name for part in page.parts_of(cluster.number)),
        )
        for cluster, colour in zip(page.clusters, colours(page), strict=True)
    ]  # fmt: skip


def trimmed(at: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return bool[n]: points that are not far outside of where 98 % of all are, in either direction."""
    kept = np.isfinite(at).all(axis=1)
    if not np.any(kept):
        return np.zeros(len(at), bool)
    low, high = np.quantile(at[kept], (_CUT, 1 - _CUT), axis=0)
    reach = _REACH * (high - low)
    inner = (at >= low - reach) & (at <= high + reach)
    found: NDArray[np.bool_] = np.logical_and(kept, inner.all(axis=1))
    return found


def _limit(
    axes: Any, at: NDArray[np.float64], width: float, height: float, sides: tuple[float, float]
) -> None:
    """Set limits such that the points fill what the names leave.

    One unit is as long across as up, but for up to :data:`_STRETCH` where that fills the picture better:
    directions and large distances mean nothing on such a map.
    """
    low, high = (at.min(0), at.max(0)) if len(at) else (np.zeros(2), np.ones(2))
    room = np.array([width * (1 - sum(sides)), height * (1 - _FOOT)]) * 0.94
    unit = (high - low) / room
    unit = np.maximum(unit, unit.max() / _STRETCH)
    unit[unit <= 0] = 1.0
    middle = (low + high) / 2 + unit * np.array([width * (sides[1] - sides[0]), -height * _FOOT]) / 2
    half = np.array([width, height]) / 2 * unit
    axes.set_xlim(middle[0] - half[0], middle[0] + half[0])
    axes.set_ylim(middle[1] - half[1], middle[1] + half[1])


def _counts(page: MapPage) -> list[str]:
    """Say how many documents there are."""
    n = len(page.x)
    noise = [f"{100 * np.mean(np.asarray(page.cluster) == 0):.0f} % in no cluster"] if page.clusters else []
    return [many(n, "document"), *noise] if n else []


def _left_out(page: MapPage, out: int, named: int, of: int) -> list[str]:
    """Say what is not shown."""
    parts = [f"{out:,} far from all others not shown"] if out else []
    return [*parts, f"{named} of {of} {'groups' if page.base else 'clusters'} named"] if named < of else parts


def _caption(axes: Any, told: str, width: float, dark: bool) -> None:
    if told:
        axes.text(
            0.5, 0.012, told, transform=axes.transAxes, ha="center", va="bottom", parse_math=False,
            fontsize=max(4.0, 5.6 * (width / 8) ** 0.5), color=_SOFT[dark],
        )  # fmt: skip
