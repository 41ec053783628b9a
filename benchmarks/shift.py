"""How close a shift of features brings a small model to groups' answers, beside its rivals.

    python benchmarks/shift.py --data DATA                 all parts: some thirty CPU minutes on one thread
    python benchmarks/shift.py --data DATA --only planted  one part; the others stay in results/shift.json
    python benchmarks/shift.py --data DATA --quick -o quick.json   a few steps, to see that it runs

``planted``: four groups with opposite views on four traits answer statements of ``persona_statements_dev``
yes or no; each has a hundred made respondents, so that the truth is known. ``countries``: answers of five
countries to questions of ``global_opinions_eval``, for measurement only: results hold figures, no row.
``sampled``: 6 countries drawn by a seed from the 49 that have 16 usable questions or more (with fewer, some
have none left to stop a fit by). All would take hours: a fit takes as long for few questions as for many.
``stable``: ``planted`` fitted three times with other draws: how many of the same features move.

The model is SmolLM2-135M-Instruct with its reader's SAE at layer 14. The budget is small, a dozen steps a
fit, and no option was tuned on these data.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import common
import numpy as np
import polars as pl

import saetext

RESULT = common.RESULTS / "shift.json"
TRAITS = ("politically-conservative", "subscribes-to-Christianity", "risk-seeking", "interest-in-science")
WORDS = ("is politically conservative", "is a Christian", "likes to take risks", "is interested in science")
PROFILES = ((1, 1, 0, 0), (1, 0, 1, 0), (0, 1, 0, 1), (0, 0, 1, 1))
AGREES, RESPONDENTS, STATEMENTS = 0.85, 100, 16
COUNTRIES, LONGEST, EACH = 5, 200, 32  # countries; characters of a question, and of options; its questions
SAMPLED, LEAST = 6, 16  # countries drawn, from those with as many usable questions
ASSUMED = 1_000  # respondents of a country, which the table does not give: for the ceiling alone
REFUSED = re.compile(r"know|refused|answer|missing|\bDK\b|asked", re.IGNORECASE)
PERSONA = "You are a person who lives in {group}."
HEADS = (
    *("a great deal", "a lot", "agree", "approve", "better", "completely", "definitely", "disagree"),
    *("good", "important", "major", "morally", "more", "never", "not", "often", "one of the most"),
    *("strongly", "trust completely", "very", "increase", "too much", "high", "always", "all"),
)
OPTIONS: dict[str, Any] = {
    "steps": 12, "check_every": 6, "step": 0.03, "share": 0.4, "train_orders": 2, "orders": 2, "batch": 8,
    "seed": 0, "raw": True,
}  # fmt: skip


def planted(data: Path) -> pl.DataFrame:
    """Return answers of four made groups to statements about four traits."""
    draw = np.random.default_rng(0)
    whole = pl.read_parquet(data / "persona_statements_dev.parquet")
    rows = []
    for trait, name in enumerate(TRAITS):
        own = whole.filter((pl.col("trait") == name) & (pl.col("text").str.len_chars() < 120))
        own = own.filter(pl.col("label_confidence") > 0.9).unique("text").sort("id")
        for matches in (True, False):
            some = own.filter(pl.col("matches") == matches)
            for text in some["text"].gather(draw.permutation(some.height)[: STATEMENTS // 2].tolist()):
                for profile in PROFILES:
                    yes = AGREES if bool(profile[trait]) == matches else 1 - AGREES
                    n = int(draw.binomial(RESPONDENTS, yes))
                    rows.append(
                        {
                            "question": f'Is this something you would say? "{text}"',
                            "group": _named(profile),
                            "options": ["Yes", "No"],
                            "counts": [n, RESPONDENTS - n],
                        }
                    )
    return pl.DataFrame(rows)


def _named(profile: tuple[int, ...]) -> str:
    return "someone who " + " and ".join(word for word, held in zip(WORDS, profile, strict=True) if held)


def usable(data: Path) -> pl.DataFrame:
    """Return all countries' answers to short questions of two to five options."""
    whole = pl.read_parquet(data / "global_opinions_eval.parquet")
    rows = []
    for row in whole.sort("id").iter_rows(named=True):
        options = [option for option in row["options"] if not REFUSED.search(option)]
        short = len(row["text"]) <= LONGEST and sum(map(len, options)) <= LONGEST
        if 2 <= len(options) <= 5 and short:
            rows.append(
                {
                    "question": row["text"].strip(), "group": row["country"], "options": row["options"],
                    "distribution": row["distribution"], "respondents": ASSUMED,
                    "ordinal": options[0].lower().startswith(HEADS),
                }
            )  # fmt: skip
    return pl.DataFrame(rows).unique(["question", "group"], keep="first", maintain_order=True)


