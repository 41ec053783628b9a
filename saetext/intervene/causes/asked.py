"""What the model is asked: the prompts of the texts that were compared, or of a file, in two halves.

Not for: the conditions under which it writes (:mod:`saetext.intervene.causes.sides`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saetext.errors import InputError
from saetext.intervene.rows import Given, asked_in

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.reader.prompts import Messages


@dataclass(frozen=True)
class Halves:
    """Prompts of the half that chooses, and of the half that tests."""

    choose: tuple[str | Messages, ...]
    test: tuple[str | Messages, ...]


def prompts_in(given: Given) -> list[str | Messages]:
    """Return the prompts of a file or of rows, each once; answers beside them are not looked at."""
    found: dict[str, str | Messages] = {}
    for row in asked_in(given):
        prompt: str | Messages = row.prompt if isinstance(row.prompt, str) else [dict(t) for t in row.prompt]
        found.setdefault(repr(prompt), prompt)
    return list(found.values())


def prompts_of(corpora: Sequence[Corpus]) -> list[str | Messages]:
    """Return the prompts of both corpora, each once; those of one alone only where they share none.

    Raises
    ------
    InputError
        If they hold none.
    """
    own = []
    for corpus in corpora:
        values = corpus.documents.select("prompt").collect()["prompt"].to_list()
        own.append(dict.fromkeys(value for value in values if value and value.strip()))
    shared = [prompt for prompt in own[0] if prompt in own[1]]
    every = shared or list(own[0] | own[1])
    if not every:
        raise InputError("the texts that were compared have no prompts: name a file of them with --prompts")
    return [*every]


def halves_of(prompts: Sequence[str | Messages], most: int | None, seed: int) -> Halves:
    """Return prompts in two halves, drawn by the seed; one prompt more tests where they are odd.

    Raises
    ------
    InputError
        If there are fewer than two.
    """
    if len(prompts) < 2:
        raise InputError("one prompt cannot both choose features and test them: give two at least, or 16")
    order = np.random.default_rng([seed, 23]).permutation(len(prompts))[: most or len(prompts)]
    cut = len(order) // 2
    choose, test = (tuple(prompts[i] for i in np.sort(part)) for part in (order[:cut], order[cut:]))
    return Halves(choose, test)


def shown(prompt: str | Messages) -> str:
    """Return a prompt as one text: of turns, what the user says last."""
    return prompt if isinstance(prompt, str) else str(prompt[-1].get("content", ""))
