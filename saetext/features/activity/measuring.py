"""Activations of one SAE on tokens that stream past, summarised by feature; no tokens x features anywhere.

Not for: where the tokens come from (:mod:`saetext.features.activity.tokens`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saetext.features.activity.strongest import Strongest
from saetext.stats.moments import Summary

if TYPE_CHECKING:
    from saetext.reader.reader import Reader
    from saetext.reader.tokenization import Prepared


@dataclass(frozen=True)
class Activity:
    """What is left of all activations.

    Attributes
    ----------
    active : Summary
        Of the activations above zero, by feature.
    strongest : Strongest
        Tokens of each feature.
    tokens, sinks : int
        Counted tokens, and how many of them are attention sinks, which have no activations.
    """

    active: Summary
    strongest: Strongest
    tokens: int
    sinks: int


def measure(
    reader: Reader,
    sae: str,
    chunks: Iterable[Sequence[Prepared]],
    k: int,
    tell: Callable[[int], None] = lambda _: None,
) -> Activity:
    """Run the reader over all texts and summarise what an SAE makes of their counted tokens.

    Parameters
    ----------
    reader : Reader
    sae : str
        The SAE's name.
    chunks : iterable of sequences of Prepared
        Texts, so many at a time as fit in memory; windows of like length are batched within a chunk.
    k : int
        Tokens to keep for each feature.
    tell : callable
        Called with the number of tokens of each batch that is done.
    """
    d_sae, limit = reader.saes[sae].encoder.d_sae, reader.saes[sae].norm_limit
    active, strongest = Summary.empty(d_sae), Strongest(d_sae, k)
    tokens = sinks = 0
    for prepared in chunks:
        if not prepared:
            continue
        ids = np.concatenate([p.ids[p.counted] for p in prepared])
        starts = np.cumsum([0] + [p.n_tokens for p in prepared])
        for batch, (entries, norms) in reader.measured(prepared):
            token, feature, value = (column.cpu().numpy() for column in entries[sae])
            if limit is not None:
                is_sink = norms[sae].cpu().numpy() > limit
                sinks += int(is_sink.sum())
                kept = ~is_sink[token]
                token, feature, value = token[kept], feature[kept], value[kept]
            active = active.joined(Summary.of(feature, value, d_sae))
            id_of = ids[starts[batch.rows] + batch.ordinals]
            strongest.add(feature, id_of[token], value.astype(np.float32))
            tokens += len(batch.rows)
            tell(len(batch.rows))
    return Activity(active, strongest, tokens, sinks)
