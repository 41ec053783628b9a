"""What a second reader sees of an edit, as lines and as cells. Not for: finding it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import probability
from saetext.text.passages import printable

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 8  # findings of one arm on a terminal
NOTHING = "no difference with q < .05"


def seen_lines(seen: pl.DataFrame) -> list[str]:
    """Return the first findings, a line each, and how many more there are."""
    if not seen.height:
        return [NOTHING]
    lines = [seen_line(row) for row in seen.head(_SHOWN).to_dicts()]
    if (more := seen.height - _SHOWN) > 0:
        lines.append(f"and {more} more")
    return lines


def seen_line(row: Mapping[str, Any]) -> str:
    """Return one finding in a line."""
    mark = " ✓" if row["confirmed"] else ""
    random = row["diff_random"]
    same = random is not None and random * row["diff"] > 0
    also = f"; a random edit too ({100 * random:+.0f})" if same else ""
    return (
        f"{row['name']} ({row['kind']}): {100 * row['rate']:.0f} against {100 * row['rate_unedited']:.0f} % "
        f"of texts, q {probability(row['q'])}{mark}{also}"
    )


def seen_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one finding as what stands in the cells of a page's table."""
    random = row["diff_random"]
    return {
        "name": printable(row["name"]),
        "kind": row["kind"],
        "rate": f"{100 * row['rate']:.0f}\u00a0%",
        "unedited": f"{100 * row['rate_unedited']:.0f}\u00a0%",
        "diff": f"{100 * row['diff']:+.0f}",
        "random": "" if random is None else f"{100 * random:+.0f}",
        "q": probability(row["q"]),
        "confirmed": row["confirmed"],
    }
