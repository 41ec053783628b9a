"""Where in a text a finding is, for gauges and for attribution: words, openings, marks of format.

Not for: what a finding is (:mod:`saetext.intervene.causes.compared`).
"""

from __future__ import annotations

import re

from saetext.analysis.differences.excerpts import spans_of
from saetext.text.words import pattern

_OPENING = re.compile(r'the opening "(.+)"')


def opening_of(term: str) -> str | None:
    """Return the words of a finding that is an opening, None of another."""
    found = _OPENING.fullmatch(term)
    return None if found is None else found[1]


def spans_in(text: str, kind: str, term: str) -> list[tuple[int, int]]:
    """Return where in a text a word, an opening or a mark is, in code points.

    Examples
    --------
    >>> spans_in("Well, I am sure.", "opening", "well I"), spans_in("Be careful!", "word", "careful")
    ([(0, 7)], [(3, 10)])
    """
    if kind != "opening":
        return spans_of(text, kind, term)
    word = re.compile(pattern())
    wanted = word.findall(term.casefold())
    found = list(word.finditer(text))[: len(wanted)]
    if not wanted or [match.group().casefold() for match in found] != wanted:
        return []
    return [(found[0].start(), found[-1].end())]
