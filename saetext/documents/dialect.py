"""How a delimited file is written: its delimiter, the ends of its rows, and the row that names the columns.

Not for: reading it (``text``).
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from saetext.documents.convert import plain_value
from saetext.documents.words import is_prose
from saetext.errors import InputError

DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_ROWS: Final = 60
_TITLES: Final = 20  # rows above the header
_SHARE: Final = 0.8
_SEPARATOR: Final = re.compile(r'\A\s*"?sep=(.)"?[^\S\n]*(?:\r\n|\r|\n)', re.IGNORECASE)


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
    notices : list of str
        What was found out, for people.
    """

    delimiter: str
    skipped: int = 0
    old_ends: bool = False
    width: int | None = None
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
    rows = _rows(text, delimiter, whole)
    above = _titles(rows)
    if above:
        notices.append(f"the {above} row{'s' if above > 1 else ''} above the header are left out")
    return Dialect(delimiter, skipped + above, old_ends, _width(rows[above:]), notices)


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
        for row in islice(reader, _ROWS + 1):
            rows.append(row)
    except csv.Error:
        pass  # the reader that comes next says what is wrong
    return rows[:_ROWS] if whole or len(rows) > _ROWS else rows[:-1] or rows


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
