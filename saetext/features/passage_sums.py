"""What is active together around a place of a document: sums over the features that peak near one another.

Not for: which features (:mod:`saetext.features.theme_passages`, :mod:`saetext.features.detectors`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REACH = 6  # tokens on either side of a peak whose features count for it

Ints = NDArray[np.int64]


def passage_sums(
    document: Ints, peak: Ints, adds: NDArray[np.float64], reach: int = REACH
) -> NDArray[np.float64]:
    """Return float64[n]: what is added in the passage around each of n places.

    Parameters
    ----------
    document, peak : int64[n]
        Where each feature peaks: the document and the token, from 0.
    adds : float64[n]
        What it adds.
    reach : int
        Tokens on either side of a place that are around it.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.features.passage_sums import passage_sums
    >>> passage_sums(np.array([0, 0, 0, 1]), np.array([1, 7, 30, 2]), np.array([0.5, 0.25, 1, 0.5]))
    array([0.75, 0.75, 1.  , 0.5 ])
    """
    if not len(peak):
        return np.zeros(0)
    # documents one after the other, too far apart for a passage to reach from one into the next
    place = document * (int(peak.max()) + 2 * reach + 1) + peak
    order = np.argsort(place, kind="stable")
    ordered, upto = place[order], np.concatenate([[0.0], np.cumsum(adds[order])])
    first = np.searchsorted(ordered, place - reach, side="left")
    end = np.searchsorted(ordered, place + reach, side="right")
    return np.asarray(upto[end] - upto[first])
