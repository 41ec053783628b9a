"""Why a diff's findings come about, as a self-contained HTML page: findings, features, figures, texts.

Names, labels, texts and notes are data: made printable here and escaped by the template. Not for: writing the
file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.report.console.causes import example, feature_told, figures, finding_lines, heading
from saetext.report.html.parts import draw
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.intervene.causes.result import WhyResult

KINDS = {
    "drives it": "drives",
    "contributes": "contributes",
    "only reads it": "reads",
    "breaks the text": "breaks",
}

Row = Mapping[str, Any]


def render_why_page(result: WhyResult) -> str:
    """Return the page; the style is admitted by its hash, and there is no script."""
    p = result.params
    return draw(
        "why.html.j2",
        ("base.css", "causes.css", "why.css"),
        (),
        title=printable(f"Why {p['a']} and {p['b']} differ: features of {p['model']}"),
        summary=[printable(line) for line in heading(result)],
        findings=[_finding(result, row) for row in result.findings_table.to_dicts()],
        example=[{"arm": printable(t["arm"]), "text": printable(t["text"])} for t in example(result)],
        prompt=printable(next((t["prompt_text"] for t in example(result)), "")),
        notes=[printable(note) for note in result.notes],
        facts=_facts(result),
    )


def _finding(result: WhyResult, finding: Row) -> dict[str, Any]:
    name, *lines = finding_lines(finding, result)
    rows = [row for row in result.table.to_dicts() if row["finding"] == finding["finding"]]
    candidates = [row for row in result.candidates.to_dicts() if row["finding"] == finding["finding"]]
    return {
        "name": printable(name),
        "lines": [printable(line) for line in lines],
        "features": [_feature(result, row) for row in rows],
        "candidates": [_candidate(row) for row in candidates],
    }


def _feature(result: WhyResult, row: Row) -> dict[str, Any]:
    return {
        "name": printable(feature_told(row)),
        "verdict": row["verdict"] or "no verdict",
        "kind": KINDS.get(row["verdict"], "none"),
        "because": printable(row["because"]),
        "figures": [(word, printable(told)) for word, told in figures(row)],
        "arms": _arms(result, row),
    }


def _arms(result: WhyResult, row: Row) -> list[dict[str, str]]:
    """Return the arms of a feature in a row each, matched features left out."""
    names = {"a": result.params["a"], "b": result.params["b"]}
    return [
        {
            "name": printable(f"{names[arm['side']]}: {arm['arm']}"),
            "kind": arm["kind"],
            "gauge": _number(arm["gauge"], ".3g"),
            "nll": _number(arm["nll"], ".2f"),
            "repetition": _number(arm["repetition"], ".2f"),
        }
        for arm in result.arms.to_dicts()
        if arm["finding"] == row["finding"] and arm["feature"] == row["feature"] and arm["kind"] != "matched"
    ]


def _candidate(row: Row) -> dict[str, str]:
    return {
        "name": printable(feature_told(row)),
        "found_by": row["found_by"],
        "activity": _number(row["activity"], "+.2f"),
        "attribution": _number(row["attribution"], "+.3g"),
        "removes": _number(row["removes"], "+.2f"),
        "chosen": "yes" if row["chosen"] else "",
    }


def _facts(result: WhyResult) -> list[tuple[str, str]]:
    p = result.params
    shown = {
        "Model": p["model"],
        "SAE": f"{p['sae']} at {p['hook']}",
        "Texts": f"{p['samples']} of each prompt and arm, {p['max_new_tokens']} tokens at most, temperature "
        f"{p['temperature']:g}, seed {p['seed']}",
        "Matched features": f"{result.metrics['controls']:,} at most for each tested one",
        "Positions": p["positions"],
    }
    return [(name, printable(str(text))) for name, text in shown.items()]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
