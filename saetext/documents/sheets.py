"""Workbooks of Excel and LibreOffice: one sheet is a table whose first row has the names.

calamine reads them, by way of ``fastexcel``. Not for: CSV (``delimited``).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from saetext.documents.columnar import BatchReader
from saetext.documents.reading import display_name, shorten
from saetext.errors import InputError
from saetext.io.extras import require
from saetext.io.opener import require_regular

SUFFIXES: Final = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
_MOST_FILE: Final = 1 << 30
#: A sheet is held in memory as a whole: what its archive may unpack to.
_MOST_UNPACKED: Final = 4 << 30


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
            name, table = self._chosen(book, sheet)
        except InputError:
            raise
        except Exception as error:  # of fastexcel, pyarrow or calamine: a damaged file
            raise InputError(f"{self.name} cannot be read as a workbook: {_told(error)}") from error
        self._table = table
        if len(book.sheet_names) > 1:
            self.notices = (f"sheet {name!r} of {len(book.sheet_names)}",)
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

    def _chosen(self, book: Any, sheet: str | None) -> tuple[str, pa.Table]:
        names = list(book.sheet_names)
        if sheet is not None:
            if sheet not in names:
                raise InputError(f"{self.name} has no sheet {sheet!r} ({_listed(names)})")
            return sheet, _table(book, sheet)
        filled = [(name, table) for name in names if (table := _table(book, name)).num_rows]
        if not filled:
            raise InputError(f"{self.name} has no rows")
        if len(filled) > 1:
            raise InputError(
                f"{self.name} has several sheets with rows ({_listed([name for name, _ in filled])}): "
                f"name one with --records {filled[0][0]!r}"
            )
        return filled[0]

    def _batches(self, stack: ExitStack, columns: list[str]) -> Iterator[pa.RecordBatch]:
        yield from self._table.select(columns).to_batches()


def _told(error: Exception) -> str:
    return shorten(str(error).partition("\nContext:")[0].removeprefix("calamine error: "))


def _listed(names: list[str]) -> str:
    return ", ".join(shorten(name, 40) for name in names[:8]) + (" ..." if len(names) > 8 else "")


def _table(book: Any, sheet: str) -> pa.Table:
    """Return a sheet; whole numbers are integers, for a sheet knows only one kind of number."""
    found = pa.table(book.load_sheet(sheet, schema_sample_rows=None).to_arrow())
    columns = {}
    for name, column in zip(found.column_names, found.columns, strict=True):
        if pa.types.is_floating(column.type):
            whole = pc.all(pc.equal(column, pc.floor(column))).as_py()
            least, most = pc.min_max(column).as_py().values()
            if whole and least is not None and max(abs(least), abs(most)) < 2**53:
                column = column.cast(pa.int64())
        columns[re.sub(r"__UNNAMED__(\d+)", lambda at: f"column {int(at[1]) + 1}", name)] = column
    return pa.table(columns)
