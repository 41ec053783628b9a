"""Moving arrays to the device of a model and back, so that a GPU need not wait for the processor.

From pinned memory a GPU copies by itself while the processor goes on. Not for: what runs there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from numpy.typing import NDArray
from torch import Tensor


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Return an array as a tensor on ``device``; a GPU fetches it in the order of what it has been given."""
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)  # torch keeps the pinned copy until then


def to_host(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return tensors of one device in the processor's memory, where that has to be waited for once."""
    if not tensors or tensors[0].device.type != "cuda":
        return tuple(tensor.cpu() for tensor in tensors)
    there = tuple(torch.empty(t.shape, dtype=t.dtype, pin_memory=True) for t in tensors)
    for here, tensor in zip(there, tensors, strict=True):
        here.copy_(tensor, non_blocking=True)
    torch.cuda.current_stream(tensors[0].device).synchronize()
    return there
