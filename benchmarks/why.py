"""Whether the verdicts of ``why`` are right where the truth is known, and what it says of SmolLM2.

    python benchmarks/why.py                  all parts: some half an hour of CPU time on one thread
    python benchmarks/why.py --only planted   one part; the others stay in results/why.json
    python benchmarks/why.py --seeds 5 --null 20 --only planted -o quick.json

``planted``: a tiny model (tests/planted_causes.py) with one feature that writes a word under one of two
system prompts, one that reads only, one that is off and one without which the text breaks; each seed is a
whole run with other texts, other halves of the prompts and other matched features. ``unseen``: the same with
further seeds; what was wrong with the first ones was looked into and mended. ``null``: random features
of the same model as targets, each alone against 19 matched ones; verdicts of ``drives it`` or ``contributes``
are false. ``smollm2``: SmolLM2-135M-Instruct told to be cautious against told to be blunt, on prompts of the
example. ``edited``: the same with one of its features turned up against without, so that the truth is known.
Losses are saved with the rest.
"""

from __future__ import annotations

import argparse
import json
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
PARTS = ("planted", "unseen", "null", "smollm2", "edited")
PROMPTS, TESTED = 60, 32  # compared, four texts each; and written to again, half of them to choose
TURNED, STRENGTH = 4976, 2  # the feature of docs/steer.md
WRITING: dict[str, Any] = {"samples": 2, "max_new_tokens": 32, "batch": 60}


def planted(seeds: int, first: int = 0) -> dict[str, Any]:
    """Run the four planted features with each of ``seeds`` seeds from ``first`` on."""
    from planted_causes import VERDICTS, study

    table: dict[int, Counter[str]] = {feature: Counter() for feature in VERDICTS}
    wrong = []
    for seed in range(first, first + seeds):
        # as many texts of a prompt as the command writes if nothing else is said
        found = study(features=list(map(str, VERDICTS)), seed=seed, samples=4, batch=128).run()["table"]
        for row in found.to_dicts():
            table[row["feature"]][row["verdict"]] += 1
            if row["verdict"] != VERDICTS[row["feature"]]:
                wrong.append({"seed": seed, **{k: row[k] for k in ("feature", "verdict", "because", "q")}})
    names = dict(zip(VERDICTS, ("writes", "reads", "off", "breaks"), strict=True))
    rows = [(names[f], VERDICTS[f], own[VERDICTS[f]], seeds) for f, own in table.items()]
    common.say("planted features", [("feature", "truth", "right", "seeds"), *rows])
    return {
        "first": first,
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


def smollm2(work: Path) -> dict[str, Any]:
    """Tell SmolLM2 to be cautious and to be blunt, compare what it writes, look into the first finding."""
    import saetext
    from saetext.intervene.causes.request import WhyRequest
    from saetext.intervene.causes.sides import Pen, Side
    from saetext.intervene.generator import load_generator

    generator = load_generator("smollm2", None)
    prompts = some_prompts(PROMPTS)
    request = WhyRequest(system_a=CAUTIOUS, system_b=BLUNT, **{**WRITING, "samples": 4})
    pen, rows = Pen(generator, prompts, request, 0), []
    for side in (Side("a", "cautious", CAUTIOUS), Side("b", "blunt", BLUNT)):
        for text in pen.write(side):
            name = f"{side.name}-{text.prompt}-{text.sample}"
            asked = {"prompt": prompts[text.prompt], "system": side.system}
            if text.text.strip():
                rows.append({"id": name, "side": side.name, **asked, "text": text.text})
    path = work / "texts.jsonl"  # what the commands of docs/why.md begin with
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    corpus = saetext.encode(rows, None, id="id", text="text", prompt="prompt")  # kept, as the texts are
    found = saetext.diff(corpus, by="side", values=["cautious", "blunt"], group="prompt")
    listed = found.found if found.found is not None else found.table
    keep = [name for name in ("name", "kind", "rate_a", "rate_b", "q", "confirmed") if name in listed.columns]
    compared = {"texts": len(rows), "findings": listed.select(keep).head(20).to_dicts()}
    common.say("findings", [tuple(keep), *(tuple(row.values()) for row in compared["findings"])])
    if not listed["confirmed"].any():
        return {"compared": compared, "rows": []}
    why = saetext.why(found, generator, most_prompts=TESTED, findings=3, candidates=2, doses="1", **WRITING)
    return {"compared": compared, **told(why)}


def edited() -> dict[str, Any]:
    """Write A with one feature turned up and B without: of the features that are proposed it should win."""
    import saetext

    why = saetext.why(
        some_prompts(TESTED), "smollm2", edit_a=[f"{TURNED}:+{STRENGTH}"], most_prompts=TESTED, findings=1,
        candidates=2, doses="1", **WRITING,
    )  # fmt: skip
    return {"turned": TURNED, "strength": STRENGTH, **told(why)}


def some_prompts(n: int) -> list[str]:
    """Return prompts of the example, drawn by a seed."""
    import numpy as np

    prompts = [json.loads(line)["prompt"] for line in common.EXAMPLES[0].read_text("utf-8").splitlines()]
    return [prompts[i] for i in np.sort(np.random.default_rng(0).permutation(len(prompts))[:n])]


def told(found: Any) -> dict[str, Any]:
    """Print a why, and return what is kept of it: figures, no labels."""
    from saetext.report.console.causes import render_why

    print(render_why(found, 100, False))
    return {
        "params": {name: found.params[name] for name in ("told", "samples", "max_new_tokens", "doses")},
        "metrics": dict(found.metrics),
        "findings": found.findings_table.to_dicts(),
        "rows": found.table.drop("label").to_dicts(),
        "candidates": found.candidates.drop("label").to_dicts(),
        "notes": list(found.notes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="a part")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--null", type=int, default=200)
    parser.add_argument("--work", type=Path, default=Path("why_work"), help="where texts go")
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    args = parser.parse_args()
    sys.path.insert(0, str(common.ROOT / "tests"))
    parts = {
        "planted": lambda: planted(args.seeds),
        "unseen": lambda: planted(args.seeds, args.seeds),
        "null": lambda: null(args.null),
        "smollm2": lambda: smollm2(args.work),
        "edited": edited,
    }
    args.work.mkdir(parents=True, exist_ok=True)
    for name in args.only or parts:
        with tempfile.TemporaryDirectory() as cache:
            if name in PARTS[:3]:  # texts of the others are kept, so that they can be stopped and started
                os.environ["SAETEXT_CACHE"] = cache
            begun = time.process_time()
            found = parts[name]()
            seconds = round(time.process_time() - begun, 1)
            os.environ.pop("SAETEXT_CACHE", None)
        about = {"environment": common.environment(), "cpu_seconds": seconds}
        common.save(args.output, name, {**about, **found})


if __name__ == "__main__":
    main()
