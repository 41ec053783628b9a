"""A comparison of two sets of documents as a self-contained HTML page: nothing remote, light and dark.

All of it is there without the script, which only filters, sorts and switches the theme. Texts are data: each
is made printable and escaped, and only our own style and script are admitted, by their hashes. Not for:
gathering what is shown (:mod:`saetext.report.html.gathering`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from saetext.report.html.figures import (
    MISSING,
    Row,
    count,
    decimal,
    difference,
    finite,
    flag_of,
    interval,
    number_of,
    odds,
    percent,
    probability,
    signed,
    text_of,
    with_interval,
)
from saetext.report.html.page_model import Cause, DiffPage, Finding, HeatMap, Table
from saetext.report.html.parts import draw, number_cards, shade_of
from saetext.report.html.passages import Passage, joined
from saetext.text.passages import printable

HEATS = 10  # steps of a heat map's colours, h0 to h10
PLOTTED = 40  # most lines of the plot
_TICKS = 7  # most ticks of the axis, about
_LENGTH = {"yes": "explained by length", "unclear": "cannot tell whether length explains it"}
_NUMERIC = re.compile(r"[<>≤≥~]?\s?[+\-−]?[\d.,]*\d(\s?[%×].*)?")


def render_diff_page(page: DiffPage) -> str:
    """Return the page.

    Everything in it that came from texts, labels or names is made printable and escaped; the style sheet and
    the script are admitted by their hashes, so that nothing else could take effect.
    """
    return draw("diff.html.j2", ("base.css", "diff.css", "causes.css"), ("cards.js",), **shown_of_diff(page))


def shown_of_diff(page: DiffPage) -> dict[str, Any]:
    """Return what a template shows of a comparison, by name; everything textual is printable, not escaped."""
    plotted = _plotted(page.findings)
    axis = Axis([page.findings[index].row for index in plotted])
    cards = [_card(finding, axis) for finding in page.findings]
    number_cards(cards, "label")
    return {
        "title": printable(page.title),
        "names": [printable(name) for name in page.names],
        "summary": [printable(sentence).replace(" %", "\u00a0%") for sentence in page.summary],
        "cards": cards,
        "plotted": [cards[index] for index in plotted],
        "plottable": page.plottable or len(_plotted(page.findings, None)),
        "confirmation": any(card["confirmed"] is not None for card in cards),
        "axis": axis,
        "tables": [_table(table) for table in page.tables],
        "heat_map": _heat_map(page.heat_map) if page.heat_map else None,
        "notes": [printable(note) for note in page.notes],
        "facts": [(printable(str(name)), printable(str(text))) for name, text in page.facts.items()],
        "shading": printable(page.shading),
        "opened": page.opened,
        "total": max(page.total, len(cards)),
        "noun": "findings",
    }


class Axis:
    """The plot's horizontal axis: places differences in percent of its width; none is beyond ``most``."""

    def __init__(self, rows: Sequence[Row], most: float = 1.0) -> None:
        ends = [number_of(row, name, 0.0) or 0.0 for row in rows for name in ("diff", "ci_low", "ci_high")]
        low, high = 100 * max(min([0.0, *ends]), -most), 100 * min(max([0.0, *ends]), most)
        span = max(high - low, 1e-3)
        low, high = min(low, -span / 8), max(high, span / 8)  # both sides are seen
        rough = (high - low) / _TICKS
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * nice for nice in (1, 2, 5, 10) if unit * nice >= rough * 0.999)
        first, last = math.floor(low / step), math.ceil(high / step)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        margin = 0.15 * step
        self._low, self._span = first * step - margin, (last - first) * step + 2 * margin
        self.ticks = [
            {
                "x": self._place(at * step),
                "text": signed(at * step, digits) if at else "0",
                "kind": "zero" if not at else "odd" if at % 2 else "even",
            }
            for at in range(first, last + 1)
        ]
        self.zero = self._place(0.0)

    def _place(self, points: float) -> str:
        return f"{100 * (points - self._low) / self._span:.2f}%"

    def line(self, row: Row) -> dict[str, str] | None:
        """Return where the dot and its interval are; None for a row without a difference, or outside."""
        diff = number_of(row, "diff")
        if diff is None:
            return None
        edges = self._low / 100, (self._low + self._span) / 100
        at, low, high = (
            min(max(value, edges[0]), edges[1])
            for value in (diff, number_of(row, "ci_low", diff), number_of(row, "ci_high", diff))
            if value is not None
        )
        return {"dot": self._place(100 * at), "low": self._place(100 * low), "high": self._place(100 * high)}


def _plotted(findings: Sequence[Finding], most: int | None = PLOTTED) -> list[int]:
    """Return which findings the plot shows: the confirmed; where nothing was held out, all."""
    known = [flag_of(finding.row, "confirmed") for finding in findings]
    wanted = True if any(flag is not None for flag in known) else None
    shown = [
        index
        for index, finding in enumerate(findings)
        if known[index] is wanted and number_of(finding.row, "diff") is not None
    ]
    return shown[:most]


