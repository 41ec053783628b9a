"""A shift of features as a change of hidden states: ``x' = x + (f' - f) W_dec``, ``f' = relu(f + delta)``.

What is added to a feature reaches every token; what is taken from it, only tokens where it is active, and no
more than is there. So the change is one vector for all tokens, plus a sparse part. Not for: finding a shift.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor

from saetext.reader.sinks import are_sinks

if TYPE_CHECKING:
    from saetext.intervene.positions import Where
    from saetext.reader.parts import LoadedSae

_BLOCK = 1 << 15  # entries whose directions are gathered at once


@dataclass(frozen=True, eq=False)
class Tokens:
    """Tokens that are changed, and the features that are active there.

    Attributes
    ----------
    token, feature : int64[n]
        Of each active feature: the number of its token, and its own.
    value : float[n]
        Its activation.
    scale : float[T, 1]
        What decoded vectors are multiplied by at each token.
    """

    token: Tensor
    feature: Tensor
    value: Tensor
    scale: Tensor

    def __len__(self) -> int:
        return len(self.scale)


#: What is added to each of some tokens, float[T, width].
Change = Callable[[Tokens], Tensor]


def sparse_change(up: Tensor, down: Tensor, decoder: Tensor, tokens: Tokens) -> Tensor:
    """Return what a shift adds to the hidden states.

    Parameters
    ----------
    up, down : float[d_sae]
        The shift's parts above and below zero, neither negative: ``delta = up - down``.
    decoder : float[d_sae, width]
    tokens : Tokens

    Returns
    -------
    float[T, width]
        Can be differentiated with respect to both parts, at zero from either side.
    """
    total = (up @ decoder).expand(len(tokens), -1)
    if len(tokens.token):
        less = torch.minimum(tokens.value, down[tokens.feature])
        total = total - _Decoded.apply(less, tokens.token, tokens.feature, decoder, len(tokens))
    return total * tokens.scale


class _Decoded(torch.autograd.Function):
    """Sums of directions times amounts, without keeping the directions that were gathered."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        amount: Tensor,
        token: Tensor,
        feature: Tensor,
        decoder: Tensor,
        n: int,
    ) -> Tensor:
        ctx.save_for_backward(token, feature, decoder)
        total = decoder.new_zeros(n, decoder.shape[1])
        there = amount.nonzero()[:, 0]
        for at in range(0, len(there), _BLOCK):
            part = there[at : at + _BLOCK]
            total.index_add_(0, token[part], amount[part, None] * decoder[feature[part]])
        return total

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *outer: Tensor) -> tuple[Tensor | None, ...]:
        token, feature, decoder = ctx.saved_tensors  # type: ignore[attr-defined]
        parts = [
            (outer[0][token[at : at + _BLOCK]] * decoder[feature[at : at + _BLOCK]]).sum(-1)
            for at in range(0, len(token), _BLOCK)
        ]
        return torch.cat(parts), None, None, None, None


def change_of(delta: Tensor, decoder: Tensor) -> Change:
    """Return the change that a shift, float[d_sae], makes."""
    up, down = delta.clamp(min=0), (-delta).clamp(min=0)
    return lambda tokens: sparse_change(up, down, decoder, tokens)


def dense_change(vector: Tensor) -> Change:
    """Return the change that adds one vector, float[width], to every token."""
    return lambda tokens: vector.expand(len(tokens), -1)


class ShiftEdit:
    """A shift as an edit for the decode loop; attention sinks stay as they are.

    Parameters
    ----------
    delta : float32[d_sae]
    where : Where
        Which positions.
    sae : LoadedSae
    """

    def __init__(self, delta: Tensor, where: Where, sae: LoadedSae) -> None:
        self.where, self.sae = where, sae
        self._delta = delta.to(sae.encoder.device)

    def __call__(self, x: Tensor, positions: Tensor, rows: Tensor) -> Tensor:
        """Return hidden states, float[batch, sequence, width], edited; ``x`` itself if nothing changes."""
        at = self.where(positions, rows)
        if not bool(at.any()) or not bool(self._delta.any()):
            return x
        exact = torch.float64 if x.dtype == torch.float64 else torch.float32
        old = x[at].to(exact)
        new = old + self.moved(old)
        edited = x.clone()
        edited[at] = new.to(x.dtype)
        return edited

    def moved(self, x: Tensor) -> Tensor:
        """Return what is added to hidden states, float[T, width] for float[T, width]."""
        encoder = self.sae.encoder
        token, feature, value = self.sae.entries(x.float())
        taken = self._delta[feature] < 0
        tokens = Tokens(token[taken], feature[taken], value[taken].to(x), encoder.output_scale(x))
        change = change_of(self._delta.to(x), encoder.decoder.to(x))(tokens)
        return change.masked_fill(are_sinks(x, self.sae.norm_limit)[:, None], 0.0)
