"""Axes, names and rows of a chart: what the charts of all results share.

Names may come from strangers: none is taken for TeX, none holds control characters, and a letter that no font
has is a box. Not for: what a chart is of (:mod:`saetext.report.charts.analyses`).
"""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saetext.analysis.registry import chart_of
from saetext.errors import InputError
from saetext.io.extras import require
from saetext.report.html.figures import finite
from saetext.report.html.map_names import drawable, fonts
from saetext.text.one_line import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from saetext.analysis.base import Result

BLUE, ORANGE, GREY, INK = "#2f6fbb", "#d96f0a", "#8a877f", "#1d1c1a"
COLOURS = (BLUE, ORANGE, "#2e8b57", "#8b4fc4", "#d1383d", "#0e8b95", "#a17600", "#d44a97")
_WIDE = 9.0  # inches
_ROW = 0.3
_NAME = 56  # characters of a name
_TITLE = 96  # characters of a line of a title

Row = Mapping[str, Any]


def draw_chart(result: Result, ax: Axes | None = None, *, top: int = 15) -> Axes:
    """Draw a result, see :meth:`saetext.analysis.base.Result.plot`."""
    if top < 1:
        raise InputError(f"a chart shows at least one row, not {top}")
    require("matplotlib", "pictures", "drawing a chart", error=InputError)
    return chart_of(result.kind)(result, ax, top)


@dataclass(frozen=True)
class Bar:
    """A row of a chart.

    Attributes
    ----------
    name : str
        What stands at its left.
    value, low, high : float or None
        The figure and its interval; a row without a figure stays empty.
    colour : str
    faint : bool
        Whether it is drawn lighter: not confirmed.
    mark : float or None
        Another figure, drawn as a line across: what it is held against.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    colour: str = BLUE
    faint: bool = False
    mark: float | None = None


def text(value: object, most: int = _NAME) -> str:
    """Return a text as a chart shows it, on one line."""
    return drawable(_narrow(one_line(str(value), most), most), fonts())


def _narrow(line: str, most: float) -> str:
    """Cut a line that is wider than ``most`` usual letters."""
    wide = 0.0
    for at, letter in enumerate(line):
        wide += _width(letter)
        if wide > most:
            return line[: max(at - 1, 1)].rstrip() + "…"
    return line


def _width(letter: str) -> float:
    """Return about how wide a letter is, in usual ones."""
    if unicodedata.east_asian_width(letter) in "WF" or letter in "WMwm@%":
        return 1.75
    return 1.3 if letter.isupper() else 1.0


def both(one: object, other: object) -> str:
    """Return the name of a pair, each side short enough for both to be seen."""
    half = (_NAME - 3) // 2
    sides = [one_line(str(side), _NAME) for side in (one, other)]
    spare = max(half - min(map(len, sides)), 0)  # what a short one leaves to the other
    return " + ".join(one_line(side, half + spare) for side in sides)


def axes_of(ax: Axes | None, tall: float, wide: float = _WIDE) -> tuple[Axes, bool]:
    """Return the axes that were given, or those of a new figure, and whether they are new."""
    if ax is not None:
        return ax, False
    from matplotlib import pyplot as plt

    _, made = plt.subplots(figsize=(wide, tall), layout="constrained")
    return made, True


def titled(ax: Axes, own: bool, title: str) -> None:
    """Put a title over the axes; over a figure of our own it begins at the figure's left edge."""
    line = one_line(title, 400)
    wide = max(sum(map(_width, line)) / max(len(line), 1), 1.0)
    lines = textwrap.wrap(drawable(line, fonts()), int(_TITLE / wide), max_lines=3, placeholder=" …")
    how: dict[str, Any] = {"fontsize": 11, "family": fonts(), "parse_math": False}
    if own:
        ax.get_figure().suptitle("\n".join(lines), x=0.01, ha="left", **how)  # type: ignore[union-attr]
    else:
        ax.set_title("\n".join(lines), loc="left", **how)


