"""Gender dampened in a small model, and whether an SAE with more features does it more cleanly.

    python benchmarks/bias.py --only said                           the example of docs/bias.md, a CPU minute
    python benchmarks/bias.py --only professions                    the second one, some ten CPU minutes
    python benchmarks/bias.py --data DATA --only smollm2            the shipped SAE, both built-in suites
    python benchmarks/bias.py --data DATA --only published          the same on the published Winogender
    python benchmarks/bias.py --data DATA --only split --saes SAES  SAEs of bias_saes.py side by side

``split``: the eight features with the largest verified effect on log p(he) - log p(she) are found on half of
the professions in each SAE and taken out. How much of the gap goes on the other half, how much of the factual
gap goes with it, and what else the features are active on, with intervals over professions, facts and
features. Each part takes some ten CPU minutes on one thread; results/bias.json holds figures alone.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import common
import numpy as np
import polars as pl
from numpy.typing import NDArray

import saetext
from saetext.intervene.bias.words import PROFESSIONS
from saetext.report.console.bias import render_bias

RESULT = common.RESULTS / "bias.json"
PARTS = ("said", "professions", "smollm2", "published", "split")
BARE = {"said", "professions"}  # parts that need no public texts
DRAWS = 10_000
TOKENS = 8_000  # of reference text
FAMILY = (
    *("father", "mother", "brother", "sister", "uncle", "aunt", "son", "daughter", "husband", "wife"),
    *("nephew", "niece", "grandfather", "grandmother", "king", "queen"),
)
REGISTERS = ("fiction", "dialogue", "assistant", "news", "speech")


def reference(data: Path, folder: Path) -> Path:
    """Write held-out texts of several registers, none of which an SAE here was trained on."""
    whole = pl.read_parquet(data / "sae_corpus.parquet", columns=["id", "text", "register", "split"])
    held = whole.filter((pl.col("split") == "valid") & pl.col("register").is_in(REGISTERS))
    path = folder / "reference.jsonl"
    held.sample(min(200, held.height), seed=1, shuffle=True).select("id", "text").write_ndjson(path)
    return path


def said(folder: Path) -> dict[str, Any]:
    """Return the figures of a small suite: 32 professions in one sentence each, and 16 facts."""
    strong = [name for name, value in PROFESSIONS.items() if value]
    rows: list[dict[str, Any]] = [
        {"text": f"The {name} said that", "unit": name, "stereotype": PROFESSIONS[name]}
        for name in (*strong[:16], *strong[-16:])
    ]
    rows += [
        {"text": f"My {word} said that", "kind": "fact", "right": ("first", "second")[i % 2]}
        for i, word in enumerate(FAMILY)
    ]
    suite, neutral = folder / "said.jsonl", folder / "some.jsonl"
    suite.write_text("".join(json.dumps(row) + "\n" for row in rows))
    neutral.write_text("".join(common.EXAMPLES[0].read_text("utf-8").splitlines(keepends=True)[:12]), "utf-8")
    result = saetext.bias(
        "smollm2", find=True, finders="attribution,swapped", take=4, suite=str(suite), neutral=neutral,
        reference_tokens=0,
    )  # fmt: skip
    print(render_bias(result, 100, False))
    return figures(result)


def professions() -> dict[str, Any]:
    """Return the figures of ``saetext bias smollm2 --find --suite professions``, with nothing else set."""
    start = time.process_time()
    result = saetext.bias("smollm2", find=True, suite="professions")
    print(render_bias(result, 100, False))
    return {"cpu_seconds": round(time.process_time() - start), **figures(result)}


def whole(suite: str, reference_file: Path) -> dict[str, Any]:
    """Return the figures of one run as a user makes it."""
    start = time.process_time()
    result = saetext.bias(
        "smollm2", find=True, suite=suite, reference=reference_file, reference_tokens=TOKENS
    )
    return {"cpu_seconds": round(time.process_time() - start), **figures(result)}


def figures(result: Any) -> dict[str, Any]:
    """Return what is kept of a run: figures, no labels and no sentences."""
    controls = result.controls
    rows = [*result.table.to_dicts(), *controls.filter(pl.col("kind") != "matched").to_dicts()]
    matched = controls.filter(
        (pl.col("kind") == "matched") & (pl.col("measure") == "gap") & (pl.col("suite") == "all")
    )
    return {
        "metrics": dict(result.metrics),
        "rows": [_short(row) for row in rows],
        "matched": {"n": matched.height, "mean": _mean(matched["diff"]), "lowest": matched["diff"].min()},
        "features": result.features.drop("label").to_dicts(),
        "notes": list(result.notes),
    }


def split(saes: Path, reference_file: Path) -> dict[str, Any]:
    """Return the table of SAEs, and how much cleaner the wide one is than the narrow one."""
    found: dict[str, Any] = {}
    drawn: dict[str, NDArray[np.float64]] = {}
    for name in ("narrow", "wide", "shipped"):
        place = None if name == "shipped" else str(saes / name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", saetext.SaetextWarning)  # which model an SAE says it is of
            result = saetext.bias(
                "smollm2", sae=place, find=True, finders="attribution", take=8, dampen="0",
                suite="professions", controls=0, instruction="", reference=reference_file,
                reference_tokens=TOKENS,
            )  # fmt: skip
        figures_of, drawn[name] = compared(result)
        if place:
            figures_of["held_out"] = json.loads((saes / name / "card.json").read_text("utf-8"))["valid"]
        found[name] = {**figures_of, "features": result.features.drop("label").to_dicts()}
        common.say(name, [(key, str(value)) for key, value in found[name].items() if key != "features"])
    # the same professions and facts are drawn for each SAE
    apart = found["wide"]["fall_less_loss"][0] - found["narrow"]["fall_less_loss"][0]
    found["wide_less_narrow"] = [apart, *_ends(drawn["wide"] - drawn["narrow"])]
    common.say("cleaner, wide less narrow", [tuple(found["wide_less_narrow"])])
    return found


def compared(result: Any) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return what share of the gap and of the factual gap goes, and on what features are active.

    With the resamples of the one share less the other.
    """
    gap = _both(result.units, "gap")
    fact = _both(result.units, "fact")
    draw = np.random.default_rng(0)
    falls, losses = _resampled_falls(gap, draw), _resampled_falls(fact, draw)
    features = result.features.filter(pl.col("dampened") & (pl.col("contexts") >= 5))
    relative = (features["entropy"] / features["entropy_random"]).drop_nulls().to_numpy()
    figures_of = {
        "d_sae": result.params["subject"]["d_sae"],
        "dampened": result.metrics["dampened"],
        "gap_before": result.metrics["gap_before"],
        "gap_after": result.metrics["gap_after"],
        "bias_fall": _share(gap, falls),
        "factual_loss": _share(fact, losses),
        "fall_less_loss": [_fall(gap) - _fall(fact), *_ends(falls - losses)],
        "accuracy": [result.metrics["accuracy_before"], result.metrics["accuracy_after"]],
        "nll_diff": result.metrics["nll_diff"],
        "features_with_contexts": features.height,
        "relative_entropy": [_mean(relative), *_ends(_resampled_means(relative, draw))],
        "elsewhere": [
            _mean(features["elsewhere"]),
            *_ends(_resampled_means(features["elsewhere"].to_numpy(), draw)),
        ],
        "mostly_elsewhere": int((features["elsewhere"] > 0.5).sum()),
    }
    return figures_of, falls - losses


