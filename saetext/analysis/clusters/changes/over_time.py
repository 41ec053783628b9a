"""Clusters along a date or another order: shares by bin, the trend of each, and where it peaks.

Not for: bins (:mod:`saetext.analysis.clusters.changes.binning`) or several corpora
(:mod:`saetext.analysis.clusters.changes.comparing`).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from saetext.analysis.clusters.changes.binning import Bins
from saetext.analysis.clusters.changes.table import over_table
from saetext.analysis.clusters.result import ClusterResult
from saetext.errors import InputError
from saetext.stats.multiple import benjamini_hochberg
from saetext.stats.shares import compare_shares, share_trends

ALPHA = 0.05


def over_time(result: ClusterResult, bins: Bins, seed: int = 0) -> ClusterResult:
    """Return a result with the shares of its clusters in each bin as ``changes``.

    Parameters
    ----------
    result : ClusterResult
        The clusters.
    bins : Bins
        Where each document of theirs stands.
    seed : int
        For the p of small clusters.

    Raises
    ------
    InputError
        If the documents are others.
    """
    cluster = result.documents["cluster"].to_numpy().astype(np.int64)
    if len(cluster) != len(bins.code):
        raise InputError(f"{len(bins.code):,} dates for {len(cluster):,} documents")
    k, b = result.n_clusters, len(bins.labels)
    known = bins.code >= 0
    counts = np.bincount(cluster[known] * b + bins.code[known], minlength=(k + 1) * b).reshape(k + 1, b)
    counts = np.concatenate([counts[1:], counts[:1]])
    totals = counts.sum(0)
    filled = totals > 0
    found = share_trends(counts[:, filled], totals[filled], bins.position[filled], seed=seed)
    peak = compare_shares(counts[:, filled], totals[filled])
    at = np.flatnonzero(filled)
    if len(at) == 2:  # the later less the earlier: it peaks where it has more
        later = peak.change > 0
        peak = peak._replace(set=np.where(later, at[1], at[0]))
    else:
        peak = peak._replace(set=at[peak.set])
    q = benjamini_hochberg(found.p)
    shares = np.where(filled, counts / np.maximum(totals, 1), np.nan)
    names = [*result.table["name"].to_list(), None]
    table = over_table(
        [*range(1, k + 1), 0], names, bins.labels, counts, shares, found, q, peak, benjamini_hochberg(peak.p)
    )
    metrics = {
        **result.metrics,
        "bins": dict(zip(bins.labels, totals.tolist(), strict=True)),
        "trends": int((q[:-1] < ALPHA).sum()),
    }
    params = {**result.params, "bin": bins.width}
    return dataclasses.replace(
        result, changes=table, metrics=metrics, params=params, notes=(*bins.notes, *result.notes)
    )
