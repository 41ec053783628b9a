"""A search as text for a terminal: what was asked, the documents with the words that answer, and why.

Returns strings and prints nothing. Texts and labels are data: they are never parsed as markup, and no control
character of theirs gets through. Not for: files (:mod:`saetext.analysis.export`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.analysis.search import FeatureQuery, SearchResult
from saetext.analysis.search.snippets import Line
from saetext.report.console.lines import COLORS, INDENT, end, finish, make_console, styled
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_REASONS = 3  # features named under a document
_TERMS = 20  # features of a clause listed


def render_search(
    result: SearchResult,
    console_width: int = 100,
    color: bool = False,
    *,
    explain: bool = False,
    encoding: str = "utf-8",
) -> str:
    r"""Return a search as a heading, its documents with snippets and reasons, and notes.

    Parameters
    ----------
    result : SearchResult
        What to show, all of its table.
    console_width : int
        Columns to fill; less than 40 counts as 40 and more than 200 as 200.
    color : bool
        Whether to use terminal colours. Without them words are marked «so».
    explain : bool
        Whether to list the features that were searched by, with their weights.
    encoding : str
        The output's encoding; a character it lacks becomes a plain one.

    Returns
    -------
    str
        Lines that end in ``\n``, none wider than the window.
    """
    console = make_console(console_width, color)
    console.print(_heading(result))
    if explain and result.query is not None:
        _print_query(console, result.query)
    for found in result.findings():
        console.print()
        _print_row(console, found.row, result.lines[found.at], result.params["mode"], color)
    if not len(result):
        console.print()
        console.print(styled("No document matches."))
    return end(console, result.notes, encoding)


def render_query(
    query: FeatureQuery, console_width: int = 100, color: bool = False, *, encoding: str = "utf-8"
) -> str:
    """Return a query's features and weights alone; parameters as of :func:`render_search`."""
    console = make_console(console_width, color)
    _print_query(console, query)
    return finish(console, encoding)


def _heading(result: SearchResult) -> Text:
    params, metrics = result.params, result.metrics
    heading = styled(printable(params["corpus"]), "bold").append(": ")
    if params.get("like"):
        heading.append(f"like {many(len(params['like']), 'example')}")
        if params["unlike"]:
            heading.append(f", unlike {len(params['unlike'])}")
        if metrics.get("auc") is not None:
            heading.append(f" (cross-validated AUC {metrics['auc']:.2f})")
    elif params.get("similar"):
        heading.append("similar to ").append(printable(params["similar"]), "bold")
    elif params.get("literal") is not None:
        heading.append("with ").append(printable(params["literal"]), "bold")
    elif params.get("query"):
        heading.append(printable(params["query"]), "bold")
    else:
        heading.append("by features")
    if "right" in metrics:
        heading.append(f", fitted to {metrics['right']} right and {metrics['wrong']} wrong")
    where = f" with {printable(params['where'])}" if params["where"] else ""
    heading.append(f"; {params['mode']}, {metrics['found']:,} of {metrics['documents']:,} documents{where}")
    if params["group_by"]:
        heading.append(f" (the best of each {printable(params['group_by'])})")
    if len(result) and (params["offset"] or len(result) < metrics["found"]):
        first = params["offset"] + 1
        heading.append(f", {first:,} to {params['offset'] + len(result):,} shown")
    return heading.append(".")


def _print_query(console: Console, query: FeatureQuery) -> None:
    for clause in query.clauses:
        console.print()
        title = styled("unlike " if clause.negated else "", "dim")
        title.append(printable(clause.text) or "features", "bold")
        title.append(f", {many(len(clause.terms), 'feature')}", "dim")
        console.print(title)
        console.print(styled(f"{'weight':>8} {'like':>5} {'read':>5} {'in %':>6} {'no.':>7}  label", "dim"))
        terms = sorted(clause.terms, key=lambda term: (-abs(term.weight), term.feature))
        for term in terms[:_TERMS]:
            like = "" if term.similarity is None else f"{term.similarity:.2f}"
            read = "" if term.read is None else f"{term.read:.2f}"
            share = "" if term.share is None else f"{100 * term.share:.1f}"
            line = styled(f"{term.weight:>+8.3f}", "bold")
            line.append(f" {like:>5} {read:>5} {share:>6} {term.feature:>7}  ", "dim")
            line.append(printable(term.label))
            line.truncate(console.width, overflow="ellipsis")
            console.print(line)
        if len(terms) > _TERMS:
            console.print(styled(f"{' ' * INDENT}and {len(terms) - _TERMS} more", "dim"))


def _print_row(console: Console, row: Mapping[str, Any], line: Line | None, mode: str, color: bool) -> None:
    head = styled(f"{row['rank']:>3}. ", "dim").append(printable(row["id"]), "bold")
    fused_by_rank = mode == "hybrid" and row["part_projected"] is not None
    head.append(f"  {row['score']:.4f}" if fused_by_rank else f"  {row['score']:.3f}")
    told = [
        name
        for name in ("before", "features", "projected", "dense", "bm25")
        if (row[f"part_{name}"] or 0) > 0
    ]
    if told:
        head.append(f"  {' + '.join(told)}", "dim")
    if (row["part_not"] or 0) < 0:
        head.append(f"  less {-row['part_not']:.2f} for what is not wanted", "dim")
    if row["grade"] is not None:
        head.append(f"  grade {row['grade']:.0f}", "dim")
    if row["group_size"] is not None and row["group"] is not None:
        head.append(f"  {printable(row['group'])}, {many(row['group_size'], 'document')}", "dim")
    head.truncate(console.width, overflow="ellipsis")
    console.print(head)
    indent = " " * (INDENT + 3)
    if line is not None:
        shown = styled(indent)
        for text, marked in line.pieces:
            if not marked:
                shown.append(text)
            elif color:
                shown.append(text, f"bold underline {COLORS[0]}")
            else:
                shown.append(f"«{text}»", "bold underline")
        console.print(_hanging(shown, console, indent))
    reasons = [feature for feature in row["features"] if feature["contribution"] > 0][:_REASONS]
    for feature in reasons:
        reason = styled(f"{indent}{feature['contribution']:+.3f} ", "dim")
        reason.append(printable(feature["label"]))
        if feature["word"]:
            reason.append(f"  «{feature['word']}»", "dim")
        reason.truncate(console.width, overflow="ellipsis")
        console.print(reason)


def _hanging(text: Text, console: Console, indent: str) -> Text:
    """Return the text wrapped to the window, every line indented."""
    from rich.text import Text

    body = text[len(indent) :]
    lines = body.wrap(console, max(console.width - len(indent), 20))
    return Text("\n").join(styled(indent).append_text(line) for line in lines)
