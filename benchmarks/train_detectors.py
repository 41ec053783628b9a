# ruff: noqa: E501  # patterns and lists of sets are read better unbroken
"""Learn, calibrate and measure the detectors that come with saetext.

    python benchmarks/train_detectors.py --data DATA --work DIR    write those that reach AUC .85, and a table

Texts are those of benchmarks/detector_texts (ours) and, of DATA, permissive sets; others only measure. Encoded
corpora are kept in DIR. Not for: making one of your own, which is `saetext detector make`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import detector_sets
import numpy as np
from detector_data import BY_SOURCE, RULES, TEACHING, TITLES, is_held, own
from numpy.typing import NDArray

import saetext
from saetext.corpus import Corpus
from saetext.corpus.rows import PooledRows
from saetext.errors import InputError
from saetext.features.detectors import Detector, fit, quality
from saetext.features.detectors.scoring import score_rows

LEAST_AUC = 0.85
REACH = 12  # tokens on either side of a place that a passage has
#: What a sentence or two can have, in a text of any length. A call to action is one, too, but by passages its AUC on the
#: unseen set is .85 instead of .92: a single imperative is no call.
BY_PASSAGE = {
    "refusal", "apology", "as_an_ai", "question_back", "praise", "moralising", "first_person", "hedging", "enthusiasm",
    "thanks",
}  # fmt: skip
_MOST = {True: 500, False: 1500}  # texts of the pool with and without a property
Truth = Callable[[dict[str, str]], bool | None]


def corpus_of(folder: Path, name: str, rows: Callable[[], list[dict[str, str]]]) -> Corpus:
    path = folder / f"{name}.corpus"
    return Corpus.open(path) if path.exists() else saetext.encode(rows(), path)


def _rule(name: str) -> Truth:
    return lambda row: RULES[name](row["text"])


def _labelled(*has: str, lacks: tuple[str, ...] | None = None) -> Truth:
    """Whether any label is among these; None for labels that are on neither side."""

    def truth(row: dict[str, str]) -> bool | None:
        labels = set(row["prompt"].split(","))
        if labels & set(has):
            return True
        return False if lacks is None or labels <= set(lacks) else None

    return truth


def _story(row: dict[str, str]) -> bool | None:
    prompt = row["prompt"].lower()
    if "story" in prompt or "fairy tale" in prompt:
        return True if len(row["text"].split()) >= 80 else None
    return None if "write" in prompt or "poem" in prompt or "script" in prompt else False


def _poem(row: dict[str, str]) -> bool | None:
    prompt = row["prompt"].lower()
    if any(word in prompt for word in ("poem", "haiku", "sonnet", "limerick")):
        return True if row["text"].count("\n") >= 2 else None
    return None if "song" in prompt or "lyric" in prompt or "rap" in prompt or "vers" in prompt else False


def _admired(row: dict[str, str]) -> bool | None:
    mine = set(row["prompt"].split(","))
    if "admiration" in mine:
        return True if " you" in f" {row['text'].lower()}" else None
    return None if mine & {"love", "gratitude", "approval", "joy", "excitement"} else False


def _prompt_label(*labels: str) -> Truth:
    return lambda row: any(label in row["prompt"].split(":")[0] for label in labels)


_FLAT = (
    "neutral",
    "disapproval",
    "anger",
    "curiosity",
    "sadness",
    "confusion",
    "remorse",
    "annoyance",
    "realization",
)
#: property: set of texts and what is true of them; the first one decides whether a detector is shipped.
UNSEEN: dict[str, list[tuple[str, Truth]]] = {
    "refusal": [("alpaca", _rule("refusal"))],
    "apology": [("alpaca", _rule("apology")), ("politeness", _rule("apology")), ("goemotions", _rule("apology"))],
    "as_an_ai": [("alpaca", _rule("as_an_ai"))],
    "question_back": [("alpaca", _rule("question_back")), ("selfinstruct", _rule("question_back"))],
    "praise": [("goemotions", _admired), ("alpaca", _rule("praise"))],
    "moralising": [("alpaca", _rule("moralising"))],
    "first_person": [("alpaca", _rule("first_person")), ("goemotions", _rule("first_person")),
                     ("politeness", _rule("first_person")), ("subjectivity", _rule("first_person"))],
    "instructions": [("alpaca", _rule("instructions")), ("selfinstruct", _rule("instructions"))],
    "uncertainty": [("reasoning", _labelled("uncertainty-estimation")), ("goemotions", _labelled("confusion", lacks=("neutral", "admiration", "anger", "joy", "love", "gratitude", "sadness")))],
    "hedging": [("alpaca", _rule("hedging")), ("goemotions", _rule("hedging")), ("politeness", _rule("hedging"))],
    "backtracking": [("reasoning", _labelled("backtracking"))],
    "enthusiasm": [("goemotions", _labelled("excitement", lacks=_FLAT)), ("alpaca", _rule("enthusiasm"))],
    "thanks": [("goemotions", _labelled("gratitude")), ("politeness", _rule("thanks")), ("alpaca", _rule("thanks"))],
    "formality": [("agnews+onestop against goemotions+dialogue", lambda row: row["source"] in ("agnews", "onestop"))],
    "politeness": [("politeness", _labelled("polite", lacks=("impolite",)))],
    "narrative": [("alpaca", _story), ("subjectivity", _labelled("objective"))],
    "code": [("alpaca", _rule("code")), ("selfinstruct", _rule("code")), ("prompts", _prompt_label("code", "coding"))],
    "mathematics": [("alpaca", _rule("mathematics")), ("prompts", _prompt_label("math"))],
    "list": [("alpaca", _rule("list")), ("selfinstruct", _rule("list"))],
    "table": [("alpaca", _rule("table"))],
    "call_to_action": [("alpaca", _rule("call_to_action")), ("selfinstruct", _rule("call_to_action"))],
    "poetry": [("alpaca", _poem)],
}  # fmt: skip


class Texts:
    """A corpus with its rows and pooled features."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.pooled = PooledRows.concatenate(list(corpus.rows()))
        self.rows: list[dict[str, Any]] = corpus.documents.collect().to_dicts()


