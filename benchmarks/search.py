"""How fast a search is at a million documents: 16,384 features, 150 of them in a document.

    python benchmarks/search.py --corpus DIR [--documents 1000000]

The corpus is synthetic (``synthetic.py``) and made once, 5 GB at a million documents. Measured on one thread,
in a process of its own: opening, feature queries of 10 and of 100 random features and of the 100 commonest,
with their ten documents read; the memory of the process; and whether the best hundred are those that scipy's
product of the whole matrix finds. Beside it, each in a process of its own (``search_peers.py``): bm25s, FAISS
flat, the graph of vectors that ``saetext index`` builds, and embedding the query. Not for: what is found
(benchmarks/retrieval.py).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, environment, save, say
from search_peers import PEERS
from synthetic import frequencies, synthetic_corpus

FEATURES, ACTIVE = 16_384, 150
QUERIES = 200
GRAPH = 200_000  # vectors of the HNSW graph: building one takes minutes


def make(path: Path, n: int) -> None:
    """Write the corpus and its index."""
    from saetext import build_index

    rng = np.random.default_rng(0)
    started = time.perf_counter()
    corpus = synthetic_corpus(path, n, frequencies(FEATURES, ACTIVE, rng), length_effect=0.0)
    print(f"wrote {n:,} documents in {time.perf_counter() - started:.0f} s", flush=True)
    started = time.perf_counter()
    build_index(corpus, on_progress=lambda p: print(p.stage, flush=True))
    print(f"indexed in {time.perf_counter() - started:.0f} s", flush=True)


def memory() -> dict[str, float]:
    """Resident memory in GB: the most there was, and what is no page of a file."""
    status = Path("/proc/self/status").read_text("ascii")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    anonymous = float(fields["RssAnon"].split()[0]) * 1024 / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"resident_peak_gb": round(peak, 3), "anonymous_gb": round(anonymous, 3)}


def measure(path: Path) -> dict[str, Any]:
    """Open the corpus and search it; run in a fresh process."""
    from saetext import FeatureLabels, Searcher
    from saetext.analysis.search.rankings import Reach, by_features
    from saetext.features.labels import FeatureLabel

    labels = FeatureLabels.from_rows([FeatureLabel(f, f"feature {f}") for f in range(FEATURES)])
    importlib.import_module("saetext.analysis.search.kernels")  # numba's own second is not the index's

    opening = []
    for _ in range(2):  # the first reads the checksums of the postings
        started = time.perf_counter()
        searcher = Searcher(path, labels=labels, lexical=True)
        opening.append(time.perf_counter() - started)
    started = time.perf_counter()
    searcher.search(features={1: 1.0})
    first = time.perf_counter() - started
    rng = np.random.default_rng(1)
    frequency = searcher.scorer.frequency
    found: dict[str, Any] = {
        "open_s": [round(s, 3) for s in opening],
        "first_query_s": round(first, 3),
        "documents": searcher.whole.n_documents,
        "entries": int(frequency.sum()),
    }
    asked: dict[str, list[np.ndarray[Any, Any]]] = {
        f"{k} features": [rng.choice(FEATURES, k, replace=False) for _ in range(QUERIES)] for k in (10, 100)
    }
    asked["100 commonest"] = [np.argsort(-frequency)[:100]] * 10
    for name, queries in asked.items():
        weights = [dict(zip(map(int, q), rng.random(len(q)) + 0.1, strict=True)) for q in queries]
        for features in weights:  # a warm cache: every page of the queries is in memory
            searcher.scorer.score(searcher.build_query(features=features))
        whole, ranking = [], []
        for features in weights:
            wall = time.perf_counter()
            searcher.search(features=features)
            whole.append(time.perf_counter() - wall)
            query = searcher.build_query(features=features)
            wall = time.perf_counter()
            by_features(searcher.scorer.score(query), Reach(10, None))
            ranking.append(time.perf_counter() - wall)
        found[name] = {
            "entries_per_query": int(np.mean([frequency[q].sum() for q in queries])),
            **{
                f"{what}_ms": {f"p{p}": round(1000 * float(np.percentile(times, p)), 2) for p in (50, 95)}
                for what, times in (("search", whole), ("ranking", ranking))
            },
        }
    found |= memory()
    return found


def equals_brute_force(path: Path) -> dict[str, int]:
    """Compare the best hundred of some queries with those of a matrix product over the shards."""
    from saetext import FeatureLabels, Searcher
    from saetext.analysis.search.scoring import PIVOT
    from saetext.features.labels import FeatureLabel

    labels = FeatureLabels.from_rows([FeatureLabel(0, "feature")])
    searcher = Searcher(path, labels=labels, lexical=True)
    rng = np.random.default_rng(2)
    n, k = searcher.whole.n_documents, 100
    queries = [dict.fromkeys(rng.choice(FEATURES, 100, replace=False).tolist(), 1.0) for _ in range(5)]
    weight = np.zeros((FEATURES, len(queries)))
    scale = np.ones(FEATURES)
    for at, query in enumerate(queries):
        for feature, each in query.items():
            weight[feature, at] = each
            start, stop = searcher.scorer.postings.indptr[feature : feature + 2]
            values = np.sort(searcher.scorer.postings.value[start:stop])
            scale[feature] = values[int(np.ceil(0.9 * len(values))) - 1] if len(values) else 1.0
    score = np.empty((n, len(queries)))
    counts = np.concatenate([np.diff(block.indptr) for _, block in searcher.whole.blocks("max", None)])
    usual = PIVOT * float(np.median(counts))
    for rows, block in searcher.whole.blocks("max", None):
        block = block.copy()
        block.data = np.minimum(block.data / scale[block.indices], 1.0)
        score[rows] = (block @ weight) / np.sqrt(1 + usual + np.diff(block.indptr))[:, None]
    same = 0
    for at, query in enumerate(queries):
        found = searcher.search(features=query, top=k)
        best = np.sort(score[:, at])[::-1][:k]
        same += int(
            np.allclose(found.table["score"].to_numpy(), best, rtol=1e-9)
            and np.allclose(score[found.table["row"].to_numpy(), at], best, rtol=1e-9)
        )
    return {"queries": len(queries), "equal": same}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--save", type=Path, default=RESULTS / "search.json")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.corpus)))
        return
    if not (args.corpus / "manifest.json").is_file():
        make(args.corpus, args.documents)
    one = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, __file__, "--corpus", str(args.corpus), "--measure"]
    subprocess.run(command, env={**os.environ, **one}, capture_output=True, check=True)  # compiles, warms up
    done = subprocess.run(command, env={**os.environ, **one}, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    found["brute_force"] = equals_brute_force(args.corpus)
    for peer in PEERS:
        n = min(found["documents"], GRAPH) if peer == "hnsw" else found["documents"]
        command = [sys.executable, str(Path(__file__).with_name("search_peers.py")), peer]
        told = subprocess.run(
            [*command, "--documents", str(n)], env={**os.environ, **one}, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        found[peer] = json.loads(told.stdout.splitlines()[-1])
    for name, value in found.items():
        say(name, [[json.dumps(value)]])
    save(args.save, f"{found['documents']:,} documents", {"environment": environment(), **found})


if __name__ == "__main__":
    main()
