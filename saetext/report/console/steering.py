"""A steering as text for a terminal: what was turned, the arms in figures, and their texts side by side.

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
from saetext.report.console.side_by_side import print_line as _line
from saetext.report.console.side_by_side import print_prompts
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console
    from rich.text import Text

    from saetext.intervene.result import SteerResult

_MOVED = 4  # features of a shift that are named
# columns of arms, and those that go first where the window has no room
_WIDTHS = {
    "arm": 26, "length": 6, "effect": 7, "difference": 18, "p": 6, "nll": 6, "repeats": 7, "changed": 7,
}  # fmt: skip
_ASIDE = ("nll", "repeats", "changed")
_LEAST = ("changed", "repeats", "length", "p", "difference", "nll", "effect")
_KINDS = ("base", "dose", "instruction")  # whose texts are shown


def render_steer(
    result: SteerResult, console_width: int = 100, color: bool = False, *, encoding: str = "utf-8"
) -> str:
    r"""Return a steering as a heading, a table of arms and controls, and texts of the first prompts.

    Parameters
    ----------
    result : SteerResult
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
    console.print()
    kept, gone = that_fit(_WIDTHS, console.width, _LEAST)
    _line(console, heads(kept, _WIDTHS))
    for row in result.table.to_dicts():
        _line(console, _figures(row, kept))
    if result.controls.height:
        _line(console, styled("controls, as far from the unedited texts", "dim"))
        for row in result.controls.to_dicts():
            _line(console, _figures(row, kept))
    if told := no_room(gone, _WIDTHS):
        console.print(styled(told, "dim"))
    for title, lines in (("words that set arms apart", words_lines(result)), _seen_lines(result)):
        if lines:
            console.print()
            _line(console, styled(printable(title), "dim"))
            for line in lines:
                console.print(styled(printable(line)))
    print_prompts(console, result.texts, _KINDS)
    console.print()
    if (said := verdict(result.metrics)) is not None:
        console.print(styled(said, "bold"))
    return end(console, result.notes, encoding)


def heading(result: SteerResult) -> list[str]:
    """Return what was turned, a line each handle, and by what effects are measured."""
    op = result.params["op"]
    lines = []
    for handle in result.handles.to_dicts():
        if result.moved is not None:
            lines += _of_shift(handle, result.moved)
            continue
        name = "direction" if handle["feature"] is None else f"feature {handle['feature']}"
        length = "" if handle["length"] is None else f", {handle['length']:.2f} x the median residual norm"
        dose = "" if op == "scale" else f"; dose 1 is {handle['coefficient']:+.4g} raw{length}"
        lines.append(
            f"{name} ({handle['label']}): {op} at strength {handle['strength']:+g}{dose}; "
            f"strength 1 is {handle['unit']:.4g} ({handle['unit_source']})"
        )
        if handle["promotes"]:
            lines.append(f"{name} promotes {', '.join(handle['promotes'])}{_score(handle['output_score'])}")
    if (considered := result.candidates) is not None and considered.height:
        lines.append(f"considered for {result.params['concept']!r}: " + "; ".join(_candidates(considered)))
    if words := result.metrics["gauge_words"]:
        lines.append(f"effect: share of words among {', '.join(words)}")
    if result.tried is not None:
        lines.append(tuning(result.tried, result.params["nll_within"]))
    return lines


def _of_shift(handle: Mapping[str, Any], moved: pl.DataFrame) -> list[str]:
    """Return how far a shift goes, and the features that it moves furthest."""
    told = f": dose 1 is {handle['length'] or 0:.2f} x the median residual norm ({handle['unit_source']})"
    lines = [handle["label"] + (told if handle["length"] is not None else "")]
    if moved.height:
        most = [
            f"{row['feature']} {row['label'] or ''}".rstrip() + f" {row['delta']:+.3g}"
            for row in moved.head(_MOVED).to_dicts()
        ]
        lines.append(f"moves most: {'; '.join(most)}")
    return lines


