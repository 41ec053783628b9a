"""A table as an Excel workbook of one sheet, by XlsxWriter.

Every text is a text cell, so that no text is a formula or a link. Not for: reading workbooks
(:mod:`saetext.documents.sheets`).
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.errors import InputError
from saetext.io.extras import require

if TYPE_CHECKING:
    import polars as pl

MOST_ROWS = 1_048_575  # below the header
MOST_COLUMNS = 16_384
MOST_CHARACTERS = 32_767  # of a cell, in UTF-16 units
_FIRST_DATE = dt.datetime(1900, 3, 1)  # before it Excel counts a day that there was not
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0 has no way to write them
_PLAIN = {  # a text is what it is, whatever it begins with
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_MADE = dt.datetime(2000, 1, 1)  # the same table gives the same bytes


def require_fits(rows: int, path: Path) -> None:
    """Raise :class:`InputError` if a sheet cannot hold so many rows."""
    if rows > MOST_ROWS:
        raise InputError(
            f"a sheet of Excel holds {MOST_ROWS:,} rows and a header, and these are {rows:,}: write "
            f"{path.with_suffix('.csv').name} or {path.with_suffix('.parquet').name}"
        )


def write_xlsx(table: pl.DataFrame, path: Path, *, sheet: str = "Sheet1") -> int:
    """Write a table, its column names in the first row, which stays in sight.

    Parameters
    ----------
    table : DataFrame
        Columns of texts, numbers, truth values, dates and times; a time with a zone is written in UTC.
    path : path
        The file; it is written over.
    sheet : str
        What the sheet is called.

    Returns
    -------
    int
        How many cells were cut at 32,767 characters, the most that Excel has.

    Raises
    ------
    InputError
        If there are more rows or columns than Excel has, or XlsxWriter is missing.
    """
    require("xlsxwriter", "files", f"writing {path.name}", error=InputError)
    from xlsxwriter import Workbook

    require_fits(table.height, path)
    if table.width > MOST_COLUMNS:
        raise InputError(f"a sheet of Excel holds {MOST_COLUMNS:,} columns, and these are {table.width:,}")
    cut = 0
    with path.open("wb") as file:
        book = Workbook(file, _PLAIN)
        book.set_properties({"created": _MADE})
        page = book.add_worksheet(sheet)
        page.freeze_panes(1, 0)
        formats: dict[type, Any] = {
            kind: book.add_format({"num_format": told})
            for kind, told in ((dt.date, "yyyy-mm-dd"), (dt.datetime, "yyyy-mm-dd hh:mm:ss"))
        }
        for number, row in enumerate([tuple(table.columns), *table.iter_rows()]):
            for column, value in enumerate(row):
                cut += _write(page, number, column, value, formats)
        book.close()
    return cut


def _write(page: Any, row: int, column: int, value: Any, formats: Mapping[type, Any]) -> int:
    """Write a cell; return 1 if its text was cut."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return 0
    if isinstance(value, bool):
        page.write_boolean(row, column, value)
    elif isinstance(value, int | float) and (isinstance(value, float) or abs(value) < 10**15):
        page.write_number(row, column, value)  # a number there has 15 digits
    elif isinstance(value, dt.datetime | dt.date):
        return _write_time(page, row, column, value, formats)
    else:
        return _write_text(page, row, column, str(value))
    return 0


def _write_time(
    page: Any, row: int, column: int, value: dt.datetime | dt.date, formats: Mapping[type, Any]
) -> int:
    at = value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)
    if at.tzinfo is not None:
        at = at.astimezone(dt.UTC).replace(tzinfo=None)
    if at < _FIRST_DATE:
        return _write_text(page, row, column, value.isoformat())
    page.write_datetime(row, column, at, formats[type(value)])
    return 0


def _write_text(page: Any, row: int, column: int, value: str) -> int:
    told = _ODD.sub("", value)
    coded = told.encode("utf-16-le")
    if cut := len(coded) // 2 > MOST_CHARACTERS:
        told = coded[: 2 * (MOST_CHARACTERS - 1)].decode("utf-16-le", "ignore") + "…"
    page.write_string(row, column, told)
    return int(cut)
