"""The power fails after each file operation of a run: nothing wrong is ever read, and it can be run again.

What a run says is done is durable: after its end no cut takes anything away. With ``SAETEXT_FAULTS=all``
every state of the index is tried (some 300, half a minute), else every fourth.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from fault_jobs import JOBS, Files, Job, forget
from fault_shim import Operation, watching
from power_cut import VARIANTS, Disk, State, lay

from saetext.errors import SaetextError

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="platform: no /proc"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The disk is played: no sync need reach a real one."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


class Forgetful(Disk):
    """A disk on which no sync of a file, or of a directory, has any effect."""

    def __init__(self, root: Path, forgets: str) -> None:
        super().__init__(root)
        self.forgets = forgets

    def after(self, operation: Operation) -> None:
        is_folder = Path(operation.path).is_dir()
        if operation.kind == "fsync" and is_folder == (self.forgets == "directories"):
            operation = operation._replace(kind="forgotten")
        super().after(operation)


class Cuts:
    """The states that power cuts during a job may leave, and the checks that each must pass."""

    def __init__(self, job: Job, tmp_path: Path, forgets: str = "") -> None:
        self.job = job
        self.folder = tmp_path / "run"
        bases = tmp_path / "bases"
        job.run(job.afresh(bases, self.folder))  # what a first run imports and compiles is not watched
        job.afresh(bases, self.folder)
        before = self._read()
        job.afresh(bases, self.folder)
        self.disk = Forgetful(self.folder, forgets) if forgets else Disk(self.folder)
        with watching(self.disk, self.folder):
            job.run(self.folder)
        self.whole: Files = job.files(self.folder)
        self.ends: list[State] = [self.disk.state(variant) for variant in VARIANTS]
        self.committed = [before, self._read()]

    def _read(self) -> object:
        """Return what is read in the folder; None if an error of ours says that there is nothing to read."""
        forget()
        try:
            return self.job.read(self.folder)
        except SaetextError as error:
            assert "\n" not in str(error)
            return None

    def _lay(self, state: State) -> None:
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        lay(state, self.folder)

    def check(self, state: State) -> None:
        """Nothing but what was there before or is there in the end is read, and the job can be run again."""
        self._lay(state)
        self._require_committed(self._read())
        forget()
        self.job.finish(self.folder, self.whole)

    def _require_committed(self, found: object) -> None:
        if not isinstance(found, dict):
            assert found in self.committed
            return
        for name, value in found.items():
            assert value in [whole[name] for whole in self.committed], name  # type: ignore[index]

    def check_all(self, every: int = 1) -> int:
        """Check every (so-many-th) state; return how many were checked."""
        chosen = list(self.disk)[::every]
        for how, state in chosen:
            try:
                self.check(state)
            except Exception as error:
                raise AssertionError(f"{self.job.name}: {how}") from error
        return len(chosen)

    def check_ends(self) -> None:
        """After its end nothing is lost; what it removed may be there again."""
        for state in self.ends:
            self._lay(state)
            found = self.job.files(self.folder)
            lost = [name for name, data in self.whole.items() if found.get(name) != data]
            assert not lost, lost


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("encode", 50),
        ("slices", 60),
        ("merge", 10),
        ("compact", 10),
        ("append", 40),
        ("label", 5),
        ("npz", 20),
        ("cluster", 10),
    ],
)
def test_whatever_a_power_cut_leaves_is_read_right_and_finished(
    name: str, least: int, tmp_path: Path, every: int = 1
) -> None:
    cuts = Cuts(JOBS[name], tmp_path)
    states = cuts.check_all(every)
    cuts.check_ends()
    assert states >= least
    print(f"{name}: {states} states of {cuts.disk.cuts * len(VARIANTS)}")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("index", 60), ("parquet", 5), ("arrow", 5)])
def test_whatever_a_power_cut_leaves_of_more(name: str, least: int, tmp_path: Path) -> None:
    every = 4 if name == "index" and os.environ.get("SAETEXT_FAULTS") != "all" else 1
    test_whatever_a_power_cut_leaves_is_read_right_and_finished(name, least, tmp_path, every)


@pytest.mark.parametrize("forgets", ["files", "directories"])
@pytest.mark.parametrize("name", ["encode", "label"])
def test_without_syncs_power_cuts_do_harm(name: str, forgets: str, tmp_path: Path) -> None:
    """The oracle can fail: on a disk that takes no notice of them there is loss after the end."""
    cuts = Cuts(JOBS[name], tmp_path, forgets)
    with pytest.raises((AssertionError, ValueError)):  # lost, or a manifest that is none
        cuts.check_ends()


def test_what_a_cut_may_leave(tmp_path: Path) -> None:
    """By hand: a file that was synced, one that was not, and a rename that was not."""
    (tmp_path / "old").write_bytes(b"before")
    disk = Disk(tmp_path)
    with watching(disk, tmp_path):
        with (tmp_path / "new").open("wb") as file:
            file.write(b"12345678")
        (tmp_path / "new").replace(tmp_path / "old")
    assert disk.state("synced") == {"old": b"before"}
    assert disk.state("unnamed") == {"old": b"before"}
    assert disk.state("empty") == {"old": b""}
    assert disk.state("torn") == {"old": b"1234"}
    assert disk.state("zeros") == {"old": bytes(8)}
    assert disk.state("all") == {"old": b"12345678"}
    with watching(disk, tmp_path), (tmp_path / "old").open("rb+") as file:
        os.fsync(file.fileno())
    assert disk.state("empty") == disk.state("all") == {"old": b"12345678"}
    assert disk.state("synced") == {"old": b"before"}
    with watching(disk, tmp_path):
        handle = os.open(tmp_path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    assert {disk.state(v)["old"] for v in VARIANTS} == {b"12345678"}