def bars(
    ax: Axes | None, rows: Sequence[Bar], title: str, axis: str, *, points: bool = False,
    legend: Mapping[str, str] | None = None, faint: str = "", mark: str = "",
) -> Axes:  # fmt: skip
    """Draw rows from top to bottom, each with its figure as a bar (or a point) and its interval.

    Parameters
    ----------
    axis : str
        What the figures are.
    points : bool
        Points instead of bars, for figures whose zero says nothing.
    legend : mapping of str to str
        Colour to what it means; with ``faint`` and ``mark`` for what those mean.
    """
    ax, own = axes_of(ax, 1.3 + _ROW * max(len(rows), 2))
    for at, row in enumerate(rows):
        value = finite(row.value)
        if value is None:
            continue
        alpha = 0.4 if row.faint else 0.9
        if points:
            ax.plot([value], [at], "o", color=row.colour, alpha=alpha, markersize=6)
        else:
            ax.barh(at, value, height=0.62, color=row.colour, alpha=alpha)
        low, high = finite(row.low), finite(row.high)
        if low is not None and high is not None:
            colour = row.colour if points else INK
            ax.plot([low, high], [at, at], color=colour, alpha=0.6 if row.faint else 0.9, linewidth=1.3)
        if (against := finite(row.mark)) is not None:
            ax.plot([against, against], [at - 0.38, at + 0.38], color=INK, linewidth=1.8)
    _rows(ax, [row.name for row in rows])
    drawn = [finite(v) for row in rows for v in (row.value, row.low, row.high, row.mark)]
    values = [v for v in drawn if v is not None]
    if values and (not points or min(values) <= 0 <= max(values)):
        ax.axvline(0, color=INK, linewidth=0.8)
    # from the right end, so that a long one goes on under the names
    ax.set_xlabel(text(axis, 90), loc="right", parse_math=False, family=fonts())
    if not rows:
        ax.text(0.5, 0.5, "no rows", transform=ax.transAxes, ha="center", va="center", color=GREY)
    used = {row.colour for row in rows if row.value is not None}
    legend = {colour: name for colour, name in (legend or {}).items() if colour in used or not used}
    _legend(ax, own, legend, faint if any(row.faint for row in rows) else "",
            mark if any(row.mark is not None for row in rows) else "")  # fmt: skip
    titled(ax, own, title)
    return ax


def _rows(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(
        range(len(names)), [text(name) for name in names], parse_math=False, fontsize=9, family=fonts()
    )
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#dddbd5", linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def _legend(ax: Axes, own: bool, colours: Mapping[str, str], faint: str, mark: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(color=colour, label=text(name, 30)) for colour, name in colours.items()]
    if faint:
        handles.append(Patch(color=GREY, alpha=0.4, label=faint))
    if mark:
        handles.append(Line2D([], [], color=INK, linewidth=1.8, label=text(mark, 40)))
    if handles:
        put_legend(ax, handles, own)


def put_legend(ax: Axes, handles: Sequence[Any], own: bool) -> None:
    """Put a legend under the axes of a figure of our own, in which it has its room; else within the axes."""
    prop = {"family": fonts(), "size": 9}
    if own:
        figure = ax.get_figure()
        made = figure.legend(  # type: ignore[union-attr]
            handles=list(handles), loc="outside lower center", ncols=3, frameon=False, prop=prop
        )
    else:
        made = ax.legend(handles=list(handles), prop=prop)
    for told in made.get_texts():
        told.set_parse_math(False)


def known(rows: Sequence[Row], name: str) -> bool:
    """Return whether any row has a figure."""
    return any(finite(row.get(name)) is not None for row in rows)


def times(value: object, by: float) -> float | None:
    """Return a figure multiplied, None where there is none."""
    number = finite(value)
    return None if number is None or math.isnan(number) else number * by


Chart = Callable[["Result", "Axes | None", int], "Axes"]
