"""Signals at many moments of steer, attribute and ablate: no partial output, and what resumes ends the same.

As :mod:`test_interrupts`: one warm process forks for each command, so that the moments lie in the work. Each
turn has a cache of its own, is stopped, and is run again over what it had kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from planted import PROMPTS, WORD, planted
from planted import WRITES as TURNED
from planted_ablation import ROWS, WRITES, planted_writer
from test_interrupts import environment
from tiny_reader import write_jsonl

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and forks are POSIX")

LOOP = """
import json, os, random, signal, sys, time, traceback
from pathlib import Path
import imported
from saetext_cli.main import main

imported.everything()

def start(arguments, cache):
    if child := os.fork():
        return child
    code = 99
    try:
        os.environ["SAETEXT_CACHE"] = cache
        file = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1), os.dup2(file, 2)
        sys.argv = ["saetext", *arguments]
        main()
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        pass  # before the handler was in place
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)

def made(files):
    found = {name: Path(name).read_bytes().hex() for name in files if Path(name).exists()}
    for name in found:
        Path(name).unlink()
    return found

def finished(arguments, cache):
    status = os.waitpid(start(arguments, cache), 0)[1]
    assert status == 0, Path("log").read_text()

plan = json.loads(sys.stdin.read())
os.environ["COLUMNS"] = "100"
draw, told = random.Random(plan["seed"]), []
for name, (arguments, files) in plan["commands"].items():
    began = time.monotonic()
    finished(arguments, f"cache {name}")
    whole, seconds = made(files), time.monotonic() - began
    assert sorted(whole) == sorted(files)
    for turn in range(plan["moments"]):
        cache, number = f"cache {name} {turn}", signal.SIGTERM if turn % 4 == 3 else signal.SIGINT
        child = start(arguments, cache)
        time.sleep(draw.uniform(0.05, 0.95) * seconds)
        os.kill(child, number)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        log, left = Path("log").read_text(), made(files)
        partial = [str(p) for p in Path().rglob("*.tmp")]
        kept = sum(1 for p in Path(cache).rglob("*.json"))
        finished(arguments, cache)
        told.append([name, int(number), code, log, left == {} or left == whole, partial, kept,
                     made(files) == whole])
print(json.dumps(told))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_signal_at_any_moment_of_the_interventions(tmp_path: Path) -> None:
    """At two moments of each; at as many as ``SAETEXT_MOMENTS`` says."""
    model, sae = map(str, planted_writer())
    write_jsonl(tmp_path / "lists.jsonl", ROWS)
    write_jsonl(tmp_path / "prompts.jsonl", [{"prompt": prompt} for prompt in PROMPTS[:8]])
    here = ["--device", "cpu", "--dtype", "float32", "--gauge", "none", "--batch", "8"]
    commands = {
        "steer": (
            ["steer", str(planted().model), "prompts.jsonl", "--sae", str(planted().sae), "-f",
             f"{TURNED}:+1", "--doses", "0,2", "--reference", str(planted().reference), "--samples", "2",
             "--controls", "1", "--max-new-tokens", "16", "--force",
             "-o", "steered.jsonl", "--html", "steered.html", *here],
            ["steered.jsonl", "steered.html"],
        ),
        "attribute": (
            ["attribute", model, "lists.jsonl", "--sae", sae, "--metric", f'logit(" {WORD}")', "--checks",
             "20", "--write", "8", "--batch", "4", "-o", "attribution.json"],
            ["attribution.json"],
        ),
        "ablate": (
            ["ablate", model, "lists.jsonl", "--sae", sae, "-f", str(WRITES), "--controls", "2",
             "--samples", "2", "--max-new-tokens", "16", "-o", "ablated.jsonl", "--html",
             "ablated.html", *here],
            ["ablated.jsonl", "ablated.html"],
        ),
    }  # fmt: skip
    moments = int(os.environ.get("SAETEXT_MOMENTS", "2"))
    done = subprocess.run(
        [sys.executable, "-c", LOOP], cwd=tmp_path, env=environment(), text=True, capture_output=True,
        input=json.dumps({"commands": commands, "moments": moments, "seed": 0}), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told) == len(commands) * moments
    stopped = 0
    for name, number, code, log, whole, partial, kept, same in told:
        about = (name, number, code, log, partial, kept)
        assert "Traceback" not in log and "Exception ignored" not in log, about
        assert code in (0, 128 + number, -number, 99), about
        assert whole and not partial, about  # all of the outputs or none, and nothing beside them
        assert same, about  # over what was kept before the signal
        stopped += code == 128 + number
        if code == 128 + number:
            assert log.splitlines()[-1].startswith("saetext: stopped"), about
    assert stopped >= len(told) // 2
