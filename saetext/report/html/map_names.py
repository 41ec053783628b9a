"""Names beside the points of a picture: in two columns, wrapped, none over another, a line to each place.

Not for: the points (:mod:`saetext.report.html.map_picture`).
"""

from __future__ import annotations

import functools
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.text.passages import printable

_COLUMN = 0.28  # share of the width that names have on each side, at most
_EDGE = 0.012  # share of the width between a name and the edge
_NEAR = 0.035  # and between a name and the points
_LONGEST, _LINES, _MORE = 32, 4, 3  # characters of a line, lines of a name, lines below it
_LEAST = 6  # characters
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

Place = NDArray[np.float64]


@dataclass(frozen=True)
class Shown:
    """What has a name in the picture: its number, name, documents, colour, and the names of its parts."""

    number: int
    name: str
    size: int
    colour: str
    parts: tuple[str, ...] = ()


@dataclass
class _Label:
    """A label that was measured: its texts, what it points at, and how much room it takes, in pixels."""

    shown: Shown
    text: Any
    more: Any
    place: Place  # in data
    wide: float
    tall: float
    y: float = 0.0  # of its middle
    anchor: Place = field(default_factory=lambda: np.zeros(2))  # in pixels


@dataclass
class Names:
    """Names that were written and measured, on the left and on the right, not yet in their places.

    ``left`` and ``right`` are the shares of the width that they take.
    """

    sides: tuple[list[_Label], list[_Label]]
    frame: Any
    gap: float

    @property
    def number(self) -> int:
        """Number of names."""
        return len(self.sides[0]) + len(self.sides[1])

    @property
    def left(self) -> float:
        """Share of the width on the left."""
        return self._share(self.sides[0])

    @property
    def right(self) -> float:
        """Share of the width on the right."""
        return self._share(self.sides[1])

    def _share(self, labels: Sequence[_Label]) -> float:
        widest = max((label.wide for label in labels), default=0.0)
        return float(widest / self.frame.width + _EDGE + _NEAR) if labels else _EDGE

    def set(self, axes: Any, ground: str) -> None:
        """Move the names to their places, and draw the lines; the limits of the axes are set."""
        frame = self.frame
        low, high = _heights(frame)
        for side, labels in enumerate(self.sides):
            edge = frame.x0 + _EDGE * frame.width if side == 0 else frame.x1 - _EDGE * frame.width
            for label in labels:
                label.anchor = axes.transData.transform(label.place)
            _set(axes, _ordered(labels, edge, side, low, high, self.gap), edge, side, self.gap, ground)


def write_names(
    axes: Any,
    at: NDArray[np.float64],
    number: NDArray[np.int32],
    shown: Sequence[Shown],
    *,
    ink: str,
    soft: str,
) -> Names:
    """Write names, wrapped to columns, as many as there is room for left and right of the points.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where.
    at : float64[n, 2]
        Places of the points.
    number : int32[n]
        Which of ``shown`` each point is of; 0 for none, and for what is not drawn.
    shown : sequence of Shown
        The most important first: what has no room left stays without a name.
    ink, soft : str
        Colours of names, and of the names of parts.
    """
    from matplotlib.backends.backend_agg import RendererAgg

    figure = axes.get_figure()
    # what measures is of our own: canvases of SVG and PDF have none
    renderer = RendererAgg(int(figure.bbox.width), int(figure.bbox.height), figure.dpi)
    frame = axes.get_window_extent(renderer)
    known = fonts()
    column = (_COLUMN - _EDGE - _NEAR) * frame.width
    low, high = _heights(frame)
    points = max(4.5, 7.4 * (frame.width / figure.dpi / 8) ** 0.5)
    gap = 0.6 * points * figure.dpi / 72
    sides: tuple[list[_Label], list[_Label]] = ([], [])
    inside = at[number > 0, 0]
    middle = (inside.min() + inside.max()) / 2 if len(inside) else 0.0
    for one in shown:
        place = _anchor(at, number == one.number)
        if place is None:
            continue
        label = _made(axes, one, place, column, points, renderer, known, ink, soft)
        if label is None:
            continue
        first = int(place[0] > middle)
        for side in (first, 1 - first):
            if sum(other.tall + gap for other in sides[side]) + label.tall <= high - low:
                sides[side].append(label)
                break
        else:
            label.text.remove()
            if label.more is not None:
                label.more.remove()
    return Names(sides, frame, gap)


def _heights(frame: Any) -> tuple[float, float]:
    """Return the pixels between which names stand; the caption is below."""
    return float(frame.y0 + 0.05 * frame.height), float(frame.y1 - 0.02 * frame.height)


def _anchor(at: Place, mine: NDArray[np.bool_]) -> Place | None:
    """Return the point that is nearest the median of some."""
    rows = np.flatnonzero(mine)
    if not len(rows):
        return None
    away = np.linalg.norm(at[rows] - np.median(at[rows], axis=0), axis=1)
    found: Place = at[rows[away.argmin()]]
    return found


