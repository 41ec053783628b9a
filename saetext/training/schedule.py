"""The learning rate of each step, and the order in which tokens are drawn. Not for: the step itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.training.config import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the rate of a step from 0: a linear rise, a plateau, a linear fall."""
    rise = min(1.0, (step + 1) / max(1.0, config.warmup * config.steps))
    fall = min(1.0, (config.steps - step) / max(1.0, config.decay * config.steps))
    return config.lr * min(rise, fall)


class TokenOrder:
    """Sorted batches of token positions without end, a fresh permutation for every pass over ``n`` tokens."""

    def __init__(self, n: int, config: TrainConfig) -> None:
        self._n, self._batch, self._at = n, config.batch, 0
        self._rng = np.random.default_rng(config.seed)
        self._begin_pass(0)

    def __next__(self) -> NDArray[np.int64]:
        """Return int64[batch], the tokens of the next step."""
        if self._at + self._batch > self._n:
            self._begin_pass(0)
        at, self._at = self._at, self._at + self._batch
        # sorted, because a memory-mapped file is read in order far faster
        return np.sort(self._permutation[at : at + self._batch])

    def state(self) -> dict[str, Any]:
        """Return where it stands, as JSON types: the generator as this pass began, and the place in it."""
        return {"generator": self._before, "at": self._at}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of the same tokens and batches.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is not one.
        """
        self._rng.bit_generator.state = state["generator"]
        self._begin_pass(int(state["at"]))

    def _begin_pass(self, at: int) -> None:
        if not 0 <= at <= self._n:
            raise ValueError(f"no place among {self._n} tokens")
        self._before = dict(self._rng.bit_generator.state)
        self._permutation = self._rng.permutation(self._n)
        self._at = at
