"""What steer, attribute and expression write: failing operations, power cuts, every byte of a saved file."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest
from fault_jobs_intervene import JOBS, attribution, whole
from test_every_fault import ALL, BROKEN, EVERYTHING, FULL, Trial, try_all
from test_power_cut import VARIANTS, Cuts

from saetext.errors import InputError
from saetext.intervene.attribution import AttributionResult

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="platform: no /proc"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
def no_real_cuts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing here cuts the real power, so nothing has to reach the platter."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("name", "every", "least"), [("texts", 2, 40), ("attribution", 1, 12), ("matrix", 3, 35)]
)
def test_every_operation_may_fail(name: str, every: int, least: int, tmp_path: Path) -> None:
    """One line, none of the files or all of them, and the same command then ends with the same bytes."""
    trial = Trial(JOBS[name], tmp_path / "run")
    assert len(trial.operations) >= least
    runs = told = 0
    for faults in [(fault,) for fault in ALL] if EVERYTHING else [(FULL, BROKEN)]:
        one, other = try_all(trial, trial.cases(faults, every=1 if EVERYTHING else every))
        runs, told = runs + one, told + other
    assert told >= 0.6 * runs
    print(f"{name}: {runs} faults at {len(trial.operations)} operations, {told} told")


def test_a_steering_goes_on_whatever_of_its_cache_fails(tmp_path: Path) -> None:
    """What cannot be kept is written again next time; nothing else is lost, and nothing else is said."""
    trial = Trial(JOBS["steer"], tmp_path / "run")
    assert len(trial.operations) >= 10
    runs, told = try_all(trial, trial.cases((FULL, BROKEN), every=1 if EVERYTHING else 4))
    assert told == 0
    print(f"steer: {runs} faults at {len(trial.operations)} operations")


def test_a_steering_takes_nothing_that_is_damaged_from_its_cache(tmp_path: Path) -> None:
    job, folder = JOBS["steer"], tmp_path / "run"
    job.run(job.afresh(tmp_path / "bases", folder))
    before = job.files(folder)
    draw = random.Random(0)
    for path in sorted((folder / "cache").rglob("*.*")):
        content = path.read_bytes()
        if path.name == "file-hashes.json" or path.name.endswith(".lock") or not content:
            continue
        for at in sorted({0, len(content) - 1, *draw.sample(range(len(content)), 4)}):
            path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
            job.run(folder)
            assert job.files(folder) == before, f"{path.name}, byte {at}"  # mended with what is right


@pytest.mark.parametrize(("name", "least"), [("attribution", 4), ("steer", 8)])
def test_whatever_a_power_cut_leaves_is_read_right_and_finished(
    name: str, least: int, tmp_path: Path
) -> None:
    cuts = Cuts(JOBS[name], tmp_path)
    every = 1 if EVERYTHING or name != "steer" else 4
    states = cuts.check_all(every)
    cuts.check_ends()
    assert states * every >= least
    print(f"{name}: {states} states of {cuts.disk.cuts * len(VARIANTS)}")


@pytest.mark.parametrize(("name", "least"), [("texts", 10), ("matrix", 6)])
def test_a_power_cut_leaves_each_of_several_files_whole_or_absent(
    name: str, least: int, tmp_path: Path
) -> None:
    """Some of a command's files may be there: the next run says so, as of any file that is there."""
    cuts = Cuts(JOBS[name], tmp_path)
    states = list(cuts.disk)
    for how, state in states:
        cuts._lay(state)
        found = cuts._read()
        assert found is not None, how
        cuts._require_committed(found)
    cuts.check_ends()
    assert len(states) >= least
    print(f"{name}: {len(states)} states of {cuts.disk.cuts * len(VARIANTS)}")


def test_every_byte_of_a_saved_attribution(tmp_path: Path) -> None:
    """A bit of each byte flipped, each byte zeroed, the file cut at each: refused by name, or the same."""
    path = attribution().save(tmp_path / "a.json")
    content, right, draw = path.read_bytes(), whole(attribution()), random.Random(0)
    refused = same = 0
    for at in range(len(content)):
        flipped = content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]
        others = (content[:at] + b"\0" + content[at + 1 :], content[:at])
        for damaged in (flipped, *(others if EVERYTHING or at % 8 == 0 else ())):
            path.write_bytes(damaged)
            try:
                found = whole(AttributionResult.load(path))
            except InputError as error:
                assert (
                    "a.json" in str(error)
                    and "\n" not in str(error)
                    and len(str(error)) < 300 + len(str(path))
                )
                refused += 1
            else:
                assert found == right, damaged[max(0, at - 30) : at + 30]
                same += 1
    print(f"{len(content):,} bytes: {refused:,} refused, {same} the same")
    assert refused > 0.99 * len(content)


def test_the_trial_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the checksum a changed digit is believed."""
    from saetext.intervene.attribution import saved

    path = attribution().save(tmp_path / "a.json")
    path.write_bytes(path.read_bytes().replace(b"-0.25", b"-0.75"))
    with pytest.raises(InputError, match="checksum"):
        AttributionResult.load(path)
    monkeypatch.setattr(saved, "require_seal", lambda content: True)
    assert whole(AttributionResult.load(path)) != whole(attribution())
