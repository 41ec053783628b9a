"""An ablation as a self-contained HTML page: what was taken out, each metric by arm and topic, and texts.

All texts are in the page: any arm beside the unedited one; without the script every arm is shown. Texts,
labels and prompts are data: made printable here and escaped by the template. Not for: writing the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.report.console.ablation import (
    feature_line,
    heading,
    matched_line,
    metrics_of,
    seen_title,
    verdicts,
)
from saetext.report.console.lines import figure, many, probability
from saetext.report.console.second_reader import seen_cells
from saetext.report.html.arm_texts import texts_by_prompt
from saetext.report.html.parts import draw
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.intervene.ablation.result import AblateResult

Row = Mapping[str, Any]


def render_ablate_page(result: AblateResult) -> str:
    """Return the page; styles and the script are admitted by their hashes."""
    arms = result.texts.select("arm", "kind").unique(maintain_order=True).rows()
    names = [name for name, _ in arms]
    return draw(
        "ablate.html.j2",
        ("base.css", "steer.css"),
        ("steer.js",),
        title=printable(_title(result)),
        summary=[printable(line) for line in (heading(result), *verdicts(result))],
        features=[printable(feature_line(row)) for row in result.features.to_dicts()],
        metrics=[_metric(result, metric) for metric in metrics_of(result)],
        topics=_topics(result),
        seen=_seen(result),
        arms=[{"at": at, "name": printable(name), "kind": kind} for at, (name, kind) in enumerate(arms)],
        start=next((at for at, (_, kind) in enumerate(arms) if kind == "ablated"), 0),
        prompts=texts_by_prompt(result.texts, names),
        notes=[printable(note) for note in result.notes],
        facts=_facts(result),
    )


def _title(result: AblateResult) -> str:
    labels = [row["label"] or f"feature {row['feature']}" for row in result.features.head(5).to_dicts()]
    more = result.features.height - len(labels)
    listed = ", ".join(labels) + (f" and {more:,} more" if more > 0 else "")
    return f"{result.params['model']} without {listed}"


def _metric(result: AblateResult, metric: str) -> dict[str, Any]:
    """Return a metric's table: the ablated arms with their matched sets in one line, then the others."""
    own = [row for row in result.table.to_dicts() if row["metric"] == metric]
    others = [row for row in result.controls.to_dicts() if row["metric"] == metric]
    rows = []
    for row in own:
        rows.append(_figures(row))
        matched = [other for other in others if other["kind"] == "matched" and other["of"] == row["arm"]]
        if matched:
            name = many(len(matched), "matched set")
            rows.append({"name": name, "kind": "matched", "span": matched_line(matched)})
    rows += [_figures(row) for row in others if row["kind"] != "matched"]
    return {
        "name": printable(metric),
        "primary": own[0]["primary"],
        "base": figure(own[0]["base"], ".3g"),
        "variance": figure(own[0]["base_variance"], ".3g"),
        "rows": rows,
    }


def _figures(row: Row) -> dict[str, Any]:
    return {
        "name": printable(row["arm"]),
        "kind": row["kind"],
        "mean": figure(row["mean"], ".3g"),
        "change": figure(row["change"], "+.3g"),
        "interval": "" if row["low"] is None else f"{row['low']:+.3g} to {row['high']:+.3g}",
        "p": _p(row["p"]),
        "control_p": figure(row["control_p"], ".2f"),
        "q": _p(row["q"]),
        "variance": figure(row["variance_change"], "+.3g"),
        "variance_p": _p(row["variance_p"]),
        "length": figure(row["length"], ".3f"),
        "changed": f"{row['changed']:.0%}".replace("%", "\u00a0%"),
    }


def _topics(result: AblateResult) -> dict[str, Any]:
    """Return the primary metric by topic: unedited, and the change in each arm."""
    rows = result.topics.filter(result.topics["metric"] == result.metrics["primary"]).to_dicts()
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    lines: dict[str, dict[str, Any]] = {}
    for row in rows:
        line = lines.setdefault(row["topic"], {"name": printable(row["topic"]), "changes": {}})
        line["base"] = figure(row["base"], ".3g")
        line["changes"][row["arm"]] = figure(row["change"], "+.3g")
    return {
        "metric": printable(result.metrics["primary"]),
        "arms": [printable(arm) for arm in arms],
        "rows": [
            {**line, "changes": [line["changes"].get(arm, "") for arm in arms]} for line in lines.values()
        ],
    }


def _seen(result: AblateResult) -> list[dict[str, Any]]:
    """Return what a second reader sees in each ablated arm; nothing if none was asked."""
    found = result.seen
    if found is None:
        return []
    reader = result.metrics["gauge_reader"]
    return [
        {
            "title": printable(seen_title(reader, arm)),
            "rows": [seen_cells(row) for row in found.filter(found["arm"] == arm).to_dicts()],
        }
        for arm in result.table["arm"].unique(maintain_order=True)
    ]


def _facts(result: AblateResult) -> list[tuple[str, str]]:
    params, metrics = result.params, result.metrics
    shown: dict[str, Any] = {
        "Model": params["model"],
        "SAE": params["sae"],
        "Hook": params["hook"],
        "Edited tokens": f"{params['positions']}; {metrics['edited_tokens']:,} in the unedited texts",
        "Sampling": f"temperature {params['temperature']:g}, top-p {params['top_p']:g}, repetition penalty "
        f"{params['repetition_penalty']:g}, seed {params['seed']}, {params['samples']} samples, at most "
        f"{params['max_new_tokens']} tokens",
        "Features chosen on": ", ".join(metrics["chosen_on"]) or None,
        "Tested on": ", ".join(metrics["tested_on"]),
        "Forbidden in the rival arm": metrics["forbidden"],
        "Median residual norm": f"{metrics['median_norm']:.4g}",
    }
    return [(name, printable(str(text))) for name, text in shown.items() if text is not None]


def _p(value: float | None) -> str:
    return "" if value is None else probability(value)
