"""Learn the weights of five detectors again, with texts of other kinds, near those that they have.

    python benchmarks/tune_detectors.py --data DATA --work DIR --first PAGES

PAGES are those that train_detectors.py made. The texts are detector_texts/elsewhere.jsonl, samples of those
that PAGES were learned from, and prose from technical documents. Not for: learning weights anew
(``train_detectors.py``).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import detector_sets
import numpy as np
from detector_data import RULES, elsewhere, is_held, known_elsewhere, own
from detector_tuning import calibrated, tuned
from numpy.typing import NDArray
from train_detectors import LEAST_AUC, UNSEEN, Texts, _in_pool, corpus_of, measured

from saetext.corpus.rows import PooledRows
from saetext.features.detectors import Detector, quality
from saetext.features.detectors.scoring import score_rows

#: Those that were often wrong in texts of other kinds and are less so now; True: technical prose teaches too.
TUNED = {
    "as_an_ai": False, "call_to_action": False, "enthusiasm": False, "mathematics": True, "table": False,
}  # fmt: skip
Row = dict[str, Any]


def own_sample() -> list[int]:
    """Return which of our texts: each line alone, and half of them among passages."""
    times: dict[str, int] = {}
    found = []
    for at, item in enumerate(own()):
        n = times.get(item.group, 0)
        times[item.group] = n + 1
        if n == 0 or (n == 1 and at % 2):
            found.append(at)
    return found


def pool_sample(data: Path) -> list[Row]:
    """Return beginnings of public texts."""
    rows = detector_sets.pool(data).sample(450, seed=4).to_dicts()
    return [{**row, "text": " ".join(row["text"].split(" ")[:100])} for row in rows if row["text"].strip()]


def technical(data: Path) -> list[Row]:
    """Return passages of technical documents that have no calculation."""
    rng = random.Random(2)
    found: list[Row] = []
    whole = detector_sets.read(data, "sae_corpus")
    for source in ("python_peps", "rust_rfcs"):
        for row in whole.filter(whole["source"] == source).sample(160, seed=9).to_dicts():
            words = row["text"].split()
            if len(words) < 120:
                continue
            at = rng.randrange(0, len(words) - 80)
            text = " ".join(words[at : at + rng.choice((25, 50, 80))])
            if RULES["mathematics"](text) is not True:
                found.append({"id": f"{source}:{len(found)}", "text": text})
    return found


def unseen_sample(data: Path) -> list[Row]:
    """Return texts to measure on: up to 24 with each property of each set, and others."""
    rows = detector_sets.evals(data).to_dicts()
    random.Random(6).shuffle(rows)
    chosen: dict[str, Row] = {}
    for name, sets in UNSEEN.items():
        if name in ("uncertainty", "politeness", "narrative", "backtracking", "formality"):
            continue
        for source, truth in sets[: 1 if name == "first_person" else 2]:
            having = [row for row in rows if row["source"] == source and truth(row)]
            having.sort(key=lambda row: len(row["text"]) > 1800)
            chosen |= {row["id"]: row for row in having[:24]}
    for source, n in {
        "alpaca": 260, "goemotions": 300, "politeness": 200, "selfinstruct": 100, "prompts": 150, "agnews": 60
    }.items():  # fmt: skip
        short = [row for row in rows if row["source"] == source and len(row["text"]) < 1800]
        chosen |= {row["id"]: row for row in short[:n]}
    return sorted(chosen.values(), key=lambda row: str(row["id"]))


def share_above(detector: Detector, rows: PooledRows) -> NDArray[np.bool_]:
    """Return which texts have the property, for the detector."""
    return np.asarray(score_rows(rows, [detector])[:, 0] >= detector.threshold)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("--data", "--work", "--first"):
        parser.add_argument(name, type=Path, required=True)
    root = Path(__file__).parents[1]
    parser.add_argument("-o", type=Path, default=root / "saetext/features/detectors/embedded")
    parser.add_argument("--figures", type=Path, default=root / "benchmarks/results/detectors_tuned.json")
    given = parser.parse_args()
    items, others, kept = own(), elsewhere(), own_sample()

    def texts(name: str, rows: Any) -> Texts:
        return Texts(corpus_of(given.work, name, rows))

    mine = texts("own", lambda: [{"id": str(at), "text": items[at].text} for at in kept])
    pool = texts("pool", lambda: pool_sample(given.data))
    far = texts("elsewhere", lambda: [{"id": str(at), "text": t.text} for at, t in enumerate(others)])
    tech = texts("tech", lambda: technical(given.data))
    unseen = texts("eval", lambda: unseen_sample(given.data))
    figures: dict[str, Any] = {}
    for name, with_tech in TUNED.items():
        before = Detector.read(given.first / f"{name}.json")
        a = [(k, items[at].truth[name]) for k, at in enumerate(kept) if name in items[at].truth]
        b = [(k, t) for k, row in enumerate(pool.rows) if (t := _in_pool(name, row)) is not None]
        c = known_elsewhere(name, others)
        d = list(range(len(tech.rows))) if with_tech else []
        parts = [(mine, [k for k, _ in a]), (pool, [k for k, _ in b]), (far, [k for k, _ in c]), (tech, d)]
        rows = PooledRows.concatenate([part.pooled.take(at) for part, at in parts])
        target = np.array([bool(truth) for _, truth in (*a, *b, *c)] + [False] * len(d))
        held = np.array(
            [is_held(items[kept[k]].group) for k, _ in a] + [is_held(pool.rows[k]["id"]) for k, _ in b]
            + [others[k].held for k, _ in c] + [is_held(tech.rows[k]["id"]) for k in d]
        )  # fmt: skip
        away = np.arange(len(target)) >= len(a) + len(b)
        seen, aside = np.flatnonzero(~held), np.flatnonzero(held)
        made = tuned(before, rows.take(seen), target[seen], away[seen])
        made = calibrated(made, rows.take(aside), target[aside], away[aside])
        rows, target, away = rows.take(aside), target[aside], away[aside]
        figures[name] = {}
        for when, one in (("before", before), ("after", made)):
            near = np.flatnonzero(~away)
            known = quality(score_rows(rows.take(near), [one])[:, 0], target[near], one.threshold)
            figures[name][when] = {
                "threshold": one.threshold, "held out": round(known.auc, 3),
                "recall, held out": round(known.recall, 3),
                "false, elsewhere": round(float(share_above(one, rows)[away & ~target].mean()), 3),
                "unseen": measured(one, unseen),
            }  # fmt: skip
        after = figures[name]["after"]
        auc = {"held out": after["held out"], **{k: v["auc"] for k, v in after["unseen"].items()}}
        assert next(iter(after["unseen"].values()))["auc"] >= LEAST_AUC, name
        counts = {
            **before.made_from,
            "learned again from texts": len(seen),
            "of other kinds": len(c) + len(d),
        }
        path = given.o / f"{name}.json"
        path.unlink(missing_ok=True)
        dataclasses.replace(made, auc=auc, made_from=counts).write(path)
        print(name, json.dumps(figures[name]), flush=True)
    given.figures.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
