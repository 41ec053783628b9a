"""Which texts are one text, word for word or nearly: forms filled in, messages sent again.

Runs of three words are compared, by a few hashes each, so that many texts take little time. Not for: texts
that say the same in other words.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.text.words import words

Ints = NDArray[np.int64]
ALIKE = 0.7  # share of the runs of either text that both have
_RUN = 3  # words
_BANDS, _EACH = 12, 2  # texts that are this much alike meet in one of the bands nearly always (99.98 %)
_READ = 4000  # characters of a text
_DIGITS = re.compile(r"\d+")
_PRIME = np.uint64(0xFFFFFFFB)  # 2**32 - 5
_LEADERS = 8  # of a band's texts, with which a further one is compared


def near_copies(texts: Sequence[str | None]) -> Ints:
    """Number texts so that those which are one text, nearly word for word, share a number.

    Capitals, punctuation, space and digits make no difference. Of a text of fewer than three words nothing
    may differ but those. A text is compared with the first of a group, not with all of it.

    Parameters
    ----------
    texts : sequence of str or None
        A text that is not known is no copy of any.

    Returns
    -------
    int64[n]
        From 0, in the order of the first text of each group.

    Examples
    --------
    >>> from saetext.text.near_copies import near_copies
    >>> near_copies(["Where is my parcel no. 12?", "where is my parcel no. 375", "Thank you!", None]).tolist()
    [0, 0, 1, 2]
    """
    runs = [None if text is None else _runs(text) for text in texts]
    group = np.arange(len(texts), dtype=np.int64)
    same: dict[bytes, int] = {}
    bands: dict[tuple[int, int], list[int]] = {}
    for number, mine in enumerate(runs):
        if mine is None:
            continue
        key = mine.tobytes()
        if (first := same.setdefault(key, number)) != number:
            group[number] = group[first]
            continue
        keys = _keys(mine)
        met = dict.fromkeys(other for key in keys for other in bands.get(key, ())[:_LEADERS])
        for other in met:
            theirs = runs[other]
            if theirs is not None and _alike(mine, theirs) >= ALIKE:
                group[number] = group[other]
                break
        else:
            for key_of_band in keys:
                bands.setdefault(key_of_band, []).append(number)
    found: Ints = np.unique(group, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return found


def _runs(text: str) -> NDArray[np.uint64]:
    """Return the hashes of a text's runs of words, sorted; of a short one that of all its words."""
    said = [_DIGITS.sub("0", word) for word in words(text[:_READ])]
    if len(said) < _RUN:
        return np.array([zlib.crc32(" ".join(said).encode("utf-8", "replace"))], np.uint64)
    each = [zlib.crc32(word.encode("utf-8", "replace")) for word in said]
    one = np.array(each, np.uint64)
    mixed = (
        one[:-2] * np.uint64(31) + one[1:-1] * np.uint64(1_000_003) + one[2:] * np.uint64(69_069)
    ) % _PRIME
    return np.unique(mixed)


def _keys(runs: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Return what a text is looked up by: of each band the smallest of several permutations of its runs."""
    least = ((runs[:, None] * _MULTIPLY[None, :] + _ADD[None, :]) % _PRIME).min(0)
    pairs = least.reshape(_BANDS, _EACH)
    return [(band, hash(tuple(pair))) for band, pair in enumerate(pairs.tolist())]


def _alike(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)


_DRAW = np.random.default_rng(20)
_MULTIPLY = _DRAW.integers(1, 2**31, _BANDS * _EACH, dtype=np.uint64)
_ADD = _DRAW.integers(0, 2**31, _BANDS * _EACH, dtype=np.uint64)
