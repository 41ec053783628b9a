"""The tokens on which each feature is strongest, kept while activations stream past.

A token counts once for each feature, with its largest activation. Not for: words, which thresholds come with
(:mod:`saetext.reader.thresholds.estimation`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NONE = -1  # in place of a token


class Strongest:
    """The ``k`` strongest tokens of each of ``d`` features; of equal ones those with the smaller id.

    Attributes
    ----------
    token : int32[d, k]
        Token ids, strongest first; :data:`NONE` where there are fewer.
    value : float32[d, k]
        Their largest activations; 0 where there is no token.
    """

    def __init__(self, d: int, k: int) -> None:
        self.token = np.full((d, k), NONE, np.int32)
        self.value = np.zeros((d, k), np.float32)

    def add(
        self, feature: NDArray[np.integer], token: NDArray[np.integer], value: NDArray[np.floating]
    ) -> None:
        """Take note of activations above zero: ``value[i]`` of ``feature[i]`` on a token of id ``token[i]``.

        What is dropped once has ``k`` better ones, whatever comes later: the result is that of all at once.
        """
        k = self.token.shape[1]
        good = value >= self.value[feature, k - 1]  # the weakest so far, 0 while there is room
        if not good.any():
            return
        touched, place = np.unique(feature[good], return_inverse=True)
        known = self.token[touched] != NONE
        row = np.concatenate([np.nonzero(known)[0], place])
        tokens = np.concatenate([self.token[touched][known], token[good]])
        values = np.concatenate([self.value[touched][known], value[good]])
        row, tokens, values = _largest(row, tokens, values)
        order = np.lexsort((tokens, -values, row))
        row, tokens, values = row[order], tokens[order], values[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        kept = rank < k
        self.token[touched[row[kept]], rank[kept]] = tokens[kept]
        self.value[touched[row[kept]], rank[kept]] = values[kept]


def _largest(
    row: NDArray[np.integer], token: NDArray[np.integer], value: NDArray[np.floating]
) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.floating]]:
    """Return each (row, token) once, with its largest value."""
    order = np.lexsort((-value, token, row))
    row, token, value = row[order], token[order], value[order]
    first = np.ones(len(row), bool)
    first[1:] = (row[1:] != row[:-1]) | (token[1:] != token[:-1])
    return row[first], token[first], value[first]
