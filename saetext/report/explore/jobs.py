"""Work that takes longer than a page should: run beside the server, watched, cancelled, its answers kept.

A job is a function that takes ``on_progress``. It is named by a key made of the request, so that one URL is
answered once however many windows show it, and at once when it is asked again. Not for: what is computed
(:mod:`saetext.report.explore.queries`), or how a page waits (:mod:`saetext.report.explore.waiting`).
"""

from __future__ import annotations

import hashlib
import sys
import threading
import time
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal

from saetext.errors import InputError, SaetextError
from saetext.io.hiding import one_line
from saetext.io.progress import OnProgress, Progress
from saetext.io.strict_json import dumps

State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED: Final = ("done", "failed", "cancelled")
AT_ONCE = 2  # jobs that run beside each other
KEPT = 24  # ended jobs whose answers are kept
MOST_WAITING = 32  # more are refused: whoever asks for so many has made a mistake
_LONGEST = 300  # characters of an error
_ASKS_WITHIN = 75.0  # seconds in which a window asks again: browsers let hidden ones do it once a minute
_MOST_ASKING = 50  # windows of one job that are counted


class Cancelled(Exception):
    """Somebody stopped the job."""


def key_of(verb: str, asked: Mapping[str, Any]) -> str:
    """Return the name of a job: 20 hex digits, the same for the same request."""
    return hashlib.sha256(dumps([verb, dict(sorted(asked.items()))]).encode()).hexdigest()[:20]


class Live:
    """Texts that are shown while a job makes them: by the id of the element that shows each.

    A job that shows some also tells its progress after each change.
    """

    def __init__(self) -> None:
        self.texts: Mapping[str, str] = {}

    def show(self, element: str, text: str) -> None:
        """Show a text in place of what the element had."""
        self.texts = {**self.texts, element: text}  # never changed in place: other threads read it


