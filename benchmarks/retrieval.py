"""How well properties of texts are found: by features, sentence embeddings, words, and their fusion.

    python benchmarks/retrieval.py --data ../shared/data --to DIR [--split test]

Properties and phrasings are in ``retrieval_queries.py``; half of each pool's properties are for development
(all settings were chosen there), the other half for the figures. A method ranks the whole pool for each
phrasing; average precision and the rest are means over phrasings, then over properties, with bootstrap
intervals over properties. ``--examples`` compares probes that learn from 5 and 20 examples instead. The pools
are encoded and indexed where they are not yet (``retrieval_data.py``).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from common import RESULTS, environment, save, say
from numpy.typing import NDArray
from retrieval_data import Property, mean_activations, pools, properties, relevant
from retrieval_queries import POOLS

if TYPE_CHECKING:
    import polars as pl

    from saetext.analysis.search import Searcher

METRICS = ("map", "p10", "p50", "ndcg10")
EXAMPLES = (5, 20)
DRAWS = 3  # sets of examples of each size
RESAMPLES = 2000

Floats = NDArray[np.float64]


def measures(order: NDArray[np.int64], truth: NDArray[np.bool_]) -> dict[str, float]:
    """Average precision, precision at 10 and 50, nDCG at 10 of a ranking of all documents."""
    hit = truth[order]
    at = np.flatnonzero(hit)
    gain = 1 / np.log2(np.arange(2, 12))
    best = gain[: min(10, int(truth.sum()))].sum()
    return {
        "map": float((np.arange(1, len(at) + 1) / (at + 1)).mean()),
        "p10": float(hit[:10].mean()),
        "p50": float(hit[:50].mean()),
        "ndcg10": float((gain[: len(hit[:10])] * hit[:10]).sum() / best),
    }


def ranking(score: Floats) -> NDArray[np.int64]:
    """Rows by score, earlier ones first on a tie."""
    return np.argsort(-score, kind="stable")


class Methods:
    """What is compared on one pool; every method ranks all of its documents."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher
        index = searcher.resources.vectors("dense")
        self.vectors = np.stack([index.vector(row) for row in range(len(index))])

    def rank(self, text: str, weights: Mapping[str, float] | None = None) -> dict[str, NDArray[np.int64]]:
        """Return method to rows, best first."""
        from saetext.analysis.search.asking import NoFeatureError
        from saetext.analysis.search.fusing import fuse
        from saetext.analysis.search.paging import WEIGHTS

        searcher = self.searcher
        n = len(self.vectors)
        found: dict[str, NDArray[np.int64]] = {}
        with contextlib.suppress(NoFeatureError):
            found["features"] = ranking(searcher.scorer.score(searcher.build_query(text)).score)
        found["dense"] = ranking(self.vectors @ searcher.resources.embedder.embed([text])[0])
        known = searcher.resources.words.known(text)
        score = searcher.resources.words.scores(known) if known else np.zeros(n)
        found["bm25"] = ranking(score)
        lists = dict(found)
        if known:
            lists["bm25"] = found["bm25"][: int((score > 0).sum())]
        else:
            del lists["bm25"]
        rows, _, _ = fuse(lists, WEIGHTS if weights is None else weights)
        found["hybrid"] = rows
        found.setdefault("features", np.arange(n))  # no answer: the order of the corpus
        return found


def by_description(
    wanted: list[Property], searchers: Mapping[str, tuple[pl.DataFrame, Searcher]]
) -> dict[str, dict[str, Floats]]:
    """Return method -> measure -> one figure a property, the mean over its phrasings."""
    found: dict[str, dict[str, list[float]]] = {}
    methods = {pool: Methods(searcher) for pool, (_, searcher) in searchers.items()}
    for each in wanted:
        truth = relevant(searchers[each.pool][0], each.name)
        rows: dict[str, list[dict[str, float]]] = {}
        for text in each.phrasings:
            for name, order in methods[each.pool].rank(text).items():
                rows.setdefault(name, []).append(measures(order, truth))
        for name, several in rows.items():
            for measure in METRICS:
                figures = found.setdefault(name, {}).setdefault(measure, [])
                figures.append(float(np.mean([row[measure] for row in several])))
    return {name: {m: np.array(v) for m, v in each.items()} for name, each in found.items()}


def by_example(
    wanted: list[Property],
    searchers: Mapping[str, tuple[pl.DataFrame, Searcher]],
    prepared: Mapping[str, Mapping[str, Any]],
    n: int,
) -> dict[str, dict[str, Floats]]:
    """As :func:`by_description`, for probes that learn from ``n`` examples; the examples are left out."""
    found: dict[str, dict[str, list[float]]] = {}
    for at, each in enumerate(wanted):
        table, searcher = searchers[each.pool]
        truth = relevant(table, each.name)
        rows: dict[str, list[dict[str, float]]] = {}
        for draw in range(DRAWS):
            rng = np.random.default_rng([at, draw])
            if truth.sum() < 2 * n:
                continue
            like = rng.permutation(np.flatnonzero(truth))[:n]
            ids = [table["id"][int(row)] for row in like]
            query = searcher.learn(ids, seed=draw)
            scores = {"features": searcher.scorer.score(query).score}
            rest = np.setdiff1d(rng.permutation(len(truth))[:1000], like)
            for name, matrix in prepared[each.pool].items():
                scores[name] = _probe(matrix, like, rest)
            left = np.ones(len(truth), bool)
            left[like] = False
            for name, score in scores.items():
                order = ranking(score[left])
                rows.setdefault(name, []).append(measures(order, truth[left]))
        for name, several in rows.items():
            for measure in METRICS:
                figures = found.setdefault(name, {}).setdefault(measure, [])
                figures.append(float(np.mean([row[measure] for row in several])))
    return {name: {m: np.array(v) for m, v in each.items()} for name, each in found.items()}


