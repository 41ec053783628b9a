"""First words of texts, by document: "Sure", "As an", "Here are".

Not for: greetings in many languages (:mod:`saetext.text.marks`), or phrases anywhere in a text
(:mod:`saetext.text.phrases`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

from saetext.text.phrases import FEW, SAME, is_word, joint, plain, shown
from saetext.text.terms import TermMatrix
from saetext.text.words import matches

OPENINGS = 40
WORDS = 4  # words of the longest opening
_LEAST = 5  # documents with an opening


def openings(texts: Sequence[str], *, most: int = OPENINGS) -> TermMatrix:
    """Tell which texts begin with each of the commonest openings, of one to four words.

    An opening is left out where nearly all documents that have it go on with the same word.

    Parameters
    ----------
    texts : sequence of str
        The documents, or their beginnings.
    most : int
        Openings to keep, those of most documents first.

    Returns
    -------
    TermMatrix
        Names in their most frequent spelling, the commonest first; 1 where a document begins with it.

    Examples
    --------
    >>> openings(["Sure, I can."] * 5 + ["Sure! Here."] * 5 + ["sure."]).names
    ('Sure', 'Sure, I can')
    """
    from scipy import sparse

    documents: dict[tuple[str, ...], list[int]] = {}
    spellings: dict[tuple[str, ...], Counter[str]] = {}
    for number, text in enumerate(texts):
        for key, spelling in _first(text):
            documents.setdefault(key, []).append(number)
            spellings.setdefault(key, Counter())[spelling] += 1
    longer = Counter[tuple[str, ...]]()
    for key, rows in documents.items():
        if len(key) > 1:
            longer[key[:-1]] = max(longer[key[:-1]], len(rows))
    kept = [
        key
        for key, rows in documents.items()
        if len(rows) >= _LEAST and (len(key) == WORDS or _apart(len(rows), longer[key]))
    ]
    kept = sorted(kept, key=lambda key: (-len(documents[key]), key))[:most]
    at = np.array([row for key in kept for row in documents[key]], np.int64)
    columns = np.repeat(np.arange(len(kept)), [len(documents[key]) for key in kept])
    matrix = sparse.csr_matrix(
        (np.ones(len(at), np.float32), (at, columns)), shape=(len(texts), len(kept)), dtype=np.float32
    )
    names = (max(spellings[key], key=spellings[key].__getitem__) for key in kept)
    return TermMatrix(tuple(names), matrix)


def opening_named(name: str) -> Callable[[str], bool] | None:
    """Return what says whether a text begins with an opening of :func:`openings`; None if it is none.

    Examples
    --------
    >>> begins = opening_named("Sure, I")
    >>> begins("sure, I can"), begins("Sure. I can")
    (True, False)
    """
    own = _first(name)
    if not own:
        return None
    words = list(own[-1][0])

    def begins(text: str) -> bool:
        found = _first(text)[: len(words)]
        return bool(found) and [plain(m.group()) for m in matches(found[-1][1])] == words  # as it is shown

    return begins


def _first(text: str) -> list[tuple[tuple[str, ...], str]]:
    """Return the first one to four words, each as they are counted and as they are spelled."""
    found = list(islice(matches(text), WORDS))
    first: list[tuple[tuple[str, ...], str]] = []
    words: list[str] = []
    joints: list[int] = []
    for at, match in enumerate(found):
        if not is_word(match.group()):
            break
        if at:
            joined = joint(text[found[at - 1].end() : match.start()])
            if not joined:
                break
            joints.append(joined)
        words.append(match.group())
        first.append((tuple(map(plain, words)), shown(words, joints)))
    return first


def _apart(documents: int, longer: int) -> bool:
    return documents - longer >= FEW and documents - longer > SAME * documents
