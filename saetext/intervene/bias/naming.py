"""What the two ways to go on are called, of which a model finds one likelier. Not for: measuring that."""

from __future__ import annotations

from collections.abc import Iterable

from saetext.intervene.bias.suites import Item, Measure

_MOST = 3  # words of a side that are told


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
    sides = [list(dict.fromkeys(ways)) for ways in (
        [item.first.strip() for item in own], [item.second.strip() for item in own]
    )]  # fmt: skip
    if not own or max(map(len, sides)) > _MOST:
        return "first", "second"
    return "/".join(sides[0]), "/".join(sides[1])
