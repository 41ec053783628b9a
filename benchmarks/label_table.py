"""Turn what labellers and judges wrote into a reader's table of labels, and its themes.

    python benchmarks/label_table.py sheets/ answers/ -o labels.parquet [--judged judged.jsonl ...]
    python benchmarks/label_table.py sheets/ answers/ --reader smollm2 -o labels.parquet --themes themes.json

``answers/*.jsonl`` hold ``{"feature", "label", "description", "kind"}``, written from the sheets (see
``label_sheets.py``; the description may be missing), and the ``theme`` where ``--themes`` is asked for: an id
of the embedded reader's themes or of ``MORE_THEMES``; a feature without one is in ``other``. ``--judged``
files hold ``{"feature", "fires": [numbers of passages, from 1]}``,
written from ``sheets/trials.jsonl`` and the labels alone (``--show-trials`` prints what a judge sees). Prints
coverage, the mean balanced accuracy with its bootstrap interval, and kinds.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from label_reading import open_reader

from saetext.features.labelling.score import balanced_accuracy
from saetext.features.labels import FeatureLabel, FeatureLabels, identity
from saetext.features.themes import OTHER, Theme, Themes

#: What only a reader of raw text sees: id, name, description, kind.
MORE_THEMES = (
    ("emoji", "Emoji", "Emoji and pictorial signs.", "format"),
    (
        "capitals",
        "Capital letters",
        "Words in capitals, or capitals where small letters are usual.",
        "format",
    ),
    ("line-breaks", "Line breaks", "Ends of lines, blank lines, new paragraphs and indentation.", "format"),
    ("bold", "Bold and italics", "Asterisks and underscores that mark words.", "format"),
    ("code-fences", "Code blocks", "Fences around code, and code set in backticks.", "format"),
    ("numbered-steps", "Numbered items", "Numbers or letters that open items and steps.", "format"),
    (
        "answer-openings",
        "How an answer opens",
        'First words of an answer, such as "Sure" or "Great question".',
        "discourse",
    ),
    (
        "offers-closings",
        "Offers and closings",
        'Last words of an answer, such as "Let me know if".',
        "discourse",
    ),
    (
        "persona",
        "The assistant about itself",
        "What an assistant is, can and cannot do as a machine.",
        "discourse",
    ),
    ("reasoning", "Reasoning moves", "Steps, checks and second thoughts of a reasoning text.", "discourse"),
    ("word-pieces", "Pieces of words", "Fragments of words by their letters.", "form"),
    ("letters-mail", "Letters and mail", "Openings, closings and fields of letters and mails.", "format"),
    ("json-data", "Data formats", "JSON, YAML, XML, CSV and logs.", "format"),
    ("shell", "Shell and commands", "Command lines and their output.", "format"),
    ("sql", "Databases and SQL", "Queries, tables and databases.", "topic"),
    ("web-code", "Web pages in code", "HTML, CSS and JavaScript.", "format"),
    (
        "ethics-safety",
        "Safety and ethics",
        "Harm, safety, law and ethics in what is asked or answered.",
        "topic",
    ),
    ("psychology", "Mind and wellbeing", "Stress, habits, therapy and mental health.", "topic"),
    ("recipes", "Recipes", "Ingredients, amounts and steps of cooking.", "topic"),
    ("fitness", "Exercise and fitness", "Training, sport for health, weight.", "topic"),
    ("history", "History", "Past events, eras and people of history.", "topic"),
    ("geography", "Geography", "Continents, rivers, capitals and maps.", "topic"),
    ("biology", "Living things", "Cells, species, bodies and evolution.", "topic"),
    ("physics-chemistry", "Physics and chemistry", "Forces, matter, reactions and elements.", "topic"),
    ("space", "Space", "Planets, stars and spaceflight.", "topic"),
    ("data-statistics", "Data and statistics", "Data sets, analysis, probability and charts.", "topic"),
    ("machine-learning", "Machine learning", "Models, training and artificial intelligence.", "topic"),
    ("marketing", "Marketing", "Products, customers, brands and sales.", "topic"),
    ("writing-editing", "Writing and editing", "Essays, drafts, titles, style and grammar.", "topic"),
    ("poems-songs", "Poems and songs", "Verse, rhyme and lyrics.", "style"),
)

_REST = (OTHER, "Other", "Features without a sensible theme.", "form")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sheets", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--judged", type=Path, nargs="*", default=[])
    parser.add_argument("--show-trials", action="store_true")
    parser.add_argument("--reader", default="embedded", help="a name, or a directory with an SAE")
    parser.add_argument(
        "--method",
        default="written by reading strong and ordinary contexts and near misses",
        help="to record",
    )
    parser.add_argument("--themes", type=Path, help="write the themes that the answers name")
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
    reader = open_reader(args.reader)
    [calibration] = reader.calibrations.values()
    rows = [
        FeatureLabel(
            feature,
            " ".join(row["label"].split()),
            " ".join(row.get("description", "").split()),
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
        **identity(reader.spec.sae()),
        "method": args.method,
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
    if args.themes is not None:
        _themes(answers, identity(reader.spec.sae())).write(args.themes)


def _themes(answers: dict[int, dict[str, Any]], made_for: dict[str, Any]) -> Themes:
    """Return the themes that the answers name; a feature without one is in the theme of others."""
    features: dict[str, list[int]] = defaultdict(list)
    for feature, row in answers.items():
        features[row.get("theme") or OTHER].append(feature)
    known = {theme.id: theme for theme in Themes.load("embedded")}
    known |= {more[0]: Theme(*more, features=(0,)) for more in (*MORE_THEMES, _REST)}
    if unknown := features.keys() - known.keys():
        raise SystemExit(f"no such theme: {', '.join(sorted(unknown))}")
    made = [dataclasses.replace(known[id], features=tuple(some)) for id, some in features.items()]
    return Themes(tuple(sorted(made, key=lambda t: (t.id == OTHER, t.id))), made_for)


def _shown(answer: dict[str, Any], passages: list[str]) -> str:
    told = ": ".join(filter(None, (answer["label"], answer.get("description", ""))))
    lines = [f"### {answer['feature']}  {told}"]
    return "\n".join(lines + [f"{i}. {text}" for i, text in enumerate(passages, 1)]) + "\n"


def _rows(path: Path) -> Iterator[Any]:
    for line in path.read_text("utf-8").splitlines():
        if line.strip():
            yield json.loads(line)


if __name__ == "__main__":
    main()
