"""Words and phrases that set a cluster's texts apart from the others', and no two that say the same.

A word counts once a document: one text that repeats it says little of its cluster. Not for: names
(:mod:`saetext.analysis.clusters.names.naming`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.names.halves import held_out
from saetext.corpus.protocol import Ints
from saetext.text.function_words import only_function_words
from saetext.text.inflection import base
from saetext.text.phrases import phrase_matrix
from saetext.text.words import is_unspaced, parts, spelled

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Counts = NDArray[np.float64]

SAMPLED = 200  # documents of each cluster whose words are counted
MOST_SAMPLED = 20_000
WORDS = 8  # of each cluster
LEAST_Z = 2.5  # root of the likelihood ratio, on the half that words are chosen by
LEAST_HELD = 2.0  # and on the other
LEAST_UNCHECKED = 3.0  # where there is no other
LEAST_SHARE = 0.06  # of the cluster's documents that have a word
FEW = 3  # documents that have it
STEM = 5  # first letters that two forms of a word share
_LOOKED_AT = 120
_NEARLY = 0.6  # share of a word's documents that a phrase with it must have to stand in its place
_LONGEST = 3  # words of such a phrase
_BY_WORD = 0.5  # how much of a word's score counts if all its documents have a stronger one
_PARTICLES = frozenset(("up", "off", "out", "down", "back", "over", "away", "through"))
_SAID = """
    actually also anyone anything don't doesn't didn't can't won't isn't aren't wasn't couldn't wouldn't
    dont doesnt didnt cant im ive id its thats youre lot lots really yeah yes yep oh ok okay well maybe just
    still thing things something someone everyone everything way like get got getting gets going go went make
    makes made use used using want wants wanted need needs know think say says said let please hi hello hey
    one two first new good much many even don doesn didn isn wasn couldn wouldn shouldn won ain
"""
_THIN = frozenset(_SAID.split())  # words with little content of their own that English stop lists lack
_LISTED = """
    amount bill bottom call computer cry describe detail empty fill fire front interest mill mine move name
    serious show side sincere system top
