"""The rows of a diff's table as a report needs them: leaders, members, rates by set. Not for: drawing."""

from __future__ import annotations

from typing import Any

from saetext.analysis.differences import DiffResult

TableRow = dict[str, Any]


def leaders_and_members(result: DiffResult) -> tuple[list[TableRow], dict[int, list[TableRow]]]:
    """Return the rows that lead their concept group, and those of its other features by the leader's.

    Of more than two sets there are no members: a feature leads in some sets and not in others.
    """
    leaders: list[TableRow] = []
    members: dict[int, list[TableRow]] = {}
    for row in result.table.to_dicts():
        if row["group"] == row["feature"]:
            leaders.append(row)
        elif not result.several:
            members.setdefault(row["group"], []).append(row)
    return leaders, members


def rates_by_feature(result: DiffResult) -> dict[int, tuple[float, ...]]:
    """Return the rate of each feature of the table in each set, in the order of the sets."""
    if result.rates is None:
        return {}
    rates = result.rates.select(result.names).rows()
    return dict(zip(result.rates["feature"].to_list(), rates, strict=True))
