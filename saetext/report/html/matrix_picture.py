"""An expression matrix as a picture, like a gene expression matrix. Not for: anything one can touch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.analysis.export import atomically
from saetext.errors import InputError
from saetext.intervene.expression.result import ExpressionResult
from saetext.io.extras import require
from saetext.report.html.map_names import drawable, fonts
from saetext.report.html.map_picture import KINDS
from saetext.text.one_line import one_line
from saetext.text.passages import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 160
_CELL = 0.16  # inches
_NAMED = 60  # rows or columns up to which each has its name
_LABEL = 34  # characters of a name


def write_matrix_picture(result: ExpressionResult, path: str | Path, *, overwrite: bool = False) -> Path:
    """Draw an expression matrix into a file, whole or not at all, and return its path.

    Parameters
    ----------
    result : ExpressionResult
    path : str or Path
        Ends in ``.png``, ``.svg`` or ``.pdf``.
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    InputError
        If the suffix is another, matplotlib is not installed, the file exists and ``overwrite`` is false, or
        it cannot be written.
    """
    path = Path(path)
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"cannot draw {path.name}: name a file that ends in {', '.join(KINDS)}")
    about: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})

    def write(beside: Path) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*[Gg]lyph")  # a letter that no font has is a box
            figure(result).savefig(beside, format=kind, dpi=_DPI, metadata=about, bbox_inches="tight")

    return atomically(path, write, overwrite)


def figure(result: ExpressionResult) -> Figure:
    """Return the picture; blue raises the metric, orange lowers it."""
    require("matplotlib", "pictures", "drawing a picture", error=InputError)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = result.expression.shape
    wide, tall = (min(max(n * _CELL, 2.0), 40.0) for n in (columns, rows))
    made = Figure(figsize=(wide + 1.0, tall + 1.0), facecolor="white")
    FigureCanvasAgg(made)
    draw_matrix(result, made.add_axes((0.0, 0.0, 1.0, 1.0)))
    return made


def draw_matrix(result: ExpressionResult, axes: Any, rows: int | None = None) -> None:
    """Draw the matrix, or its first ``rows``, into axes of matplotlib, with a bar of its colours."""
    from matplotlib.colors import LinearSegmentedColormap

    table, cells = result.table[:rows], result.expression[:rows]
    colours = LinearSegmentedColormap.from_list("expression", ["#c95c0c", "#ffffff", "#1f63ab"])
    image = axes.imshow(cells, aspect="auto", cmap=colours, vmin=-1, vmax=1, interpolation="nearest")
    labels = [
        drawable(one_line(printable(row["label"] or f"feature {row['feature']}"), _LABEL), fonts())
        for row in table.to_dicts()
    ]
    names = [drawable(one_line(printable(name), _LABEL), fonts()) for name in result.examples["id"].to_list()]
    _name(axes.set_yticks, labels, "features", axes.set_ylabel, {})
    _name(axes.set_xticks, names, "examples", axes.set_xlabel, {"rotation": 90})
    for groups, draw in (
        (table["community"], axes.axhline),
        (result.examples["community"], axes.axvline),
    ):
        for edge in np.flatnonzero(np.diff(groups.to_numpy())):
            draw(edge + 0.5, color="#1d1c1a", linewidth=0.8)
    axes.tick_params(length=0, labelsize=6)
    bar = axes.get_figure().colorbar(image, ax=axes, fraction=0.02, pad=0.02, ticks=[-1, 0, 1])
    bar.set_label("attribution over the feature's 99th percentile", fontsize=6)
    bar.ax.tick_params(labelsize=6)


def _name(ticks: Any, names: list[str], what: str, title: Any, how: dict[str, Any]) -> None:
    """Name each row or column, or say how many there are."""
    if len(names) <= _NAMED:
        ticks(range(len(names)), names, parse_math=False, family=fonts(), **how)
    else:
        ticks([])
        title(f"{len(names):,} {what}", fontsize=7)
