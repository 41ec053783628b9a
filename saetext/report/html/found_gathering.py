"""The findings of two sets for their page: the list of what differs, each with its row, and with passages.

Not for: the rest of the page (:mod:`saetext.report.html.gathering`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from saetext.analysis.base import Row
from saetext.analysis.differences import DiffResult
from saetext.analysis.differences.simplest import KINDS
from saetext.report.console.lines import many
from saetext.text.passages import printable

_TESTED = {"words": "words and phrases", "format": "marks of format"}
_KIND_OF = {kind: family for family, kind in KINDS.items()}


def listed(result: DiffResult) -> Iterator[tuple[Row, tuple[str, ...]]]:
    """Yield the row of each finding with its name as label, and the names of what says the same.

    A row has what the table of its kind says of it: the numbers, adjusted for length too.
    """
    assert result.found is not None
    tables = {family.name: _by_term(family.table) for family in result.families}
    features = {row["feature"]: row for row in result.table.to_dicts()}
    for found in result.found.to_dicts():
        known: Row = {}
        if found["kind"] == "feature":
            known = features.get(found["feature"], {})
        else:
            known = tables[_KIND_OF[found["kind"]]][found["term"]]
        own = {key: value for key, value in found.items() if key not in ("members", "name")}
        also = tuple(found["members"])
        if (more := found["n_members"] - len(also)) > 0:
            also = (*also, f"and {more:,} more")
        yield (
            {**known, **own, "label": found["name"], "explained_by_length": found["length"], "group": None},
            also,
        )


def _by_term(table: Any) -> dict[str, Row]:
    return {} if table is None else {row["term"]: row for row in table.to_dicts()}


def compared(result: DiffResult, how: str) -> str:
    """Return what was compared, and how many descriptions were tested."""
    metrics = result.metrics
    a, b = map(printable, result.names)
    tested = ", ".join(f"{one.tested:,} {_TESTED.get(one.name, one.name)}" for one in result.families)
    return (
        f"{a} ({many(metrics['documents_a'], 'document')}) against {b} "
        f"({many(metrics['documents_b'], 'document')}), {how}. Tested alike: {tested}. Each difference "
        "stands under the simplest description that carries it; what says the same is named below it."
    )
