"""The map of a pile of documents as a picture: points coloured by cluster, and the clusters' names.

What the picture does not do: name every cluster where there are many (the largest go first, and one without
room stays without a name), or show letters that no font here has. Not for: anything one can touch
(:mod:`saetext.report.html.map_page`).
"""

from __future__ import annotations

import functools
import textwrap
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.export import atomically
from saetext.errors import InputError
from saetext.io.extras import require
from saetext.report.html.map_model import MapPage
from saetext.report.html.map_places import DARK, LIGHT, check, colours, middles
from saetext.text.passages import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
_DPI = 200
_LINE, _LINES = 26, 2  # characters of a line of a name, and lines
_GROUND, _INK, _NONE = ("#ffffff", "#16171a"), ("#1d1c1a", "#f2efe8"), ("#b5b1a8", "#5f6167")
# more fonts to look for letters in, those of them that are installed
_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari"),
    *(
        "Noto Sans",
        "Arial Unicode MS",
        "Hiragino Sans",
        "PingFang SC",
        "Microsoft YaHei",
        "Segoe UI",
        "Symbola",
    ),
)


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
    draw_map(page, figure.add_axes((0.0, 0.0, 1.0, 1.0)), dark=dark)
    return figure


def draw_map(page: MapPage, axes: Any, *, dark: bool = False, named: int | None = None) -> None:
    """Draw the map into axes of matplotlib.

    Parameters
    ----------
    page : MapPage
        The map.
    axes : matplotlib.axes.Axes
        They get limits that fit their shape, and neither ticks nor a frame.
    dark : bool
        Light points, for a dark ground.
    named : int, optional
        Only the names of so many clusters, the largest.
    """
    axes.set_axis_off()
    at = np.column_stack([page.x, page.y]).astype(np.float64)
    there = np.isfinite(at).all(axis=1)
    dots = axes.get_figure().dpi
    frame = axes.get_window_extent()
    width, height = max(frame.width, 1.0) / dots, max(frame.height, 1.0) / dots
    low, high = _bounds(at[there], width / height)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])

    palette = np.array(DARK if dark else LIGHT)
    own = {
        cluster.number: palette[colour] for cluster, colour in zip(page.clusters, colours(page), strict=True)
    }
    inside = there & np.isin(page.cluster, list(own))
    outside = there & ~inside
    size = (22.0 * max(len(at), 60) ** -0.28) ** 2 * width * height / 44  # square points, at 8 by 5.5 inches
    alpha = 0.55 if len(at) > 20000 else 0.7 if len(at) > 2000 else 0.85
    plain: dict[str, Any] = {"linewidths": 0, "rasterized": True}
    axes.scatter(at[outside, 0], at[outside, 1], s=size * 0.5, c=_NONE[dark], alpha=0.7 * alpha, **plain)
    # mixed, so that no cluster lies on top of another because of its number
    order = np.random.default_rng(0).permutation(np.flatnonzero(inside))
    paint = [own[number] for number in np.asarray(page.cluster)[order].tolist()]
    axes.scatter(at[order, 0], at[order, 1], s=size, c=paint or None, alpha=alpha, **plain)
    _names(page, axes, dark, width, named)


def _bounds(at: NDArray[np.float64], ratio: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of a frame of that ratio around all points, with a margin."""
    if not len(at):
        return np.zeros(2), np.ones(2)
    middle, span = (at.min(0) + at.max(0)) / 2, at.max(0) - at.min(0)
    tall = max(span[0] / ratio, span[1]) or 1.0
    half = 0.53 * np.array([tall * ratio, tall])
    return middle - half, middle + half


def _names(page: MapPage, axes: Any, dark: bool, width: float, named: int | None) -> None:
    """Write the names, the largest clusters' first, each where it covers no other."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.patheffects import withStroke

    known = fonts()
    figure = axes.get_figure()
    # what measures is of our own: canvases of SVG and PDF have none
    renderer = RendererAgg(int(figure.bbox.width), int(figure.bbox.height), figure.dpi)
    frame = axes.get_window_extent(renderer)
    placed: list[tuple[float, float, float, float]] = []
    places = middles(page)
    size = max(4.5, 7.2 * (width / 8) ** 0.5)
    halo = [withStroke(linewidth=size / 3.2, foreground=_GROUND[dark], alpha=0.9)]
    for index in sorted(range(len(page.clusters)), key=lambda i: (-page.clusters[i].size, i))[:named]:
        cluster = page.clusters[index]
        if not np.isfinite(places[index]).all():
            continue
        name = printable(cluster.name).strip() or f"cluster {cluster.number}"
        text = axes.text(
            *(0.0, 0.0, _folded(drawable(name, known))),
            transform=None,
            ha="center",
            va="center",
            parse_math=False,
            family=known,
            fontsize=size,
            fontweight="bold",
            color=_INK[dark],
            path_effects=halo,
            linespacing=1.05,
        )
        box = text.get_window_extent(renderer)
        x, y = axes.transData.transform(places[index])
        for left, low in _spots(x, y, box.width, box.height, frame):
            mine = (left, low, left + box.width, low + box.height)
            if not any(_meet(mine, other, size) for other in placed):
                middle = (left + box.width / 2, low + box.height / 2)
                # of the axes, so that it stays there whatever the resolution of what is saved
                text.set_position(axes.transAxes.inverted().transform(middle))
                text.set_transform(axes.transAxes)
                placed.append(mine)
                break
        else:
            text.remove()


def _spots(x: float, y: float, wide: float, tall: float, frame: Any) -> Iterator[tuple[float, float]]:
    """Yield left lower corners for a name around a place, the nearest first, all within the frame."""
    for across, up in (
        *((0, 0), (0, 0.8), (0, -0.8), (0, 1.5), (0, -1.5), (0.3, 0), (-0.3, 0)),
        *((0.3, 1), (-0.3, 1), (0.3, -1), (-0.3, -1)),
    ):
        left, low = x - wide / 2 + across * wide, y - tall / 2 + up * tall
        yield (
            float(min(max(left, frame.x0 + 8), max(frame.x1 - wide - 8, frame.x0))),
            float(min(max(low, frame.y0 + 8), max(frame.y1 - tall - 8, frame.y0))),
        )


def _meet(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float], gap: float
) -> bool:
    return (
        one[0] < other[2] + gap
        and other[0] < one[2] + gap
        and one[1] < other[3] + gap / 2
        and other[1] < one[3] + gap / 2
    )


def _folded(name: str) -> str:
    """Return a name on at most two lines, cut with an ellipsis where it is longer."""
    lines = textwrap.wrap(name, _LINE, max_lines=_LINES, placeholder=" …") or [name[:_LINE]]
    return "\n".join(line if len(line) <= _LINE else line[: _LINE - 1] + "…" for line in lines)


@functools.cache
def fonts() -> list[str]:
    """Return the fonts to look for letters in, those that are installed."""
    from matplotlib.font_manager import fontManager

    there = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(name for name in _FONTS if name in there)]


def drawable(name: str, known: list[str]) -> str:
    """Return a name with a box for every letter that none of the fonts has."""
    from matplotlib.font_manager import findfont, get_font

    held = [get_font(findfont(font)) for font in known]
    return "".join(
        letter
        if letter.isspace() or any(font.get_char_index(ord(letter)) for font in held)
        else ("" if unicodedata.category(letter) in ("Cf", "Mn", "Me") else "\u25a1")
        for letter in unicodedata.normalize("NFC", name)
    )
