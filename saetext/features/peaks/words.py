"""The words and phrases that set a feature's peaks apart from the rest of the same texts.

Ranked by the log-odds ratio with an informative Dirichlet prior of B. L. Monroe, M. P. Colaresi and
K. M. Quinn, "Fightin' Words", Political Analysis 16 (2008), equations 16, 19, 20 and 22. Not for: labels; a
word at the peaks is what is there, not what it means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import Ints
from saetext.features.peaks.reading import ORDERS, REACH, Grams, Read, Windows, spread
from saetext.features.peaks.units import BREAK

WORDS = 4  # words and phrases of a feature
LEAST_Z = 3.0  # log-odds in standard errors
PRIOR = 1.0  # weight of the prior, in words of the windows
LEAST_PEAKS = 3  # peaks that have a word
_LEAST_SHARE = 0.04  # of the peaks
_NEARLY = 0.7  # share of a word's peaks that a phrase with it must cover to stand in its place
_NEW = 0.5  # share of a word's peaks that no stronger word covers, or it says nothing new
_LOOKED_AT = 60  # strongest candidates of a feature


@dataclass(frozen=True)
class LocalWords:
    """Words of a feature, strongest first, with their z, and the share of peaks beside which one stands."""

    words: tuple[str, ...] = ()
    z: tuple[float, ...] = ()
    coverage: float = 0.0


@dataclass(frozen=True, eq=False)
class _Candidate:
    """An n-gram of the windows: its units, its place in a text, the peaks that have it, and its z."""

    units: tuple[str, ...]
    text: str
    peaks: frozenset[int]
    z: float


def log_odds(
    here: NDArray[np.number], there: NDArray[np.number], n_here: float, n_there: float, prior: float
) -> NDArray[np.float64]:
    """Return z of the log-odds ratio of words between two bodies of text.

    Parameters
    ----------
    here, there : number[n]
        How often each word occurs in the one and in the other.
    n_here, n_there : float
        Words in each, all words counted.
    prior : float
        Weight of the prior in words, above 0. It spreads over the words as they are spread in both bodies
        together, so that words which are frequent everywhere need more to stand out.

    Returns
    -------
    float64[n]
        Log-odds ratio by its standard error; above 0, the word is more frequent here.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.features.peaks.words import log_odds
    >>> log_odds(np.array([20, 150]), np.array([0, 900]), 1000, 9000, 9000).round(1)
    array([4.7, 1.9])
    """
    y, r = np.asarray(here, np.float64), np.asarray(there, np.float64)
    alpha = prior * (y + r) / (n_here + n_there)
    one = np.log(y + alpha) - np.log(np.maximum(n_here + prior - y - alpha, 0.5))
    other = np.log(r + alpha) - np.log(np.maximum(n_there + prior - r - alpha, 0.5))
    z: NDArray[np.float64] = (one - other) / np.sqrt(1 / (y + alpha) + 1 / (r + alpha))
    return z


def local_words(read: Read, grams: Grams, windows: Windows) -> LocalWords:
    """Choose up to four words or phrases of a feature.

    Parameters
    ----------
    read : Read
        The texts; what stands beside the windows in the feature's own texts is what they are compared with.
    grams : Grams
        Their n-grams.
    windows : Windows
        The feature's peaks.

    Returns
    -------
    LocalWords
        Without words where none is in three peaks and stands out. A phrase takes the place of a word if it
        is in nearly as many peaks; of words that differ in case only, or that stand at the same peaks, the
        strongest is kept.
    """
    n = len(windows.piece)
    ranked = sorted(
        (c for order in ORDERS for c in _candidates(read, grams, windows, order)),
        key=lambda c: (-c.z, c.units),
    )[:_LOOKED_AT]
    chosen: list[_Candidate] = []
    covered: set[int] = set()
    seen: set[int] = set()
    for candidate in ranked:
        if len(chosen) == WORDS:
            break
        if len(candidate.peaks - covered) < max(_NEW * len(candidate.peaks), 1):
            continue
        if any(_alike(candidate.units, other.units) for other in chosen):
            covered |= candidate.peaks
            continue
        best = _longer(candidate, ranked)
        if id(best) in seen:
            continue
        seen.add(id(best))
        chosen.append(best)
        covered |= candidate.peaks
    with_word = {p for c in ranked for p in c.peaks if any(_alike(c.units, o.units) for o in chosen)}
    return LocalWords(
        tuple(c.text for c in chosen), tuple(c.z for c in chosen), len(with_word) / n if n else 0.0
    )


def _candidates(read: Read, grams: Grams, windows: Windows, order: int) -> list[_Candidate]:
    """Return the n-grams of one order that are in enough windows and stand out."""
    number = grams.number[order - 1]
    piece, at = np.array(windows.piece, np.int64), np.array(windows.at, np.int64)
    n = len(piece)
    low, high = grams.first[piece], grams.first[piece + 1]
    middle = low + at
    inside, owner = spread(
        np.maximum(middle - REACH, low), np.minimum(middle + REACH + 1, high) - (order - 1)
    )
    if not len(inside):
        return []
    here, first, index = np.unique(number[inside], return_index=True, return_inverse=True)
    index = index.reshape(-1)
    pairs = np.unique(index * n + owner)  # a window may have a word twice
    peaks = np.bincount(pairs // n, minlength=len(here))
    enough = peaks >= max(LEAST_PEAKS, math.ceil(_LEAST_SHARE * n))
    if not enough.any():
        return []
    y = np.bincount(index, minlength=len(here))
    texts = np.unique(piece)
    everywhere, _ = spread(grams.first[texts], grams.first[texts + 1])
    found = number[everywhere]
    found = found[found >= 0]
    total = np.bincount(found, minlength=grams.sizes[order - 1])[here]
    n_here, n_there = len(inside), len(found) - len(inside)
    if n_there <= 0:
        return []
    z = log_odds(y, total - y, n_here, n_there, PRIOR * n_here)
    return [
        _made(read, piece, grams.first, inside[first[i]], owner[first[i]], order, _of(pairs, i, n), z[i])
        for i in np.flatnonzero(enough & (z >= LEAST_Z)).tolist()
    ]


def _of(pairs: Ints, i: int, n: int) -> frozenset[int]:
    """Return the peaks of the i-th n-gram."""
    low, high = np.searchsorted(pairs, (i * n, (i + 1) * n))
    return frozenset((pairs[low:high] - i * n).tolist())


def _made(
    read: Read, piece: Ints, first: Ints, at: int, owner: int, order: int, peaks: frozenset[int], z: float
) -> _Candidate:
    stretch = int(piece[owner])
    low = int(at - first[stretch])
    names = tuple(read.cut[stretch].name[low : low + order])
    return _Candidate(names, read.between(stretch, low, low + order), peaks, float(z))


def _longer(candidate: _Candidate, ranked: list[_Candidate]) -> _Candidate:
    """Return the longest phrase with a word that covers nearly as many peaks, or the word itself."""
    fits = [
        c
        for c in ranked
        if len(c.units) > len(candidate.units)
        and _within(candidate.units, c.units)
        and len(c.peaks) >= _NEARLY * len(candidate.peaks)
    ]
    return max(fits, key=lambda c: (len(c.units), len(c.peaks), c.z), default=candidate)


def _within(few: tuple[str, ...], many: tuple[str, ...]) -> bool:
    return any(many[i : i + len(few)] == few for i in range(len(many) - len(few) + 1))


def _alike(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """Whether two n-grams are the same but for case, or one is part of the other."""
    a, b = tuple(u.casefold() for u in a), tuple(u.casefold() for u in b)
    if set(a) <= {BREAK, BREAK * 2} and set(b) <= {BREAK, BREAK * 2}:
        return True
    return _within(a, b) or _within(b, a)
