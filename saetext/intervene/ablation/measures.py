"""What the texts of ablation are measured by: list items, repetition, length, words, the user's functions.

Not for: likelihood, which is measured where texts are written, or what changes
(:mod:`saetext.intervene.ablation.summary`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.errors import InputError
from saetext.intervene.effects import repetition, word_share
from saetext.intervene.places import items_of
from saetext.text.one_line import quoted
from saetext.text.words import words

if TYPE_CHECKING:
    from saetext.intervene.ablation.request import Measure
    from saetext.intervene.writing import Written


def measured(
    text: Written, wanted: frozenset[str], functions: Mapping[str, Measure]
) -> dict[str, float | None]:
    """Return all measures of one text.

    Parameters
    ----------
    text : Written
    wanted : frozenset of str
        Words whose share is measured; where there are none, it is None.
    functions : mapping of str to callable
        The user's own metrics.

    Raises
    ------
    InputError
        If a function does not return a finite number or None.
    """
    items = items_of(text.text)
    return {
        "items": float(len(items)),
        "distinct": float(len(set(map(plain, items)))),
        "repeats": repetition(text.ids.tolist()),
        "tokens": float(len(text.ids) - (text.finish == "eos")),
        "words": word_share(text.text, wanted) if wanted else None,
        "nll": text.nll,
        "ended": float(text.finish == "eos"),
        **{name: _number(name, function(text.text)) for name, function in functions.items()},
    }


def diversity(texts: Sequence[str]) -> float:
    """Return Shannon's diversity of the list items of some texts together, in nats; 0 of no items.

    Examples
    --------
    >>> from saetext.intervene.ablation.measures import diversity
    >>> round(diversity(["- red\\n- blue", "- Red.\\n- green"]), 3)  # red twice, blue, green
    1.04
    """
    counts = Counter(plain(item) for text in texts for item in items_of(text))
    total = sum(counts.values())
    return -sum(n / total * math.log(n / total) for n in counts.values()) if len(counts) > 1 else 0.0


def plain(item: str) -> str:
    """Return an item by which it is told from others: its words, in small letters; of none, as it is."""
    return " ".join(word.casefold() for word in words(item)) or item.strip()


def _number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise InputError(f"the metric {quoted(name, 40)} returned {quoted(repr(value), 40)}, not a number")
    return found