"""
_TELLING = frozenset(_LISTED.split())  # words in scikit-learn's list of stop words that name something

#: Words of a cluster, each with its score, best first.
Words = tuple[tuple[str, float], ...]


def typical_words(texts: Sequence[str], cluster: Sequence[int], n_clusters: int) -> list[Words]:
    """Return the words and phrases that each cluster's texts have more often than all others.

    They are chosen on half of the documents: those with a signed root of the likelihood ratio (Dunning 1993,
    over documents) of at least 2.5, by the share inside times the logarithm of the ratio of shares, half a
    document added to each count. On the other half (:mod:`saetext.analysis.clusters.names.halves`) each must
    stand out again, with a root of 2, or it is left out. Forms of a word count as one. A phrase takes the
    place of a word that seldom stands without it. A word counts less the more of its documents have a
    stronger one.
    Function words at the ends of a phrase are left out, and so are what is made of words that stand already
    and phrases that have a word twice.

    Parameters
    ----------
    texts : sequence of str
        Sampled documents, about as many of each cluster.
    cluster : sequence of int
        Theirs, from 1; 0 for none: those count among the others.
    n_clusters : int
        Number of clusters.

    Returns
    -------
    list of tuple
        For each cluster up to eight pairs of a word and its score, best first; none where nothing stands out.

    Examples
    --------
    >>> from saetext.analysis.clusters.names.words import typical_words
    >>> texts = ["the exchange rate was wrong"] * 9 + ["the card is lost"] * 9
    >>> [[word for word, _ in words] for words in typical_words(texts, [1] * 9 + [2] * 9, 2)]
    [['exchange rate was wrong'], ['card is lost']]
    """
    if not n_clusters:
        return []
    terms = _merged(texts)
    code, held = np.asarray(cluster, np.int64), held_out(texts, cluster)
    if not terms.keys:
        return [()] * n_clusters
    sides = _Side(terms.matrix, code, ~held), _Side(terms.matrix, code, held)
    return [_of_one(terms, np.flatnonzero((code == c) & ~held), sides, c) for c in range(1, n_clusters + 1)]


class _Terms(NamedTuple):
    """Words and phrases: key and matrix (documents x terms), and the spellings that belong to each."""

    keys: list[tuple[str, ...]]
    matrix: csr_matrix
    spellings: list[list[int]]
    spelled: csr_matrix
    names: Sequence[str]


def _merged(texts: Sequence[str]) -> _Terms:
    """Count phrases without what says nothing at their ends; forms of a word are one."""
    from scipy import sparse

    found = phrase_matrix(texts, min_documents=FEW)
    bared = [bare(name) for name in found.names]
    place: dict[tuple[str, ...], int] = {}
    of, spellings = [], list[list[int]]()
    for i, name in enumerate(bared):
        key = tuple(base(word) for word in parts(name))
        if not key or _says_twice(name):
            of.append(-1)
            continue
        at = place.setdefault(key, len(place))
        of.append(at)
        if at == len(spellings):
            spellings.append([])
        spellings[at].append(i)
    kept = np.flatnonzero(np.array(of, np.int64) >= 0)
    spelled = (found.matrix > 0).astype(np.float32).tocsr()
    into = sparse.csr_matrix(
        (np.ones(len(kept), np.float32), (kept, np.array(of, np.int64)[kept])),
        shape=(len(of), len(place)),
    )
    matrix = ((spelled @ into) > 0).astype(np.float32).tocsr()
    return _Terms(list(place), matrix, spellings, spelled, bared)


def _says_twice(phrase: str) -> bool:
    """Whether a phrase has a word twice: "somewhat good, somewhat" is a piece of a list."""
    words = [word.strip(",.;:") for word in phrase.casefold().split()]
    return len(set(words)) < len(words)


class _Side:
    """Documents that names are chosen by, or checked on: how many have each term, in all and by cluster."""

    def __init__(self, matrix: csr_matrix, code: Ints, chosen: NDArray[np.bool_]) -> None:
        self._matrix, self._code, self._chosen = matrix, code, chosen
        self.n = int(chosen.sum())
        self.total = np.asarray(matrix[np.flatnonzero(chosen)].sum(0), np.float64).ravel()

    def of(self, c: int) -> tuple[Counts, Counts, int, int]:
        """Return how many of a cluster's and of other documents have each term, and how many there are."""
        members = np.flatnonzero(self._chosen & (self._code == c))
        here = np.asarray(self._matrix[members].sum(0), np.float64).ravel()
        return here, self.total - here, len(members), self.n - len(members)


