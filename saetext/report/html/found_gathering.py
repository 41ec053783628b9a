"""The findings of a diff for its page: the list of what differs, each with its row, and with passages.

Not for: the rest of the page (:mod:`saetext.report.html.gathering`).
"""

from __future__ import annotations

from collections.abc import Iterator

from saetext.analysis.base import Row
from saetext.analysis.differences import DiffResult
from saetext.analysis.differences.sentences import tested
from saetext.features.labels import FeatureLabels
from saetext.report.console.lines import others
from saetext.report.html.feature_told import told_of
from saetext.report.html.page_model import HeatMap
from saetext.text.one_line import many
from saetext.text.passages import printable


def listed(result: DiffResult) -> Iterator[tuple[Row, tuple[str, ...]]]:
    """Yield the row of each finding with its name as label, and the names of what says the same."""
    assert result.found is not None
    for found in result.found.to_dicts():
        also = tuple(found["members"])
        if (more := found["n_members"] - len(also)) > 0:
            also = (*also, others(more, bool(also)))
        row = {**found, "label": found["name"], "explained_by_length": found["length"]}
        yield {**row, "own_label": found["label"]}, also


def described(row: Row, labels: FeatureLabels) -> str:
    """Return what is told of a finding's feature; only rows of the list have its words."""
    label = row.get("own_label") or row.get("label") or ""
    return told_of(labels, row["feature"], label, row.get("fits"), row.get("words") or ())


def compared(result: DiffResult, how: str) -> str:
    """Return what was compared, and how many descriptions were tested."""
    metrics = result.metrics
    a, b = map(printable, result.names)
    return (
        f"{a} ({many(metrics['documents_a'], 'document')}) against {b} "
        f"({many(metrics['documents_b'], 'document')}), {how}. Tested alike: {tested(result)}. "
        "Each difference stands under the simplest description that carries it. What says the same is named "
        "below it."
    )


def one_against_others(row: Row) -> Row:
    """Return the row of one of several sets as one of two: the set, and all others together."""
    return {
        **row, "label": f"{row['set']}: {row['label']}", "rate_a": row["rate"], "rate_b": row["rate_rest"],
        "n_a": row["n"], "snippet_a": row["snippet"] or "", "snippet_b": row.get("snippet_rest"),
    }  # fmt: skip


def compared_of_several(result: DiffResult) -> str:
    """Return which sets were compared, and how many descriptions were tested."""
    sets = ", ".join(
        f"{printable(n)} ({many(c, 'document')})" for n, c in result.metrics["documents"].items()
    )
    return (
        f"{len(result.names)} sets, each compared with all others together: {sets}. Tested alike: "
        f"{tested(result)}. Each difference stands under the simplest description that carries it. What says "
        "the same is named below it."
    )


def heat_map_of_found(result: DiffResult, most: int) -> HeatMap:
    """Return the rate of each description of the list in every set, the first ``most`` of them."""
    assert result.found is not None
    rows = {(row["kind"], row["name"]): row for row in reversed(result.found.to_dicts())}
    first = list(reversed(rows.values()))[:most]
    return HeatMap(
        "Share of documents with each finding",
        tuple(printable(row["name"]) for row in first),
        tuple(map(printable, result.names)),
        tuple(tuple(row["rates"][name] for name in result.names) for row in first),
        "The findings above, in the same order.",
    )
