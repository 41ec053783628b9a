"""Attributions as text for a terminal: the strongest pairs, what was verified, and notes.

Returns strings and prints nothing. Texts and labels are data: they are never parsed as markup. Not for: files
or pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import end, make_console, styled
from saetext.text.one_line import many, one_line
from saetext.text.passages import piece_shown, printable

if TYPE_CHECKING:
    from rich.table import Table

    from saetext.intervene.attribution.result import AttributionResult

_AROUND = 5  # tokens before the one that is marked
_WIDE = 76  # columns from which a table has labels


def render_attribution(
    result: AttributionResult, console_width: int = 100, color: bool = False, *, encoding: str = "utf-8"
) -> str:
    r"""Return the strongest pairs of a feature and a position as a heading in words, a table, and notes.

    Parameters
    ----------
    result : AttributionResult
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
    console.print(styled(_heading(result)))
    if len(result):
        console.print()
        console.print(_table(result, console.width))
    console.print()
    console.print(styled(_verified(result)))
    return end(console, result.notes, encoding)


def _heading(result: AttributionResult) -> str:
    m, p = result.metrics, result.params
    whole = (
        f"{printable(str(p['metric']))} at {printable(str(p['at']))}: mean {m['metric_mean']:.3f} over "
        f"{many(m['prompts'], 'prompt')}. {many(m['pairs'], 'active pair')} of a feature and a position; "
        f"their attributions sum to {m['features_mean']:+.3f} a prompt, "
        f"the SAE's error to {m['error_mean']:+.3f}."
    )
    if m["gap"] is not None:
        whole += f" The shares miss {m['gap']:.2%} of the change.".replace("%", " %")
    return whole


def _table(result: AttributionResult, room: int) -> Table:
    from rich.table import Table

    shares = result.table["share"].null_count() < len(result)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    names = ["feature", "label", "where", "activation", "attribution", "exact"]
    names += ["share"] if shares else []
    if room < _WIDE:
        names = [name for name in names if name not in ("label", "activation", "share")]
    for name in names:
        table.add_column(name, justify="left" if name in ("label", "where") else "right", no_wrap=True)
    # texts give way, numbers do not
    numbers = [name for name in names if name not in ("label", "where")]
    texts = room - sum(max(len(name), 7) + 2 for name in numbers) - 4
    label = texts * 2 // 5 if "label" in names else 0
    tokens = _tokens(result)
    for row in result.table.to_dicts():
        cells = {
            "feature": str(row["feature"]),
            "label": one_line(printable(row["label"] or ""), label or 1),
            "where": _where(tokens, row, texts - label),
            "activation": f"{row['activation']:.2f}",
            "attribution": f"{row['attribution']:+.3f}",
            "exact": f"{row['exact']:+.3f}",
            "share": "" if row["share"] is None else f"{row['share']:.1%}".replace("%", " %"),
        }
        table.add_row(*(styled(cells[name]) for name in names))
    return table


def _tokens(result: AttributionResult) -> dict[tuple[int, int], str]:
    wanted = result.tokens.filter(result.tokens["prompt"].is_in(result.table["prompt"].unique().to_list()))
    return {(row["prompt"], row["position"]): row["token"] for row in wanted.to_dicts()}


def _where(tokens: dict[tuple[int, int], str], row: dict[str, Any], most: int) -> str:
    """Return the prompt's id and the token in what stands before it, in at most so many columns."""
    token = one_line(piece_shown(row["token"] or ""), most // 2)
    name = one_line(printable(row["id"]), most // 3)
    before = range(max(0, row["position"] - _AROUND), row["position"])
    text = printable("".join(tokens.get((row["prompt"], at), "") for at in before))
    left = max(most - len(name) - len(token) - 4, 0)
    return f"{name}: {text[len(text) - left :] if left < len(text) else text}«{token}»"


def _verified(result: AttributionResult) -> str:
    m = result.metrics
    told = f"Each of these was ablated exactly{_r(m['top_r'])}."
    if m["checked"]:
        told += (
            f" Of the {m['others']:,} others, {m['checked']:,} were ablated{_r(m['checks_r'])}: the largest "
            f"effect was {m['largest_other']:.3f}, and {m['others_above']:,} reached the weakest shown (at "
            f"most {m['others_above_most']:.1%} of the others, 95 % confidence)."
        ).replace("% of", " % of")
    return told


def _r(value: float | None) -> str:
    return "" if value is None else f" (r {value:.2f} with the attributions)"
