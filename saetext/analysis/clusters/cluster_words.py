"""Words and phrases that set a cluster's texts apart from the others', and no two that say the same.

A word counts once a document: one text that repeats it says little of its cluster. Not for: names
(:mod:`saetext.analysis.clusters.naming`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.features.peaks.words import log_odds
from saetext.text.function_words import only_function_words
from saetext.text.phrases import phrase_matrix
from saetext.text.words import is_unspaced, parts, spelled

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix

SAMPLED = 200  # documents of each cluster whose words are counted
MOST_SAMPLED = 20_000
WORDS = 8  # of each cluster
LEAST_Z = 3.0  # log-odds in standard errors
LEAST_SHARE = 0.06  # of the cluster's documents that have a word
FEW = 3  # documents that have it
STEM = 5  # first letters that two forms of a word share
_LOOKED_AT = 120
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

    Of those with log-odds of at least three standard errors (:func:`saetext.features.peaks.words.log_odds`,
    over documents), those with the largest share inside times the logarithm of the ratio of shares, half a
    document added to each count. A word counts less the more of its documents have a stronger one. Function
    words at the ends of a phrase are left out, and so is what is made of words that stand already.

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
    >>> from saetext.analysis.clusters.cluster_words import typical_words
    >>> texts = ["the exchange rate was wrong"] * 9 + ["the card is lost"] * 9
    >>> [[word for word, _ in words] for words in typical_words(texts, [1] * 9 + [2] * 9, 2)]
    [['exchange rate was wrong'], ['card is lost']]
    """
    terms = phrase_matrix(texts, min_documents=FEW)
    code = np.asarray(cluster, np.int64)
    if not terms.names or not n_clusters:
        return [()] * n_clusters
    matrix = (terms.matrix > 0).astype(np.float32).tocsr()
    total = np.asarray(matrix.sum(0)).ravel().astype(np.float64)
    found: list[Words] = []
    for c in range(1, n_clusters + 1):
        members = np.flatnonzero(code == c)
        found.append(_of_one(terms.names, matrix[members].tocsc(), total, len(code)) if len(members) else ())
    return found


def _of_one(names: Sequence[str], inside: csc_matrix, total: NDArray[np.float64], n: int) -> Words:
    """Choose the words of one cluster from its documents, by terms, and the counts in all."""
    size = inside.shape[0]
    here = np.asarray(inside.sum(0)).ravel().astype(np.float64)
    there, others = total - here, n - size
    if not others:
        return ()
    share, elsewhere = (here + 0.5) / (size + 1), (there + 0.5) / (others + 1)
    score = share * np.log(share / elsewhere)
    z = log_odds(here, there, size, others, size)
    good = (z >= LEAST_Z) & (here >= min(FEW, size)) & (here >= LEAST_SHARE * size) & (score > 0)
    ranked = np.flatnonzero(good)[np.argsort(-score[good], kind="stable")][: 4 * _LOOKED_AT]
    called = {i: name for i in ranked.tolist() if (name := bare(names[i]))}
    documents = {
        i: frozenset(inside.indices[inside.indptr[i] : inside.indptr[i + 1]].tolist())
        for i in list(called)[:_LOOKED_AT]
    }
    chosen: list[tuple[str, float]] = []
    covered: set[int] = set()
    left = list(documents)
    while left and len(chosen) < WORDS:
        worth = [score[i] * _news(documents[i], covered) for i in left]
        at = int(np.argmax(worth))
        i = left.pop(at)
        if any(repeats(called[i], word) for word, _ in chosen):
            continue
        chosen.append((called[i], float(worth[at])))
        covered |= documents[i]
    return tuple(chosen)


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
