"""What a driver and an engine say to each other: a job, its pieces, and what became of them.

An engine starts workers and carries messages; it decides nothing. Not for: who gets which shard, and what
happens when a worker dies (:mod:`saetext.encoding.engines.driver`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from saetext.errors import InputError


class Working(Protocol):
    """What a worker's process has: a loaded model that lands pieces."""

    def ready(self) -> Any:
        """Return what the model is, for the driver to compare with its own; no whole number."""
        ...

    def land(self, number: int, piece: Any) -> int:
        """Make a piece, write it where it belongs, and return its number."""
        ...


class Task(Protocol):
    """What every worker is told once, whatever is made of pieces; it is pickled."""

    def worker(self) -> Working:
        """Load what works, in the worker's process."""
        ...


@dataclass(frozen=True)
class Ready:
    """A worker has loaded its model; ``spec`` is what it is."""

    worker: int
    spec: Any


@dataclass(frozen=True)
class Done:
    """A piece has landed."""

    worker: int
    number: int


@dataclass(frozen=True)
class Failed:
    """A worker met an error that is no fault of the machine: the run stops."""

    worker: int
    error: BaseException


@dataclass(frozen=True)
class Lost:
    """A worker has died; ``why`` says how, as far as it is known."""

    worker: int
    why: str


Event = Ready | Done | Failed | Lost


class Crew(Protocol):
    """The workers of one run, made by an :class:`Engine`."""

    def hire(self) -> int:
        """Start a worker and return its number; :class:`Ready` or :class:`Lost` tells what became of it."""
        ...

    def submit(self, worker: int, number: int, piece: Any) -> None:
        """Hand a piece to a worker that is ready. One that has died is no error: :class:`Lost` tells."""
        ...

    def wait(self, seconds: float) -> list[Event]:
        """Return what has happened, at the latest after so many seconds."""
        ...

    def stop(self) -> None:
        """End all workers, whatever they are at."""
        ...


class Engine(Protocol):
    """Starts workers somewhere; an engine may be used again."""

    @property
    def gpus(self) -> float:
        """GPUs of each worker."""
        ...

    def size(self) -> int:
        """Return how many workers there are to be; InputError if there can be none."""
        ...

    def start(self, job: Callable[[int], Task]) -> Crew:
        """Return a crew without workers yet; ``job`` takes the number of CPUs of a worker."""
        ...


def require_share(**given: Any) -> None:
    """Raise :class:`InputError` for numbers of workers, CPUs or GPUs that cannot be."""
    for name, value in given.items():
        least = 0 if name == "gpus" else 1
        if value is not None and not (least <= value <= 1_000_000):
            raise InputError(f"{name} must be at least {least}, not {value:g}")
    gpus = given.get("gpus") or 0
    if gpus > 1 and gpus != int(gpus):
        raise InputError(f"gpus is a whole number of GPUs, or a part of one, not {gpus:g}")


def many_gpus(number: float) -> str:
    """Return ``no GPU``, ``1 GPU``, ``.5 GPU`` or ``2 GPUs``."""
    if not number:
        return "no GPU"
    return f"{number:g} GPU{'s' if number > 1 else ''}".removeprefix("0")
