"""Clusters against known labels, beside other ways to cluster the same texts; and time and memory at scale.

    python benchmarks/cluster.py quality --data DIR --work DIR     (corpora and embeddings are kept in --work)
    python benchmarks/cluster.py speed --work DIR                  (after quality: rows of its corpora)
    python benchmarks/cluster.py views --data DIR --work DIR       (sets of cluster_sets.py: views and peers)

``--data`` has banking77, user_prompts, ag_news_test and self_dialogue as Parquet. Peers: TF-IDF + SVD +
k-means (told the number of classes), MiniLM's sentence embeddings through the same UMAP and HDBSCAN, and
BERTopic's defaults on the same embeddings (``pip install bertopic``; left out with a word if it is missing).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cluster_views
import common
import numpy as np

RESULTS = common.RESULTS / "cluster.json"
# Written before any result was seen, from what people ask assistants for; none is a label of the data.
TASKS = (
    "writing a story or poem", "writing an email or letter", "code and programming", "translation",
    "maths problem", "summarising a text", "classifying or rating", "asking for a fact", "asking for advice",
    "explaining a concept", "rewriting or correcting a text", "planning and instructions",
    "brainstorming ideas", "role play and conversation",
)  # fmt: skip
SETS: dict[str, dict[str, Any]] = {
    "banking77": {"file": "banking77", "truth": "label", "where": None, "most": None},
    "autoj_scenario": {
        "file": "user_prompts", "truth": "label", "where": "source = 'autoj_scenario'", "most": None,
    },
    "ag_news_test": {"file": "ag_news_test", "truth": "label", "where": None, "most": None},
    "self_dialogue": {"file": "self_dialogue", "truth": "topic", "where": None, "most": 3000},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("quality", "speed", "views", "_run"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--reader", default="embedded", help="a name or a directory; a --work for each")
    parser.add_argument("-o", "--output", type=Path, default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=None)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.what == "views":
        cluster_views.run(args.only, args.data, args.work, args.reader, args.output or cluster_views.RESULTS)
    elif args.what == "quality":
        for name in args.only or SETS:
            told = quality(name, args.data, args.work, args.seeds, args.reader)
            common.save(args.output or RESULTS, name, told)
    elif args.what == "speed":
        common.save(args.output or RESULTS, f"speed_{args.documents}", speed(args.work, args.documents))
    else:
        print(json.dumps(timed(args.work)))


# ---- quality ----------------------------------------------------------------------------------------------


def quality(name: str, data: Path, work: Path, seeds: int, reader: str = "embedded") -> dict[str, Any]:
    from saetext.analysis.clusters import cluster

    corpus, texts, truth = _set(name, data, work, reader)
    dense = _embedded(name, texts, work)
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(seeds):
        known = {"truth": SETS[name]["truth"], "seed": seed}
        ways = {
            "saetext": lambda known=known: cluster(corpus, **known),
            "saetext, noise assigned": lambda known=known: cluster(corpus, assign_noise=True, **known),
            "saetext, features alone": lambda known=known: cluster(corpus, semantic=False, **known),
        }
        if name == "autoj_scenario":
            ways["saetext, along task"] = lambda known=known: cluster(corpus, include=TASKS, **known)
            ways["saetext, along task, noise assigned"] = lambda known=known: cluster(
                corpus, include=TASKS, assign_noise=True, **known
            )
        for way, run in ways.items():
            m = run().metrics
            found.setdefault(way, []).append(
                {"ari": m["ari"], "nmi": m["nmi"], "clusters": m["n_clusters"], "noise": m["noise"]}
            )
        peers: dict[str, Any] = {
            **_dense(dense, seed),
            "MiniLM + k-means, told the number": _k_means(dense, len(set(truth)), seed),
            "TF-IDF + SVD + k-means, told the number": _tf_idf(texts, len(set(truth)), seed),
            "BERTopic's defaults, same embeddings": _bertopic(texts, dense, seed),
        }
        for way, labels in peers.items():
            if labels is not None:
                found.setdefault(way, []).append(_scored(truth, labels))
        print(name, "seed", seed, "done", flush=True)
    rows = {
        way: {
            key: {"mean": float(np.mean([r[key] for r in runs])), "sd": float(np.std([r[key] for r in runs]))}
            for key in ("ari", "nmi", "clusters", "noise")
        }
        for way, runs in found.items()
    }
    common.say(
        f"{name}: {len(texts):,} documents, {len(set(truth))} classes; mean over {seeds} seeds",
        [["", "ARI", "NMI", "clusters", "noise"]]
        + [
            [way, *(round(r[k]["mean"], 3) for k in ("ari", "nmi", "clusters", "noise"))]
            for way, r in rows.items()
        ],
    )
    return {
        **common.environment(),
        "documents": len(texts),
        "classes": len(set(truth)),
        "seeds": seeds,
        "ways": rows,
    }


def _set(name: str, data: Path, work: Path, reader: str) -> tuple[Any, list[str], list[str]]:
    import polars as pl

    from saetext import Corpus, Reader, encode, open_documents

    about = SETS[name]
    path = work / f"{name}.corpus"
    if not (path / "manifest.json").exists():
        frame = pl.read_parquet(data / f"{about['file']}.parquet")
        if about["where"]:
            frame = frame.filter(pl.sql_expr(about["where"]))
        if about["most"]:
            frame = frame.sample(min(about["most"], len(frame)), seed=0)
        encode(open_documents(frame, text="text", id="id"), path, reader=Reader(reader))
    corpus = Corpus.open(path)
    table = corpus.documents.select("text", about["truth"]).collect()
    return corpus, table["text"].to_list(), [str(value) for value in table[about["truth"]].to_list()]


def _embedded(name: str, texts: list[str], work: Path) -> Any:
    from saetext.analysis.clusters.semantic_map import embed_texts

    path = work / f"{name}.npy"
    if not path.exists():
        np.save(path, embed_texts([text[:2000] for text in texts]))
    return np.load(path)


def _scored(truth: list[str], labels: Any) -> dict[str, float]:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return {
        "ari": adjusted_rand_score(truth, labels),
        "nmi": normalized_mutual_info_score(truth, labels),
        "clusters": len(set(labels)) - (-1 in set(labels)),
        "noise": float(np.mean(np.asarray(labels) == -1)),
    }


def _dense(vectors: Any, seed: int) -> dict[str, list[int]]:
    from saetext.analysis.clusters import density, layout
    from saetext.analysis.clusters.neighbours import by_cosine
    from saetext.analysis.clusters.request import ClusterRequest

    s = ClusterRequest()
    graph = layout.fuzzy_graph(by_cosine(vectors, None, s.neighbours), seed)
    start = vectors - vectors.mean(0)
    start = start @ np.linalg.svd(start.T @ start)[0][:, : s.components]
    points = layout.embed_graph(graph, start, s.components, min_dist=layout.CLUSTER_DISTANCE, seed=seed)
    size = density.suggested_size(len(vectors))
    found = density.group(points, min_cluster_size=size, min_samples=s.min_samples)
    return {
        "MiniLM, same UMAP + HDBSCAN": (found.cluster - 1).tolist(),
        "MiniLM, same, noise assigned": (density.soft_clusters(found)[0] - 1).tolist(),
    }


def _k_means(vectors: Any, k: int, seed: int) -> list[int]:
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=3, random_state=seed).fit_predict(vectors).tolist()


def _tf_idf(texts: list[str], k: int, seed: int) -> list[int]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    rows = TfidfVectorizer(sublinear_tf=True, min_df=2, max_df=0.5, stop_words="english").fit_transform(texts)
    return _k_means(normalize(TruncatedSVD(100, random_state=seed).fit_transform(rows)), k, seed)


def _bertopic(texts: list[str], vectors: Any, seed: int) -> list[int] | None:
    try:
        from bertopic import BERTopic
    except ImportError:
        print("BERTopic is not installed: left out (pip install bertopic)")
        return None
    from umap import UMAP

    # its own default UMAP, with a seed
    made = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed)
    return list(BERTopic(umap_model=made).fit_transform(texts, vectors)[0])


# ---- speed ------------------------------------------------------------------------------------------------


def speed(work: Path, documents: int) -> dict[str, Any]:
    path = work / f"synthetic_{documents}.corpus"
    if not (path / "manifest.json").exists():
        _mixed(path, work, documents)
    command = [sys.executable, __file__, "_run", "--work", str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    measured = json.loads(told.stdout.splitlines()[-1])
    common.say(
        f"{documents:,} documents", [[key, value] for key, value in measured.items() if key != "stages"]
    )
    common.say("seconds in", sorted(measured["stages"].items(), key=lambda x: -x[1]))
    return {**common.environment(), "documents": documents, **measured}


def timed(path: Path) -> dict[str, Any]:
    """Cluster in this process, and return seconds by stage and the peak of memory."""
    from saetext import Corpus
    from saetext.analysis.clusters import cluster
    from saetext.io.progress import Progress

    started = time.perf_counter()
    stages: dict[str, float] = {}
    now, since = "opening", started

    def show(p: Progress) -> None:
        nonlocal now, since
        stage = p.stage
        if stage != now:
            t = time.perf_counter()
            stages[now] = stages.get(now, 0.0) + t - since
            now, since = stage, t

    result = cluster(Corpus.open(path), on_progress=show)
    ended = time.perf_counter()
    stages[now] = stages.get(now, 0.0) + ended - since
    return {
        "seconds": round(ended - started, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "clusters": result.n_clusters,
        "noise": round(result.noise, 3),
        "stages": {stage: round(seconds, 1) for stage, seconds in stages.items()},
    }


def _mixed(path: Path, work: Path, documents: int) -> None:
    """Write a corpus of real rows, each drawn again and again with a random 15 % of its features left out."""
    from saetext.corpus import Corpus, CorpusWriter
    from saetext.corpus.meta import docs_table
    from saetext.corpus.rows import PooledRows

    real = Corpus.open(work / "ag_news_test.corpus")
    rng = np.random.default_rng(0)
    rows = PooledRows.concatenate(list(real.rows()))
    known = [real.document(row) for row in range(len(real))]
    shard, sae, columns = 10_000, real.saes[0], ("feature", "value", "total", "count", "peak", "first")
    with CorpusWriter.open(
        path,
        plan={"n": documents},
        spec=real.spec,
        calibrations={sae: real.calibration(sae)},
        stores_text=True,
    ) as writer:
        for number, start in enumerate(range(0, documents, shard)):
            drawn = rng.integers(0, len(rows), min(shard, documents - start))
            taken = rows.take(drawn)
            keep = rng.random(len(taken.feature)) > 0.15
            owner = np.repeat(np.arange(len(drawn)), np.diff(taken.indptr))[keep]
            indptr = np.searchsorted(owner, np.arange(len(drawn) + 1)).astype(np.int64)
            some = [known[row] for row in drawn.tolist()]
            docs = docs_table(
                [f"d{start + i}" for i in range(len(drawn))], [d["text"] for d in some], [None] * len(drawn),
                [d["n_tokens"] for d in some], [d["n_unknown"] for d in some],
                [d["token_start"] for d in some], [d["token_end"] for d in some], [d["meta"] for d in some],
            )  # fmt: skip
            kept = PooledRows(indptr, *(getattr(taken, name)[keep] for name in columns))
            writer.write_shard(
                docs, {sae: kept}, rejects=[], input_rows=len(drawn), input_hash=str(number), stats={}
            )
        writer.finish()


if __name__ == "__main__":
    main()
