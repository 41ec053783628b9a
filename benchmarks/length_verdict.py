"""How often diff says that length explains a difference: where it causes all of it, half of it, none of it.

    python benchmarks/length_verdict.py [--features 2000] [--sizes 100 300 1000] [--draws 10]

Documents have lognormal lengths, and features are present with a chance that grows with length (one less
``exp(-rate * tokens)``), that is higher in A at any length, or both. Of the rows with q < .05, prints the
share of each verdict, beside those of two other rules: the adjusted interval against half of the estimated
difference, and the rule that was there before ("yes" where the adjusted difference, unpaired, is not
significant).
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, environment, save, say
from scipy import sparse

from saetext import stats
from saetext.analysis.differences.design import Design
from saetext.analysis.differences.entries import from_matrix
from saetext.analysis.differences.testing import ALPHA, Adjusting, measure, numbers, without_verdict
from saetext.corpus.strata import LEAST_OVERLAP, bins

DESIGNS = ("independent", "paired", "by prompt", "by group")
CAUSES = ("all", "half", "none")
LENGTHS = {  # median of A over that of B, and the spread of log length within a pair
    "equal": (1.0, 0.0),
    "alike": (1.0, 0.5),
    "1.3 times": (1.3, 0.4),
    "2 times": (2.0, 0.5),
    "always 2 times": (2.0, 0.1),
}
WORDS = ("yes", "unclear", "no")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=2000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--out", type=Path, default=RESULTS / "length_verdict.json")
    args = parser.parse_args()
    runs = []
    for kind in args.designs:
        rows: list[list[object]] = [
            ["length causes", "A's length", "rows of each", "significant %", "yes %", "unclear %", "no %",
             "naive: yes %", "no %", "before: yes %", "no %"]
        ]  # fmt: skip
        for cause in CAUSES:
            for lengths in LENGTHS:
                if cause != "none" and LENGTHS[lengths][0] == 1.0:
                    continue  # length causes nothing there
                for n in args.sizes:
                    run = shares(kind, cause, lengths, n, features=args.features, draws=args.draws)
                    runs.append(run)
                    cells = [run["new"][word] for word in WORDS]
                    cells += [run[rule][word] for rule in ("naive", "before") for word in ("yes", "no")]
                    found = round(100 * run["significant"], 1)
                    rows.append([cause, lengths, n, found, *(round(100 * c, 1) for c in cells)])
        say(f"{kind}: verdicts among rows with q < .05", rows)
    save(args.out, "verdicts", {**environment(), "features": args.features, "runs": runs})


def shares(
    kind: str, cause: str, lengths: str, n: int, *, features: int, draws: int, seed: int = 0
) -> dict[str, Any]:
    """Return the share of each verdict among the significant rows, by three rules."""
    counts: dict[str, Counter[str]] = {"new": Counter(), "naive": Counter(), "before": Counter()}
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw, n])
        design, tokens, present = simulated(kind, cause, lengths, n, features // draws, rng)
        for rule, words in verdicts(design, tokens, present).items():
            counts[rule].update(words[words != None].tolist())  # noqa: E711
    total = sum(counts["new"].values())
    told = {rule: {word: count[word] / max(total, 1) for word in WORDS} for rule, count in counts.items()}
    done = features // draws * draws
    return {
        "design": kind, "cause": cause, "lengths": lengths, "rows": n, "significant": total / done, **told,
    }  # fmt: skip


def simulated(
    kind: str, cause: str, lengths: str, n: int, features: int, rng: np.random.Generator
) -> tuple[Design, np.ndarray, np.ndarray]:
    """Return the design, float64[2n] tokens and bool[2n, features] of n documents of A, then n of B."""
    ratio, spread = LENGTHS[lengths]
    each = {"by prompt": 3, "by group": 5}.get(kind, 1)
    unit = np.arange(n) // each
    own = rng.normal(0, 0.5, unit[-1] + 1)  # prompts ask for short and for long answers
    scale = [np.sqrt(ratio), 1 / np.sqrt(ratio)]
    noise = rng.normal(0, spread / np.sqrt(2), (2, n))
    base = own[unit], own[unit]
    if kind in ("independent", "by group") and spread:  # nothing in common but what "equal" says
        base = own[unit], rng.normal(0, 0.5, unit[-1] + 1)[unit]
    tokens = np.concatenate(
        [np.round(120 * s * np.exp(b + e)) for s, b, e in zip(scale, base, noise, strict=True)]
    )
    tokens = np.maximum(tokens, 3.0)
    second = unit if kind in ("paired", "by prompt") else unit + unit[-1] + 1
    units = np.concatenate([unit, second]).astype(np.int32)
    if kind == "independent":
        units = np.arange(2 * n, dtype=np.int32)
    side = np.repeat([0, 1], n).astype(np.int8)
    design = Design(kind, None, side, units, int(units.max()) + 1, np.zeros(2 * n, np.int8), False)  # type: ignore[arg-type]
    topic = rng.lognormal(0, 0.7, (design.n_units, features))[units] if kind != "independent" else 1.0
    chance = 1 - np.exp(-0.003 * topic * (tokens[:, None] if cause != "none" else np.full((2 * n, 1), 120.0)))
    if cause == "half":  # as much again at any length
        chance[:n] += chance[:n].mean() - chance[n:].mean()
    if cause == "none":
        chance[:n] += 0.15
    return design, tokens, rng.random((2 * n, features)) < np.clip(chance, 0, 1)


def verdicts(design: Design, tokens: np.ndarray, present: np.ndarray) -> dict[str, np.ndarray]:
    """Return the verdict on each feature by three rules, None where the difference is not significant."""
    live = np.ones(len(tokens), bool)
    code = bins(tokens, live)
    entries = from_matrix(sparse.csr_matrix(present.astype(np.float32)), live)
    length = Adjusting.by(code, design, tokens)
    none = Adjusting.by(np.zeros(len(tokens), np.int32), design)
    sums = measure([entries], design, length, none)
    found = numbers(sums, design, length, None)
    diff, sign = found["diff"], np.sign(found["diff"])
    naive = np.full(len(diff), "unclear", object)
    low = np.where(sign < 0, -found["adjusted_high"], found["adjusted_low"])
    high = np.where(sign < 0, -found["adjusted_low"], found["adjusted_high"])
    naive[(low > 0) & (sign * found["adjusted_diff"] >= np.abs(diff) / 2)] = "no"
    naive[high < np.abs(diff) / 2] = "yes"
    counts = sums.by_stratum
    old = stats.mantel_haenszel(counts[:, 0].T, length.rows[0], counts[:, 1].T, length.rows[1])
    remains = stats.benjamini_hochberg(old.p) < ALPHA
    remains &= (old.diff * diff > 0) & (np.abs(old.diff) >= np.abs(diff) / 2)
    vague = (old.low <= np.minimum(diff, 0)) & (old.high >= np.maximum(diff, 0))
    before = np.where(remains, "no", np.where(vague, "unclear", "yes")).astype(object)
    if length.overlap < LEAST_OVERLAP:
        before[:] = "unclear"
    for words in (naive, before):
        words[found["q"] >= ALPHA] = None
    without_verdict(found)
    return {"new": found["explained_by_length"], "naive": naive, "before": before}


if __name__ == "__main__":
    main()
