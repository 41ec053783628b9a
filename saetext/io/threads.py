"""Linear algebra on one thread, where the last bits of its sums matter; what may not change torch's threads.

Not for: how many threads torch uses (:mod:`saetext.reader.threads`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let linear algebra use one thread, within ``with``.

    The last bits of its sums depend on the number of threads, and what is made of them is not always a matter
    of bits: UMAP puts other documents into the clusters, and files of an index have other bytes.

    numpy and scipy bring a library of linear algebra each, and only what is loaded can be limited. So both
    are loaded first: one that is imported within ``with`` would use all threads.
    """
    import numpy.linalg  # noqa: F401
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


@contextlib.contextmanager
def torch_kept() -> Iterator[None]:
    """Leave torch as many threads as it has, where numba starts its own, within ``with``; also a decorator.

    Both use OpenMP, and numba tells it how many threads there are: as many as the machine has processors,
    whatever ``OMP_NUM_THREADS`` or a container's share says. A small model then takes ten times as long on a
    busy machine.
    """
    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    try:
        yield
    finally:
        if torch is not None and torch.get_num_threads() != before:
            torch.set_num_threads(before)
