"""An expression matrix as text for a terminal: what holds everywhere, and the communities of features.

Returns strings and prints nothing. Texts and labels are data: they are never parsed as markup. Not for: the
matrix itself, which needs a page or a picture (:mod:`saetext.report.html.matrix_page`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from saetext.report.console.lines import end, make_console, probability, styled
from saetext.text.one_line import many, one_line
from saetext.text.passages import piece_shown, printable

if TYPE_CHECKING:
    from rich.table import Table

    from saetext.intervene.expression.result import ExpressionResult

_EVERYWHERE = 10  # features listed
_COMMUNITIES = 5  # the largest, listed
_OF_EACH = 6  # features listed of a community
_WIDE = 76  # columns from which a table says where
_ORDER = ("feature", "label", "in", "mean", "strongest at", "more in")
_NUMBERS = ("feature", "in", "mean")
_TEXTS = {"label": 5, "strongest at": 3, "more in": 3}  # and their shares of the columns that are left


def render_expression(
    result: ExpressionResult, console_width: int = 100, color: bool = False, *, encoding: str = "utf-8"
) -> str:
    r"""Return what holds everywhere and the communities of features, as headings, tables and notes.

    Parameters
    ----------
    result : ExpressionResult
    console_width : int
        Columns to fill; less than 40 counts as 40 and more than 200 as 200.
    color : bool
        Whether to use terminal colours.
    encoding : str
        The output's encoding; a character it lacks becomes a plain one.

    Returns
    -------
    str
        Lines that end in ``\n``, none wider than the window.
    """
    console = make_console(console_width, color)
    console.print(styled(heading(result)))
    ordered = result.table.sort("prevalence", descending=True, maintain_order=True)
    console.print()
    console.print(styled("Among the strongest in the most examples", "bold"))
    console.print(_table(ordered.head(_EVERYWHERE), console.width))
    if result.metrics["feature_communities"] > 1:
        groups = list(ordered.group_by("community", maintain_order=True))
        groups = sorted((g for g in groups if g[1].height > 1), key=lambda group: -group[1].height)
        for (community,), rows in groups[:_COMMUNITIES]:
            console.print()
            told = f"Community {int(str(community)) + 1}: {many(rows.height, 'feature')}"
            console.print(styled(told, "bold"))
            console.print(_table(rows.head(_OF_EACH), console.width))
    return end(console, result.notes, encoding)


def heading(result: ExpressionResult) -> str:
    """Return what the matrix is, in sentences."""
    m = result.metrics
    told = (
        f"{many(m['features'], 'feature')}, the strongest of each of {many(m['examples'], 'example')}. "
        f"{m['everywhere']:,} among the strongest in at least half of the examples. "
        f"{_communities(m['feature_communities'], 'features', m['feature_silhouette'])}, "
        f"{_communities(m['example_communities'], 'examples', m['example_silhouette'])}."
    )
    if m["tests"]:
        told += (
            f" {m['enriched']:,} of {many(m['tests'], 'test')} by {printable(str(result.params['by']))} "
            "significant (q < .05, Benjamini-Hochberg)."
        )
    return told


def _communities(n: int, of: str, silhouette: float | None) -> str:
    if n < 2 or silhouette is None:
        return f"no communities of {of}"
    return f"{n} communities of {of} (silhouette {silhouette:.2f})"


def _table(rows: pl.DataFrame, room: int) -> Table:
    from rich.table import Table

    cells = [_cells(row) for row in rows.to_dicts()]
    told = {name for row in cells for name, cell in row.items() if cell}
    left_out = () if room >= _WIDE else ("strongest at", "more in")
    names = [name for name in _ORDER if name in told and name not in left_out]
    # texts give way, numbers do not
    taken = sum(max(len(name), *(len(row[name]) for row in cells)) + 2 for name in names if name in _NUMBERS)
    shares = {name: share for name, share in _TEXTS.items() if name in names}
    left = max(room - taken - 2 * len(shares), 1)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    for row in cells:
        for name, share in shares.items():
            row[name] = one_line(row[name], max(int(left * share / sum(shares.values())), 1))
        table.add_row(*(styled(row[name]) for name in names))
    return table


def _cells(row: dict[str, Any]) -> dict[str, str]:
    enriched = row["enriched_in"]
    return {
        "feature": str(row["feature"]),
        "label": printable(row["label"] or ""),
        "in": f"{row['prevalence']:.0%}".replace("%", " %"),
        "mean": f"{row['mean']:+.2f}",
        "strongest at": f"{printable(row['example'])}: «{piece_shown(row['token'] or '')}»",
        "more in": "" if enriched is None else f"{printable(enriched)} (q {probability(row['enriched_q'])})",
    }
