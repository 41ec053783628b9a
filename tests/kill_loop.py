"""Stops a saetext command at random points, by SIGKILL or SIGINT, and in the end lets it finish.

A helper for tests, run as a script: ``kill_loop.py PLAN`` with a JSON file of

    warm, reference, target   argument lists of the command: to import everything, in peace, and stopped
    warm_corpus, reference_corpus, corpus   what they make
    base                      corpus to copy to ``corpus`` before each start from scratch, or null
    kills, seed               how often to stop it, and the seed of the moments

It forks from one process that has imported everything, so that a stop costs a fraction of a second. Prints a
JSON object: kills, how many of them were SIGINT, after how many a shard was finished, and how often the
command came to its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from saetext_cli.main import main
from tiny_reader import contents

from saetext.corpus import Corpus


def start(arguments: list[str], log: Path) -> int:
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv = ["saetext", *arguments]
        main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os._exit(code)


def wait(child: int, log: Path) -> None:
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(f"status {status}: {log.read_text()}")


def loop(plan: dict[str, Any], log: Path) -> dict[str, int]:
    draw = random.Random(plan["seed"])
    corpus, base = Path(plan["corpus"]), plan["base"]
    began = time.monotonic()
    wait(start(plan["reference"], log), log)
    whole = time.monotonic() - began
    expected = contents(Path(plan["reference_corpus"]))
    old = Corpus.open(base).fingerprint if base else None
    counts = {"kills": 0, "interrupts": 0, "halfway": 0, "ends": 0}

    def afresh() -> None:
        shutil.rmtree(corpus, ignore_errors=True)
        if base:
            shutil.copytree(base, corpus)

    def check_end(may_stay: tuple[str, ...] = ()) -> None:
        counts["ends"] += 1
        found = {name: what for name, what in contents(corpus).items() if name not in may_stay}
        different = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
        assert not different, different

    afresh()
    while counts["kills"] < plan["kills"]:
        child = start(plan["target"], log)
        time.sleep(draw.uniform(0, whole))
        interrupt = draw.random() < 0.25
        os.kill(child, signal.SIGINT if interrupt else signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if status == 0:
            check_end()
            afresh()
            continue
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 130, log.read_text()
        counts["kills"] += 1
        counts["interrupts"] += interrupt
        journal = corpus / "journal"
        counts["halfway"] += journal.exists() and journal.stat().st_size > 0
        if old and Corpus.open(corpus).fingerprint != old:
            # it came after the grown corpus was in place; the next append removes the plan of this one
            check_end(may_stay=("append.json",))
            afresh()
        if not old and (corpus / "manifest.json").exists():
            check_end()
            afresh()
    wait(start(plan["target"], log), log)
    check_end()
    return counts


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    messages = Path(sys.argv[1]).with_suffix(".log")
    sys.argv = ["saetext", *given["warm"]]
    with contextlib.suppress(SystemExit):
        main()
    assert Path(given["warm_corpus"], "manifest.json").exists()
    print(json.dumps(loop(given, messages)))
