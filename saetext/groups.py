"""Features that are one concept: present in the same documents, on the same words, in similar directions.

Not for: clustering all features of an SAE; this groups the few that a result shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.protocols import CorpusLike, Ints

MOST = 1000  # features that are grouped; later ones stay alone
SAMPLE = 6000  # documents of each set that are looked at
ALIKE = 0.5  # phi of presence from which on two features are one concept
RELATED = 0.25  # phi from which on they are, if they share their words or direction as well
SHARED = 0.5  # share of common documents in which both peak on the same word, or cosine of the decoders


@dataclass(frozen=True)
class Selection:
    """Rows of a corpus to look at; documents of different selections never count as varying together."""

    corpus: CorpusLike
    rows: Ints


def concept_groups(
    selections: Sequence[Selection],
    tap: str,
    features: Ints,
    *,
    sign: Ints | None = None,
    decoder: NDArray[np.float32] | None = None,
    seed: int = 0,
) -> Ints:
    """Group features under the first of their kind.

    Two features are one concept where phi of their presence *within* the selections is at least 0.5, or at
    least 0.25 and they peak on the same word in half of the documents they share, or their decoder
    directions have a cosine of 0.5. A feature joins the first feature before it that it is one concept with
    and that leads a group; members are not followed further, so groups do not chain.

    Parameters
    ----------
    selections : sequence of Selection
        The documents, by set; at most 6,000 of each are looked at, drawn with ``seed``.
    tap : str
        Which tap.
    features : int64[n]
        In order of importance; beyond the first 1,000 each stays alone.
    sign : int64[n], optional
        Features of different sign are never grouped.
    decoder : float32[d_sae, d_in], optional
        Directions, where they are known.
    seed : int
        For the sample.

    Returns
    -------
    leader : int64[n]
        The feature that leads each one's group, itself where it is alone.
    """
    leaders = features.copy()
    few = features[:MOST]
    if len(few) < 2:
        return leaders
    together, alone, peaks = _presence(selections, tap, few, np.random.default_rng(seed))
    scale = np.sqrt(np.outer(alone, alone))
    phi = np.divide(together, scale, out=np.zeros(together.shape), where=scale > 0)
    same = phi >= ALIKE
    for i, j in np.argwhere(np.triu((phi >= RELATED) & ~same, 1)):
        close = decoder is not None and _cosine(decoder[few[i]], decoder[few[j]]) >= SHARED
        if close or _same_words(peaks, int(i), int(j)) >= SHARED:
            same[i, j] = same[j, i] = True
    if sign is not None:
        same &= np.equal.outer(sign[:MOST], sign[:MOST])
    leads: list[int] = []
    for i in range(len(few)):
        found = next((lead for lead in leads if same[lead, i]), None)
        if found is None:
            leads.append(i)
        else:
            leaders[i] = few[found]
    return leaders


def _presence(
    selections: Sequence[Selection], tap: str, features: Ints, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[NDArray[np.int32]]]:
    """Return pooled within-set covariances, variances, and by set the ordinal of each peak (-1: absent)."""
    k = len(features)
    place = np.full(int(features.max()) + 1, -1)
    place[features] = np.arange(k)
    covariance, variance = np.zeros((k, k)), np.zeros(k)
    peaks = []
    for selection in selections:
        rows = selection.rows
        chosen = np.sort(rng.permutation(rows)[:SAMPLE]) if len(rows) > SAMPLE else np.sort(rows)
        table = np.full((len(chosen), k), -1, np.int32)
        start = 0
        for block in selection.corpus.rows(tap):
            low, high = np.searchsorted(chosen, (start, start + len(block)))
            part = block.take(chosen[low:high] - start)
            known = part.feature < len(place)
            slot = np.where(known, place[np.where(known, part.feature, 0)], -1)
            owner = np.repeat(np.arange(low, high), np.diff(part.indptr))
            keep = slot >= 0
            table[owner[keep], slot[keep]] = part.peak[keep]
            start += len(block)
        peaks.append(table)
        present = (table >= 0).astype(np.float32)
        if len(present):
            mean = present.mean(0, dtype=np.float64)
            covariance += (present.T @ present).astype(np.float64) - len(present) * np.outer(mean, mean)
            variance += len(present) * mean * (1 - mean)
    return covariance, variance, peaks


def _same_words(peaks: Sequence[NDArray[np.int32]], i: int, j: int) -> float:
    """Return the share of the documents with both features in which they peak within a token."""
    both = close = 0
    for table in peaks:
        together = (table[:, i] >= 0) & (table[:, j] >= 0)
        both += int(together.sum())
        close += int((np.abs(table[together, i] - table[together, j]) <= 1).sum())
    return close / both if both else 0.0


def _cosine(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    return float(x @ y / max(float(np.linalg.norm(x) * np.linalg.norm(y)), 1e-30))
