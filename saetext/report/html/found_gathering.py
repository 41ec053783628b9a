"""The findings of two sets for their page: the list of what differs, each with its row, and with passages.

Not for: the rest of the page (:mod:`saetext.report.html.gathering`).
"""

from __future__ import annotations

from collections.abc import Iterator

from saetext.analysis.base import Row
from saetext.analysis.differences import DiffResult
from saetext.analysis.differences.sentences import tested
from saetext.features.labels import FeatureLabels
from saetext.report.console.lines import many
from saetext.text.passages import printable


def listed(result: DiffResult) -> Iterator[tuple[Row, tuple[str, ...]]]:
    """Yield the row of each finding with its name as label, and the names of what says the same."""
    assert result.found is not None
    for found in result.found.to_dicts():
        also = tuple(found["members"])
        if (more := found["n_members"] - len(also)) > 0:
            also = (*also, f"and {more:,} more")
        row = {**found, "label": found["name"], "explained_by_length": found["length"]}
        yield {**row, "own_label": found["label"]}, also


def described(row: Row, labels: FeatureLabels) -> str:
    """Return what a finding's feature does in these texts, and what its label says where that fits."""
    if row["feature"] is None:
        return ""
    told = []
    if row.get("words"):  # the list alone has them
        told.append(f"Strongest at {', '.join(f'“{word}”' for word in row['words'])}.")
    if row.get("fits") is False:
        told.append(f"Its label, “{row['own_label']}”, was written for other texts and does not fit these.")
    elif (known := labels.get(row["feature"])) is not None and known.description:
        told.append(known.description)
    return printable(" ".join(told))


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
