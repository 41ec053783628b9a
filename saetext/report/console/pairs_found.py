"""The list of what goes together, as lines for a terminal. Not for: the table of pairs of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.analysis.cooccurrence import CorrelateResult
from saetext.report.console.lines import COLORS, INDENT, probability, styled
from saetext.report.console.marked import print_line
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_NAMED = 3  # members named
_TOLD = {"the same words": "same word", "one phrase": "one passage"}


def print_pairs_found(console: Console, result: CorrelateResult, color: bool) -> bool:
    """Print the first findings of the list; return whether there is a list."""
    if result.found is None or not result.metrics["described_pairs"]:
        return False
    top = result.params["top"]
    rows = (result.found if top is None else result.found.head(top)).to_dicts()
    console.print(_heading(result))
    if rows:
        console.print()
        _header(console)
    for at, row in enumerate(rows):
        _print_row(console, row)
        if at in result.found_lines:
            print_line(console, result.found_lines[at], color)
        _print_members(console, row)
    if rows:
        told = ["lift: times as often as by chance among documents of about equal length"]
        told += ["✓ held on the other half of the documents"] * any(row["confirmed"] for row in rows)
        console.print(styled("; ".join(told), "dim"))
    more = result.found.height - len(rows)
    if more > 0:
        console.print(styled(f"{many(more, 'more finding')}: --top 0 shows all", "dim"))
    console.print()
    return True


def _heading(result: CorrelateResult) -> Text:
    metrics = result.metrics
    heading = styled(printable(result.params["corpus"]), "bold")
    few = metrics["described_documents"]
    sampled = f", of which {few:,} are looked at for this list" if few < metrics["rows"] else ""
    heading.append(f", {many(metrics['rows'], 'document')}{sampled}. ")
    heading.append(f"{metrics['found']:,}", "bold")
    heading.append(
        f" finding{'' if metrics['found'] == 1 else 's'} in {many(metrics['described_pairs'], 'pair')} of "
        "words, format, properties and themes that occur together more often than chance; "
    )
    heading.append(f"{metrics['found_confirmed']:,}", "bold").append(" replicated on the held-out half (✓)")
    if hidden := metrics["described_hidden"]:
        why = ", ".join(f"{_TOLD.get(key, key)} {n:,}" for key, n in hidden.items())
        heading.append(f"; not listed, as they say one thing twice: {sum(hidden.values()):,} ({why})")
    return heading.append(".")


def _header(console: Console) -> None:
    cells = f"{'NPMI':>6} {'lift':>6} {'ab':>6} {'q':>6}  "
    room = console.width - len(cells)
    console.print(styled("more often together than chance"[:room].ljust(room) + cells, "dim"))


def _print_row(console: Console, row: Mapping[str, Any]) -> None:
    lift = f"{row['lift_adjusted']:.1f}x" if row["lift_adjusted"] is not None else "–"
    cells = f"{row['npmi']:+6.2f} {lift:>6} {row['n_ab']:>6,} {probability(row['q']):>6} "
    room = console.width - len(cells) - 1
    name = styled(printable(row["name_a"]), f"bold {COLORS[0]}")
    name.append(" + ").append(printable(row["name_b"]), f"bold {COLORS[1]}")
    name.truncate(room, overflow="ellipsis", pad=True)
    console.print(name.append(cells).append("✓" if row["confirmed"] else " ", "green"))
    share = f"{100 * row['p_b_given_a']:.0f} % of the {row['n_a']:,} with a have b ({row['n_b']:,} in all)"
    told = f"{' ' * INDENT}{share}" + (f"; within {printable(row['topic'])}" if row["topic"] else "")
    second = styled(told, "dim")
    second.truncate(console.width, overflow="ellipsis")
    console.print(second)


def _print_members(console: Console, row: Mapping[str, Any]) -> None:
    members: Sequence[str] = row["members"]
    if not members:
        return
    text = styled(" " * INDENT + "also: " + "; ".join(map(printable, members[:_NAMED])), "dim")
    more = row["n_members"] - _NAMED
    text.append(f"; {more:,} more" if more > 0 else "", "dim")
    text.truncate(console.width, overflow="ellipsis")
    console.print(text)
