"""What a fit makes small, part by part.

Not for: making it small (:mod:`saetext.intervene.shifts.fitting`).
"""

from __future__ import annotations

from collections.abc import Sequence

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor

_LEAST = 1e-12  # of a probability whose logarithm is taken


def opinion_loss(logits: Sequence[Tensor], target: Tensor) -> Tensor:
    """Return KL(group || model) of one question in nats.

    Parameters
    ----------
    logits : sequence of float[options]
        Of the options, one for each order in which the question was put; probabilities are averaged.
    target : float[options]
        The group's shares.
    """
    shares = torch.stack([row.softmax(dim=-1) for row in logits]).mean(dim=0).clamp(min=_LEAST)
    target = target.to(shares)
    return (torch.xlogy(target, target) - target * shares.log()).sum()


def displacement_loss(moved: Tensor, mean_square: float) -> Tensor:
    """Return the mean squared displacement of hidden states over their mean square; 0 where nothing moves."""
    if not len(moved):
        return moved.new_zeros(())
    return moved.square().sum(dim=-1).mean() / mean_square


def preserve_loss(unedited: Tensor, edited: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return the mean over tokens of KL(unedited || edited) in nats.

    Parameters
    ----------
    unedited, edited : float[rows, sequence, vocabulary]
        Logits.
    lengths : sequence of int
        Tokens of each row; what comes after them is padding.
    """
    parts = []
    for row, length in enumerate(lengths):
        exact = torch.promote_types(edited.dtype, torch.float32)
        p, q = (logits[row, :length].to(exact).log_softmax(dim=-1) for logits in (unedited, edited))
        parts.append((p.exp() * (p - q)).sum(dim=-1))
    return torch.cat(parts).mean()
