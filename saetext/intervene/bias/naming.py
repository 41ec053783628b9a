"""What the two ways to go on are called, of which a model finds one likelier. Not for: measuring that."""

from __future__ import annotations

from collections.abc import Iterable

from saetext.intervene.bias.suites import Item, Measure
from saetext.intervene.bias.words import PRONOUNS

_MOST = 3  # words of a side that are told
_KNOWN = [word for pair in PRONOUNS.values() for word in pair]  # he, his, him: not as they come in a suite


def pair_of(items: Iterable[Item], measure: Measure = "gap") -> tuple[str, str]:
    """Return what the first and the second way are called, in the items of one measure.

    Up to three words of a side stand beside each other; where there are more, and where there is no item,
    they are ``first`` and ``second``.

    Examples
    --------
    >>> pair_of([Item("own", "gap", "nurse", "1", "The nurse said that")])
    ('he', 'she')
    """
    own = [item for item in items if item.measure == measure]
    sides = [
        sorted(dict.fromkeys(ways), key=lambda word: _KNOWN.index(word) if word in _KNOWN else len(_KNOWN))
        for ways in ([item.first.strip() for item in own], [item.second.strip() for item in own])
    ]
    if not own or max(map(len, sides)) > _MOST:
        return "first", "second"
    return "/".join(sides[0]), "/".join(sides[1])
