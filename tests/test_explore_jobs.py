"""Jobs of the explorer: one answer a request, progress, cancelling, failures, and a server that stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from saetext.errors import InputError
from saetext.io.progress import OnProgress, Progress
from saetext.report.explore.jobs import MOST_WAITING, Job, Jobs, key_of, state_of, told

LONG = 10.0  # seconds after which a test would have failed anyway


class Gate:
    """A job's function that tells its progress until it is let through."""

    def __init__(self, result: Any = "answer") -> None:
        self.runs, self.opened, self.begun = 0, threading.Event(), threading.Event()
        self.result = result

    def __call__(self, on_progress: OnProgress) -> Any:
        self.runs += 1
        self.begun.set()
        while not self.opened.wait(0.005):
            on_progress(Progress("waiting", done=1, total=4, unit="things", share=0.25))
        return self.result


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def ended(jobs: Jobs, job: Job) -> Job:
    assert jobs.wait(job, LONG)
    return job


def test_the_same_request_is_one_job_and_its_answer_is_kept() -> None:
    jobs, gate = Jobs(), Gate()
    key = key_of("diff", {"a": "x", "b": ["y"]})
    assert key == key_of("diff", {"b": ["y"], "a": "x"}) != key_of("diff", {"a": "y", "b": ["x"]})
    first = jobs.ask(key, "Comparing", gate)
    assert jobs.ask(key, "Comparing", gate) is first is jobs.get(key)
    until(lambda: first.progress is not None)
    assert state_of(first)["state"] == "running" and state_of(first)["told"] == "waiting: 1 of 4"
    gate.opened.set()
    assert ended(jobs, first).result == "answer"
    assert jobs.ask(key, "Comparing", gate).result == "answer" and gate.runs == 1


def test_a_cancelled_job_ends_and_can_be_asked_for_again() -> None:
    jobs, gate = Jobs(), Gate()
    job = jobs.ask("k", "Comparing", gate)
    assert gate.begun.wait(LONG)
    assert jobs.cancel("k") and ended(jobs, job).state == "cancelled"
    assert not jobs.cancel("k"), "it has ended"
    assert jobs.ask("k", "Comparing", gate) is job, "a page that shows it does not start it again"
    jobs.forget("k")
    gate.opened.set()
    assert ended(jobs, jobs.ask("k", "Comparing", gate)).state == "done"


def test_one_window_does_not_cancel_what_another_waits_for() -> None:
    jobs, gate = Jobs(), Gate()
    job = jobs.ask("k", "Comparing", gate)
    with job.watched():
        with job.watched():
            assert not jobs.cancel("k") and not job.stopping
        assert jobs.cancel("k")
    assert ended(jobs, job).state == "cancelled" and job.watchers == 0


def test_a_hidden_window_that_asks_now_and_then_waits_for_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.report.explore import jobs as module

    jobs, gate = Jobs(), Gate()
    job = jobs.ask("k", "Comparing", gate)
    for window in ("a", "b", "a"):
        job.asked_by(window)
    assert job.watchers == 2 and not jobs.cancel("k"), "two wait for it"
    job.left_by("b")
    job.left_by("never there")
    assert job.watchers == 1
    with job.watched():
        assert job.watchers == 2 and not jobs.cancel("k")
        monkeypatch.setattr(module, "_ASKS_WITHIN", 0.0)
        assert job.watchers == 1, "one that asks no longer has gone"
        assert jobs.cancel("k")
    assert ended(jobs, job).state == "cancelled"


def test_a_job_that_waits_for_its_turn_is_cancelled_at_once() -> None:
    jobs, gate, other = Jobs(at_once=1), Gate(), Gate()
    running = jobs.ask("1", "One", gate)
    assert gate.begun.wait(LONG)
    waiting = jobs.ask("2", "Two", other)
    assert waiting.state == "waiting" and jobs.unfinished() == [running, waiting]
    assert jobs.cancel("2") and state_of(waiting)["state"] == "cancelled" and other.runs == 0
    gate.opened.set()
    assert ended(jobs, running).state == "done"


def test_failures_are_one_line_and_the_next_job_runs(capsys: pytest.CaptureFixture[str]) -> None:
    jobs = Jobs(at_once=1)

    def refuse(on_progress: OnProgress) -> None:
        raise InputError("no document has topic = 'x'\nand no second line")

    def break_down(on_progress: OnProgress) -> None:
        raise KeyError("oops")

    refused, broken = jobs.ask("1", "One", refuse), jobs.ask("2", "Two", break_down)
    assert ended(jobs, refused).error == "no document has topic = 'x' and no second line"
    assert ended(jobs, broken).state == "failed" and "KeyError" in broken.error
    assert "Traceback" in capsys.readouterr().err
    assert ended(jobs, jobs.ask("3", "Three", lambda on_progress: 3)).result == 3


