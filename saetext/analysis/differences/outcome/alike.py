"""How effects hang together: what is left of each among documents that are alike in another description.

Not for: which description leads (:func:`saetext.analysis.differences.folding.fold`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.differences.folding import LEVEL
from saetext.analysis.differences.outcome.measuring import Models

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]

_BLOCK = 4096  # rows whose descriptions are dense at once, whole units


@dataclass(frozen=True, eq=False)
class Alike:
    """Cross products of descriptions and outcome, with units and covariates taken out.

    Attributes
    ----------
    cross : float64[C, C]
        Of the descriptions.
    with_outcome : float64[C]
        Of each with the outcome.
    both : float64[C, C]
        Rows that have both of two, on the diagonal those that have one.
    error : float
        Variance of what is left of the outcome.
    """

    cross: Floats
    with_outcome: Floats
    both: Floats
    error: float

    @classmethod
    def count(cls, present: csr_matrix, models: Models) -> Alike:
        """Count a matrix of the models' rows, in their order, x descriptions (above 0 where present)."""
        model = models.adjusted
        n = present.shape[1]
        cross, both = np.zeros((n, n)), np.zeros((n, n))
        z_x = np.zeros((model.covariates.shape[1], n))
        with_outcome = np.zeros(n)
        mean = np.asarray((present > 0).mean(0)).ravel()
        for first, last in _units_of(model.unit_starts, model.unit_size):
            has = (present[first:last].toarray() > 0).astype(np.float32)
            both += has.T @ has
            dense = has.astype(np.float64)
            if model.within:
                of = (model.unit_starts >= first) & (model.unit_starts < last)
                size = model.unit_size[of]
                means = np.add.reduceat(dense, model.unit_starts[of] - first, axis=0) / size[:, None]
                dense -= np.repeat(means, size, axis=0)
            else:
                dense -= mean
            few = dense.astype(np.float32)
            cross += few.T @ few
            z_x += model.covariates[first:last].T @ dense
            with_outcome += model.rest[first:last] @ dense
        cross -= z_x.T @ model.inverse @ z_x
        error = float(model.rest @ model.rest) / model.residual_df
        return cls(cross, with_outcome, both, error)

    @property
    def diff(self) -> Floats:
        """float64[C]: the effect of each."""
        own = np.diagonal(self.cross)
        return np.divide(self.with_outcome, own, out=np.zeros(len(own)), where=own > 1e-6)

    def left(self, given: int) -> tuple[Floats, Floats]:
        """Return what is left of each effect with another description in the model, and its upper end.

        Both are counted in the direction of the effect; infinite where nothing of a description varies among
        documents that are alike in the other. Errors count as equal and independent.
        """
        sign = np.where(self.diff < 0, -1.0, 1.0)
        own, shared = np.diagonal(self.cross), self.cross[:, given]
        rest = own - shared**2 / max(own[given], 1e-12)
        known = rest > 1e-3 * np.maximum(own, 1e-12)
        safe = np.where(known, rest, 1.0)
        left = (self.with_outcome - shared * self.diff[given]) / safe
        upper = sign * left + stats.normal_quantile(LEVEL) * np.sqrt(self.error / safe)
        return np.where(known, sign * left, np.inf), np.where(known, upper, np.inf)

    def common(self, given: int) -> Floats:
        """float64[C]: of the documents with either description, the share that has both (Jaccard)."""
        one = np.diagonal(self.both)
        either = one + one[given] - self.both[given]
        return np.divide(self.both[given], either, out=np.zeros(len(one)), where=either > 0)

    def alongside(self, given: int) -> NDArray[np.bool_]:
        """bool[C]: which are present more often where the description is, and go the same way."""
        found: NDArray[np.bool_] = (self.cross[given] > 0) & (np.sign(self.diff) == np.sign(self.diff[given]))
        return found


def _units_of(starts: NDArray[np.int64], size: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return ranges of rows that hold whole units."""
    ends = starts + size
    found, first = [], 0
    while first < len(starts):
        last = int(np.searchsorted(ends, starts[first] + _BLOCK, side="right"))
        last = max(last, first + 1)
        found.append((int(starts[first]), int(ends[last - 1])))
        first = last
    return found
