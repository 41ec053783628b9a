"""How CPU time and memory grow with the number of documents: where, diff, correlate, index, similar, export.

    OMP_NUM_THREADS=1 python benchmarks/growth.py [--sizes 10000 100000 250000 1000000] [--steps diff index]
    OMP_NUM_THREADS=1 python benchmarks/growth.py --sizes 1000000 --steps diff outcome --memory 500MB

Synthetic corpora (synthetic.py): 100 of 16,384 features and 41 words a document, 20 topics, two sources, four
columns, 1,024 rows a shard. Each step is a process of its own, after one on the smallest corpus that compiles
the kernels. Memory is the peak of private (anonymous) memory, looked at every 10 ms: pages of mapped files,
which the system can take back, are told apart. Results are saved after each step, beside those of other
sizes; "similar" needs the index. With --memory the bound is given to what takes one, and results are saved
apart; what a step takes without large arrays, libraries above all, is what it takes on 10,000 documents.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, environment, save, say
from filelock import FileLock
from synthetic import frequencies, synthetic_corpus

FEATURES = 16_384
RATES = 116  # of which 100 different features are left in a document
STEPS = ("where", "diff", "correlate", "index", "similar", "export", "outcome")
BOUNDED = ("diff", "outcome", "correlate", "index")
QUERIES, NEAREST = 100, 10
Bound = dict[str, str]  # keywords: ``memory``, or none
FILE = RESULTS / "growth.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 250_000, 1_000_000])
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS[:-1])
    parser.add_argument("--memory", help="bound of memory of diff, outcome, correlate and index")
    parser.add_argument("--corpora", type=Path, help="folder to keep the corpora in (SIZE.corpus)")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(measured(args.step[0], Path(args.step[1]), args.memory)))
        return
    if args.memory and not set(args.steps) <= set(BOUNDED):
        parser.error(f"--memory is for --steps {' '.join(BOUNDED)}")
    with tempfile.TemporaryDirectory(prefix="saetext-growth-") as temporary:
        home = args.corpora or Path(temporary)
        for i, n in enumerate(sorted(args.sizes)):
            path = home / f"{n}.corpus"
            if not path.exists():
                make(path, n)
            for step in args.steps:
                if not i:
                    _run(step, path)  # compiles
                found = {**_run(step, path, args.memory), "environment": environment()}
                if args.memory:
                    _keep_bounded(n, step, args.memory, found)
                else:
                    _keep(n, step, found)
            if args.corpora is None:
                shutil.rmtree(path)
    _tell()


def make(path: Path, n: int) -> None:
    """Write a corpus of ``n`` documents."""
    rates = frequencies(FEATURES, RATES, np.random.default_rng(0))
    synthetic_corpus(path, n, rates, seed=1, median_tokens=35, shard_rows=1024, texts=True)


def _run(step: str, path: Path, memory: str | None = None) -> dict[str, Any]:
    command = [sys.executable, __file__, "--step", step, str(path)]
    command += ["--memory", memory] if memory else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{step} of {path.name} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(path.name, step, found, flush=True)
    return found


def measured(step: str, path: Path, memory: str | None = None) -> dict[str, Any]:
    """Return the CPU seconds of a step, of each of its stages, and the peaks of memory."""
    from saetext.corpus import Corpus

    corpus = Corpus.open(path)
    peak = [0.0]
    threading.Thread(target=_watch, args=(peak,), daemon=True).start()
    stages: dict[str, float] = {}
    at = [time.process_time(), "beginning"]

    def told(progress: Any) -> None:
        if progress.stage != at[1]:
            now = time.process_time()
            stages[str(at[1])] = round(stages.get(str(at[1]), 0) + now - float(at[0]), 2)
            at[:] = now, progress.stage

    load = os.getloadavg()[0]
    wall, cpu = time.perf_counter(), time.process_time()
    more = WHAT[step](corpus, told, {"memory": memory} if memory else {})
    spent = time.process_time() - cpu
    stages[str(at[1])] = round(stages.get(str(at[1]), 0) + time.process_time() - float(at[0]), 2)
    return {
        "cpu_seconds": round(spent, 3),
        "wall_seconds": round(time.perf_counter() - wall, 2),
        "private_mb": round(max(peak[0], _private())),
        "resident_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "stages": stages,
        **more,
    }


def _private() -> float:
    """Private memory in MB."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3


def _watch(peak: list[float]) -> None:
    while True:
        peak[0] = max(peak[0], _private())
        time.sleep(0.01)


def _where(corpus: Any, told: Callable[[Any], None], bound: Bound) -> dict[str, Any]:
    return {"found": len(corpus.select("topic = 't13' AND year > 2010"))}


def _diff(corpus: Any, told: Callable[[Any], None], bound: Bound) -> dict[str, Any]:
    import saetext

    one, other = (corpus.select(f"source = '{name}'") for name in "ab")
    found = saetext.diff(one, other, families="features", on_progress=told, **bound)
    return {key: found.metrics[key] for key in ("tested", "confirmed")}


def _outcome(corpus: Any, told: Callable[[Any], None], bound: Bound) -> dict[str, Any]:
    import saetext

    found = saetext.diff(corpus, outcome="year", families="features", on_progress=told, **bound)
    return {"found": len(found.table)}


