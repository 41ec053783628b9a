"""Scores of heads: how much each attends to where a kind of head looks, beside a control.

Computed from patterns; a score is a mean over places and probes, between 0 and 1 but for name-movers, whose
attention is multiplied by what the head's output adds to the name's logit. Not for: running the model
(:mod:`saetext.intervene.heads.measuring`).
"""

from __future__ import annotations

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from torch import Tensor


def places_of(prefix: int, period: int, seed: int) -> dict[str, Tensor]:
    """Return where to look: for each score int64[places, 2], the token that attends and the one attended to.

    Parameters
    ----------
    prefix, period : int
        As of :class:`saetext.intervene.heads.probes.Repeated`.
    seed : int

    Returns
    -------
    dict
        ``previous_token``: the token before, at every token of the probe but the first. ``elsewhere``: as
        many tokens before that, drawn at random. ``duplicate_token``: the same token's first occurrence.
        ``induction``: the token after that one. Both from the second half on.
    """
    n = prefix + 2 * period
    draw = np.random.default_rng([seed, 3])
    late = [i for i in range(n) if i >= max(prefix + 1, 2)]
    again = range(prefix + period, n)
    found = {
        "previous_token": [(i, i - 1) for i in late],
        "elsewhere": [(i, int(draw.integers(0, i - 1))) for i in late],
        "duplicate_token": [(i, i - period) for i in again],
        "induction": [(i, i - period + 1) for i in again],
    }
    return {name: torch.tensor(pairs, dtype=torch.int64) for name, pairs in found.items()}


def attended(pattern: Tensor, places: Tensor) -> Tensor:
    """Return float64[batch, heads]: mean attention over places, for a pattern [batch, heads, query, key]."""
    at = places.to(pattern.device)
    return pattern[:, :, at[:, 0], at[:, 1]].double().mean(dim=-1)


def uniform(places: Tensor) -> float:
    """Return what a head would score that attends to all tokens so far alike."""
    return float((1.0 / (places[:, 0].double() + 1)).mean())
