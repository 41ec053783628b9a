"""Probes made by ourselves: random tokens twice, and sentences with two names of which one comes next.

Random tokens have no meaning that a head could go by: what it attends to there is a matter of place and of
repetition. Each probe has a control in which what is looked for is not there. Not for: scoring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError
from saetext.reader.causal import CausalModel
from saetext.reader.prompts import plain_prompt

Ids = NDArray[np.int64]
PERIOD, LEAST_PERIOD = 24, 4  # random tokens before they come again
LEAST_NAMES = 4

NAMES = (
    *("Anna", "Peter", "Laura", "Simon", "Julia", "Martin", "Emma", "Daniel", "Sarah", "Thomas", "Alice"),
    *("David", "Maria", "Robert", "Helen", "Michael", "Clara", "James", "Rachel", "Kevin", "Susan", "Mark"),
    *("Lucy", "Paul", "Nina", "George", "Diana", "Frank", "Rose", "Henry"),
)
PLACES = ("library", "garden", "station", "bakery", "museum", "harbour", "workshop", "theatre")
THINGS = ("map", "letter", "basket", "key", "lamp", "camera", "ticket", "umbrella")
FRAMES = (
    "After {a} and {b} came back from the {place}, {s} gave the {thing} to",
    "When {a} and {b} met again at the {place}, {s} handed the {thing} to",
    "While {a} and {b} were waiting in the {place}, {s} showed the {thing} to",
    "Because {a} and {b} had both worked at the {place}, {s} lent the {thing} to",
)


@dataclass(frozen=True, eq=False)
class Repeated:
    """Random tokens that come twice, and sequences in which they do not.

    Attributes
    ----------
    twice, once : int64[probes, prefix + 2 x period]
        The same first halves; the second half of ``once`` is of other tokens.
    prefix : int
        Special tokens before them.
    period : int
    """

    twice: Ids
    once: Ids
    prefix: int
    period: int


def repeated(model: CausalModel, n: int, seed: int) -> Repeated:
    """Return probes of random tokens.

    Raises
    ------
    InputError
        If the model has too few tokens or positions.
    """
    prefix = plain_prompt(model.tokenizer, " a")
    front = prefix.ids[: int(prefix.content().argmax())]
    words = ordinary(model)
    room = (model.max_positions or 1 << 30) - len(front)
    period = min(PERIOD, room // 2, len(words) // 2)
    if period < LEAST_PERIOD:
        raise InputError(
            f"{model.name} is too small to score heads: it has {len(words)} tokens and {room} positions"
        )
    draw = np.random.default_rng([seed, 1])
    drawn = np.stack([draw.permutation(words)[: 2 * period] for _ in range(n)])
    first, other = drawn[:, :period], drawn[:, period:]
    begin = np.tile(front, (n, 1))
    twice, once = (np.concatenate([begin, first, then], axis=1) for then in (first, other))
    return Repeated(twice, once, len(front), period)


def ordinary(model: CausalModel) -> Ids:
    """Return the tokens that stand for text: no special ones, none beyond the model's vocabulary."""
    tokenizer: Any = model.tokenizer
    special = np.array(sorted(tokenizer.all_special_ids), np.int64)
    return np.setdiff1d(np.arange(min(len(tokenizer), model.vocabulary), dtype=np.int64), special)


@dataclass(frozen=True)
class Sentence:
    """A sentence with two names, of which the one that stands once comes next.

    Attributes
    ----------
    text : str
    ids : tuple of int
    at : int
        Position of the name that comes next.
    name, other, absent : int
        Its token, that of the name that stands twice, and that of one which does not stand there.
    """

    text: str
    ids: tuple[int, ...]
    at: int
    name: int
    other: int
    absent: int


def sentences(model: CausalModel, n: int, seed: int) -> list[Sentence]:
    """Return sentences whose names are one token each; none if the model has too few such names.

    Which name comes first, and which next, is balanced.
    """
    known = {token: name for name in NAMES if (token := _one_token(model, f" {name}")) is not None}
    if len(known) < LEAST_NAMES:
        return []
    draw = np.random.default_rng([seed, 2])
    found: list[Sentence] = []
    for number in range(n):
        one, two, absent = draw.permutation(list(known))[:3].tolist()
        frame = FRAMES[int(draw.integers(len(FRAMES)))]
        place, thing = (str(draw.choice(some)) for some in (PLACES, THINGS))
        subject, next_ = (one, two) if number % 2 else (two, one)
        text = frame.format(a=known[one], b=known[two], s=known[subject], place=place, thing=thing)
        ids = plain_prompt(model.tokenizer, text).ids.tolist()
        if ids.count(next_) == 1 and ids.count(subject) == 2 and absent not in ids:
            found.append(Sentence(text, tuple(ids), ids.index(next_), next_, subject, absent))
    return found


def _one_token(model: CausalModel, text: str) -> int | None:
    ids = model.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    return int(ids[0]) if len(ids) == 1 and ids[0] < model.vocabulary else None