def _card(finding: Finding, axis: Axis) -> dict[str, Any]:
    row = finding.row
    diff, adjusted, q = (number_of(row, name) for name in ("diff", "adjusted_diff", "q"))
    rates = [number_of(row, name) for name in ("rate_a", "rate_b")]
    counts = [number_of(row, name) for name in ("n_a", "n_b")]
    group = text_of(row, "group")
    members = [_numbers(member) for member in finding.members]
    return {
        **_numbers(row),
        "side": "" if not diff else "a" if diff > 0 else "b",
        "line": axis.line(row),
        "description": printable(finding.description),
        "rates": [
            {
                "share": percent(rate),
                "count": count(texts),
                "width": f"{100 * min(max(rate or 0.0, 0.0), 1.0):.2f}%",
            }
            for rate, texts in zip(rates, counts, strict=True)
        ],
        "odds": odds(row.get("odds_ratio")),
        "auc": with_interval(decimal(row, "auc"), decimal(row, "auc_low"), decimal(row, "auc_high")),
        "adjusted": "" if adjusted is None else difference(row, "adjusted_diff"),
        "adjusted_interval": interval(row, "adjusted_diff", "adjusted_low", "adjusted_high"),
        "adjusted_q": probability(number_of(row, "adjusted_q")),
        "early": "" if number_of(row, "early_diff") is None else difference(row, "early_diff"),
        "length": _LENGTH.get(str(row.get("explained_by_length")), ""),
        "by_length": row.get("explained_by_length") == "yes",
        "confirmed": flag_of(row, "confirmed"),
        "diff_confirm": difference(row, "diff_confirm"),
        "q_confirm": probability(number_of(row, "q_confirm")),
        "brief": finding.brief,
        "group": f"group {group}" if group.isdigit() else group,
        "members": members,
        "kind": text_of(row, "kind"),
        "also": [printable(name) for name in finding.also],
        "snippets": [text_of(row, name) for name in ("snippet_a", "snippet_b")],
        "examples": [
            {
                "prompt": printable(example.prompt, newlines=True).strip(),
                "sides": [_passage(example.a), _passage(example.b)],
                "told": printable(example.told),
            }
            for example in finding.examples
        ],
        "causes": None if finding.causes is None else [_cause(cause) for cause in finding.causes],
        # what the script sorts by
        "sort": {
            "size": None if diff is None else abs(diff),
            "q": q,
            "adjusted": None if adjusted is None else abs(adjusted),
        },
    }


def _numbers(row: Row) -> dict[str, str]:
    """Return what a line about a feature shows."""
    number, label = text_of(row, "feature"), text_of(row, "label")
    return {
        "feature": number,
        "label": label or (f"feature {number}" if number else "not labelled"),
        "score": "" if number_of(row, "label_score") is None else decimal(row, "label_score"),
        "diff": difference(row, "diff"),
        "interval": interval(row, "diff", "ci_low", "ci_high"),
        "q": probability(number_of(row, "q")),
    }


def _passage(passage: Passage | None) -> dict[str, Any] | None:
    if passage is None:
        return None
    shaded = joined(passage.pieces, lambda piece: shade_of(piece.strength))
    return {
        "document": printable(passage.document),
        "pieces": [{"text": text, "shade": shade} for text, shade in shaded],
        "before": passage.cut_before,
        "after": passage.cut_after,
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "name": printable(cause.name),
        "verdict": cause.verdict,
        "kind": cause.kind,
        "because": printable(cause.because),
        "figures": [(word, printable(told)) for word, told in cause.figures],
    }


def _table(table: Table) -> dict[str, Any]:
    wide = max([len(table.columns), *(len(row) for row in table.rows)])
    rows = [[printable(str(cell)) for cell in row] + [""] * (wide - len(row)) for row in table.rows]
    columns = [printable(column) for column in table.columns] + [""] * (wide - len(table.columns))
    numeric = [
        all(_NUMERIC.fullmatch(row[place]) for row in rows if row[place] not in ("", MISSING))
        for place in range(wide)
    ]
    return {
        "title": printable(table.title),
        "note": printable(table.note),
        "columns": list(zip(columns, numeric, strict=True)),
        "rows": [list(zip(row, numeric, strict=True)) for row in rows],
    }


def _heat_map(heat_map: HeatMap) -> dict[str, Any]:
    def cell(value: object) -> tuple[str, int]:
        share = finite(value)
        if share is None:
            return MISSING, 0
        return f"{100 * share:.0f}", round(HEATS * min(max(share, 0.0), 1.0))

    return {
        "title": printable(heat_map.title),
        "note": printable(heat_map.note),
        "sets": [printable(name) for name in heat_map.sets],
        "rows": [
            (printable(feature), [cell(value) for value in values])
            for feature, values in zip(heat_map.features, heat_map.values, strict=True)
        ],
    }