def _of_one(terms: _Terms, members: Ints, sides: tuple[_Side, _Side], c: int) -> Words:
    """Choose the words of one cluster."""
    here, there, size, others = sides[0].of(c)
    if not others or not size:
        return ()
    share, elsewhere = (here + 0.5) / (size + 1), (there + 0.5) / (others + 1)
    score = share * np.log(share / elsewhere)
    checked = sides[1].of(c)
    good = root(here, there, size, others) >= (LEAST_Z if checked[2] else LEAST_UNCHECKED)
    good &= (here >= min(FEW, max(size // 4, 2))) & (here >= LEAST_SHARE * size) & (score > 0)
    if checked[2]:
        good &= (root(*checked) >= LEAST_HELD) & (checked[0] >= 2)
    ranked = np.flatnonzero(good)[np.argsort(-score[good], kind="stable")][:_LOOKED_AT]
    inside = terms.matrix[members].tocsc()
    documents = {
        i: frozenset(inside.indices[inside.indptr[i] : inside.indptr[i + 1]].tolist())
        for i in ranked.tolist()
    }
    spelled = np.asarray(terms.spelled[members].sum(0), np.float64).ravel()

    def called(i: int) -> str:
        best = max(terms.spellings[i], key=lambda at: (spelled[at], -len(terms.names[at])))
        return terms.names[best]

    chosen: list[tuple[str, float]] = []
    covered: set[int] = set()
    left = list(documents)
    while left and len(chosen) < WORDS:
        worth = [score[i] * _news(documents[i], covered) for i in left]
        at = int(np.argmax(worth))
        i, value = left.pop(at), float(worth[at])
        if any(repeats(called(i), word) for word, _ in chosen):
            continue
        longer = _longer(i, documents, terms.keys)
        if not any(repeats(called(longer), word) for word, _ in chosen):
            i = longer
        chosen.append((called(i), value))
        covered |= documents[i]
    return tuple(chosen)


def _longer(i: int, documents: Mapping[int, frozenset[int]], keys: Sequence[tuple[str, ...]]) -> int:
    """Return the phrase that a word seldom stands without, the longest; or the word."""
    key, most = keys[i], _NEARLY * len(documents[i])
    fits = [
        j
        for j, mine in documents.items()
        if len(key) < len(keys[j]) <= _LONGEST
        and len(mine) >= most
        and any(keys[j][at : at + len(key)] == key for at in range(len(keys[j])))
    ]
    return max(fits, key=lambda j: (len(documents[j]), len(keys[j])), default=i)


def root(here: Counts, there: Counts, size: int, others: int) -> Counts:
    """Return the signed root of the likelihood ratio of two shares; above 0, the first is larger.

    T. Dunning, "Accurate methods for the statistics of surprise and coincidence", Computational Linguistics
    19 (1993). Unlike log-odds with a prior it is not small for what no other document has.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.analysis.clusters.names.words import root
    >>> root(np.array([6.0, 1.0]), np.array([0.0, 100.0]), 12, 1000).round(1)
    array([ 7.4, -0.2])
    """
    if not size or not others:
        return np.zeros(len(here))
    p = (here + there) / (size + others)
    g = sum(
        _times_log(seen, n * rate)
        for seen, n, rate in (
            (here, size, p), (size - here, size, 1 - p), (there, others, p), (others - there, others, 1 - p)
        )
    )  # fmt: skip
    found: Counts = np.sign(here / size - there / others) * np.sqrt(2 * np.maximum(g, 0))
    return found


def _times_log(seen: Counts, expected: Counts) -> Counts:
    """Return seen * ln(seen / expected), 0 where nothing was seen."""
    ratio = np.divide(seen, expected, out=np.ones(len(seen)), where=(seen > 0) & (expected > 0))
    return seen * np.log(ratio)


def _news(documents: frozenset[int], covered: set[int]) -> float:
    return 1 - _BY_WORD * len(documents & covered) / max(len(documents), 1)


def bare(phrase: str) -> str:
    """Return a phrase without function words and possessives at its ends; empty if it then says nothing.

    Examples
    --------
    >>> bare("of the exchange rate"), bare("top up my"), bare("I'm"), bare("the Earth's")
    ('exchange rate', 'top up', '', 'Earth')
    """
    words = spelled(phrase)
    if len(words) > 1 and all(map(is_unspaced, words)):
        return phrase
    low, high = 0, len(words)
    while low < high and _empty(words[low]):
        low += 1
    while high > low and _empty(words[high - 1]) and not _particle(words, low, high - 1):
        high -= 1
    if low == high:
        return ""
    start = phrase.index(words[low])
    for word in words[:low]:  # the word itself may stand earlier
        start = max(start, phrase.index(word) + len(word))
    kept = phrase[phrase.index(words[low], start if low else 0) :]
    for word in reversed(words[high:]):
        kept = kept[: kept.rindex(word)].rstrip(" ,-")
    return kept.removesuffix("'s").removesuffix("’s")


def _particle(words: Sequence[str], low: int, at: int) -> bool:
    """Whether a word belongs to the verb before it, as in "top up"."""
    return at == low + 1 and words[at].lower() in _PARTICLES


def _empty(word: str) -> bool:
    """Whether a word alone names nothing."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    low = word.lower().replace("’", "'")
    stopped = low in ENGLISH_STOP_WORDS and low not in _TELLING
    if stopped or low in _THIN or only_function_words([low]):
        return True
    if not any(map(str.isalpha, word)):
        return True
    if len(word) < 2:  # one letter, or one sign of a script without spaces
        return True
    return word.isascii() and len(word) < 3 and not word.isupper()


def repeats(one: str, other: str) -> bool:
    """Return whether two pieces of a name share a word in any form."""
    return any(a.startswith(b) or b.startswith(a) for a in stems(one) for b in stems(other))


def stems(text: str) -> set[str]:
    """Return the first letters of the words of a text that name something."""
    return {word[:STEM] for word in parts(text) if not _empty(word)}
