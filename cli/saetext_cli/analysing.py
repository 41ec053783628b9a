"""What the analyses (diff, correlate, cluster, search) share: where the result goes.

Not for: options and messages of every command (:mod:`saetext_cli.common`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext_cli.common import colored, note, result
from saetext_cli.meters import progress_bar
from saetext_cli.rereading import reader_of

if TYPE_CHECKING:
    from saetext.analysis.base import Result
    from saetext_cli.options import Printed


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


def finish(found: Result, output: Printed, text: Callable[[], str]) -> None:
    """Print the result: for programs, with its notes for the person at the terminal, or as ``text``."""
    if not output.for_programs:
        result(text(), colours=colored())
        return
    for line in found.notes:
        note(f"note: {line}")
    print_data(found, output)


def print_data(found: Result, output: Printed) -> None:
    """Print the result for programs, as JSON or as CSV."""
    if output.as_json:
        result(found.to_json())
    else:
        from saetext.io.csv_text import BOM

        first = BOM if output.csv_bom else ""
        result(found.to_csv(raw=output.raw_csv), raw=output.raw_csv, first=first)
