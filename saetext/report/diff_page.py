"""A comparison of two piles of text as a self-contained HTML page: nothing remote, light and dark.

All of it is there without the script, which only filters, sorts and switches the theme. Texts are data: each
is made printable and escaped, and only our own style and script are admitted, by their hashes. Not for:
gathering what is shown (:mod:`saetext.report.gathering`).
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from numbers import Real
from typing import TYPE_CHECKING, Any

from saetext.evidence import printable
from saetext.report.page_model import DiffPage, Finding, HeatMap, Passage, Table

if TYPE_CHECKING:
    from jinja2 import Template

SHADES = 8  # steps of shading, s1 to s8 in the style sheet
HEATS = 10  # steps of a heat map's colours, h0 to h10
PLOTTED = 40  # most lines of the plot
_MISSING = "–"
_TICKS = 7  # most ticks of the axis, about
_LENGTH = {"yes": "explained by length", "not separable": "length not separable"}
_NUMERIC = re.compile(r"[<>≤≥~]?\s?[+\-−]?[\d.,]*\d(\s?[%×].*)?")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Row = Mapping[str, object]


def render_diff_page(page: DiffPage) -> str:
    """Return the page.

    Everything in it that came from texts, labels or names is made printable and escaped; the style sheet and
    the script are admitted by their hashes, so that nothing else could take effect.
    """
    style, script = _file("diff.css"), _file("diff.js")
    plotted = _plotted(page.findings)
    axis = _Axis([page.findings[index].row for index in plotted])
    cards = [_card(finding, axis) for finding in page.findings]
    for number, card in enumerate(cards, start=1):
        card["number"] = number
    ordered = sorted(cards, key=lambda card: (str(card["label"]).casefold(), card["number"]))
    for place, card in enumerate(ordered):
        card["place"] = place
    return _template().render(
        title=printable(page.title),
        names=[printable(name) for name in page.names],
        summary=[printable(sentence).replace(" %", "\u00a0%") for sentence in page.summary],
        cards=cards,
        plotted=[cards[index] for index in plotted],
        plottable=len(_plotted(page.findings, None)),
        confirmation=any(card["confirmed"] is not None for card in cards),
        axis=axis,
        tables=[_table(table) for table in page.tables],
        heat_map=_heat_map(page.heat_map) if page.heat_map else None,
        notes=[printable(note) for note in page.notes],
        facts=[(printable(str(name)), printable(str(text))) for name, text in page.facts.items()],
        shading=printable(page.shading),
        shades=range(1, SHADES + 1),
        style=style,
        script=script,
        style_hash=_digest(style),
        script_hash=_digest(script),
    )


class _Axis:
    """The plot's horizontal axis: places differences in percent of its width."""

    def __init__(self, rows: Sequence[Row]) -> None:
        ends = [_number(row, name, 0.0) or 0.0 for row in rows for name in ("diff", "ci_low", "ci_high")]
        low, high = 100 * max(min([0.0, *ends]), -1.0), 100 * min(max([0.0, *ends]), 1.0)
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
                "text": _signed(at * step, digits) if at else "0",
                "kind": "zero" if not at else "odd" if at % 2 else "even",
            }
            for at in range(first, last + 1)
        ]
        self.zero = self._place(0.0)

    def _place(self, points: float) -> str:
        return f"{100 * (points - self._low) / self._span:.2f}%"

    def line(self, row: Row) -> dict[str, str] | None:
        """Return where the dot and its interval are; None for a row without a difference, or outside."""
        diff = _number(row, "diff")
        if diff is None:
            return None
        edges = self._low / 100, (self._low + self._span) / 100
        at, low, high = (
            min(max(value, edges[0]), edges[1])
            for value in (diff, _number(row, "ci_low", diff), _number(row, "ci_high", diff))
            if value is not None
        )
        return {"dot": self._place(100 * at), "low": self._place(100 * low), "high": self._place(100 * high)}


def _plotted(findings: Sequence[Finding], most: int | None = PLOTTED) -> list[int]:
    """Return which findings the plot shows: the confirmed; where nothing was held out, all."""
    known = [_flag(finding.row, "confirmed") for finding in findings]
    wanted = True if any(flag is not None for flag in known) else None
    shown = [
        index
        for index, finding in enumerate(findings)
        if known[index] is wanted and _number(finding.row, "diff") is not None
    ]
    return shown[:most]


def _card(finding: Finding, axis: _Axis) -> dict[str, Any]:
    row = finding.row
    diff, adjusted, q = (_number(row, name) for name in ("diff", "adjusted_diff", "q"))
    rates = [_number(row, name) for name in ("rate_a", "rate_b")]
    counts = [_number(row, name) for name in ("n_a", "n_b")]
    group = _text(row, "group")
    members = [_numbers(member) for member in finding.members]
    return {
        **_numbers(row),
        "side": "" if not diff else "a" if diff > 0 else "b",
        "line": axis.line(row),
        "description": printable(finding.description),
        "rates": [
            {
                "share": _rate(rate),
                "count": "" if count is None else f"{count:,.0f}",
                "width": f"{100 * min(max(rate or 0.0, 0.0), 1.0):.2f}%",
            }
            for rate, count in zip(rates, counts, strict=True)
        ],
        "odds": _odds(row.get("odds_ratio")),
        "auc": _with_interval(_decimal(row, "auc"), _decimal(row, "auc_low"), _decimal(row, "auc_high")),
        "adjusted": "" if adjusted is None else _difference(row, "adjusted_diff"),
        "adjusted_interval": _interval(row, "adjusted_diff", "adjusted_low", "adjusted_high"),
        "adjusted_q": _q(_number(row, "adjusted_q")),
        "early": "" if _number(row, "early_diff") is None else _difference(row, "early_diff"),
        "length": _LENGTH.get(str(row.get("explained_by_length")), ""),
        "by_length": row.get("explained_by_length") == "yes",
        "confirmed": _flag(row, "confirmed"),
        "diff_confirm": _difference(row, "diff_confirm"),
        "q_confirm": _q(_number(row, "q_confirm")),
        "group": f"group {group}" if group.isdigit() else group,
        "members": members,
        "snippets": [_text(row, name) for name in ("snippet_a", "snippet_b")],
        "examples": [
            {
                "prompt": printable(example.prompt, newlines=True).strip(),
                "sides": [_passage(example.a), _passage(example.b)],
            }
            for example in finding.examples
        ],
        # what the script sorts by
        "sort": {
            "size": None if diff is None else abs(diff),
            "q": q,
            "adjusted": None if adjusted is None else abs(adjusted),
        },
    }


