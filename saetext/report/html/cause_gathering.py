"""What a why says of each finding, for the finding's card on the page of the diff.

Not for: the page of a why, which has arms, texts and the features that were considered too
(:mod:`saetext.report.html.why_page`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from saetext.report.console.causes import feature_told, figures, heading
from saetext.report.console.causes_below import Causes
from saetext.report.html.page_model import Cause, Finding
from saetext.report.html.why_page import KINDS

if TYPE_CHECKING:
    from saetext.intervene.causes.result import WhyResult


def with_causes(findings: Sequence[Finding], why: WhyResult) -> list[Finding]:
    """Return findings, each that was looked into with what was found."""
    below = Causes(why)
    return [dataclasses.replace(one, causes=_causes(below, one)) for one in findings]


def causes_told(why: WhyResult) -> dict[str, str]:
    """Return with which model, and how both sides were written, as name to text."""
    first, *sides = heading(why)
    return {"Why": " ".join([first, *(f"{side}." for side in sides)])}


def _causes(below: Causes, finding: Finding) -> tuple[Cause, ...] | None:
    rows = below.of(finding.row)
    if rows is None:
        return None
    return tuple(
        Cause(
            feature_told(row),
            row["verdict"] or "no verdict",
            KINDS.get(row["verdict"], "none"),
            row["because"],
            tuple(figures(row)),
        )
        for row in rows
    )
