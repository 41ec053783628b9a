"""Learn, calibrate and measure the detectors of topics that come with saetext.

    python benchmarks/train_topics.py --data DATA --work DIR    write those that reach AUC .85, and a table

Of each topic some 26 sentences of ours are learned from (``detector_texts/topics.jsonl``), alone and among
others, against sentences of the other topics and against permissive public texts. Encoded corpora are kept in
DIR. Not for: what the texts are (``topic_data.py``), or detectors of what texts do (``train_detectors.py``).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from detector_data import is_held
from numpy.typing import NDArray
from topic_data import TOPICS, about, own, own_words, pool, unseen, words
from train_detectors import LEAST_AUC, REACH, Texts, corpus_of

from saetext.corpus.rows import PooledRows
from saetext.features.detectors import Detector, fit, quality
from saetext.features.detectors.fitting import threshold_for
from saetext.features.detectors.scoring import score_rows

#: Precision that the threshold is chosen for, where a tenth of the texts have a topic. Detectors of what
#: texts do ask for .9, but here most texts without it are sentences about other topics, which share words.
PRECISION = 0.8

Bools = NDArray[np.bool_]


def _rows(texts: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{"id": str(at), "text": text["text"]} for at, text in enumerate(texts)]


def learned(topic: str, mine: Texts, ours: list[Any], public: Texts, texts: list[Any]) -> tuple[Any, ...]:
    """Return a detector, and of the texts set aside their probabilities and truths."""
    told = own_words()[topic]
    without = np.flatnonzero([not words(text["text"]) & told for text in texts])
    rows = PooledRows.concatenate([mine.pooled, public.pooled.take(without)])
    target = np.array([topic in text["topics"] for text in ours] + [False] * len(without))
    aside = np.array([text["held"] for text in ours] + [is_held(texts[at]["id"]) for at in without])
    title, description, _ = TOPICS[topic]
    made = fit(rows, target, aside, mine.corpus.spec.sae(), name=topic, title=title,
               description=description, reach=REACH)  # fmt: skip
    counts = {
        "own texts with": int(target.sum()), "own texts without": int((~target[: len(ours)]).sum()),
        "pool without": len(without), "held out": int(aside.sum()),
    }  # fmt: skip
    made = dataclasses.replace(made, made_from=counts)
    return made, score_rows(rows, [made])[aside, 0], target[aside]


def measured(made: Detector, there: Texts, texts: list[Any]) -> dict[str, float]:
    """Return figures on texts that were not learned from, of those of which the rule can tell."""
    truths = [about(made.name, text["text"]) for text in texts]
    known = np.array([truth is not None for truth in truths])
    target = np.array([bool(truth) for truth in truths])[known]
    probability = score_rows(there.pooled, [made])[known, 0]
    figures = dataclasses.asdict(quality(probability, target, made.threshold))
    return {key: round(float(value), 3) for key, value in figures.items()}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    root = Path(__file__).parents[1]
    parser.add_argument("-o", type=Path, default=root / "saetext/features/detectors/topics")
    parser.add_argument("--figures", type=Path, default=root / "benchmarks/results/topics.json")
    given = parser.parse_args()
    for folder in (given.work, given.o):
        folder.mkdir(parents=True, exist_ok=True)
    ours, texts, others = own(), pool(given.data), unseen(given.data)
    mine = Texts(corpus_of(given.work, "own", lambda: _rows(ours)))
    public = Texts(corpus_of(given.work, "pool", lambda: _rows(texts)))
    there = Texts(corpus_of(given.work, "unseen", lambda: _rows(others)))
    made = {topic: learned(topic, mine, ours, public, texts) for topic in TOPICS}
    # each topic has but a few texts set aside, so one threshold is chosen on those of all
    probability, target = (np.concatenate([one[at] for one in made.values()]) for at in (1, 2))
    threshold = threshold_for(probability, target, PRECISION)
    figures: dict[str, Any] = {"threshold": threshold}
    for topic, (detector, held, truth) in made.items():
        one = dataclasses.replace(detector, threshold=threshold)
        found = measured(one, there, others)
        one = dataclasses.replace(one, auc={**one.auc, "by rule": found["auc"]})
        above = held >= threshold
        figures[topic] = {
            "shipped": found["auc"] >= LEAST_AUC, "made_from": detector.made_from,
            "held out": {
                "auc": one.auc["held out"], "recall": round(float(above[truth].mean()), 3),
                "false": round(float(above[~truth].mean()), 3),
            },
            "unseen": found,
        }  # fmt: skip
        path = given.o / f"{topic}.json"
        if figures[topic]["shipped"]:
            one.write(path)
        else:
            path.unlink(missing_ok=True)
        print(topic, "ships" if figures[topic]["shipped"] else "NOT SHIPPED", figures[topic], flush=True)
    given.figures.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