def _numbers(row: Row) -> dict[str, str]:
    """Return what a line about a feature shows."""
    number, label = _text(row, "feature"), _text(row, "label")
    return {
        "feature": number,
        "label": label or (f"feature {number}" if number else "not labelled"),
        "score": "" if _number(row, "label_score") is None else _decimal(row, "label_score"),
        "diff": _difference(row, "diff"),
        "interval": _interval(row, "diff", "ci_low", "ci_high"),
        "q": _q(_number(row, "q")),
    }


def _passage(passage: Passage | None) -> dict[str, Any] | None:
    if passage is None:
        return None
    pieces: list[dict[str, Any]] = []
    for piece in passage.pieces:
        text = printable(piece.text, newlines=True)
        strength = min(piece.strength, 1.0) if math.isfinite(piece.strength) else 0.0
        shade = max(1, round(SHADES * strength)) if strength > 0 else 0
        if pieces and pieces[-1]["shade"] == shade:
            pieces[-1]["text"] += text
        elif text:
            pieces.append({"text": text, "shade": shade})
    return {
        "document": printable(passage.document),
        "pieces": pieces,
        "before": passage.cut_before,
        "after": passage.cut_after,
    }


def _table(table: Table) -> dict[str, Any]:
    wide = max([len(table.columns), *(len(row) for row in table.rows)])
    rows = [[printable(str(cell)) for cell in row] + [""] * (wide - len(row)) for row in table.rows]
    columns = [printable(column) for column in table.columns] + [""] * (wide - len(table.columns))
    numeric = [
        all(_NUMERIC.fullmatch(row[place]) for row in rows if row[place] not in ("", _MISSING))
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
        share = _finite(value)
        if share is None:
            return _MISSING, 0
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


# ---- numbers as text ---------------------------------------------------------------------------------


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        return None
    return float(value)


def _number(row: Row, name: str, otherwise: float | None = None) -> float | None:
    value = _finite(row.get(name))
    return otherwise if value is None else value


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None or value != value else printable(str(value)).strip()


def _flag(row: Row, name: str) -> bool | None:
    value = row.get(name)
    return None if value is None or value != value else bool(value)


def _signed(points: float, digits: int) -> str:
    if not round(abs(points), digits):
        return f"{0:.{digits}f}"
    return f"{points:+.{digits}f}".replace("-", "−")


def _digits(points: float) -> int:
    return 1 if abs(points) >= 0.95 or not points else 2


def _difference(row: Row, name: str) -> str:
    """Return a difference of shares in percentage points."""
    value = _number(row, name)
    return _MISSING if value is None else _signed(100 * value, _digits(100 * value))


def _interval(row: Row, name: str, low: str, high: str) -> str:
    """Return an interval in percentage points, with as many decimals as the difference it is around."""
    ends = _number(row, low), _number(row, high)
    if ends[0] is None or ends[1] is None:
        return ""
    digits = _digits(100 * (_number(row, name, ends[0]) or 0.0))
    return f"{_signed(100 * ends[0], digits)} to {_signed(100 * ends[1], digits)}"


def _rate(rate: float | None) -> str:
    if rate is None:
        return _MISSING
    return f"{100 * rate:.{_digits(100 * rate)}f} %".replace("-", "−")


def _decimal(row: Row, name: str) -> str:
    """Return a share such as ``.87``; a dash where it is not known."""
    value = _number(row, name)
    return _MISSING if value is None else re.sub(r"(?<!\d)0\.", ".", f"{value:.2f}").replace("-", "−")


def _with_interval(value: str, low: str, high: str) -> str:
    return value if _MISSING in (low, high) else f"{value} ({low} to {high})"


def _odds(value: object) -> str:
    if isinstance(value, Real) and float(value) == math.inf:
        return "∞"
    ratio = _finite(value)
    if ratio is None:
        return _MISSING
    if ratio >= 1000:
        return f"{ratio:,.0f}" if ratio < 1e6 else "> 10⁶"
    return f"{ratio:.3g}" if ratio >= 0.001 or ratio <= 0 else "< 0.001"


def _q(value: float | None) -> str:
    """Return a probability as ``.012``, below ``.001`` as ``3×10⁻⁹``."""
    if value is None:
        return _MISSING
    if value >= 0.9995:
        return "1"
    if value >= 0.0009995:
        return f"{value:.3f}"[1:]
    if value < 1e-99:
        return "< 10⁻⁹⁹"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_file("diff.html.j2"))


@cache
def _file(name: str) -> str:
    return (resources.files("saetext.report") / "templates" / name).read_text("utf-8")
