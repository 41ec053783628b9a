"""Kills, Ctrl-C and full disks: what is finished stays, and the same command ends with the same bytes."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tiny_reader import contents, ready_reader, some_rows, tiny, write_jsonl

from saetext.corpus import Corpus
from saetext.encoding.encoder import append, encode
from saetext.errors import CorpusError
from saetext.io.files import HashingFile
from saetext.reader.reader import Reader

HERE = Path(__file__).parent
SAETEXT = [sys.executable, "-m", "saetext_cli.main"]
needs_posix = pytest.mark.skipif(os.name != "posix", reason="platform: no fork and signals")


def environment(cache: Path) -> dict[str, str]:
    paths = [str(HERE), str(HERE.parent), str(HERE.parent / "cli"), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "SAETEXT_CACHE": str(cache),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }


@pytest.fixture(scope="module")
def reader() -> Reader:
    return ready_reader()


# ---- kill -9 -----------------------------------------------------------------------------------------


def kill_loop(tmp_path: Path, **plan: Any) -> dict[str, int]:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    command = [sys.executable, str(HERE / "kill_loop.py"), str(file)]
    done = subprocess.run(command, env=environment(tmp_path / "cache"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@needs_posix
@pytest.mark.slow
def test_killed_at_random_points_encode_ends_with_the_same_bytes(tmp_path: Path) -> None:
    rows = write_jsonl(tmp_path / "in é.jsonl", some_rows(64, empty_every=9))
    both = [*tiny().options, "--reader", str(tiny().other_sae), "--shard-rows", "8"]

    def command(name: str) -> list[str]:
        return ["encode", str(rows), *both, "-o", str(tmp_path / name)]

    counts = kill_loop(
        tmp_path,
        warm_corpus=str(tmp_path / "warm.corpus"),
        warm=command("warm.corpus"),  # makes the thresholds as well
        reference=command("reference.corpus"),
        reference_corpus=str(tmp_path / "reference.corpus"),
        target=command("killed.corpus"),
        corpus=str(tmp_path / "killed.corpus"),
        base=None,
        kills=16,
        seed=1,
    )
    assert counts["kills"] == 16 and counts["ends"] >= 1
    assert counts["halfway"] >= 3 and counts["interrupts"] >= 1


@needs_posix
@pytest.mark.slow
def test_killed_at_random_points_append_ends_with_the_same_bytes(tmp_path: Path, reader: Reader) -> None:
    more = write_jsonl(tmp_path / "more.jsonl", some_rows(48, seed=3, empty_every=9))
    encode(some_rows(20), tmp_path / "base.corpus", reader=reader, id="id")
    for name in ("warm", "reference"):
        encode(some_rows(20), tmp_path / f"{name}.corpus", reader=reader, id="id")

    def command(name: str) -> list[str]:
        return ["append", str(tmp_path / name), str(more), "--id", "", "--shard-rows", "8"]

    counts = kill_loop(
        tmp_path,
        warm_corpus=str(tmp_path / "warm.corpus"),
        warm=command("warm.corpus"),
        reference=command("reference.corpus"),
        reference_corpus=str(tmp_path / "reference.corpus"),
        target=command("killed.corpus"),
        corpus=str(tmp_path / "killed.corpus"),
        base=str(tmp_path / "base.corpus"),
        kills=10,
        seed=2,
    )
    assert counts["kills"] == 10 and counts["ends"] >= 1


# ---- Ctrl-C ------------------------------------------------------------------------------------------


@needs_posix
@pytest.mark.slow
def test_ctrl_c_ends_quickly_with_one_line(tmp_path: Path) -> None:
    rows = write_jsonl(tmp_path / "in.jsonl", some_rows(5000, longest=200))
    target = tmp_path / "c.corpus"
    command = [*SAETEXT, "encode", str(rows), *tiny().options, "--shard-rows", "5", "-o", str(target)]
    process = subprocess.Popen(
        [*command, "--threshold", "0"],
        env=environment(tmp_path / "cache"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 150
    journal = target / "journal"
    # by its second line the first shard is synced; before, a stop takes away what it has made
    while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    done = journal.read_bytes().count(b"\n")
    out, err = process.communicate(timeout=100)
    assert journal.read_bytes().count(b"\n") <= done + 20  # of a thousand shards
    assert process.returncode == 130 and out == ""
    *before, last = err.splitlines()
    assert last == "saetext: stopped; finished work is kept: run the same command again to resume"
    assert before[0].startswith("in.jsonl: text from")
    assert len(before) == 3 and before[1].startswith("  such as ")
    assert before[2].startswith("sae had no limit for attention sinks: computed from")
    with pytest.raises(CorpusError, match="run the same encode command again to resume it"):
        Corpus.open(target)


# ---- a full disk, at every moment --------------------------------------------------------------------


class FullDisk:
    """Lets so many operations pass and then says that the device is full, until it is released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, passing: int) -> None:
        self.left = passing
        self.count = 0
        self.released = False
        write = HashingFile.write

        def failing_fsync(handle: int) -> None:  # which costs most of the time and changes no bytes
            self._step()

        def failing_write(file: HashingFile, data: Any) -> int:
            self._step()
            return write(file, data)

        monkeypatch.setattr(os, "fsync", failing_fsync)
        monkeypatch.setattr(HashingFile, "write", failing_write)

    def _step(self) -> None:
        self.count += 1
        self.left -= 1
        if self.left < 0 and not self.released:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_at_any_moment_of_encode(tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(12)

    def run(name: str) -> None:
        encode(rows, tmp_path / name, reader=reader, shard_rows=5)

    with pytest.MonkeyPatch.context() as patch:
        disk = FullDisk(patch, 10**9)
        run("whole.corpus")
    whole = contents(tmp_path / "whole.corpus")
    assert disk.count > 40
    kept = 0
    for passing in range(0, disk.count - 1, 4):
        target = tmp_path / f"{passing}.corpus"
        with pytest.MonkeyPatch.context() as patch:
            full = FullDisk(patch, passing)
            with pytest.raises(CorpusError) as error:
                run(target.name)
            full.released = True
        message = str(error.value)
        assert "\n" not in message
        assert message.endswith("No space left on device; free space and run the same command again")
        kept += target.exists()
        if not (target / "manifest.json").exists():  # else the last sync failed after the rename
            run(target.name)
        assert contents(target) == whole
    assert kept >= 5


def test_a_full_disk_at_any_moment_of_append(tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(12)

    def run(name: str) -> None:
        append(rows, tmp_path / name, reader=reader, shard_rows=5, id="")

    def base(name: str) -> Corpus:
        return encode(some_rows(7, seed=4), tmp_path / name, reader=reader, shard_rows=5)

    with pytest.MonkeyPatch.context() as patch:
        base("whole.corpus")
        disk = FullDisk(patch, 10**9)
        run("whole.corpus")
    whole = contents(tmp_path / "whole.corpus")
    for passing in range(0, disk.count - 1, 7):
        old = base(f"{passing}.corpus")
        with pytest.MonkeyPatch.context() as patch:
            full = FullDisk(patch, passing)
            with pytest.raises(CorpusError, match="free space and run the same command again"):
                run(old.path.name)
            full.released = True
        found = Corpus.open(old.path)
        if found.fingerprint == old.fingerprint:
            run(old.path.name)
        assert contents(old.path) == whole


@needs_posix
def test_a_limit_on_file_size_is_told_and_leaves_nothing(tmp_path: Path, reader: Reader) -> None:
    rows, target = some_rows(60, longest=100), tmp_path / "c.corpus"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # the kernel itself refuses to write more
    try:
        with pytest.raises(CorpusError, match=r"cannot write .*c\.corpus: File too large; free space"):
            encode(rows, target, reader=reader)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not target.exists()
    assert encode(rows, target, reader=reader).n_documents == 60