def _both(units: pl.DataFrame, measure: str) -> NDArray[np.float64]:
    """Return float64[units, 2]: before and after."""
    own = units.filter((pl.col("measure") == measure) & pl.col("suite").is_in(["all", "facts"]))
    parts = [
        own.filter(pl.col("arm") == arm).sort("unit")["value"].to_numpy() for arm in ("unedited", "dose 0")
    ]
    return np.stack(parts, axis=1)


def _fall(both: NDArray[np.float64]) -> float:
    before, after = both.mean(axis=0)
    return float(1 - after / before)


def _resampled_falls(both: NDArray[np.float64], draw: np.random.Generator) -> NDArray[np.float64]:
    means = both[draw.integers(0, len(both), (DRAWS, len(both)))].mean(axis=1)
    return np.asarray(1 - means[:, 1] / means[:, 0])


def _resampled_means(values: NDArray[np.float64], draw: np.random.Generator) -> NDArray[np.float64]:
    if not len(values):
        return np.full(DRAWS, np.nan)
    return np.asarray(values[draw.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1))


def _share(both: NDArray[np.float64], resampled: NDArray[np.float64]) -> list[float]:
    return [_fall(both), *_ends(resampled)]


def _ends(resampled: NDArray[np.float64]) -> list[float]:
    return [float(v) for v in np.quantile(resampled, [0.025, 0.975])]


def _mean(values: Any) -> float:
    return float(np.mean(np.asarray(values))) if len(values) else float("nan")


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(v, 5) if isinstance(v, float) else v for name, v in row.items() if v is not None}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--saes", type=Path, help="what bias_saes.py made")
    parser.add_argument("--work", type=Path, default=Path("bias_work"))
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    given = parser.parse_args()
    given.work.mkdir(exist_ok=True, parents=True)
    names = [given.only] if given.only else PARTS
    if given.data is None and not BARE.issuperset(names):
        parser.error("--data names the public texts")
    for name in names:
        environment = common.environment()  # before: how busy the machine was
        if name == "said":
            found = said(given.work)
        elif name == "professions":
            found = professions()
        elif name == "split":
            if given.saes is None:
                parser.error("--saes names what bias_saes.py made")
            found = split(given.saes, reference(given.data, given.work))
        else:
            suite = "professions,winogender" if name == "smollm2" else str(given.data / "winogender.parquet")
            found = whole(suite, reference(given.data, given.work))
        common.save(given.output, name, {"environment": environment, **found})


if __name__ == "__main__":
    main()
