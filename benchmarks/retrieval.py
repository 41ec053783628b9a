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
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from common import RESULTS, environment, save, say
from numpy.typing import NDArray
from retrieval_data import Property, mean_activations, pools, properties, relevant
from retrieval_queries import POOLS, WHOLE

if TYPE_CHECKING:
    import polars as pl

    from saetext.analysis.search import Searcher

METRICS = ("map", "p10", "p50", "ndcg10")
SINGLE = ("features", "detector", "dense", "bm25")
FUSED = ("ranks fused", "hybrid", "default")
PARAPHRASED = ("features", "dense", "bm25", *FUSED)
LEAST = 8  # documents that have a property, or it is not asked for
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
        self.vectors = index.vectors(np.arange(len(index)))

    def rank(self, text: str) -> dict[str, NDArray[np.int64]]:
        """Return method to rows, best first; ``detector`` only where one is meant."""
        from saetext.analysis.search.asking import NoFeatureError
        from saetext.analysis.search.by_detector import detector_meant
        from saetext.analysis.search.fusing import fuse
        from saetext.analysis.search.paging import WEIGHTS
        from saetext.analysis.search.request import SearchRequest

        searcher = self.searcher
        n = len(self.vectors)
        found: dict[str, NDArray[np.int64]] = {}
        with contextlib.suppress(NoFeatureError):
            found["features"] = ranking(searcher.scorer.score(searcher.build_query(text)).score)
        found["dense"] = ranking(self.vectors @ searcher.resources.meaning(text))
        known = searcher.resources.words.known(text)
        score = searcher.resources.words.scores(known) if known else np.zeros(n)
        found["bm25"] = ranking(score)
        lists = dict(found)
        if known:
            lists["bm25"] = found["bm25"][: int((score > 0).sum())]
        else:
            del lists["bm25"]
        meant = detector_meant(searcher, [(text, False)], SearchRequest())
        if meant is not None:
            found["detector"] = lists["features"] = ranking(meant.scored.score)
        found["ranks fused"], _, _ = fuse(lists, WEIGHTS)
        found["hybrid"] = self.hybrid(text)
        found["default"] = self.hybrid(text, mode=None)
        found.setdefault("features", np.arange(n))  # no answer: the order of the corpus
        return found

    def hybrid(
        self, text: str, exclude: Sequence[str] = (), mode: Literal["hybrid"] | None = "hybrid"
    ) -> NDArray[np.int64]:
        """Rows as a search with an index puts them in order; with ``mode=None`` by detectors too."""
        from saetext.analysis.search.in_words import search_in_words
        from saetext.analysis.search.paging import order
        from saetext.analysis.search.request import SearchRequest

        request = SearchRequest(mode=mode, depth=len(self.vectors), exclude=tuple(exclude))
        answer = search_in_words(self.searcher, text, request)
        return order(answer.rankings, answer.mode, None, answer.combined).rows


def agreement(orders: Sequence[NDArray[np.int64]]) -> dict[str, float]:
    """How far rankings of the same documents agree: rank correlation of each two, and their first 20."""
    places = [np.argsort(order) for order in orders]
    pairs = list(combinations(range(len(orders)), 2))
    return {
        "rho": float(np.mean([np.corrcoef(places[a], places[b])[0, 1] for a, b in pairs])),
        "common20": float(np.mean([len(set(orders[a][:20]) & set(orders[b][:20])) / 20 for a, b in pairs])),
    }


def by_description(
    wanted: list[Property], searchers: Mapping[str, tuple[pl.DataFrame, Searcher]]
) -> tuple[dict[str, dict[str, Floats]], list[dict[str, Any]], dict[str, dict[str, float]]]:
    """Return figures by property, a row a query, and how far the phrasings of a property agree.

    The figures are method -> measure -> one a property, the mean over its phrasings.
    """
    found: dict[str, dict[str, list[float]]] = {}
    agreed: dict[str, list[dict[str, float]]] = {}
    queries: list[dict[str, Any]] = []
    methods = {pool: Methods(searcher) for pool, (_, searcher) in searchers.items()}
    for each in wanted:
        truth = relevant(searchers[each.pool][0], each.name)
        rows: dict[str, list[dict[str, float]]] = {}
        orders: dict[str, list[NDArray[np.int64]]] = {}
        for text in each.phrasings:
            ranked = methods[each.pool].rank(text)
            told = {name: measures(order, truth) for name, order in ranked.items()}
            single = max(told[name]["map"] for name in SINGLE if name in told)
            queries.append(
                {"pool": each.pool, "name": each.name, "query": text, "relevant": int(truth.sum())}
                | {name: round(figures["map"], 4) for name, figures in told.items()}
                | {"best single": round(single, 4)}
                | {f"{name} / best": round(told[name]["map"] / single, 3) for name in FUSED}
            )
            told["detector"] = told.get("detector", told["features"])
            for name, figures in told.items():
                rows.setdefault(name, []).append(figures)
            for name in PARAPHRASED:
                orders.setdefault(name, []).append(ranked[name])
        for name, several in orders.items():
            agreed.setdefault(name, []).append(agreement(several))
        for name, figures_of in rows.items():
            for measure in METRICS:
                figures = found.setdefault(name, {}).setdefault(measure, [])
                figures.append(float(np.mean([row[measure] for row in figures_of])))
    arrays = {name: {m: np.array(v) for m, v in each.items()} for name, each in found.items()}
    means = {
        name: {m: round(float(np.mean([row[m] for row in each])), 4) for m in each[0]}
        for name, each in agreed.items()
    }
    return arrays, queries, means


