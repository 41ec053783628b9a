"""A row for each limit of each rule, with its verdict and what is said of it.

Not for: counting (:mod:`saetext.analysis.checking.judging`) or drawing (:mod:`saetext.report`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from saetext.analysis.checking.examples import examples, longest
from saetext.analysis.checking.findings import Found
from saetext.analysis.checking.judging import (
    Changes,
    Verdict,
    detectable,
    to_be_shown,
    together,
    verdict,
    widening,
)
from saetext.analysis.checking.lengths import length_change
from saetext.analysis.checking.rules import Rule
from saetext.analysis.checking.sides import Sides
from saetext.analysis.checking.subjects import Subject
from saetext.text.one_line import many
from saetext.text.passages import printable

Row = dict[str, Any]

ORDER = ("breaks", "unclear", "passes")
#: A check of findings that would miss a new habit by so much beyond its limit, in shares of 1, says nothing.
BLIND = 0.15


@dataclass(frozen=True, eq=False)
class Judge:
    """Judges rules on two sets.

    Attributes
    ----------
    sides : Sides
        Both sets.
    changes : Changes
        Of the subjects of ``sides``.
    found : Found or None
        The findings, where a rule is about them.
    rules : int
        Number of rules.
    confidence : float
        With which all intervals hold together.
    most : int or None
        How many findings that break one rule get a row.
    """

    sides: Sides
    changes: Changes
    found: Found | None
    rules: int
    confidence: float
    most: int | None

    def rows(self, rule: Rule, subject: Subject | None) -> tuple[list[Row], list[Row]]:
        """Return a row for each limit of a rule, and one for each finding that breaks one."""
        found: list[Row] = []
        beyond: list[Row] = []
        for direction, limit in rule.limits():
            if rule.kind == "findings":
                row, broken = self._findings(rule, direction, limit)
                found.append(row)
                beyond += broken
            elif rule.kind == "length":
                found.append(self._length(rule, direction, limit))
            else:
                assert subject is not None
                found.append(self._subject(rule, subject, direction, limit))
        return found, beyond

    def _subject(self, rule: Rule, subject: Subject, direction: str, limit: float) -> Row:
        at = [one.id for one in self.sides.subjects].index(subject.id)
        row = _figures(self.changes, at, direction, limit)
        terms = (
            subject.phrases
            if subject.kind == "words"
            else [subject.key if subject.kind == "feature" else subject.title]
        )
        shown = []
        if row["verdict"] == "breaks":
            shown = examples(self.sides, self._columns, at, subject.kind, terms, direction)
        return {
            **row,
            "rule": printable(rule.name),
            "watches": rule.kind,
            "because": _because(row),
            "shown_by": shown,
        }

    def _findings(self, rule: Rule, direction: str, limit: float) -> tuple[Row, list[Row]]:
        """Return the row of a limit on findings, with the figures of the worst, and those that break it."""
        found = self.found
        assert found is not None
        counted = found.changes(rule, self.rules, self.confidence)
        mine = found.of(rule)
        up = direction == "rise"
        size = (1 if up else -1) * counted.change[mine]
        sure = counted.low[mine] if up else -counted.high[mine]
        # the findings of a diff are in the order in which it lists them: the strongest first
        order = np.arange(len(mine)) if found.listed else np.lexsort((mine, -size, -sure))
        broken = mine[order][sure[order] > limit]
        reach = self._smallest_new(counted.level, direction, limit)
        nearest = mine[np.lexsort((mine, -size, -sure))][:1]
        first = broken[:1] if len(broken) else nearest
        row = _figures(counted, int(first[0]), direction, limit) if len(first) else self._nothing()
        beyond = int((size > limit).sum()) + found.quiet_beyond(rule, direction, limit)
        state, because = _of_findings(found, rule, len(broken), beyond, reach, direction, limit)
        lead = f"; {'the first' if len(broken) else 'the nearest'} is " if len(first) else ""
        lead += "".join(found.names[int(at)] for at in first)
        tested = many(found.number(rule), "description")
        whole = {
            **row, "verdict": state, "rule": printable(rule.name), "watches": rule.kind,
            "direction": direction, "limit": limit, "unit": "points", "detectable": reach,
            "because": printable(f"{because}{lead}; {tested} tested"),
        }  # fmt: skip
        return whole, [
            self._finding(rule, counted, int(at), direction, limit, nth) for nth, at in enumerate(broken)
        ]

    def _finding(self, rule: Rule, counted: Changes, at: int, direction: str, limit: float, nth: int) -> Row:
        found = self.found
        assert found is not None
        row = _figures(counted, at, direction, limit)
        shown: list[dict[str, str]] = []
        if self.most is None or nth < self.most:
            terms = [str(found.terms[at])]
            shown = examples(self.sides, self._of_found, at, found.kinds[at], terms, direction)
        return {
            **row, "rule": printable(rule.name), "name": printable(found.names[at]), "kind": found.kinds[at],
            "shown_by": shown,
        }  # fmt: skip

    def _nothing(self) -> Row:
        design = self.sides.design
        none = dict.fromkeys(("old", "new", "change", "ci_low", "ci_high"))
        return {**none, "n_old": design.rows(1), "n_new": design.rows(0)}

    def _smallest_new(self, level: float, direction: str, limit: float) -> float | None:
        """Return the smallest change from nothing, or from all, that a rule on findings would see."""
        design = self.sides.design
        n_new, n_old = (design.rows(side) for side in (0, 1))
        wider = 1.0
        if design.kind in ("by prompt", "by group"):  # rows that belong together may all be alike
            n_new, n_old = (int((design.per_unit(side) > 0).sum()) for side in (0, 1))
            wider = widening(min(n_new, n_old), level) ** 2
        x_old = 0 if direction == "rise" else n_old
        one = np.ones(1)
        blank = Changes(
            np.array([x_old]), np.array([x_old]), np.array([n_new]), np.array([n_old]), one, one,
            level, np.array([-1]), one * wider,
        )  # fmt: skip
        return detectable(blank, 0, direction, limit)

    def _length(self, rule: Rule, direction: str, limit: float) -> Row:
        design = self.sides.design
        level = together(self.confidence, self.rules)
        found = length_change(self.sides.tokens, design, level)
        state = verdict(direction, found.low, found.high, limit)
        gap = math.log1p(found.change) - math.log1p(found.low) if found.low > -1 else math.inf
        gap *= to_be_shown(level)
        bound = math.log1p(limit) if direction == "rise" else -math.log1p(-limit) if limit < 1 else math.inf
        reach = math.expm1(bound + gap) if direction == "rise" else -math.expm1(-bound - gap)
        row: Row = {
            "verdict": state, "old": found.old, "new": found.new, "change": found.change, "ci_low": found.low,
            "ci_high": found.high if math.isfinite(found.high) else None, "direction": direction,
            "limit": limit, "unit": "percent", "detectable": reach if math.isfinite(reach) else None,
            "n_old": design.rows(1), "n_new": design.rows(0),
        }  # fmt: skip
        shown = longest(self.sides, direction) if state == "breaks" else []
        return {
            **row,
            "rule": printable(rule.name),
            "watches": rule.kind,
            "because": _because(row),
            "shown_by": shown,
        }

    @cached_property
    def _of_found(self) -> Any:
        assert self.found is not None
        return self.found.matrix.tocsc()

    @cached_property
    def _columns(self) -> Any:
        return self.sides.matrix.tocsc()


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Return the rows: broken limits first, then unclear ones, then those that hold."""
    return sorted(rows, key=lambda row: ORDER.index(row["verdict"]))


