"""How many threads torch uses: no more than there are processors for this process. Not for: other libraries.

Two things make threads dear on a busy or a small machine. torch counts the machine's cores, not the share
that a container has of them. And threads of OpenMP spin while they wait for each other; where others need
the cores, that burns time (:mod:`saetext.reader.stack` turns it off).
"""

from __future__ import annotations

import os

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch

from saetext.io.cpus import available_cpus


def use_threads(number: int) -> None:
    """Have torch use so many threads from now on."""
    torch.set_num_threads(number)


def within_quota() -> None:
    """Have torch use no more threads than there are processors, unless ``OMP_NUM_THREADS`` says how many."""
    if not os.environ.get("OMP_NUM_THREADS") and torch.get_num_threads() > available_cpus():
        torch.set_num_threads(available_cpus())
