"""Piles with known labels for ``cluster.py views``: which are for choosing, which for telling, and how drawn.

Half of the sets served to choose what the views do; the others were looked at when that was settled. Not for:
any measuring.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST = 1200  # documents of a set
CHARACTERS = 1000  # of a document


@dataclass(frozen=True)
class Pile:
    """A set: the file, the column of the truth, the rows (a filter in SQL), and which view should hold it.

    ``half`` is choosing, telling or one source (no truth: a draw of one kind of text).
    """

    file: str
    truth: str
    where: str | None
    holds: str
    half: str
    rows: int = MOST


_WILD = "n_labels = 1 AND \"primary\" <> 'neutral'"
_X = "model IN ('{0}_concise', '{0}_verbose')"
PILES = {
    "banking77, intents a to d": Pile("banking77", "label", "label < 'e'", "subject", "choosing"),
    "ag_news": Pile("ag_news_test", "label", None, "subject", "choosing"),
    "gpt-4 concise, verbose": Pile(
        "alpaca_eval_outputs", "style", _X.format("gpt4_1106_preview"), "style", "choosing", 500
    ),
    "imdb sentiment": Pile("imdb_counterfactual", "label", None, "emotion", "choosing", 600),
    "goemotions": Pile("goemotions", "primary", _WILD, "emotion", "choosing"),
    "subjectivity": Pile("nltk_properties", "label", "dataset = 'subjectivity'", "style", "choosing", 1000),
    "planted, source": Pile("planted_correlation", "source", "phi = 0.0", "subject", "choosing", 1000),
    "banking77, intents e to z": Pile("banking77", "label", "label >= 'e'", "subject", "telling"),
    "autoj scenarios": Pile("user_prompts", "label", "source = 'autoj_scenario'", "function", "telling"),
    "self_dialogue topics": Pile("self_dialogue", "topic", None, "subject", "telling", 700),
    "gpt-3.5 concise, verbose": Pile(
        "alpaca_eval_outputs", "style", _X.format("gpt-3.5-turbo-1106"), "style", "telling", 500
    ),
    "alpaca-7b concise, verbose": Pile(
        "alpaca_eval_outputs", "style", _X.format("alpaca-7b"), "style", "telling", 500
    ),
    "two model families": Pile(
        "alpaca_eval_outputs", "family", "model IN ('claude', 'gpt-4-turbo-2024-04-09')", "style", "telling",
        500,
    ),
    "base and tuned": Pile(
        "selfinstruct_outputs", "stage", None, "function", "telling", 2016
    ),
    "reasoning behaviours": Pile("reasoning_sentences", "label", None, "function", "telling"),
    "clickbait": Pile("clickbait", "label", None, "style", "telling"),
    "politeness": Pile("politeness", "label", "label <> 'neutral'", "emotion", "telling"),
    "reading levels": Pile("onestop_levels", "label", None, "style", "telling"),
    "pros and cons": Pile("nltk_properties", "label", "dataset = 'pros_cons'", "emotion", "telling", 1000),
    "gentle and brisk": Pile("examples", "model", None, "style", "choosing"),
    "gentle and brisk, topics": Pile("examples", "topic", None, "subject", "telling", 700),
    "headlines": Pile("clickbait", "label", "label = 'clickbait'", "", "one source", 1000),
    "neutral requests": Pile("politeness", "label", "label = 'neutral'", "", "one source", 1000),
    "word problems": Pile("gsm8k_train", "n_steps", None, "", "one source", 1000),
}  # fmt: skip


def corpus_of(name: str, data: Path, work: Path, reader: str) -> Any:
    """Return the corpus of a set, encoded at the first call and kept in ``work``."""
    import polars as pl

    from saetext import Corpus, Reader, encode, open_documents

    pile = PILES[name]
    path = work / f"views-{''.join(c if c.isalnum() else '-' for c in name)}.corpus"
    if not (path / "manifest.json").exists():
        if pile.file == "examples":
            own = Path(__file__).resolve().parent.parent / "examples"
            frame = pl.concat([pl.read_ndjson(own / f"{half}.jsonl") for half in ("gentle", "brisk")])
        else:
            frame = pl.read_parquet(data / f"{pile.file}.parquet")
        if pile.where:
            frame = frame.filter(pl.sql_expr(pile.where))
        frame = frame.filter(pl.col("text").str.len_chars() > 0)
        frame = frame.sample(min(pile.rows, len(frame)), seed=0)
        frame = frame.select(
            "id", pl.col("text").str.slice(0, CHARACTERS), pl.col(pile.truth).cast(pl.String)
        )
        encode(open_documents(frame, text="text", id="id"), path, reader=Reader(reader))
    return Corpus.open(path)
