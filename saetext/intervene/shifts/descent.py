"""Descent with momentum in steps of one length for the whole vector, and soft thresholds for sparsity.

Adam divides by each coordinate's own gradient, so that its first step moves every feature by the same amount;
here one scale serves all of them, and a step moves the features that matter. Not for: what is differentiated.
"""

from __future__ import annotations

from collections.abc import Sequence

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor

_MOMENTUM, _SECOND = 0.9, 0.99


class Scale:
    """Momentum of gradients, and the length of a step: one number for all coordinates together."""

    def __init__(self, step: float) -> None:
        self.step = step
        self._means: list[Tensor] = []
        self._square, self._turn = 0.0, 0

    def next(self, gradients: Sequence[Tensor], pace: float) -> tuple[list[Tensor], float]:
        """Return averaged gradients, and what they are multiplied by.

        Parameters
        ----------
        gradients : sequence of Tensor
            Of the parts of one vector.
        pace : float
            Share of the length of a step.
        """
        if not self._means:
            self._means = [torch.zeros_like(gradient) for gradient in gradients]
        self._turn += 1
        square = sum(float(gradient.square().sum()) for gradient in gradients)
        self._square = _SECOND * self._square + (1 - _SECOND) * square
        for mean, gradient in zip(self._means, gradients, strict=True):
            mean.mul_(_MOMENTUM).add_(gradient, alpha=1 - _MOMENTUM)
        size = (self._square / (1 - _SECOND**self._turn)) ** 0.5
        rate = pace * self.step / size if size > 0 else 0.0
        return [mean / (1 - _MOMENTUM**self._turn) for mean in self._means], rate


class Sparse:
    """A shift of features that is being fitted: what is added and what is taken, neither negative.

    Both count in lengths of what they add to the hidden states, so that features whose directions are short
    are as easy to move as others.

    Parameters
    ----------
    decoder : float[d_sae, width]
    step : float
        Length of a step.
    weight : float
        Of the sum of lengths.
    """

    def __init__(self, decoder: Tensor, step: float, weight: float) -> None:
        self.lengths = decoder.norm(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
        self.up = torch.zeros(len(decoder), device=decoder.device, requires_grad=True)
        self.down = torch.zeros(len(decoder), device=decoder.device, requires_grad=True)
        self.weight, self._scale = weight, Scale(step)

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """What is differentiated."""
        return (self.up, self.down)

    def value(self) -> Tensor:
        """Return the shift, float32[d_sae]."""
        return ((self.up - self.down) / self.lengths).detach()

    def move(self, gradients: Sequence[Tensor], pace: float) -> None:
        """Take one step: along the averaged gradients, then towards zero by the weight (ISTA)."""
        up, down = self.up.detach(), self.down.detach()
        # where one part is above zero, a step of the other is not a step of the shift
        given = [gradients[0].masked_fill(down > 0, 0.0), gradients[1].masked_fill(up > 0, 0.0)]
        means, rate = self._scale.next(given, pace)
        new_up = (up - rate * (means[0] + self.weight)).clamp(min=0).masked_fill(down > 0, 0.0)
        new_down = (down - rate * (means[1] + self.weight)).clamp(min=0).masked_fill(up > 0, 0.0)
        net = new_up - new_down
        self.up = net.clamp(min=0).requires_grad_()
        self.down = (-net).clamp(min=0).requires_grad_()


class Dense:
    """A vector that is being fitted; arguments as of :class:`Sparse`."""

    def __init__(self, decoder: Tensor, step: float) -> None:
        self.vector = torch.zeros(decoder.shape[1], device=decoder.device, requires_grad=True)
        self._scale = Scale(step)

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """What is differentiated."""
        return (self.vector,)

    def value(self) -> Tensor:
        """Return the vector, float32[width]."""
        return self.vector.detach().clone()

    def move(self, gradients: Sequence[Tensor], pace: float) -> None:
        """Take one step."""
        [mean], rate = self._scale.next(gradients, pace)
        self.vector = (self.vector.detach() - rate * mean).requires_grad_()
