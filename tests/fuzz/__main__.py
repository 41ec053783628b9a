"""Damaged inputs, strange options and hostile conditions, many of each; faults are told with their case.

    python -m tests.fuzz --inputs 10000 --options 5000 --conditions 5000     # by hand, an hour
    python -m tests.fuzz --inputs 300 --options 40 --conditions 200          # as the suite does
    python -m tests.fuzz --options 200 --command train                       # options of one command
    python -m tests.fuzz --options 5000 --start 1200                         # go on where a run was stopped

A case is named ``KIND/SEED/NUMBER``; ``--only inputs/0/17`` runs that one again. Cases come from their names
alone, so ``--seed`` gives others. With ``--keep DIR`` the inputs that ended badly are written there: put what
is worth it into ``tests/fuzz/seeds/``, and every later run begins with it. What is found is printed at once,
and how far a run is every hundred cases. Exit code 1 if anything was found.

A fault is a traceback or a panic, a hang, an exit code that is not documented, an error without its one line
or with a long one, or a file of somebody else's that is changed. A case
may use 24 GiB of addresses and write files of 1 GiB.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.fuzz import warm
from tests.fuzz.kinds import command_of, every, kind_of, read_all, require_short
from tests.fuzz.mutate import damaged, resealed
from tests.fuzz.ready import damage, make_files
from tests.fuzz.seeds import seeds

TOGETHER = 50  # inputs that one process reads
SLOW = 20.0  # seconds from which the longest cases are told
TOLD = 100  # every so many cases, how far it is


@dataclass(frozen=True)
class Found:
    """A case that ended badly."""

    name: str
    fault: str
    case: str
    told: str


class Fuzz:
    """Runs cases in a directory of its own and keeps what they found."""

    def __init__(self, home: Path, seed: int, keep: Path | None, command: str | None) -> None:
        self.home, self.seed, self.keep, self.command = home, seed, keep, command
        self.found: list[Found] = []
        self.codes: Counter[str] = Counter()
        self.inputs = seeds()
        self.ready = home / "ready"
        self.slow: list[tuple[float, str, str]] = []

    def draw(self, kind: str, number: int) -> random.Random:
        """Return the chance of one case."""
        return random.Random(f"{kind}/{self.seed}/{number}")

    def note(self, name: str, outcome: warm.Outcome, case: str) -> None:
        """Take down how a case ended."""
        self.codes[f"{name.partition('/')[0]}: exit {outcome.code}"] += 1
        if outcome.fault:
            self.found.append(Found(name, outcome.fault, case, outcome.stderr[-1500:]))
            print(f"{name}: {outcome.fault}\n  {case[:600]}\n  {outcome.stderr.strip()[-900:]}\n", flush=True)

    def tell(self, kind: str, numbers: range, number: int) -> None:
        """Print how far it is, for who stops a long run and goes on later with ``--start``."""
        if len(numbers) > TOLD and number % TOLD == 0 and number > numbers.start:
            print(f"{kind}: at {number:,} of {numbers.stop:,}, {len(self.found)} found", flush=True)

    # ---- inputs ------------------------------------------------------------------------------------------

    def input(self, number: int) -> tuple[str, bytes]:
        """Return a name and a content; the first ones are the seeds as they are."""
        names = list(self.inputs)
        if number < len(names):
            return names[number], self.inputs[names[number]]
        draw = self.draw("inputs", number)
        name = draw.choice(names)
        change = resealed if kind_of(name) == "attribution" else damaged
        return name, change(draw, self.inputs[name], list(self.inputs.values()), name)

    def run_inputs(self, numbers: range) -> None:
        """Read all of them, many in one process, and encode some."""
        self.make_ready()
        for start in range(numbers.start, numbers.stop, TOGETHER):
            self.tell("inputs", numbers, start)
            part = range(start, min(start + TOGETHER, numbers.stop))
            done = self._read(part)
            if done.fault or done.code:
                for number in part:
                    self._note_input(number, self._read(range(number, number + 1)))
            else:
                self.codes["inputs: read"] += len(part)
            self._run_commands(part)

    def _run_commands(self, numbers: range) -> None:
        """Give some of the inputs to the commands that read them, as a user does."""
        for number in numbers:
            name, content = self.input(number)
            if number % every(name):
                continue
            with self.folder(self.ready) as folder:
                (folder / name).write_bytes(content)
                line = command_of(name, self._format(name, number), number)
                self._note_input(number, warm.run(warm.command(line), folder), line[0])

    def _format(self, name: str, number: int) -> list[str]:
        draw = self.draw("format", number)
        if name.endswith((".txt", ".zip")) or draw.random() < 0.1:
            return ["--format", draw.choice(("jsonl", "json", "csv", "tsv", "parquet", "arrow"))]
        return []

    def _read(self, numbers: range) -> warm.Outcome:
        with self.folder() as folder:
            cases = []
            for number in numbers:
                name, content = self.input(number)
                path = folder / f"{number}-{name}"
                path.write_bytes(content)
                cases.append((path, self._format(name, number)[1:]))
            return warm.run(lambda: read_all(cases), folder)

    def _note_input(self, number: int, outcome: warm.Outcome, command: str = "read") -> None:
        name, content = self.input(number)
        before = len(self.found)
        self.note(f"inputs/{self.seed}/{number}", outcome, f"{command}: {name}: {content[:200]!r}")
        if self.keep is not None and len(self.found) > before:
            self.keep.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256(content).hexdigest()[:8]
            (self.keep / f"{digest}-{name}").write_bytes(content)

    # ---- options and conditions --------------------------------------------------------------------------

    def run_options(self, numbers: range) -> None:
        """Run commands on small corpora, each in a copy of them."""
        from tests.fuzz.options import commands, option_set

        known = {name: it for name, it in commands().items() if self.command in (None, name)}
        self.make_ready()
        for number in numbers:
            self.tell("options", numbers, number)
            line = option_set(self.draw("options", number), known)
            with self.folder(self.ready) as folder:
                hurt = damage(self.draw("damage", number), folder, line)
                case = repr(line) + (f" with {hurt} damaged" if hurt else "")
                outcome = warm.run(warm.command(line), folder)
            self.note(f"options/{self.seed}/{number}", outcome, case)
            self.slow.append((outcome.seconds, f"options/{self.seed}/{number}", case))

    def run_conditions(self, numbers: range) -> None:
        """Select documents by conditions, many in one process; a case is run alone if one was bad."""
        self.make_ready()
        for start in range(numbers.start, numbers.stop, TOGETHER):
            part = range(start, min(start + TOGETHER, numbers.stop))
            if (done := self._select(part)).fault or done.code:
                for number in part:
                    case = _condition(self.draw("conditions", number))
                    outcome = self._select(range(number, number + 1))
                    self.note(f"conditions/{self.seed}/{number}", outcome, repr(case))
            else:
                self.codes["conditions: selected or refused"] += len(part)

    def _select(self, numbers: range) -> warm.Outcome:
        cases = [_condition(self.draw("conditions", number)) for number in numbers]
        return warm.run(lambda: _select_all(cases), self.ready, limit=warm.LIMIT * (1 + len(cases) / 20))

    def make_ready(self) -> None:
        """Make the corpora and files that command lines name, once."""
        if not self.ready.exists():
            self.ready.mkdir()
            make_files(self.ready, self.inputs)
            for name in "cde":
                self._prepare(["encode", f"{name}.jsonl", "-o", f"{name}.corpus"])

    def _prepare(self, line: list[str]) -> None:
        made = warm.run(warm.command(line), self.ready, limit=10 * warm.LIMIT)
        if made.code:
            raise SystemExit(f"the files for the cases cannot be made: {line}: {made.stderr[-500:]}")

    # ---- where -------------------------------------------------------------------------------------------

    def folder(self, like: Path | None = None) -> _Folder:
        """Return a new directory, empty or a copy."""
        return _Folder(self.home, like)


class _Folder:
    def __init__(self, home: Path, like: Path | None) -> None:
        self.path = Path(tempfile.mkdtemp(dir=home)) / "case"
        if like is None:
            self.path.mkdir()
        else:
            shutil.copytree(like, self.path)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path.parent, ignore_errors=True)


def _condition(draw: random.Random) -> str:
    from tests.fuzz.conditions import condition

    return condition(draw)


def _select_all(cases: list[str]) -> None:
    from saetext.corpus import Corpus
    from saetext.errors import InputError

    corpus = Corpus.open("c.corpus")
    for case in cases:
        try:
            len(corpus.select(case))
        except InputError as error:
            require_short(error)


def fingerprint(folder: Path) -> dict[str, str]:
    """Return the contents of a directory that nothing may change."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main(argv: list[str] | None = None) -> int:
    """Run what the command line asks for and report it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    for kind in ("inputs", "options", "conditions"):
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--start", type=int, default=0, metavar="N", help="leave out the cases before this one"
    )
    parser.add_argument("--only", metavar="KIND/SEED/NUMBER", help="run one case again and show how it ends")
    parser.add_argument("--command", metavar="NAME", help="options of this command only")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the inputs that ended badly there")
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)  # before the tiny model is made: forks of a process with OpenMP threads hang
    counts = {"inputs": asked.inputs, "options": asked.options, "conditions": asked.conditions}
    ranges = {kind: range(min(asked.start, n), n) for kind, n in counts.items()}
    if asked.only:
        kind, seed, number = asked.only.split("/")
        asked.seed = int(seed)
        ranges = {kind: range(int(number), int(number) + 1)}
    warm.warm_up()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="saetext-fuzz-") as name:
        fuzz = Fuzz(Path(name), asked.seed, asked.keep, asked.command)
        untouched = Path(name) / "untouched"
        untouched.mkdir()
        (untouched / ".x.tmp").write_text("somebody's")
        before = fingerprint(untouched)
        stopped = False
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            for kind, numbers in ranges.items():
                if numbers:
                    getattr(fuzz, f"run_{kind}")(numbers)
        except KeyboardInterrupt:
            stopped = True  # what was found until then is told all the same
        changed = fingerprint(untouched) != before
    if stopped:
        print("stopped before its end")
    return _report(fuzz, changed, time.monotonic() - started)


def _report(fuzz: Fuzz, changed: bool, seconds: float) -> int:
    for took, name, case in sorted(fuzz.slow, reverse=True)[:5]:
        if took > SLOW:
            print(f"{name}: {took:.0f} s: {case[:300]}")
    faults = ", ".join(f"{n} {fault}" for fault, n in Counter(f.fault for f in fuzz.found).most_common())
    for what, n in sorted(fuzz.codes.items()):
        print(f"{what}: {n:,}")
    print(f"{seconds:.0f} s; found: {faults or 'nothing'}{'; FILES OF OTHERS CHANGED' if changed else ''}")
    return int(bool(fuzz.found) or changed)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ["SAETEXT_NEURONPEDIA"] = "http://127.0.0.1:9"  # nothing leaves this machine
    sys.exit(main())