def _correlate(corpus: Any, told: Callable[[Any], None], bound: Bound) -> dict[str, Any]:
    import saetext

    found = saetext.correlate(corpus, on_progress=told, **bound)
    return {key: found.metrics[key] for key in ("eligible_features", "eligible_pairs", "significant")}


def _index(corpus: Any, told: Callable[[Any], None], bound: Bound) -> dict[str, Any]:
    import saetext

    shutil.rmtree(corpus.path / "index", ignore_errors=True)
    saetext.build_index(corpus, dense=False, on_progress=told, **bound)
    size = sum(file.stat().st_size for file in (corpus.path / "index").rglob("*") if file.is_file())
    return {"index_mb": round(size / 1e6)}


def _similar(corpus: Any, told: Callable[[Any], None], bound: Bound) -> dict[str, Any]:
    """The nearest projected vectors, against comparing all of them."""
    from saetext.analysis.search.projected import projected_part
    from saetext.analysis.search.vectors import VectorIndex

    n = len(corpus)
    index = VectorIndex(projected_part(corpus, corpus.saes[0]).folder, n)
    asked = np.random.default_rng(2).permutation(n)[:QUERIES]
    vectors = index.vectors(np.sort(asked))
    best = np.full((QUERIES, 0), 0.0)
    for start in range(0, n, 50_000):
        part = index.vectors(np.arange(start, min(start + 50_000, n)))
        best = -np.sort(-np.concatenate([best, vectors @ part.T], 1), axis=1)[:, :1000]
    found: dict[str, Any] = {}
    for k in (NEAREST, 1000):
        began = time.process_time()
        answers = [index.search(vector, k)[1] for vector in vectors]
        found[f"search_{k}_ms"] = round((time.process_time() - began) / QUERIES * 1e3, 2)
        least = best[:, min(k, n) - 1] - 1e-6
        found[f"recall_{k}"] = round(
            float(np.mean([(a >= b).sum() / k for a, b in zip(answers, least, strict=True)])), 4
        )
    return found


def _export(corpus: Any, told: Callable[[Any], None], bound: Bound) -> dict[str, Any]:
    from saetext.corpus.export import export

    with tempfile.TemporaryDirectory() as folder:
        export(corpus, Path(folder) / "out.parquet", "parquet")
    return {}


WHAT: dict[str, Callable[[Any, Callable[[Any], None], Bound], dict[str, Any]]] = {
    "where": _where, "diff": _diff, "correlate": _correlate, "index": _index, "similar": _similar,
    "export": _export, "outcome": _outcome,
}  # fmt: skip


def _keep_bounded(n: int, step: str, memory: str, found: dict[str, Any]) -> None:
    """Save what a step took within a bound, beside others."""
    with FileLock(Path(tempfile.gettempdir()) / "saetext-growth.lock"):
        there = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
        bounded = there.get("bounded", {})
        bounded.setdefault(step, {}).setdefault(str(n), {})[memory] = found
        save(FILE, "bounded", bounded)


def _keep(n: int, step: str, found: dict[str, Any]) -> None:
    """Save one figure, beside those there are, and the exponents of all; several may run at once."""
    with FileLock(Path(tempfile.gettempdir()) / "saetext-growth.lock"):
        _kept(n, step, found)


def _kept(n: int, step: str, found: dict[str, Any]) -> None:
    there = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    runs = there.get("runs", {})
    runs.setdefault(step, {})[str(n)] = found
    save(FILE, "runs", {step: dict(sorted(runs[step].items(), key=_size)) for step in STEPS if step in runs})
    save(FILE, "exponents", {step: exponents(each) for step, each in runs.items()})


def exponents(each: dict[str, Any]) -> dict[str, float]:
    """Return with which power of the documents CPU time grows, between one size and the next."""
    found = {}
    pairs = sorted(each.items(), key=_size)
    for (a, one), (b, two) in itertools.pairwise(pairs):
        rise = math.log(two["cpu_seconds"] / one["cpu_seconds"]) / math.log(int(b) / int(a))
        found[f"{a} to {b}"] = round(rise, 2)
    if "100000" in each and "1000000" in each:
        rise = math.log10(each["1000000"]["cpu_seconds"] / each["100000"]["cpu_seconds"])
        found["100000 to 1000000"] = round(rise, 2)
    return found


def _size(item: tuple[str, Any]) -> int:
    return int(item[0])


def _tell() -> None:
    there = json.loads(FILE.read_text("utf-8"))
    sizes = sorted({int(n) for each in there["runs"].values() for n in each})
    rows = []
    for step, each in there["runs"].items():
        row: list[Any] = [step]
        for n in sizes:
            one = each.get(str(n))
            row += [one["cpu_seconds"], one["private_mb"]] if one else ["", ""]
        rows.append([*row, ", ".join(map(str, there["exponents"][step].values()))])
    head = [cell for n in sizes for cell in (f"{n:,} CPU s", "MB")]
    say("CPU seconds and peak private memory", [["step", *head, "exponents"], *rows])


if __name__ == "__main__":
    main()
