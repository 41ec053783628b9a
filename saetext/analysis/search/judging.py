"""Which documents of those shown a user calls right or wrong: ``--more 3,8 --less 7``.

Not for: what is done with them (:mod:`saetext.analysis.search.refitting`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from saetext.errors import CorpusError, InputError
from saetext.text.one_line import many, quoted

_NUMBERS = re.compile(r"\s*\d+(?:\s*,\s*\d+)*\s*,?\s*")
_ID = "id:"  # before an id that looks like a number


@dataclass(frozen=True)
class Judged:
    """Rows of the whole corpus that were judged."""

    more: tuple[int, ...] = ()
    less: tuple[int, ...] = ()

    @property
    def rows(self) -> tuple[int, ...]:
        """All of them."""
        return (*self.more, *self.less)

    def __bool__(self) -> bool:
        return bool(self.more or self.less)

    def with_others(self, other: Judged) -> Judged:
        """Return both together; of a document judged twice, the other's judgement counts."""
        more = [row for row in self.more if row not in other.less]
        less = [row for row in self.less if row not in other.more]
        return Judged(tuple(dict.fromkeys((*more, *other.more))), tuple(dict.fromkeys((*less, *other.less))))


def judged(
    more: Sequence[str | int], less: Sequence[str | int], shown: Sequence[int], row_of: Callable[[str], int]
) -> Judged:
    """Return the rows that are meant.

    Parameters
    ----------
    more, less
        Numbers of documents in the order that was shown, from 1, several with commas between them; or ids. An
        id that looks like a number is written ``id:12``.
    shown : sequence of int
        Rows in the order that was shown.
    row_of : callable
        From an id to its row.

    Raises
    ------
    InputError
        If a number is beyond the documents found, there is no such document, or one is both right and wrong.
    """
    found = Judged(_rows("--more", more, shown, row_of), _rows("--less", less, shown, row_of))
    if both := set(found.more) & set(found.less):
        at = next((n for n, row in enumerate(shown, 1) if row in both), None)
        raise InputError(f"document {at or ''} cannot be both in --more and in --less".replace("  ", " "))
    return found


def written(id: str) -> str:
    """Return an id as it is given to ``--more``, where it cannot be taken for numbers.

    Examples
    --------
    >>> written("travel-1"), written("12")
    ('travel-1', 'id:12')
    """
    return f"{_ID}{id}" if _NUMBERS.fullmatch(id) or id.startswith(_ID) else id


def _rows(
    option: str, given: Sequence[str | int], shown: Sequence[int], row_of: Callable[[str], int]
) -> tuple[int, ...]:
    rows: list[int] = []
    for each in given:
        if isinstance(each, int):
            rows.append(_numbered(option, each, shown))
        elif _NUMBERS.fullmatch(each):
            rows += [_numbered(option, int(number), shown) for number in re.findall(r"\d+", each)]
        else:
            rows += _named(option, each, shown, row_of)
    return tuple(dict.fromkeys(rows))


def _named(option: str, given: str, shown: Sequence[int], row_of: Callable[[str], int]) -> list[int]:
    """Return the row of an id, or of several with commas between them, numbers among them."""
    try:
        return [row_of(given.removeprefix(_ID))]
    except CorpusError:
        pieces = [piece.strip() for piece in given.split(",") if piece.strip()]
        if len(pieces) < 2:
            raise InputError(
                f"{option} {quoted(given)}: there is no document of that id; give numbers as shown (3,8)"
            ) from None
    found: list[int] = []
    for piece in pieces:
        found += (
            [_numbered(option, int(piece), shown)]
            if piece.isdecimal()
            else _named(option, piece, shown, row_of)
        )
    return found


def _numbered(option: str, number: int, shown: Sequence[int]) -> int:
    if not 1 <= number <= len(shown):
        raise InputError(f"{option} {number}: the search found {many(len(shown), 'document')}")
    return shown[number - 1]