def _made(
    axes: Any, one: Shown, place: Place, column: float, points: float, renderer: Any, known: list[str],
    ink: str, soft: str,
) -> _Label | None:  # fmt: skip
    """Write a name and the names of its parts somewhere, and measure them; None if not a word fits."""
    name = drawable(printable(one.name).strip() or f"cluster {one.number}", known)
    kind = {"transform": None, "va": "top", "parse_math": False, "family": known, "linespacing": 1.08}
    text = axes.text(0, 0, "", fontsize=points, fontweight="bold", color=ink, **kind)
    box = _fit(text, name, column, renderer, _LINES)
    if box is None:
        text.remove()
        return None
    wide, tall = box
    more = None
    if one.parts:
        below = drawable("; ".join(printable(part).split(" · ")[0].strip() for part in one.parts), known)
        more = axes.text(0, 0, "", fontsize=0.8 * points, color=soft, **kind)
        box = _fit(more, below, column, renderer, _MORE)
        if box is None:
            more.remove()
            more = None
        else:
            wide, tall = max(wide, box[0]), tall + box[1] + 0.3 * points * axes.get_figure().dpi / 72
    return _Label(one, text, more, place, wide, tall)


def _fit(text: Any, told: str, column: float, renderer: Any, lines: int) -> tuple[float, float] | None:
    """Wrap a text such that it is no wider than the column; return its width and height in pixels."""
    for characters in range(_LONGEST, _LEAST - 1, -2):
        text.set_text(wrapped(told, characters, lines))
        box = text.get_window_extent(renderer)
        if box.width <= column:
            return float(box.width), float(box.height)
    return None


def wrapped(told: str, characters: int, lines: int) -> str:
    """Return a text in lines; what is longer than all lines together ends in an ellipsis.

    Examples
    --------
    >>> from saetext.report.html.map_names import wrapped
    >>> wrapped("water, dry, soil and more", 10, 2)
    'water,\\ndry, soil …'
    """
    found = textwrap.wrap(told, characters, max_lines=lines, placeholder=" …") or [told[:characters]]
    return "\n".join(found)


def _ordered(
    labels: list[_Label], edge: float, side: int, low: float, high: float, gap: float
) -> list[_Label]:
    """Return the labels of a side from above, each near their places, no lines crossed."""
    order = sorted(labels, key=lambda label: -label.anchor[1])
    _stack(order, low, high, gap)
    for _ in range(len(order) ** 2):
        crossed = next(
            (i for i in range(len(order) - 1) if _cross(order[i], order[i + 1], edge, side, gap)), None
        )
        if crossed is None:
            break
        order[crossed : crossed + 2] = order[crossed + 1], order[crossed]
        _stack(order, low, high, gap)
    return order


def _stack(order: Sequence[_Label], low: float, high: float, gap: float) -> None:
    """Set the heights of labels from above such that none is over another and all are in the frame."""
    top = high
    for label in order:
        label.y = min(label.anchor[1], top - label.tall / 2)
        top = label.y - label.tall / 2 - gap
    bottom = low
    for label in reversed(order):
        label.y = max(label.y, bottom + label.tall / 2)
        bottom = label.y + label.tall / 2 + gap


def _start(label: _Label, edge: float, side: int, gap: float) -> Place:
    """Return where the line of a label begins."""
    across = label.wide + 0.8 * gap
    return np.array([edge + across if side == 0 else edge - across, label.y])


def _cross(one: _Label, other: _Label, edge: float, side: int, gap: float) -> bool:
    """Whether the lines of two labels cross."""
    a, c = _start(one, edge, side, gap), _start(other, edge, side, gap)
    b, d = one.anchor, other.anchor

    def turn(p: Place, q: Place, r: Place) -> bool:
        return bool((q[0] - p[0]) * (r[1] - p[1]) > (q[1] - p[1]) * (r[0] - p[0]))

    return turn(a, b, c) != turn(a, b, d) and turn(c, d, a) != turn(c, d, b)


def _set(axes: Any, labels: Sequence[_Label], edge: float, side: int, gap: float, ground: str) -> None:
    """Move the texts of a side to their places, and draw the lines."""
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    inverse = axes.transAxes.inverted()
    dots = axes.get_figure().dpi
    for label in labels:
        top = label.y + label.tall / 2
        below = top - label.tall
        for text, y, va in ((label.text, top, "top"), (label.more, below, "bottom")):
            if text is None:
                continue
            # of the axes, so that it stays there whatever the resolution of what is saved
            text.set_position(inverse.transform((edge, y)))
            text.set_transform(axes.transAxes)
            text.set_va(va)
            text.set_ha("left" if side == 0 else "right")
            text.set_multialignment("left" if side == 0 else "right")
        path = inverse.transform(np.array([_start(label, edge, side, gap), label.anchor]))
        width = gap * 72 / dots / 6
        line = Line2D(
            path[:, 0], path[:, 1], transform=axes.transAxes, color=label.shown.colour, linewidth=width,
            solid_capstyle="round", zorder=3, clip_on=False, marker="o", markevery=[1], markersize=4 * width,
            markerfacecolor=ground, markeredgewidth=width,
            path_effects=[withStroke(linewidth=3 * width, foreground=ground, alpha=0.75)],
        )  # fmt: skip
        axes.add_line(line)


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
