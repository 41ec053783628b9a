"""Asked: what the query string of a request or a form says, each value checked and bounded.

The URL is the whole state of a page. Not for: what is done with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from saetext.errors import InputError
from saetext.text.one_line import quoted

LONGEST = 2000  # characters of a value
LONGEST_ADDRESS = 40_000  # ... of an address that comes with a form: 4,000 of a prompt take up to nine each
#: How a page is come by, not what is on it: to wait for an answer that takes long; the corpus chosen before,
#: and the search in which documents were judged.
_HOW = ("wait", "was", "fitted")


class Asked:
    """The values of a request by their names; the last of several of one name counts.

    Parameters
    ----------
    page : str
        The path it was asked under, relative to the explorer's root: ``read``.
    values : mapping
        Of the query string, or of a form.
    """

    def __init__(self, page: str, values: Mapping[str, str]) -> None:
        self.page = page
        self.values = {name: value for name, value in values.items() if isinstance(value, str) and value}

    def text(self, name: str, otherwise: str = "", longest: int = LONGEST) -> str:
        """Return a value as it is, without blanks around it."""
        value = self.values.get(name, otherwise).strip()
        if len(value) > longest:
            raise InputError(f"{name} has {len(value):,} characters; at most {longest:,} are read")
        return value

    def number(self, name: str, otherwise: int, least: int = 0, most: int = 2**31 - 1) -> int:
        """Return a whole number between two others."""
        found = self.maybe_number(name, least, most)
        return otherwise if found is None else found

    def maybe_number(self, name: str, least: int = 0, most: int = 2**31 - 1) -> int | None:
        """Return a whole number between two others; None where there is none."""
        value = self.text(name, longest=30)
        if not value:
            return None
        if not (value.isascii() and value.removeprefix("-").isdigit()):
            raise InputError(f"{name} is a whole number, not {quoted(value)}")
        if not least <= int(value) <= most:
            raise InputError(f"{name} is {int(value):,}; it goes from {least:,} to {most:,}")
        return int(value)

    def choice(self, name: str, choices: Sequence[str], otherwise: str | None = None) -> str:
        """Return one of several values; by default the first."""
        value = self.text(name, longest=200) or (choices[0] if otherwise is None else otherwise)
        if value not in choices:
            raise InputError(f"{name} is one of {', '.join(choices)}, not {quoted(value)}")
        return value

    def link(self, page: str | None = None, /, **changes: object) -> str:
        """Return the address of this page with some values changed; None or nothing takes one away.

        With ``page`` it is that page's address, with the given values alone.
        """
        values = {} if page is not None else {k: v for k, v in self.values.items() if k not in _HOW}
        for name, value in changes.items():
            values.pop(name, None)
            if value is not None and value != "":
                values[name] = str(value)
        query = urlencode(values, safe=",")
        return (self.page if page is None else page) + (f"?{query}" if query else "")
