"""JumpReLU SAE: what training makes, in memory. Not for: reading texts (:mod:`saetext.reader.sae`)."""

from __future__ import annotations

from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor


@dataclass
class TrainedSae:
    """An SAE ready for inference: ``relu(pre) * (pre > threshold)`` with ``pre = (x - b_dec) W_enc + b_enc``.

    All tensors are float32 on the CPU: ``w_enc`` [d_in, d_sae], ``b_enc`` [d_sae], ``w_dec`` [d_sae, d_in],
    ``b_dec`` [d_in], ``threshold`` [d_sae].
    """

    w_enc: Tensor
    b_enc: Tensor
    w_dec: Tensor
    b_dec: Tensor
    threshold: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """Return activations [T, d_sae] of ``x`` [T, d_in]."""
        pre = torch.addmm(self.b_enc, x - self.b_dec, self.w_enc)
        return torch.where(pre > self.threshold, torch.relu(pre), torch.zeros((), dtype=pre.dtype))

    def decode(self, activations: Tensor) -> Tensor:
        """Return reconstructions [T, d_in]."""
        return torch.addmm(self.b_dec, activations, self.w_dec)
