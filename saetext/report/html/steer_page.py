"""A steering as a self-contained HTML page: a slider over doses, texts beside the unedited ones, figures.

All texts are in the page, so that the slider needs no model; without the script every arm is shown. Texts,
labels and prompts are data: made printable here and escaped by the template. Not for: writing the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import figure, probability
from saetext.report.console.second_reader import seen_cells
from saetext.report.console.steering import heading, seen_title, verdict
from saetext.report.html.arm_texts import texts_by_prompt
from saetext.report.html.parts import draw
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.intervene.result import SteerResult

_WIDTH, _HEIGHT, _MARGIN = 480.0, 140.0, 12.0  # of the curve, in its own units


def render_steer_page(result: SteerResult) -> str:
    """Return the page; styles and the script are admitted by their hashes."""
    rows = [*result.table.to_dicts(), *result.controls.to_dicts()]
    dosed = [at for at, row in enumerate(rows) if row["kind"] in ("base", "dose") and row["dose"] is not None]
    dosed.sort(key=lambda at: rows[at]["dose"])
    start = next((at for at in reversed(dosed) if rows[at]["kind"] == "dose"), 0)
    told = verdict(result.metrics)
    return draw(
        "steer.html.j2",
        ("base.css", "steer.css"),
        ("steer.js",),
        title=printable(_title(result)),
        summary=[printable(line) for line in (*heading(result), *filter(None, [told]))],
        arms=[_arm(at, row) for at, row in enumerate(rows)],
        doses=[{"at": at, "dose": f"{rows[at]['dose']:g}"} for at in dosed],
        others=[{"at": at, "name": printable(row["arm"])} for at, row in enumerate(rows) if at not in dosed],
        start=start,
        first=dosed.index(start) if start in dosed else 0,
        prompts=texts_by_prompt(result.texts, [row["arm"] for row in rows]),
        curve=_curve([rows[at] for at in dosed]),
        words=_words(result),
        seen_title=printable(seen_title(result) or ""),
        seen=_seen(result),
        notes=[printable(note) for note in result.notes],
        facts=_facts(result),
    )


def _title(result: SteerResult) -> str:
    labels = [str(label) for label in result.handles["label"]]
    return f"{result.params['model']} steered: {', '.join(labels)}"


def _arm(at: int, row: Mapping[str, Any]) -> dict[str, Any]:
    interval = "" if row["gauge_low"] is None else f"{row['gauge_low']:+.3f} to {row['gauge_high']:+.3f}"
    return {
        "at": at,
        "name": printable(row["arm"]),
        "kind": row["kind"],
        "length": figure(row["length"], ".2f"),
        "gauge": figure(row["gauge"], ".3f"),
        "diff": figure(row["gauge_diff"], "+.3f"),
        "interval": interval,
        "p": "" if row["gauge_p"] is None else probability(row["gauge_p"]),
        "nll": figure(row["nll"], ".2f"),
        "repetition": figure(row["repetition"], ".2f"),
        "tokens": figure(row["tokens"], ".1f"),
        "changed": f"{row['changed']:.0%}".replace("%", "\u00a0%"),
    }


def _words(result: SteerResult) -> list[dict[str, str]]:
    """Return the words that set each arm apart, those that are more and less frequent."""
    if result.words is None:
        return []
    found: dict[str, dict[str, list[str]]] = {}
    for row in result.words.to_dicts():
        own = found.setdefault(row["arm"], {"more": [], "less": []})
        counts = f"{row['word']} ({row['prompts']}\u00a0:\u00a0{row['prompts_unedited']})"
        own["more" if row["z"] > 0 else "less"].append(counts)
    return [
        {"arm": printable(arm), **{name: printable(", ".join(some)) for name, some in own.items()}}
        for arm, own in found.items()
    ]


def _seen(result: SteerResult) -> list[dict[str, Any]]:
    return [] if result.seen is None else [seen_cells(row) for row in result.seen.to_dicts()]


def _curve(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the dose-response as points with intervals of the difference, None where there is no effect."""
    known = [(row["dose"], row["gauge_diff"] or 0.0, row["gauge_low"], row["gauge_high"]) for row in rows]
    if len(known) < 2 or all(row["gauge"] is None for row in rows):
        return None
    values = [v for _, *more in known for v in more if v is not None and abs(v) < float("inf")]
    low, high = min(0.0, *values), max(0.0, *values)
    span, reach = (high - low) or 1.0, (known[-1][0] - known[0][0]) or 1.0

    def y(value: float) -> str:
        return f"{_MARGIN + (_HEIGHT - 2 * _MARGIN) * (high - value) / span:.1f}"

    points = []
    for dose, diff, below, above in known:
        x = _MARGIN + (_WIDTH - 2 * _MARGIN) * (dose - known[0][0]) / reach
        points.append(
            {
                "x": f"{x:.1f}",
                "y": y(diff),
                "low": y(diff if below is None else max(below, low)),
                "high": y(diff if above is None else min(above, high)),
                "dose": f"{dose:g}",
                "title": f"dose {dose:g}: {diff:+.3f}",
            }
        )
    return {"points": points, "zero": y(0.0), "width": int(_WIDTH), "height": int(_HEIGHT)}


def _facts(result: SteerResult) -> list[tuple[str, str]]:
    params, metrics = result.params, result.metrics
    shown: dict[str, Any] = {
        "Model": params["model"],
        "SAE": params["sae"],
        "Hook": params["hook"],
        "Edited tokens": params["positions"],
        "Sampling": f"temperature {params['temperature']:g}, top-p {params['top_p']:g}, repetition penalty "
        f"{params['repetition_penalty']:g}, seed {params['seed']}, {params['samples']} samples",
        "Plain instruction": metrics["instruction"],
        "Reference text": None
        if metrics["reference"] is None
        else f"{metrics['reference']}, {metrics['reference_tokens']:,} tokens, median residual norm "
        f"{metrics['median_norm']:.4g}",
    }
    return [(name, printable(str(text))) for name, text in shown.items() if text is not None]
