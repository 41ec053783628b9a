"""Texts as units that can tell a feature: words with their case, marks of punctuation, line breaks.

Not for: what a word is elsewhere (:mod:`saetext.text.words`); searches and labels use small letters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from saetext.text.passages import printable
from saetext.text.words import expression

BREAK = "⏎"
_LONGEST = 40  # code points of a unit that are told apart; a longer one is no word
_OTHER = r"[^\S\n]*\n\s*|([^\w\s])\1*+"  # line breaks with the space around them; a run of one mark


@cache
def _with_others(word: re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(rf"{word.pattern}|{_OTHER}", word.flags)


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a text.

    Attributes
    ----------
    name : list of str
        Each unit: a word as it is written, a run of one mark, or one or two ``⏎`` for line breaks.
    start, end : int64[n]
        Code points of the text each covers.
    """

    name: list[str]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    def at(self, start: int, end: int) -> int:
        """Return the index of the unit that holds most of the code points ``start:end``; -1 of no units."""
        if not self.name:
            return -1
        low = int(np.searchsorted(self.end, start, side="right"))
        high = max(int(np.searchsorted(self.start, end, side="left")), low + 1)
        near = np.arange(min(low, len(self.name) - 1), min(high, len(self.name)))
        shared = np.minimum(self.end[near], end) - np.maximum(self.start[near], start)
        return int(near[np.argmax(shared)]) if len(near) else min(low, len(self.name) - 1)


def units(text: str) -> Units:
    r"""Cut a text into units; white space without a line break is between them.

    Examples
    --------
    >>> from saetext.features.peaks.units import units
    >>> units("Well, **don't**!\n\n- No").name
    ['Well', ',', '**', "don't", '**', '!', '⏎⏎', '-', 'No']
    """
    names, places = [], []
    for match in _with_others(expression(text)).finditer(text):
        name = match.group()
        if name[0].isspace():
            name = BREAK * min(name.count("\n"), 2)
        names.append(name[:_LONGEST])
        places.append(match.span())
    bounds = np.array(places, np.int64).reshape(-1, 2)
    return Units(names, bounds[:, 0], bounds[:, 1])


def shown(text: str) -> str:
    """Return a piece of a text on one line, safe to print, with its line breaks as ``⏎``."""
    return printable(re.sub(r"[^\S\n]*\n\s*", lambda m: BREAK * min(m.group().count("\n"), 2), text)).strip()
