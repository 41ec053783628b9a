"""Several files as one source: named one by one, by a pattern, in a folder, or in an archive.

Not for: opening one of them (``opening``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, takewhile
from pathlib import Path
from typing import Final

from saetext.documents.reading import BadRow, NumberedRow, RowReader
from saetext.errors import InputError

FILE: Final = "file"


class SeveralFiles(RowReader):
    """Readers one after another; which file a row is of becomes a column, if none has that name.

    Parameters
    ----------
    name : str
        For messages.
    readers : sequence of RowReader
        At least one.
    paths : sequence of str
        Where each of their files is. What the files are called is enough to tell them apart, unless it is the
        same for two; then their folders are named too, as far as they differ.
    """

    def __init__(self, name: str, readers: Sequence[RowReader], paths: Sequence[str]) -> None:
        self.name = name
        self._readers = tuple(readers)
        self._labels = _told_apart([reader.name for reader in readers], paths)
        self._at = 0
        first = readers[0]
        formats = sorted({reader.format for reader in readers})
        if len({reader.untyped for reader in readers}) > 1:
            raise InputError(f"{name} mixes {' and '.join(formats)}; encode each kind, and append")
        self.format, self.unit, self.untyped = first.format, first.unit, first.untyped
        self.restartable = all(reader.restartable for reader in readers)
        sizes = [reader.size_bytes for reader in readers]
        self.size_bytes = None if None in sizes else sum(size or 0 for size in sizes)
        self._before = [0, *accumulate(size or 0 for size in sizes)]  # bytes before each file, and of all
        counts = [reader.n_rows for reader in readers]
        self.n_rows = None if None in counts else sum(count or 0 for count in counts)
        self.binary = tuple(dict.fromkeys(name for reader in readers for name in reader.binary))
        told = dict.fromkeys(notice for reader in readers for notice in reader.notices)
        files = "1 file" if len(readers) == 1 else f"{len(readers):,} files"
        self.notices = (f"{files}: {_listed(self._labels)}", *list(told)[:5])
        self._tells_file = first.format != "txt"

    @property
    def part(self) -> str:
        """The file that the latest row is of."""
        reader = self._readers[self._at]
        return self._labels[self._at] if reader.part == reader.name else reader.part

    @property
    def decimal_comma(self) -> bool:
        """Whether ``3,5`` is a number in the file that the latest row is of."""
        return self._readers[self._at].decimal_comma

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield the rows of one file after another; their numbers start anew with each."""
        self._at = 0
        for at, reader in enumerate(self._readers):
            self._at = at
            wanted = columns
            if columns is not None and reader.columns is not None:
                wanted = [name for name in columns if name in reader.columns]
            for number, row in reader.rows(wanted):
                if not isinstance(row, BadRow) and self._tells_file:
                    row = {FILE: self._labels[at], **row}
                yield number, row

    def progress(self) -> float | None:
        """Return the share consumed: by size, of the files that were read."""
        all_bytes = self._before[-1]
        if not all_bytes:
            return None
        start, end = self._before[self._at : self._at + 2]
        within = self._readers[self._at].progress() or 0.0
        return min(1.0, (start + within * (end - start)) / all_bytes)


def _told_apart(names: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Return the names of files, with their folders where two have the same."""
    if len(set(names)) == len(names):
        return list(names)
    parts = [Path(os.fsencode(path).decode("utf-8", "replace")).absolute().parts for path in paths]
    folders = zip(*(each[:-1] for each in parts), strict=False)
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, folders))
    return ["/".join(each[shared:]) for each in parts]


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key by which ``part-10`` sorts after ``part-9``."""
    return [(0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part)
            for part in re.split(r"(\d{1,18})", name)]  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" ... {names[-1]}" if len(names) > 3 else "")
