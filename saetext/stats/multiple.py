"""False-discovery control over many tests. Not for: the tests themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saetext.stats.counts import Floats


def benjamini_hochberg(p: ArrayLike, tests: int | None = None, dependent: bool = False) -> Floats:
    """Adjusted p-values (q) that control the false-discovery rate (Benjamini and Hochberg 1995).

    Parameters
    ----------
    p : array_like of float
        One-dimensional, in [0, 1]; may be empty.
    tests : int, optional
        How many tests there were; those whose p is not given count as 1. By default all are given.
    dependent : bool
        Whether to hold under any dependence (Benjamini and Yekutieli, Ann. Stat. 29:1165, 2001).

    Returns
    -------
    q : float64 array
        Same length, never below ``p``.

    Raises
    ------
    ValueError
        If a value is NaN or outside [0, 1], or more p-values are given than there were tests.
    """
    values = np.asarray(p, np.float64)
    if not values.size:
        return np.empty(0)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("p-values must lie between 0 and 1")
    tests = len(values) if tests is None else tests
    if tests < len(values):
        raise ValueError(f"{len(values)} p-values of {tests} tests")
    order = np.argsort(values)[::-1]
    scaled = values[order] * (_scale(tests, dependent) / np.arange(len(values), 0, -1))
    q = np.empty(len(values))
    q[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return q


def _scale(tests: int, dependent: bool) -> float:
    if not dependent or not tests:
        return float(tests)
    # the harmonic number, exactly or by its asymptotic series
    few = tests < 1000
    harmonic = (
        sum(1 / k for k in range(1, tests + 1)) if few else np.log(tests) + np.euler_gamma + 0.5 / tests
    )
    return float(tests * harmonic)


class PHistogram:
    """Counts p-values of a great many tests, to control the false-discovery rate without keeping them.

    p-values are counted in bins of 1/4096 of a decade, so that a q is right to .06 %. Those that were never
    added count as 1.

    Parameters
    ----------
    dependent : bool
        Whether to hold under any dependence (Benjamini and Yekutieli, Ann. Stat. 29:1165, 2001).
    """

    _PER_DECADE = 4096
    _DECADES = 330

    def __init__(self, dependent: bool = False) -> None:
        self._counts = np.zeros(self._PER_DECADE * self._DECADES + 1, np.int64)
        self.dependent = dependent

    def add(self, p: Floats) -> None:
        """Count p-values in [0, 1]."""
        np.add.at(self._counts, self._place(p), 1)

    def q(self, p: ArrayLike, tests: int) -> Floats:
        """Return q of p-values out of ``tests``."""
        values = np.asarray(p, np.float64)
        bins, rank, best = self._thresholds(tests)
        at = np.searchsorted(bins, self._place(values))  # the first bin with any that is not of larger p
        rank, larger = np.append(rank, 0)[at], np.append(np.inf, best)[at]
        scaled = values / np.maximum(rank, 1) * _scale(tests, self.dependent)
        return np.minimum(np.minimum(scaled, larger), 1.0)

    def found(self, alpha: float, tests: int) -> tuple[int, float]:
        """Return how many p-values have q < ``alpha``, and the largest p of a bin all of which do."""
        bins, rank, best = self._thresholds(tests)
        good = np.flatnonzero(best < alpha)
        if not len(good):
            return 0, 0.0
        return int(rank[good[0]]), float(self._largest(bins[good[0]]))

    def _thresholds(self, tests: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """Return of each bin with any p its number, how many are in it or in later ones, and a q.

        The q is the smallest that a p of this bin or of a larger p has. Bins without any, nearly all of a
        million, are passed over.
        """
        bins = np.flatnonzero(self._counts)
        rank = np.cumsum(self._counts[bins][::-1])[::-1]
        q = self._largest(bins) / rank * _scale(tests, self.dependent)
        return bins, rank, np.minimum.accumulate(q)

    def _largest(self, bins: NDArray[np.int64]) -> Floats:
        # bin b holds 10**(-(b + 1) / per) < p <= 10**(-b / per); the last one everything below

        return 10.0 ** (-bins / self._PER_DECADE)

    def _place(self, p: ArrayLike) -> NDArray[np.int64]:
        with np.errstate(divide="ignore"):
            place = np.floor(-np.log10(np.asarray(p, np.float64)) * self._PER_DECADE)
        return np.clip(place, 0, len(self._counts) - 1).astype(np.int64)
