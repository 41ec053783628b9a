"""A table as an Excel workbook of one sheet, by the standard library alone.

Every text is a text cell, so that no text is a formula or a link. Dates and times are dates to Excel. Not
for: reading workbooks (:mod:`saetext.documents.sheets`), or styles.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from saetext.errors import InputError

if TYPE_CHECKING:
    import polars as pl

MOST_ROWS = 1_048_575  # below the header
MOST_COLUMNS = 16_384
MOST_CHARACTERS = 32_767  # of a cell, in UTF-16 units
_EPOCH = dt.datetime(1899, 12, 30)
_FIRST_DATE = dt.datetime(1900, 3, 1)  # before it Excel counts a day that there was not
_DATE, _TIME = 1, 2  # styles
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0 has no way to write them
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")  # what Excel would read as an escaped character

_TYPES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.spreadsheetml.worksheet+xml"/>'
    '<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.styles+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_STYLES = (
    f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<styleSheet xmlns="{_MAIN}">'
    '<fonts count="1"><font/></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="3"><xf/><xf numFmtId="14" applyNumberFormat="1"/>'
    '<xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


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
        If there are more rows or columns than Excel has.
    """
    require_fits(table.height, path)
    if table.width > MOST_COLUMNS:
        raise InputError(f"a sheet of Excel holds {MOST_COLUMNS:,} columns, and these are {table.width:,}")
    cut = 0
    called = escape(sheet, {'"': "&quot;"})
    workbook = (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<workbook xmlns="{_MAIN}" '
        f'xmlns:r="{_OFFICE}"><sheets><sheet name="{called}" sheetId="1" r:id="rId1"/>'
        "</sheets></workbook>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _related(("officeDocument", "xl/workbook.xml")))
        archive.writestr("xl/workbook.xml", workbook)
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            _related(("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml")),
        )
        archive.writestr("xl/styles.xml", _STYLES)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as file:
            for line, shortened in _lines(table):
                file.write(line.encode("utf-8"))
                cut += shortened
    return cut


def _related(*parts: tuple[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(parts, start=1)
    )
    return f"{_RELATIONS}{rows}</Relationships>"


def _lines(table: pl.DataFrame) -> Iterator[tuple[str, int]]:
    """Yield the sheet piece by piece, with the number of cells of each that were cut."""
    yield (
        (
            f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<worksheet xmlns="{_MAIN}">'
            '<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" '
            'activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>'
        ),
        0,
    )
    yield _row(table.columns)
    for row in table.iter_rows():
        yield _row(row)
    yield "</sheetData></worksheet>", 0


def _row(values: Any) -> tuple[str, int]:
    cells = [_cell(value) for value in values]
    return f"<row>{''.join(cell for cell, _ in cells)}</row>", sum(cut for _, cut in cells)


def _cell(value: Any) -> tuple[str, int]:
    """Return a cell, and 1 if its text was cut."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "<c/>", 0
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>', 0
    if isinstance(value, int) and abs(value) >= 10**15:  # a number there has 15 digits
        return _text(str(value))
    if isinstance(value, int | float):
        return f"<c><v>{value!r}</v></c>", 0
    if isinstance(value, dt.datetime | dt.date):
        return _time(value)
    return _text(str(value))


def _time(value: dt.datetime | dt.date) -> tuple[str, int]:
    timed = isinstance(value, dt.datetime)
    at = value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)
    if at.tzinfo is not None:
        at = at.astimezone(dt.UTC).replace(tzinfo=None)
    if at < _FIRST_DATE:
        return _text(value.isoformat())
    days = (at - _EPOCH) / dt.timedelta(days=1)
    return f'<c s="{_TIME if timed else _DATE}"><v>{days!r}</v></c>', 0


def _text(value: str) -> tuple[str, int]:
    told = _ODD.sub("", value)
    cut = len(told.encode("utf-16-le")) // 2 > MOST_CHARACTERS
    if cut:
        short = told.encode("utf-16-le")[: 2 * (MOST_CHARACTERS - 1)].decode("utf-16-le", "ignore")
        told = f"{short}…"
    inside = escape(_ESCAPE.sub("_x005F_", told)).replace("\r", "_x000D_")
    return f'<c t="inlineStr"><is><t xml:space="preserve">{inside}</t></is></c>', int(cut)
