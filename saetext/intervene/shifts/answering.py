"""The model's answers to questions: letters to options, averaged over orders.

Not for: what they are worth (:mod:`saetext.intervene.shifts.scores`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.intervene.cases import batches
from saetext.intervene.shifts.change import Change
from saetext.intervene.shifts.panel import Kept, Panel
from saetext.intervene.shifts.prompts import Asking
from saetext.io.progress import Count

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Put:
    """A question in one order, as the model has it up to the hook."""

    asking: Asking
    kept: Kept

    @property
    def question(self) -> int:
        """Number of the question."""
        return self.asking.question


@dataclass(frozen=True, eq=False)
class Letters:
    """The logits of letters in each order a question was put.

    Attributes
    ----------
    logits : float64[orders, options]
        By option, not by letter.
    elsewhere : float
        Mean probability of everything that is none of the letters.
    """

    logits: Floats
    elsewhere: float

    def shares(self, temperature: float = 1.0) -> Floats:
        """Return float64[options]: the probability of each option, averaged over orders."""
        scaled = self.logits / temperature
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        averaged: Floats = (weights / weights.sum(axis=1, keepdims=True)).mean(axis=0)
        return averaged


def by_option(logits: Tensor, letters: Sequence[int], order: Sequence[int]) -> Tensor:
    """Return the logits of options, float[options], from those of the vocabulary after one prompt."""
    chosen = logits[list(letters[: len(order)])]
    return chosen[torch.tensor(np.argsort(order), device=chosen.device)]


def answered(
    panel: Panel,
    puts: Sequence[Put],
    letters: Sequence[int],
    change: Change | None,
    count: Count | None = None,
) -> dict[int, Letters]:
    """Return the model's answers under a change, by the number of the question."""
    rows: dict[int, list[tuple[Floats, float]]] = {}
    done = 0
    for numbers in batches([len(put.kept) for put in puts], panel.batch):
        some = [puts[i] for i in numbers]
        logits, _ = panel.logits([put.kept for put in some], change)
        for put, row in zip(some, logits.detach().double().cpu(), strict=True):
            rows.setdefault(put.question, []).append(_read(row, letters, put.asking.order))
        done += len(some)
        if count is not None:
            count(done, len(puts))
    return _together(rows)


def answered_whole(panel: Panel, askings: Sequence[Asking], letters: Sequence[int]) -> dict[int, Letters]:
    """Return the unedited model's answers to prompts that are put once only."""
    rows: dict[int, list[tuple[Floats, float]]] = {}
    for numbers in batches([len(asking.prompt) for asking in askings], panel.batch):
        some = [askings[i] for i in numbers]
        longest = max(len(asking.prompt) for asking in some)
        ids = torch.zeros(len(some), longest, dtype=torch.int64)
        mask = torch.zeros(len(some), longest, dtype=torch.int64)
        for row, asking in enumerate(some):
            ids[row, : len(asking.prompt)] = torch.from_numpy(asking.prompt.ids)
            mask[row, : len(asking.prompt)] = 1
        ends = sorted({len(asking.prompt) - 1 for asking in some})
        logits = panel.model.forward(ids, mask, hooks=(), keep=ends).logits
        for row, asking in enumerate(some):
            last = logits[row, ends.index(len(asking.prompt) - 1)].double().cpu()
            rows.setdefault(asking.question, []).append(_read(last, letters, asking.order))
    return _together(rows)


def _read(logits: Tensor, letters: Sequence[int], order: Sequence[int]) -> tuple[Floats, float]:
    own = by_option(logits, letters, order)
    inside = float(torch.exp(own.logsumexp(0) - logits.logsumexp(0)))
    return own.numpy(), 1 - inside


def _together(rows: dict[int, list[tuple[Floats, float]]]) -> dict[int, Letters]:
    return {
        question: Letters(np.stack([own for own, _ in found]), float(np.mean([other for _, other in found])))
        for question, found in rows.items()
    }
