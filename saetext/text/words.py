r"""What a word is, everywhere: in the words of features and clusters, in labels, in searches and in snippets.

A word is a run of letters, marks, digits and underscores, with apostrophes inside it: ``don't``, ``naïve``,
``हिन्दी``, ``snake_case``. Scripts written without spaces have no such runs: there each letter with its marks
is one by itself. What stands for another character is no word: the n of a line break that is written as
``\n``, as in text that was escaped twice, and the names and numbers of HTML's ``&lt;`` and ``&#39;``, also
where the ``&`` is lost. Not for: languages, stop words or stems.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from saetext.text.joiners import JOINERS

APOSTROPHES = "'\u2019"
#: Scripts written without spaces (Thai, Lao, Burmese, Khmer, kana, Han), as ranges of a regular expression.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff"
)
#: Where a word may begin, by what stands before and after. ``\theta`` has no line break.
_BEGINS = (
    r"(?:(?<![A-Za-z0-9_])(?!(?:lt|gt|amp|quot|apos|nbsp);)|(?<=\\[nrt]))(?!(?<=\\)[nrt](?![a-z]))"
    r"(?!(?<=#)\d{1,6};)(?!(?<=&#)[xX][0-9A-Fa-f]{1,6};)"
)
_IN_UNSPACED = re.compile(f"[{UNSPACED}]")
# What the pattern comes to in most texts, many times as fast; what may begin a word doubles its time.
_PLAIN = rf"\w++(?:[{APOSTROPHES}]\w++)*+"
_ASCII = re.compile(_PLAIN, re.ASCII)
_ASCII_ESCAPED = re.compile(_BEGINS + _PLAIN, re.ASCII)
_WESTERN = re.compile(_PLAIN)
_WESTERN_ESCAPED = re.compile(_BEGINS + _PLAIN)
#: What may be a mark, a joiner or of a script without spaces: not Latin, punctuation, symbols and emoji.
_MANIFOLD = re.compile(
    "[^\x00-\u02ff\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2100-\u2bff\U0001f000-\U0001faff]"
)
_PART = re.compile(r"\w++")


@cache
def pattern() -> str:
    r"""Return the regular expression of a word.

    Python's ``\w`` has no combining marks: without them every word of Hindi or Tamil falls into pieces.
    """
    marks = _marks()
    letter = rf"[^\W{UNSPACED}]"
    return rf"{_BEGINS}{letter}++(?:[{marks}]{letter}*+|[{APOSTROPHES}]{letter}++)*+|[{UNSPACED}][{marks}]*+"


@cache
def _marks() -> str:
    marks = "".join(c for c in map(chr, range(0x300, 0x20000)) if unicodedata.category(c)[0] == "M")
    return f"{re.escape(marks)}{JOINERS}"


@cache
def _compiled() -> re.Pattern[str]:
    return re.compile(pattern())


@cache
def _splitting(word: re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(f"({word.pattern})", word.flags)


@cache
def _compiled_part() -> re.Pattern[str]:
    return re.compile(rf"\w[\w{_marks()}]*+")


def expression(text: str) -> re.Pattern[str]:
    """Return the quickest expression that finds the words of this text; one of five, without groups."""
    escaped = "\\" in text or ";" in text  # what may stand for another character
    if text.isascii():
        return _ASCII_ESCAPED if escaped else _ASCII
    if _MANIFOLD.search(text) is not None:
        return _compiled()
    return _WESTERN_ESCAPED if escaped else _WESTERN


def matches(text: str) -> Iterator[re.Match[str]]:
    """Yield each word of a text with its place, in order."""
    return expression(text).finditer(text)


def spelled(text: str) -> list[str]:
    """Return the words of a text as they are spelled there, in order."""
    return expression(text).findall(text)


def split(text: str) -> list[str]:
    """Return a text cut at its words: what stands before the first, the first, what follows it, and so on."""
    return _splitting(expression(text)).split(text)


def words(text: str) -> list[str]:
    """Return the words of a text in small letters, in order."""
    return [match.group().lower() for match in matches(text)]


def part_matches(text: str) -> Iterator[re.Match[str]]:
    """Yield what searches compare: words that touch, cut at their apostrophes.

    ``singer's`` is to be found by ``singer``, and ``日本`` by ``日本``, not by each of its letters.
    """
    plain = text.isascii() or _MANIFOLD.search(text) is None
    return (_PART if plain else _compiled_part()).finditer(text)


def parts(text: str) -> list[str]:
    """Return what searches compare of a text, case-folded, in order; see :func:`part_matches`."""
    return [match.group() for match in part_matches(text.casefold())]


def is_unspaced(text: str) -> bool:
    """Return whether the first character is of a script written without spaces."""
    return _IN_UNSPACED.match(text) is not None
