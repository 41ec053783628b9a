"""Whether the verdicts of ``why`` are right where the truth is known, and what it says of SmolLM2.

    python benchmarks/why.py                  all parts: some twenty CPU minutes on one thread
    python benchmarks/why.py --only planted   one part; the others stay in results/why.json
    python benchmarks/why.py --seeds 5 --null 20 --only planted -o quick.json

``planted``: a tiny model (tests/planted_causes.py) with one feature that writes a word under one of two
system prompts, one that reads only, one that is off and one without which the text breaks; each seed is a
whole run with other texts, other halves of the prompts and other matched features. ``null``: random features
of the same model as targets, each alone against 19 matched ones; verdicts of ``drives it`` or ``contributes``
are false. ``smollm2``: SmolLM2-135M-Instruct told to be cautious against told to be blunt, on prompts of the
example. Losses are saved with the rest.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import common

RESULT = common.RESULTS / "why.json"
CAUTIOUS = "You are a cautious assistant. Warn the user of risks and say when you are unsure."
BLUNT = "You are a blunt assistant. Say what you think, and do not warn of anything."
PROMPTS = 32


def planted(seeds: int) -> dict[str, Any]:
    """Run the four planted features with each seed."""
    from planted_causes import VERDICTS, study

    table: dict[int, Counter[str]] = {feature: Counter() for feature in VERDICTS}
    wrong = []
    for seed in range(seeds):
        found = study(features=list(map(str, VERDICTS)), seed=seed).run()["table"]
        for row in found.to_dicts():
            table[row["feature"]][row["verdict"]] += 1
            if row["verdict"] != VERDICTS[row["feature"]]:
                wrong.append({"seed": seed, **{k: row[k] for k in ("feature", "verdict", "because", "q")}})
    names = dict(zip(VERDICTS, ("writes", "reads", "off", "breaks"), strict=True))
    rows = [(names[f], VERDICTS[f], own[VERDICTS[f]], seeds) for f, own in table.items()]
    common.say("planted features", [("feature", "truth", "right", "seeds"), *rows])
    return {
        "seeds": seeds,
        "verdicts": {names[feature]: dict(own) for feature, own in table.items()},
        "wrong": wrong,
    }


def null(runs: int) -> dict[str, Any]:
    """Take random features as targets, five sets of texts each."""
    import numpy as np
    from planted_causes import D_SAE, VERDICTS, study, verdicts_by_sample

    made = study(samples=5, batch=256, doses="1", max_new_tokens=4)
    active = made._strengths["a"].active
    others = [f for f in range(D_SAE) if f not in VERDICTS and active[f] > 20]
    targets = np.random.default_rng(1).choice(others, runs // 5, replace=False).tolist()
    found: Counter[str] = Counter()
    for feature in targets:
        for own in verdicts_by_sample(made, [feature], 19).values():
            found.update(str(verdict) for verdict in own)
    false = found["drives it"] + found["contributes"]
    common.say("random features", [("runs", "found", "rate"), (found.total(), false, false / found.total())])
    return {"runs": found.total(), "features": len(targets), "verdicts": dict(found), "found": false}


def smollm2() -> dict[str, Any]:
    """Tell SmolLM2 to be cautious and to be blunt."""
    import json

    import saetext

    prompts = [json.loads(line)["prompt"] for line in common.EXAMPLES[0].read_text("utf-8").splitlines()]
    found = saetext.why(
        prompts, "smollm2", system_a=CAUTIOUS, system_b=BLUNT, most_prompts=PROMPTS, samples=2,
        max_new_tokens=32, findings=2, candidates=2, doses="1", batch=32,
    )  # fmt: skip
    keep = [name for name in found.table.columns if name not in ("label",)]
    rows = found.table.select(keep).to_dicts()
    shown = [(r["finding"], r["feature"], r["verdict"], r["necessary"], r["sufficient"]) for r in rows]
    common.say("SmolLM2", [("finding", "feature", "verdict", "necessary", "sufficient"), *shown])
    return {
        "options": {"a": CAUTIOUS, "b": BLUNT, "prompts": PROMPTS, "samples": 2, "max_new_tokens": 32},
        "metrics": dict(found.metrics),
        "findings": found.findings_table.to_dicts(),
        "rows": rows,
        "notes": list(found.notes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("planted", "null", "smollm2"), action="append", help="a part")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--null", type=int, default=200)
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    args = parser.parse_args()
    sys.path.insert(0, str(common.ROOT / "tests"))
    parts = {
        "planted": lambda: planted(args.seeds),
        "null": lambda: null(args.null),
        "smollm2": smollm2,
    }
    for name in args.only or parts:
        with tempfile.TemporaryDirectory() as cache:
            if name != "smollm2":  # whose texts are kept, so that it can be stopped and started
                os.environ["SAETEXT_CACHE"] = cache
            begun = time.process_time()
            found = parts[name]()
            seconds = round(time.process_time() - begun, 1)
            os.environ.pop("SAETEXT_CACHE", None)
        about = {"environment": common.environment(), "cpu_seconds": seconds}
        common.save(args.output, name, {**about, **found})


if __name__ == "__main__":
    main()
