"""torch's number of threads, on which the last bits of its sums depend. Not for: choosing one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Have torch use so many threads inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
