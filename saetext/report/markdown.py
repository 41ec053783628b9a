"""A check as Markdown, for the summary of a CI job. Not for: the check itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.analysis.export import write_text
from saetext.report.console.checking import broken_lines, cells, heading, named
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.analysis.checking.result import CheckResult

BEGINNING = "## saetext check: "
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|<>&~$@]|:(?=//)|(?<=www)\.)")
_WORDS = {"breaks": "**breaks**", "unclear": "unclear", "passes": "passes"}


def markdown_of_check(result: CheckResult, path: str | Path | None = None, *, overwrite: bool = False) -> str:
    """Return the summary, and write it if a file is named; see :meth:`CheckResult.to_markdown`."""
    text = summary(result)
    if path is not None:
        write_text(path, text, overwrite=overwrite)
    return text


def summary(result: CheckResult) -> str:
    """Return a heading with the verdict, a table of the limits, and the texts behind broken ones.

    Texts and names come from data: what Markdown or HTML would take for markup is escaped.
    """
    first, *rest = heading(result)
    lines = [f"{BEGINNING}{'fails' if result.metrics['failed'] else 'passes'}", "", escaped(first), ""]
    lines += [*(escaped(line) for line in rest), ""]
    lines += ["| | limit on | old | new | change | interval | allowed |", "|---|---|--:|--:|--:|---|---|"]
    rows = result.table.to_dicts()
    for row in rows:
        told = " | ".join(escaped(cell) for cell in cells(row))
        lines.append(f"| {_WORDS[row['verdict']]} | {escaped(named(result, row))} | {told} |")
    for row in rows:
        if row["verdict"] == "breaks":
            lines += ["", f"**{escaped(row['rule'])}**: {escaped(row['because'])}", ""]
            lines += [
                f"{line[: len(line) - len(line.lstrip())]}- {escaped(line)}"
                for line in broken_lines(result, row)
            ]
    unclear = [row for row in rows if row["verdict"] == "unclear"]
    if unclear:
        lines += ["", *(f"- unclear, {escaped(row['rule'])}: {escaped(row['because'])}" for row in unclear)]
    if result.notes:
        lines += ["", *(f"> {escaped(note)}  " for note in result.notes)]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Return one line in which nothing is markup: marks get a backslash, and angle brackets are entities."""
    line = " ".join(printable(text).split())
    told = _SPECIAL.sub(r"\\\1", line)
    return told.replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\\&", "&amp;").replace("\\@", "&#64;")
