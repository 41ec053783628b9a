"""How much of a theme a document needs to count: the level that tells the sets apart best.

Half of all reviews have a passage that is a little about values, few one that is wholly so. So a graded
description is tested at several levels that are fixed beforehand. The half of the documents that is used to
find chooses the level; p counts for as many tests as there are levels, and the held-out half confirms that
level alone. Levels are the usual one and stricter ones: at laxer ones names are no longer true. Not for: the
tests (:mod:`saetext.analysis.differences.testing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.design import Design
from saetext.analysis.differences.testing import Sums, p_values
from saetext.features.theme_passages import STRONG
from saetext.text.terms import TermMatrix

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Ints = NDArray[np.int64]

#: From how much of full strength on a passage is about a theme; the first is that of ``theme_passages``.
THEME_LEVELS = (STRONG, 1.3)
_ROUNDING = 1e-6  # values are float32


@dataclass(frozen=True, eq=False)
class Leveled:
    """Terms by document at several levels.

    Attributes
    ----------
    names : tuple of str
        The terms.
    matrices : sequence of csr_matrix
        float32[documents, terms] for each level, the usual one first; above 0 where a document has the term.
    """

    names: tuple[str, ...]
    matrices: Sequence[csr_matrix]

    @classmethod
    def of(cls, names: tuple[str, ...], graded: csr_matrix, levels: Sequence[NDArray[np.float64]]) -> Leveled:
        """Cut one graded matrix at levels, each float64[terms]; values are in units of the level."""
        return cls(names, [_from(graded, level) for level in levels])

    @property
    def usual(self) -> TermMatrix:
        """The terms at their usual level."""
        return TermMatrix(self.names, self.matrices[0])

    def stacked(self) -> csr_matrix:
        """Return float32[documents, levels * terms]: the terms at the first level, then at the next."""
        from scipy import sparse

        return sparse.csr_matrix(sparse.hstack(self.matrices, format="csr", dtype=np.float32))

    def at(self, level: Ints) -> TermMatrix:
        """Return the terms, each at a level of its own."""
        columns = level * len(self.names) + np.arange(len(self.names))
        return TermMatrix(self.names, self.stacked()[:, columns])


def _from(graded: csr_matrix, level: NDArray[np.float64]) -> csr_matrix:
    """Return what reaches its column's level, divided by it."""
    from scipy import sparse

    of_entry = level[graded.indices]
    kept = graded.data >= of_entry - _ROUNDING
    ends = np.concatenate([[0], np.cumsum(kept)])
    data = np.maximum(graded.data[kept] / of_entry[kept], 1.0).astype(np.float32)
    return sparse.csr_matrix((data, graded.indices[kept], ends[graded.indptr]), shape=graded.shape)


def choose(sums: Sums, design: Design, n_levels: int) -> Ints:
    """Return int64[terms]: the level of each term with the smallest p on the half that is used to find.

    Without halves p is of all rows. Of equal ones the first is taken.

    Parameters
    ----------
    sums : Sums
        What was counted of the stacked terms.
    design : Design
        Of the contrast.
    n_levels : int
        How many levels are stacked.
    """
    p = p_values(sums, design, 0 if design.split else None).reshape(n_levels, -1)
    size = np.round(np.log(np.maximum(p, np.finfo(np.float64).tiny)), 9)  # equal but for rounding is equal
    return np.asarray(size.argmin(axis=0), np.int64)
