"""An ablation as text for a terminal: what was taken out, each metric by arm, and texts side by side.

Returns strings and prints nothing. Not for: files (:mod:`saetext.intervene.texts_file`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import (
    end,
    figure,
    heads,
    make_console,
    no_room,
    probability,
    side_by_side,
    styled,
    that_fit,
)
from saetext.report.console.second_reader import seen_lines
from saetext.report.console.side_by_side import print_line, print_prompts
from saetext.text.one_line import many, one_line
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from saetext.intervene.ablation.result import AblateResult

# columns of arms, and those that go first where the window has no room
_WIDTHS = {
    "arm": 24, "mean": 7, "change": 7, "95 % interval": 18, "p": 5, "controls p": 10, "variance": 8,
    "its p": 5,
}  # fmt: skip
_ASIDE = ("variance", "its p")
_LEAST = ("its p", "variance", "95 % interval", "mean", "controls p", "p", "change")
_ARM = _WIDTHS["arm"]
_FEATURES = 10  # shown by name
_KINDS = ("base", "ablated")  # whose texts are shown

Row = Mapping[str, Any]


def render_ablation(
    result: AblateResult, console_width: int = 100, color: bool = False, *, encoding: str = "utf-8"
) -> str:
    r"""Return an ablation as a heading, a table for each metric, texts of the first prompts, and verdicts.

    Parameters
    ----------
    result : AblateResult
        What to show.
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
    _print_heading(console, result)
    for metric in metrics_of(result):
        console.print()
        _print_metric(console, result, metric)
    if told := no_room(that_fit(_WIDTHS, console.width, _LEAST)[1], _WIDTHS):
        console.print(styled(told, "dim"))
    for title, lines in seen_of(result):
        console.print()
        print_line(console, styled(printable(title), "dim"))
        for line in lines:
            console.print(styled(printable(line)))
    print_prompts(console, result.texts, _KINDS)
    console.print()
    for verdict in verdicts(result):
        console.print(styled(printable(verdict), "bold"))
    return end(console, result.notes, encoding)


def heading(result: AblateResult) -> str:
    """Return in one sentence what was taken out of what."""
    told, m = result.params, result.metrics
    taken = "one at a time" if told["each"] else "together"
    features = many(result.features.height, "feature")
    features += f" taken out {taken}" if result.features.height > 1 else " taken out"
    return (
        f"{told['model']}, {told['hook']}: {features} ({', '.join(told['mode'])}; positions "
        f"{told['positions']}), {many(m['topics'], 'topic')}, {many(m['prompts'], 'prompt')}, "
        f"{many(m['arms'], 'arm')}, {many(m['texts'], 'text')}."
    )


def feature_line(row: Row) -> str:
    """Return one feature that was taken out, with how active it is where it is."""
    label = f" ({row['label']})" if row["label"] else ""
    score = "" if row["score"] is None else f", score {row['score']:.3g}"
    return (
        f"feature {row['feature']}{label}: active at {row['active']:.1%} of the tokens, mean "
        f"{row['activation']:.3g}, largest {row['largest']:.3g}{score}"
    ).replace("% of", " % of")


def metrics_of(result: AblateResult) -> list[str]:
    """Return the metrics, the primary one first."""
    every = result.table["metric"].unique(maintain_order=True).to_list()
    first = result.metrics["primary"]
    return [first, *(metric for metric in every if metric != first)]


def matched_line(rows: Sequence[Row]) -> str:
    """Return what the matched features of one ablated arm change, from the least to the most."""
    changes = sorted(row["change"] for row in rows if row["change"] is not None)
    if not changes:
        return ""
    middle = changes[len(changes) // 2]
    return f"{changes[0]:+.3g} to {changes[-1]:+.3g}, middle {middle:+.3g}"


def verdicts(result: AblateResult) -> list[str]:
    """Return what is said of each ablated arm's primary metric; nothing of fewer than 8 topics."""
    lines = []
    for row in result.table.to_dicts():
        if row["primary"] and row["verdict"] is not None:
            against = "" if row["control_p"] is None else f", against controls p {row['control_p']:.2f}"
            q = "" if row["q"] is None else f", q {probability(row['q'])}"
            lines.append(
                f"{row['arm']}: {row['verdict']}: {row['metric']} {row['change']:+.3g} "
                f"(p {probability(row['p'])}{against}{q})"
            )
    return lines


def seen_of(result: AblateResult) -> list[tuple[str, list[str]]]:
    """Return what a second reader sees in each ablated arm, as a title and lines; nothing without one."""
    found, reader = result.seen, result.metrics["gauge_reader"]
    if found is None:
        return []
    arms = result.table["arm"].unique(maintain_order=True).to_list()
    return [(seen_title(reader, arm), seen_lines(found.filter(found["arm"] == arm))) for arm in arms]


def seen_title(reader: str, arm: str) -> str:
    """Return by what reader which texts were compared."""
    return f"what a second reader ({reader}) sees in {arm} against unedited"


def _print_heading(console: Console, result: AblateResult) -> None:
    console.print(styled(printable(heading(result)), "bold"))
    for row in result.features.head(_FEATURES).to_dicts():
        console.print(styled(printable(feature_line(row))))
    if result.features.height > _FEATURES:
        console.print(styled(f"and {many(result.features.height - _FEATURES, 'feature')} more", "dim"))


def _print_metric(console: Console, result: AblateResult, metric: str) -> None:
    own = [row for row in result.table.to_dicts() if row["metric"] == metric]
    others = [row for row in result.controls.to_dicts() if row["metric"] == metric]
    title = f"{printable(metric)}{' (primary)' if own[0]['primary'] else ''}"
    kept, _ = that_fit(_WIDTHS, console.width, _LEAST)
    print_line(console, heads(kept, _WIDTHS, one_line(title, _ARM)))
    base = own[0]
    unedited = dict.fromkeys(kept, "") | {"arm": "unedited", "mean": figure(base["base"], ".3g")}
    unedited["variance"] = figure(base["base_variance"], ".3g")
    print_line(console, side_by_side({name: unedited[name] for name in kept}, _WIDTHS, "", _ASIDE))
    for row in own:
        print_line(console, _figures(row, kept, "bold"))
        matched = [other for other in others if other["kind"] == "matched" and other["of"] == row["arm"]]
        if matched and (told := matched_line(matched)):
            name = f"  {many(len(matched), 'matched set')}"
            print_line(console, styled(f"{name:<{_ARM}} {'':>7} {told}", "dim"))
    for row in others:
        if row["kind"] != "matched":
            print_line(console, _figures(row, kept, ""))


def _figures(row: Row, kept: Sequence[str], style: str) -> Text:
    cells = {
        "arm": one_line(printable(row["arm"]), _ARM),
        "mean": figure(row["mean"], ".3g"),
        "change": figure(row["change"], "+.3g"),
        "95 % interval": "" if row["low"] is None else f"[{row['low']:+.3g}, {row['high']:+.3g}]",
        "p": _p(row["p"]),
        "controls p": figure(row["control_p"], ".2f"),
        "variance": figure(row["variance_change"], "+.3g"),
        "its p": _p(row["variance_p"]),
    }
    return side_by_side({name: cells[name] for name in kept}, _WIDTHS, style, _ASIDE)


def _p(value: float | None) -> str:
    return "" if value is None else probability(value)
