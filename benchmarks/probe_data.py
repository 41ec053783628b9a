"""The labelled texts that measure a representation: 18 properties of six public datasets, as binary tasks.

Reads the Parquet files of a folder (``goemotions``, ``politeness``, ``nltk_properties``, ``clickbait``,
``reasoning_sentences``, ``onestop_levels``). Not for: representations or probes, see ``probes.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

EMOTIONS = ["admiration", "amusement", "anger", "confusion", "curiosity", "gratitude", "sadness", "surprise"]
MOVES = [
    "backtracking",
    "uncertainty-estimation",
    "example-testing",
    "adding-knowledge",
    "initializing",
    "deduction",
]  # fmt: skip
PER_SIDE = 750  # texts with and without a property, at most


@dataclass(frozen=True)
class Task:
    """One property: rows of :attr:`Texts.texts`, whether each has it, and which are for training."""

    name: str
    rows: np.ndarray
    truth: np.ndarray
    train: np.ndarray


@dataclass(frozen=True)
class Texts:
    """All texts, each once, and the tasks on them."""

    texts: list[str]
    tasks: list[Task]


def load(folder: Path, seed: int = 0, per_side: int = PER_SIDE) -> Texts:
    """Return the tasks, the same for the same seed; groups (prompts, articles) never cross the split."""
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    place: dict[str, int] = {}
    tasks: list[Task] = []

    def add(name: str, frame: pl.DataFrame) -> None:
        """``frame`` has text, truth (bool) and group."""
        frame = frame.unique("text", keep="first", maintain_order=True)
        parts = []
        for side in (True, False):
            mine = frame.filter(pl.col("truth") == side)
            keep = rng.permutation(len(mine))[:per_side]
            parts.append(mine[np.sort(keep)])
        both = pl.concat(parts)
        groups = both["group"].unique(maintain_order=True)
        chosen = dict(zip(groups.to_list(), rng.random(len(groups)) < 0.5, strict=True))
        for text in both["text"]:
            if text not in place:
                place[text] = len(texts)
                texts.append(text)
        tasks.append(
            Task(
                name,
                np.array([place[t] for t in both["text"]]),
                both["truth"].to_numpy().astype(bool),
                np.array([chosen[g] for g in both["group"]]),
            )
        )

    emotions = pl.read_parquet(folder / "goemotions.parquet").with_columns(group=pl.col("id"))
    for emotion in EMOTIONS:
        add(emotion, emotions.with_columns(truth=pl.col("labels").list.contains(emotion)))
    polite = pl.read_parquet(folder / "politeness.parquet").filter(pl.col("label") != "neutral")
    add("politeness", polite.with_columns(truth=pl.col("label") == "polite", group=pl.col("id")))
    nltk = pl.read_parquet(folder / "nltk_properties.parquet").filter(pl.col("dataset") == "subjectivity")
    add("subjectivity", nltk.with_columns(truth=pl.col("label") == "subjective", group=pl.col("id")))
    bait = pl.read_parquet(folder / "clickbait.parquet")
    add("clickbait", bait.with_columns(truth=pl.col("label") == "clickbait", group=pl.col("id")))
    moves = pl.read_parquet(folder / "reasoning_sentences.parquet").with_columns(
        group=pl.col("prompt_id").cast(pl.String)
    )
    for move in MOVES:
        add(move, moves.with_columns(truth=pl.col("label") == move))
    levels = pl.read_parquet(folder / "onestop_levels.parquet").filter(pl.col("label") != "intermediate")
    add("reading level", levels.with_columns(truth=pl.col("label") == "advanced", group=pl.col("article")))
    return Texts(texts, tasks)
