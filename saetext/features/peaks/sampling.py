"""Which peaks of a feature to read: a sample by hash from the side that has more of it, in one pass.

Not for: texts (:mod:`saetext.features.peaks.reading`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.contexts.sampling import Pool
from saetext.io.progress import Count, nobody

MOST = 200  # peaks of a feature that are read


@dataclass(frozen=True, eq=False)
class Peaks:
    """Sampled peaks of one feature, by row: parallel arrays of row (over all sets), token and activation."""

    side: int
    row: Ints
    token: Ints
    value: NDArray[np.float32]


def keys_of(sets: Sequence[CorpusLike], seed: int) -> NDArray[np.uint64]:
    """uint64[rows]: a random number for each document, which follows from its id and the seed alone."""
    ids = [name for corpus in sets for name in corpus.documents.select("id").collect()["id"].to_list()]
    return np.fromiter((xxhash.xxh64_intdigest(str(i).encode(), seed) for i in ids), np.uint64, len(ids))


def sample(
    sets: Sequence[CorpusLike],
    sae: str,
    features: Ints,
    side: NDArray[np.int8],
    lead: NDArray[np.int8] | None,
    key: NDArray[np.uint64],
    count: Count = nobody,
) -> dict[int, Peaks]:
    """Draw up to :data:`MOST` peaks of each feature, in one pass over the rows.

    Parameters
    ----------
    side : int8[rows]
        0 or 1; below 0 a row is left out.
    lead : int8[n], optional
        The side of each feature; by default the one with the larger share of documents that have it.
    key : uint64[rows]
        Those with the smallest are drawn, of equal ones the first.
    count : callable
        Gets how many documents have been passed over, and of how many.

    Returns
    -------
    dict
        Features that are present on their side, to their peaks in order of row.
    """
    d_sae = sets[0].spec.sae(sae).d_sae
    place = np.full(d_sae, -1)
    place[features] = np.arange(len(features))
    rank = np.empty(len(key), np.int64)
    rank[np.lexsort((np.arange(len(key)), key))] = np.arange(len(key))
    pools = [Pool(len(features), MOST) for _ in (0, 1)]
    counts = np.zeros((2, len(features)), np.int64)
    start = 0
    for corpus in sets:
        for block in corpus.rows(sae):
            owner = start + np.repeat(np.arange(len(block)), np.diff(block.indptr))
            start += len(block)
            take = np.flatnonzero((place[block.feature] >= 0) & (side[owner] >= 0))
            row, at = owner[take], place[block.feature[take]]
            for s in (0, 1):
                mine = side[row] == s
                counts[s] += np.bincount(at[mine], minlength=len(features))
                entries = take[mine]
                pools[s].add(rank[row[mine]], at[mine], row[mine], block.value[entries], block.peak[entries])
            count(start, len(key))
    if lead is None:
        sizes = np.maximum([int((side == s).sum()) for s in (0, 1)], 1)
        lead = (counts[1] / sizes[1] > counts[0] / sizes[0]).astype(np.int8)
    found: dict[int, Peaks] = {}
    for s, pool in enumerate(pools):
        if not counts[s].any():
            continue
        _, at, row, value, token = pool.entries()
        first = np.searchsorted(at, np.arange(len(features) + 1))
        for i in np.flatnonzero((lead == s) & (counts[s] > 0)).tolist():
            mine = np.arange(first[i], first[i + 1])
            mine = mine[np.argsort(row[mine], kind="stable")]
            found[int(features[i])] = Peaks(s, row[mine], token[mine].astype(np.int64), value[mine])
    return found
