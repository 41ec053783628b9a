"""Corpora on disk with heavy-tailed feature frequencies and documents of lognormal length, from a seed.

For speed at a size that real texts would take hours to encode to. Not for: anything about what features mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus.calibration import Calibration
from saetext.corpus.meta import docs_table
from saetext.corpus.rows import PooledRows
from saetext.corpus.spec import Numerics, ReaderSpec, SaeSpec

SHARD = 10_000
TOPICS = 20
_WORDS = 30_000  # different ones, as frequent as their rank says
_LEANING = 200  # features that lean to one source

Spans = Sequence[Sequence[int] | NDArray[np.int64]]


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
    shard_rows: int = SHARD,
    texts: bool = False,
) -> Corpus:
    """Write a corpus in which longer documents have more of everything.

    ``length_effect`` is the power of a document's relative length with which its rates grow. With ``texts``
    each token is a word of its text, features gather in 20 topics and 200 of them in one of two sources, and
    topic, source and a year are columns; without, texts are not stored and features are independent.
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
        stores_text=texts,
    ) as writer:
        for number, start in enumerate(range(0, n_documents, shard_rows)):
            n = min(shard_rows, n_documents - start)
            tokens = np.maximum(rng.lognormal(np.log(median_tokens), 0.6, n), 5).astype(np.int32)
            weight = (tokens / median_tokens) ** length_effect
            pick = weight / weight.sum()
            counts = rng.poisson(n * np.minimum(rates * weight.mean(), 0.95))
            owners = rng.choice(n, int(counts.sum()), p=pick)
            topic, source = rng.integers(TOPICS, size=n), rng.integers(2, size=n)
            if texts:
                _gathered(owners, counts, topic, source, rng)
            key = np.unique(owners.astype(np.int64) * d_sae + np.repeat(np.arange(d_sae), counts))
            row, feature = key // d_sae, (key % d_sae).astype(np.int32)
            indptr = np.searchsorted(row, np.arange(n + 1)).astype(np.int64)
            value = (rng.random(len(key), np.float32) + 0.5).astype(np.float32)
            first = (rng.random(len(key), np.float32) * tokens[row]).astype(np.int32)
            ones = np.ones(len(key), np.int32)
            rows = PooledRows(indptr, feature, value, value, ones, first, first)
            nothing: list[list[int]] = [[]] * n
            none: list[str | None] = [None] * n
            written: tuple[list[str | None], Spans, Spans] = none, nothing, nothing
            meta: list[dict[str, object]] = [{"prompt_id": start + i} for i in range(n)]
            if texts:
                written = _texts(tokens, rng)
                for i, columns in enumerate(meta):
                    year = 2000 + int(topic[i] * source[i]) % 25
                    columns |= {"topic": f"t{topic[i]}", "source": "ab"[source[i]], "year": year}
            docs = docs_table(
                [f"d{start + i}" for i in range(n)], written[0], none, tokens, [0] * n, *written[1:], meta
            )
            writer.write_shard(
                docs, {"main": rows}, rejects=[], input_rows=n, input_hash=str(number), stats={}
            )
        return writer.finish()


def _gathered(
    owners: NDArray[np.int64],
    counts: NDArray[np.int64],
    topic: NDArray[np.int64],
    source: NDArray[np.int64],
    rng: np.random.Generator,
) -> None:
    """Move entries of a shard, in place: half of each feature's to its topic, some to its source."""
    feature = np.repeat(np.arange(len(counts)), counts)
    leaning = feature < _LEANING
    for code, of, share in (
        (topic, feature % TOPICS, 0.5),
        (source, np.where(leaning, feature % 2, -1), 0.3),
    ):
        order = np.argsort(code, kind="stable")
        first = np.searchsorted(code[order], np.arange(TOPICS + 1))
        size = np.diff(first)
        move = np.flatnonzero((of >= 0) & (size[of] > 0) & (rng.random(len(owners)) < share))
        group = of[move]
        owners[move] = order[first[group] + (rng.random(len(move)) * size[group]).astype(np.int64)]


def _texts(
    tokens: NDArray[np.int32], rng: np.random.Generator
) -> tuple[list[str | None], list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Return texts of so many made-up words, and where each word begins and ends."""
    letters = np.array(list("bdfgklmnprstvz"))
    vowels = np.array(list("aeiou"))
    rank = np.minimum(rng.zipf(1.3, int(tokens.sum())), _WORDS) - 1
    base = len(letters) * len(vowels)
    syllables = np.array([c + v for c in letters for v in vowels])
    vocabulary = [
        f"{syllables[i % base]}{syllables[i // base % base]}{syllables[i // base // base]}"
        for i in range(_WORDS)
    ]
    width = len(vocabulary[0]) + 1
    texts: list[str | None] = []
    starts, ends = [], []
    at = 0
    for n in tokens.tolist():
        texts.append(" ".join([vocabulary[i] for i in rank[at : at + n].tolist()]))
        starts.append(np.arange(n, dtype=np.int64) * width)
        ends.append(starts[-1] + width - 1)
        at += n
    return texts, starts, ends
