"""A check as JUnit XML, which CI servers show: a test case for each limit.

Not for: the check itself (:mod:`saetext.analysis.checking`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from saetext.analysis.export import write_text
from saetext.report.console.checking import broken_lines, cells, heading
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.analysis.checking.result import CheckResult

BEGINNING = '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="saetext check"'
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(result: CheckResult, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write the file, whole or not at all; see :meth:`CheckResult.to_junit`."""
    return write_text(path, junit_of(result), overwrite=overwrite)


def junit_of(result: CheckResult) -> str:
    """Return the XML: broken limits are failures, unclear ones are skipped, or failures if they fail it."""
    rows = result.table.to_dicts()
    strict = result.params["unclear"] == "fail"
    failures = sum(row["verdict"] == "breaks" or (strict and row["verdict"] == "unclear") for row in rows)
    skipped = sum(row["verdict"] == "unclear" and not strict for row in rows)
    counts = f'tests="{len(rows)}" failures="{failures}" errors="0" skipped="{skipped}"'
    suite = quoteattr(_clean(f"{result.params['new']} against {result.params['old']}"))
    lines = [f"{BEGINNING} {counts}>", f"<testsuite name={suite} {counts}>"]
    for row in rows:
        old, new, change, interval, limit = cells(row)
        figures = (
            f"{old} -> {new}, change {change} {interval}, allowed {limit}" if change else f"allowed {limit}"
        )
        name = quoteattr(_clean(f"{row['rule']} ({row['direction']})"))
        case = f"<testcase classname={quoteattr('saetext.check.' + row['watches'])} name={name}"
        message = quoteattr(_clean(f"{row['because']}; {figures}"))
        texts = escape(_clean("\n".join(map(printable, broken_lines(result, row)))))
        if row["verdict"] == "breaks" or (strict and row["verdict"] == "unclear"):
            body = f"<failure type={quoteattr(row['verdict'])} message={message}>{texts}</failure>"
        elif row["verdict"] == "unclear":
            body = f"<skipped message={message}/>"
        else:
            body = f"<system-out>{escape(_clean(figures))}</system-out>"
        lines.append(f"{case}>{body}</testcase>")
    told = "\n".join([*heading(result), *(f"note: {note}" for note in result.notes)])
    lines += [f"<system-out>{escape(_clean(told))}</system-out>", "</testsuite>", "</testsuites>", ""]
    return "\n".join(lines)


def _clean(text: str) -> str:
    """Return text without characters that XML 1.0 does not have."""
    return _NOT_IN_XML.sub("\ufffd", text)
