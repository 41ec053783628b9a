"""Corpora on disk with heavy-tailed feature frequencies and documents of lognormal length, from a seed.

For speed at a size that real texts would take hours to encode to. Not for: anything about what features mean.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus.calibration import Calibration
from saetext.corpus.meta import docs_table
from saetext.corpus.rows import PooledRows
from saetext.corpus.spec import Numerics, ReaderSpec, SaeSpec

SHARD = 10_000


def frequencies(d_sae: int, active: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Rates of features, falling as a power of their rank, at most .8, ``active`` of them in a document."""
    shape = 1 / np.arange(1, d_sae + 1) ** 0.9
    low, high = 0.0, float(d_sae)
    for _ in range(80):  # the scale at which the capped rates add up
        scale = (low + high) / 2
        low, high = (scale, high) if np.minimum(shape * scale, 0.8).sum() < active else (low, scale)
    return rng.permutation(np.minimum(shape * low, 0.8))


def synthetic_corpus(
    path: Path,
    n_documents: int,
    rates: NDArray[np.float64],
    *,
    seed: int = 0,
    length_effect: float = 0.5,
    median_tokens: int = 150,
) -> Corpus:
    """Write a corpus in which longer documents have more of everything; texts are not stored.

    ``length_effect`` is the power of a document's relative length with which its rates grow.
    """
    d_sae = len(rates)
    calibration = Calibration.from_arrays(
        np.zeros(d_sae, np.float32), percentile=75.0, top_words=[[]] * d_sae
    )
    sae = SaeSpec(
        "main",
        "synthetic",
        "topk",
        "blocks.1.hook_resid_pre",
        8,
        d_sae,
        "w",
        "none",
        calibration.sha256,
        75.0,
        1,
    )
    spec = ReaderSpec(
        model="synthetic", revision="1", window=256, overlap=16, prefix_ids=(), suffix_ids=(), masks="1",
        chat_template_sha256="", pooling="max", saes=(sae,),
        numerics=Numerics("float32", "float32", "cpu", {}),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    with CorpusWriter.open(
        path,
        plan={"n": n_documents, "seed": seed},
        spec=spec,
        calibrations={"main": calibration},
        stores_text=False,
    ) as writer:
        for number, start in enumerate(range(0, n_documents, SHARD)):
            n = min(SHARD, n_documents - start)
            tokens = np.maximum(rng.lognormal(np.log(median_tokens), 0.6, n), 5).astype(np.int32)
            weight = (tokens / median_tokens) ** length_effect
            pick = weight / weight.sum()
            counts = rng.poisson(n * np.minimum(rates * weight.mean(), 0.95))
            owners = rng.choice(n, int(counts.sum()), p=pick)
            key = np.unique(owners.astype(np.int64) * d_sae + np.repeat(np.arange(d_sae), counts))
            row, feature = key // d_sae, (key % d_sae).astype(np.int32)
            indptr = np.searchsorted(row, np.arange(n + 1)).astype(np.int64)
            value = (rng.random(len(key), np.float32) + 0.5).astype(np.float32)
            first = (rng.random(len(key), np.float32) * tokens[row]).astype(np.int32)
            ones = np.ones(len(key), np.int32)
            rows = PooledRows(indptr, feature, value, value, ones, first, first)
            nothing: list[list[int]] = [[]] * n
            none = [None] * n
            docs = docs_table(
                [f"d{start + i}" for i in range(n)], none, none, tokens, [0] * n, nothing, nothing,
                [{"prompt_id": start + i} for i in range(n)],
            )  # fmt: skip
            writer.write_shard(
                docs, {"main": rows}, rejects=[], input_rows=n, input_hash=str(number), stats={}
            )
        return writer.finish()
