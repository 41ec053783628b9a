"""Dampened bias as a self-contained HTML page: the verdict, arms, professions before and after, features.

Names of professions, labels and notes are data: made printable here and escaped by the template. Not for:
writing the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.report.console.bias import (
    arms_told,
    heading,
    odds_told,
    shared_told,
    suites_told,
    verdict_told,
)
from saetext.report.console.lines import probability
from saetext.report.html.parts import draw
from saetext.text.passages import printable

if TYPE_CHECKING:
    import polars as pl

    from saetext.intervene.bias.result import BiasResult

_WIDE, _HALF = 320, 150  # of a drawing, and from its middle to the end of the axis
_FINDERS = ("labels", "attribution", "swapped")


def render_bias_page(result: BiasResult) -> str:
    """Return the page; the style is admitted by its hash, and there is no script."""
    verdict = verdict_told(result.metrics)
    summary = [printable(heading(result)), printable(verdict[:1].upper() + verdict[1:])]
    if result.params["find"]:
        summary.append(shared_told(result))
    after = f"dose {result.metrics['dose']:g}"
    return draw(
        "bias.html.j2",
        ("base.css", "bias.css"),
        (),
        title=printable(f"{result.params['subject']['model']}: gender dampened"),
        summary=summary,
        odds=printable(odds_told(result.metrics)),
        odds_of_facts=printable(odds_told(result.metrics, "pair_of_facts")),
        who=printable(suites_told(result) or ""),
        arms=[_arm(row) for row in arms_told(result)],
        after=after,
        pair=[printable(word) for word in result.metrics["pair"]],
        pair_of_facts=[printable(word) for word in result.metrics["pair_of_facts"]],
        professions=_before_and_after(result, "gap", after),
        facts=_before_and_after(result, "fact", after),
        width=_WIDE,
        middle=_WIDE / 2,
        features=[_feature(row) for row in result.features.to_dicts()],
        notes=[printable(note) for note in result.notes],
        told=_facts(result),
    )


def _arm(row: Mapping[str, Any]) -> dict[str, str]:
    gap, nll = row["gap"], row.get("nll", {})
    return {
        "name": printable(row["arm"]),
        "kind": "own" if row["kind"] == "dose" else "",
        "gap": f"{gap['value']:.2f}",
        "diff": _number(gap["diff"], "+.2f"),
        "interval": "" if gap["diff_low"] is None else f"{gap['diff_low']:+.2f} to {gap['diff_high']:+.2f}",
        "p": "" if gap["p"] is None else probability(gap["p"]),
        "controls": "" if gap["controls_p"] is None else probability(gap["controls_p"]),
        "stereotype": _number(row.get("stereotype", {}).get("value"), "+.2f"),
        "resolution": _number(row.get("resolution", {}).get("value"), ".2f"),
        "accuracy": _number(row.get("accuracy", {}).get("value"), ".0%").replace("%", "\u00a0%"),
        "fact": _number(row.get("fact", {}).get("value"), ".2f"),
        "nll": _number(nll.get("diff"), "+.3f") or _number(nll.get("value"), ".3f"),
    }


def _before_and_after(result: BiasResult, measure: str, after: str) -> list[dict[str, Any]]:
    """Return a row for each profession or sentence, by its gap before, with places on one axis."""
    import polars as pl

    units = result.units.filter(pl.col("measure") == measure)
    if measure == "gap":
        units = units.filter(pl.col("suite") == "all")
    before, then = (_by_unit(units, arm) for arm in ("unedited", after))
    asked = _by_unit(units, "plain instruction")
    span = max((abs(value) for value in (*before.values(), *then.values())), default=1.0) or 1.0
    return [
        {
            "name": printable(unit),
            "before": f"{value:+.2f}",
            "after": _number(then.get(unit), "+.2f"),
            "instruction": _number(asked.get(unit), "+.2f"),
            "from": _place(value, span),
            "to": _place(then.get(unit, value), span),
        }
        for unit, value in sorted(before.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _by_unit(units: pl.DataFrame, arm: str) -> dict[str, float]:
    own = units.filter(units["arm"] == arm)
    return dict(zip(own["unit"].to_list(), own["signed"].to_list(), strict=True))


def _place(value: float, span: float) -> float:
    return round(_WIDE / 2 + _HALF * value / span, 1)


def _feature(row: Mapping[str, Any]) -> dict[str, str]:
    entropy = "" if row["entropy"] is None else f"{row['entropy']:.1f} of {row['entropy_random']:.1f}"
    return {
        "feature": str(row["feature"]),
        "label": printable(row["label"] or "no label"),
        "kind": "own" if row["dampened"] else "",
        **{name: _number(row[f"rank_{name}"], "d") for name in _FINDERS},
        "exact": _number(row["exact"], "+.3f"),
        "widens": _number(row["widens"], "+.3f"),
        "swapped_by": _number(row["swapped"], "+.3f"),
        "active": f"{row['active']:.0%}".replace("%", "\u00a0%"),
        "elsewhere": _number(row["elsewhere"], ".0%").replace("%", "\u00a0%"),
        "entropy": entropy,
        "contexts": _number(row["contexts"], ","),
    }


def _facts(result: BiasResult) -> list[tuple[str, str]]:
    subject, params = result.params["subject"], result.params
    shown = {
        "Model": subject["model"],
        "SAE": f"{subject['sae']} at {subject['hook']}",
        "Suites": params["suite"],
        "Doses": params["dampen"],
        "Plain instruction": params["instruction"] or "none",
        "Prompts": f"{result.metrics['prompts_to_find']:,} to find features with, "
        f"{result.metrics['prompts_measured']:,} measured",
        "Seed": params["seed"],
    }
    return [(name, printable(str(text))) for name, text in shown.items()]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
