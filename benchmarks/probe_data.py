"""The labelled texts that measure a representation: 18 properties of six public datasets, as binary tasks.

Reads the Parquet files of a folder (``goemotions``, ``politeness``, ``nltk_properties``, ``clickbait``,
``reasoning_sentences``, ``onestop_levels``); six further properties also of ``imdb_counterfactual`` and
``selfinstruct_outputs``. Not for: representations or probes, see ``probes.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
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


def load(
    folder: Path,
    seed: int = 0,
    per_side: int = PER_SIDE,
    *,
    further: bool = False,
    characters: int | None = None,
) -> Texts:
    """Return the tasks, the same for the same seed; groups (prompts, articles) never cross the split.

    ``further`` adds six properties to the 18, after them; ``characters`` cuts the texts.
    """
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    place: dict[str, int] = {}
    tasks: list[Task] = []

    def add(name: str, frame: pl.DataFrame) -> None:
        """``frame`` has text, truth (bool) and group."""
        if characters is not None:
            frame = frame.with_columns(pl.col("text").str.slice(0, characters))
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
    if further:
        for name, frame in _further(folder):
            add(name, frame)
    return Texts(texts, tasks)


def _further(folder: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield six properties beside the 18, each with its text, truth and group."""
    reviews = pl.read_parquet(folder / "imdb_counterfactual.parquet")
    positive = pl.col("label") == "positive"
    yield "counterfactual reviews", reviews.with_columns(truth=positive, group=pl.col("pair_id"))
    nltk = pl.read_parquet(folder / "nltk_properties.parquet").with_columns(group=pl.col("id"))
    of = {name: nltk.filter(pl.col("label").is_in(labels)) for name, labels in _OPPOSITES.items()}
    yield "sentence polarity", of["polarity"].with_columns(truth=positive)
    yield "pros and cons", of["pros"].with_columns(truth=pl.col("label") == "pro")
    compared = nltk.filter(pl.col("label").str.contains("comparative"))
    yield "comparison", compared.with_columns(truth=pl.col("label") != "not comparative")
    moves = pl.read_parquet(folder / "reasoning_sentences.parquet").with_columns(
        truth=pl.col("is_thinking_model"), group=pl.col("prompt_id").cast(pl.String)
    )
    yield "thinking model", moves
    answers = pl.read_parquet(folder / "selfinstruct_outputs.parquet").filter(
        pl.col("model").is_in(["davinci", "text-davinci-003"])
    )
    tuned = pl.col("model") != "davinci"
    yield "tuned model", answers.with_columns(truth=tuned, group=pl.col("prompt_id").cast(pl.String))


_OPPOSITES = {"polarity": ["positive", "negative"], "pros": ["pro", "con"]}
