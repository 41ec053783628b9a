"""Moments of many sparse columns in one pass, zeros included: mean, deviation, skewness and kurtosis.

Values come in batches, as (column, value) pairs that are not zero. Each batch is summarised by its own two
passes, and the summaries are merged with the formulas for joining two samples (Pébay 2008, Sandia report
SAND2008-6212; for the mean and variance Chan, Golub and LeVeque 1979). So nothing is subtracted from sums of
powers, where the digits would be lost. Zeros are joined at the end, as one batch. Not for: one column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Standard deviations below this share of the mean are rounding errors, whose shape means nothing.
ROUNDING = 1e-10

_Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Number, mean and sums of the powers of the deviations from it, of each of ``d`` columns.

    Attributes
    ----------
    n, mean, m2, m3, m4 : float64[d]
        All 0 in a column without values.
    """

    n: _Numbers
    mean: _Numbers
    m2: _Numbers
    m3: _Numbers
    m4: _Numbers

    @classmethod
    def empty(cls, d: int) -> Summary:
        """Return that of no values."""
        return cls(*np.zeros((5, d)))

    @classmethod
    def of(cls, column: NDArray[np.integer], value: NDArray[np.floating], d: int) -> Summary:
        """Return that of ``value[i]`` in ``column[i]``, for all ``i``; columns are 0 to ``d - 1``."""
        value = np.asarray(value, np.float64)
        n = np.bincount(column, minlength=d).astype(np.float64)
        mean = np.bincount(column, value, d) / np.maximum(n, 1)
        deviation = value - mean[column]
        # what the rounded mean is off by is put right: it would count for much where values are alike
        off = np.bincount(column, deviation, d) / np.maximum(n, 1)
        mean, deviation = mean + off, deviation - off[column]
        m2, m3, m4 = (np.bincount(column, deviation**k, d).astype(np.float64) for k in (2, 3, 4))
        return cls(n, mean, m2, m3, m4)

    def joined(self, other: Summary) -> Summary:
        """Return that of the values of both."""
        na, nb = self.n, other.n
        n = na + nb
        of = np.maximum(n, 1)
        a, b = na / of, nb / of  # shares: no product of counts is formed, however large they are
        delta = np.where((na > 0) & (nb > 0), other.mean - self.mean, 0.0)
        mean = np.where(na > 0, self.mean, other.mean) + np.where(na > 0, delta * b, 0.0)
        across = n * a * b * delta**2
        m2 = self.m2 + other.m2 + across
        m3 = self.m3 + other.m3 + across * delta * (a - b) + 3 * delta * (a * other.m2 - b * self.m2)
        m4 = (
            self.m4
            + other.m4
            + across * delta**2 * (a * a - a * b + b * b)
            + 6 * delta**2 * (a * a * other.m2 + b * b * self.m2)
            + 4 * delta * (a * other.m3 - b * self.m3)
        )
        return Summary(n, mean, m2, m3, m4)

    def among(self, total: int) -> Summary:
        """Return that of these values and of zeros, ``total`` of both together in every column.

        Raises
        ------
        ValueError
            If a column has more than ``total`` values.
        """
        zeros = total - self.n
        if (zeros < 0).any():
            raise ValueError(f"a column has {int(self.n.max())} values, which is more than {total}")
        nothing = np.zeros_like(zeros)
        return self.joined(Summary(zeros, nothing, nothing, nothing, nothing))

    @property
    def std(self) -> _Numbers:
        """Population standard deviation; NaN in a column without values, 0 where all are equal."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self._varies, np.sqrt(self.m2 / self.n), np.where(self.n > 0, 0.0, np.nan))

    @property
    def skewness(self) -> _Numbers:
        """Population skewness; NaN where all values are equal."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self._varies, np.sqrt(self.n) * self.m3 / self.m2**1.5, np.nan)

    @property
    def kurtosis(self) -> _Numbers:
        """Population excess kurtosis, 0 of a normal distribution; NaN where all values are equal."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self._varies, self.n * self.m4 / self.m2**2 - 3, np.nan)

    @property
    def _varies(self) -> NDArray[np.bool_]:
        return (self.n > 0) & (self.m2 > self.n * (ROUNDING * self.mean) ** 2)
