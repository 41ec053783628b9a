"""Each file operation of a run fails in turn: one line of ours, and the same command ends with the same bytes."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest
from fault_jobs import JOBS, Job, afresh, attempt
from fault_shim import Failing, watching

from saetext.corpus import files as corpus_files

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="platform: no /proc"),
    pytest.mark.filterwarnings("ignore"),
]
FAULTS = {"full": (errno.ENOSPC, True), "broken": (errno.EIO, False), "interrupted": (errno.EINTR, False),
          "short": (0, False)}  # fmt: skip


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing here cuts the power, so nothing has to reach the platter."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


def fail_each(job: Job, tmp_path: Path, faults: tuple[str, ...], every: int = 1) -> int:
    """Let each operation fail with one fault after another (``every``: only every so-many-th); return runs."""
    folder = afresh(job, tmp_path / "bases", tmp_path / "whole")
    job.run(afresh(job, tmp_path / "bases", tmp_path / "warm"))
    corpus_files._intact.clear()
    count = Failing()
    with watching(count, folder, tmp_path / "cache"):
        job.run(folder)
    whole = job.files(folder)
    runs = 0
    for at in range(0, len(count.seen), every):
        for fault in faults:
            code, stays = FAULTS[fault]
            folder = afresh(job, tmp_path / "bases", tmp_path / "failing")
            failing = Failing(at, code, stays=stays)
            corpus_files._intact.clear()  # or a run would read less than the one that was counted
            case = (job.name, fault, at, count.seen[at].kind, count.seen[at].path.split("/whole/")[-1])
            try:
                with watching(failing, folder, tmp_path / "cache"):
                    said = attempt(job, folder)
                if not failing.failed and fault != "short":
                    raise AssertionError("nothing failed")
                if fault == "short":
                    assert said is None, said
                if not job.done(folder) and (said is not None or job.files(folder) != whole):
                    again = attempt(job, folder)
                    assert again is None, (said, again)
                found = job.files(folder)
                different = [n for n in {**found, **whole} if found.get(n) != whole.get(n)]
                assert not different, (said, different)
            except Exception as error:
                import traceback
                where = [f"{f.filename.split('/')[-1]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__) if "/saetext/" in f.filename][-6:]
                print("FAULT", case, type(error).__name__, str(error)[:400], where)
            runs += 1
    return runs


@pytest.mark.parametrize("name", JOBS)
def test_it(name: str, tmp_path: Path) -> None:
    print(name, fail_each(JOBS[name], tmp_path, ("full", "broken")))
