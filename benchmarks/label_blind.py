"""Blind sheets that score old and new labels of a shipped reader on the same contexts, and the scores.

    python benchmarks/label_blind.py make work/ before.parquet answers/ -o blind/ [--reader embedded]
    python benchmarks/label_blind.py score blind/ judged/*.jsonl

``make`` draws two samples by a seed: ``all``, 200 features of the whole SAE (of those that are in enough of
the documents), and ``read``, 150 of those that were read again with ``label_screen.py`` (``answers/``). For
each feature twelve contexts are drawn from the texts kept apart (``work/held-*.npz``), which no sheet
shows: six where it is present, one a document, from its whole range above the threshold; up to three that
hold one of its words without firing; and random ones. ``form-1.txt`` and ``form-2.txt`` show a label and
those contexts, without activations; a coin decides for each feature which form has the old label and which
the new, and a judge should see one of these forms only. Labels that did not change are in ``form-0.txt``:
they count on both sides. The judge writes ``{"item": 17, "fires": [1, 4, 9]}`` a line, for every item, into
a file whose name has the form's (``form-1.jsonl``). ``key.json`` has the truth. ``score`` prints balanced
accuracies with bootstrap intervals.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from label_amend import answers
from label_reading import Read, occurrences
from label_screen import kept, shipped_reader

from saetext.features.labelling.score import balanced_accuracy
from saetext.features.labels import FeatureLabels
from saetext.reader.shipped import READERS

PER_SIDE = 6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make")
    making.add_argument("work", type=Path)
    making.add_argument("before", type=Path)
    making.add_argument("answers", type=Path)
    making.add_argument("-o", "--output", type=Path, required=True)
    making.add_argument("--all", type=int, default=200)
    making.add_argument("--read", type=int, default=150)
    making.add_argument("--seed", type=int, default=11)
    making.add_argument("--reader", default="smollm2", choices=[shipped.name for shipped in READERS])
    making.set_defaults(run=_make)
    scoring = commands.add_parser("score")
    scoring.add_argument("blind", type=Path)
    scoring.add_argument("judged", type=Path, nargs="+")
    scoring.set_defaults(run=_score)
    args = parser.parse_args()
    args.run(args)


def _make(args: argparse.Namespace) -> None:
    args.output.mkdir(parents=True)
    shipped = shipped_reader(args.reader)
    calibration = shipped.load_calibration()
    held = kept(args.work, "held", len(calibration))
    before, after = FeatureLabels.read(args.before), FeatureLabels.read(shipped.labels_path)
    rng = np.random.default_rng(args.seed)
    places = occurrences(held.words)
    given = {a.feature: a.verdict for a in answers(args.answers)}
    key: dict[str, dict[str, object]] = {}
    forms: dict[int, list[str]] = {0: [], 1: [], 2: []}
    drawn: dict[int, tuple[list[str], list[bool]]] = {}
    samples = {}
    wanted = (("all", range(len(calibration)), args.all), ("read", sorted(given), args.read))
    for name, pool, count in wanted:
        samples[name] = []
        for feature in rng.permutation(list(pool)).tolist():
            if len(samples[name]) == count:
                break
            if feature not in drawn:
                threshold = float(calibration.thresholds[feature])
                trial = contexts(held, feature, threshold, calibration.top_words(feature), places, rng)
                if trial is None:
                    continue
                drawn[feature] = trial
            samples[name].append(feature)
    for item, feature in enumerate(rng.permutation(sorted(drawn)).tolist(), 1):
        passages, truth = drawn[feature]
        told = {side: _told(table, feature) for side, table in (("before", before), ("after", after))}
        first = "both" if told["before"] == told["after"] else str(rng.choice(["before", "after"]))
        sides = {0: first} if first == "both" else {1: first, 2: {"before": "after"}.get(first, "before")}
        for form, side in sides.items():
            label = told["after" if side == "both" else side]
            lines = [f"### item {item}: {label}", *(f"{i}. {text}" for i, text in enumerate(passages, 1))]
            forms[form].append("\n".join(lines))
        key[str(item)] = {
            "feature": feature,
            "fires": truth,
            "forms": {str(form): side for form, side in sides.items()},
            "samples": [name for name, some in samples.items() if feature in some],
            "verdict": given.get(feature, "not read"),
        }
    for form, blocks in forms.items():
        (args.output / f"form-{form}.txt").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    (args.output / "key.json").write_text(json.dumps(key))
    print({name: len(some) for name, some in samples.items()}, {f: len(b) for f, b in forms.items()}, "items")


def contexts(
    held: Read,
    feature: int,
    threshold: float,
    top_words: list[str],
    places: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> tuple[list[str], list[bool]] | None:
    """Return passages and which of them fire, or None where the feature is in too few documents."""
    tokens, values = held.of(feature)
    above = rng.permutation(np.flatnonzero(values > threshold))
    _, once = np.unique(held.document[tokens[above]], return_index=True)
    fires: list[str] = []
    for i in rng.permutation(above[once]):
        text = held.passage(int(tokens[i]), False)
        if len(fires) < PER_SIDE and not any(_alike(text, other) for other in fires):
            fires.append(text)
    if len(fires) < PER_SIDE:
        return None
    firing = np.zeros(len(held.words), bool)
    firing[tokens] = True
    near = []
    for word in top_words[:4]:
        for token in rng.permutation(places.get(word, np.empty(0, np.int64)))[:30].tolist():
            if not firing[max(0, token - 3) : token + 4].any():
                near.append(token)
                break
    silent: list[str] = []
    for token in [*near[:3], *rng.integers(0, len(held.words), 80).tolist()]:
        low, high = held.span(token)
        text = held.passage(token, False)
        if len(silent) == PER_SIDE or firing[low : high + 1].any():
            continue
        if not any(_alike(text, other) for other in [*fires, *silent]):
            silent.append(text)
    if len(silent) < PER_SIDE:
        return None
    rows = [(text, True) for text in fires] + [(text, False) for text in silent]
    mixed = [rows[i] for i in rng.permutation(len(rows))]
    return [text for text, _ in mixed], [fire for _, fire in mixed]


def _alike(one: str, other: str) -> bool:
    """Whether two passages are of one text, perhaps an edit of it."""
    words = [set(text.lower().split()) for text in (one, other)]
    return len(words[0] & words[1]) > 0.6 * min(map(len, words))


def _told(labels: FeatureLabels, feature: int) -> str:
    row = labels[feature]
    return ": ".join(filter(None, (row.label, row.description)))


def _score(args: argparse.Namespace) -> None:
    key = json.loads((args.blind / "key.json").read_text("utf-8"))
    scores: dict[str, dict[str, float]] = {"before": {}, "after": {}}
    for path in args.judged:
        form = next((form for form in "012" if f"form-{form}" in path.name), None)
        if form is None:
            raise SystemExit(f"{path}: the name says which form it is, such as form-1-a.jsonl")
        for line in filter(str.strip, path.read_text("utf-8").splitlines()):
            row = json.loads(line)
            item = key[str(row["item"])]
            told = [i in row["fires"] for i in range(1, len(item["fires"]) + 1)]
            value = balanced_accuracy(item["fires"], told)
            side = item["forms"][form]
            for one in ("before", "after") if side == "both" else (side,):
                scores[one][str(row["item"])] = value
    done = scores["before"].keys() & scores["after"].keys()
    print(f"{len(done)} of {len(key)} items judged on both sides")
    groups = {
        "all": [i for i in done if "all" in key[i]["samples"]],
        "read": [i for i in done if "read" in key[i]["samples"]],
        "changed": [i for i in done if "0" not in key[i]["forms"]],
    }
    groups |= {
        v: [i for i in groups["changed"] if key[i]["verdict"] == v] for v in ("right", "partial", "wrong")
    }
    for name, items in groups.items():
        if items:
            pairs = np.array([[scores[side][i] for side in ("before", "after")] for i in sorted(items)])
            pairs = np.c_[pairs, pairs[:, 1] - pairs[:, 0]]
            means = np.random.default_rng(0).choice(pairs, (2000, len(pairs))).mean(1)
            low, high = np.percentile(means, (2.5, 97.5), axis=0)
            words = (
                f"{what} {m:.3f} [{a:.3f}, {b:.3f}]"
                for what, m, a, b in zip(
                    ("before", "after", "difference"), pairs.mean(0), low, high, strict=True
                )
            )
            print(f"{name:8} {len(items):4}", *words)


if __name__ == "__main__":
    main()
