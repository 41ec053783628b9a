"""Whether three wordings of one question find the same, and whether a search says that it has no answer.

    python benchmarks/agreement.py --data ../shared/data --to DIR [--split test]

Questions are in ``agreement_queries.py``, texts are the mixed sample of ``detector_sets.evals`` with the
truths of ``detector_data.RULES`` and of the public sets. For each concept: mean average precision over its
wordings and the range of it, the share of the first twenty that two wordings have in common, the share of
texts of fewer than five tokens among the first fifty. Then how often the note of a search without an answer
is given to questions without one, and to those of ``retrieval_queries.py`` and of the concepts.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from agreement_queries import CONCEPTS, UNANSWERED
from common import RESULTS, environment, save, say
from detector_data import RULES
from numpy.typing import NDArray
from retrieval_data import properties

if TYPE_CHECKING:
    import polars as pl

    from saetext.analysis.search import Searcher

SHORT = 5  # tokens


@dataclasses.dataclass(frozen=True, eq=False)
class Truth:
    """Which texts have a property, and of which it is known."""

    has: NDArray[np.bool_]
    known: NDArray[np.bool_]


def in_half(names: list[str], split: str) -> list[str]:
    """Every second name, from the first for development and from the second for the figures."""
    return names[split == "test" :: 2]


def truth(table: pl.DataFrame, name: str, kind: str) -> Truth:
    """What is true of each text of the sample."""
    if kind == "rule":
        said = [RULES[name](text) for text in table["text"].to_list()]
        return Truth(np.array([s is True for s in said]), np.array([s is not None for s in said]))
    known = (table["source"] == kind).to_numpy()
    labels = [(each or "").split(",") for each in table["prompt"].to_list()]
    return Truth(known & np.array([name in each for each in labels]), known)


def scores(searcher: Searcher, text: str, detectors: bool) -> NDArray[np.float64]:
    """The score of every text, by features alone or, as a search does, by a detector where one is meant."""
    from saetext.analysis.search.by_detector import detector_meant
    from saetext.analysis.search.request import SearchRequest

    meant = detector_meant(searcher, [(text, False)], SearchRequest()) if detectors else None
    if meant is not None:
        return meant.scored.score
    return searcher.scorer.score(searcher.build_query(text)).score


def measured(searcher: Searcher, table: pl.DataFrame, split: str, detectors: bool) -> list[dict[str, Any]]:
    """One row a concept."""
    tokens = table["n_tokens"].to_numpy()
    rows = []
    for name in in_half(list(CONCEPTS), split):
        kind, wordings = CONCEPTS[name]
        true = truth(table, name, kind)
        precision, firsts, fifty, short = [], [], [], []
        for text in wordings:
            order = np.argsort(-scores(searcher, text, detectors), kind="stable")
            hit = true.has[order[true.known[order]]]
            at = np.flatnonzero(hit)
            precision.append(float((np.arange(1, len(at) + 1) / (at + 1)).mean()))
            fifty.append(float(hit[:50].mean()))
            firsts.append(set(order[:20].tolist()))
            short.append(float((tokens[order[:50]] < SHORT).mean()))
        common = [len(a & b) / 20 for a, b in combinations(firsts, 2)]
        rows.append(
            {
                "concept": name,
                "map": float(np.mean(precision)),
                "range": max(precision) - min(precision),
                "p50": float(np.mean(fifty)),
                "common": float(np.mean(common)),
                "short": float(np.mean(short)),
            }
        )
    return rows


def answerable(split: str) -> Iterator[str]:
    """Questions that have an answer: those of both benchmarks."""
    for each in properties():
        if each.split == split:
            yield from each.phrasings
    for name in in_half(list(CONCEPTS), split):
        yield from CONCEPTS[name][1]


def noted(searcher: Searcher, split: str) -> dict[str, Any]:
    """How often a search says that nothing is close to what is asked for."""
    from saetext.analysis.search.by_detector import means_detector
    from saetext.analysis.search.unanswered import is_unanswered

    def told(text: str) -> bool:
        asked = searcher.resources.asked(text)
        return asked is not None and means_detector(asked) is None and is_unanswered(asked)

    without = in_half(list(UNANSWERED), split)
    having = list(dict.fromkeys(answerable(split)))
    caught, wrong = [q for q in without if told(q)], [q for q in having if told(q)]
    return {
        "without an answer": len(without), "told": len(caught), "with an answer": len(having),
        "wrongly told": len(wrong), "recall": round(len(caught) / len(without), 3),
        "precision": round(len(caught) / max(len(caught) + len(wrong), 1), 3),
        "false alarms": wrong, "missed": [q for q in without if q not in caught],
    }  # fmt: skip


def open_sample(data: Path, to: Path) -> tuple[Searcher, pl.DataFrame]:
    """The mixed sample, encoded where that has not been done, with its table in the corpus's order."""
    from detector_sets import evals

    from saetext import Corpus, Searcher, encode

    path = to / "mixed.corpus"
    if not (path / "manifest.json").is_file():
        encode(evals(data), path)
    searcher = Searcher(Corpus.open(path))
    return searcher, searcher.corpus.documents.select("text", "prompt", "source", "n_tokens").collect()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--save", type=Path, default=RESULTS / "agreement.json")
    args = parser.parse_args()
    searcher, table = open_sample(args.data, args.to)
    found: dict[str, Any] = {}
    for title, detectors in (("features", False), ("with detectors", True)):
        rows = measured(searcher, table, args.split, detectors)
        figures = [m for m in rows[0] if m != "concept"]
        mean = {m: round(float(np.mean([row[m] for row in rows])), 4) for m in figures}
        each = [{**row, **{m: round(row[m], 4) for m in figures}} for row in rows]
        found[title] = {"mean": mean, "concepts": each}
    names = list(found["features"]["mean"])
    say(args.split, [["", *names]] + [[t, *(each["mean"][n] for n in names)] for t, each in found.items()])
    found["note"] = noted(searcher, args.split)
    say("note", [[name, str(told)] for name, told in found["note"].items()])
    save(args.save, args.split, {"environment": environment(), **found})


if __name__ == "__main__":
    main()
