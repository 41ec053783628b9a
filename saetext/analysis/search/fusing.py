"""Reciprocal rank fusion: several rankings of documents to one.

Not for: making the rankings.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

K = 60  # of the usual formula; the larger, the less the very first ranks count


def fuse(
    rankings: Mapping[str, NDArray[np.int64]], weights: Mapping[str, float] | None = None, k: float = K
) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Fuse rankings: a document gets ``weight / (k + rank)`` from each it stands in, ranks from 1.

    Parameters
    ----------
    rankings : mapping of name to int64 array
        Rows, best first.
    weights : mapping, optional
        By name; 1 where none is given.
    k : float
        The constant.

    Returns
    -------
    rows : int64[n]
        Every document of any ranking, best first, earlier rows first on a tie.
    score : float64[n]
        Their scores.
    parts : mapping of name to float64[n]
        What each ranking gave; they add up to the score.
    """
    rows = np.unique(np.concatenate([np.empty(0, np.int64), *rankings.values()]))
    parts = {}
    for name, ranking in rankings.items():
        weight = 1.0 if weights is None else weights.get(name, 1.0)
        part = np.zeros(len(rows))
        part[np.searchsorted(rows, ranking)] = weight / (k + 1 + np.arange(len(ranking)))
        parts[name] = part
    score = np.sum(list(parts.values()), axis=0) if parts else np.zeros(0)
    order = np.lexsort((rows, -score))
    return rows[order], score[order], {name: part[order] for name, part in parts.items()}
