"""Clusters as text for a terminal: a heading in words, each cluster with its features and an example, notes.

Returns strings and prints nothing. Texts and labels are data: they are never parsed as markup, and no control
character of theirs gets through. Not for: files (:mod:`saetext.analysis.export`) or the map.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.analysis.clusters import ClusterResult
from saetext.report.console.cluster_changes import render_changes
from saetext.report.console.cluster_levels import Tree, group_lines, numbers, part_lines
from saetext.report.console.cluster_views import groups_and_stability, shown_row, view_lines
from saetext.report.console.lines import INDENT, end, make_console, styled
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_BAR = 10  # columns of a share's bar
_TEXT = 31  # columns before a cluster's name
_WIDE = 96  # columns of a window from which on examples stand under names


def render_clusters(
    result: ClusterResult,
    console_width: int = 100,
    color: bool = False,
    *,
    top: int | None = None,
    encoding: str = "utf-8",
) -> str:
    r"""Return clusters by size, each with size, share and name, an example and a feature, and the notes.

    A feature is shown if its label fits in the cluster; where that was not looked at, the most telling
    one; of a prediction none.

    Parameters
    ----------
    result : ClusterResult
        What to show.
    console_width : int
        Columns to fill; less than 40 counts as 40 and more than 200 as 200.
    color : bool
        Whether to use terminal colours.
    top : int, optional
        Clusters to show, all by default.
    encoding : str
        The output's encoding; a character it lacks becomes a plain one.

    Returns
    -------
    str
        Lines that end in ``\n``, none wider than the window.
    """
    if result.changes is not None:
        return render_changes(result, console_width, color, top=top, encoding=encoding)
    console = make_console(console_width, color)
    console.print(_heading(result))
    rows = [found.row for found in result.findings()]
    shown = rows if top is None else rows[:top]
    most = max((row["share"] for row in rows), default=0.0)
    console.print()
    tree = Tree(result)
    if groups := group_lines(tree, console.width, _TEXT):
        for line in groups:
            console.print(line)
        console.print()
        which = "The clusters" if len(shown) == len(rows) else "The largest clusters"
        console.print(styled(f"{which} in these groups:", "dim"))
        console.print()
    for row in shown:
        _print_cluster(console, row, most, result.params.get("model") is not None, tree)
    if len(shown) < len(rows):
        rest = sum(row["size"] for row in rows[len(shown) :])
        console.print()
        console.print(
            styled(
                f"{many(len(rows) - len(shown), 'more cluster')}, {many(rest, 'document')} (--top 0: all)",
                "dim",
            )
        )
    for line in _checks(result):
        console.print()
        console.print(line)
    for line in view_lines(result, console.width):
        console.print(line)
    predicted = result.params.get("model") is not None
    if not predicted and any(_shown_feature(row) for row in shown):
        console.print()
        console.print(
            styled(
                "in: share of the cluster's documents that have the feature; else: share of all others. "
                "The clusters were made from these features, so the numbers describe the clusters and "
                "are no evidence for them.",
                "dim",
            )
        )
    return end(console, result.notes, encoding)


def _heading(result: ClusterResult) -> Text:
    metrics, params = result.metrics, result.params
    heading = styled(printable(params["corpus"]), "bold")
    heading.append(f", {many(metrics['documents'], 'document')}")
    if params.get("include"):
        heading.append(f" including {', '.join(map(printable, params['include']))}")
    if params.get("exclude"):
        heading.append(f" excluding {', '.join(map(printable, params['exclude']))}")
    if params.get("model"):
        heading.append(f" placed in the clusters of {printable(params['model'])}")
    row = shown_row(result)
    if row is not None:
        heading.append(f" by {row['view']} ({row['about']}): ")
        heading.append(f"{groups_and_stability(row)}.", "bold")
        return heading
    heading.append(": ")
    heading.append(many(metrics["n_clusters"], "cluster"), "bold")
    if metrics["n_clusters"] and params.get("min_cluster_size"):
        heading.append(f" of at least {params['min_cluster_size']:,} documents")
    heading.append(f", {metrics['noise']:.1%} of the documents in no cluster".replace("%", " %"))
    heading.append(".")
    return heading


def _print_cluster(
    console: Console, row: Mapping[str, Any], most: float, predicted: bool, tree: Tree
) -> None:
    width = console.width
    bar = "█" * max(1, round(_BAR * row["share"] / most)) if most > 0 and row["size"] else ""
    head = styled(f"{row['cluster']:>3} ", "dim").append(f"{bar:<{_BAR}} ", "cyan")
    head.append(numbers(row).ljust(_TEXT - len(head.plain)))
    head.append(printable(row["name"]), "bold")
    head.truncate(width, overflow="ellipsis")
    console.print(head)
    if predicted and not row["size"]:
        return
    if example := row["example"] or row["snippet"]:
        start = " " * (_TEXT if width >= _WIDE else INDENT + 2)
        console.print(styled(start).append(_cut(printable(example), width - len(start)), "dim"))
    if not predicted and (feature := _shown_feature(row)):
        line = styled(" " * (_TEXT if width >= _WIDE else INDENT + 2)).append(
            f"in {100 * feature['inside']:3.0f} %  else {100 * feature['outside']:3.0f} %  "
        )
        line.append(printable(feature["label"]))
        line.truncate(width, overflow="ellipsis")
        console.print(line)
    for line in part_lines(tree, row["cluster"], width, _TEXT):
        console.print(line)


def _shown_feature(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the most telling feature whose label fits; where none was looked at, the most telling one."""
    features = row["features"]
    if all(feature.get("fits") is None for feature in features):
        return features[0] if features else None
    return next((feature for feature in features if feature["fits"]), None)


