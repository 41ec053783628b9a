"""Workers that are real processes, and are really killed; and the driver too."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine_kills
import pytest
from tiny_reader import contents, ready_reader, some_rows, tiny, write_jsonl

from saetext.corpus.finishing import status
from saetext.encoding.encoder import encode
from saetext.encoding.engines import running
from saetext.encoding.engines.driver import WorkerError
from saetext.encoding.engines.processes import ProcessCrew, ProcessEngine
from saetext.encoding.engines.worker import Job
from saetext.io.progress import Progress

pytestmark = pytest.mark.skipif(os.name != "posix", reason="platform: no SIGKILL")


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@dataclass(frozen=True)
class Watched(ProcessEngine):
    """Keeps the crew where a test can see it."""

    crews: tuple[list[ProcessCrew]] = ([],)

    def start(self, job: Callable[[int], Job]) -> ProcessCrew:
        crew = super().start(job)
        self.crews[0].append(crew)
        return crew

    @property
    def processes(self) -> dict[int, subprocess.Popen[bytes]]:
        return self.crews[0][-1]._processes


def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers load a reader that does not survive certain texts."""
    real = running.Job

    def job(home: Path, plan: str, opened: Any, *rest: Any) -> Job:
        return real(home, plan, functools.partial(engine_kills.deadly, opened), *rest)

    monkeypatch.setattr(running, "Job", job)


def test_a_worker_killed_midway_costs_nothing_but_time(tmp_path: Path) -> None:
    reader = ready_reader()
    rows = some_rows(41, empty_every=7)
    rows[20]["id"] = rows[3]["id"]
    whole = encode(rows, tmp_path / "whole.corpus", reader=reader, shard_rows=4)
    engine = Watched(workers=2, crews=([],))
    killed: list[int] = []

    def kill(p: Progress) -> None:
        if p.documents and not killed:
            killed.append(0)
            engine.processes[p.documents % 2].kill()  # whatever it is at

    made = encode(rows, tmp_path / "m.corpus", reader=reader, shard_rows=4, engine=engine, on_progress=kill)
    assert killed and len(engine.processes) > 2
    assert contents(made.path) == contents(whole.path)
    made.verify()
    assert all(process.returncode is not None for process in engine.processes.values())


def test_a_shard_that_kills_three_workers_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly(monkeypatch)
    rows = some_rows(20)
    rows[13]["text"] = f"the {engine_kills.DEADLY} sleeps"
    out = tmp_path / "m.corpus"
    engine = Watched(workers=1, crews=([],))
    said = r"^shard 3 \(rows 13 to 16\) has ended 3 workers, the last one killed by SIGKILL"
    with pytest.raises(WorkerError, match=said):
        encode(rows, out, reader=ready_reader(), shard_rows=4, engine=engine)
    assert len(engine.processes) == 3
    assert set(status(out).landed) >= {0, 1, 2} and 3 not in status(out).landed


def test_an_error_that_is_a_fault_says_where_in_the_worker_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly(monkeypatch)
    out = tmp_path / "m.corpus"
    with pytest.raises(ZeroDivisionError, match=engine_kills.WRONG) as told:
        encode([{"text": engine_kills.WRONG}], out, reader=ready_reader(), engine=ProcessEngine(workers=1))
    assert "in a worker" in told.value.__notes__[0] and "engine_kills" in told.value.__notes__[0]
    assert not out.exists()


def _command(*words: str, **settings: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "saetext_cli.main", "encode", *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **settings)


def _landed(out: Path) -> list[Path]:
    return sorted(out.glob("landed/part-*.json"))


def _when(told: Callable[[], Any], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def _children(of: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after[1]) == of and after[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def _alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(900)  # three commands, each with a worker
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="platform: no /proc")
def test_a_driver_that_is_killed_or_stopped_is_resumed(tmp_path: Path) -> None:
    """SIGKILL of the driver, then Ctrl-C as a terminal sends it, then to the end: no shard is made twice."""
    file = write_jsonl(tmp_path / "in put é.jsonl", some_rows(1200, longest=40))
    out = tmp_path / "m.corpus"
    words = [str(file), "-o", str(out), *tiny().options, "--threshold", "0", "--shard-rows", "12"]
    # sums in two threads may round otherwise than in the one that this process has
    engine = ["--engine", "processes", "--workers", "1", "--cpus", "1"]
    times: dict[str, int] = {}
    for number in (signal.SIGKILL, signal.SIGINT):
        running = _command(*words, *engine, start_new_session=True)
        before = len(_landed(out))
        _when(lambda before=before: len(_landed(out)) > before)
        workers = _children(running.pid)
        assert len(workers) == 1
        if number == signal.SIGKILL:
            running.kill()
        else:
            os.killpg(running.pid, signal.SIGINT)
        _, told = running.communicate(timeout=60)
        _when(lambda workers=workers: not any(map(_alive, workers)), 60)  # nobody writes any more
        if number == signal.SIGINT:
            assert running.returncode == 130
            assert "saetext: stopped; finished work is kept: run the same command again" in told
            assert "Traceback" not in told
        assert not (out / "manifest.json").exists(), "it was too fast to be stopped"
        now = {path.name: path.stat().st_mtime_ns for path in _landed(out)}
        assert times.items() <= now.items()
        times = now
    last = _command(*words, *engine)
    _, told = last.communicate(timeout=200)
    assert last.returncode == 0, told
    assert "1,200 documents" in told
    whole = encode(file, tmp_path / "whole.corpus", reader=tiny().reader(), threshold=0, shard_rows=12)
    # the command keeps what the file was beside what shards say
    here, there = contents(out), contents(whole.path)
    manifests = [json.loads(files.pop("manifest.json")) for files in (here, there)]
    assert here == there
    assert manifests[0].pop("extra").items() > manifests[1].pop("extra").items()
    assert manifests[0] == manifests[1]
