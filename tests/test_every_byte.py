"""Every byte of a small corpus and of what is derived from it: damage is named, or changes nothing.

A sample of the places here; all of them by hand: ``python -m tests.every_byte``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saetext.io import derived
from saetext.io.derived import Verdict
from tests.every_byte import ASKED, NAME, Trial, small_world


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    with small_world(tmp_path):
        yield Trial(tmp_path)


def test_damage_is_detected_and_named_or_changes_nothing(trial: Trial) -> None:
    kinds = {start for start in ASKED if any(name.startswith(start) for name in trial.files)}
    assert kinds == set(ASKED)  # there is a file of every kind
    tally = trial.run(sample=18)
    assert tally.faults == []
    assert tally.counts["detected"] > 500 and tally.counts["mended"] > 200
    assert tally.counts["equal"] < 0.2 * tally.counts.total()


def test_the_trial_can_fail(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where checksums of derived directories are believed, answers are wrong and tracebacks are shown."""
    monkeypatch.setattr(derived, "check_file", lambda path, stamp, again=False: Verdict(path, "intact"))
    trial.files = {name: content for name, content in trial.files.items() if "/index/main/" in name}
    tally = trial.run(sample=12)
    assert tally.counts["wrong"] > 5


def test_verify_names_the_file_and_no_other(trial: Trial) -> None:
    found = trial.verdicts_of_damage()
    found.pop("cache/card.arrow")  # of no reader that this corpus has
    found = {name: bad for name, bad in found.items() if not name.startswith("cache/meaning/")}
    assert found.pop(f"{NAME}/plan.json") == []  # what a resumed encode must agree on: none will be
    assert found == {name: [(name, "damaged")] for name in found}
