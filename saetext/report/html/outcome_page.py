"""What goes with an outcome as a self-contained HTML page: sentences, a plot of effects, a card a finding.

Names, texts and notes are data: made printable here and escaped by the template. Not for: writing the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.analysis.differences.outcome.sentences import amount, sentences, tested, unit
from saetext.report.console.outcome import heading
from saetext.report.html.differences import PLOTTED, Axis
from saetext.report.html.figures import percent, probability
from saetext.report.html.parts import draw, number_cards
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.analysis.differences.outcome.result import OutcomeResult

_LENGTH = {"unclear": "length may explain it, the data cannot tell"}

Row = Mapping[str, Any]


def render_outcome_page(result: OutcomeResult) -> str:
    """Return the page; style and script are admitted by their hashes."""
    rows = result.table.to_dicts()
    plotted = [at for at, row in enumerate(rows) if row["confirmed"]] or list(range(len(rows)))
    plotted = plotted[:PLOTTED]
    scaled = [_scaled(result, row) for row in rows]
    axis = Axis([scaled[at] for at in plotted], float("inf"))
    cards = [_card(result, row, axis.line(scale)) for row, scale in zip(rows, scaled, strict=True)]
    number_cards(cards, "label")
    first, _, more = heading(result).plain.partition("\n")
    return draw(
        "outcome.html.j2",
        ("base.css", "diff.css"),
        ("cards.js",),
        title=printable(f"What goes with {result.outcome}"),
        summary=[printable(line).replace(" %", "\u00a0%") for line in (first, *sentences(result), more)],
        unit=unit(result),
        binary=result.binary,
        between=printable(result.params["between"] or ""),
        cards=cards,
        opened=result.params.get("top"),
        total=max(len(cards), int(result.metrics["found"])),
        noun="findings",
        plotted=[cards[at] for at in plotted],
        confirmed=any(row["confirmed"] for row in rows),
        axis=axis,
        families=[
            (one.name, f"{one.tested:,}", f"{one.significant:,}", f"{one.confirmed:,}")
            for one in result.families
        ],
        notes=[printable(note) for note in result.notes],
        facts=_facts(result),
    )


def _scaled(result: OutcomeResult, row: Row) -> dict[str, Any]:
    """Return an effect as the axis takes it, which shows a hundred times what it is given."""
    by = 1.0 if result.binary else 0.01
    return {
        "diff": by * row["effect"],
        "ci_low": by * row["ci_low"],
        "ci_high": by * row["ci_high"],
    }


def _card(result: OutcomeResult, row: Row, line: dict[str, str] | None) -> dict[str, Any]:
    up = row["effect"] >= 0
    also = [printable(name) for name in row["members"]]
    if (more := row["n_members"] - len(also)) > 0:
        also.append(f"{more:,} more")
    return {
        "label": printable(row["name"]),
        "kind": row["kind"],
        "side": "a" if up else "b",
        "line": line,
        "effect": amount(result, row["effect"]),
        "interval": f"{amount(result, row['ci_low'])} to {amount(result, row['ci_high'])}",
        "raw": _figure(result, row["raw"]),
        "within": _figure(result, row["within"]) if result.params["between"] is not None else "",
        "rate": percent(row["rate"]),
        "n": f"{row['n']:,}",
        "q": probability(row["q"]),
        "feature": "" if row["feature"] is None else str(row["feature"]),
        "words": ", ".join(f"“{printable(word)}”" for word in row["words"] or ()),
        "confirmed": row["confirmed"],
        "held": ""
        if row["effect_confirm"] is None
        else f"{amount(result, row['effect_confirm'])}, q {probability(row['q_confirm'])}",
        "length": _LENGTH.get(str(row["length"]), ""),
        "also": also,
        "examples": [
            {"side": "a" if more else "b", "more": more, "pieces": _pieces(text)}
            for text, more in ((row["snippet"], up), (row["snippet_without"], not up))
            if text
        ],
        "sort": {"size": abs(row["effect"]), "q": row["q"], "rate": row["rate"]},
    }


def _figure(result: OutcomeResult, value: float | None) -> str:
    return "–" if value is None else amount(result, value)


def _pieces(snippet: str) -> list[tuple[str, bool]]:
    """Return a snippet in pieces, and which of them is the place that shows the finding."""
    before, opening, rest = snippet.partition("«")
    match, closing, after = rest.partition("»")
    if not (opening and closing):
        return [(printable(snippet), False)]
    return [(printable(before), False), (printable(match), True), (printable(after), False)]


def _facts(result: OutcomeResult) -> list[tuple[str, str]]:
    params = result.params
    shown = {
        "Outcome": result.outcome,
        "Compared": _compared(result),
        "Adjusted for": ", ".join(["log length (linear spline)", *(params["control"] or ())]),
        "Test": params["test"],
        "Interval": params["interval"],
        "Tested": tested(result),
        "SAE": params["sae"],
        "Selection": params.get("where") or "",
        "Seed": params["seed"],
    }
    return [(name, printable(str(text))) for name, text in shown.items() if text != ""]


def _compared(result: OutcomeResult) -> str:
    column = result.params["pair_on"]
    if column is None:
        return "across all documents"
    return f"within each {'row' if result.pairs and column == 'id' else column}"