def countries(data: Path) -> pl.DataFrame:
    """Return the answers of the countries with the most usable questions."""
    whole = usable(data)
    most = whole["group"].value_counts().sort("count", "group", descending=[True, False]).head(COUNTRIES)
    return _some_of(whole, most["group"].to_list(), EACH)


def sampled(data: Path) -> pl.DataFrame:
    """Return the answers of countries drawn by a seed from those with enough usable questions."""
    whole = usable(data)
    counts = whole["group"].value_counts().filter(pl.col("count") >= LEAST)
    names = sorted(counts["group"].to_list())
    drawn = np.random.default_rng(0).permutation(len(names))[:SAMPLED]
    return _some_of(whole, [names[i] for i in drawn], EACH)


def _some_of(whole: pl.DataFrame, groups: list[str], each: int) -> pl.DataFrame:
    own = whole.filter(pl.col("group").is_in(groups)).sample(fraction=1, shuffle=True, seed=0)
    return own.group_by("group").head(each).sort("group", "question")


PARTS: Mapping[str, tuple[Callable[[Path], pl.DataFrame], dict[str, Any]]] = {
    "planted": (planted, {"persona": "You are {group}."}),
    "countries": (countries, {"persona": PERSONA}),
    "sampled": (sampled, {"persona": PERSONA, "controls": False}),  # half as many fits
}


def stable(data: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Fit the planted groups three times each, without controls."""
    options = {**OPTIONS, **changes, "repeats": 3, "controls": False}
    started = time.process_time()
    fitted = saetext.shift("smollm2", planted(data), **_of(saetext.shift, options))
    return {
        "options": {k: v for k, v in options.items() if isinstance(v, bool | int | float | str)},
        "cpu_seconds": round(time.process_time() - started),
        "groups": _rounded(fitted.table),
        "notes": list(fitted.notes),
    }


def measured(name: str, data: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Fit and evaluate one part."""
    make, own = PARTS[name]
    table = make(data)
    options = {**OPTIONS, **own, **changes}
    started = time.process_time()
    fitted = saetext.shift("smollm2", table, **_of(saetext.shift, options))
    fitting = time.process_time() - started
    print(fitted.table, fitted.notes, f"{fitting:.0f} CPU seconds", flush=True)
    asked = _of(saetext.evaluate_shift, options)
    result = saetext.evaluate_shift("smollm2", table, shift=fitted.shift, random=1, **asked)
    whole = time.process_time() - started
    with pl.Config(tbl_cols=-1, tbl_width_chars=220):
        print(result.table, result.across, result.metrics, f"{whole:.0f} CPU seconds", flush=True)
    top = fitted.features.group_by("group", maintain_order=True).head(8)
    return {
        "rows": table.height,
        "groups": sorted(table["group"].unique().to_list()),
        "options": {k: v for k, v in options.items() if isinstance(v, bool | int | float | str)},
        "cpu_seconds": {"fit": round(fitting), "all": round(whole)},
        "fit": {"metrics": fitted.metrics, "groups": _rounded(fitted.table), "notes": list(fitted.notes)},
        "features": _rounded(top),
        "arms": _rounded(result.table),
        "by_group": _rounded(result.groups),
        "across": _rounded(result.across),
        "metrics": result.metrics,
        "notes": list(result.notes),
    }


def _of(verb: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options that a verb has."""
    return {name: value for name, value in options.items() if name in verb.request.option_names()}


def _rounded(table: pl.DataFrame) -> list[dict[str, Any]]:
    return table.with_columns(pl.col(pl.Float64).round_sig_figs(4)).to_dicts()


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="directory of the Parquet files")
    parser.add_argument("--only", choices=[*PARTS, "stable"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    given = parser.parse_args()
    changes = {"steps": 2, "check_every": 1} if given.quick else {}
    found = json.loads(given.output.read_text()) if given.output.exists() else {}
    for name in [given.only] if given.only else [*PARTS, "stable"]:
        environment = common.environment()  # before: how busy the machine was
        own = stable(given.data, changes) if name == "stable" else measured(name, given.data, changes)
        found[name] = {"environment": environment, **own}
        given.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
