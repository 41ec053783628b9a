"""The texts around sampled peaks, as numbers: n-grams of all texts, and which stand in the windows.

Not for: which n-grams tell something (:mod:`saetext.features.peaks.words`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.peaks.sampling import Peaks
from saetext.features.peaks.units import Units, shown, units

REACH = 1  # units on either side of a peak that make its window
ORDERS = (1, 2, 3)  # units in an n-gram
_LONGEST = 20_000  # code points of a document that is read whole; of a longer one, what is around the peak
_AROUND = 2_000


@dataclass(eq=False)
class Windows:
    """Where one feature peaks: parallel lists, one entry a peak whose text was read.

    ``piece`` is the stretch of text it stands in, ``at`` the unit there, ``value`` the activation.
    """

    piece: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)


@dataclass(eq=False)
class Read:
    """Stretches of text, cut into units, and the peaks in them.

    Attributes
    ----------
    text, cut : list
        Each stretch, and its units.
    windows : dict
        Feature to its peaks.
    """

    text: list[str] = field(default_factory=list)
    cut: list[Units] = field(default_factory=list)
    windows: dict[int, Windows] = field(default_factory=dict)

    def add(self, text: str) -> int:
        """Cut a stretch of text and return its number."""
        self.text.append(text)
        self.cut.append(units(text))
        return len(self.text) - 1

    def between(self, piece: int, low: int, high: int) -> str:
        """Return the text of units ``low:high`` of a stretch, on one line."""
        cut = self.cut[piece]
        return shown(self.text[piece][int(cut.start[low]) : int(cut.end[high - 1])])


def read(
    sets: Sequence[CorpusLike],
    peaks: Mapping[int, Peaks],
    on_done: Callable[[int], None] | None = None,
) -> Read:
    """Read each document needed once.

    Parameters
    ----------
    sets : sequence of Corpus
        The corpora, whose rows follow one another.
    peaks : mapping
        Feature to its sampled peaks.
    on_done : callable, optional
        Called with 1 for each document.

    Returns
    -------
    Read
        Documents whose text is not stored are missing from it.
    """
    wanted: dict[int, list[tuple[int, int, float]]] = {}
    for feature in sorted(peaks):
        found = peaks[feature]
        for row, token, value in zip(
            found.row.tolist(), found.token.tolist(), found.value.tolist(), strict=True
        ):
            wanted.setdefault(row, []).append((feature, token, value))
    starts = np.cumsum([0] + [corpus.n_documents for corpus in sets])
    result = Read()
    for row in sorted(wanted):
        number = int(np.searchsorted(starts, row, side="right")) - 1
        document = sets[number].document(row - int(starts[number]))
        if on_done is not None:
            on_done(1)
        text, start, end = document["text"], document["token_start"], document["token_end"]
        if text is None or not len(start):
            continue
        whole = result.add(text) if len(text) <= _LONGEST else -1
        for feature, token, value in wanted[row]:
            if token < len(start):
                piece, at = _place(result, whole, text, int(start[token]), int(end[token]))
                _note(result.windows.setdefault(feature, Windows()), piece, at, value)
    return result


def _place(result: Read, whole: int, text: str, start: int, end: int) -> tuple[int, int]:
    """Return a stretch and the unit in it for a token; a long text has a stretch for each."""
    if whole >= 0:
        return whole, result.cut[whole].at(start, end)
    low = max(start - _AROUND, 0)
    piece = result.add(text[low : end + _AROUND])
    return piece, result.cut[piece].at(start - low, end - low)


def _note(windows: Windows, piece: int, at: int, value: float) -> None:
    if at >= 0:
        windows.piece.append(piece)
        windows.at.append(at)
        windows.value.append(value)


@dataclass(frozen=True, eq=False)
class Grams:
    """N-grams of all stretches, one array an order.

    Attributes
    ----------
    number : tuple of int64[n]
        For each order, the number of the n-gram that begins at each unit of all stretches together; -1 where
        it would reach over the end of its stretch.
    sizes : tuple of int
        How many different ones there are.
    first : int64[pieces + 1]
        Where each stretch begins.
    """

    number: tuple[Ints, ...]
    sizes: tuple[int, ...]
    first: Ints


def grams(cut: Sequence[Units]) -> Grams:
    """Number the n-grams of stretches of text, of each order apart."""
    known: dict[str, int] = {}
    one = np.fromiter((known.setdefault(name, len(known)) for piece in cut for name in piece.name), np.int64)
    first = np.concatenate([[0], np.cumsum([len(piece.name) for piece in cut])]).astype(np.int64)
    left = np.repeat(first[1:], np.diff(first)) - np.arange(len(one))  # units up to the stretch's end
    numbers, sizes = [one], [len(known)]
    for order in ORDERS[1:]:
        whole = np.flatnonzero(left >= order)
        key = numbers[-1][whole] * max(len(known), 1) + one[whole + order - 1]
        different, number = np.unique(key, return_inverse=True)
        column = np.full(len(one), -1, np.int64)
        column[whole] = number.reshape(-1)
        numbers.append(column)
        sizes.append(len(different))
    return Grams(tuple(numbers), tuple(sizes), first)


def spread(low: NDArray[np.integer], high: NDArray[np.integer]) -> tuple[Ints, Ints]:
    """Return the integers of the ranges ``low:high`` one after the other, and the range each is of."""
    lengths = np.maximum(high - low, 0)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    begins = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) - np.repeat(begins - low, lengths), owner