def learned(name: str, mine: Texts, items: list[Any], pool: Texts) -> tuple[Detector, dict[str, int]]:
    """Return a detector of our texts and the pool, and how many of each it was learned from."""
    texts, target, aside, counts = texts_of(name, mine, items, pool)
    title, description = TITLES[name]
    sae = mine.corpus.spec.sae()
    made = fit(texts, target, aside, sae, name=name, title=title, description=description,
               reach=REACH if name in BY_PASSAGE else 0)  # fmt: skip
    return made, counts


def texts_of(
    name: str, mine: Texts, items: list[Any], pool: Texts
) -> tuple[PooledRows, NDArray[np.bool_], NDArray[np.bool_], dict[str, int]]:
    """Return our texts and the pool's of which it is known, whether they have it, which are set aside, counts."""
    rows = [(at, bool(item.truth[name])) for at, item in enumerate(items) if name in item.truth]
    held = [is_held(items[at].group) for at, _ in rows]
    found: dict[bool, list[int]] = {True: [], False: []}
    order = sorted(range(len(pool.rows)), key=lambda at: zlib.crc32(pool.rows[at]["id"].encode()))
    for at in order:
        truth = _in_pool(name, pool.rows[at])
        if truth is not None and len(found[truth]) < _MOST[truth]:
            found[truth].append(at)
    there = [(at, truth) for truth in found for at in found[truth]]
    texts = PooledRows.concatenate(
        [mine.pooled.take([at for at, _ in rows]), pool.pooled.take([at for at, _ in there])]
    )
    target = np.array([truth for _, truth in (*rows, *there)])
    aside = np.array([*held, *(is_held(pool.rows[at]["id"]) for at, _ in there)])
    counts = {
        "own texts with": sum(truth for _, truth in rows), "own texts without": sum(not t for _, t in rows),
        "pool with": len(found[True]), "pool without": len(found[False]), "held out": int(aside.sum()),
    }  # fmt: skip
    return texts, target, aside, counts


