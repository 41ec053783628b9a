"""The views of a pile as lines for a terminal: what each shows, and which is recommended.

Not for: the clusters (:mod:`saetext.report.console.clusters`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import styled
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.text import Text

    from saetext.analysis.clusters import ClusterResult


def shown_row(result: ClusterResult) -> Mapping[str, Any] | None:
    """Return what ``metrics.views`` says of the view that is shown; None for clusters of all features."""
    row: Mapping[str, Any] | None = result.metrics.get("shown_view")
    return row


def groups_and_stability(row: Mapping[str, Any]) -> str:
    """Return "2 groups, stability .92", with whether the structure is weak, or "no groups"."""
    if not row["n_clusters"]:
        return "no groups"
    told = f"{row['stability']:.2f}".replace("0.", ".", 1)
    return f"{many(row['n_clusters'], 'group')}, {'weak, ' * (row['structure'] == 'weak')}stability {told}"


def view_lines(result: ClusterResult, width: int) -> list[Text]:
    """Return a line for each view that shows groups, the best first, and one for those without."""
    rows = result.metrics.get("views", ())
    if len(rows) < 2 or result.params.get("model"):
        return []
    lines = [styled(""), styled("Views of these documents (--view NAME shows the groups of one):")]
    found = [row for row in rows if row["n_clusters"]]
    names = max((len(row["view"]) for row in found), default=0)
    counts = max((len(groups_and_stability(row)) for row in found), default=0)
    for row in found:
        line = styled(f"  {row['view']:<{names}}  ", "bold").append(
            f"{groups_and_stability(row):<{counts}}  "
        )
        line.append("; ".join(_said(row, result)), "dim")
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    if without := [row["view"] for row in rows if not row["n_clusters"]]:
        lines.append(styled(f"  no groups by {', '.join(without)}"))
    return lines


def _said(row: Mapping[str, Any], result: ClusterResult) -> list[str]:
    """Return what stands after the figures: recommended, shown, views that say the same, themes."""
    said = ["recommended"] if row["view"] == result.metrics.get("recommended") else []
    shown = (shown_row(result) or {}).get("view")
    said += ["shown above"] if row["view"] == shown else []
    same = [f"{name} (shown above)" if name == shown else name for name in row["same"]]
    said += [f"as by {' and '.join(same)}"] if same else []
    return [*said, *(printable(name) for name in row["groups"])]
