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
from saetext.analysis.checking.judging import Changes, Verdict, detectable, verdict
from saetext.analysis.checking.lengths import length_change
from saetext.analysis.checking.rules import Rule
from saetext.analysis.checking.sides import Sides
from saetext.analysis.checking.subjects import Subject
from saetext.text.one_line import many
from saetext.text.passages import printable

Row = dict[str, Any]

ORDER = ("breaks", "unclear", "passes")
#: A check of findings that would miss such a change, of shares of 1, says nothing.
BLIND = 0.5


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
    level : float
        Of the interval of each rule.
    most : int or None
        How many findings that break one rule get a row.
    """

    sides: Sides
    changes: Changes
    found: Found | None
    level: float
    most: int | None

    def rows(self, rule: Rule, subject: Subject | None) -> list[Row]:
        """Return the rows of a rule."""
        found: list[Row] = []
        for direction, limit in rule.limits():
            if rule.kind == "findings":
                found += self._findings(rule, direction, limit)
            elif rule.kind == "length":
                found.append(self._length(rule, direction, limit))
            else:
                assert subject is not None
                found.append(self._subject(rule, subject, direction, limit))
        return found

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

    def _findings(self, rule: Rule, direction: str, limit: float) -> list[Row]:
        found = self.found
        assert found is not None
        mine = found.of(rule)
        sign = 1 if direction == "rise" else -1
        size = sign * found.changes.change[mine]
        sure = np.where(sign > 0, found.changes.low[mine], -found.changes.high[mine])
        broken = mine[sure > limit]
        reach = self._smallest_new(direction, limit)
        if len(broken):
            order = np.lexsort((broken, -size[sure > limit], -sure[sure > limit]))
            return [
                self._finding(rule, int(at), direction, limit, reach) for at in broken[order][: self.most]
            ]
        near = mine[size > limit]
        best = int(mine[np.lexsort((mine, -size, -sure))[0]]) if len(mine) else None
        row = (
            self._nothing(direction, limit)
            if best is None
            else _figures(found.changes, best, direction, limit)
        )
        kind = many(found.tested, "description") + " tested"
        lead = "" if best is None else f"; the nearest is {found.names[best]}"
        if len(near):
            state: Verdict = "unclear"
            because = f"{many(len(near), 'finding')} measured beyond the limit, none surely{lead}; {kind}"
        elif reach is None or reach > BLIND:
            state, because = (
                "unclear",
                f"too few texts: not even a {direction} of 50 points would surely be seen",
            )
        else:
            state, because = "passes", f"no finding beyond the limit{lead}; {kind}"
        return [
            {
                **row, "verdict": state, "rule": printable(rule.name), "watches": rule.kind,
                "detectable": reach, "because": printable(because), "shown_by": [],
            }
        ]  # fmt: skip

    def _finding(self, rule: Rule, at: int, direction: str, limit: float, reach: float | None) -> Row:
        found = self.found
        assert found is not None
        row = _figures(found.changes, at, direction, limit)
        kind = found.kinds[at]
        matrix = found.matrix.tocsc()
        shown = examples(self.sides, matrix, at, kind, [str(found.terms[at])], direction)
        return {
            **row, "rule": printable(f"{rule.name}: {found.names[at]}"), "watches": rule.kind,
            "detectable": reach, "because": f"{kind}; {_because(row)}", "shown_by": shown,
        }  # fmt: skip

    def _nothing(self, direction: str, limit: float) -> Row:
        design = self.sides.design
        none = dict.fromkeys(("old", "new", "change", "ci_low", "ci_high"))
        return {
            **none, "direction": direction, "limit": limit, "unit": "points",
            "n_old": design.rows(1), "n_new": design.rows(0),
        }  # fmt: skip

    def _smallest_new(self, direction: str, limit: float) -> float | None:
        """Return the smallest change from nothing, or from all, that a rule on findings would see."""
        found = self.found
        assert found is not None
        n_new, n_old = (self.sides.design.rows(side) for side in (0, 1))
        x_old = 0 if direction == "rise" else n_old
        one = np.ones(1)
        blank = Changes(
            np.array([x_old]), np.array([x_old]), np.array([n_new]), np.array([n_old]), one, one,
            found.changes.level, np.array([-1]), one,
        )  # fmt: skip
        return detectable(blank, 0, direction, limit)

    def _length(self, rule: Rule, direction: str, limit: float) -> Row:
        design = self.sides.design
        found = length_change(self.sides.tokens, design, self.level)
        state = verdict(direction, found.low, found.high, limit)
        gap = math.log1p(found.change) - math.log1p(found.low) if found.low > -1 else math.inf
        bound = math.log1p(limit) if direction == "rise" else -math.log1p(-limit) if limit < 1 else math.inf
        reach = math.expm1(bound + gap * 1.3) if direction == "rise" else -math.expm1(-bound - gap * 1.3)
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
    def _columns(self) -> Any:
        return self.sides.matrix.tocsc()


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Return the rows: broken limits first, then unclear ones, then those that hold."""
    return sorted(rows, key=lambda row: ORDER.index(row["verdict"]))


def points(value: float, unit: str) -> str:
    """Return a change as it is said: ``+3.2 points``, ``-4.0 %``."""
    return f"{100 * value:+.1f}{' %' if unit == 'percent' else ' points'}"


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
    sign, unit = (1 if row["direction"] == "rise" else -1), row["unit"]
    allowed = points(sign * row["limit"], unit)
    surely = row["ci_low"] if sign > 0 else row["ci_high"]
    if row["verdict"] == "breaks":
        return f"surely {points(surely, unit)} or more; {allowed} allowed"
    if row["verdict"] == "passes":
        return f"surely within the {allowed} allowed"
    reach = row["detectable"]
    seen = (
        "no change would be shown by so few texts"
        if reach is None
        else f"these data would show {points(sign * reach, unit)}"
    )
    measured = sign * row["change"] > row["limit"]
    lead = (
        "measured beyond the limit, but may be chance"
        if measured
        else "measured within the limit, but not surely"
    )
    return f"{lead}; {seen}"
