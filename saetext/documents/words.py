"""What names and values look like: words of a column's name, prose, values cut for a line.

Not for: choosing columns (:mod:`saetext.documents.guess`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from saetext.text.one_line import quoted

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SPLIT: Final = re.compile(r"[^0-9A-Za-z\u0080-\U0010ffff]+")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_CHATTER: Final = 4  # words that make a value prose
_LETTERS: Final = 8  # letters, in scripts without spaces
_LOOKED_AT: Final = 2000  # characters of a value
SHORT: Final = 20  # characters
FEW: Final = 0.05  # share of the values that differ


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


def name_words(name: str) -> list[str]:
    """Return the words of a column's name: ``modelOutput-2`` gives model, output, 2."""
    return [word.casefold() for word in _SPLIT.split(_CAMEL.sub(" ", name)) if word]


def is_prose(value: object) -> bool:
    """Whether a value is a text that someone wrote: a few words, not a label, number, address or path."""
    if not isinstance(value, str):
        return False
    start = value[:_LOOKED_AT].strip()
    if not start or start[0] in "{[" or "://" in start.split(maxsplit=1)[0]:
        return False
    words = _WORD.findall(start)
    if sum(map(len, words)) < len(start) / 3:  # a path, a hash, a table of numbers
        return False
    foreign = sum(c > "\u02ff" for word in words for c in word) >= _LETTERS
    return foreign or (len(start.split()) >= _CHATTER and len(words) >= _CHATTER - 1)


def holds_prose(values: Iterable[Any]) -> bool:
    """Whether most strings of a column are prose, and not always the same few."""
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    if not texts or 2 * sum(map(is_prose, texts)) < len(texts):
        return False
    return len(texts) < 10 or len(set(texts)) > max(2, FEW * len(texts))


def short_or_few(values: Iterable[Any]) -> bool:
    """Whether the strings of a column are labels rather than texts: all short, or always the same few."""
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    if all(len(text) < SHORT and len(text.split()) < _CHATTER for text in texts):
        return True
    return len(texts) >= 20 and len(set(texts)) <= 2


def examples(values: Sequence[Any], most: int = 2, width: int = 48) -> str:
    """Return the beginnings of the first different values, in quotation marks, on one line."""
    texts: dict[str, None] = {}
    for value in values:
        if value is not None and value != "":
            texts.setdefault(value if isinstance(value, str) else str(value)[: 8 * width])
        if len(texts) == most:
            break
    return ", ".join(quoted(text, width) for text in texts)
