"""A diff as text for a terminal: a heading in words, a table that fits the window, and its notes.

Returns strings and prints nothing. Texts and labels are data: they are never parsed as markup, and no control
character of theirs gets through. Not for: files (:mod:`saetext.analysis.export`) or HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.analysis.base import Finding
from saetext.analysis.differences import ALPHA, DiffResult, Family
from saetext.analysis.differences.result import Evidence
from saetext.analysis.differences.sentences import tested
from saetext.report.console.causes import render_why
from saetext.report.console.causes_below import Causes
from saetext.report.console.found import print_found, print_sentences
from saetext.report.console.found_of_several import print_found_of_several
from saetext.report.console.lines import (
    COLORS,
    INDENT,
    LABEL,
    bar,
    finish,
    make_console,
    probability,
    score_text,
    styled,
)
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from saetext.intervene.causes.result import WhyResult

_TWO_SNIPPETS = 130  # columns from which the snippets of both sides share a line
_TERMS = 6  # words or formats shown of each side
_MARKS = {"yes": "L", "unclear": "?"}
_HOW = {
    "independent": "Fisher's exact test",
    "paired": "McNemar's exact test",
    "by prompt": "Cochran-Mantel-Haenszel test",
    "by group": "permutation of groups",
}
_AGAINST = {
    "union": "rate in all others together",
    "mean": "mean of the others' rates",
    "max": "largest of the others' rates",
}
_SHADES = " ░▒▓█"


def render_diff(
    result: DiffResult,
    console_width: int = 100,
    color: bool = False,
    *,
    top: int | None = None,
    why: WhyResult | None = None,
    encoding: str = "utf-8",
) -> str:
    r"""Return a diff as a heading in words, a table and its notes.

    Two sets have a line of numbers for each finding, more have a heat map of rates in which ``*`` marks the
    sets that stand out from all others.
    Members of a concept group are named below the feature that leads it. Differences that are explained by
    length are marked ``L``, those where length cannot be told apart ``?``, confirmed ones ``✓``.

    Parameters
    ----------
    result : DiffResult
        What to show; all findings of its table unless ``top`` says fewer.
    console_width : int
        Columns to fill; less than 40 counts as 40 and more than 200 as 200.
    color : bool
        Whether to use terminal colours. Without them the word at the peak is marked «so».
    top : int, optional
        Findings to show.
    why : WhyResult, optional
        What drives the findings of two sets: verdicts stand under each, and the rest under the diff.
    encoding : str
        The output's encoding; a character it lacks becomes a plain one, so bars are ``#`` in ASCII.

    Returns
    -------
    str
        Lines that end in ``\n``, none wider than the window.
    """
    console = make_console(console_width, color)
    findings, causes = result.grouped()[:top], Causes(why)
    console.print(_heading_of_several(result) if result.several else _heading(result))
    if result.found is not None:
        console.print()
        print_sentences(console, result)
        if result.found.height and result.several:
            console.print()
            print_found_of_several(console, result.found.to_dicts(), result.names, _shown(result, top), color)
        elif result.found.height and _shown(result, top):
            console.print()
            print_found(console, result.found.head(_shown(result, top)).to_dicts(), color, causes)
    elif findings:
        console.print()
        if result.several:
            _print_heat(console, result, [found.row for found in findings], color)
        else:
            _print_rows(console, result, findings, color, causes)
    for hypothesis in result.hypotheses:
        console.print()
        _print_hypothesis(console, result, hypothesis)
    _print_families(console, result.families, named=result.found is None)
    _print_notes(console, result.notes)
    text = finish(console, encoding)
    if why is None:
        return text
    return f"{text}\n{render_why(why, console_width, color, told=causes.told, encoding=encoding)}"


def _shown(result: DiffResult, top: int | None) -> int:
    """Return how many findings are shown: those asked for here, else when the sets were compared."""
    asked = [limit for limit in (top, result.params["top"]) if limit is not None]
    return min([result.metrics["found"], *asked])


def _heading_of_several(result: DiffResult) -> Text:
    metrics, params = result.metrics, result.params
    heading = styled(f"{len(result.names)} sets, each compared with all others together")
    heading.append(f" ({', '.join(f'{printable(n)} {c:,}' for n, c in metrics['documents'].items())}). ")
    if result.found is not None:
        heading.append(f"{metrics['found']:,}", "bold")
        heading.append(
            f" differences of a set from all others (q < .05, {_HOW[params['design']]}, Benjamini-Hochberg), "
            f"each under the simplest description that carries it. Tested: {tested(result)}."
        )
        return heading
    heading.append(f"{metrics['confirmed']:,}", "bold")
    heading.append(
        f" differences of {many(metrics['tested'], 'feature')} x {len(result.names)} sets are confirmed on "
        f"the held-out half; {metrics['significant']:,} have q < .05 on all data "
        f"({_HOW[params['design']]}, Benjamini-Hochberg). Ranked by the rate minus the "
        f"{_AGAINST[params['against']]}."
    )
    return heading


def _heading(result: DiffResult) -> Text:
    metrics, params = result.metrics, result.params
    heading = styled("")
    for side, name, link in zip("ab", result.names, (" against ", ""), strict=True):
        heading.append(side.upper(), f"bold {COLORS['ab'.index(side)]}")
        heading.append(f" {printable(name)}", "bold")
        heading.append(f" ({many(metrics[f'documents_{side}'], 'document')}){link}")
    column = printable(str(params["pair_on"] or params["group"]))
    heading.append(
        {
            "independent": ", not paired.\n",
            "paired": f", as {many(metrics['pairs'] or 0, 'pair')} on {column}.\n",
            "by prompt": f", within {many(metrics['units'] or 0, 'value')} of {column}.\n",
            "by group": f", as {many(metrics['units'] or 0, 'group')} of {column}.\n",
        }[params["design"]]
    )
    if result.found is not None:
        heading.append(f"{metrics['found']:,}", "bold")
        heading.append(
            f" differences (q < .05, {_HOW[params['design']]}, Benjamini-Hochberg), each under the simplest "
            f"description that carries it. Tested: {tested(result)}."
        )
        return heading
    heading.append(f"{metrics['confirmed']:,}", "bold")
    heading.append(
        f" of {many(metrics['tested'], 'feature')} tested differ on one half of the data and again on the "
        f"held-out half (✓); {metrics['significant']:,} have q < .05 on all data, "
        f"{many(metrics['findings'], 'finding')} ({_HOW[params['design']]}, Benjamini-Hochberg). "
    )
    rare = metrics["features"] - metrics["tested"]
    least = many(params["min_support"], "document")
    heading.append(f"Not tested: {many(rare, 'feature')} in fewer than {least}.")
    return heading


def _print_rows(
    console: Console,
    result: DiffResult,
    findings: Sequence[Finding],
    color: bool,
    causes: Causes,
) -> None:
    """Print each finding as a line of numbers with the label, its group, snippets and cause below."""
    rows = [found.row for found in findings]
    width = console.width
    arm = 4 if width < 80 else 7 if width < _TWO_SNIPPETS else 12
    scale = max(abs(row["diff"]) for row in rows) or 1.0
    equal, index, interval = width >= 70, width >= 90, width >= 115

    def line(label: str, label_style: str, cells: Sequence[tuple[str, str]], score: str = "") -> None:
        numbers = styled("")
        for cell, style in cells:
            numbers.append(" ").append(cell, style)
        room = min(width - len(numbers), LABEL)
        text = styled(label, label_style)
        text.truncate(room - len(score), overflow="ellipsis")
        text.append(score, "dim")
        text.truncate(room, pad=True)
        console.print(text.append_text(numbers))

    header = [(f"{'B':>{arm}}│{'A':<{arm}}", "dim"), ("A − B", "dim")]
    header += [("   95 % interval", "dim")] * interval
    header += [("=length", "dim")] * equal
    header += [("  A %", COLORS[0]), ("  B %", COLORS[1]), ("     q", "dim")]
    header += [("feature", "dim")] * index + [(" ", "")]
    line("label", "dim", header)
    for position, row in enumerate(rows):
        significant = row["q"] < ALPHA or row["confirmed"]
        before = rows[position - 1] if position else None
        if not significant and (before is None or before["q"] < ALPHA or before["confirmed"]):
            console.print(styled("── not significant (q ≥ .05) ".ljust(width, "─"), "dim"))
        explained = significant and row["explained_by_length"] == "yes"
        if explained and position and before is not None and before["explained_by_length"] != "yes":
            console.print(styled("── explained by length ".ljust(width, "─"), "dim"))
        style = COLORS[row["diff"] < 0] if significant else "dim"
        cells = [(bar(row["diff"] / scale, arm), style), (f"{100 * row['diff']:+5.1f}", style)]
        if interval:
            limits = f"[{100 * row['ci_low']:+.1f}, {100 * row['ci_high']:+.1f}]"
            cells.append((f"{limits:>16}", ""))
        if equal:
            mark = _MARKS.get(row["explained_by_length"], " ")
            cells.append((f"{100 * row['adjusted_diff']:+6.1f}{mark}", "yellow" if mark != " " else ""))
        cells += [(f"{100 * row[key]:5.1f}", "") for key in ("rate_a", "rate_b")]
        cells.append((f"{probability(row['q']):>6}", "" if significant else "dim"))
        if index:
            cells.append((f"{row['feature']:>7}", "dim"))
        cells.append(("✓" if row["confirmed"] else " ", "green"))
        label = printable(row["label"])
        line(label, "bold" if significant else "", cells, score_text(row.get("label_score")))
        _print_members(console, findings[position].members)
        _print_snippets(console, result.evidence.get(row["feature"], (None, None)), color)
        causes.print(console, row)
    flags = {row["explained_by_length"] for row in rows}
    told = ["=length: difference between documents of equal length"] if equal else []
    told += ["L explained by length"] if equal and "yes" in flags else []
    told += ["? cannot tell"] if equal and "unclear" in flags else []
    told += ["✓ confirmed"] if any(row["confirmed"] for row in rows) else []
    if told:
        console.print(styled("; ".join(told), "dim"))


def _print_members(console: Console, members: Sequence[Mapping[str, Any]]) -> None:
    if not members:
        return
    text = styled(" " * INDENT + f"{many(len(members), 'more feature')} of this concept: ", "dim")
    text.append("; ".join(printable(m["label"]) for m in members[:8]), "dim")
    text.truncate(console.width, overflow="ellipsis")
    console.print(text)


def _print_snippets(console: Console, examples: Evidence, color: bool) -> None:
    if examples == (None, None):
        return
    share = console.width >= _TWO_SNIPPETS
    room = (console.width - INDENT) // 2 if share else console.width - INDENT
    sides = []
    for side, example, style in zip("AB", examples, COLORS, strict=True):
        text = styled(f"{side} ", style)
        if example is None:
            text.append("–", "dim")
        else:
            shown = example.snippet.fit(room - len("A «» "))
            text.append(shown.before)
            text.append(shown.match if color else f"«{shown.match}»", f"bold underline {style}")
            text.append(shown.after)
        text.truncate(room - 1, overflow="ellipsis", pad=share)
        sides.append(text)
    if share:
        console.print(styled(" " * INDENT).append_text(sides[0]).append(" ").append_text(sides[1]))
        return
    for text in sides:
        console.print(styled(" " * INDENT).append_text(text))


def _print_hypothesis(console: Console, result: DiffResult, hypothesis: Any) -> None:
    a, b = result.names
    text = styled("Hypothesis ", "dim").append(printable(hypothesis.text), "bold")
    verdict = "holds" if hypothesis.verified else "does not hold"
    text.append(
        f"\n  {verdict} on unseen documents: {100 * hypothesis.rate_a:.0f} % of {hypothesis.n_a} in "
        f"{printable(a)}, {100 * hypothesis.rate_b:.0f} % of {hypothesis.n_b} in {printable(b)} "
        f"({100 * hypothesis.diff:+.0f} [{100 * hypothesis.ci_low:+.0f}, {100 * hypothesis.ci_high:+.0f}], "
        f"q {probability(hypothesis.q)}; {hypothesis.failures} not judged)"
    )
    console.print(text)


def _print_families(console: Console, families: Sequence[Family], *, named: bool) -> None:
    """Print how much each family finds and, if asked, which terms differ most."""
    if not families:
        return
    console.print()
    separated = any(family.auc is not None for family in families)
    header = "variables          tested   q < .05  confirmed"
    console.print(styled(header + "  AUC on unseen documents" * separated, "dim"))
    for family in families:
        auc = "–" if family.auc is None else f"{family.auc:.3f}".lstrip("0")
        console.print(
            styled(f"{family.name:<15} {family.tested:>9,} {family.significant:>9,} ").append(
                f"{family.confirmed:>10,}" + f"  {auc}" * separated
            )
        )
    for family in families:
        if family.table is None or not named:
            continue
        rows = [r for r in family.table.to_dicts() if r["confirmed"] or r["q"] < ALPHA]
        for side, sign in (("A", 1), ("B", -1)):
            terms = [f"{r['term']} {100 * r['diff']:+.0f}" for r in rows if r["diff"] * sign > 0][:_TERMS]
            if terms:
                text = styled(f"{family.name} more often in {side}: ", "dim").append(", ".join(terms))
                text.truncate(console.width, overflow="ellipsis")
                console.print(text)


def _print_heat(console: Console, result: DiffResult, rows: Sequence[Mapping[str, Any]], color: bool) -> None:
    width = console.width
    names = result.names
    rates = result.rates_by_feature()
    cell = max(5, min(12, (width // 2) // max(len(names), 1) - 1))
    room = max(16, width - (cell + 1) * len(names) - 2)
    header = styled("label".ljust(room), "dim")
    for name in names:
        shown = printable(name)
        header.append(" ").append(
            f"{shown if len(shown) <= cell else shown[: cell - 1] + '…':>{cell}}", "dim"
        )
    header.truncate(width, overflow="ellipsis")
    console.print(header)
    seen: dict[int, dict[str, str]] = {}
    for row in rows:
        mark = _MARKS.get(row["explained_by_length"], "*")
        seen.setdefault(row["feature"], {})[row["set"]] = mark
    for feature, stand_out in seen.items():
        first = next(r for r in rows if r["feature"] == feature)
        text = styled(printable(first["label"]), "bold" if first["confirmed"] else "")
        text.truncate(room, overflow="ellipsis", pad=True)
        for name, rate in zip(names, rates[feature], strict=True):
            mark = stand_out.get(name, " ")
            shade = "" if color else _SHADES[min(int(rate * 5), 4)]
            shown = f"{shade}{100 * rate:.0f}{mark}"
            style = f"on grey{int(15 + 55 * rate)}" if color else ""
            text.append(" ").append(f"{shown:>{cell}}", style)
        text.truncate(width, overflow="ellipsis")
        console.print(text)
        if first["snippet"]:
            line = styled(" " * INDENT + f"{printable(first['set'])}: ", "dim").append(first["snippet"])
            line.truncate(width, overflow="ellipsis")
            console.print(line)
    told = ["percent of documents; * differs from the other sets"]
    marks = {mark for of_set in seen.values() for mark in of_set.values()}
    told += ["L differs, explained by length"] if "L" in marks else []
    told += ["? differs, and the data cannot tell whether length explains it"] if "?" in marks else []
    console.print(styled("; ".join(told), "dim"))


def _print_notes(console: Console, notes: Sequence[str]) -> None:
    for note in notes:
        console.print()
        console.print(styled(f"Note: {printable(note)}", "italic"))
