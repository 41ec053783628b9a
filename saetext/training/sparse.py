"""Products with sparse activations whose gradients touch only the active entries. Not for: dense ones.

Entries are (token, feature) pairs sorted by token.
"""

from __future__ import annotations

import warnings
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor
from torch.nn import functional


class Preactivations(torch.autograd.Function):
    """Pre-activations at (token, feature), with a gradient that touches only those entries."""

    @staticmethod
    def forward(
        ctx: Any, centred: Tensor, enc: Tensor, b_enc: Tensor, token: Tensor, feature: Tensor, values: Tensor
    ) -> Tensor:
        """Return ``values``, which are ``(centred @ enc.T + b_enc)[token, feature]``."""
        ctx.save_for_backward(centred, enc, token, feature)
        return values.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of ``centred``, ``enc`` and ``b_enc``."""
        centred, enc, token, feature = ctx.saved_tensors
        by_token = _csr(token, feature, grad, (len(centred), len(enc)))
        order = torch.argsort(feature, stable=True)
        by_feature = _csr(feature[order], token[order], grad[order], (len(enc), len(centred)))
        grad_centred = by_token @ enc if ctx.needs_input_grad[0] else None
        grad_bias = torch.zeros(len(enc)).index_add_(0, feature, grad)
        return grad_centred, by_feature @ centred, grad_bias, None, None, None


def decode(token: Tensor, feature: Tensor, values: Tensor, dec: Tensor, tokens: int) -> Tensor:
    """Return the reconstruction [tokens, d_in] without the bias; entries are sorted by token."""
    counts = torch.bincount(token, minlength=tokens)
    offsets = torch.cumsum(counts, 0) - counts
    return functional.embedding_bag(
        feature, dec, offsets, mode="sum", per_sample_weights=functional.relu(values)
    )


def _csr(row: Tensor, column: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return a sparse CSR matrix from entries sorted by row."""
    crow = torch.zeros(shape[0] + 1, dtype=torch.int64)
    torch.cumsum(torch.bincount(row, minlength=shape[0]), 0, out=crow[1:])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(crow, column, values, shape, check_invariants=False)
