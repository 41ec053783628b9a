"""CPU seconds of ``encode`` with an engine against those of one process, workers and all.

    python benchmarks/engines.py [--texts 3000] [--words 3] [--ray]

Every run is the command line in a process of its own, on short texts (sentences, or their first
words with ``--words``), with one thread for each worker. CPU
seconds are those of the command and of all processes it has started and waited for, so that imports, the
driver's reader and those of the workers count. Ray's workers are no children of the command, so their CPU
seconds are read from ``/proc`` while they run. Results: ``benchmarks/results/engines.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from common import RESULTS, environment, save, say, write_short_texts

TICKS = os.sysconf("SC_CLK_TCK")


class Watch(threading.Thread):
    """Reads the CPU seconds of all processes of a session and of those Ray has put into others."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.used, self.ended = root, {}, threading.Event()

    def run(self) -> None:
        known = {self.root}
        while not self.ended.wait(0.1):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    after = (folder / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                pid, parent = int(folder.name), int(after[1])
                if pid in known or parent in known:
                    known.add(pid)
                    self.used[pid] = (int(after[11]) + int(after[12])) / TICKS


def measure(file: Path, out: Path, options: list[str]) -> dict[str, Any]:
    """Run one command; return its seconds, CPU seconds and fingerprint."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "saetext_cli.main", "encode", str(file), "-o", str(out), *options]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    watch = Watch(process.pid)
    watch.start()
    if process.wait():
        raise SystemExit(f"{' '.join(options)} failed")
    watch.ended.set()
    watch.join()
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    waited = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seen = sum(watch.used.values())
    manifest = json.loads((out / "manifest.json").read_text())
    from saetext.corpus import Corpus

    return {
        "wall_seconds": round(wall, 1),
        # daemons of Ray are not waited for, short processes are not seen: the larger one has more of them
        "cpu_seconds": round(max(waited, seen), 1),
        "cpu_seconds_waited_for": round(waited, 1),
        "shards": len(manifest["shards"]),
        "fingerprint": Corpus.open(out).fingerprint,
    }


def cut(file: Path, words: int) -> None:
    """Leave the first words of each text, and the number at its end, which makes it one of its own."""
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    for line in lines:
        *told, number = line["text"].split()
        line["text"] = " ".join([*told[:words], number])
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=3000)
    parser.add_argument("--words", type=int, help="only so many words of each sentence, and its number")
    parser.add_argument("--ray", action="store_true", help="with Ray too, where it is installed")
    parser.add_argument("--repeats", type=int, default=1)
    asked = parser.parse_args()
    before = os.getloadavg()[0]
    runs = {
        "encode": [],
        "processes, 1 worker": ["--engine", "processes", "--workers", "1", "--cpus", "1"],
        "processes, 2 workers": ["--engine", "processes", "--workers", "2", "--cpus", "1"],
    }
    if asked.ray:
        runs["ray, 2 workers"] = ["--engine", "ray", "--workers", "2"]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in runs}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "short.jsonl"
        write_short_texts(file, asked.texts)
        if asked.words:
            cut(file, asked.words)
        for repeat in range(asked.repeats):
            for name in list(runs) if repeat % 2 == 0 else reversed(list(runs)):
                out = Path(folder) / f"{name} {repeat}.corpus"
                options = [*runs[name], "--shard-rows", "256"]
                try:
                    found[name].append(measure(file, out, options))
                except SystemExit as failed:  # Ray gives up where its start takes 15 seconds
                    found[name].append({"failed": str(failed)})
    done = {name: [run for run in times if "failed" not in run] for name, times in found.items()}
    least = {name: min(run["cpu_seconds"] for run in times) for name, times in done.items() if times}
    prints = {run["fingerprint"] for times in done.values() for run in times}
    result = {
        **environment(),
        "texts": asked.texts,
        "words": asked.words,
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        "same_fingerprint": len(prints) == 1,
        "runs": found,
        "extra_cpu_seconds": {name: round(cpu - least["encode"], 1) for name, cpu in least.items()},
        "overhead": {name: round(cpu / least["encode"] - 1, 3) for name, cpu in least.items()},
    }
    say(
        f"{asked.texts:,} short texts",
        [
            ("", "CPU s", "more than encode"),
            *((name, cpu, f"{result['overhead'][name]:+.1%}") for name, cpu in least.items()),
        ],
    )
    told = f"{asked.texts} texts" + (f" of {asked.words} words" if asked.words else "")
    save(RESULTS / "engines.json", told, result)


if __name__ == "__main__":
    main()
