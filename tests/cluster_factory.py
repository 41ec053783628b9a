"""A corpus in memory in which groups are planted: topics and tones, independent of each other.

A helper for tests, not a test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from memory_corpus import DenseCorpus
from scipy import sparse

from saetext.features.labels import FeatureLabel, FeatureLabels

TOPICS, TONES = ("travel", "cooking", "football", "physics"), ("angry", "polite", "joking")
EACH = 6  # features of every topic and tone
COMMON = 8  # features that have nothing to do with either
TOPIC_FEATURES = list(range(EACH * len(TOPICS)))
TONE_FEATURES = list(range(EACH * len(TOPICS), EACH * (len(TOPICS) + len(TONES))))
D_SAE = EACH * (len(TOPICS) + len(TONES)) + COMMON
LABELS = FeatureLabels.from_rows(
    [
        FeatureLabel(g * EACH + i, f"{kind} of {name} number {i}")
        for g, (kind, name) in enumerate([("topic", t) for t in TOPICS] + [("tone", t) for t in TONES])
        for i in range(EACH)
    ]
    + [FeatureLabel(D_SAE - COMMON + i, f"something else {i}") for i in range(COMMON)]
)


class Stored(DenseCorpus):
    """Yields strengths in blocks, as a corpus on disk does, and has texts of its own."""

    def __init__(self, value: np.ndarray, *, told: Sequence[str | None] | None = None, **more: Any) -> None:
        super().__init__(value, **more)
        if told is not None:
            self.frame = self.frame.with_columns(pl.Series("text", told, dtype=pl.String))

    def blocks(self, pooling: str, sae: str | None) -> Iterator[tuple[np.ndarray, sparse.csr_matrix]]:
        for start in range(0, len(self.value), self.block):
            part = self.value[start : start + self.block]
            yield (
                np.arange(start, start + len(part)),
                sparse.csr_matrix((part > 0).astype(np.float32) if pooling == "binary" else part),
            )

    def document(self, row: int) -> dict[str, Any]:
        known = self.frame.row(row, named=True)
        words = (known["text"] or "").split(" ")
        ends = np.cumsum([len(word) + 1 for word in words]) - 1
        starts = ends - [len(word) for word in words]
        return {**known, "prompt": known.get("prompt"), "token_start": starts, "token_end": ends}

    def take(self, rows: np.ndarray) -> Stored:
        """Return a view of some rows."""
        found = Stored(self.value[rows], peak=self.peak[rows], block=self.block)
        found.frame = self.frame[rows]
        return found


def planted(n: int = 600, seed: int = 0, *, clear: float = 0.9, tones: bool = True, **more: Any) -> Stored:
    """Documents of a topic and a tone, columns ``topic`` and ``tone``; each has most features of its own."""
    rng = np.random.default_rng(seed)
    topic, tone = rng.integers(0, len(TOPICS), n), rng.integers(0, len(TONES), n)
    rate = np.full((n, D_SAE), 0.02)
    rate[:, D_SAE - COMMON :] = 0.2
    for i in range(EACH):
        rate[np.arange(n), topic * EACH + i] = clear
        if tones:
            rate[np.arange(n), (len(TOPICS) + tone) * EACH + i] = clear
    value = (rng.random((n, D_SAE)) < rate) * rng.uniform(0.8, 1.6, (n, D_SAE))
    told = [
        f"{TOPICS[a]} is what we {TONES[b]} people know {' '.join(['more'] * int(rng.integers(1, 9)))}"
        for a, b in zip(topic, tone, strict=True)
    ]
    return Stored(
        value,
        told=told,
        peak=rng.integers(0, 7, (n, D_SAE)),
        n_tokens=[len(text.split()) for text in told],
        meta={"topic": [TOPICS[a] for a in topic], "tone": [TONES[b] for b in tone]},
        **more,
    )


def distinct(n: int = 300, seed: int = 0, **more: Any) -> Stored:
    """The same where texts differ in words: views look at copies, also with other numbers, once."""
    found = planted(n, seed, **more)
    words = ["".join("abcdefghij"[int(digit)] for digit in str(i)) for i in range(n)]
    found.frame = found.frame.with_columns(text=pl.col("text") + " " + pl.Series(words))
    return found
