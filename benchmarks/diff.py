"""How long a diff takes: all tests, length control, confirmation and grouping, against a loop over features.

    python benchmarks/diff.py [--documents 100000] [--features 65536] [--active 200 ...]

Two synthetic corpora with heavy-tailed frequencies; 1 % of the features differ. Beside it, a loop with scipy
and statsmodels over a sample of the features (Fisher's test, odds ratio, Newcombe interval, stratified table,
rank test), extrapolated. Peak memory is of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, environment, save, say
from synthetic import frequencies, synthetic_corpus


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=100_000, help="of each set")
    parser.add_argument("--features", type=int, default=65_536)
    parser.add_argument("--active", type=float, nargs="+", default=[50, 100, 200])
    parser.add_argument("--pair", action="store_true", help="pair the rows one to one")
    parser.add_argument("--loop", type=int, default=40, help="features of the slow loop")
    parser.add_argument("--out", type=Path, default=RESULTS / "diff.json")
    parser.add_argument("--timed", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.timed:
        print(json.dumps(_timed(*map(Path, args.timed), args.pair)))
        return
    result: dict[str, Any] = {
        **environment(),
        "documents": args.documents,
        "features": args.features,
        "runs": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        for active in args.active:
            paths = [Path(folder) / f"{name}-{active:g}.corpus" for name in "ab"]
            rng = np.random.default_rng(0)
            rates = frequencies(args.features, active, rng)
            other = rates.copy()
            differing = rng.permutation(args.features)[: args.features // 100]
            other[differing] = np.minimum(other[differing] * 1.5, 0.9)
            for path, mine, seed in zip(paths, (rates, other), (1, 2), strict=True):
                synthetic_corpus(path, args.documents, mine, seed=seed)
            command = [sys.executable, __file__, "--timed", *map(str, paths)]
            subprocess.run(command, check=True, capture_output=True)  # compiles, and warms the page cache
            for pair in (False, True):
                done = subprocess.run(command + ["--pair"] * pair, check=True, capture_output=True, text=True)
                run = {"active": active, "paired": pair, **json.loads(done.stdout.splitlines()[-1])}
                result["runs"].append(run)
                print({k: v for k, v in run.items() if k != "found"}, flush=True)
            if active == args.active[-1]:
                result["loop"] = _loop(paths, args.loop)
            for path in paths:
                for file in sorted(path.rglob("*"), reverse=True):
                    file.rmdir() if file.is_dir() else file.unlink()
    for run in result["runs"]:
        run["times_the_loop"] = round(result["loop"]["seconds_for_all"] / run["seconds"], 1)
    say(
        f"2 x {args.documents:,} documents, {args.features:,} features",
        [["active", "paired", "entries", "seconds", "peak GB", "M entries/s", "loop / this"]]
        + [
            [
                r["active"], str(r["paired"]), r["entries"], r["seconds"], r["peak_gb"],
                round(r["entries"] / r["seconds"] / 1e6, 2), r["times_the_loop"],
            ]
            for r in result["runs"]
        ],
    )  # fmt: skip
    print(f"loop: {result['loop']}")
    save(args.out, "speed", result)


def _timed(a: Path, b: Path, pair: bool) -> dict[str, Any]:
    from saetext.analysis.differences import diff
    from saetext.corpus import Corpus

    sets = Corpus.open(a), Corpus.open(b)
    steps: list[tuple[str, float]] = []
    start = time.perf_counter()
    result = diff(
        *sets, pair_on="prompt_id" if pair else "", snippets=False, top=None, families="features",
        on_progress=lambda p: steps.append((p.stage, time.perf_counter())),
    )  # fmt: skip
    seconds = time.perf_counter() - start
    ends = [at for _, at in steps[1:]] + [start + seconds]
    return {
        "seconds": round(seconds, 2),
        "steps": {what: round(end - at, 2) for (what, at), end in zip(steps, ends, strict=True)},
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "entries": int(sum(len(rows.feature) for c in sets for rows in c.rows())),
        "tested": result.metrics["tested"],
        "confirmed": result.metrics["confirmed"],
    }


def _loop(paths: list[Path], sampled: int) -> dict[str, Any]:
    """The same statistics feature by feature with the libraries one would reach for."""
    from scipy import stats as scipy_stats
    from statsmodels.stats.contingency_tables import StratifiedTable
    from statsmodels.stats.proportion import confint_proportions_2indep

    from saetext.corpus import Corpus

    sets = [Corpus.open(path) for path in paths]
    columns = [c.csr("max").tocsc() for c in sets]
    tokens = np.concatenate([c.n_tokens for c in sets])
    edges = np.quantile(tokens, np.linspace(0, 1, 21)[1:-1])
    strata = [np.searchsorted(edges, c.n_tokens) for c in sets]
    support = sum(np.diff(c.indptr) for c in columns)
    eligible = np.flatnonzero(support >= 100)
    features = np.random.default_rng(0).permutation(eligible)[:sampled]
    start = time.perf_counter()
    for feature in features.tolist():
        x, y = (c[:, [feature]].toarray().ravel() for c in columns)
        a, b = int((x > 0).sum()), int((y > 0).sum())
        scipy_stats.fisher_exact([[a, len(x) - a], [b, len(y) - b]])
        confint_proportions_2indep(a, len(x), b, len(y), method="newcomb", compare="diff")
        tables = []
        for i in range(20):
            here = [v[k == i] > 0 for v, k in zip((x, y), strata, strict=True)]
            tables.append(np.array([[v.sum(), (~v).sum()] for v in here], float))
        StratifiedTable([t for t in tables if t.sum(1).all()]).test_null_odds(correction=True)
        scipy_stats.mannwhitneyu(x, y)
    each = (time.perf_counter() - start) / len(features)
    return {
        "features_sampled": len(features),
        "seconds_each": round(each, 4),
        "seconds_for_all": round(each * len(eligible), 1),
        "note": "extrapolated; without halves, grouping or the interval of the rank effect",
    }


if __name__ == "__main__":
    main()
