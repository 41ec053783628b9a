"""Each file operation of a run fails in turn: one line of ours, and the same command makes the same bytes.

With ``SAETEXT_FAULTS=all`` every fault is tried at every operation (some 4,000 runs, five minutes).
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_jobs import JOBS, Files, Job, forget
from fault_shim import Failing, Operation, watching

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="platform: no /proc"),
    pytest.mark.filterwarnings("ignore"),
]
FULL, BROKEN, INTERRUPTED, SHORTENED = "full disk", "broken disk", "interrupted call", "short write"
ALL = (FULL, BROKEN, INTERRUPTED, SHORTENED)
EVERYTHING = os.environ.get("SAETEXT_FAULTS") == "all"


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing here cuts the power, so nothing has to reach the platter."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


def failing(fault: str, at: int) -> Failing:
    codes = {FULL: errno.ENOSPC, BROKEN: errno.EIO, INTERRUPTED: errno.EINTR, SHORTENED: 0}
    return Failing(at, codes[fault], stays=fault == FULL)


class Trial:
    """A job, what it makes undisturbed, and the operations that this takes."""

    def __init__(self, job: Job, root: Path) -> None:
        self.job = job
        self.root = root
        job.run(self._afresh())  # what a first run imports and compiles is not counted
        count = Failing()
        folder = self._afresh()
        with watching(count, root):
            job.run(folder)
        self.operations: list[Operation] = count.seen
        self.whole: Files = job.files(folder)

    def _afresh(self) -> Path:
        return self.job.afresh(self.root.parent / f"{self.root.name} bases", self.root / "here")

    def run(self, fault: str, at: int) -> bool:
        """Let one operation fail, then run it again; return whether the failure was told."""
        folder, fails = self._afresh(), failing(fault, at)
        with watching(fails, self.root):
            said = self.job.attempt(folder)
        assert fails.failed and fails.seen[at].kind == self.operations[at].kind
        if fault == SHORTENED:
            assert said is None, said
            assert self.job.files(folder) == self.whole
        forget()
        self.job.finish(folder, self.whole)
        return said is not None

    def cases(self, faults: tuple[str, ...], first: int = 0, every: int = 1) -> Iterator[tuple[str, int]]:
        """Yield a fault and an operation: of every so-many-th operation one fault after the other."""
        for at in range(first, len(self.operations), every):
            fault = faults[at // every % len(faults)]
            if fault == SHORTENED and self.operations[at].kind != "write":
                fault = BROKEN
            yield fault, at


def try_all(trial: Trial, cases: Iterator[tuple[str, int]]) -> tuple[int, int]:
    """Return how many faults there were, and how many were told."""
    runs = told = 0
    for fault, at in cases:
        try:
            told += trial.run(fault, at)
        except Exception as error:
            raise AssertionError(f"{trial.job.name}: {fault} at {trial.operations[at]}") from error
        runs += 1
    return runs, told


@pytest.mark.parametrize(
    ("name", "every", "least"),
    [
        ("encode", 5, 30),
        ("append", 5, 30),
        ("label", 3, 10),
        ("npz", 3, 15),
        ("diff", 1, 10),
        ("printed", 1, 6),
    ],
)
def test_a_run_that_any_operation_fails_can_be_run_again(
    name: str, every: int, least: int, tmp_path: Path
) -> None:
    trial = Trial(JOBS[name], tmp_path / "run")
    runs, told = try_all(trial, trial.cases(ALL, every=every))
    assert runs >= least and told >= 0.6 * runs


@pytest.mark.slow
@pytest.mark.timeout(900 if EVERYTHING else 300)
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("encode", 140),
        ("slices", 200),
        ("merge", 80),
        ("compact", 40),
        ("append", 150),
        ("index", 300),
        ("label", 40),
        ("cluster", 40),
        ("diff", 10),
        ("printed", 6),
        ("npz", 45),
        ("parquet", 40),
        ("arrow", 40),
    ],
)
def test_every_operation_of_a_run_may_fail(name: str, least: int, tmp_path: Path) -> None:
    trial = Trial(JOBS[name], tmp_path / "run")
    assert len(trial.operations) >= least
    runs = 0
    if EVERYTHING:
        for fault in ALL:
            runs += try_all(trial, trial.cases((fault,)))[0]
    else:
        every = 3 if name == "index" else 1  # most of its operations are the same for each part
        runs += try_all(trial, trial.cases((FULL, BROKEN), every=every))[0]
    print(f"{name}: {runs} faults at {len(trial.operations)} operations")


def test_every_write_may_be_short(tmp_path: Path) -> None:
    runs = 0
    for name in ("encode", "append", "npz"):
        trial = Trial(JOBS[name], tmp_path / name)
        writes = [at for at, operation in enumerate(trial.operations) if operation.kind == "write"]
        runs += try_all(trial, ((SHORTENED, at) for at in writes))[0]
    assert runs >= 35


def test_the_shim_sees_and_fails_what_it_should(tmp_path: Path) -> None:
    """Python's files, NumPy's, a native writer; others' paths are let alone."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()

    def work(folder: Path) -> None:
        np.save(folder / "a.npy", np.arange(9))
        with (folder / "b").open("w") as file:
            file.write("text")
        (folder / "b").replace(folder / "c")
        pq.write_table(pa.table({"x": [1]}), folder / "d.parquet")
        np.load(folder / "a.npy", mmap_mode="r")
        (folder / "c").unlink()

    count = Failing()
    with watching(count, inside):
        work(outside)
        assert not count.seen
        work(inside)
    kinds = [operation.kind for operation in count.seen]
    assert kinds == [
        *("create", "write", "close"),
        *("create", "write", "close"),
        "replace",
        "native",
        *("open", "read", "open", "read", "open", "map"),
        "unlink",
    ], kinds
    for at in range(len(kinds)):
        with watching(failing(BROKEN, at), inside), pytest.raises(OSError) as error:
            work(inside)
        assert error.value.errno == errno.EIO
    with watching(failing(SHORTENED, 1), inside), (inside / "b").open("wb", buffering=0) as file:
        assert file.write(b"12345678") == 4
