"""A short run of the fuzzing in ``tests/fuzz/``, and that it would see what it looks for."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from saetext.io.sealed import require_seal
from tests.fuzz.conditions import FILES, condition
from tests.fuzz.kinds import _READERS, kind_of, read_all
from tests.fuzz.mutate import damaged, resealed
from tests.fuzz.options import commands, option_set
from tests.fuzz.ready import attribution
from tests.fuzz.seeds import KEPT, seeds
from tests.fuzz.warm import Outcome

ROOT = Path(__file__).parents[1]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="platform: no fork")


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "RUST_BACKTRACE": "0"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)


@needs_fork
@pytest.mark.timeout(300)
def test_a_short_run_finds_nothing() -> None:
    done = _python("-m", "tests.fuzz", "--inputs", "300", "--options", "12", "--conditions", "100")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "inputs: read: 300\n" in done.stdout
    assert "found: nothing\n" in done.stdout


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        (Outcome(0, "x", "", 0.1), None),
        (Outcome(2, "", "Usage: ...", 0.1), None),
        (Outcome(1, "", "note\nsaetext: no such file: x\n", 0.1), None),
        (Outcome(1, "", "Traceback (most recent call last):\n", 0.1), "traceback"),
        (Outcome(0, "", "thread '<unnamed>' panicked at x.rs:1\n", 0.1), "traceback"),
        (Outcome(None, "", "", 9.0), "hang"),
        (Outcome(-11, "", "", 0.1), "code -11"),
        (Outcome(130, "", "", 0.1), "code 130"),
        (Outcome(1, "", "", 0.1), "no line that says what is wrong"),
        (Outcome(1, "", "saetext: a\nsaetext: b\n", 0.1), "no line that says what is wrong"),
        (Outcome(1, "", f"saetext: {'x' * 400}\n", 0.1), "long message"),
    ],
)
def test_a_fault_is_seen(outcome: Outcome, fault: str | None) -> None:
    assert outcome.fault == fault


@needs_fork
def test_how_a_case_ends_is_seen(tmp_path: Path) -> None:
    program = (
        "import os, sys, time; from pathlib import Path; from tests.fuzz.warm import run\n"
        "def fails(): raise RuntimeError('no')\n"
        "def ends(): print('said'); sys.exit(2)\n"
        "def sleeps(): time.sleep(60)\n"
        "def dies(): os.kill(os.getpid(), 11)\n"
        f"for work in (fails, ends, sleeps, dies): done = run(work, Path({str(tmp_path)!r}), limit=1.5); "
        "print(done.code, done.fault, done.stdout.strip())\n"
    )
    done = _python("-c", program)
    lines = ["70 traceback ", "2 None said", "None hang ", "-11 code -11 "]
    assert done.stdout.splitlines() == lines, done.stderr


def test_every_kept_seed_is_among_the_first_inputs() -> None:
    kept = {path.name for path in KEPT.iterdir()}
    assert len(kept) >= 5
    assert kept <= set(seeds())


def test_inputs_of_every_kind_are_among_the_seeds_and_read_as_they_are(tmp_path: Path) -> None:
    """What is made without the code that writes it is what that code would read."""
    from saetext.errors import SaetextError
    from saetext.intervene.attribution import AttributionResult

    contents = seeds()
    kinds = Counter(kind_of(name) for name in contents)
    assert set(kinds) == {"texts", "prompts", "attribution", "direction", "model"}
    kept = {path.name for path in KEPT.iterdir()}
    for name in set(contents) - kept:
        (tmp_path / name).write_bytes(contents[name])
        read_all([(tmp_path / name, [])])
    found = AttributionResult.load(tmp_path / "attribution.json")
    again = found.save(tmp_path / "again.json").read_bytes()
    assert json.loads(again) == json.loads(contents["attribution.json"])
    (tmp_path / "bad.gguf").write_bytes(contents["tiny.gguf"][:-7])
    with pytest.raises(SaetextError):
        _READERS["model"](tmp_path / "bad.gguf", None)


def test_attributions_are_damaged_with_a_seal_that_fits() -> None:
    """Else the seal alone would be tried, and nothing behind it."""
    whole = attribution()
    fitting = different = 0
    for number in range(200):
        made = resealed(random.Random(number), whole, [whole], "attribution.json")
        different += made != whole
        with contextlib.suppress(ValueError, RecursionError, TypeError):
            fitting += require_seal(json.loads(made))
    assert fitting > 100 and different > 180


def test_every_command_but_the_demo_has_option_sets() -> None:
    known = commands()
    assert {"steer", "attribute", "expression", "model", "encode", "diff"} <= set(known)
    assert "demo" not in known
    for name, command in known.items():
        lines = [option_set(random.Random(number), {name: command}) for number in range(40)]
        assert all(line[0] == name for line in lines) and len({tuple(line) for line in lines}) > 5


def test_damage_is_damage_and_comes_from_its_number_alone() -> None:
    contents = seeds()
    others = list(contents.values())
    same = 0
    for name, content in contents.items():
        for number in range(20):
            one, two = (damaged(random.Random(f"{name}{number}"), content, others, name) for _ in range(2))
            assert one == two
            same += one == content
    assert same < 0.1 * 20 * len(contents)


def test_conditions_are_of_every_kind() -> None:
    made = [condition(random.Random(number)) for number in range(1000)]
    told: Counter[str] = Counter()
    for one in made:
        told["file"] += any(name in one for name in FILES)
        told["long"] += len(one) > 500
        told["nothing"] += "()" in one
        told["joined"] += " AND " in one or " OR " in one
    assert all(told[kind] > 20 for kind in ("file", "long", "nothing", "joined")), told
    assert len(set(made)) > 900
