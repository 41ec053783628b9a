"""Learn the weights of three detectors again, near those they have, with many more lines of ours.

    python benchmarks/vary_detectors.py --data DATA --work DIR --first PAGES

PAGES are those that train_detectors.py and tune_detectors.py made. To the texts of the former come those of
detector_texts/varied.jsonl and elsewhere.jsonl. Not for: choosing features (``train_detectors.py``).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import detector_sets
import numpy as np
from detector_data import elsewhere, is_held, known_elsewhere, own, varied
from detector_tuning import tuned
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from train_detectors import LEAST_AUC, Texts, corpus_of, measured, texts_of

from saetext.corpus.rows import PooledRows
from saetext.features.detectors import Detector, quality
from saetext.features.detectors.fitting import threshold_for
from saetext.features.detectors.scoring import raw_scores, score_rows

#: Nearness to the weights before, and the precision of the threshold. Chosen by what is printed here.
VARIED = {"moralising": (100.0, 0.85), "praise": (100.0, 0.9), "refusal": (30.0, 0.9)}
_RARE = 5  # of the lines without a property that are set aside one in so many counts: half are near misses


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("--data", "--work", "--first"):
        parser.add_argument(name, type=Path, required=True)
    root = Path(__file__).parents[1]
    parser.add_argument("-o", type=Path, default=root / "saetext/features/detectors/embedded")
    parser.add_argument("--figures", type=Path, default=root / "benchmarks/results/detectors_varied.json")
    given = parser.parse_args()
    items, others = own(), elsewhere()
    public = detector_sets.pool(given.data).to_dicts()

    def texts(name: str, rows: Any) -> Texts:
        return Texts(corpus_of(given.work, name, rows))

    mine = texts("own", lambda: [{"id": str(at), "text": item.text} for at, item in enumerate(items)])
    pool = texts("pool", lambda: public)
    far = texts("elsewhere", lambda: [{"id": str(at), "text": t.text} for at, t in enumerate(others)])
    unseen = texts("eval", lambda: detector_sets.evals(given.data).to_dicts())
    figures: dict[str, Any] = {}
    for name, (nearness, precision) in VARIED.items():
        lines = varied(name, public)
        more = texts(f"varied {name}", lambda: [{"id": str(k), "text": t.text} for k, t in enumerate(lines)])
        rows, target, held, counts = texts_of(name, mine, items, pool)
        known = known_elsewhere(name, others)
        rows = PooledRows.concatenate([rows, far.pooled.take([at for at, _ in known]), more.pooled])
        away = np.arange(len(rows)) >= len(target)
        has = np.array([line.truth[name] for line in lines])
        aside = np.array([is_held(line.group) for line in lines])
        target = np.concatenate([target, [truth for _, truth in known], has]).astype(bool)
        held = np.concatenate([held, [others[at].held for at, _ in known], aside])
        rare = np.zeros(len(target), bool)
        rare[-len(lines) :] = aside & ~has & (np.arange(len(lines)) % _RARE != 0)
        seen, apart = np.flatnonzero(~held), np.flatnonzero(held & ~rare)
        before = Detector.read(given.first / f"{name}.json")
        made = tuned(before, rows.take(seen), target[seen], away[seen], nearness)
        made = calibrated(made, rows.take(apart), target[apart], precision)
        figures[name] = {
            when: told(one, rows, target, held, len(lines)) | {"unseen": measured(one, unseen)}
            for when, one in (("before", before), ("after", made))
        }
        after = figures[name]["after"]
        assert next(iter(after["unseen"].values()))["auc"] >= LEAST_AUC, name
        auc = {"held out": after["held out"], **{k: v["auc"] for k, v in after["unseen"].items()}}
        counts = {**counts, "varied texts with": int(has.sum()), "varied texts without": int((~has).sum())}
        path = given.o / f"{name}.json"
        path.unlink(missing_ok=True)
        dataclasses.replace(made, auc=auc, made_from=counts).write(path)
        print(name, json.dumps(figures[name]), flush=True)
    given.figures.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


def calibrated(detector: Detector, rows: PooledRows, target: NDArray[np.bool_], precision: float) -> Detector:
    """Return the detector with probabilities and a threshold of this precision for texts set aside."""
    platt = LogisticRegression(C=1.0, class_weight="balanced", random_state=0)
    platt.fit(raw_scores(rows, detector)[:, None], target)
    slope, intercept = round(float(platt.coef_[0, 0]), 5), round(float(platt.intercept_[0]), 5)
    made = dataclasses.replace(detector, slope=slope, intercept=intercept)
    threshold = threshold_for(score_rows(rows, [made])[:, 0], target, precision)
    return dataclasses.replace(made, threshold=threshold)


def told(
    detector: Detector, rows: PooledRows, target: NDArray[np.bool_], held: NDArray[np.bool_], n_varied: int
) -> dict[str, float]:
    """Return figures on texts set aside: those learned from before, and the varied ones."""
    probability = score_rows(rows, [detector])[:, 0]
    new = np.arange(len(target)) >= len(target) - n_varied
    known = quality(probability[held & ~new], target[held & ~new], detector.threshold)
    lines = quality(probability[held & new], target[held & new], detector.threshold)
    false = probability[held & new & ~target] >= detector.threshold
    return {
        "threshold": detector.threshold,
        "held out": round(known.auc, 3),
        "varied lines, AUC": round(lines.auc, 3),
        "varied lines, recall": round(lines.recall, 3),
        "varied lines, false": round(float(false.mean()), 3),
    }


if __name__ == "__main__":
    main()
