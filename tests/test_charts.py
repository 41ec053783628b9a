"""Charts of every kind of result: by value, with nothing cut off, and hostile names as plain letters."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from test_notebook import pair_result, search_result, sets_result
from test_report import HOSTILE, is_safe, make_result

from saetext.analysis.checking.result import CheckResult
from saetext.analysis.clusters import ClusterResult
from saetext.analysis.differences.outcome.result import OutcomeResult
from saetext.analysis.registry import ANALYSES, chart_of
from saetext.errors import InputError
from saetext.intervene.ablation import AblateResult
from saetext.intervene.ablation.tables import FEATURES, TABLE
from saetext.intervene.attribution import AttributionResult
from saetext.intervene.attribution.tables import TABLE as ATTRIBUTION
from saetext.intervene.bias import BiasResult
from saetext.intervene.bias.tables import TABLE as BIAS
from saetext.intervene.causes import WhyResult
from saetext.intervene.causes.tables import TABLE as WHY
from saetext.intervene.expression.result import EXAMPLES, ExpressionResult
from saetext.intervene.expression.result import TABLE as EXPRESSION
from saetext.intervene.heads import AttendResult
from saetext.intervene.heads.tables import TABLE as HEADS
from saetext.intervene.heads.tables import TOKENS
from saetext.intervene.result import SteerResult
from saetext.intervene.shifts.result import ShiftEvaluation, ShiftResult
from saetext.intervene.shifts.tables import ARMS, FITTED
from saetext.intervene.summary import schema

mpl.use("Agg")
MATH = "$x^2_{a}$ \\frac{1}{0} 字漢 😀"


@pytest.fixture(autouse=True)
def closed() -> Any:
    from matplotlib import pyplot as plt

    yield
    plt.close("all")


def table(rows: list[dict[str, Any]], columns: Any) -> pl.DataFrame:
    """Return rows as a table; what a row does not say is null."""
    return pl.DataFrame([{name: row.get(name) for name in columns} for row in rows], schema=dict(columns))


def cluster(name: str = "cooking") -> ClusterResult:
    rng = np.random.default_rng(0)
    number = np.repeat([1, 2, 0], [20, 15, 5])
    documents = pl.DataFrame(
        {
            "cluster": number, "probability": np.ones(40),
            "x": [None, *(rng.normal(size=39) + 6 * number[1:])],
            "y": [None, *rng.normal(size=39)],
        }
    )  # fmt: skip
    found = pl.DataFrame(
        {"cluster": [1, 2], "name": [name, "travel"], "size": [20, 15], "share": [0.5, 0.375]}
    )
    metrics = {"n_clusters": 2, "noise": 0.125}
    return ClusterResult("cluster", found, {}, metrics, documents=documents)


def steer(label: str = "sorry") -> SteerResult:
    def arm(dose: float | None, kind: str, diff: float) -> dict[str, Any]:
        return {
            "arm": f"{kind} {dose}", "kind": kind, "dose": dose, "gauge": diff, "gauge_diff": diff,
            "gauge_low": diff - 0.1, "gauge_high": diff + 0.1, "nll_diff": diff / 2,
        }  # fmt: skip

    rows = [arm(0.0, "base", 0.0), arm(3.0, "dose", 0.2), arm(6.0, "dose", 0.5)]
    empty = pl.DataFrame()
    return SteerResult(
        "steer", table(rows, schema()), {"model": "tiny"}, {}, handles=pl.DataFrame({"label": [label]}),
        controls=table([arm(None, "matched", 0.05)], schema()), texts=empty,
    )  # fmt: skip


def ablate(label: str = "sorry") -> AblateResult:
    rows = [{"arm": f"zero {label}", "metric": "words", "primary": True, "base": 0.9, "change": -0.5,
             "low": -0.7, "high": -0.3}]  # fmt: skip
    controls = [{**rows[0], "arm": "matched 1", "change": 0.05, "low": None, "high": None}]
    features = table([{"feature": 3, "label": label}], FEATURES)
    return AblateResult(
        "ablate", table(rows, TABLE), {"model": "tiny"}, {}, controls=table(controls, TABLE),
        features=features,
    )  # fmt: skip


def bias(label: str = "dose 0") -> BiasResult:
    def arm(name: str, kind: str, diff: float | None) -> dict[str, Any]:
        low, high = (None, None) if diff is None else (diff - 1, diff + 1)
        return {"arm": name, "kind": kind, "measure": "gap", "suite": "all", "value": 6.0, "diff": diff,
                "diff_low": low, "diff_high": high}  # fmt: skip

    return BiasResult(
        "bias", table([arm("unedited", "base", None), arm(label, "dose", -4.0)], BIAS),
        {"subject": {"model": "tiny"}}, {"verdict": "falls"},
        controls=table([arm("m1", "matched", -1.0), arm("m2", "matched", -3.0)], BIAS),
    )  # fmt: skip


def fitted(group: str = "north") -> ShiftResult:
    rows = [{"group": group, "kl_before": 1.5, "kl_after": 0.5}]
    return ShiftResult("shift", table(rows, FITTED), {}, {}, shift=None, features=pl.DataFrame())  # type: ignore[arg-type]


def evaluated(arm: str = "shift") -> ShiftEvaluation:
    rows = [{"arm": arm, "kind": "shift", "questions": 4, "alignment": 0.7, "low": 0.6, "high": 0.8}]
    names = {f.name for f in dataclasses.fields(ShiftEvaluation)} - {"kind", "table", "params", "metrics"}
    empty = {name: pl.DataFrame() for name in names - {"notes", "sources"}}
    return ShiftEvaluation("shift_eval", table(rows, ARMS), {}, {}, **empty)


def attend(model: str = "tiny") -> AttendResult:
    rows = [{"layer": 0, "head": head, "induction": head / 4, "induction_null": 0.1} for head in range(4)]
    return AttendResult(
        "attend", table(rows, HEADS), {"model": model}, {}, tokens=table([], TOKENS),
        patterns=np.zeros((1, 4, 1, 1), np.float32),
    )  # fmt: skip


def why(label: str = "sorry") -> WhyResult:
    rows = [{"finding": "sorry", "feature": 3, "label": label, "gap": 0.5, "necessary": 0.8,
             "necessary_low": 0.6, "necessary_high": 0.9, "sufficient": 0.4}]  # fmt: skip
    return WhyResult("why", table(rows, WHY), {"model": "tiny"}, {})


def attribution(label: str = "sorry") -> AttributionResult:
    rows = [{"prompt": 0, "id": "0", "token": " so", "label": label, "attribution": 0.5, "exact": 0.4},
            {"prompt": 0, "id": "0", "token": " so", "feature": 7, "attribution": -0.9}]  # fmt: skip
    return AttributionResult("attribute", table(rows, ATTRIBUTION), {"metric": "a-b"}, {})


def expression(label: str = "sorry") -> ExpressionResult:
    rows = [{"feature": at, "label": label, "community": at // 2} for at in range(4)]
    examples = table([{"prompt": at, "id": f"e{at}", "community": 0} for at in range(3)], EXAMPLES)
    matrix = np.linspace(-1, 1, 12).reshape(4, 3)
    return ExpressionResult(
        "expression", table(rows, EXPRESSION), {}, {}, examples=examples, expression=matrix
    )


def _grouped(result: Any, leader: int) -> Any:
    return dataclasses.replace(result, table=result.table.with_columns(group=pl.lit(leader)))


def outcome(name: str = "sorry") -> OutcomeResult:
    rows = [{"name": name, "effect": 0.2, "ci_low": 0.1, "ci_high": 0.3, "confirmed": True}]
    return OutcomeResult("diff_outcome", pl.DataFrame(rows), {}, {})


def checked(rule: str = "refusal") -> CheckResult:
    rows = [{"rule": rule, "verdict": "breaks", "change": -0.05, "ci_low": -0.07, "ci_high": -0.03,
             "direction": "fall", "limit": 0.02}]  # fmt: skip
    return CheckResult("check", pl.DataFrame(rows), {}, {})


MADE: dict[str, Callable[..., Any]] = {
    "diff": lambda text="so": make_result(label=text),
    "diff_sets": lambda text="so": _grouped(sets_result(text), 3),
    "correlate": lambda text="so": _grouped(pair_result(text), 0),
    "search": lambda text="so": search_result(3, text), "cluster": cluster, "steer": steer,
    "ablate": ablate, "bias": bias, "shift": fitted, "shift_eval": evaluated, "attend": attend, "why": why,
    "diff_outcome": outcome, "check": checked, "attribute": attribution, "expression": expression,
}  # fmt: skip


def drawn(ax: Any) -> Any:
    """Draw the figure, and see that no text leaves it and no two names of rows overlap."""
    figure = ax.get_figure()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()
    whole = figure.bbox
    texts = [t for t in figure.findobj(mpl.text.Text) if t.get_visible() and t.get_text().strip()]
    assert texts
    ticks = {  # matplotlib has labels beyond the ends of an axis, which it does not draw
        label
        for each in figure.axes
        for axis in (each.xaxis, each.yaxis)
        for label, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=False)
        if not min(axis.get_view_interval()) <= at <= max(axis.get_view_interval())
    }
    for one in texts:
        box = one.get_window_extent()
        if one in ticks or box.width == 0:
            continue
        assert box.x0 >= -1 and box.x1 <= whole.x1 + 1, (one.get_text(), box)
        assert box.y0 >= -1 and box.y1 <= whole.y1 + 1, (one.get_text(), box)
        assert is_safe(one.get_text().replace("\n", " ")), one.get_text()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels() if label.get_text()]
    ordered = sorted(boxes, key=lambda box: box.y0)
    assert all(a.y1 <= b.y0 + 1 for a, b in pairwise(ordered))
    return ax


def names(ax: Any) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def widths(ax: Any) -> list[float]:
    return [bar.get_width() for bar in ax.patches]


def points(ax: Any) -> list[float]:
    return [float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "o"]


def spans(ax: Any) -> list[tuple[float, float]]:
    """Return the ends of intervals: lines along a row."""
    lines = [(line.get_xdata(), line.get_ydata()) for line in ax.lines]
    return [(float(x[0]), float(x[1])) for x, y in lines if len(x) == 2 and y[0] == y[1] and x[0] != x[1]]


def test_every_kind_of_result_has_a_chart_and_each_is_tried_here() -> None:
    assert {kind for analysis in ANALYSES for kind in analysis.kinds} == set(MADE)
    with pytest.raises(InputError, match="no chart"):
        chart_of("odd")


@pytest.mark.parametrize("text", ["so", HOSTILE, MATH, "W" * 300, ""], ids=range(5))
@pytest.mark.parametrize("kind", MADE)
def test_nothing_is_cut_off_whatever_names_are(kind: str, text: str) -> None:
    result = MADE[kind](text) if text else MADE[kind]()
    drawn(result.plot())


@pytest.mark.parametrize("kind", MADE)
def test_a_chart_goes_into_axes_that_are_given(kind: str) -> None:
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2)
    assert MADE[kind]().plot(left) is left and len(right.get_children()) == len(
        plt.figure().add_subplot().get_children()
    )
    assert figure.get_suptitle() == ""


def test_a_diff_is_bars_with_intervals() -> None:
    result = make_result()
    ax = result.plot()
    expected = 100 * result.table["diff"].to_numpy()
    np.testing.assert_allclose(widths(ax), expected)
    np.testing.assert_allclose(
        spans(ax), 100 * result.table.select("ci_low", "ci_high").to_numpy(), atol=1e-9
    )
    assert [bar.get_alpha() for bar in ax.patches] == [0.9] + [0.4] * 5  # the first is confirmed
    assert names(ax) == ["perhaps, might"] * 6
    assert len(widths(result.plot(top=2))) == 2
    found = result.table.with_columns(name=pl.lit("a word"), kind=pl.lit("word")).tail(3)
    ax = dataclasses.replace(result, found=found).plot()
    assert names(ax) == ["a word"] * 3
    np.testing.assert_allclose(widths(ax), expected[3:])
    with pytest.raises(InputError, match="at least one row"):
        result.plot(top=0)


def test_others_are_drawn_by_value() -> None:
    assert widths(MADE["diff_sets"]().plot()) == [40.0] and names(MADE["diff_sets"]().plot()) == ["so: so"]
    assert widths(MADE["correlate"]().plot()) == [0.5] and names(MADE["correlate"]().plot()) == ["so + other"]
    found = search_result(3).plot()
    np.testing.assert_allclose(widths(found), [1, 1 / 2, 1 / 3])
    assert names(found)[0] == "so0: a so b"
    assert points(ablate().plot()) == [-0.5, 0.05] and spans(ablate().plot())[0] == (-0.7, -0.3)
    assert points(bias().plot()) == [-4.0, -2.0] and spans(bias().plot()) == [(-5.0, -3.0), (-3.0, -1.0)]
    assert widths(fitted().plot()) == [0.5] and points(evaluated().plot()) == [0.7]
    assert widths(attend().plot(top=2)) == [0.75, 0.5]
    assert names(attend().plot(top=1)) == ["layer 0, head 3: induction"]
    assert points(why().plot()) == [80.0, 40.0] and spans(why().plot()) == [(60.0, 90.0)]
    pairs = attribution().plot()
    assert widths(pairs) == [-0.9, 0.5] and names(pairs) == ["“so” feature 7", "“so” sorry"]
    assert expression().plot().get_figure().get_suptitle() == "4 features in 3 examples"
    part = expression().plot(top=3)
    assert part.get_figure().get_suptitle() == "the first 3 of 4 features in 3 examples"
    image = part.images[0].get_array()
    np.testing.assert_array_equal(image, np.linspace(-1, 1, 12).reshape(4, 3)[:3])


def test_outcomes_and_limits_are_drawn_by_value() -> None:
    assert widths(outcome().plot()) == [0.2] and spans(outcome().plot()) == [(0.1, 0.3)]
    ax = checked().plot()
    [limit] = {line.get_xdata()[0] for line in ax.lines if line.get_linewidth() == 1.8}
    np.testing.assert_allclose([points(ax)[0], limit, *spans(ax)[0]], [-5, -2, -7, -3])


def test_a_steering_is_a_dose_response() -> None:
    ax = steer().plot()
    curve = next(line for line in ax.lines if line.get_marker() == "o")
    assert list(curve.get_xdata()) == [0, 3, 6] and list(curve.get_ydata()) == [0, 0.2, 0.5]
    control = next(line for line in ax.lines if line.get_marker() == "x")
    assert (control.get_xdata()[0], control.get_ydata()[0]) == (6, 0.05)
    [other] = [each for each in ax.get_figure().axes if each is not ax]
    assert list(other.lines[0].get_ydata()) == [0, 0.1, 0.25]


def test_a_cluster_is_a_map_with_names_that_stay_at_any_resolution() -> None:
    ax = cluster().plot()
    placed = {text.get_text(): text.get_position() for text in ax.texts}
    assert set(placed) == {"cooking", "travel"}
    assert sum(len(points.get_offsets()) for points in ax.collections) == 39  # one has no place
    assert all(text.get_transform() == ax.transAxes for text in ax.texts)
    assert all(0 < x < 1 and 0 < y < 1 for x, y in placed.values())
    assert {text.get_text() for text in cluster().plot(top=1).texts} == {"cooking"}


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saetext.io.extras.installed", lambda module: False)
    with pytest.raises(InputError, match=r"needs matplotlib.*pip install 'saetext\[pictures\]'") as caught:
        make_result().plot()
    assert "\n" not in str(caught.value)


def test_a_dose_without_a_figure_is_a_gap_and_not_a_zero() -> None:
    made = steer()
    none = {"gauge_diff": (0.0, 3.0), "nll_diff": (3.0,)}  # of the unedited arm there is none, or 0
    lost = made.table.with_columns(
        pl.when(pl.col("dose").is_in(doses)).then(None).otherwise(pl.col(name)).alias(name)
        for name, doses in none.items()
    )
    ax = dataclasses.replace(made, table=lost).plot()
    curve = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(curve.get_ydata(), [0, np.nan, 0.5])
    [other] = [each for each in ax.get_figure().axes if each is not ax]
    np.testing.assert_array_equal(other.lines[0].get_ydata(), [0, np.nan, 0.25])


def test_more_sets_than_colours_have_no_legend() -> None:
    def drawn_with(n: int) -> tuple[list[str], str]:
        names = [f"set {at}" for at in range(n)]
        rows = pl.concat([sets_result(name).table for name in names])
        numbers = pl.Series(range(n))
        made = dataclasses.replace(sets_result(), table=rows.with_columns(feature=numbers, group=numbers))
        ax = dataclasses.replace(made, params={"sets": names}).plot()
        figure = ax.get_figure()
        return [t.get_text() for each in figure.legends for t in each.get_texts()], figure.get_suptitle()

    legend, _ = drawn_with(8)
    assert legend == [f"set {at}" for at in range(8)]
    legend, title = drawn_with(9)
    assert legend == [] and "set 3 and 5 more: 9 findings" in title


def test_a_map_is_drawn_on_any_canvas() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    placed = []
    for canvas in (FigureCanvasAgg, FigureCanvasSVG):
        figure = Figure(figsize=(8, 5))
        canvas(figure)
        ax = cluster().plot(figure.add_subplot())
        placed.append({text.get_text(): text.get_position() for text in ax.texts})
    assert placed[0] == placed[1] and len(placed[0]) == 2


def test_a_pair_without_an_attribution_is_an_empty_row() -> None:
    made = attribution()
    ax = dataclasses.replace(made, table=made.table.with_columns(attribution=None)).plot()
    assert widths(ax) == [] and len(names(ax)) == 2


def test_a_long_name_is_cut_with_an_ellipsis() -> None:
    [first, _] = names(why("apologies for what was not done in time, and regret").plot())
    assert first.startswith("3 apologies for what was") and "…, taken out" in first
