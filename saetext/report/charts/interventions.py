"""Charts of interventions: dose-response, arms against the unedited one, heads, matrices.

Not for: those of corpora (:mod:`saetext.report.charts.analyses`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from saetext.intervene.heads.result import SCORES
from saetext.report.charts.drawing import (
    BLUE,
    COLOURS,
    GREY,
    INK,
    ORANGE,
    Bar,
    Row,
    axes_of,
    bars,
    known,
    put_legend,
    times,
    titled,
)
from saetext.report.html.figures import finite
from saetext.report.html.matrix_picture import draw_matrix
from saetext.text.one_line import many, one_line

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

    from saetext.intervene.ablation.result import AblateResult
    from saetext.intervene.attribution.result import AttributionResult
    from saetext.intervene.bias.result import BiasResult
    from saetext.intervene.causes.result import WhyResult
    from saetext.intervene.expression.result import ExpressionResult
    from saetext.intervene.heads.result import AttendResult
    from saetext.intervene.result import SteerResult
    from saetext.intervene.shifts.result import ShiftEvaluation, ShiftResult

_CURVE = 4.2  # inches
_CELL = 0.16


def steer_chart(result: SteerResult, ax: Axes | None, top: int) -> Axes:
    """Draw the dose-response: the effect with its interval, and what it costs in nll; controls as points."""
    from matplotlib.lines import Line2D

    rows = [row for row in result.table.to_dicts() if row["dose"] is not None]
    rows.sort(key=lambda row: row["dose"])
    ax, own = axes_of(ax, _CURVE)
    measured = known(rows, "gauge")
    main = "gauge" if measured else "nll"
    at = [row["dose"] for row in rows]
    values = [_change(row, f"{main}_diff") for row in rows]
    ax.plot(at, values, "o-", color=BLUE, linewidth=1.6, markersize=5)
    for row in rows:
        low, high = finite(row[f"{main}_low"]), finite(row[f"{main}_high"])
        if low is not None and high is not None:
            ax.plot([row["dose"]] * 2, [low, high], color=BLUE, linewidth=1.2, alpha=0.8)
    handles: list[Any] = [Line2D([], [], color=BLUE, marker="o", label=_EFFECT[main])]
    strongest = max(at, default=0.0, key=abs)
    controls = [(row, value) for row in result.controls.to_dicts()
                if (value := finite(row[f"{main}_diff"])) is not None]  # fmt: skip
    for row, value in controls[: 4 * top]:
        ax.plot([strongest], [value], "x", color=_CONTROL.get(row["kind"], GREY), markersize=6)
    for kind in dict.fromkeys(row["kind"] for row, _ in controls):
        colour = _CONTROL.get(kind, GREY)
        handles.append(
            Line2D([], [], color=colour, marker="x", linestyle="", label=_CONTROL_NAME.get(kind, kind))
        )
    if measured and known(rows, "nll_diff"):
        other = ax.twinx()
        other.plot(at, [_change(row, "nll_diff") for row in rows], "--", color=ORANGE, linewidth=1.2)
        other.set_ylabel("nll, change in nats a token")
        other.spines["top"].set_visible(False)
        handles.append(Line2D([], [], color=ORANGE, linestyle="--", label="nll (right)"))
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_xlabel("dose (0: unedited)")
    ax.set_ylabel(_EFFECT[main])
    ax.grid(color="#dddbd5", linewidth=0.6)
    ax.spines["top"].set_visible(False)
    put_legend(ax, handles, own)
    named = ", ".join(str(label) for label in result.handles["label"])
    titled(ax, own, f"{result.params['model']} steered: {named}")
    return ax


def _change(row: Row, name: str) -> float:
    """Return a change from the unedited arm: 0 of that arm itself, NaN (a gap) where there is none."""
    value = finite(row[name])
    return value if value is not None else 0.0 if row["kind"] == "base" else math.nan


_EFFECT = {"gauge": "effect, change from unedited", "nll": "nll, change in nats a token"}
_CONTROL = {
    "matched": GREY, "random": COLOURS[3], "instruction": COLOURS[2], "turned": COLOURS[4],
    "other": COLOURS[5],
}  # fmt: skip
_CONTROL_NAME = {
    "matched": "matched features", "random": "random direction", "instruction": "plain instruction",
    "turned": "sign turned", "other": "other groups' shifts",
}  # fmt: skip


def ablate_chart(result: AblateResult, ax: Axes | None, top: int) -> Axes:
    """Draw how far each arm is from the unedited one by the primary metric, with intervals."""
    rows = [row for row in (*result.table.to_dicts(), *result.controls.to_dicts()) if row["primary"]]
    metric = rows[0]["metric"] if rows else "metric"
    arms = {row["arm"] for row in result.table.to_dicts()}
    drawn = [
        Bar(row["arm"], row["change"], row["low"], row["high"], BLUE if row["arm"] in arms else GREY)
        for row in rows[:top]
    ]
    base = next((finite(row["base"]) for row in rows if finite(row["base"]) is not None), None)
    told = "" if base is None else f" ({base:.3g} unedited)"
    title = f"{result.params['model']} ablated: {_features(result.features)}"
    return bars(
        ax, drawn, title, f"change of {metric}{told}", points=True, legend={BLUE: "ablated", GREY: "controls"}
    )


def bias_chart(result: BiasResult, ax: Axes | None, top: int) -> Axes:
    """Draw how far the gap between he and she falls in each arm, with intervals; controls together."""
    import polars as pl

    whole = pl.concat([result.table, result.controls])
    rows = whole.filter((pl.col("measure") == "gap") & (pl.col("suite") == "all")).to_dicts()
    drawn = [
        Bar(
            row["arm"],
            row["diff"],
            row["diff_low"],
            row["diff_high"],
            BLUE if row["kind"] == "dose" else GREY,
        )
        for row in rows
        if row["kind"] in ("dose", "finder", "instruction")
    ]
    for kind, name in (("matched", "matched sets"), ("random", "random directions")):
        own = [value for row in rows if row["kind"] == kind and (value := finite(row["diff"])) is not None]
        if own:
            drawn.append(Bar(f"{len(own)} {name} (range)", sum(own) / len(own), min(own), max(own), GREY))
    before = next((finite(row["value"]) for row in rows if row["kind"] == "base"), None)
    told = "" if before is None else f" ({before:.2f} unedited)"
    return bars(
        ax, drawn[:top], f"{result.params['subject']['model']}: {result.verdict}",
        f"change of |log p(he) − log p(she)|{told}", points=True,
        legend={BLUE: "dampened", GREY: "held against"},
    )  # fmt: skip


def shift_chart(result: ShiftResult | ShiftEvaluation, ax: Axes | None, top: int) -> Axes:
    """Draw of a fit how far each group's answers come, of an evaluation how close each way to answer is."""
    rows = result.table.to_dicts()
    if result.kind == "shift":
        shown = rows[:top]
        drawn = [Bar(row["group"], row["kl_after"], colour=BLUE, mark=row["kl_before"]) for row in shown]
        title = f"Shift fitted to {many(len(rows), 'group')}"
        return bars(
            ax, drawn, title, "KL from the group's answers", legend={BLUE: "shifted"}, mark="unshifted"
        )
    drawn = [
        Bar(row["arm"], row["alignment"], row["low"], row["high"], BLUE if row["kind"] == "shift" else GREY)
        for row in rows[:top]
    ]
    title = f"Answers to {many(max((row['questions'] or 0 for row in rows), default=0), 'held-out question')}"
    return bars(
        ax, drawn, title, "alignment with the groups' answers", points=True,
        legend={BLUE: "shifted", GREY: "others"},
    )  # fmt: skip


