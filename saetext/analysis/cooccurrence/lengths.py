"""How a column of values goes with length, which is adjusted away in what is told of the column.

Not for: numbers (:func:`saetext.analysis.cooccurrence.against_number.length_notes`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special  # scipy.stats would take a second to import

from saetext.analysis.cooccurrence.asked import Target
from saetext.analysis.cooccurrence.context import Context

_RATIO = 1.25  # of median tokens, from there on it is said
_P = 0.05
_SHOWN = 3  # values named at either end


def value_length_notes(context: Context, target: Target, metrics: dict[str, Any]) -> list[str]:
    """Say which values of a column have longer documents, where the difference is large and no chance.

    Values with less than the smallest support are left out. ``metrics`` gets ``p_length`` (Kruskal and
    Wallis) and ``length_ratio``, the largest median number of tokens over the smallest.
    """
    length, code = context.length(), target.code[context.rows.take[0]]
    size = np.bincount(code[code >= 0], minlength=len(target.values))
    least = max(context.support, context.request.min_joint, 2)
    values = np.flatnonzero(size >= least)
    if len(values) < 2:
        return []
    medians = np.array([np.median(length[code == v]) for v in values])
    used = np.isin(code, values)
    _, place, times = np.unique(length[used], return_inverse=True, return_counts=True)
    rank = (np.cumsum(times) - (times - 1) / 2)[place] - (used.sum() + 1) / 2
    sums = np.bincount(code[used], rank, minlength=len(target.values))[values]
    spread = float((rank**2).sum()) / max(int(used.sum()) - 1, 1)
    between = float((sums**2 / size[values]).sum()) / spread if spread > 0 else 0.0
    p = float(special.chdtrc(len(values) - 1, between))
    ratio = float(medians.max() / max(medians.min(), 1.0))
    metrics["p_length"], metrics["length_ratio"] = p, ratio
    if p >= _P or ratio < _RATIO:
        return []
    order = np.lexsort((values, -medians))
    listed = [f"{medians[i]:g} for {target.values[values[i]]!r}" for i in order]
    if len(listed) > 2 * _SHOWN:
        listed = [*listed[:_SHOWN], "…", *listed[-_SHOWN:]]
    column = context.request.column
    return [
        f"{column} goes with length (median tokens: {', '.join(listed)}); length is adjusted for, so what "
        f"goes with {column} only because of length is not listed"
    ]