def tuning(tried: pl.DataFrame, nll_within: float) -> str:
    """Return what was tried on the half of the prompts that is not reported."""
    told = [
        f"{row['dose']:g} (effect {row['gauge_diff']:+.3f}, nll {row['nll_diff']:+.2f})"
        for row in tried.to_dicts()
    ]
    chosen = tried.filter("chosen")["dose"][0]
    return (
        f"dose {chosen:g} was chosen on the other half of the prompts, the most effect with nll up by at "
        f"most {nll_within:g}; tried: {', '.join(told)}"
    )


def words_lines(result: SteerResult) -> list[str]:
    """Return for doses and the instruction the words that set their texts apart, where there are any."""
    found = result.words
    if found is None or not found.height:
        return []
    shown = [
        row["arm"] for row in (*result.table.to_dicts(), *result.controls.to_dicts()) if row["kind"] in _KINDS
    ]
    lines = []
    for arm in shown:
        own = [row for row in found.to_dicts() if row["arm"] == arm]
        more, less = ([r["word"] for r in own if (r["z"] > 0) is up] for up in (True, False))
        parts = [f"{name} {', '.join(some)}" for name, some in (("more", more), ("less", less)) if some]
        if parts:
            lines.append(f"{arm}: {'; '.join(parts)}")
    return lines


def _seen_lines(result: SteerResult) -> tuple[str, list[str]]:
    """Return what a second reader sees, as a title and lines."""
    title = seen_title(result)
    return ("", []) if title is None or result.seen is None else (title, seen_lines(result.seen))


def seen_title(result: SteerResult) -> str | None:
    """Return by what reader which texts were compared; None where none was asked."""
    reader = result.metrics["gauge_reader"]
    if reader is None:
        return None
    return f"what a second reader ({reader}) sees at dose {result.metrics['strongest']:g} against unedited"


def _score(score: float | None) -> str:
    return "" if score is None else f"; output score {score:.2f} (.5 is chance; 1: its own words first)"


def _candidates(considered: pl.DataFrame) -> list[str]:
    return [
        f"{row['feature']} {row['label']} (similarity {row['similarity']:.2f}, output score "
        f"{'unknown' if row['output_score'] is None else format(row['output_score'], '.2f')})"
        for row in considered.to_dicts()
    ]


def verdict(metrics: Mapping[str, Any]) -> str | None:
    """Return what is said of dose and controls, None where nothing is."""
    if metrics["verdict"] is None:
        return None
    controls = "" if metrics["control_p"] is None else f", against controls p {metrics['control_p']:.2f}"
    course = "no dose above 0 raises it"
    if metrics["saturates"] is not None:
        course = f"nine tenths of the rise at dose {metrics['saturates']:g}, peak at {metrics['peak']:g}"
    back = ", falls after it" if metrics["overshoots"] else ""
    return (
        f"{metrics['verdict']}: dose-response tau {metrics['tau']:+.2f} "
        f"(p {probability(metrics['dose_p'])}){controls}; {course}{back}"
    )


def _print_heading(console: Console, result: SteerResult) -> None:
    told, metrics = result.params, result.metrics
    arms = result.table.height + result.controls.height
    title = styled(printable(str(told["model"])), "bold").append(f", {told['hook']}: ")
    title.append(f"{many(metrics['prompts'], 'prompt')}, {many(arms, 'arm')}, ")
    title.append(many(metrics["texts"], "text"))
    console.print(title.append("."))
    for line in heading(result):
        console.print(styled(printable(line)))


def _figures(row: Mapping[str, Any], kept: Sequence[str]) -> Text:
    interval = "" if row["gauge_low"] is None else f"[{row['gauge_low']:+.3f}, {row['gauge_high']:+.3f}]"
    if row["gauge_diff"] is not None and not interval:
        interval = f"{row['gauge_diff']:+.3f}"
    cells = {
        "arm": printable(row["arm"])[: _WIDTHS["arm"]],
        "length": figure(row["length"], ".2f"),
        "effect": figure(row["gauge"], ".3f"),
        "difference": interval,
        "p": "" if row["gauge_p"] is None else probability(row["gauge_p"]),
        "nll": figure(row["nll"], ".2f"),
        "repeats": figure(row["repetition"], ".2f"),
        "changed": f"{100 * row['changed']:.0f} %",
    }
    bold = "bold" if row["kind"] in ("base", "dose") else ""
    return side_by_side({name: cells[name] for name in kept}, _WIDTHS, bold, _ASIDE)
