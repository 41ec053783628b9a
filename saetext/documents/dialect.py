"""How a delimited file is written: its delimiter, the ends of its rows, and the row that names the columns.

Not for: reading it (``text``).
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from saetext.documents.convert import plain_value
from saetext.documents.words import is_prose
from saetext.errors import InputError

DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
HEAD_ROWS: Final = 60  # by which a file is told
_TITLES: Final = 20  # rows above the header
_SHARE: Final = 0.8
_LONG: Final = 20  # lines of a field
_SEPARATOR: Final = re.compile(r'\A\s*"?sep=(.)"?[^\S\n]*(?:\r\n|\r|\n)', re.IGNORECASE)


#: A pair that begins with a backslash and is an escape, or a backslash alone.
_BACKSLASH: Final = re.compile(r'\\([\\"])|\\')
DOUBLED, ESCAPED, KEPT = "doubled", "escaped", "kept"
_QUOTES: Final = {ESCAPED: 'quotation marks in fields are written as \\"', KEPT: "quotation marks are kept"}


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes
    ----------
    delimiter : str
        One character.
    skipped : int
        Rows before the header.
    old_ends : bool
        Whether rows end in a carriage return alone.
    width : int or None
        Columns of the header that count, where the others have neither a name nor a value.
    below : int
        Rows after the header that say of each column what it is, as survey tools write.
    quotes : str
        How quotation marks stand in quoted fields: ``doubled``, ``escaped`` (by a backslash), or ``kept``,
        where fields are not quoted.
    notices : list of str
        What was found out, for people.
    """

    delimiter: str
    skipped: int = 0
    old_ends: bool = False
    width: int | None = None
    below: int = 0
    quotes: str = DOUBLED
    notices: list[str] = field(default_factory=list)


def dialect_of(text: str, name: str, default: str, given: str | None, *, whole: bool) -> Dialect:
    """Return how a file that begins with ``text`` is written.

    Parameters
    ----------
    text : str
        Its beginning; ``whole`` says whether it is all of it.
    name : str
        The file's name, for messages.
    default, given : str
        The delimiter of the format, and the one that the user named.

    Raises
    ------
    InputError
        If it cannot be told which delimiter it is.
    """
    notices = []
    old_ends = _old_ends(text)
    if old_ends:
        text = swapped(text)
        notices.append("rows end in carriage returns")
    skipped = 0
    if said := _SEPARATOR.match(text):
        text = text[said.end() :]
        skipped = 1
        given = given or said[1]
    delimiter = given or _delimiter(text, name, default, whole)
    if delimiter != default:
        notices.append(f"fields are separated by {DELIMITERS.get(delimiter, repr(delimiter))}")
    quotes = _quotes(text, delimiter, whole)
    if quotes != DOUBLED:
        notices.append(_QUOTES[quotes])
    rows = _rows(text, delimiter, whole)
    above, below, told = rows_around(rows)
    notices += told
    if rows[above:] and _is_data(rows[above]):
        notices.append(
            "its first row is read as the names of the columns, though it looks like data; put one above it "
            "that names them"
        )
    return Dialect(delimiter, skipped + above, old_ends, _width(rows[above:]), below, quotes, notices)


def rows_around(rows: Sequence[Sequence[str]]) -> tuple[int, int, list[str]]:
    """Return how many of the first rows stand above the header and below it, and are no data; and say so."""
    above = _titles(rows)
    below = _below([row for row in rows[above:] if row])
    places = ((above, "above the header"), (below, "below the header"))
    return above, below, [_the_rows(number, where) for number, where in places if number]


def fields_of(lines: Iterable[str], delimiter: str, quotes: str) -> Any:
    """Return a csv reader of lines, which refuses what is not written as it should be."""
    if quotes == KEPT:
        return csv.reader(lines, delimiter=delimiter, strict=True, quoting=csv.QUOTE_NONE)
    if quotes == ESCAPED:  # a backslash before anything but a quotation mark or another one is itself
        lines = (_BACKSLASH.sub(_escape, line) if "\\" in line else line for line in lines)
        return csv.reader(lines, delimiter=delimiter, strict=True, escapechar="\\")
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _escape(found: re.Match[str]) -> str:
    return found[0] if found[1] else "\\\\"


def _the_rows(number: int, where: str) -> str:
    return f"the row {where} is left out" if number == 1 else f"the {number} rows {where} are left out"


def _quotes(text: str, delimiter: str, whole: bool) -> str:
    """Return how quotation marks are written: as is usual, unless only another way gives even rows."""
    if '"' not in text or _is_even(text, delimiter, DOUBLED, whole):
        return DOUBLED
    if '\\"' in text and _is_even(text, delimiter, ESCAPED, whole):
        return ESCAPED
    lines = text.splitlines()
    starting = [part for line in lines for part in line.split(delimiter) if part.startswith('"')]
    quoted = sum(len(part) > 1 and part.endswith('"') for part in starting)
    if '"' not in lines[0] and 2 * quoted < len(starting) and _is_even(text, delimiter, KEPT, whole):
        return KEPT
    return DOUBLED


