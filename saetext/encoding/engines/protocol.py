"""What a driver and an engine say to each other: a job, shards, and what became of them.

An engine starts workers and carries messages; it decides nothing. Not for: who gets which shard, and what
happens when a worker dies (:mod:`saetext.encoding.engines.driver`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from saetext.errors import InputError

if TYPE_CHECKING:
    from saetext.corpus.spec import ReaderSpec
    from saetext.encoding.shards import Shard
    from saetext.reader.reader import Reader


@dataclass(frozen=True)
class Job:
    """What every worker is told once.

    Attributes
    ----------
    home : Path
        The corpus in the making, absolute; driver and workers see the same directory under it.
    plan : str
        What tells whether they do: a hash of ``plan.json``.
    opened : callable
        Loads the reader, with its thresholds; ReaderError if it is not the one of the plan.
    stores_text : bool
        Whether texts and prompts are kept.
    role : str
        Whose turns of a chat count.
    cpus : int
        Threads of the worker's model.
    """

    home: Path
    plan: str
    opened: Callable[[], Reader]
    stores_text: bool
    role: str
    cpus: int


@dataclass(frozen=True)
class Ready:
    """A worker has loaded its reader."""

    worker: int
    spec: ReaderSpec


@dataclass(frozen=True)
class Done:
    """A shard has landed."""

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

    def submit(self, worker: int, number: int, shard: Shard) -> None:
        """Hand a shard to a worker that is ready. One that has died is no error: :class:`Lost` tells."""
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

    def start(self, job: Callable[[int], Job]) -> Crew:
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
