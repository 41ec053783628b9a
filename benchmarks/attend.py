"""Whether heads made by hand are found, and whether the heads of SmolLM2 are the same under other probes.

    python benchmarks/attend.py                   both parts, two CPU minutes on one thread
    python benchmarks/attend.py --only planted    one part; the other stays in results/attend.json

``planted``: the two-layer model of tests/planted_heads.py, scored on other random sequences with each seed:
how often the head made for a score is best at it, and the gap to the next. ``smollm2``: scores of all heads
with three seeds: rank correlations, and how many of the five best are the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import common
import numpy as np
from scipy.stats import spearmanr

RESULT = common.RESULTS / "attend.json"
TEXT = "When Anna and Peter met again at the harbour, Anna gave the old map to"
BEST = 5


def planted(seeds: int) -> dict[str, Any]:
    """Look for the heads made by hand."""
    from planted_heads import DUPLICATE, INDUCTION, PREVIOUS, save_planted

    import saetext

    made = {"previous_token": PREVIOUS, "duplicate_token": DUPLICATE, "induction": INDUCTION}
    right = dict.fromkeys(made, 0)
    gaps: dict[str, list[float]] = {name: [] for name in made}
    with tempfile.TemporaryDirectory() as folder:
        model = save_planted(Path(folder) / "planted")
        for seed in range(seeds):
            table = saetext.attend(model, TEXT, probes=8, sentences=0, seed=seed).table
            for name, head in made.items():
                ordered = table.sort(name, descending=True)
                right[name] += ordered.select("layer", "head").row(0) == head
                gaps[name].append(ordered[name][0] - ordered[name][1])
    rows = [(name, right[name], seeds, min(gaps[name])) for name in made]
    common.say("heads made by hand", [("score", "best", "seeds", "smallest gap"), *rows])
    return {"seeds": seeds, "best": right, "smallest_gap": {name: min(own) for name, own in gaps.items()}}


def smollm2() -> dict[str, Any]:
    """Score the heads of SmolLM2 with three seeds."""
    import saetext
    from saetext.intervene.heads.result import SCORES

    tables = [saetext.attend("smollm2", TEXT, seed=seed).table for seed in range(3)]
    found: dict[str, Any] = {}
    for name in SCORES:
        scores = [table.sort("layer", "head")[name].to_numpy() for table in tables]
        best = [set(np.argsort(-own, kind="stable")[:BEST].tolist()) for own in scores]
        own = tables[0].sort(name, descending=True).head(BEST)
        found[name] = {
            "rank_correlation": [float(spearmanr(a, b).statistic) for a, b in combinations(scores, 2)],
            "same_of_five": [len(a & b) for a, b in combinations(best, 2)],
            "best": own.select("layer", "head", name, f"{name}_null").to_dicts()
            if f"{name}_null" in own.columns
            else own.select("layer", "head", name).to_dicts(),
        }
    rows = [(name, min(own["rank_correlation"]), min(own["same_of_five"])) for name, own in found.items()]
    common.say("three seeds", [("score", "lowest rank correlation", "fewest of the five best"), *rows])
    return {"seeds": 3, "heads": tables[0].height, "scores": found}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("planted", "smollm2"), action="append", help="a part")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    args = parser.parse_args()
    sys.path.insert(0, str(common.ROOT / "tests"))
    parts = {"planted": lambda: planted(args.seeds), "smollm2": smollm2}
    for name in args.only or parts:
        environment, begun = common.environment(), time.process_time()
        found = parts[name]()
        seconds = round(time.process_time() - begun, 1)
        common.save(args.output, name, {"environment": environment, "cpu_seconds": seconds, **found})


if __name__ == "__main__":
    main()
