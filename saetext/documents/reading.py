"""What every format's reader offers: a restartable stream of rows, and how far it has got.

A reader yields ``(number, row)``: the 1-based line or row, and a dict of its values or a :class:`BadRow`.
What breaks a whole file (a truncated gzip, a damaged Parquet page) is an InputError instead, since no
later row can be trusted. Not for: deciding what the columns mean.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read; becomes a Reject."""

    reason: str
    detail: str


Row = Mapping[str, Any] | BadRow
NumberedRow = tuple[int, Row]


class RowReader(ABC):
    """Rows of one source.

    Attributes
    ----------
    name : str
        For messages: a file's name without its folder, ``standard input``, ``frame``, ``list``.
    format : str
        One of the names in ``saetext.documents.FORMATS``, or ``frame`` or ``list``.
    unit : str
        ``line`` or ``row``: what the numbers count.
    restartable : bool
        Whether :meth:`rows` can be called more than once.
    untyped : bool
        Every value is a string, and its type has to be told from its looks (CSV).
    size_bytes, n_rows : int or None
        Where cheap to know.
    columns : tuple of str or None
        All column names where the source has a schema, else None.
    text_column : str or None
        The column that the source itself says is the text: a series' name.
    binary : tuple of str
        Columns that the schema calls binary: not worth reading unless chosen.
    notices : tuple of str
        What the user should know about how the source is read.
    version : str or None
        Of what is elsewhere, what changes with its content; None where the place does not tell.
    """

    name: str
    format: str
    unit: str = "row"
    restartable: bool = True
    untyped: bool = False
    size_bytes: int | None = None
    n_rows: int | None = None
    columns: tuple[str, ...] | None = None
    text_column: str | None = None
    binary: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    version: str | None = None

    @property
    def part(self) -> str:
        """The name of the file that the latest row is of; another than ``name`` where there are several."""
        return self.name

    @property
    def decimal_comma(self) -> bool:
        """Whether ``3,5`` is a number in the file that the latest row is of."""
        return False

    @abstractmethod
    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield the rows from the first; ``columns`` lets a columnar format read only those."""

    @abstractmethod
    def progress(self) -> float | None:
        """Return the share of the input that the latest :meth:`rows` has consumed, 0 to 1, if known."""

    def sample(self, n: int) -> list[NumberedRow]:
        """Return the first ``n`` rows of a restartable source."""
        rows = self.rows()
        try:
            return list(islice(rows, n))
        finally:
            close = getattr(rows, "close", None)
            if close is not None:
                close()


def display_name(path: Path) -> str:
    """Return a file's name without its folder, as text that can be stored whatever its bytes are."""
    return os.fsencode(path.name or str(path)).decode("utf-8", "replace")


def shorten(text: str, limit: int = 200) -> str:
    """Return ``text`` on one line and no longer than ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def kind_of(value: object) -> str:
    """Return what a value is, in words for a message: ``a list``, ``an int``, ``null``."""
    if value is None:
        return "null"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
