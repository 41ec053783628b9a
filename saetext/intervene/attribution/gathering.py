"""What gradients found in all batches, as arrays and tables over all prompts. Not for: computing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from saetext.intervene.attribution.gradients import Found
from saetext.intervene.attribution.tables import ERRORS, PAIRS, PROMPTS
from saetext.intervene.cases import Case

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Gathered:
    """Attributions over all prompts, sorted by prompt, position and feature.

    Attributes
    ----------
    cases : sequence of Case
    case, position, feature : int64[n]
    activation, gradient, attribution : float64[n]
    weight : float32[n]
        Activation times the scale of a normalising SAE.
    error_case, error_position : int64[m]
    error : float64[m]
    value : float64[cases]
        The metric of each prompt.
    without : float64[cases] or None
        The metric without any features, of integrated gradients.
    """

    cases: Sequence[Case]
    case: Ints
    position: Ints
    feature: Ints
    activation: Floats
    gradient: Floats
    attribution: Floats
    weight: NDArray[np.float32]
    error_case: Ints
    error_position: Ints
    error: Floats
    value: Floats
    without: Floats | None

    @property
    def n(self) -> int:
        """Number of active features at all positions."""
        return len(self.case)

    @property
    def pairs(self) -> pl.DataFrame:
        """All pairs, columns :data:`saetext.intervene.attribution.tables.PAIRS`."""
        columns = (self.case, self.position, self.feature, self.activation, self.gradient, self.attribution)
        return pl.DataFrame(dict(zip(PAIRS, columns, strict=True)), schema=PAIRS)

    @property
    def errors(self) -> pl.DataFrame:
        """A row for each position."""
        columns = (self.error_case, self.error_position, self.error)
        return pl.DataFrame(dict(zip(ERRORS, columns, strict=True)), schema=ERRORS)

    def _by_case(self, case: Ints, values: Floats) -> Floats:
        return np.bincount(case, values, minlength=len(self.cases)).astype(np.float64)

    @cached_property
    def sums(self) -> Floats:
        """float64[cases]: the features' attributions of each prompt together."""
        return self._by_case(self.case, self.attribution)

    @property
    def gaps(self) -> Floats | None:
        """float64[cases]: |sum of attributions - change of the metric| over |change|; None for gradients."""
        if self.without is None:
            return None
        change = self.value - self.without
        missed = np.abs(self.sums - change)
        return np.divide(missed, np.abs(change), out=np.zeros_like(missed), where=change != 0)

    @property
    def gap(self) -> float | None:
        """The same over all prompts: what is missed of what changes, both summed as sizes."""
        if self.without is None:
            return None
        change = self.value - self.without
        missed, whole = np.abs(self.sums - change).sum(), np.abs(change).sum()
        return float(missed / whole) if whole > 0 else 0.0

    @property
    def prompts(self) -> pl.DataFrame:
        """A row for each prompt, columns :data:`saetext.intervene.attribution.tables.PROMPTS`."""
        nothing = [None] * len(self.cases)
        columns = {
            "prompt": np.arange(len(self.cases)),
            "id": [case.row.id for case in self.cases],
            "tokens": [len(case) for case in self.cases],
            "metric": self.value,
            "without": nothing if self.without is None else self.without,
            "features": self.sums,
            "error": self._by_case(self.error_case, self.error),
            "gap": nothing if self.gaps is None else self.gaps,
        }
        return pl.DataFrame(columns, schema=PROMPTS)

    def order(self) -> Ints:
        """Return all pairs by the size of their attribution, the largest first."""
        return np.lexsort((self.feature, self.position, self.case, -np.abs(self.attribution)))

    def share(self, index: Ints) -> list[float | None]:
        """Return which part of its prompt's change each pair is; None for gradients."""
        if self.without is None:
            return [None] * len(index)
        change = (self.value - self.without)[self.case[index]]
        parts = self.attribution[index]
        return [float(p / c) if c else None for p, c in zip(parts, change, strict=True)]

    def figures(self) -> dict[str, object]:
        """Return figures about the whole."""
        return {
            "prompts": len(self.cases),
            "positions": len(self.error),
            "pairs": self.n,
            "metric_mean": float(self.value.mean()),
            "features_mean": float(self.sums.mean()),
            "error_mean": float(self._by_case(self.error_case, self.error).mean()),
            "gap": self.gap,
        }


def gathered(cases: Sequence[Case], parts: Sequence[tuple[Sequence[int], Found]]) -> Gathered:
    """Put batches together.

    Parameters
    ----------
    cases : sequence of Case
        All cases.
    parts : sequence of (sequence of int, Found)
        The numbers of the cases of each batch, and what was found there.
    """
    numbers = [np.asarray(chosen, np.int64) for chosen, _ in parts]
    found = [each for _, each in parts]
    case = np.concatenate([n[_int(f.entries.row)] for n, f in zip(numbers, found, strict=True)])
    position = np.concatenate([_int(f.entries.position) for f in found])
    feature = np.concatenate([_int(f.entries.feature) for f in found])
    order = np.lexsort((feature, position, case))
    error_case = np.concatenate([n[_int(f.error_case)] for n, f in zip(numbers, found, strict=True)])
    error_position = np.concatenate([_int(f.error_position) for f in found])
    errors = np.lexsort((error_position, error_case))
    back = np.argsort(np.concatenate(numbers))
    without = [f.without for f in found if f.without is not None]
    return Gathered(
        cases,
        case[order],
        position[order],
        feature[order],
        _float([f.entries.value for f in found])[order],
        _float([f.gradient for f in found])[order],
        _float([f.attribution for f in found])[order],
        _float([f.entries.value * f.entries.scale for f in found])[order].astype(np.float32),
        error_case[errors],
        error_position[errors],
        _float([f.error for f in found])[errors],
        _float([f.value for f in found])[back],
        _float(without)[back] if without else None,
    )


def _int(tensor: Tensor) -> Ints:
    return np.asarray(tensor.cpu().numpy(), np.int64)


def _float(tensors: Sequence[Tensor]) -> Floats:
    return np.concatenate([tensor.detach().double().cpu().numpy() for tensor in tensors])
