"""One key for the forms of an English word: "expire", "expires" and "expired" count as one.

A few rules of endings, after the first steps of M. F. Porter, "An algorithm for suffix stripping", Program 14
(1980). Not for: showing (a key is no word), other languages, or words that only share a beginning.
"""

from __future__ import annotations

from functools import cache

_KEPT = frozenset(("news", "during", "evening", "morning", "series", "species", "thing", "something"))
_VOWELS = frozenset("aeiouy")
_SHORTEST = 3  # letters that an ending must leave


@cache
def base(word: str) -> str:
    """Return the key of a word: the same for its forms, in small letters.

    Examples
    --------
    >>> [base(word) for word in ("Expires", "expired", "expire", "expiring")]
    ['expir', 'expir', 'expir', 'expir']
    >>> base("currencies") == base("currency"), base("topped") == base("top"), base("news") == base("new")
    (True, True, False)
    """
    low = word.lower().replace("\u2019", "'").removesuffix("'s").removesuffix("'")
    if low in _KEPT or not (low.isascii() and low.isalpha()):
        return low
    return _without_e(_without_ending(_singular(low)))


def _singular(word: str) -> str:
    if len(word) <= _SHORTEST or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    return word[:-1]


def _without_ending(word: str) -> str:
    if word.endswith("ied") and len(word) > 4:
        return word[:-3] + "y"
    for ending in ("ed", "ing"):
        left = word.removesuffix(ending)
        if left != word and len(left) >= _SHORTEST and not _VOWELS.isdisjoint(left) and left[-1] != "e":
            return left[:-1] if left[-1] == left[-2] and left[-1] not in "lsz" else left
    return word


def _without_e(word: str) -> str:
    return word[:-1] if word.endswith("e") and len(word) > _SHORTEST else word
