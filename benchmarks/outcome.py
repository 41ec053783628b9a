"""How often intervals of ``diff --outcome`` hold the truth, and what is found where there is nothing.

    python benchmarks/outcome.py            about half a minute
    python benchmarks/outcome.py --quick    to see that it runs

Outcomes are simulated: presence leans on the prompt and on length, and so does the outcome. Not for: real
scores, of which nobody knows what they go by.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from common import environment, save, say

from saetext import stats

RESULTS = Path(__file__).parent / "results" / "outcome.json"
DESIGNS = ((150, 2), (100, 4), (400, 8))  # prompts, answers to each
EFFECTS = {"pass": 0.2, "score": 0.5}


def main() -> None:
    """Simulate, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    times = 20 if given.quick else 600
    covered = [
        coverage(kind, rate, prompts, each, times)
        for kind in EFFECTS
        for rate in (0.3, 0.03)
        for prompts, each in DESIGNS
    ]
    nothing = [null(kind, rate, 2 if given.quick else 20) for kind in EFFECTS for rate in (0.3, 0.03)]
    say("Planted effects", [list(covered[0]), *(list(row.values()) for row in covered)])
    say("No effect", [list(nothing[0]), *(list(row.values()) for row in nothing)])
    settings = {"times": times, "seed": 1, "effects": EFFECTS}
    result = {"coverage": covered, "null": nothing, "settings": settings, "environment": environment()}
    save(given.output, "outcome", result)


def simulated(
    rng: np.random.Generator, kind: str, rates: np.ndarray, prompts: int, each: int, effect: float
) -> stats.Effects:
    """Return the estimates of one data set: the first description has the effect, the others none."""
    prompt = np.repeat(np.arange(prompts), each)
    n = len(prompt)
    hard, long = rng.normal(size=prompts)[prompt], rng.normal(size=n)
    odds = np.log(rates / (1 - rates)) + 0.5 * (hard + long)[:, None]
    has = (rng.random((n, len(rates))) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    if kind == "pass":
        chance = 0.4 + 0.08 * long + 0.08 * np.tanh(hard) + effect * has[:, 0]
        outcome = (rng.random(n) < np.clip(chance, 0, 1)).astype(np.float64)
    else:  # heavy tails, and wider where the description is
        noise = rng.standard_t(4, n) * (1 + 0.5 * has[:, 0])
        outcome = 0.5 * long + hard + effect * has[:, 0] + noise
    curve = stats.curve(np.exp(4.5 + 0.6 * long), prompts)
    return stats.outcome_model(outcome, prompt, curve, within=True).effects(has)


def coverage(kind: str, rate: float, prompts: int, each: int, times: int) -> dict[str, object]:
    """Return how often the 95 % interval holds the truth, the mean estimate and the power at p < .05."""
    rng, effect = np.random.default_rng(1), EFFECTS[kind]
    found = [simulated(rng, kind, np.array([rate]), prompts, each, effect) for _ in range(times)]
    known = [one for one in found if np.isfinite(one.effect[0])]
    return {
        "outcome": kind,
        "rate": rate,
        "prompts": prompts,
        "answers": each,
        "effect": effect,
        "mean": round(float(np.mean([one.effect[0] for one in known])), 3),
        "covered": round(float(np.mean([one.low[0] < effect < one.high[0] for one in known])), 3),
        "power": round(float(np.mean([one.p[0] < 0.05 for one in known])), 2),
    }


def null(kind: str, rate: float, times: int) -> dict[str, object]:
    """Return the share of 300 descriptions without any effect that have p < .05, and how often any q is."""
    rng = np.random.default_rng(2)
    found = [simulated(rng, kind, np.full(300, rate), 100, 4, 0.0).p for _ in range(times)]
    return {
        "outcome": kind,
        "rate": rate,
        "p below .05": round(float(np.mean([(p < 0.05).mean() for p in found])), 4),
        "any q below .05": round(
            float(np.mean([(stats.benjamini_hochberg(p) < 0.05).any() for p in found])), 2
        ),
    }


if __name__ == "__main__":
    main()
