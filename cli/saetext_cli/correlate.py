"""``saetext correlate``: which concepts travel together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.analysis.cooccurrence.request import CorrelateRequest
from saetext.io.request import option
from saetext_cli.analysing import finish, write_report, write_table
from saetext_cli.common import colored, encoding, note, require_new, short_names, width
from saetext_cli.declared import expanded
from saetext_cli.making import open_or_encode_all
from saetext_cli.meters import progress_bar
from saetext_cli.options import FileColumns, PageOutput, Running
from saetext_cli.outputs import all_or_none

if TYPE_CHECKING:
    from saetext.analysis.cooccurrence import CorrelateResult


@dataclass(frozen=True, kw_only=True)
class NetworkOutput(PageOutput):
    """Output with the network of pairs, for programs that draw networks."""

    graphml: Path | None = option(
        "Write the network of pairs as GraphML, for Gephi, Cytoscape or networkx.",
        default=None,
        metavar="FILE",
        group="Output",
    )

    @property
    def files(self) -> tuple[Path | None, ...]:
        """The files that will be written."""
        return (*super().files, self.graphml)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "correlate",
        epilog="Examples: saetext correlate answers.corpus --html pairs.html; "
        "saetext correlate prompts.corpus --across answers.corpus --pair-on prompt_id; "
        "saetext correlate answers.corpus --with rating --within prompt_id; "
        'saetext correlate answers.corpus --to "apologising"',
    )(expanded(correlate))


def correlate(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A corpus or a data file.")],
    request: CorrelateRequest,
    columns: FileColumns,
    running: Running,
    output: NetworkOutput,
    across: Annotated[
        Path | None,
        typer.Option("--across", metavar="CORPUS", help="Pair its features with those of a second corpus."),
    ] = None,
) -> None:
    """Rank pairs of concepts that occur together more or less often than chance, redundant pairs left out.

    Counts are compared with those expected among documents of equal length, with the false discovery rate
    controlled over all eligible pairs. A pair is redundant if its labels or directions are similar, or if the
    two are one phrase; such pairs are hidden and counted. A data file given for a corpus is encoded first.
    """
    from saetext.analysis.cooccurrence.run import correlate as compute
    from saetext.report.console.cooccurrence import render_correlate

    _require_one_second(across, request)
    for path in output.files:
        require_new(path)
    paths = [corpus] if across is None else [corpus, across]
    opened: list[Any] = open_or_encode_all(
        paths, device=running.device, dtype=running.dtype, asked=request, **columns.given()
    )
    with progress_bar("reading") as show:
        asked = request.replace(to=_to(request.to), names=tuple(short_names(paths)), on_progress=show)
        found = compute(*opened, **asked.keywords())
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        _write_network(found, output.graphml)
        if output.html is not None:
            labels = request.labels_of(opened[0])
            write_report(found, opened, labels, output.html, running.device, running.dtype, reads=True)
    finish(
        found,
        output,
        lambda: render_correlate(found, width(), colored(), encoding=encoding()),
    )


def _write_network(found: CorrelateResult, path: Path | None) -> None:
    if path is None:
        return
    from saetext.analysis.cooccurrence.graph_file import to_graphml

    to_graphml(found, path)
    note(f"wrote {path}")


def _require_one_second(across: Path | None, request: CorrelateRequest) -> None:
    if across is not None and request.column is not None:
        raise typer.BadParameter("choose one of --across and --with")
    if request.pair_on is not None and across is None:
        raise typer.BadParameter("--pair-on is for two corpora: name the second with --across")


def _to(given: Any) -> str | list[int] | None:
    if not given:
        return None
    if all(value.strip().isascii() and value.strip().isdecimal() for value in given):
        return [int(value) for value in given]
    if len(given) > 1:
        raise typer.BadParameter("--to takes feature numbers, or one description in words")
    return str(given[0])
