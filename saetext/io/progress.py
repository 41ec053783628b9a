"""Where a long run stands: what is done, at what speed, how much is left. Not for: showing it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a run stands: the one event that everything which takes long hands to its ``on_progress``.

    Attributes
    ----------
    stage : str
        What is being done: ``calibrating``, ``encoding`` and the like.
    done, total : int
        How many of how many of the stage's own units; ``total`` is 0 where it is not known.
    unit : str
        What is counted, such as ``findings``; empty where ``done`` is a mere measure of the share.
    documents, rejects : int
        Input rows done so far, those of an earlier run included.
    resumed : int
        Documents that an earlier run had finished.
    tokens : int
        Counted tokens read by the model in this run; a text that repeats is read once.
    share : float or None
        Share of the input that is done, 0 to 1, where that is known.
    seconds : float
        Since this stage began; going past what an earlier run had finished does not count.
    left : float or None
        Seconds until the end at the speed so far, once something can be said about it.
    figures : str
        What else to show, such as the quality of an SAE in training.
    memory : int
        Bytes that working arrays may take (``memory`` of a request, or what it is by default); 0 if not told.
    """

    stage: str
    documents: int = 0
    rejects: int = 0
    resumed: int = 0
    tokens: int = 0
    share: float | None = None
    seconds: float = 0.0
    left: float | None = None
    figures: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    memory: int = 0

    @property
    def tokens_per_second(self) -> float:
        """Speed of the model in this run."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0


OnProgress = Callable[[Progress], None]
#: Inside a computation: a loop counts how many of how many it has done, and a stage names what it is at.
Count = Callable[[int, int], None]
Say = Callable[[str, int, int], None]


def nobody(done: int, total: int) -> None:
    """Count for nobody."""


class Stages:
    """Makes a :class:`Progress` of each stage that a computation names, with the time left.

    Called with a stage, how much of it is done and how much there is (0: not known).
    """

    def __init__(self, on_progress: OnProgress | None, unit: str = "") -> None:
        self._on_progress, self._unit = on_progress, unit
        self._stage, self._started, self._from, self._last = "", 0.0, 0, 0
        self._memory = 0

    def __call__(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Tell where the computation stands."""
        if self._on_progress is None:
            return
        now = time.perf_counter()
        if stage != self._stage or done < self._last:
            # what a stage begins with (answers of an earlier run) tells nothing of its speed; where less is
            # done than before it is counted once more, as for a second set or in a second pass
            self._stage, self._started, self._from = stage, now, done
        self._last = done
        seconds, gained = now - self._started, done - self._from
        share = min(1.0, done / total) if total else None
        left = seconds * (total - done) / gained if total and gained > 0 and seconds >= 3 else None
        self._on_progress(
            Progress(
                stage, share=share, seconds=seconds, left=left, done=done, total=total, unit=self._unit,
                memory=self._memory,
            )
        )  # fmt: skip

    def within(self, memory: int) -> None:
        """Tell from now on how many bytes working arrays may take."""
        self._memory = memory

    def counting(self, stage: str) -> Count:
        """Return what a loop calls with how many of how many it has done of one stage."""
        return lambda done, total: self(stage, done, total)


class Meter:
    """Keeps a :class:`Progress` up to date and hands it on.

    A source says how far it has been read at the end of each shard; within a shard, the share moves on with
    the shard's tokens.
    """

    def __init__(self, stage: str, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self._started = time.perf_counter()
        self._state = Progress(stage)
        self._from = 0.0  # share of the input at which this run began its work
        self._shard: tuple[float, float | None] = (0.0, None)  # shares before and after the current one
        self._shard_tokens = (0, 0)  # done and in all

    @property
    def state(self) -> Progress:
        """The latest."""
        return self._state

    def skip(self, documents: int, rejects: int, share: float | None) -> None:
        """Count a shard that an earlier run had finished."""
        now = self._state
        self._from = share or 0.0
        self._started = time.perf_counter()
        self._tell(
            documents=now.documents + documents,
            rejects=now.rejects + rejects,
            resumed=now.resumed + documents,
            share=share,
        )

    def begin(self, share: float | None, tokens: int) -> None:
        """Begin a shard of so many tokens, after which ``share`` of the input is done."""
        self._shard = (self._state.share or 0.0, share)
        self._shard_tokens = (0, tokens)

    def add(self, tokens: int) -> None:
        """Count tokens that the model has read."""
        done, of = self._shard_tokens
        done += tokens
        self._shard_tokens = (done, of)
        before, after = self._shard
        share = None if after is None else before + (after - before) * min(1.0, done / max(of, 1))
        self._tell(tokens=self._state.tokens + tokens, share=share)

    def end(self, documents: int, rejects: int) -> None:
        """Count the shard as done."""
        now = self._state
        self._tell(documents=now.documents + documents, rejects=now.rejects + rejects, share=self._shard[1])

    def tick(self) -> None:
        """Tell that the work goes on, though nothing has been done since."""
        self._tell()

    def _tell(self, **changes: float | None) -> None:
        seconds = time.perf_counter() - self._started
        state = dataclasses.replace(self._state, **changes, seconds=seconds, left=None)  # type: ignore[arg-type]
        gained = (state.share or 0.0) - self._from
        if gained > 0 and state.share is not None and seconds >= 3:  # the first batches warm up
            state = dataclasses.replace(state, left=seconds * (1 - state.share) / gained)
        self._state = state
        if self._on_progress is not None:
            self._on_progress(state)
