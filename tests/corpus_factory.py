"""Corpora for tests and benchmarks: small random ones with the dense truth beside them, and big ones.

Everything comes from a seed; the same call makes the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus.calibration import Calibration
from saetext.corpus.meta import docs_table
from saetext.corpus.rows import PooledRows
from saetext.corpus.spec import Numerics, ReaderSpec, SaeSpec

WORDS = ("river", "café", "Zürich", "naïve", "日本", "plain", "answer", "quite", "perhaps", "🙂")


def make_calibration(d_sae: int, seed: int = 0) -> Calibration:
    rng = np.random.default_rng(seed)
    return Calibration.from_arrays(
        rng.random(d_sae, np.float32), percentile=90.0, top_words=[[f"word{i}"] for i in range(d_sae)]
    )


def make_spec(
    calibrations: dict[str, Calibration],
    *,
    device: str = "cpu",
    versions: dict[str, str] | None = None,
    window: int = 128,
) -> ReaderSpec:
    saes = tuple(
        SaeSpec(
            name=name,
            origin=f"tests/{name}",
            architecture="jumprelu",
            hook="blocks.1.hook_resid_pre",
            d_in=8,
            d_sae=len(calibration),
            weights_sha256="0" * 64,
            preprocessing="none",
            calibration_sha256=calibration.sha256,
            threshold_percentile=calibration.percentile,
            min_tokens=calibration.min_tokens,
        )
        for name, calibration in calibrations.items()
    )
    return ReaderSpec(
        model="tests/tiny",
        revision="abc123",
        window=window,
        overlap=8,
        prefix_ids=(1,),
        suffix_ids=(2,),
        masks="1",
        chat_template_sha256="",
        pooling="max",
        saes=saes,
        numerics=Numerics("float32", "float32", device, versions or {"torch": "2.13.0"}),
        source={"kind": "test"},
    )


def random_rows(
    rng: np.random.Generator, n_tokens: np.ndarray, d_sae: int, density: float = 0.2
) -> PooledRows:
    """Rows that hold together: peak and first lie within the document, total is at least value."""
    lengths, parts = [], []
    for tokens in n_tokens:
        n = int(rng.binomial(d_sae, density)) if tokens else 0
        lengths.append(n)
        feature = np.sort(rng.choice(d_sae, n, replace=False)).astype(np.int32)
        value = (rng.random(n) * 5 + 0.1).astype(np.float32)
        count = rng.integers(1, max(int(tokens), 1) + 1, n, dtype=np.int32)
        first = (rng.random(n) * (tokens - count + 1)).astype(np.int32)
        peak = (first + rng.random(n) * (tokens - first)).astype(np.int32)
        total = (value * count * 0.7 + 0.3 * value).astype(np.float32)
        parts.append((feature, value, total, count, peak, first))
    columns = [np.concatenate(c) if parts else np.empty(0, np.int32) for c in zip(*parts, strict=True)]
    if not parts:
        return PooledRows.empty(0)
    return PooledRows(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), *columns)


def random_docs(
    rng: np.random.Generator, n_tokens: np.ndarray, start: int, metas: Sequence[dict[str, Any]]
) -> pa.Table:
    n = len(n_tokens)
    words = [[WORDS[i] for i in rng.integers(0, len(WORDS), t)] for t in n_tokens]
    starts, ends = [], []
    for doc in words:
        stops = np.cumsum([len(w) + 1 for w in doc], dtype=np.int64) - 1
        starts.append((stops - [len(w) for w in doc]).astype(np.int32) if doc else [])
        ends.append(stops.astype(np.int32) if doc else [])
    return docs_table(
        ids=[f"doc-{start + i}" for i in range(n)],
        texts=[" ".join(doc) for doc in words],
        prompts=[None if i % 3 == 0 else f"prompt {start + i}" for i in range(n)],
        n_tokens=n_tokens,
        n_unknown=[doc.count("🙂") for doc in words],
        token_start=starts,
        token_end=ends,
        metas=metas,
    )


def random_meta(rng: np.random.Generator, row: int) -> dict[str, Any]:
    meta: dict[str, Any] = {"model": ("gpt4", "claude", "llama")[row % 3], "score": float(rng.random())}
    if row % 4:
        meta["year"] = int(rng.integers(1990, 2026))
    return meta


@dataclass
class Truth:
    """What a corpus should say, dense: arrays documents x features per SAE and column."""

    d_sae: int
    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    prompts: list[str | None] = field(default_factory=list)
    metas: list[dict[str, Any]] = field(default_factory=list)
    n_tokens: list[int] = field(default_factory=list)
    rows: dict[str, list[PooledRows]] = field(default_factory=dict)

    def dense(self, column: str, sae: str = "main") -> np.ndarray:
        """One entry column as a dense matrix, written by a plain loop."""
        out = np.zeros((len(self.ids), self.d_sae))
        at = 0
        for rows in self.rows.get(sae, []):
            for i in range(len(rows)):
                for e in range(rows.indptr[i], rows.indptr[i + 1]):
                    out[at, rows.feature[e]] = getattr(rows, column)[e]
                at += 1
        return out

    def pooled(self, pooling: str, sae: str = "main") -> np.ndarray:
        match pooling:
            case "max":
                return self.dense("value", sae)
            case "mean":
                return self.dense("total", sae) / np.maximum(np.array(self.n_tokens, float), 1)[:, None]
            case "binary":
                return (self.dense("value", sae) > 0).astype(float)
            case _:
                return self.dense(pooling, sae)


@dataclass
class Shard:
    """One shard's input, as an encoder would hand it over."""

    docs: pa.Table
    rows: dict[str, PooledRows]
    rejects: list[dict[str, Any]]
    metas: list[dict[str, Any]]

    def write(self, writer: CorpusWriter, number: int) -> None:
        writer.write_shard(
            self.docs,
            self.rows,
            rejects=self.rejects,
            input_rows=self.docs.num_rows + len(self.rejects),
            input_hash=f"hash-{number}",
            stats={"windows": number},
        )