def representations(
    table: pl.DataFrame, searcher: Searcher, to: Path, reader: str = "embedded"
) -> dict[str, Any]:
    """What the features' probe is compared with: sentence embeddings, the SAE's own layer, words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    tfidf = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    states = mean_activations(searcher.corpus, to, reader)
    return {
        "dense": Methods(searcher).vectors,
        "activations": (states - states.mean(0)) / np.maximum(states.std(0), 1e-6),
        "tfidf": tfidf.fit_transform(table["text"].to_list()),
    }


def _probe(matrix: Any, like: NDArray[np.int64], rest: NDArray[np.int64]) -> Floats:
    """Scores of a logistic regression, classes balanced, its strength cross-validated as the features' is."""
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

    rows = np.concatenate([like, rest])
    target = np.arange(len(rows)) < len(like)
    model = LogisticRegressionCV(
        Cs=[0.01, 0.1, 1.0, 10.0, 100.0], cv=min(5, len(like)), scoring="roc_auc", class_weight="balanced",
        max_iter=1000, random_state=0, l1_ratios=(0.0,), use_legacy_attributes=False,
    )  # fmt: skip
    fitted: LogisticRegression = model.fit(matrix[rows], target)
    found: Floats = np.asarray(fitted.decision_function(matrix), float)
    return found


def interval(figures: Floats, of: Callable[[Floats], float] = lambda x: float(x.mean())) -> list[float]:
    """95 % bootstrap interval over properties."""
    rng = np.random.default_rng(0)
    drawn = [of(figures[rng.integers(0, len(figures), len(figures))]) for _ in range(RESAMPLES)]
    return [round(float(q), 4) for q in np.percentile(drawn, [2.5, 97.5])]


def summary(wanted: list[Property], found: Mapping[str, Mapping[str, Floats]]) -> dict[str, Any]:
    """Means with intervals, differences from dense, and the mean average precision by pool."""
    told: dict[str, Any] = {}
    for name, each in found.items():
        told[name] = {
            measure: {"mean": round(float(v.mean()), 4), "interval": interval(v)}
            for measure, v in each.items()
        }
        if name != "dense":
            difference = each["map"] - found["dense"]["map"]
            told[name]["map_above_dense"] = {
                "mean": round(float(difference.mean()), 4),
                "interval": interval(difference),
                "better_on": int((difference > 0).sum()),
            }
    kept = list(wanted)[: len(found["dense"]["map"])]
    by_pool: dict[str, Any] = {}
    for pool in dict.fromkeys(each.pool for each in kept):
        mask = np.array([each.pool == pool for each in kept])
        by_pool[pool] = {name: round(float(each["map"][mask].mean()), 4) for name, each in found.items()}
    return {"methods": told, "map_by_pool": by_pool, "properties": len(found["dense"]["map"])}


def open_pools(
    data: Path, to: Path, names: Sequence[str], reader: str = "embedded"
) -> dict[str, tuple[pl.DataFrame, Searcher]]:
    """Every pool with its table in the order of its corpus, indexed."""
    import polars as pl

    from saetext import Corpus, Searcher
    from saetext.analysis.search.dense import build_dense
    from saetext.analysis.search.words import build_words

    found = {}
    for pool, table, path in pools(data, to, names, reader):
        corpus = Corpus.open(path)
        there = Searcher(corpus).available
        if "bm25" not in there:
            build_words(corpus)
        if "dense" not in there:
            build_dense(corpus)
        ids = pl.DataFrame({"id": corpus.ids.to_pylist()})
        found[pool] = (ids.join(table, on="id", how="left", maintain_order="left"), Searcher(corpus))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--reader", default="embedded", help="a name or a directory; a --to for each")
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--pools", nargs="*", choices=tuple(POOLS), default=list(POOLS))
    parser.add_argument("--examples", action="store_true")
    parser.add_argument("--save", type=Path, default=RESULTS / "retrieval.json")
    args = parser.parse_args()
    searchers = open_pools(args.data, args.to, args.pools, args.reader)
    wanted = [each for each in properties() if each.split == args.split and each.pool in args.pools]
    runs: dict[str, tuple[list[Property], dict[str, dict[str, Floats]]]] = {}
    if args.examples:
        prepared = {pool: representations(*found, args.to, args.reader) for pool, found in searchers.items()}
        for n in EXAMPLES:
            enough = [p for p in wanted if relevant(searchers[p.pool][0], p.name).sum() >= 2 * n]
            runs[f"{n} examples, {args.split}"] = (enough, by_example(enough, searchers, prepared, n))
    else:
        runs[f"descriptions, {args.split}"] = (wanted, by_description(wanted, searchers))
    for title, (of, found) in runs.items():
        told = summary(of, found)
        say(
            f"{title}: {told['properties']} properties",
            [["", *METRICS]]
            + [[name, *(each[m]["mean"] for m in METRICS)] for name, each in told["methods"].items()],
        )
        names = list(found)
        say("MAP", [["", *names]] + [[p, *(row[n] for n in names)] for p, row in told["map_by_pool"].items()])
        per = [
            {**dataclasses.asdict(p), **{n: round(float(found[n]["map"][i]), 4) for n in names}}
            for i, p in enumerate(of)
        ]
        for row in per:
            row.pop("phrasings")
        save(args.save, title, {"environment": environment(), **told, "map_by_property": per})


if __name__ == "__main__":
    main()
