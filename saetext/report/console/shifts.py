"""A fitted or evaluated shift as text: what moved, and how close answers come beside what.

Not for: computing it (:mod:`saetext.intervene.shifts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import (
    LABEL,
    end,
    heads,
    make_console,
    no_room,
    probability,
    side_by_side,
    styled,
    that_fit,
)
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console
    from rich.text import Text

    from saetext.analysis.base import Result
    from saetext.intervene.shifts.result import ShiftEvaluation, ShiftResult

_GROUP = 18
# columns of ways to answer, and those that go first where the window has no room
_WIDTHS = {
    "answers of": 24, "alignment": 9, "its 95 %": 14, "gain": 6, "95 %": 16, "p": 6, "TV": 5, "JS": 5,
    "length": 6, "neutral": 7, "nll": 6,
}  # fmt: skip
_ASIDE = ("TV", "JS", "length", "neutral", "nll")
_LEAST = ("its 95 %", "TV", "JS", "nll", "neutral", "length", "95 %", "p", "alignment")
_FEATURES = 6  # of each group
_WIDE = 10  # groups beyond which the table of groups by groups goes to the JSON and the page alone


def render_shift(result: Result, console_width: int, color: bool, *, encoding: str = "utf-8") -> str:
    r"""Return the report as text.

    Parameters
    ----------
    result : ShiftResult or ShiftEvaluation
    console_width : int
        Columns to fill; less than 40 counts as 40 and more than 200 as 200.
    color : bool
        Whether to use terminal colours.
    encoding : str
        The output's encoding; a character it lacks becomes a plain one.

    Returns
    -------
    str
        Lines that end in ``\n``, none wider than the window.
    """
    console = make_console(console_width, color)
    draw: Any = _fitted if result.kind == "shift" else _evaluated
    draw(console, result)
    return end(console, result.notes, encoding)


def heading(result: Result) -> str:
    """Return what was fitted or evaluated, in one sentence."""
    told, metrics = result.params["subject"], result.metrics
    lead = f"{told['model']}, {told['hook']}: {many(metrics['groups'], 'group')}, "
    if result.kind == "shift":
        fitted, aside, held = (metrics[key] for key in ("fitted_on", "set_aside", "held_out"))
        return (
            f"{lead}{many(fitted, 'question')} fitted on, {aside:,} set aside to stop by, {held:,} held out."
        )
    return f"{lead}{many(metrics['questions'], 'question')} that the shift was not fitted on."


def asides(metrics: Mapping[str, Any]) -> str:
    """Return what stands beside the options."""
    return (
        f"none of the letters has {metrics['elsewhere']:.0%} of the unedited model's probability; refusals "
        f"are {metrics['refused']:.1%} of the groups' answers"
    )


def diagonal_told(metrics: Mapping[str, Any]) -> str:
    """Return what the table of groups by groups says."""
    return (
        f"own shift {metrics['diagonal']:.3f}, others' {metrics['off_diagonal']:.3f}; the own is best for "
        f"{metrics['best_of_own']} of {many(metrics['groups'], 'group')}; names permuted: "
        f"p {probability(metrics['diagonal_p'])} (at least {probability(metrics['diagonal_least_p'])})"
    )


def _fitted(console: Console, result: ShiftResult) -> None:
    console.print(styled(printable(heading(result)), "bold"))
    console.print(styled(asides(result.metrics)))
    console.print()
    head = (
        f"{'features':>8} {'length':>6} {'KL before':>9} {'after':>6} {'steps':>5} {'heat':>6} {'overlap':>7}"
    )
    _line(console, styled(f"{'group':<{_GROUP}} {head}", "dim"))
    for row in result.table.to_dicts():
        line = styled(f"{_cut(row['group'], _GROUP):<{_GROUP}}", "bold")
        line.append(
            f" {row['features']:>8,} {row['length']:>6.2f} {row['kl_before']:>9.3f} {row['kl_after']:>6.3f} "
            f"{row['steps']:>5} {row['temperature']:>6.2f} {_number(row['overlap'], '.2f'):>7}"
        )
        _line(console, line)
    _print_features(console, result.features)


def _evaluated(console: Console, result: ShiftEvaluation) -> None:
    console.print(styled(printable(heading(result)), "bold"))
    console.print(styled(result.metrics["verdict"], "bold"))
    console.print(styled(asides(result.metrics)))
    console.print()
    kept, gone = that_fit(_WIDTHS, console.width, _LEAST)
    _line(console, heads(kept, _WIDTHS))
    for row in result.table.to_dicts():
        _line(console, _figures(row, kept))
    if told := no_room(gone, _WIDTHS):
        console.print(styled(told, "dim"))
    console.print()
    console.print(styled(diagonal_told(result.metrics), "bold"))
    if result.metrics["groups"] <= _WIDE:
        _print_across(console, result.across)
    _print_features(console, result.features)


def _figures(row: Mapping[str, Any], kept: Sequence[str]) -> Text:
    gained = "" if row["diff_low"] is None else f"[{row['diff_low']:+.3f}, {row['diff_high']:+.3f}]"
    cells = {
        "answers of": _cut(row["arm"], _WIDTHS["answers of"]),
        "alignment": f"{row['alignment']:.3f}",
        "its 95 %": "" if row["low"] is None else f"[{row['low']:.3f}, {row['high']:.3f}]",
        "gain": _number(row["diff"], "+.3f"),
        "95 %": gained,
        "p": "" if row["p"] is None else probability(row["p"]),
        "TV": f"{row['tv']:.3f}",
        "JS": f"{row['js']:.3f}",
        "length": _number(row["length"], ".2f"),
        "neutral": _number(row["neutral_kl"], ".3f"),
        "nll": _number(row["nll_diff"], "+.2f"),
    }
    bold = "bold" if row["kind"] == "shift" else ""
    return side_by_side({name: cells[name] for name in kept}, _WIDTHS, bold, _ASIDE)


def _print_across(console: Console, across: pl.DataFrame) -> None:
    groups = across["group"].unique(maintain_order=True).to_list()
    wide = max(7, (console.width - _GROUP - 2) // len(groups) - 1)
    shown = [_cut(group, wide) for group in groups]
    _line(console, styled(f"{'shift of, answers of':<{_GROUP}} ", "dim").append(_cells(shown, wide)))
    for own in groups:
        line = styled(f"{_cut(own, _GROUP):<{_GROUP}} ")
        for row in across.to_dicts():
            if row["shift"] == own:
                style = "bold" if row["group"] == own else "dim"
                line.append(f"{row['alignment']:>{wide}.3f} ", style)
        _line(console, line)


def _cells(values: Sequence[str], wide: int) -> str:
    return "".join(f"{value:>{wide}} " for value in values)


def _print_features(console: Console, features: pl.DataFrame) -> None:
    for group in features["group"].unique(maintain_order=True).to_list():
        own = [row for row in features.to_dicts() if row["group"] == group]
        console.print()
        _line(console, styled(f"{printable(group)} moves {many(len(own), 'feature')}", "bold"))
        for row in own[:_FEATURES]:
            repeats = "" if row["repeats"] is None else f", in {row['repeats']:.0%} of fits"
            label = "no label" if row["label"] is None else _cut(row["label"], LABEL)
            _line(console, styled(f"  {row['delta']:>+8.2f}  {row['feature']:>6}  {label}{repeats}"))
        if len(own) > _FEATURES:
            _line(console, styled(f"  and {len(own) - _FEATURES:,} more", "dim"))


def _cut(text: str, most: int) -> str:
    shown = printable(" ".join(text.split()))
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _line(console: Console, line: Text) -> None:
    line.truncate(console.width, overflow="ellipsis")
    console.print(line)
