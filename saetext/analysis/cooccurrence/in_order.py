"""Work done by several threads whose results arrive in one order, whichever is ready first.

So what depends on the order, like dropping the weakest of too many pairs, does not depend on the threads. Not
for: what is counted.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Out = TypeVar("Out")

_AHEAD = 4  # results of one task that wait for their turn
_LOOK = 0.1  # seconds after which a waiting task looks whether it is still wanted


class _Unwanted(Exception):
    """The results are no longer asked for."""


def in_order(
    tasks: Sequence[Task], work: Callable[[Task], Iterable[Out]], threads: int
) -> Iterator[tuple[int, Out]]:
    """Yield (number of the task, result) of each result of each task, task after task.

    Tasks run in threads. A task that is ahead of its turn waits once four of its results do, so that little
    is held.

    Raises
    ------
    Exception
        What a task raised, when its turn comes; tasks that run are then left, others not begun.
    """
    unwanted = threading.Event()
    waiting: list[queue.Queue[tuple[str, Out | BaseException | None]]] = [queue.Queue(_AHEAD) for _ in tasks]

    def put(number: int, kind: str, what: Out | BaseException | None) -> None:
        while not unwanted.is_set():
            try:
                waiting[number].put((kind, what), timeout=_LOOK)
            except queue.Full:
                continue
            return
        raise _Unwanted

    def run(number: int) -> None:
        try:
            for out in work(tasks[number]):
                put(number, "result", out)
            put(number, "end", None)
        except _Unwanted:
            pass
        except BaseException as error:  # it is raised again where the results are read
            put(number, "error", error)

    executor = ThreadPoolExecutor(threads)
    try:
        for number in range(len(tasks)):
            executor.submit(run, number)
        for number in range(len(tasks)):
            while True:
                kind, what = waiting[number].get()
                if kind == "end":
                    break
                if isinstance(what, BaseException):
                    raise what
                yield number, what  # type: ignore[misc]  # a result
    finally:
        unwanted.set()
        executor.shutdown(wait=True, cancel_futures=True)
