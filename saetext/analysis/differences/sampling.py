"""The rows that are looked at where there are too many: whole units, the same ones for each of several sets.

Not for: how one design chooses its units (:meth:`saetext.analysis.differences.design.Design.within`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.design import Design


def sampled(designs: Sequence[Design], most: int, seed: int) -> list[Design]:
    """Return the designs with at most ``most`` rows each.

    Designs of one kind get the same rows where that leaves both of their sides some, so that what is counted
    of all of them is counted on few rows, and the rates of all sets are of the same documents.

    Parameters
    ----------
    designs : sequence of Design
        Of the same rows, one or more.
    most : int
        Rows with a side that a design keeps.
    seed : int
        For the choice.
    """
    sizes = [int((design.side >= 0).sum()) for design in designs]
    if max(sizes) <= most:
        return list(designs)
    widest = designs[int(np.argmax(sizes))]
    kept = widest.within(most, seed)
    return [
        design if size <= most else _within(design, widest, kept, most, seed)
        for design, size in zip(designs, sizes, strict=True)
    ]


def _within(design: Design, widest: Design, kept: NDArray[np.bool_], most: int, seed: int) -> Design:
    # units of one kind and column are whole in all designs, or left out of one as wholes
    if (design.kind, design.column) == (widest.kind, widest.column):
        found = design.without(~kept)
        if found.rows(0) and found.rows(1):
            return found
    return design.without(~design.within(most, seed))
