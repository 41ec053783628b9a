"""What the analyses (diff, correlate, cluster, search) share: which documents, and where the result goes.

Not for: options and messages of every command (:mod:`saetext_cli.common`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.errors import InputError
from saetext_cli.common import note, result
from saetext_cli.meters import progress_bar
from saetext_cli.rereading import reader_of

if TYPE_CHECKING:
    from saetext.analysis.base import Result

Where = Annotated[
    str | None,
    typer.Option("--where", metavar="EXPR", help="Only these documents, e.g. \"topic = 'travel'\"."),
]
Sample = Annotated[
    int | None, typer.Option("--sample", help="At most so many documents, drawn with --seed.", min=2)
]
Group = Annotated[
    str | None,
    typer.Option("--group", metavar="COLUMN", help="Rows of one value are not independent (a user's)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
TableFile = Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="Write the table too.")]
ReportFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a report, one self-contained page.")
]


def require_one_format(as_json: bool, as_csv: bool) -> None:
    """Refuse --json together with --csv."""
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")


def selected(corpus: Any, where: str | None, path: Path) -> Any:
    """Return the documents of a corpus that ``where`` allows; an error if there are none."""
    if where is None:
        return corpus
    view = corpus.select(where)
    if not len(view):
        raise InputError(f"no document of {path} has {where}")
    return view


def write_table(found: Result, path: Path | None) -> None:
    """Write the table, if a file is named, and say so."""
    if path is not None:
        found.to_parquet(path)
        note(f"wrote {path}")


def write_report(
    found: Any, opened: Sequence[Any], labels: Any, path: Path | None, device: str, dtype: str, *, reads: bool
) -> None:
    """Write the page, if a file is named, and say so; examples are read again where ``reads`` says."""
    if path is None:
        return
    from saetext.report.html.pages import write_page

    reader = reader_of(opened[0], device, dtype) if reads else None
    with progress_bar("reading the examples") as show:
        write_page(found, path, list(opened), labels=labels, reader=reader, on_progress=show)
    note(f"wrote {path}")


def finish(found: Result, as_json: bool, as_csv: bool, text: Callable[[], str]) -> None:
    """Print the result: for programs, with its notes for the person at the terminal, or as ``text``."""
    if as_json or as_csv:
        for line in found.notes:
            note(f"note: {line}")
    result(found.to_json() if as_json else found.to_csv() if as_csv else text())
