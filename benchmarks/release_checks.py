"""How often a release check fails: where nothing changed, at the limit, and where a share rose by so much.

    python benchmarks/release_checks.py [--checks 2000] [--sizes 50 200 1000] [--rules 10]

A check has ten rules, each on something of its own that is in 1 % to 60 % of the texts. Texts that share a
prompt or a user are alike: each prompt and user has chances of its own. With limits of 0 and no change every
broken limit is a false alarm, and so it is where all shares rose by just the limit of 5 points: the
share of checks with any is told, and, of a tenth as many checks, the share of limits that are broken where
all rose by 5, 10 and 20 points more than the limit.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, environment, save, say
from scipy import sparse

from saetext.analysis.checking.judging import changes, together, verdict
from saetext.analysis.differences.design import Design

DESIGNS = ("independent", "paired", "by prompt", "by group")
LIMIT = 0.05
SPREAD = 1.0  # of the log-odds of prompts and users


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checks", type=int, default=2000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 200, 1000])
    parser.add_argument("--rules", type=int, default=10)
    parser.add_argument("--out", type=Path, default=RESULTS / "release_checks.json")
    args = parser.parse_args()
    runs = [failing(kind, n, args.checks, args.rules) for kind in DESIGNS for n in args.sizes]
    rows: list[list[object]] = [
        ["design", "texts", "fail, no change %", "fail, at the limit %", "+5 broken %", "+10 %", "+20 %"]
    ]
    for run in runs:
        figures = (run["nothing"], run["at_limit"], *run["broken"].values())
        rows.append([run["design"], run["texts"], *(round(100 * figure, 1) for figure in figures)])
    say("release checks", rows)
    save(args.out, "checks", {**environment(), "rules": args.rules, "checks": args.checks, "runs": runs})


def failing(kind: str, n: int, checks: int, rules: int, seed: int = 0) -> dict[str, Any]:
    """Return how often checks fail, and limits are broken."""
    rng = np.random.default_rng([seed, DESIGNS.index(kind), n])
    share = np.geomspace(0.01, 0.6, rules)
    alarms = {"nothing": 0, "at_limit": 0}
    broken = {"5": 0.0, "10": 0.0, "20": 0.0}
    few = max(checks // 10, 1)
    for _ in range(checks):
        alarms["nothing"] += beyond(kind, n, share, 0.0, 0.0, rng).any()
        alarms["at_limit"] += beyond(kind, n, share, LIMIT, LIMIT, rng).any()
    for _ in range(few):
        for rise in broken:
            broken[rise] += beyond(kind, n, share, LIMIT + int(rise) / 100, LIMIT, rng).mean() / few
    told = {name: int(count) / checks for name, count in alarms.items()}
    return {"design": kind, "texts": n, **told, "broken": broken}


def beyond(
    kind: str, n: int, share: np.ndarray, rise: float, limit: float, rng: np.random.Generator
) -> np.ndarray:
    """Return bool[rules]: which limits one simulated check calls broken."""
    design, present = simulated(kind, n, share, rise, rng)
    found = changes(sparse.csr_matrix(present.astype(np.float32)), design, together(0.95, len(share)))
    told = [verdict("rise", low, high, limit) for low, high in zip(found.low, found.high, strict=True)]
    return np.array(told) == "breaks"


def simulated(
    kind: str, n: int, share: np.ndarray, rise: float, rng: np.random.Generator
) -> tuple[Design, np.ndarray]:
    """Return the design and bool[2n, rules] of n new texts, then n old ones, that rose by ``rise``."""
    each = {"by prompt": 3, "by group": 5}.get(kind, 1)
    unit = np.arange(n) // each
    second = unit if kind in ("paired", "by prompt") else unit + unit[-1] + 1
    units = np.concatenate([unit, second]).astype(np.int32)
    side = np.repeat([0, 1], n).astype(np.int8)
    design = Design(
        kind,
        None,
        side,
        units,
        int(units.max()) + 1,
        np.zeros(2 * n, np.int8),
        False,  # type: ignore[arg-type]
    )
    if kind == "independent":
        chance = np.broadcast_to(share, (2 * n, len(share))).copy()
    else:  # a beta distribution keeps the mean where it is
        size = 1 / (np.expm1(SPREAD**2) / 4) + 1
        own = rng.beta(share * size, (1 - share) * size, (design.n_units, len(share)))
        chance = own[units]
    # the new ones that would not have it have it with the chance that lifts the mean by the rise
    lift = rise / (1 - share)
    present = rng.random(chance.shape) < chance
    present[:n] |= rng.random((n, len(share))) < lift
    return design, present


if __name__ == "__main__":
    main()