def _in_pool(name: str, row: dict[str, Any]) -> bool | None:
    if row["source"] == "goemotions_train":
        return None  # goemotions measures
    if name in BY_SOURCE:
        has, lacks = BY_SOURCE[name]
        if row["source"] in has or row["source"] in lacks:
            return row["source"] in has
        if name not in RULES:
            return None
    truth = RULES[name](row["text"])
    return None if truth and name not in TEACHING else truth


def measured(made: Detector, unseen: Texts) -> dict[str, dict[str, float]]:
    """Return figures on each set that was not learned from."""
    probability = score_rows(unseen.pooled, [made])[:, 0]
    length = np.log(np.array([row["n_tokens"] + 1 for row in unseen.rows]))
    found = {}
    for source, truth_of in UNSEEN[made.name]:
        sources = set(source.replace(" against ", "+").split("+"))
        rows = [(at, truth_of(row)) for at, row in enumerate(unseen.rows) if row["source"] in sources]
        known = [(at, truth) for at, truth in rows if truth is not None]
        at, target = np.array([a for a, _ in known]), np.array([bool(t) for _, t in known])
        if target.sum() < 8 or (~target).sum() < 8:
            continue
        figures = dataclasses.asdict(quality(probability[at], target, made.threshold))
        without = at[~target]
        figures["length correlation"] = _spearman(probability[without], length[without])
        found[source] = {key: round(float(value), 3) for key, value in figures.items()}
    return found


def _spearman(a: NDArray[Any], b: NDArray[Any]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", nargs="*")
    root = Path(__file__).parents[1]
    parser.add_argument("-o", type=Path, default=root / "saetext/features/detectors/embedded")
    parser.add_argument("--figures", type=Path, default=root / "benchmarks/results/detectors.json")
    given = parser.parse_args()
    for folder in (given.work, given.o):
        folder.mkdir(parents=True, exist_ok=True)
    items = own()
    mine = Texts(
        corpus_of(given.work, "own", lambda: [{"id": str(i), "text": t.text} for i, t in enumerate(items)])
    )
    pool = Texts(corpus_of(given.work, "pool", lambda: detector_sets.pool(given.data).to_dicts()))
    unseen = Texts(corpus_of(given.work, "eval", lambda: detector_sets.evals(given.data).to_dicts()))
    figures: dict[str, Any] = {}
    words = np.array([len(item.text.split()) == 1 for item in items])
    for name in given.only or TITLES:
        try:
            made, counts = learned(name, mine, items, pool)
        except InputError as error:
            print(name, error, file=sys.stderr)
            continue
        sets = measured(made, unseen)
        auc = {**made.auc, **{key: value["auc"] for key, value in sets.items()}}
        made = dataclasses.replace(made, auc={k: round(v, 3) for k, v in auc.items()}, made_from=counts)
        ships = bool(sets) and next(iter(sets.values()))["auc"] >= LEAST_AUC
        single = score_rows(mine.pooled.take(np.flatnonzero(words)), [made])[:, 0]
        one_word = float((single >= made.threshold).mean())
        figures[name] = {
            "shipped": ships, "made_from": counts, "held out": made.auc["held out"],
            "threshold": made.threshold, "one word above threshold": round(one_word, 3), "unseen": sets,
        }  # fmt: skip
        path = given.o / f"{name}.json"
        if ships:
            made.write(path)
        else:
            path.unlink(missing_ok=True)
        print(
            name,
            "ships" if ships else "NOT SHIPPED",
            made.auc["held out"],
            made.threshold,
            f"1 word {one_word:.2f}",
        )
        for key, value in sets.items():
            print("   ", key, value, flush=True)
    given.figures.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
