"""What goes with an outcome, as text for a terminal: sentences, a line a finding, and notes.

Texts and names are data: they are never parsed as markup. Not for: HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.analysis.differences.outcome.result import OutcomeResult
from saetext.analysis.differences.outcome.sentences import amount, sentences, tested
from saetext.report.console.found import marked, print_line, print_members, print_words
from saetext.report.console.lines import COLORS, INDENT, bar, finish, make_console, probability, styled
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_WIDE = 130
_KIND = 9
_MARKS = {"unclear": "?"}


def render_outcome(
    result: OutcomeResult,
    console_width: int = 100,
    color: bool = False,
    *,
    top: int | None = None,
    encoding: str = "utf-8",
) -> str:
    """Return what goes with an outcome as a heading, sentences, a table and its notes.

    Parameters are those of :func:`saetext.report.console.differences.render_diff`.
    """
    console = make_console(console_width, color)
    console.print(heading(result))
    console.print()
    for sentence in sentences(result):
        console.print(styled(sentence))
    rows = result.table.to_dicts()[:top]
    if rows:
        console.print()
        _print_rows(console, result, rows, color)
    _print_families(console, result)
    for note in result.notes:
        console.print()
        console.print(styled(f"Note: {printable(note)}", "italic"))
    return finish(console, encoding)


def heading(result: OutcomeResult) -> Text:
    """Return what the outcome is, of how many documents, and how it was looked at."""
    metrics, params = result.metrics, result.params
    text = styled("Outcome ").append(printable(result.outcome), "bold")
    text.append(f" of {many(metrics['compared'], 'answer' if result.pairs else 'document')}")
    if result.binary and not result.pairs:
        text.append(f" ({100 * metrics['mean']:.0f} % of them)")
    elif not result.pairs:
        text.append(f" (mean {metrics['mean']:.3g}, standard deviation {metrics['spread']:.3g})")
    if metrics["missing"]:
        text.append(f", {metrics['missing']:,} without one left out")
    column = printable(str(params["pair_on"] or params["group"]))
    if result.pairs and params["pair_on"] == "id":
        text.append(f", two in each of {many(metrics['units'], 'row')}")
        text.append(f", of which {metrics['units_varying']:,} have a winner")
    elif params["pair_on"] is not None:
        varying = metrics["units_varying"]
        text.append(
            f", within {many(metrics['units'], 'value')} of {column}, of which {varying:,} "
            f"{'differs' if varying == 1 else 'differ'} in it"
        )
    elif params["group"] is not None:
        text.append(f", {many(metrics['units'], 'value')} of {column}")
    text.append(".\n").append(f"{metrics['found']:,}", "bold")
    goes = "finding goes" if metrics["found"] == 1 else "findings go"
    text.append(
        f" {goes} with it at equal length (q < .05, least squares, intervals robust to alike documents, "
        "Benjamini-Hochberg), "
        f"each under the simplest description that carries it. Tested: {tested(result)}."
    )
    return text


def _print_rows(
    console: Console, result: OutcomeResult, rows: Sequence[Mapping[str, Any]], color: bool
) -> None:
    width = console.width
    arm = 4 if width < 80 else 6 if width < _WIDE else 12
    scale = max(abs(row["effect"]) for row in rows) or 1.0
    kind, interval, before = width >= 70, width >= 78, width >= 96
    limits = [_limits(result, row) for row in rows]
    wide = max(len("95 % interval"), *map(len, limits))
    number = max(len("effect"), *(len(amount(result, row[k])) for row in rows for k in ("effect", "raw")))
    header = [(f"{'kind':<{_KIND}}", "dim")] * kind
    header += [(f"{'less':>{arm}}│{'more':<{arm}}", "dim"), (f"{'effect':>{number}}", "dim")]
    header += [(f"{'95 % interval':>{wide}}", "dim")] * interval
    header += [(" ", ""), (f"{'raw':>{number}}", "dim")] if before else [(" ", "")]
    print_line(console, "finding", "dim", [*header, (" have", "dim"), ("     q", "dim"), (" ", "")])
    for row, limit in zip(rows, limits, strict=True):
        style = COLORS[row["effect"] < 0]
        cells = [(f"{row['kind']:<{_KIND}}", "dim")] * kind
        cells += [
            (bar(row["effect"] / scale, arm), style),
            (f"{amount(result, row['effect']):>{number}}", style),
        ]
        cells += [(f"{limit:>{wide}}", "")] * interval
        cells.append((_MARKS.get(row["length"], " "), "yellow"))
        cells += [(f"{amount(result, row['raw']):>{number}}", "dim")] * before
        cells += [(f"{100 * row['rate']:3.0f} %", ""), (f"{probability(row['q']):>6}", "")]
        cells.append(("✓" if row["confirmed"] else " ", "green"))
        print_line(console, printable(row["name"]), "bold", cells)
        print_words(console, row)
        _print_examples(console, row, color)
        print_members(console, row)
    console.print(styled("; ".join(_legend(result, rows, before=before)), "dim"))


def _limits(result: OutcomeResult, row: Mapping[str, Any]) -> str:
    return f"[{amount(result, row['ci_low'])}, {amount(result, row['ci_high'])}]"


def _legend(result: OutcomeResult, rows: Sequence[Mapping[str, Any]], *, before: bool) -> list[str]:
    unit = "percentage points" if result.binary else f"units of {printable(result.params['outcome'])}"
    told = [f"effect: {unit} more where a document has it"]
    told += ["raw: the plain difference, before adjusting"] if before else []
    told += ["+ an example with more of the outcome, − with less"]
    told += ["✓ held on the other half"] if any(row["confirmed"] for row in rows) else []
    told += (
        ["? length may explain it, the data cannot tell"]
        if any(r["length"] == "unclear" for r in rows)
        else []
    )
    return told


def _print_examples(console: Console, row: Mapping[str, Any], color: bool) -> None:
    up = row["effect"] >= 0
    for key, more in (("snippet", up), ("snippet_without", not up)):
        if not row[key]:
            continue
        style = COLORS[not more]
        text = styled(" " * INDENT).append("+ " if more else "− ", style)
        text.append_text(marked(row[key], style, color))
        text.truncate(console.width, overflow="ellipsis")
        console.print(text)


def _print_families(console: Console, result: OutcomeResult) -> None:
    console.print()
    console.print(styled("variables          tested   q < .05  confirmed", "dim"))
    for one in result.families:
        console.print(styled(f"{one.name:<15} {one.tested:>9,} {one.significant:>9,} {one.confirmed:>10,}"))
