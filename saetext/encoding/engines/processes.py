"""ProcessEngine: workers that are processes of this machine, each with some of its processors, or a GPU.

Not for: several machines (:mod:`saetext.encoding.engines.on_ray`, or slices).
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from saetext.encoding.engines.pipes import receive, send
from saetext.encoding.engines.protocol import Event, Failed, Lost, Task, many_gpus, require_share
from saetext.errors import InputError
from saetext.io.cpus import available_cpus
from saetext.text.one_line import one_line

_MOST = 8  # workers, unless more are asked for: each has a model in memory
_PATIENCE = 5.0  # seconds in which a worker ends when it is asked to
_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class ProcessEngine:
    """Workers that are processes of this machine.

    Parameters
    ----------
    workers : int, optional
        How many. By default one for each GPU, or as many as there are processors for, at most 8.
    gpus : float
        GPUs of each worker; ``.5`` has two workers share one.
    cpus : int, optional
        Threads of each worker; by default 1, or with an only worker what the machine has.

    Raises
    ------
    InputError
        If a number cannot be.

    Examples
    --------
    >>> import saetext
    >>> notes = [{"text": "Sorry to hear that!"}, {"text": "Restart it."}]
    >>> engine = saetext.ProcessEngine(workers=1)
    >>> saetext.encode(notes, "by-processes.corpus", engine=engine).n_documents
    2
    """

    workers: int | None = None
    gpus: float = 0
    cpus: int | None = None

    def __post_init__(self) -> None:
        require_share(workers=self.workers, gpus=self.gpus, cpus=self.cpus)

    def size(self) -> int:
        """Return how many workers there are to be."""
        if not self.gpus:
            return self.workers or max(1, min(_MOST, available_cpus() // (self.cpus or 1)))
        there = len(visible_gpus(os.environ))
        fit = there * int(1 / self.gpus) if self.gpus < 1 else there // int(self.gpus)
        if fit < (self.workers or 1):
            raise InputError(
                f"a worker is to have {many_gpus(self.gpus)}, and this machine has {many_gpus(there)} for "
                f"{self.workers or 1} of them"
            )
        return self.workers or fit

    def start(self, job: Callable[[int], Task]) -> ProcessCrew:
        """Return a crew without workers yet."""
        size = self.size()
        cpus = self.cpus or (max(1, available_cpus() // size) if self.gpus or size == 1 else 1)
        return ProcessCrew(job(cpus), size, self.gpus)


class ProcessCrew:
    """The processes of one run."""

    def __init__(self, job: Task, size: int, gpus: float) -> None:
        self._job, self._size, self._gpus = job, size, gpus
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._places: dict[int, int] = {}  # which of the places 0 to size - 1 a worker has
        self._next = 0

    def hire(self) -> int:
        """Start a process."""
        number, self._next = self._next, self._next + 1
        self._places[number] = min({*range(self._size)} - {*self._places.values()}, default=0)
        told = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the thread, once the process has ended
        process = subprocess.Popen(
            # -P: a file called queue.py in the directory of the command is no module of a worker's
            [sys.executable, "-P", "-m", "saetext.encoding.engines.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            env=self._environment(self._places[number]),
        )
        self._processes[number] = process
        # in a thread: a job is larger than what a pipe holds, and its reader is not there yet
        threading.Thread(target=self._serve, args=(number, process, told), daemon=True).start()
        return number

    def submit(self, worker: int, number: int, piece: Any) -> None:
        """Send a piece to a process."""
        stream = self._processes[worker].stdin
        with contextlib.suppress(OSError, ValueError):  # broken, or closed: that it is lost comes next
            send(_open(stream), (number, piece))

    def wait(self, seconds: float) -> list[Event]:
        """Return what processes have said, or that they have ended."""
        try:
            events = [self._events.get(timeout=seconds)]
        except queue.Empty:
            return []
        while not self._events.empty():
            events.append(self._events.get())
        return events

    def stop(self) -> None:
        """End all processes: at once, since a shard that is not written costs nothing but its time."""
        for process in self._processes.values():
            with contextlib.suppress(OSError):
                process.terminate()
        for process in self._processes.values():
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _serve(self, number: int, process: subprocess.Popen[bytes], told: IO[bytes]) -> None:
        """Give a process its job, and pass on what it says until it ends."""
        try:
            send(_open(process.stdin), number)
            send(_open(process.stdin), self._job)
        except OSError:
            pass  # it has ended
        except Exception as error:  # a job that cannot be sent
            self._events.put(Failed(number, error))
        with contextlib.suppress(Exception):  # the end, or what is no event: printed by a library, say
            while True:
                self._events.put(receive(_open(process.stdout)))
        try:
            code = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:  # it lives, but nobody can understand it
            process.kill()
            code = process.wait()
        del self._places[number]
        self._events.put(Lost(number, _why(code, told)))
        for stream in (process.stdin, process.stdout, told):
            with contextlib.suppress(OSError):
                _open(stream).close()

    def _environment(self, place: int) -> dict[str, str]:
        """Return a worker's variables: this process's, where it finds saetext, and its GPU."""
        path = os.pathsep.join(dict.fromkeys(entry or str(Path.cwd()) for entry in sys.path))
        made = {**os.environ, "PYTHONPATH": path}
        if self._gpus:
            made[_VISIBLE] = ",".join(gpus_of(place, self._gpus, visible_gpus(os.environ)))
        return made


def visible_gpus(environment: os._Environ[str] | dict[str, str], devices: Path = Path("/dev")) -> list[str]:
    """Return the GPUs that this process may use, as CUDA numbers or names them."""
    if _VISIBLE in environment:
        return [name.strip() for name in environment[_VISIBLE].split(",") if name.strip() not in ("", "-1")]
    found = [path.name.removeprefix("nvidia") for path in devices.glob("nvidia[0-9]*")]
    return [str(i) for i in range(sum(name.isdecimal() for name in found))]


def gpus_of(place: int, each: float, there: list[str]) -> list[str]:
    """Return the GPUs of the worker at a place, of ``each`` GPUs a worker.

    Examples
    --------
    >>> [gpus_of(place, 0.5, ["0", "1"]) for place in range(4)]
    [['0'], ['0'], ['1'], ['1']]
    >>> gpus_of(1, 2, ["0", "1", "2", "3"])
    ['2', '3']
    """
    if each < 1:
        return [there[place // int(1 / each)]]
    return there[place * int(each) : (place + 1) * int(each)]


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # all are pipes
    return stream


def _why(code: int, told: IO[bytes]) -> str:
    """Say how a process ended: by which signal, or with what it said last."""
    if code < 0:
        name = next((s.name for s in signal.Signals if s == -code), str(-code))
        return f"killed by {name}" + " (as when memory runs out)" * (name == "SIGKILL")
    with contextlib.suppress(OSError, ValueError):
        told.seek(0)
        lines = told.read(1 << 20).decode("utf-8", "replace").strip().splitlines()
        if lines:
            return f"ended with {code} ({one_line(lines[-1], 200)})"
    return f"ended with {code}"
