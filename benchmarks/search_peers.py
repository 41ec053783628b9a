"""What a search is beside, one in each process: bm25s, FAISS flat and HNSW, and embedding the query itself.

Run by ``benchmarks/search.py``; alone: ``python benchmarks/search_peers.py bm25s --documents 1000000``. Texts
are numbered words drawn with Zipf's law, vectors are drawn around a thousand centres, as sentence embeddings
lie. Not for: saetext's own search.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUERIES = 100
WIDTH = 384  # of MiniLM's embeddings
WORDS, VOCABULARY = 40, 50_000  # of a document, of all
K = 10


def timed(ask: Callable[[int], Any]) -> dict[str, float]:
    """Milliseconds of a query, after one that warms up."""
    ask(0)
    seconds = []
    for at in range(QUERIES):
        started = time.perf_counter()
        ask(at)
        seconds.append(time.perf_counter() - started)
    return {f"p{p}": round(1000 * float(np.percentile(seconds, p)), 2) for p in (50, 95)}


def bm25s(n: int) -> dict[str, Any]:
    """Ten words against n documents of forty, the ten best."""
    from bm25s import BM25

    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, VOCABULARY + 1)
    drawn = rng.choice(VOCABULARY, (n, WORDS), p=share / share.sum()).astype(np.int32)
    vocabulary = {f"w{at}": at for at in range(VOCABULARY)}
    index = BM25()
    started = time.perf_counter()
    index.index((drawn.tolist(), vocabulary), create_empty_token=False, show_progress=False)
    built = time.perf_counter() - started
    asked = [[[f"w{word}" for word in rng.choice(VOCABULARY, 10, p=share / share.sum())]] for _ in range(100)]
    ms = timed(lambda at: index.retrieve(asked[at], k=K, show_progress=False, n_threads=0))
    return {"build_s": round(built, 1), "query_ms": ms}


def vectors(n: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """N vectors around a thousand centres, and queries of the same kind."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(1000, WIDTH)).astype(np.float32)

    def draw(m: int) -> NDArray[np.float32]:
        found = np.empty((m, WIDTH), np.float32)
        for start in range(0, m, 50_000):
            here = slice(start, min(start + 50_000, m))
            size = here.stop - start
            found[here] = centres[rng.integers(0, 1000, size)]
            found[here] += 1.5 * rng.normal(size=(size, WIDTH)).astype(np.float32)
            found[here] /= np.linalg.norm(found[here], axis=1, keepdims=True)
        return found

    return draw(n), draw(QUERIES)


def flat(n: int) -> dict[str, Any]:
    """FAISS's exact index in memory."""
    import faiss

    faiss.omp_set_num_threads(1)
    rows, asked = vectors(n)
    index: Any = faiss.IndexFlatIP(WIDTH)
    index.add(rows)
    return {"query_ms": timed(lambda at: index.search(asked[at : at + 1], K))}


def hnsw(n: int) -> dict[str, Any]:
    """Saetext's own graph of vectors, as ``saetext index`` writes it, against the exact answer."""
    from saetext.analysis.search.vectors import VectorIndex, write_vectors

    rows, asked = vectors(n)
    with tempfile.TemporaryDirectory() as name:
        started = time.perf_counter()
        write_vectors(Path(name), [rows], n, WIDTH)
        built = time.perf_counter() - started
        index = VectorIndex(Path(name))
        ms = timed(lambda at: index.search(asked[at], K))
        found = {}
        for k in (10, 100, 1000):
            exact = [set(np.argpartition(-(rows @ q), k)[:k].tolist()) for q in asked]
            mine = [set(index.search(q, k)[0].tolist()) for q in asked]
            shared = [len(a & b) / k for a, b in zip(exact, mine, strict=True)]
            found[f"recall_at_{k}"] = round(float(np.mean(shared)), 4)
    return {"documents": n, "build_s": round(built, 1), "query_ms": ms, **found}


def embed(_: int) -> dict[str, Any]:
    """Embedding a query of a few words with MiniLM, and reading it with the embedded reader."""
    import torch

    from saetext import Reader
    from saetext.documents import Document
    from saetext.reader.sentences import Embedder

    torch.set_num_threads(1)
    embedder, reader = Embedder.load("cpu"), Reader.load(device="cpu")
    texts = [f"the writer says sorry for being late, number {at}" for at in range(QUERIES)]
    return {
        "embedding_ms": timed(lambda at: embedder.embed([texts[at]])),
        "reading_ms": timed(lambda at: reader.read([Document("q", texts[at], None, None, {}, 0, "")])),
    }


PEERS: dict[str, Callable[[int], dict[str, Any]]] = {
    "bm25s": bm25s,
    "faiss flat": flat,
    "hnsw": hnsw,
    "the query itself": embed,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peer", choices=tuple(PEERS))
    parser.add_argument("--documents", type=int, default=1_000_000)
    args = parser.parse_args()
    print(json.dumps(PEERS[args.peer](args.documents)))


if __name__ == "__main__":
    main()