def _is_even(text: str, delimiter: str, quotes: str, whole: bool) -> bool:
    """Whether all rows have as many fields as the first, and none is broken; the last may be cut."""
    reader = fields_of(io.StringIO(text, newline=""), delimiter, quotes)
    widths = []
    read = 0  # lines of the rows that were read
    try:
        for row in reader:
            widths += [len(row)] if row else []
            read = reader.line_num
    except csv.Error as error:
        # a field that is open where the head ends may be long, or have swallowed all rows after it
        if whole or "unexpected end" not in str(error) or reader.line_num - read > _LONG:
            return False
    complete = widths if whole else widths[:-1] or widths
    return len(set(complete)) == 1 and complete[0] > 1


def _below(rows: Sequence[Sequence[str]]) -> int:
    """Return how many rows after the header are none of data: Qualtrics' two, and SurveyMonkey's one."""
    for number, row in enumerate(rows[1:3], 1):
        filled = [cell.strip() for cell in row if cell.strip()]
        if filled and all(cell.startswith('{"ImportId"') for cell in filled):
            return number
    answers = len(rows) > 1 and not rows[1][0].strip() and "Open-Ended Response" in rows[1]
    return 1 if answers else 0


def _is_data(row: Sequence[str]) -> bool:
    """Whether what should be names are a text and a number."""
    numbers = [cell for cell in row if isinstance(plain_value(cell), int | float)]
    return bool(numbers) and any(is_prose(cell) for cell in row)


def swapped(text: str) -> str:
    """Return a text with line feeds for the ends of its rows, and vertical tabs for line feeds in fields."""
    return text.replace("\n", "\x0b").replace("\r", "\n")


def _old_ends(text: str) -> bool:
    """Whether the first row ends in a carriage return that no line feed follows."""
    quoted = False
    for at, mark in enumerate(text):
        if mark == '"':
            quoted = not quoted
        elif mark == "\n" and not quoted:
            return False
        elif mark == "\r" and not quoted:
            return at + 1 < len(text) and text[at + 1] != "\n"
    return False


def _rows(text: str, delimiter: str, whole: bool) -> list[list[str]]:
    """Return the first rows, blank ones included as empty lists; the last may be cut and is left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = []
    try:
        for row in islice(reader, HEAD_ROWS + 1):
            rows.append(row)
    except csv.Error:
        pass  # the reader that comes next says what is wrong
    return rows[:HEAD_ROWS] if whole or len(rows) > HEAD_ROWS else rows[:-1] or rows


def _delimiter(text: str, name: str, default: str, whole: bool) -> str:
    counts = {mark: [len(row) for row in _rows(text, mark, whole) if row] for mark in DELIMITERS}
    own = counts.get(default, [])
    if not own or own[0] > 1:
        return default
    fitting = {}
    for mark, widths in counts.items():
        width, times = Counter(widths).most_common(1)[0] if widths else (1, 0)
        if width > 1 and times >= _SHARE * len(widths) and (mark == default or widths[0] == width):
            fitting[mark] = (times / len(widths), width)
    if not fitting:
        first = text.splitlines()[0] if text else ""
        if any(mark in first for mark in DELIMITERS if mark not in (default, "|")):
            raise InputError(
                f"{name} has one column, {first[:60]!r}: expected fields separated by "
                f"{DELIMITERS.get(default, repr(default))}; name what separates them with --delimiter"
            )
        return default
    best = max(fitting, key=lambda mark: fitting[mark])
    if list(fitting.values()).count(fitting[best]) > 1:
        raise InputError(f"{name} may be separated by {' or '.join(map(repr, fitting))}: say --delimiter")
    return best


def _titles(rows: Sequence[Sequence[str]]) -> int:
    """Return how many rows stand above the header: a title has its first cell alone filled."""
    width = Counter(len(row) for row in rows if row).most_common(1)
    if not rows or not width or width[0][0] < 2 or not _is_title(rows[0]):
        return 0
    for number, row in enumerate(rows[:_TITLES]):
        filled = [cell for cell in row if cell.strip()]
        if len(filled) > 1:
            names = len(set(filled)) == len(filled) and not any(
                is_prose(cell) or plain_value(cell) is not cell for cell in filled
            )
            return number if names and number + 1 < len(rows) else 0
        if row and not _is_title(row):
            return 0
    return 0


def _is_title(row: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in row[1:])


def _width(rows: Sequence[Sequence[str]]) -> int | None:
    """Return how many columns there are without those at the end that have no name and no value."""
    if not rows:
        return None
    used = max((at + 1 for row in rows for at, cell in enumerate(row) if cell.strip()), default=0)
    return used if used < len(rows[0]) else None
