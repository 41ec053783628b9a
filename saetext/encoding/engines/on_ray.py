"""RayEngine: workers that are actors of a Ray cluster, or of one that is started on this machine.

Ray starts them where there is room and says when one has died; the driver replaces it (``max_restarts`` stays
0), so that a shard that kills workers is known. Not for: Ray Data, whose rows and blocks are not ours.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from saetext.encoding.engines.protocol import (
    Done,
    Event,
    Failed,
    Lost,
    Ready,
    Task,
    many_gpus,
    require_share,
)
from saetext.errors import InputError
from saetext.io.cpus import available_cpus
from saetext.io.extras import require
from saetext.text.one_line import many, one_line

_PATIENCE = 5.0  # seconds in which a cluster answers
_STORE = 200_000_000  # bytes for what is on its way, in a cluster of this machine alone


@dataclass(frozen=True)
class RayEngine:
    """Workers that are actors of a Ray cluster; needs ``pip install 'saetext[ray]'`` here and there.

    The input is read by the driver alone. The corpus is a directory that driver and workers share, under one
    path. Ray and Python have the cluster's version.

    Parameters
    ----------
    address : str, optional
        ``auto`` for the cluster that this machine is in, or what else Ray takes (``ray://HOST:10001`` needs
        ``ray[client]``). By default the one that this process is connected to, or else one of this machine
        alone is started.
    workers : int, optional
        How many; by default as many as the cluster has processors or GPUs for.
    gpus : float
        GPUs of each worker; ``.5`` has two workers share one.
    cpus : int
        Processors of each worker, which are its threads.

    Raises
    ------
    InputError
        If a number cannot be, Ray is not installed, or there is no such cluster.

    Examples
    --------
    >>> import saetext
    >>> saetext.RayEngine(address="auto", workers=8, gpus=1).workers
    8
    """

    address: str | None = None
    workers: int | None = None
    gpus: float = 0
    cpus: int = 1

    def __post_init__(self) -> None:
        require_share(workers=self.workers, gpus=self.gpus, cpus=self.cpus)

    def size(self) -> int:
        """Return how many workers there are to be, of the cluster's resources."""
        has = _connected(self.address).cluster_resources()
        fit = int(has.get("CPU", 0) // self.cpus)
        if self.gpus:
            fit = min(fit, int(has.get("GPU", 0) / self.gpus))
        if fit < 1:
            there = f"{many(int(has.get('CPU', 0)), 'CPU')} and {many_gpus(has.get('GPU', 0))}"
            raise InputError(
                f"a worker is to have {many(self.cpus, 'CPU')} and {many_gpus(self.gpus)}, and the Ray "
                f"cluster has {there} in all"
            )
        return self.workers or fit

    def start(self, job: Callable[[int], Task]) -> RayCrew:
        """Return a crew without workers yet."""
        ray = _connected(self.address)
        actor = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_restarts=0, max_task_retries=0)(Actor)
        return RayCrew(ray, actor, job(self.cpus))


class Actor:
    """What runs in a process of Ray: a worker, made when it is first asked for."""

    def __init__(self, job: Task) -> None:
        self._job = job

    def ready(self) -> Any:
        """Load the model and return what it is."""
        self._worker = self._job.worker()
        return self._worker.ready()

    def land(self, number: int, piece: Any) -> int:
        """Land a piece and return its number."""
        return self._worker.land(number, piece)


class RayCrew:
    """The actors of one run."""

    def __init__(self, ray: Any, actor: Any, job: Task) -> None:
        self._ray, self._actor = ray, actor
        self._job = ray.put(job)
        self._actors: dict[int, Any] = {}
        self._calls: dict[Any, int] = {}  # what is waited for, and of whom
        self._next = 0

    def hire(self) -> int:
        """Ask for an actor."""
        number, self._next = self._next, self._next + 1
        self._actors[number] = self._actor.remote(self._job)
        self._calls[self._actors[number].ready.remote()] = number
        return number

    def submit(self, worker: int, number: int, piece: Any) -> None:
        """Send a piece to an actor."""
        self._calls[self._actors[worker].land.remote(number, piece)] = worker

    def wait(self, seconds: float) -> list[Event]:
        """Return what actors have answered, or that they have died."""
        calls = list(self._calls)
        done, _ = self._ray.wait(calls, num_returns=1, timeout=seconds)
        return [event for call in done if (event := self._event(call)) is not None]

    def stop(self) -> None:
        """End all actors."""
        for actor in self._actors.values():
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.kill(actor)

    def _event(self, call: Any) -> Event | None:
        worker = self._calls.pop(call, None)
        if worker is None:  # of one that is known to be lost
            return None
        errors = self._ray.exceptions
        try:
            answer = self._ray.get(call)
        except errors.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, BaseException) else error
            return Failed(worker, cause)
        except errors.RayError as error:
            self._calls = {other: of for other, of in self._calls.items() if of != worker}
            with contextlib.suppress(errors.RayError):
                self._ray.kill(self._actors.pop(worker))
            return Lost(worker, f"lost ({one_line(str(error), 160)})")
        return Done(worker, answer) if isinstance(answer, int) else Ready(worker, answer)


def _connected(address: str | None) -> Any:
    """Return Ray, connected; InputError in one line if that cannot be."""
    require("ray", "ray", "--engine ray", error=InputError)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # what is read is nobody's business
    os.environ.setdefault("RAY_worker_niceness", "0")  # else 15: it would wait for everything else
    import ray

    if ray.is_initialized():
        return ray
    settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        settings |= {
            "num_cpus": available_cpus(), "include_dashboard": False, "object_store_memory": _STORE,
            "address": "local",
        }  # fmt: skip
    else:
        _require_answer(address)
        settings["address"] = address
    try:
        with _own_signals():
            ray.init(**settings)
    except (OSError, RuntimeError, ValueError) as error:
        what = "Ray does not start on this machine" if address is None else f"no Ray cluster at {address!r}"
        raise InputError(f"{what}: {one_line(str(error), 200) or type(error).__name__}") from error
    return ray


def _require_answer(address: str) -> None:
    """Raise :class:`InputError` if nobody listens at ``HOST:PORT``: Ray itself tries for minutes."""
    told = re.fullmatch(r"(?:ray://)?\[?([^/\s]+?)\]?:(\d{1,5})", address)
    if told is None:
        return
    try:
        socket.create_connection((told[1], int(told[2])), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"no Ray cluster at {address!r}: {one_line(str(error), 100)}") from error


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's handling of signals, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