class Job:
    """One piece of work and where it stands. Made by :meth:`Jobs.ask`; read from any thread.

    Attributes
    ----------
    key : str
        Its name.
    title : str
        What it does, for who waits.
    state : {"waiting", "running", "done", "failed", "cancelled"}
        Where it stands; ``waiting`` is for its turn.
    progress : Progress or None
        The last that it told.
    result : object
        What it returned, once it is done.
    error : str
        Why it failed, in one line that says what to do.
    live : Live or None
        What is shown of its work while it goes on.
    """

    def __init__(
        self, key: str, title: str, run: Callable[[OnProgress], Any], live: Live | None = None
    ) -> None:
        self.live = live
        self.key, self.title = key, title
        self.state: State = "waiting"
        self.progress: Progress | None = None
        self.result: Any = None
        self.error = ""
        self._streams = 0
        self._asking: dict[str, float] = {}  # windows that ask now and then: when last
        self.stopping = False
        self.asked = time.monotonic()
        self.changes = 0  # counts what there is to see, so that a watcher sends nothing twice
        self._run = run
        self._lock = threading.Lock()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    @property
    def seconds(self) -> float:
        """Seconds since it was asked for."""
        return time.monotonic() - self.asked

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count a window that looks at it, as long as it does."""
        with self._lock:
            self._streams += 1
        try:
            yield
        finally:
            with self._lock:
                self._streams -= 1

    def asked_by(self, window: str) -> None:
        """Count a window that asks now and then where it stands, until it leaves or asks no longer."""
        with self._lock:
            since = time.monotonic() - _ASKS_WITHIN
            self._asking = {other: last for other, last in self._asking.items() if last > since}
            if window in self._asking or len(self._asking) < _MOST_ASKING:
                self._asking[window] = time.monotonic()

    def left_by(self, window: str) -> None:
        """Count a window no longer that asked now and then."""
        with self._lock:
            self._asking.pop(window, None)

    @property
    def watchers(self) -> int:
        """Windows that wait for it now."""
        with self._lock:
            since = time.monotonic() - _ASKS_WITHIN
            return self._streams + sum(last > since for last in self._asking.values())

    def work(self) -> None:
        """Do it, in the thread that this is called in."""
        if self.stopping:
            self._end("cancelled")
            return
        self.state = "running"
        self.changes += 1
        try:
            self.result = self._run(self._tell)
        # Ctrl-C: polars raises the second in each thread that it works in. The server is stopping
        except (Cancelled, KeyboardInterrupt):
            self._end("cancelled")
        except SaetextError as error:
            self._fail(str(error))
        except MemoryError:
            self._fail("there was not enough memory; ask for fewer documents, or with a sample")
        # a fault of ours: the page says so, the terminal has all of it. A panic of polars is no Exception; if
        # it ended the thread, its place among those that run would be taken for ever
        except BaseException as error:
            with suppress(OSError, ValueError):  # nobody may read the terminal any longer
                traceback.print_exc(file=sys.stderr)
            self._fail(f"{type(error).__name__}: {error}; the terminal has the details")
        else:
            self._end("done")

    def stop(self) -> None:
        """Let it end at the next progress that it tells."""
        self.stopping = True
        self.changes += 1

    def _tell(self, progress: Progress) -> None:
        if self.stopping:
            raise Cancelled
        self.progress = progress
        self.changes += 1

    def _fail(self, why: str) -> None:
        self.error = one_line(why, _LONGEST)
        self._end("failed")

    def _end(self, state: State) -> None:
        self._run = _nothing  # what it holds on to is not needed any longer
        self.state = state
        self.changes += 1


def _nothing(on_progress: OnProgress) -> None:
    raise RuntimeError("a job runs once")


class Jobs:
    """The jobs of one server: a few at once, the others wait for their turn, answers are kept for a while.

    Parameters
    ----------
    at_once : int
        Jobs that run beside each other.
    kept : int
        Answers that are kept, those used last.
    """

    def __init__(self, at_once: int = AT_ONCE, kept: int = KEPT) -> None:
        self._at_once, self._kept = at_once, kept
        self._jobs: OrderedDict[str, Job] = OrderedDict()  # those used last at the end
        self._queue: deque[Job] = deque()
        self._working = 0
        self._closed = False
        self._changed = threading.Condition()

    def ask(self, key: str, title: str, run: Callable[[OnProgress], Any], live: Live | None = None) -> Job:
        """Return the job of this key: the one that runs, waits or is done, or a new one.

        One that failed or was cancelled is what it is until it is forgotten (:meth:`forget`), or a page that
        shows the failure would start it again.

        Raises
        ------
        InputError
            If too many wait already, or the server is stopping.
        """
        with self._changed:
            if (known := self._jobs.get(key)) is not None:
                self._jobs.move_to_end(key)
                return known
            if self._closed:
                raise InputError("the server is stopping; start it again")
            if len(self._queue) >= MOST_WAITING:
                raise InputError(f"{MOST_WAITING} jobs are waiting already; cancel some, or wait")
            job = Job(key, title, run, live)
            self._jobs[key] = job
            self._queue.append(job)
            self._bound()
            if self._working < self._at_once:
                self._working += 1
                # a daemon: a job that tells nothing for long must not keep a stopped server alive
                threading.Thread(target=self._work, name=f"job-{key}", daemon=True).start()
            return job

    def get(self, key: str) -> Job | None:
        """Return a job, or None where there is none of this key, or none any longer."""
        with self._changed:
            return self._jobs.get(key)

    def cancel(self, key: str, *, alone: int = 1) -> bool:
        """Stop a job, unless other windows wait for it as well; say whether it was stopped.

        Parameters
        ----------
        key : str
            Which.
        alone : int
            How many windows may be watching: the one that cancels.
        """
        with self._changed:
            job = self._jobs.get(key)
            if job is None or job.ended or job.watchers > alone:
                return False
            job.stop()
            if job in self._queue:
                self._queue.remove(job)
                job.work()  # which ends it at once
            self._changed.notify_all()
            return True

    def forget(self, key: str) -> None:
        """Let go of an ended job, so that asking again starts it again."""
        with self._changed:
            if (job := self._jobs.get(key)) is not None and job.ended:
                del self._jobs[key]

    def unfinished(self) -> list[Job]:
        """Return the jobs that run or wait, the first asked for first."""
        with self._changed:
            return sorted((job for job in self._jobs.values() if not job.ended), key=lambda job: job.asked)

    @property
    def closed(self) -> bool:
        """Whether the server is stopping."""
        return self._closed

    def stop_all(self) -> None:
        """Stop everything and take no more, without waiting for it."""
        with self._changed:
            self._closed = True
            while self._queue:
                job = self._queue.popleft()
                job.stop()
                job.work()
            for job in self._jobs.values():
                if not job.ended:
                    job.stop()

    def close(self, seconds: float = 3.0) -> bool:
        """Stop everything and wait for it a little; say whether all has ended.

        What does not end in time ends with the process: whatever is written is written whole or not at all.
        """
        self.stop_all()
        until = time.monotonic() + seconds
        with self._changed:
            while self._working and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._working

    def wait(self, job: Job, seconds: float) -> bool:
        """Wait until a job has ended, at most so long; say whether it has."""
        until = time.monotonic() + seconds
        with self._changed:
            while not job.ended and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return job.ended

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._queue:
                    self._working -= 1
                    self._changed.notify_all()
                    return
                job = self._queue.popleft()
            job.work()
            with self._changed:
                self._bound()
                self._changed.notify_all()

    def _bound(self) -> None:
        ended = [key for key, job in self._jobs.items() if job.ended and not job.watchers]
        for key in ended[: max(0, len(ended) - self._kept)]:
            del self._jobs[key]


def told(progress: Progress | None) -> str:
    """Say where a job stands, in one line: ``reading examples: 12 of 60``."""
    if progress is None:
        return ""
    line = one_line(progress.stage, 80)
    if progress.total:
        line += f": {progress.done:,} of {progress.total:,}"
    elif progress.share is not None:
        line += f": {100 * progress.share:.0f} %"
    if progress.left is not None and progress.left >= 1:
        line += f", about {_time(progress.left)} left"
    return line


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def state_of(job: Job) -> dict[str, Any]:
    """Return what a window is told of a job, in plain JSON types."""
    progress = job.progress
    return {
        "state": "stopping" if job.stopping and not job.ended else job.state,
        "title": job.title,
        "told": told(progress) if not job.ended else "",
        "share": None if progress is None else progress.share,
        "seconds": round(job.seconds, 1),
        "error": job.error,
        "texts": dict(job.live.texts) if job.live is not None else {},
    }
