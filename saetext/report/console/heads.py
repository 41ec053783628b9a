"""Attention heads as text for a terminal: the best heads of each score, beside their controls.

Returns strings and prints nothing. Tokens are data: they are never parsed as markup. Not for: patterns, which
need a page (:mod:`saetext.report.html.heads_page`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.intervene.heads.result import SCORES
from saetext.report.console.lines import end, make_console, styled
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.intervene.heads.result import AttendResult

#: What each score is, in words.
ABOUT = {
    "previous_token": "attention to the token before",
    "duplicate_token": "attention to the same token's last occurrence",
    "induction": "attention to the token after the same token's last occurrence",
    "name_mover": "attention to the name that comes next x what the head adds to its logit",
}


def render_heads(
    result: AttendResult, console_width: int = 100, color: bool = False, *, encoding: str = "utf-8"
) -> str:
    r"""Return the heads with most of each score over its control.

    Parameters
    ----------
    result : AttendResult
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
    for line in heading(result):
        console.print(styled(printable(line)))
    for score, name in SCORES.items():
        rows = result.best(score, result.params["top"]).to_dicts()
        if not rows:
            continue
        console.print()
        console.print(styled(name, "bold").append(f": {ABOUT[score]}", "dim"))
        if (level := uniform_of(result, score)) is not None:
            console.print(styled(level, "dim"))
        console.print(styled(f"{'head':<8}{'score':>7}{'control':>9}", "dim"))
        for row in rows:
            console.print(styled(f"{named(row):<8}{figure(row[score]):>7}{figure(row[f'{score}_null']):>9}"))
    if result.notes:
        console.print()
    return end(console, result.notes, encoding)


def heading(result: AttendResult) -> list[str]:
    """Return what was looked at, and by what heads are scored."""
    m = result.metrics
    size = f"{many(m['layers'] * m['heads'], 'head')} in {many(m['layers'], 'layer')}"
    lines = [
        f"{result.params['model']}: {size}, {many(m['tokens'], 'token')} of text.",
        f"Scored on {m['probes']} sequences of {m['period']} random tokens that come twice; control: the "
        "same where they do not.",
    ]
    if m["sentences"]:
        lines.append(
            f"Name movers on {m['sentences']} sentences with two names; control: a name that does not stand "
            f"there. The model prefers the right one of the two after {100 * m['names_right']:.0f} % of them."
        )
    return lines


def named(row: Mapping[str, Any]) -> str:
    """Return a head as it is called: layer and number."""
    return f"{row['layer']}.{row['head']}"


def figure(value: float) -> str:
    """Return a score with two digits, without a minus before zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def uniform_of(result: AttendResult, score: str) -> str | None:
    """Return what a head scores that attends to all tokens so far alike; None where that is no figure."""
    level = result.metrics["uniform"].get(score)
    return None if level is None else f"even attention: {level:.2f}"
