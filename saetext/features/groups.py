"""Features that are one concept: present in the same documents, on the same words, in similar directions.

Not for: clustering all features of an SAE; this groups the few that a result shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike, Ints

MOST = 1000  # features that are grouped; later ones stay alone
SAMPLE = 6000  # documents of each set that are looked at
ALIKE = 0.45  # phi of presence from which on two features are one concept
SAME_WORDS = 0.15  # phi from which on they are, if they peak on the same words as well
SAME_DIRECTION = 0.25  # phi from which on they are, if their decoder directions are similar as well
SHARED = 0.5  # share of common documents in which both peak on the same word, or cosine of the decoders


@dataclass(frozen=True)
class Selection:
    """Rows of a corpus to look at; documents of different selections never count as varying together."""

    corpus: CorpusLike
    rows: Ints


def concept_groups(
    selections: Sequence[Selection],
    sae: str,
    features: Ints,
    *,
    sign: Ints | None = None,
    decoder: NDArray[np.float32] | None = None,
    alike: float = ALIKE,
    seed: int = 0,
) -> Ints:
    """Group features under the first of their kind.

    Two features are one concept where phi of their presence *within* the selections is at least 0.45, or at
    least 0.15 and they peak on the same word in half of the documents they share, or at least 0.25 and their
    decoder directions have a cosine of 0.5. A feature joins the first before it that leads a group and is one
    concept with it; members are not followed further, so groups do not chain.

    Parameters
    ----------
    selections : sequence of Selection
        The documents, by set; at most 6,000 of each are looked at, drawn with ``seed``.
    sae : str
        Which SAE.
    features : int64[n]
        In order of importance; beyond the first 1,000 each stays alone.
    sign : int64[n], optional
        Features of different sign are never grouped.
    decoder : float32[d_sae, d_in], optional
        Directions, where they are known.
    alike : float
        Phi from which on features are one concept whatever their peaks; above 1 that alone never suffices.
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
    phi, words = _alike(selections, sae, few, np.random.default_rng(seed))
    same = phi >= alike
    if sign is not None:
        same &= np.equal.outer(sign[:MOST], sign[:MOST])
        phi = np.where(np.equal.outer(sign[:MOST], sign[:MOST]), phi, 0)
    same |= (phi >= SAME_WORDS) & (words >= SHARED)
    if decoder is not None:
        rows = decoder[few]
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
        same |= (phi >= SAME_DIRECTION) & (rows @ rows.T >= SHARED)
    leads: list[int] = []
    for i in range(len(few)):
        found = next((lead for lead in leads if same[lead, i]), None)
        if found is None:
            leads.append(i)
        else:
            leaders[i] = few[found]
    return leaders


def _alike(
    selections: Sequence[Selection], sae: str, features: Ints, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return phi of presence within the selections, and the share of common documents with one peak."""
    from saetext.stats.kernels import count_close

    k = len(features)
    place = np.full(int(features.max()) + 1, -1)
    place[features] = np.arange(k)
    covariance, variance, both = np.zeros((k, k)), np.zeros(k), np.zeros((k, k))
    close = np.zeros((k, k), np.int64)
    for selection in selections:
        peak = _peaks(selection, sae, place, k, rng)
        if not len(peak):
            continue
        present = (peak >= 0).astype(np.float32)
        mean = present.mean(0, dtype=np.float64)
        together = (present.T @ present).astype(np.float64)
        both += together
        covariance += together - len(peak) * np.outer(mean, mean)
        variance += len(peak) * mean * (1 - mean)
        count_close(peak, close)
    scale = np.sqrt(np.outer(variance, variance))
    phi = np.divide(covariance, scale, out=np.zeros((k, k)), where=scale > 0)
    close += close.T
    return phi, np.divide(close, both, out=np.zeros((k, k)), where=both > 0)


def _peaks(
    selection: Selection, sae: str, place: Ints, k: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Return int32[documents, k]: where each feature peaks in a sample of documents, -1: absent."""
    rows = selection.rows
    chosen = np.sort(rng.permutation(rows)[:SAMPLE]) if len(rows) > SAMPLE else np.sort(rows)
    table = np.full((len(chosen), k), -1, np.int32)
    start = 0
    for block in selection.corpus.rows(sae):
        low, high = np.searchsorted(chosen, (start, start + len(block)))
        part = block.take(chosen[low:high] - start)
        known = part.feature < len(place)
        slot = np.where(known, place[np.where(known, part.feature, 0)], -1)
        owner = np.repeat(np.arange(low, high), np.diff(part.indptr))
        keep = slot >= 0
        table[owner[keep], slot[keep]] = part.peak[keep]
        start += len(block)
    return table