def ratios(queries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Query by query: what a method has of the best single ranking, and how often it has less than .9."""
    told = {}
    for name in FUSED:
        each = np.array([row[f"{name} / best"] for row in queries])
        told[name] = {
            "mean": round(float(each.mean()), 4),
            "geometric mean": round(float(np.exp(np.log(each).mean())), 4),
            "below .9": int((each < 0.9).sum()), "least": round(float(each.min()), 3), "queries": len(each),
        }  # fmt: skip
    return told


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
    data: Path, to: Path, names: Sequence[str], reader: str = "embedded", quick: bool = False
) -> dict[str, tuple[pl.DataFrame, Searcher]]:
    """Every pool with its table in the order of its corpus, indexed."""
    import polars as pl

    from saetext import Corpus, Searcher
    from saetext.analysis.search.dense import build_dense
    from saetext.analysis.search.words import build_words

    found = {}
    for pool, table, path in pools(data, to, names, reader, quick):
        corpus = Corpus.open(path)
        there = Searcher(corpus).available
        if "bm25" not in there:
            build_words(corpus)
        if "dense" not in there:
            build_dense(corpus)
        ids = pl.DataFrame({"id": corpus.ids.to_pylist()})
        found[pool] = (ids.join(table, on="id", how="left", maintain_order="left"), Searcher(corpus))
    return found


def _by_kind(queries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Ratios of all queries, and of those in pools of which nothing was used for choosing."""
    unseen = [row for row in queries if row["pool"] in WHOLE]
    kinds = {"all": list(queries), "pools seen in part": [r for r in queries if r["pool"] not in WHOLE]}
    return {kind: ratios(rows) for kind, rows in {**kinds, "whole pools": unseen}.items() if rows}


def options(about: str | None, saved: str) -> argparse.ArgumentParser:
    """Return the options that a benchmark over the pools has: texts, indexes, half, pools, result."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--pools", nargs="*", choices=tuple(POOLS), default=list(POOLS))
    parser.add_argument(
        "--quick", action="store_true", help="small pools of short texts; a --to of their own"
    )
    parser.add_argument("--save", type=Path, default=RESULTS / saved)
    return parser


def main() -> None:
    parser = options(__doc__, "retrieval.json")
    parser.add_argument("--reader", default="embedded", help="a name or a directory; a --to for each")
    parser.add_argument("--examples", action="store_true")
    args = parser.parse_args()
    searchers = open_pools(args.data, args.to, args.pools, args.reader, args.quick)
    wanted = [each for each in properties() if each.split == args.split and each.pool in args.pools]
    quick = ", quick" if args.quick else ""
    wanted = [p for p in wanted if relevant(searchers[p.pool][0], p.name).sum() >= LEAST]
    more: dict[str, Any] = {}
    runs: dict[str, tuple[list[Property], dict[str, dict[str, Floats]]]] = {}
    if args.examples:
        prepared = {pool: representations(*found, args.to, args.reader) for pool, found in searchers.items()}
        for n in EXAMPLES:
            enough = [p for p in wanted if relevant(searchers[p.pool][0], p.name).sum() >= 2 * n]
            runs[f"{n} examples, {args.split}"] = (enough, by_example(enough, searchers, prepared, n))
    else:
        told, queries, agreed = by_description(wanted, searchers)
        runs[f"descriptions, {args.split}{quick}"] = (wanted, told)
        more = {"ratios": _by_kind(queries), "agreement": agreed, "queries": queries}
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
        save(args.save, title, {"environment": environment(), **told, "map_by_property": per, **more})
        for kind, each in more.get("ratios", {}).items():
            say(
                f"of the best single ranking, {kind}",
                [[name, str(figures)] for name, figures in each.items()],
            )
        if more:
            say("phrasings agree", [[name, str(figures)] for name, figures in more["agreement"].items()])


if __name__ == "__main__":
    main()