def _cut(text: str, width: int) -> str:
    """Cut a text to a number of columns, behind a word where there is one not far before the end."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    cut = set_cell_size(text, max(width - 1, 0)).rstrip()
    end = cut.rfind(" ")
    return (cut[:end] if end > 0.7 * len(cut) else cut).rstrip(" ,.;:") + "…"


def _checks(result: ClusterResult) -> list[Text]:
    metrics = result.metrics
    lines = []
    if "ari" in metrics:
        lines.append(
            styled(
                f"compared with {printable(result.params['truth'])} "
                f"({many(metrics['truth_values'], 'value')}): ARI {metrics['ari']:.3f}, "
                f"NMI {metrics['nmi']:.3f}, V {metrics['v_measure']:.3f}, "
                f"homogeneity {metrics['homogeneity']:.3f}, completeness {metrics['completeness']:.3f}; "
                f"noise counts as one class, {100 * metrics['truth_noise']:.1f} % of the documents"
            )
        )
        if by_level := metrics.get("truth_levels"):
            told = "; ".join(
                f"level {one['level']}: ARI {one['ari']:.3f}, NMI {one['nmi']:.3f}" for one in by_level
            )
            lines.append(styled(told))
    if "silhouette" in metrics and "stability_seeds" not in metrics and shown_row(result) is not None:
        lines.append(styled(f"silhouette in MiniLM's embedding {metrics['silhouette']:.2f}"))
    if "stability_seeds" in metrics:
        dbcv, silhouette = metrics.get("dbcv"), metrics.get("silhouette")
        parts = [
            "stability (adjusted Rand index, 1: the same clusters) "
            f"{metrics['stability_seeds']:.2f} over seeds, "
            f"{metrics['stability_subsamples']:.2f} over subsamples"
        ]
        if dbcv is not None:
            parts.append(f"DBCV {dbcv:.2f}")
        if silhouette is not None:
            parts.append(f"silhouette in MiniLM's embedding {silhouette:.2f}")
        lines.append(styled("; ".join(parts)))
    return lines