def make_shards(
    seed: int,
    sizes: Sequence[int],
    d_sae: int = 12,
    *,
    saes: Sequence[str] = ("main",),
    first: int = 0,
    metas: Sequence[dict[str, Any]] | None = None,
    max_tokens: int = 9,
    density: float = 0.2,
) -> list[Shard]:
    rng = np.random.default_rng(seed)
    shards = []
    for number, size in enumerate(sizes):
        start = first + sum(sizes[:number])
        n_tokens = rng.integers(0, max_tokens + 1, size, dtype=np.int32)
        mine = [dict(metas[start - first + i]) if metas else random_meta(rng, start + i) for i in range(size)]
        docs = random_docs(rng, n_tokens, start, mine)
        rows = {sae: random_rows(rng, n_tokens, d_sae, density) for sae in saes}
        rejects = [{"row": start + k, "reason": ("empty", "not text")[k % 2]} for k in range(number % 3)]
        shards.append(Shard(docs, rows, rejects, mine))
    return shards


def truth_of(shards: Sequence[Shard], d_sae: int) -> Truth:
    truth = Truth(d_sae)
    for shard in shards:
        table = shard.docs.to_pydict()
        truth.ids += table["id"]
        truth.texts += table["text"]
        truth.prompts += table["prompt"]
        truth.n_tokens += table["n_tokens"]
        truth.metas += shard.metas
        for sae, rows in shard.rows.items():
            truth.rows.setdefault(sae, []).append(rows)
    return truth


def make_corpus(
    path: Path,
    seed: int = 0,
    sizes: Sequence[int] = (5, 0, 7, 1),
    d_sae: int = 12,
    *,
    saes: Sequence[str] = ("main",),
    stores_text: bool = True,
    metas: Sequence[dict[str, Any]] | None = None,
    density: float = 0.2,
) -> tuple[Corpus, Truth]:
    """Write a random corpus of shards of these sizes; returns it with its dense truth."""
    calibrations = {sae: make_calibration(d_sae) for sae in saes}
    shards = make_shards(seed, sizes, d_sae, saes=saes, metas=metas, density=density)
    with CorpusWriter.open(
        path,
        plan={"seed": seed},
        spec=make_spec(calibrations),
        calibrations=calibrations,
        stores_text=stores_text,
    ) as writer:
        for number, shard in enumerate(shards):
            shard.write(writer, number)
        corpus = writer.finish(extra={"made by": "tests"})
    return corpus, truth_of(shards, d_sae)


def make_big_corpus(
    path: Path,
    n_documents: int,
    *,
    entries: int = 64,
    d_sae: int = 4096,
    shard_size: int = 1000,
    tokens: int = 32,
    seed: int = 0,
) -> Corpus:
    """Write a synthetic corpus quickly: ``entries`` features a document, ids and a ``group`` column."""
    rng = np.random.default_rng(seed)
    calibrations = {"main": make_calibration(d_sae)}
    with CorpusWriter.open(
        path,
        plan={"n": n_documents},
        spec=make_spec(calibrations),
        calibrations=calibrations,
        stores_text=True,
    ) as writer:
        for number, start in enumerate(range(0, n_documents, shard_size)):
            n = min(shard_size, n_documents - start)
            # one feature from each of `entries` equal strides: sorted and distinct without a loop
            stride = d_sae // entries
            feature = (rng.integers(0, stride, (n, entries)) + np.arange(entries) * stride).astype(np.int32)
            value = (rng.random((n, entries)) + 0.5).astype(np.float32)
            ones = np.ones(n * entries, np.int32)
            indptr = np.arange(n + 1, dtype=np.int64) * entries
            flat = value.ravel()
            rows = PooledRows(indptr, feature.ravel(), flat, flat, ones, ones * 0, ones * 0)
            at = np.arange(tokens, dtype=np.int32) * 5
            docs = docs_table(
                [f"doc-{start + i}" for i in range(n)],
                [f"text {start + i} ".ljust(tokens * 5, "x") for i in range(n)],
                [None] * n,
                np.full(n, tokens, np.int32),
                np.zeros(n, np.int32),
                [at] * n,
                [at + 4] * n,
                [{"group": "ab"[(start + i) % 2]} for i in range(n)],
            )
            writer.write_shard(
                docs, {"main": rows}, rejects=[], input_rows=n, input_hash=str(number), stats={}
            )
        return writer.finish(extra={})


def assert_matrix(matrix: Any, dense: np.ndarray) -> None:
    """Assert that a sparse matrix has these values and stores no zeros."""
    assert matrix.shape == dense.shape
    np.testing.assert_allclose(matrix.toarray(), dense, rtol=1e-6)
    assert matrix.nnz == (dense != 0).sum()