def attend_chart(result: AttendResult, ax: Axes | None, top: int) -> Axes:
    """Draw the heads with most of each score, against their controls."""
    scores = [score for score in SCORES if result.table[score].null_count() < len(result)]
    each = max(1, top // max(len(scores), 1))
    colours = dict(zip(scores, COLOURS, strict=False))
    drawn = [
        Bar(f"layer {row['layer']}, head {row['head']}: {SCORES[score]}", row[score], colour=colours[score],
            mark=row[f"{score}_null"])
        for score in scores
        for row in result.best(score, each).to_dicts()
    ]  # fmt: skip
    return bars(
        ax, drawn, f"Attention heads of {result.params['model']}", "score", mark="the same at its control",
        legend={colours[score]: SCORES[score] for score in scores},
    )  # fmt: skip


def why_chart(result: WhyResult, ax: Axes | None, top: int) -> Axes:
    """Draw for each feature which share of the difference goes without it, and comes with it."""
    tested = [row for row in result.table.to_dicts() if row["gap"] is not None]
    drawn = []
    for row in tested[: max(1, top // 2)]:
        name = f"{row['feature']} {row['label'] or ''}".strip()
        for part, told, colour in (("necessary", "taken out", BLUE), ("sufficient", "turned up", ORANGE)):
            drawn.append(
                Bar(
                    f"{one_line(name, 30)}, {told}", times(row[part], 100), times(row[f"{part}_low"], 100),
                    times(row[f"{part}_high"], 100), colour,
                )
            )  # fmt: skip
    names = ", ".join(dict.fromkeys(row["finding"] for row in tested)) or "nothing was tested"
    return bars(
        ax, drawn, f"{result.params['model']}: {names}", "share of the difference, %", points=True,
        legend={BLUE: "goes when it is taken out", ORANGE: "comes when it is turned up"},
    )  # fmt: skip


def attribute_chart(result: AttributionResult, ax: Axes | None, top: int) -> Axes:
    """Draw the strongest pairs of a feature and a place: attribution as bars, exact ablation as lines."""
    rows = result.table.to_dicts()
    rows.sort(key=lambda row: -abs(finite(row["attribution"]) or 0.0))
    several = len({row["prompt"] for row in rows}) > 1
    drawn = [
        Bar(_pair(row, several), row["attribution"], mark=row["exact"],
            colour=ORANGE if (finite(row["attribution"]) or 0.0) < 0 else BLUE)
        for row in rows[:top]
    ]  # fmt: skip
    title = f"What {result.params['metric']} comes from: {many(len(rows), 'pair')} of a feature and a place"
    return bars(
        ax, drawn, title, "attribution", mark="exact, by ablation",
        legend={BLUE: "raises the metric", ORANGE: "lowers it"},
    )  # fmt: skip


def expression_chart(result: ExpressionResult, ax: Axes | None, top: int) -> Axes:
    """Draw the matrix of its first ``top`` features by examples."""
    rows = min(top, len(result))
    wide = min(max(result.expression.shape[1] * _CELL + 4.0, 6.0), 24.0)
    ax, own = axes_of(ax, rows * _CELL + 2.2, wide)
    draw_matrix(result, ax, rows)
    told = many(len(result), "feature")
    told = told if rows == len(result) else f"the first {rows} of {told}"
    titled(ax, own, f"{told} in {many(result.examples.height, 'example')}")
    return ax


def _pair(row: Row, several: bool) -> str:
    where = f"{row['id']}: " if several else ""
    return f"{where}“{str(row['token']).strip()}” {row['label'] or 'feature ' + str(row['feature'])}"


def _features(features: pl.DataFrame) -> str:
    rows: Sequence[Row] = features.head(3).to_dicts()
    more = features.height - len(rows)
    named = [str(row["label"] or f"feature {row['feature']}") for row in rows]
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
