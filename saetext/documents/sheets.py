"""Workbooks of Excel and LibreOffice: one sheet is a table whose first row, below titles, has the names.

calamine reads them, by way of ``fastexcel``. Not for: CSV (``delimited``).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from saetext.documents.columnar import BatchReader
from saetext.documents.dialect import HEAD_ROWS, rows_around
from saetext.documents.reading import display_name, shorten
from saetext.errors import InputError
from saetext.io.extras import require
from saetext.io.opener import require_regular

SUFFIXES: Final = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
_MOST_FILE: Final = 1 << 30
#: A sheet is held in memory as a whole: what its archive may unpack to.
_MOST_UNPACKED: Final = 4 << 30
#: The days that a workbook's time of day, a share of a day, becomes with a date.
_NO_DATES: Final = (datetime(1899, 12, 30), datetime(1900, 1, 1))
_TIME: Final = r"^1899-12-3[01] (\d\d:\d\d:\d\d(\.\d+)?)$"


class SheetReader(BatchReader):
    """One sheet of a workbook, in memory.

    Parameters
    ----------
    path : Path
    sheet : str or None
        Its name; None takes the only one that has rows.

    Raises
    ------
    InputError
        If the file is no workbook, is too large, has no such sheet, or several with rows and none is named.
    """

    format = "sheet"

    def __init__(self, path: Path, sheet: str | None = None) -> None:
        super().__init__(display_name(path))
        require("fastexcel", "files", f"reading {self.name}", error=InputError)
        self.size_bytes = require_regular(path, _MOST_FILE).st_size
        self._require_bounded(path)
        import fastexcel

        try:
            book = fastexcel.read_excel(path)
            name, table, told = self._chosen(book, sheet)
        except (fastexcel.FastExcelError, pa.lib.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{self.name} cannot be read as a workbook: {_told(error)}") from error
        self._table = table
        if len(book.sheet_names) > 1:
            self.notices = (f"sheet {name!r} of {len(book.sheet_names)}",)
        self.notices += tuple(told)
        self._describe(table.schema, table.num_rows)

    def _require_bounded(self, path: Path) -> None:
        if not zipfile.is_zipfile(path):
            return  # .xls, which is not packed, or no workbook
        try:
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(info.file_size for info in archive.infolist())
        except (zipfile.BadZipFile, ValueError, OSError) as error:
            raise InputError(f"{self.name} cannot be read as a workbook: {shorten(str(error))}") from error
        if unpacked > _MOST_UNPACKED:
            raise InputError(f"{self.name} unpacks to {unpacked / 2**30:,.0f} GiB: save its sheet as CSV")

    def _chosen(self, book: Any, sheet: str | None) -> tuple[str, pa.Table, list[str]]:
        names = list(book.sheet_names)
        if sheet is not None:
            if sheet not in names:
                raise InputError(f"{self.name} has no sheet {sheet!r} ({_listed(names)})")
            return sheet, *_table(book, sheet)
        filled = [(name, *found) for name in names if (found := _table(book, name))[0].num_rows]
        if not filled:
            raise InputError(f"{self.name} has no rows")
        if len(filled) > 1:
            raise InputError(
                f"{self.name} has several sheets with rows ({_listed([name for name, *_ in filled])}): "
                f"name one with --records {filled[0][0]!r}"
            )
        return filled[0]

    def _batches(self, stack: ExitStack, columns: list[str]) -> Iterator[pa.RecordBatch]:
        yield from self._table.select(columns).to_batches()


def _told(error: Exception) -> str:
    return shorten(str(error).partition("\nContext:")[0].removeprefix("calamine error: "))


def _listed(names: list[str]) -> str:
    return ", ".join(shorten(name, 40) for name in names[:8]) + (" ..." if len(names) > 8 else "")


def _table(book: Any, sheet: str) -> tuple[pa.Table, list[str]]:
    """Return a sheet, and what is left out of it for people.

    Whole numbers are integers, for a sheet knows only one kind of number; a time of day has no date.
    """
    found = _loaded(book, sheet)
    told: list[str] = []
    first = [found.column_names, *_cells(found.slice(0, 3))]
    if any(name.startswith("__UNNAMED__") for name in first[0]) or rows_around(first)[1]:  # else read once
        head = _loaded(book, sheet, header_row=None, skip_rows=0, n_rows=HEAD_ROWS, dtypes="string")
        above, below, told = rows_around(_cells(head))
        if told:
            found = _loaded(book, sheet, header_row=above, skip_rows=below)
    columns = {
        re.sub(r"__UNNAMED__(\d+)", lambda at: f"column {int(at[1]) + 1}", name): _plain(column)
        for name, column in zip(found.column_names, found.columns, strict=True)
    }
    return pa.table(columns), told


def _loaded(book: Any, sheet: str, **how: Any) -> pa.Table:
    return pa.table(book.load_sheet(sheet, schema_sample_rows=None, **how).to_arrow())


def _cells(table: pa.Table) -> list[list[str]]:
    return [["" if cell is None else str(cell) for cell in row.values()] for row in table.to_pylist()]


def _plain(column: Any) -> Any:
    least: Any = None
    most: Any = None
    if pa.types.is_floating(column.type) or pa.types.is_timestamp(column.type):
        least, most = pc.min_max(column).as_py().values()
    if least is None:
        # cells of several kinds are strings
        return pc.replace_substring_regex(column, _TIME, r"\1") if pa.types.is_string(column.type) else column
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.time64("us")) if _NO_DATES[0] <= least and most < _NO_DATES[1] else column
    whole = pc.all(pc.equal(column, pc.floor(column))).as_py()
    return column.cast(pa.int64()) if whole and max(abs(least), abs(most)) < 2**53 else column