def test_a_panic_is_a_failure_and_takes_no_place_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    from polars.exceptions import PanicException

    assert not issubclass(PanicException, Exception)
    jobs = Jobs(at_once=1)

    def panic(on_progress: OnProgress) -> None:
        raise PanicException("index out of bounds")

    def leave(on_progress: OnProgress) -> None:
        raise SystemExit(3)

    for key, work in (("1", panic), ("2", leave)):
        failed = ended(jobs, jobs.ask(key, "One", work))
        assert failed.state == "failed" and "the terminal has the details" in failed.error
    assert "index out of bounds" in capsys.readouterr().err
    assert ended(jobs, jobs.ask("3", "Three", lambda on_progress: 3)).result == 3
    assert jobs.close(LONG), "no job is counted that has ended"


def test_ctrl_c_in_the_thread_of_a_job_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """Polars raises it in every thread that it works in; the server is about to stop."""

    def interrupted(on_progress: OnProgress) -> None:
        raise KeyboardInterrupt

    jobs = Jobs()
    job = ended(jobs, jobs.ask("1", "One", interrupted))
    assert (job.state, job.error, capsys.readouterr().err) == ("cancelled", "", "")
    assert jobs.close(LONG)


def test_few_run_at_once_in_the_order_they_were_asked_for() -> None:
    jobs, order, most, now = Jobs(at_once=2), [], [0], [0]
    lock = threading.Lock()

    def work(number: int) -> Callable[[OnProgress], None]:
        def run(on_progress: OnProgress) -> None:
            with lock:
                order.append(number)
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.01)
            with lock:
                now[0] -= 1

        return run

    made = [jobs.ask(str(n), "", work(n)) for n in range(8)]
    for job in made:
        ended(jobs, job)
    assert most[0] == 2 and [n for n in order if n % 2 == 0] == [0, 2, 4, 6]
    assert sorted(order) == list(range(8)) and all(abs(n - at) <= 1 for at, n in enumerate(order))


def test_answers_that_nobody_asked_for_lately_are_forgotten() -> None:
    jobs = Jobs(kept=3)
    for n in range(5):
        ended(jobs, jobs.ask(str(n), "", lambda on_progress: None))
        if jobs.get("0") is not None:
            jobs.ask("0", "", lambda on_progress: None)  # which is used again and again
    until(lambda: sum(jobs.get(str(n)) is not None for n in range(5)) == 3)
    assert jobs.get("0") is not None and jobs.get("1") is None


def test_too_many_are_refused() -> None:
    jobs, gate = Jobs(at_once=1), Gate()
    jobs.ask("running", "", gate)
    assert gate.begun.wait(LONG)
    for n in range(MOST_WAITING):
        jobs.ask(str(n), "", gate)
    with pytest.raises(InputError, match="are waiting already"):
        jobs.ask("one more", "", gate)
    assert jobs.close(LONG) and not jobs.unfinished() and gate.runs == 1


def test_a_stopping_server_ends_its_jobs_and_takes_no_more() -> None:
    jobs, gate = Jobs(), Gate()
    job = jobs.ask("k", "", gate)
    assert gate.begun.wait(LONG)
    assert jobs.close(LONG) and job.state == "cancelled"
    with pytest.raises(InputError, match="stopping"):
        jobs.ask("l", "", gate)


def test_a_job_that_tells_nothing_does_not_hold_up_the_end() -> None:
    jobs, silent, begun = Jobs(), threading.Event(), threading.Event()

    def work(on_progress: OnProgress) -> None:
        begun.set()
        silent.wait(LONG)

    jobs.ask("k", "", work)
    assert begun.wait(LONG)
    started = time.monotonic()
    assert not jobs.close(0.05) and time.monotonic() - started < LONG / 2
    silent.set()


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (None, ""),
        (Progress("counting"), "counting"),
        (Progress("reading", done=3, total=4000, left=200.0), "reading: 3 of 4,000, about 3 min left"),
        (Progress("encoding", share=0.5, left=12.3), "encoding: 50 %, about 12 s left"),
        (Progress("a\x1b[31m\nstage"), "a [31m stage"),
    ],
)
def test_progress_is_one_line(progress: Progress | None, line: str) -> None:
    assert told(progress) == line
