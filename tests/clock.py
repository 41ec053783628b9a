"""Bounds of time that a slow or busy machine does not break, and that what hangs or grows too fast does.

A helper for tests, not a test. Counted is the processor time of the thread at work: other processes, other
threads and garbage of earlier tests do not count. A bound that is passed is stretched by how much longer the
machine takes for a fixed piece of work just then. Not for: waits, which need a limit on the wall clock that
is far from what they take and well below what a hang would take.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

_USUAL = 0.02  # CPU seconds that the work takes on the machine on which bounds were chosen
_MOST = 20.0
_THREADS = 4  # times the bound, for all threads together


def _work() -> float:
    began = time.thread_time()
    sum(len(str(i)) for i in range(200_000))
    return time.thread_time() - began


def slowness() -> float:
    """Return how many times slower than usual this machine is just now, from 1 to 20."""
    return min(max(min(_work() for _ in range(3)) / _USUAL, 1.0), _MOST)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Expect that what is inside takes at most so many seconds of its thread, and four times that in all.

    What it imports or compiles counts too: do it once before. An exception from inside passes through.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        thread, whole = time.thread_time(), time.process_time()
        yield
        thread, whole = time.thread_time() - thread, time.process_time() - whole
    finally:
        if collects:
            gc.enable()
    if thread >= seconds or whole >= _THREADS * seconds:
        limit = seconds * slowness()
        assert thread < limit, f"{thread:.2f} s; at most {limit:.2f} s expected"
        assert whole < _THREADS * limit, f"{whole:.2f} s in all threads; at most {_THREADS * limit:.2f} s"
