"""What a word is, everywhere: in the words of features and clusters, in labels, in searches and in snippets.

A word is a run of letters, marks, digits and underscores, with apostrophes inside it: ``don't``, ``naïve``,
``हिन्दी``, ``snake_case``. Scripts written without spaces have no such runs: there each letter with its marks
is one by itself. Not for: languages, stop words or stems.
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
_IN_UNSPACED = re.compile(f"[{UNSPACED}]")
_ASCII = re.compile(r"\w++(?:'\w++)*+", re.ASCII)  # what the pattern comes to, several times as fast
_ASCII_PART = re.compile(r"\w++", re.ASCII)


@cache
def pattern() -> str:
    r"""Return the regular expression of a word.

    Python's ``\w`` has no combining marks: without them every word of Hindi or Tamil falls into pieces.
    """
    marks = _marks()
    letter = rf"[^\W{UNSPACED}]"
    return rf"{letter}++(?:[{marks}]{letter}*+|[{APOSTROPHES}]{letter}++)*+|[{UNSPACED}][{marks}]*+"


@cache
def _marks() -> str:
    marks = "".join(c for c in map(chr, range(0x300, 0x20000)) if unicodedata.category(c)[0] == "M")
    return f"{re.escape(marks)}{JOINERS}"


@cache
def _compiled() -> re.Pattern[str]:
    return re.compile(pattern())


@cache
def _splitting() -> re.Pattern[str]:
    return re.compile(f"({pattern()})")


@cache
def _splitting_ascii() -> re.Pattern[str]:
    return re.compile(f"({_ASCII.pattern})", re.ASCII)


@cache
def _compiled_part() -> re.Pattern[str]:
    return re.compile(rf"\w[\w{_marks()}]*+")


def matches(text: str) -> Iterator[re.Match[str]]:
    """Yield each word of a text with its place, in order."""
    return (_ASCII if text.isascii() else _compiled()).finditer(text)


def spelled(text: str) -> list[str]:
    """Return the words of a text as they are spelled there, in order."""
    return (_ASCII if text.isascii() else _compiled()).findall(text)


def split(text: str) -> list[str]:
    """Return a text cut at its words: what stands before the first, the first, what follows it, and so on."""
    return (_splitting_ascii() if text.isascii() else _splitting()).split(text)


def words(text: str) -> list[str]:
    """Return the words of a text in small letters, in order."""
    return [match.group().lower() for match in matches(text)]


def part_matches(text: str) -> Iterator[re.Match[str]]:
    """Yield what searches compare: words that touch, cut at their apostrophes.

    ``singer's`` is to be found by ``singer``, and ``日本`` by ``日本``, not by each of its letters.
    """
    return (_ASCII_PART if text.isascii() else _compiled_part()).finditer(text)


def parts(text: str) -> list[str]:
    """Return what searches compare of a text, case-folded, in order; see :func:`part_matches`."""
    return [match.group() for match in part_matches(text.casefold())]


def is_unspaced(text: str) -> bool:
    """Return whether the first character is of a script written without spaces."""
    return _IN_UNSPACED.match(text) is not None
