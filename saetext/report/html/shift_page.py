"""An evaluated shift as a self-contained HTML page: ways to answer, groups by groups, features that moved.

Names of groups, labels and notes are data: made printable here and escaped by the template. Not for: writing
the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import probability
from saetext.report.console.shifts import asides, diagonal_told, heading
from saetext.report.html.parts import SHADES, draw
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.intervene.shifts.result import ShiftEvaluation

_FEATURES = 40  # of each group


def render_shift_page(result: ShiftEvaluation) -> str:
    """Return the page; the style is admitted by its hash, and there is no script."""
    return draw(
        "shift.html.j2",
        ("base.css", "shift.css"),
        (),
        title=printable(f"{result.params['subject']['model']} shifted towards groups"),
        summary=[
            printable(heading(result)),
            result.metrics["verdict"],
            asides(result.metrics),
            diagonal_told(result.metrics),
        ],
        arms=[_arm(row) for row in result.table.to_dicts()],
        across=_across(result),
        by_group=_by_group(result),
        groups=_features(result),
        notes=[printable(note) for note in result.notes],
        facts=_facts(result),
    )


def _arm(row: Mapping[str, Any]) -> dict[str, str]:
    def between(low: str, high: str, form: str) -> str:
        return "" if row[low] is None else f"{row[low]:{form}} to {row[high]:{form}}"

    return {
        "name": printable(row["arm"]),
        "kind": "own" if row["kind"] == "shift" else "",
        "alignment": f"{row['alignment']:.3f}",
        "interval": between("low", "high", ".3f"),
        "gain": _number(row["diff"], "+.3f"),
        "gained": between("diff_low", "diff_high", "+.3f"),
        "p": "" if row["p"] is None else probability(row["p"]),
        "tv": f"{row['tv']:.3f}",
        "js": f"{row['js']:.3f}",
        "length": _number(row["length"], ".2f"),
        "features": _number(row["features"], ".0f"),
        "neutral": _number(row["neutral_kl"], ".3f"),
        "nll": _number(row["nll_diff"], "+.2f"),
    }


def _across(result: ShiftEvaluation) -> dict[str, Any]:
    """Return groups by groups, each column shaded from its lowest to its highest value."""
    groups = result.across["group"].unique(maintain_order=True).to_list()
    values = {(row["shift"], row["group"]): float(row["alignment"]) for row in result.across.to_dicts()}
    rows = []
    for own in groups:
        cells = []
        for group in groups:
            column = [values[other, group] for other in groups]
            span = max(column) - min(column)
            share = (values[own, group] - min(column)) / span if span > 0 else 0.0
            cells.append(
                {
                    "value": f"{values[own, group]:.3f}",
                    "shade": round(SHADES * share),
                    "own": own == group,
                }
            )
        rows.append({"name": printable(own), "cells": cells})
    return {"groups": [printable(group) for group in groups], "rows": rows}


def _by_group(result: ShiftEvaluation) -> dict[str, Any]:
    groups = result.groups["group"].unique(maintain_order=True).to_list()
    arms = result.groups["arm"].unique(maintain_order=True).to_list()
    values = {(row["arm"], row["group"]): row["alignment"] for row in result.groups.to_dicts()}
    return {
        "groups": [printable(group) for group in groups],
        "rows": [
            {
                "name": printable(arm),
                "cells": [_number(values.get((arm, group)), ".3f") for group in groups],
            }
            for arm in arms
        ],
    }


def _features(result: ShiftEvaluation) -> list[dict[str, Any]]:
    rows = result.features.to_dicts()
    found = []
    for group in result.features["group"].unique(maintain_order=True).to_list():
        own = [row for row in rows if row["group"] == group]
        shown = [
            {
                "feature": row["feature"],
                "label": printable(row["label"] or "no label"),
                "delta": f"{row['delta']:+.2f}",
                "length": f"{row['length']:.2f}",
                "repeats": "" if row["repeats"] is None else f"{row['repeats']:.0%}".replace("%", "\u00a0%"),
                "groups": row["groups"],
            }
            for row in own[:_FEATURES]
        ]
        found.append({"name": printable(group), "n": len(own), "rows": shown})
    return found


def _facts(result: ShiftEvaluation) -> list[tuple[str, str]]:
    subject, fit = result.params["subject"], result.params["shift"]
    shown = {
        "Model": subject["model"],
        "SAE": f"{subject['sae']} at {subject['hook']}",
        "Plain instruction": result.params["persona"],
        "Orders of options": f"{result.params['orders']} at most, averaged",
        "Fit": ", ".join(
            f"{name} {fit[name]}"
            for name in ("sparsity", "displacement", "preserve", "steps", "step", "seed")
            if name in fit
        ),
    }
    return [(name, printable(str(text))) for name, text in shown.items()]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
