"""Whether two descriptions that are together are one passage, one wording, or the same thing said twice.

"Thank" and "you", "sorry" and the theme of apologies are in one text because they are in one sentence of it:
that is how language goes, and no finding. Two sentences are one wording only where neither is often without
the other: "I hope this helps!" and "Feel free to ask." are two habits. Not for: where they stand
(:mod:`saetext.analysis.cooccurrence.descriptions.places`).
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from saetext.analysis.cooccurrence.descriptions.making import OPENING, Descriptions, content
from saetext.analysis.cooccurrence.descriptions.places import SPREAD, Places
from saetext.corpus.protocol import Ints
from saetext.features.detectors import SUBJECTS
from saetext.text.mark_units import OF_PARTS
from saetext.text.phrases import plain
from saetext.text.words import words

NEAR = 2  # words between two words of one phrase, at most
FAR = 12  # words up to which an equal distance is one wording
MOST = 0.5  # share of the common rows from which on a pair is one passage
TOUCHING = 0.25  # ... or on which a theme, or a topic of a word, is at the very word
WORDING = 0.4  # ... or one wording
ALWAYS = 0.75  # of the rows of one that have the other, where two sentences are one wording
LOOKED_AT = 40  # common rows that are looked at
PHRASE, SAME_WORDING, SAME, IMPLIED = "one phrase", "one wording", "the same words", "one implies the other"
_STEM = 5  # letters that two forms of a word share
_ENDING = 3  # letters that one form of a short word may have more
_ALL = 0.95  # of the rows of one mark, or of a word, that have the other mark or topic, where that follows


def reason_of(
    pair: tuple[int, int], rows: Ints, support: tuple[int, int], made: Descriptions, places: Places
) -> str | None:
    """Return why a pair is no finding, None if it may be one.

    Parameters
    ----------
    pair : (int, int)
        Two descriptions.
    rows : int64[n]
        The rows that have both, at least one.
    support : (int, int)
        How many rows have each.
    made : Descriptions
        What they are.
    places : Places
        Where they stand.
    """
    kinds, terms = [made.kind[i] for i in pair], [made.term[i] for i in pair]
    told = [content(term) or [plain(word) for word in words(term)] for term in terms]
    if any(alike(x, y) for x in told[0] for y in told[1]):
        return SAME
    of_subject = any(kind == "property" and term in SUBJECTS for kind, term in zip(kinds, terms, strict=True))
    of_topic = "theme" in kinds or ("word" in kinds and of_subject)
    if kinds == ["format", "format"] and len(rows) >= _ALL * min(support):
        return IMPLIED
    if of_topic and "word" in kinds and len(rows) >= _ALL * support[kinds.index("word")]:
        return IMPLIED  # a word that is nowhere else is a word of the topic
    looked_at = rows[np.linspace(0, len(rows) - 1, min(len(rows), LOOKED_AT)).astype(np.int64)]
    if any(_has_itself(word, mark, looked_at, made, places) for word, mark in (pair, pair[::-1])):
        return IMPLIED  # "don't" is a contraction, "3D" has a number
    near, known, touching = 0, 0, 0
    inside, across = Counter[int](), Counter[int]()  # distances within a sentence, and from one to another
    for row in looked_at.tolist():
        a, b = (places.of(i, row) for i in pair)
        if not a or not b:
            continue
        known += 1
        gap, distance, apart = places.closest(row, a, b)
        if abs(distance) <= FAR:
            (across if apart else inside)[distance] += 1
        if SPREAD & set(kinds):
            touching += of_topic and gap == 0
            near += not apart and not (places.without(pair[0], row, b) and places.without(pair[1], row, a))
        else:
            near += gap <= NEAR and not apart
    if not known:
        return None
    if near > MOST * known or touching > TOUCHING * known:
        return PHRASE
    if len(rows) >= ALWAYS * min(support):
        inside += across
    if inside and max(inside.values()) > max(WORDING * known, 1):
        return SAME_WORDING
    return None


def _has_itself(word: int, mark: int, rows: Ints, made: Descriptions, places: Places) -> bool:
    """Whether a word or opening has a mark of format itself in most rows, as they write it."""
    phrase = made.kind[word] == "word" or made.term[word].startswith(OPENING)
    if not phrase or made.kind[mark] != "format" or made.term[mark] not in OF_PARTS:
        return False
    return sum(places.has_itself(word, mark, row) for row in rows.tolist()) > MOST * len(rows)


def alike(word: str, other: str) -> bool:
    """Return whether two words begin alike, as forms of one word do.

    Examples
    --------
    >>> from saetext.analysis.cooccurrence.descriptions.passages import alike
    >>> alike("apology", "apologies"), alike("box", "boxes"), alike("car", "cartoon")
    (True, True, False)
    """
    short, long = sorted((word, other), key=len)
    if len(short) >= _STEM and short[:_STEM] == long[:_STEM]:
        return True
    return (
        len(short) > 1 and long.startswith(short) and len(long) - len(short) <= min(_ENDING, len(short) - 1)
    )
