"""Turn what labellers and judges wrote into the embedded reader's table of labels.

    python benchmarks/label_table.py sheets/ answers/ -o labels.parquet [--judged judged.jsonl ...]

``answers/*.jsonl`` hold ``{"feature", "label", "description", "kind"}``, written from ``sheets/sheet-NN.txt``
(see ``label_sheets.py``). ``--judged`` files hold ``{"feature", "fires": [numbers of passages, from 1]}``,
written from ``sheets/trials.jsonl`` and the labels alone (``--show-trials`` prints what a judge sees). Prints
coverage, the mean balanced accuracy with its bootstrap interval, and kinds.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from saetext.features.labelling.score import balanced_accuracy
from saetext.features.labels import FeatureLabel, FeatureLabels, identity
from saetext.reader.reader import Reader


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sheets", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--judged", type=Path, nargs="*", default=[])
    parser.add_argument("--show-trials", action="store_true")
    args = parser.parse_args()
    answers = {row["feature"]: row for path in sorted(args.answers.glob("*.jsonl")) for row in _rows(path)}
    trials = {row["feature"]: row["passages"] for row in _rows(args.sheets / "trials.jsonl")}
    if args.show_trials:
        for feature in trials.keys() & answers.keys():
            print(_shown(answers[feature], trials[feature]))
        return
    truth = {row["feature"]: row["fires"] for row in _rows(args.sheets / "truth.jsonl")}
    scores = {}
    for path in args.judged:
        for row in _rows(path):
            feature = row["feature"]
            told = [i in row["fires"] for i in range(1, len(truth[feature]) + 1)]
            scores[feature] = balanced_accuracy(truth[feature], told), len(told)
    reader = Reader.load(device="cpu", dtype="float32")
    calibration = reader.calibrations["embedded"]
    rows = [
        FeatureLabel(
            feature,
            " ".join(row["label"].split()),
            " ".join(row["description"].split()),
            row["kind"],
            source="reading",
            score=scores[feature][0] if feature in scores else None,
            score_method="reader" if feature in scores else None,
            trials=scores[feature][1] if feature in scores else None,
            density=float(calibration.density[feature]),
            top_words=tuple(calibration.top_words(feature)),
        )
        for feature, row in answers.items()
    ]
    about: dict[str, Any] = {
        **identity(reader.spec.sae("embedded")),
        "method": "written by reading strong, present and weak contexts and near misses",
        "date": dt.date.today().isoformat(),
    }
    if scores:
        values = np.array([s for s, _ in scores.values()])
        means = np.random.default_rng(0).choice(values, (2000, len(values))).mean(1)
        about["scored"] = {
            "features": len(values),
            "trials": sum(n for _, n in scores.values()),
            "mean_balanced_accuracy": round(float(values.mean()), 3),
            "interval_95": [round(float(q), 3) for q in np.percentile(means, (2.5, 97.5))],
            "below_two_thirds": int((values < 2 / 3).sum()),
        }
    labels = FeatureLabels.from_rows(rows, about)
    print(f"{len(labels):,} of {len(calibration):,} features labelled", json.dumps(about.get("scored", {})))
    print(Counter(row.kind for row in labels).most_common())
    repeated = [f"{n} x {text}" for text, n in Counter(row.label for row in labels).most_common(8) if n > 1]
    print("repeated:", "; ".join(repeated) or "none")
    if args.output is not None:
        labels.write(args.output)


def _shown(answer: dict[str, Any], passages: list[str]) -> str:
    lines = [f"### {answer['feature']}  {answer['label']}: {answer['description']}"]
    return "\n".join(lines + [f"{i}. {text}" for i, text in enumerate(passages, 1)]) + "\n"


def _rows(path: Path) -> Iterator[Any]:
    for line in path.read_text("utf-8").splitlines():
        if line.strip():
            yield json.loads(line)


if __name__ == "__main__":
    main()
