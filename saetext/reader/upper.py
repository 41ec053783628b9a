"""A model from one of its layers on: what entered that layer is kept, and the layers below are passed over.

Where one place of a model is changed again and again, everything below it is the same each time. Not for:
what is changed (:mod:`saetext.reader.edits`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from torch import Tensor

from saetext.reader.causal import CausalModel
from saetext.reader.hooks import resolve


class Upper:
    """The layers of a model that a change at one hook can reach.

    Parameters
    ----------
    model : CausalModel
    hook : str
        Where values will be changed.

    Attributes
    ----------
    stream : str
        The hook whose values have to be kept: ``hook`` itself where it is the residual stream between two
        layers, else what enters its layer.
    skipped : int
        Number of layers that are passed over.

    Raises
    ------
    ReaderError
        If there is no such hook.
    """

    def __init__(self, model: CausalModel, hook: str) -> None:
        found = resolve(hook, model.config)
        self.model, self.hook = model, hook
        point = hook.rpartition(".")[2]
        whole = found.place.module == "" and found.place.side == "output"  # the output of a layer
        if whole and found.layer is not None:
            self.stream, self.skipped = hook, found.layer + 1
        else:
            layer = found.layer or 0
            self.skipped = 0 if found.layer is None or point == "hook_resid_pre" else layer
            self.stream = hook if found.layer is None else f"blocks.{layer}.hook_resid_pre"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Pass over the layers below within the block; what an edit puts at :attr:`stream` counts."""
        passed = self.model.layers()[: self.skipped]
        try:
            for layer in passed:
                layer.forward = _passing
            yield
        finally:
            for layer in passed:
                layer.__dict__.pop("forward", None)


def _passing(hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return hidden_states
