"""Correlated pairs as text for a terminal: a heading in words, a table that fits the window, and its notes.

Returns strings and prints nothing. Texts and labels are data: they are never parsed as markup, and no control
character of theirs gets through. Not for: files (:mod:`saetext.analysis.export`) or HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.analysis.base import Finding
from saetext.analysis.cooccurrence import CorrelateResult
from saetext.report.console.lines import (
    COLORS,
    INDENT,
    LABEL,
    end,
    make_console,
    probability,
    score_text,
    styled,
)
from saetext.report.console.marked import print_line
from saetext.report.console.pairs_found import print_pairs_found
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_ALPHA = 0.05
_COMMUNITIES = 8  # communities listed
_NAMES = 5  # concepts of each that are named


def render_correlate(
    result: CorrelateResult,
    console_width: int = 100,
    color: bool = False,
    *,
    encoding: str = "utf-8",
) -> str:
    r"""Return pairs as a heading in words, a table for each kind, communities and notes.

    Parameters
    ----------
    result : CorrelateResult
        What to show, all of its table.
    console_width : int
        Columns to fill; less than 40 counts as 40 and more than 200 as 200.
    color : bool
        Whether to use terminal colours. Without them words are marked «so» (a) and ‹so› (b).
    encoding : str
        The output's encoding; a character it lacks becomes a plain one.

    Returns
    -------
    str
        Lines that end in ``\n``, none wider than the window.
    """
    console = make_console(console_width, color)
    number = result.params["column"] is not None and "rho_length" in result.metrics
    if print_pairs_found(console, result, color):
        console.print(styled("Pairs of features", "bold"))
    console.print(_heading(result, number))
    findings = result.grouped()
    kinds = [("", findings)]
    if not number:
        kinds = [
            ("more often together than chance", [one for one in findings if one.row["npmi"] >= 0]),
            ("less often together than chance", [one for one in findings if one.row["npmi"] < 0]),
        ]
    for title, chosen in kinds:
        if chosen:
            console.print()
            _print_rows(console, result, title, chosen, color, number)
    if findings:
        _print_legend(console, [one.row for one in findings], number)
    _print_communities(console, result.communities)
    return end(console, result.notes, encoding)


def _heading(result: CorrelateResult, number: bool) -> Text:
    metrics, params = result.metrics, result.params
    heading = styled(f"{printable(params['corpus'])}", "bold")
    if params["across"]:
        heading.append(" (a) across ").append(printable(params["across"]), "bold").append(" (b)")
    if params["column"]:
        heading.append(" with ").append(printable(params["column"]), "bold")
    what = "pairs of documents" if params["across"] else "documents"
    heading.append(f", {metrics['rows']:,} {what}. ")
    noun = "feature" if number else "pair"
    heading.append(f"{metrics['significant']:,}", "bold")
    within = f" and within {printable(params['within'])}" if params["within"] else ""
    fdr = "Benjamini-Yekutieli" if params["fdr"] == "by" else "Benjamini-Hochberg"
    how = "correlate with it" if number else "occur together more or less often than chance"
    heading.append(
        f" of {many(metrics['eligible_pairs'], f'eligible {noun}')} {how} among documents of equal length"
        f"{within} (q < .05, {fdr})"
    )
    hidden = metrics["hidden_pairs"]
    looked = metrics["looked_at"]
    if not number and metrics["significant"] > looked:
        heading.append(f"; the {looked:,} strongest were examined")
    heading.append(f". {metrics['confirmed']:,}", "bold")
    kind = f"non-trivial {noun}" if hidden else noun
    plural = "" if metrics["confirmed"] == 1 else "s"
    heading.append(f" {kind}{plural} replicated on the held-out half (✓)")
    if hidden:
        why = ", ".join(f"{key} {n:,}" for key, n in metrics["hidden"].items())
        verb = "shown, though expected" if params["everything"] else "hidden as expected (--all shows them)"
        heading.append(f"; {verb}: {hidden:,} ({why})")
    heading.append(".")
    return heading


def _print_rows(
    console: Console,
    result: CorrelateResult,
    title: str,
    findings: Sequence[Finding],
    color: bool,
    number: bool,
) -> None:
    width = console.width
    interval, raw, index = width >= 84, width >= 70, width >= 100
    measure = "rho" if number else "npmi"

    def line(label: Text, cells: Sequence[tuple[str, str]]) -> None:
        numbers = styled("")
        for cell, style in cells:
            numbers.append(" ").append(cell, style)
        room = min(width - len(numbers), LABEL)
        label.truncate(room, overflow="ellipsis", pad=True)
        console.print(label.append_text(numbers))

    header = [(f"{measure.upper() if not number else 'rho':>6}", "dim")]
    header += [("    95 % interval", "dim")] * interval
    header += [("   raw", "dim")] * raw
    header += [("   lift", "dim"), ("     ab", "dim")] if not number else [("      a", "dim")]
    header += [("     q", "dim")]
    header += [("  features", "dim")] * index
    header += [(" ", "")]
    line(styled(title or "label", "dim"), header)
    for position, one in enumerate(findings):
        row = one.row
        found = row["q"] < _ALPHA or row["confirmed"]
        before = findings[position - 1].row if position else None
        if not found and (before is None or before["q"] < _ALPHA or before["confirmed"]):
            console.print(styled("── not significant (q ≥ .05) ".ljust(width, "─"), "dim"))
        style = "bold" if found else ""
        cells = [(f"{row[measure]:+6.2f}", style)]
        if interval:
            low, high = row[f"{measure}_low"], row[f"{measure}_high"]
            told = "" if low is None else f"[{low:+.2f}, {high:+.2f}]"
            cells.append((f"{told:>17}", ""))
        if raw:
            cells.append((f"{row[f'{measure}_raw']:+6.2f}", "dim"))
        if number:
            cells.append((f"{row['n_a']:>7,}", ""))
        else:
            lift = row["lift_adjusted"]
            cells.append((f"{_times(lift):>7}", ""))
            cells.append((f"{row['n_ab']:>7,}", ""))
        cells.append((f"{probability(row['q']):>6}", "" if found else "dim"))
        if index:
            second = "" if row["feature_b"] is None else f" {row['feature_b']}"
            cells.append((f"{row['feature_a']}{second}".rjust(10), "dim"))
        cells.append(("✓" if row["confirmed"] else " ", "green"))
        first = styled("a ", COLORS[0]).append(printable(row["name_a"]), style)
        first.append(_score(row, "a"), "dim")
        line(first, cells)
        if not number:
            second_line = styled("b ", COLORS[1]).append(printable(row["name_b"]), style)
            second_line.append(_score(row, "b"), "dim")
            told = f"  n {row['n_a']:,} and {row['n_b']:,}; {_percent(row['p_b_given_a'])} of a have b"
            second_line.append(told, "dim")
            if row["hidden"]:
                second_line.append(f"  ({printable(row['hidden'])})", "yellow")
            second_line.truncate(width, overflow="ellipsis")
            console.print(second_line)
        if row["reversed"]:
            pooled = row[f"{measure}_pooled"]
            within = printable(str(result.params["within"]))
            console.print(styled(f"  ⇄ {pooled:+.2f} without {within}: opposite sign", "yellow"))
        _print_members(console, one.members)
        if one.at in result.lines:
            print_line(console, result.lines[one.at], color)


def _score(row: Mapping[str, Any], side: str) -> str:
    """Return the score of a label, where the label is what is shown."""
    shown = row[f"name_{side}"] == row[f"label_{side}"]
    return score_text(row[f"label_score_{side}"]) if shown else ""


def _times(lift: float | None) -> str:
    if lift is None:
        return "–"
    return f"{lift:,.0f}x" if lift >= 9.95 else f"{lift:.1f}x" if lift >= 0.995 else f"{lift:.2f}x"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _print_members(console: Console, members: Sequence[Mapping[str, Any]]) -> None:
    if not members:
        return
    text = styled(" " * INDENT + f"{many(len(members), 'more pair')} of these concepts: ", "dim")
    named = (f"{printable(m['name_a'])} + {printable(m['name_b'])}" for m in members[:4])
    text.append("; ".join(named), "dim")
    text.truncate(console.width, overflow="ellipsis")
    console.print(text)


def _print_legend(console: Console, rows: Sequence[Mapping[str, Any]], number: bool) -> None:
    told = ["raw: not adjusted for length"]
    if not number:
        told.append("lift: times as often as by chance")
    if any(row["confirmed"] for row in rows):
        told.append("✓ confirmed")
    if any(row["reversed"] for row in rows):
        told.append("⇄ opposite sign without the column")
    console.print(styled("; ".join(told), "dim"))


def _print_communities(console: Console, communities: Sequence[Sequence[str]]) -> None:
    if not communities:
        return
    console.print()
    console.print(styled("communities of concepts that occur together:", "dim"))
    for community in communities[:_COMMUNITIES]:
        listed = "; ".join(printable(name) for name in community[:_NAMES])
        rest = f" and {len(community) - _NAMES} more" if len(community) > _NAMES else ""
        text = styled(f"{' ' * INDENT}{len(community):>3}  ", "dim").append(listed)
        room = console.width - len(rest)
        text.truncate(room, overflow="ellipsis")
        console.print(text.append(rest, "dim"))
