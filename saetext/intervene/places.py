"""Where in a text a metric is taken: at its end, after its last list item, before what a pattern finds.

A place is a position: the token after which the model says what comes next. Not for: what is measured there
(:mod:`saetext.intervene.metrics`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError
from saetext.text.one_line import quoted

PLACES = "last, last-item, or before REGEX"

# - item, * item, • item, 1. item, 2) item, (a) item
_ITEM = re.compile(
    r"^[ \t]*(?:[-*+•–—]|\(?(?:\d{1,3}|[A-Za-z])[.):])[ \t]+(?P<item>\S[^\r\n]*)", re.MULTILINE
)


@dataclass(frozen=True)
class At:
    """Where a metric is taken; made by :func:`parse_at`.

    Attributes
    ----------
    source : str
        As it was asked for.
    kind : {"last", "last-item", "before"}
    pattern : compiled pattern or None
        Of ``before``.
    """

    source: str
    kind: Literal["last", "last-item", "before"]
    pattern: re.Pattern[str] | None = None

    def find(self, text: str, offsets: NDArray[np.int64]) -> int | None:
        """Return the number of tokens of a text that stand before the place; None where there is none.

        Parameters
        ----------
        text : str
            What is looked through.
        offsets : int64[n, 2]
            Begin and end of each of its tokens, in code points.
        """
        if self.kind == "last":
            return len(offsets)
        if self.kind == "before":
            assert self.pattern is not None
            begins = [found.start() for found in self.pattern.finditer(text)]
            # the first token that reaches beyond the place holds what was found
            return int((offsets[:, 1] <= begins[-1]).sum()) if begins else None
        items = list(_ITEM.finditer(text))
        if not items:
            return None
        end = items[-1].start("item") + len(items[-1]["item"].rstrip())
        return int((offsets[:, 0] < end).sum())


def items_of(text: str) -> list[str]:
    """Return the items of lists in a text: what stands after the mark of each line that looks like one.

    Examples
    --------
    >>> from saetext.intervene.places import items_of
    >>> items_of("Colours:\\n1. red\\n2. blue \\nThat is all.")
    ['red', 'blue']
    """
    return [found["item"].rstrip() for found in _ITEM.finditer(text)]


def parse_at(source: str) -> At:
    """Return the place that a text states: ``last``, ``last-item`` or ``before REGEX``.

    ``last-item`` is after the last word of the last line that looks like an item of a list (``- x``,
    ``1. x``, ``a) x``). ``before REGEX`` is before the last place at which a regular expression of Python is
    found.

    Raises
    ------
    InputError
        If it is none of these.
    """
    kind, _, rest = source.strip().partition(" ")
    if kind == "last" and not rest:
        return At(source, "last")
    if kind == "last-item" and not rest:
        return At(source, "last-item")
    if kind != "before" or not rest.strip():
        raise InputError(f"--at is {PLACES}, not {quoted(source)}")
    try:
        return At(source, "before", re.compile(rest.strip(), re.MULTILINE))
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(f"--at: {quoted(rest.strip())} is no regular expression: {error}") from None
