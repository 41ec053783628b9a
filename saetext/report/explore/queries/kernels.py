"""A compiled loop over all entries of a corpus, for counts under a condition.

Not for: choosing documents. Importing this module imports numba; compiled code is cached on disk.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def count_inside(
    indptr: NDArray[np.int64],
    doc: NDArray[np.int32],
    value: NDArray[np.float32],
    inside: NDArray[np.bool_],
    support: NDArray[np.int64],
    total: NDArray[np.float64],
    largest: NDArray[np.float64],
) -> None:
    """Write documents, sum and maximum of each feature, over the documents that are ``inside``.

    Where that has no length, over all. The entries of feature ``f`` are ``indptr[f]:indptr[f + 1]``.
    """
    some = inside.shape[0] > 0
    for feature in range(indptr.shape[0] - 1):
        n, added, most = 0, 0.0, 0.0
        for e in range(indptr[feature], indptr[feature + 1]):
            if some and not inside[doc[e]]:
                continue
            n += 1
            added += value[e]
            if value[e] > most:
                most = value[e]
        support[feature], total[feature], largest[feature] = n, added, most
