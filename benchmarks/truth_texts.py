"""The real texts of ``truth.py``, from a folder of Parquet files that is not part of the repository.

A pool is a list of different texts of one kind, long enough to hold what is put into them. Not for: changing
texts (``truth_plants.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

_END = re.compile(r"(?<=[.!?])(?=\s)|(?=\n)|\Z")
_ANSWERS = (
    "vicuna-7b",
    "gpt-3.5-turbo-0301",
    "tulu-2-dpo-7b",
    "deepseek-llm-67b-chat",
    "alpaca-farm-ppo-human",
    "wizardlm-13b",
)


def shortened(text: str, most: int) -> str:
    """Return the first sentences of a text, up to ``most`` words; at least one sentence."""
    end = 0
    for gap in _END.finditer(text.strip()):
        if end and len(text.strip()[: gap.start()].split()) > most:
            break
        end = gap.start() or end
    return text.strip()[:end].strip()


def distinct(texts: Sequence[str], least: int, most: int) -> list[str]:
    """Return the different texts of ``least`` to ``most`` words, in order."""
    kept = dict.fromkeys(text.strip() for text in texts)
    return [text for text in kept if least <= len(text.split()) <= most]


def draw(texts: Sequence[str], n: int, rng: Random) -> list[str]:
    """Return ``n`` of the texts, at random.

    Raises
    ------
    SystemExit
        If there are fewer.
    """
    if len(texts) < n:
        raise SystemExit(f"{n} texts are needed, and there are {len(texts)}")
    return rng.sample(list(texts), n)


@dataclass
class Data:
    """The folder, with tables and pools kept once read."""

    folder: Path
    _tables: dict[str, Any] = field(default_factory=dict)
    _pools: dict[str, list[str]] = field(default_factory=dict)

    def table(self, name: str) -> Any:
        """Return a file as a polars frame.

        Raises
        ------
        SystemExit
            If it is not there.
        """
        import polars as pl

        path = self.folder / f"{name}.parquet"
        if name not in self._tables:
            if not path.exists():
                raise SystemExit(f"{path.name} is not in {self.folder}; say where with --data")
            self._tables[name] = pl.read_parquet(path)
        return self._tables[name]

    def pool(self, name: str) -> list[str]:
        """Return the texts of a pool, always in the same order."""
        if name not in self._pools:
            self._pools[name] = POOLS[name](self)
        return self._pools[name]


def _answers(data: Data) -> list[str]:
    """One answer to each prompt, of a model that changes from prompt to prompt, its first sentences."""
    table = data.table("alpaca_eval_outputs")
    of = {(row["prompt_id"], row["model"]): row["text"] for row in table.iter_rows(named=True)}
    prompts = sorted(set(table["prompt_id"].to_list()))
    texts = [of.get((prompt, _ANSWERS[n % len(_ANSWERS)]), "") for n, prompt in enumerate(prompts)]
    return distinct([shortened(text, 110) for text in texts if text], 35, 140)


def _whole_answers(data: Data) -> list[str]:
    table = data.table("alpaca_eval_outputs").filter(model=_ANSWERS[0]).sort("prompt_id")
    return distinct(table["text"].to_list(), 30, 400)


def _prompts(data: Data) -> list[str]:
    return distinct(data.table("user_prompts")["text"].to_list(), 25, 110)


def _emotions(data: Data) -> list[str]:
    return distinct(data.table("goemotions")["text"].to_list(), 12, 40)


def _reviews(data: Data) -> list[str]:
    table = data.table("imdb_counterfactual").filter(kind="original")
    return distinct([shortened(text, 100) for text in table["text"].to_list()], 50, 130)


def _whole_reviews(data: Data) -> list[str]:
    return distinct(data.table("imdb_counterfactual").filter(kind="original")["text"].to_list(), 150, 400)


def _articles(data: Data) -> list[str]:
    texts = [
        " ".join(piece.split())
        for text in data.table("onestop_levels").filter(label="intermediate")["text"].to_list()
        for piece in _pieces(text, 90)
    ]
    return distinct(texts, 50, 130)


def _pieces(text: str, words: int) -> list[str]:
    """Cut a text into stretches of whole sentences."""
    found, rest = [], text.strip()
    while rest:
        piece = shortened(rest, words)
        found.append(piece)
        rest = rest[len(piece) :].strip()
    return found


def _dialogues(data: Data) -> list[str]:
    return distinct([shortened(t, 110) for t in data.table("self_dialogue")["text"].to_list()], 50, 130)


def _whole_dialogues(data: Data) -> list[str]:
    return distinct(data.table("self_dialogue")["text"].to_list(), 120, 300)


def _traces(data: Data) -> list[str]:
    """Six sentences in a row of each reasoning trace."""
    table = data.table("reasoning_sentences").sort("doc_id", "position")
    traces: dict[str, list[str]] = {}
    for row in table.iter_rows(named=True):
        traces.setdefault(row["doc_id"], []).append(row["text"])
    return distinct([" ".join(sentences[2:8]) for sentences in traces.values()], 40, 200)


def _column(name: str, least: int, most: int) -> Callable[[Data], list[str]]:
    return lambda data: distinct(data.table(name)["text"].to_list(), least, most)


POOLS: dict[str, Callable[[Data], list[str]]] = {
    "answers": _answers,
    "whole answers": _whole_answers,
    "prompts": _prompts,
    "emotions": _emotions,
    "reviews": _reviews,
    "whole reviews": _whole_reviews,
    "articles": _articles,
    "dialogues": _dialogues,
    "whole dialogues": _whole_dialogues,
    "traces": _traces,
    "instructions": _column("selfinstruct_outputs", 20, 150),
    "banking": _column("banking77", 8, 60),
    "news": _column("ag_news_test", 15, 80),
    "problems": _column("gsm8k_train", 20, 90),
}