def size_of(value: float, unit: str) -> str:
    """Return the size of a change as it is said: ``3.2 points``, ``4 %``."""
    number = f"{100 * abs(value):.1f}".removesuffix(".0")
    return f"{number} %" if unit == "percent" else f"{number} point{'' if number == '1' else 's'}"


def allowance(limit: float, unit: str) -> str:
    """Return a limit as it was given: ``0.25 points``, ``4 %``."""
    number = f"{round(100 * limit, 9):.12g}"
    return f"{number} %" if unit == "percent" else f"{number} point{'' if number == '1' else 's'}"


def _of_findings(
    found: Found, rule: Rule, broken: int, beyond: int, reach: float | None, direction: str, limit: float
) -> tuple[Verdict, str]:
    """Return the verdict on a limit on findings, and why."""
    untested = found.untested(rule)
    left = f"; not tested: {', '.join(untested)}" if untested else ""
    if broken:
        return "breaks", f"{many(broken, 'finding')} beyond the limit{left}"
    if not found.number(rule):
        return "unclear", f"nothing of these kinds could be tested{left}"
    if untested and not rule.all_kinds:
        return "unclear", f"no finding beyond the limit, but not all kinds could be tested{left}"
    if beyond:
        return "unclear", f"{many(beyond, 'description')} measured beyond the limit, none surely{left}"
    if reach is None:
        return "unclear", f"with so few texts no {direction} would be sure{left}"
    if reach > limit + BLIND:
        return "unclear", (
            f"nothing measured beyond the limit, but a {direction} of less than {size_of(reach, 'points')} "
            f"might not be seen{left}"
        )
    return "passes", f"no description measured beyond the limit{left}"


def _figures(found: Changes, at: int, direction: str, limit: float) -> Row:
    low, high = float(found.low[at]), float(found.high[at])
    return {
        "verdict": verdict(direction, low, high, limit),
        "old": float(found.old[at]),
        "new": float(found.new[at]),
        "change": float(found.change[at]),
        "ci_low": low,
        "ci_high": high,
        "direction": direction,
        "limit": limit,
        "unit": "points",
        "detectable": detectable(found, at, direction, limit),
        "n_old": int(found.n_old[at]),
        "n_new": int(found.n_new[at]),
    }


def _because(row: Row) -> str:
    """Say what the verdict comes from, in one sentence."""
    up, unit = row["direction"] == "rise", row["unit"]
    allowed = f"{allowance(row['limit'], unit)} allowed"
    if row["verdict"] == "breaks":
        surely = row["ci_low"] if up else row["ci_high"]
        return f"{'rose' if up else 'fell'} by at least {size_of(surely, unit)}; {allowed}"
    if row["verdict"] == "passes":
        return f"surely within the {allowed}"
    measured = (row["change"] if up else -row["change"]) > row["limit"]
    lead = (
        "measured beyond the limit, which may be chance" if measured else "within the limit, but not surely"
    )
    reach = row["detectable"]
    if reach is None:
        return f"{lead}; with so few texts no {row['direction']} would be sure"
    return f"{lead}; these texts would show a {row['direction']} of {size_of(reach, unit)} or more"
