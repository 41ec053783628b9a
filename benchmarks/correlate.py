"""``correlate`` at 100,000 documents and 65,536 features, beside a sparse product and other ways to count.

Synthetic corpora with heavy-tailed frequencies and lengths (``synthetic.py``). Each measurement is a process
of its own. Run: ``python benchmarks/correlate.py [--documents N] [--active K ...] [--small N]``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from common import environment, save
from synthetic import frequencies, synthetic_corpus

RESULTS = Path(__file__).parent / "results" / "correlate.json"
D_SAE = 65_536
LIMIT_GIB = 3.0  # address space in which the product and our counting are tried
LEAST = 5
BLOCK = 512  # features of a block of the dense candidates


def main() -> None:
    """Run all measurements, each in a process of its own, and save them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=20_000, help="documents of the comparison")
    parser.add_argument("--active", type=int, nargs="+", default=[200], help="features of a document")
    parser.add_argument("--work", type=Path, help="where corpora are kept")
    parser.add_argument("--limits-only", action="store_true", help="try again what fits into little memory")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=float, default=0.0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        if args.limit:
            size = int(args.limit * 2**30)
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        print(json.dumps(MEASURES[args.only](args.corpus)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        home = args.work or Path(scratch)
        if args.limits_only:
            _limits(_corpus(home, args.small, args.active[0]), args.small)
            return
        results: dict[str, Any] = {"scale": [], "compared": []}
        for active in args.active:
            corpus = _corpus(home, args.documents, active)
            found = _measure("ours", corpus)
            results["scale"].append({"documents": args.documents, "active": active, **found})
        corpus = _corpus(home, args.small, args.active[0])
        for name in ("warm", "ours", "count", "scipy", "bitsets", "gemm"):
            found = _measure(name, corpus)
            if name != "warm":
                results["compared"].append({"what": name, "documents": args.small, **found})
        _limits(corpus, args.small)
    seconds = {r["what"]: r.get("seconds") for r in results["compared"]}
    if seconds["scipy"]:
        for what in ("count", "ours"):
            results[f"scipy_over_{what}"] = seconds["scipy"] / seconds[what]
    save(RESULTS, "speed", {"environment": environment(), **results})


def _limits(corpus: Path, documents: int) -> None:
    tried = [
        {"what": name, "limit_gib": LIMIT_GIB, "documents": documents, **_measure(name, corpus, LIMIT_GIB)}
        for name in ("count", "scipy")
    ]
    save(RESULTS, "limited", {"environment": environment(), "tried": tried})


def _corpus(home: Path, documents: int, active: int) -> Path:
    path = home / f"synthetic-{documents}-{active}.corpus"
    if not path.exists():
        print(f"making {path.name}")
        synthetic_corpus(path, documents, frequencies(D_SAE, active, np.random.default_rng(0)), seed=1)
    return path


def _measure(name: str, corpus: Path, limit: float = 0.0) -> dict[str, Any]:
    command = [sys.executable, __file__, "--only", name, "--corpus", str(corpus), "--limit", str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}"
        found: dict[str, Any] = {"failed": last[:120]}
    else:
        found = json.loads(done.stdout.splitlines()[-1])
    told = f" within {limit:g} GiB" if limit else ""
    print(f"{corpus.name} {name}{told}: {found}", flush=True)
    return found


def _timed(work: Any) -> dict[str, Any]:
    started = time.perf_counter()
    more = work()
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": round(seconds, 2), "peak_gib": round(peak, 2), **more}


def ours(path: Path) -> dict[str, Any]:
    """Everything ``correlate`` does, from the corpus to the table."""
    from saetext import Corpus, correlate

    corpus = Corpus.open(path)

    def work() -> dict[str, Any]:
        found = correlate(corpus, snippets=False, top=50)
        keys = ("eligible_features", "eligible_pairs", "significant", "confirmed")
        return {key: found.metrics[key] for key in keys}

    return _timed(work)


def _pairing(path: Path) -> Any:
    """Return the items of a corpus as the kernels take them, and whole rows."""
    from saetext import Corpus
    from saetext.analysis.cooccurrence.items import Stored, feature_items
    from saetext.stats.pair_kernels import Both

    corpus = Corpus.open(path)
    n = corpus.n_documents
    items, _, _ = feature_items(Stored.of(corpus, corpus.saes[0]), np.arange(n), max(LEAST, n // 2000))
    ptr, item = items.by_row(n)
    nothing = np.zeros(len(items), np.float32)
    limit = np.arange(len(items))
    back = np.full(len(items), -1, np.int32)
    return items, Both(items.indptr, items.row, ptr, item, limit, back, items.n, items.n, nothing, nothing)


def count(path: Path) -> dict[str, Any]:
    """Counting alone, as ``correlate`` does it, and the pairs with 5 documents and more."""
    from concurrent.futures import ThreadPoolExecutor

    from saetext.stats.pair_kernels import count_pairs

    items, both = _pairing(path)
    count_pairs(0, 1, both, LEAST)  # compiled

    def work() -> dict[str, Any]:
        upto = np.cumsum(np.concatenate([[0], items.n]))[:-1]
        cost = np.cumsum(items.n * upto / max(len(both.right_ptr) - 1, 1) + np.arange(len(items)))
        cuts = np.searchsorted(cost, np.linspace(0, cost[-1], 65)[1:-1])
        edges = np.concatenate([[0], cuts, [len(items)]]).tolist()
        with ThreadPoolExecutor() as pool:
            jobs = [pool.submit(count_pairs, a, b, both, LEAST) for a, b in pairwise(edges)]
            return {"pairs": int(sum(job.result() for job in jobs))}

    return _timed(work)


def scipy(path: Path) -> dict[str, Any]:
    """``B.T @ B``, and the pairs with 5 documents and more."""
    from scipy import sparse

    items, both = _pairing(path)

    def work() -> dict[str, Any]:
        ones = np.ones(len(items.row), np.int32)
        n = len(both.right_ptr) - 1
        matrix = sparse.csc_matrix((ones, items.row, items.indptr), shape=(n, len(items))).tocsr()
        product = matrix.T.tocsr() @ matrix
        product.data[product.data < LEAST] = 0
        product.eliminate_zeros()
        return {"pairs": int((product.nnz - product.shape[0]) // 2)}

    return _timed(work)


def bitsets(path: Path) -> dict[str, Any]:
    """A bit for each document, AND and popcount: some blocks, the rest extrapolated."""
    import bitsets as candidate

    items, both = _pairing(path)
    return _extrapolated(items, candidate.make(items, len(both.right_ptr) - 1), candidate.block)


def gemm(path: Path) -> dict[str, Any]:
    """Dense blocks of ones and zeros, multiplied by BLAS: some blocks, the rest extrapolated."""
    items, both = _pairing(path)
    n = len(both.right_ptr) - 1

    def dense(first: int) -> Any:
        block = np.zeros((n, BLOCK), np.float32)
        for at in range(BLOCK):
            block[items.rows(first + at), at] = 1
        return block

    blocks = [dense(0), dense(len(items) - BLOCK)]
    return _extrapolated(items, blocks, lambda held, a, b: held[a].T @ held[b])


def _extrapolated(items: Any, held: Any, block: Any) -> dict[str, Any]:
    block(held, 0, 0)
    started = time.perf_counter()
    for a, b in ((0, 0), (0, 1), (1, 1)):
        block(held, a, b)
    each = (time.perf_counter() - started) / 3
    blocks = (len(items) / BLOCK) ** 2 / 2
    return {"seconds": round(each * blocks, 1), "extrapolated_from_blocks": 3, "of_blocks": round(blocks)}


MEASURES = {"warm": ours, "ours": ours, "count": count, "scipy": scipy, "bitsets": bitsets, "gemm": gemm}

if __name__ == "__main__":
    main()
