"""The driver: hands pieces of work to workers, and sees to it that each lands, whoever dies on the way.

Two pieces at most are on their way to a worker, so that neither it nor the driver's memory waits. A worker
that dies is replaced. What it had in hand is tried again, one at a time: so it is known which of them
kills workers, and the third time ends the run. Not for: starting workers (an engine's), or what is made
of a piece and where it lands (a ground's: :mod:`saetext.encoding.engines.running` encodes,
:mod:`saetext.analysis.search.embedding` embeds).
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from saetext.encoding.engines.protocol import Crew, Done, Event, Failed, Lost, Ready
from saetext.errors import CorpusError, SaetextError

DEPTH = 2  # shards on their way to one worker
DEATHS = 3  # of workers by one shard, or of workers in a row that never came to be ready
_TICK = 0.5  # seconds in which the driver looks up
_SEEN = 30.0  # seconds until what a worker has written is seen here: listings of a network lag


class WorkerError(SaetextError):
    """Workers die, and not by chance; the message says on what."""


@dataclass(frozen=True)
class Piece:
    """A shard on its way: its number, what is sent of it (it has ``rows``), and the rows before it."""

    number: int
    shard: Any
    before: int

    def __str__(self) -> str:
        return f"shard {self.number} (rows {self.before + 1:,} to {self.before + self.shard.rows:,})"


class Ground(Protocol):
    """Where pieces land."""

    def welcome(self, spec: Any) -> None:
        """Take note of what a worker has loaded; ReaderError if it is another than the others'."""
        ...

    def seen(self, number: int) -> bool:
        """Return whether something is there of a piece, whole or not."""
        ...

    def landed(self, number: int) -> bool:
        """Return whether a piece has landed, and is whole."""
        ...

    def record(self, number: int) -> Any:
        """Return what tells of a piece that has landed; CorpusError where it cannot be read."""
        ...


class Driver:
    """Has one crew land the pieces that are wanted.

    Parameters
    ----------
    crew : Crew
        Without workers yet: one is hired for each piece, up to ``size``.
    size : int
        How many workers there are to be.
    ground : Ground
        Where pieces land.
    """

    def __init__(self, crew: Crew, size: int, ground: Ground) -> None:
        self._crew, self._size, self._ground = crew, size, ground
        self._workers: dict[int, list[Piece]] = {}  # those that are ready, with what they have in hand
        self._hired: set[int] = set()  # those that are not ready yet
        self._fresh: deque[Piece] = deque()
        self._suspects: deque[Piece] = deque()  # in hand of a worker that died
        self._tried_alone: set[int] = set()
        self._deaths: Counter[int] = Counter()
        self._unready = 0  # deaths in a row of workers that were never ready

    def run(
        self,
        pieces: Iterator[Piece],
        landed: Callable[[Any, Any], None],
        tick: Callable[[], None],
        starting: Callable[[int], None],
    ) -> None:
        """Land every piece; ``landed`` is told of each, in the order in which they land.

        While no worker is ready, ``starting`` is told how many are on their way; else ``tick`` is called.

        Raises
        ------
        WorkerError
            If one piece ends three workers, or workers end before they are ready.
        SaetextError
            What a worker met: another reader, a full disk.
        """
        while True:
            self._fill(pieces)
            if not self._open():
                return
            self._hire()
            self._hand_out()
            for event in self._crew.wait(_TICK):
                self._take(event, landed)
            if self._workers:
                tick()
            elif self._hired:
                starting(len(self._hired))

    def _open(self) -> int:
        return len(self._fresh) + len(self._suspects) + sum(map(len, self._workers.values()))

    def _fill(self, pieces: Iterator[Piece]) -> None:
        while self._open() < DEPTH * self._size and (piece := next(pieces, None)) is not None:
            self._fresh.append(piece)

    def _hire(self) -> None:
        while len(self._workers) + len(self._hired) < min(self._size, self._open()):
            self._hired.add(self._crew.hire())

    def _hand_out(self) -> None:
        for worker, has in sorted(self._workers.items(), key=lambda item: len(item[1])):
            if any(piece.number in self._tried_alone for piece in has):
                continue
            if self._suspects:  # nothing new for who is busy, so that somebody comes to be free
                if not has:
                    piece = self._suspects.popleft()
                    self._tried_alone.add(piece.number)
                    self._submit(worker, piece)
                continue
            while self._fresh and len(has) < DEPTH:
                self._submit(worker, self._fresh.popleft())

    def _submit(self, worker: int, piece: Piece) -> None:
        self._workers[worker].append(piece)
        self._crew.submit(worker, piece.number, piece.shard)

    def _take(self, event: Event, landed: Callable[[Any, Any], None]) -> None:
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Lost):
            self._bury(event, landed)
        elif isinstance(event, Ready):
            self._ground.welcome(event.spec)
            self._hired.discard(event.worker)
            self._workers[event.worker] = []
            self._unready = 0
        elif isinstance(event, Done):
            has = self._workers[event.worker]
            piece = next(piece for piece in has if piece.number == event.number)
            has.remove(piece)
            self._tried_alone.discard(piece.number)
            landed(self._record(piece.number), piece.shard)

    def _bury(self, lost: Lost, landed: Callable[[Any, Any], None]) -> None:
        if lost.worker in self._hired:
            self._hired.discard(lost.worker)
            self._unready += 1
            if self._unready >= DEATHS:
                raise WorkerError(f"workers end before they are ready: {lost.why}")
            return
        for piece in self._workers.pop(lost.worker, []):
            self._tried_alone.discard(piece.number)
            if self._ground.landed(piece.number):  # it died after its work
                landed(self._record(piece.number), piece.shard)
                continue
            self._deaths[piece.number] += 1
            if self._deaths[piece.number] >= DEATHS:
                raise WorkerError(
                    f"{piece} has ended {DEATHS} workers, the last one {lost.why}: what has landed is kept; "
                    "look at these rows, or give a worker more memory"
                )
            self._suspects.append(piece)

    def _record(self, number: int) -> Any:
        until = time.monotonic() + _SEEN
        while True:
            there = self._ground.seen(number)  # asked before: it may come to be seen meanwhile
            try:
                return self._ground.record(number)
            except CorpusError:
                if there or time.monotonic() > until:
                    raise
            time.sleep(0.2)
