"""What a why says of each finding, below it in the list of the diff: verdict, reason, the figures.

Not for: the why by itself (:mod:`saetext.report.console.causes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.report.console.causes import COLOURS, feature_told, figures
from saetext.report.console.lines import INDENT, styled
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console

    from saetext.intervene.causes.result import WhyResult

Row = Mapping[str, Any]
Key = tuple[str, str]

NONE_PROPOSED = "no feature could be proposed"


class Causes:
    """The verdicts of a why, by the finding of the diff that they are about.

    Parameters
    ----------
    result : WhyResult or None
        None where nobody asked: then there is nothing below any finding.
    """

    def __init__(self, result: WhyResult | None) -> None:
        self.result = result
        self._rows: dict[Key, list[Row]] = {}
        self.told: set[Key] = set()
        if result is not None:
            for finding in result.findings_table.to_dicts():
                self._rows[finding["kind"], finding["finding"]] = []
            for row in result.table.to_dicts():
                self._rows.setdefault((row["kind"], row["finding"]), []).append(row)

    def of(self, row: Row) -> list[Row] | None:
        """Return the features that were looked at for a row of a diff; None where it was not looked into."""
        return self._rows.get(key_of(row))

    def print(self, console: Console, row: Row) -> None:
        """Print what is said of a row of a diff, below it, and remember that it was."""
        rows = self.of(row)
        if rows is None:
            return
        self.told.add(key_of(row))
        from rich.padding import Padding

        lead = styled("why ", "dim")
        if not rows:
            console.print(Padding(lead.append(NONE_PROPOSED), (0, 0, 0, INDENT)))
        for one in rows:
            text = lead.copy().append(f"{printable(feature_told(one))}: ")
            if one["verdict"] is not None:
                text.append(one["verdict"], f"bold {COLOURS.get(one['verdict'], '')}".strip()).append(": ")
            text.append(printable(one["because"]))
            console.print(Padding(text, (0, 0, 0, INDENT)))
            if found := figures(one):
                told = "; ".join(f"{word}: {figure}" for word, figure in found)
                console.print(Padding(styled(printable(told), "dim"), (0, 0, 0, 2 * INDENT + 2)))


def key_of(row: Row) -> Key:
    """Return what a row of a diff is known by: of the list of findings, or of the table of features."""
    return (row["kind"], row["name"]) if "name" in row else ("feature", row["label"])
