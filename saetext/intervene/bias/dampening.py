"""Dampening as a change of hidden states: ``x' = x + (dose - 1) f W_dec``, over some features.

Not for: which features (:mod:`saetext.intervene.bias.finding`).
"""

from __future__ import annotations

from collections.abc import Sequence

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from torch import Tensor

from saetext.intervene.shifts.change import Change, Tokens


def dampened(features: Sequence[int], dose: float, decoder: Tensor) -> Change:
    """Return the change that multiplies what features add by a dose.

    Computed in float64 and rounded once, where it is added; at dose 1 it is 0 and no bit changes.

    Parameters
    ----------
    features : sequence of int
    dose : float
    decoder : float32[d_sae, width]

    Returns
    -------
    callable
        :class:`saetext.intervene.shifts.change.Tokens` to float64[T, width].
    """
    member = torch.zeros(len(decoder), dtype=torch.bool, device=decoder.device)
    member[list(features)] = True

    def change(tokens: Tokens) -> Tensor:
        own = member[tokens.feature]
        amounts = (dose - 1.0) * tokens.value[own].double()
        total = torch.zeros(len(tokens), decoder.shape[1], dtype=torch.float64, device=decoder.device)
        total.index_add_(0, tokens.token[own], amounts[:, None] * decoder[tokens.feature[own]].double())
        return total * tokens.scale.double()

    return change


def in_a_random_direction(of: Change, width: int, seed: int) -> Change:
    """Return the change that is as long as another at every token, all along one random direction."""
    drawn = torch.from_numpy(np.random.default_rng([seed, 7]).standard_normal(width))
    unit = drawn / drawn.norm()

    def change(tokens: Tokens) -> Tensor:
        moved = of(tokens)
        return moved.norm(dim=1, keepdim=True) * unit.to(moved)

    return change
