"""Linear algebra on one thread, where the last bits of its sums matter. Not for: torch's threads."""

from __future__ import annotations

import contextlib
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
