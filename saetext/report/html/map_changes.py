"""What a cluster's card on the map says of sets that were compared, or of a trend. Not for: other facts."""

from __future__ import annotations

from saetext.analysis.clusters import ClusterResult
from saetext.report.console.lines import probability

_MOST = 12  # sets or bins whose shares a card lists


def change_facts(result: ClusterResult, cluster: int) -> list[tuple[str, str]]:
    """Return the shares of a cluster in each set or bin, and its change; nothing where none was compared."""
    if result.changes is None:
        return []
    rows = result.changes.filter(result.changes["cluster"] == cluster).to_dicts()
    if not rows:
        return []
    row = rows[0]
    shares = {name: share for name, share in row["shares"].items() if share is not None}
    facts = [
        (f"in {name}", f"{100 * share:.1f}\u00a0%, {row['counts'][name]:,}")
        for name, share in list(shares.items())[:_MOST]
    ]
    key = "trend" if "trend" in row else "change"
    low, high = (_points(row[name]) for name in ("ci_low", "ci_high"))
    told = f"{_points(row[key])} points [{low}, {high}], q {probability(row['q'])}"
    facts.append((key if key == "trend" or len(row["shares"]) == 2 else f"{key} in {row['set']}", told))
    if row.get("only_in"):
        facts.append(("only in", row["only_in"]))
    return facts


def _points(change: float) -> str:
    return f"{100 * change:+.1f}".replace("-", "−")
