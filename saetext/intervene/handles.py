"""Handles: which features or direction are turned, and how far in raw units one dose is.

Not for: what they are held against (:mod:`saetext.intervene.controls`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from torch import Tensor

from saetext.errors import InputError, SaetextWarning
from saetext.features.label_index import LabelIndex
from saetext.features.similarity import named
from saetext.intervene.edit import Change, require_editable
from saetext.intervene.request import Asked, SteerRequest
from saetext.io.array_file import load_array
from saetext.io.opener import reading

if TYPE_CHECKING:
    from saetext.intervene.edit import Op
    from saetext.intervene.generator import Generator
    from saetext.intervene.strength import Strengths

LEAST_ACTIVE = 20  # activations in reference text from which a 99th percentile means something
WARN, REFUSE = 1.0, 4.0  # lengths of an edit, relative to the median residual norm


@dataclass(frozen=True, eq=False)
class Handle:
    """One feature or direction that is turned.

    Attributes
    ----------
    feature : int or None
        None for a direction from a file.
    label : str
        What it is called.
    strength : float
        As asked for, in units of ``unit``.
    unit : float
        Raw activation of strength 1; of a direction 1.
    unit_source : str
        Where the unit comes from.
    direction : float32[width]
        What one unit of activation adds.
    active : int or None
        Tokens of the reference text at which the feature was active.
    similarity : float or None
        Of the label and the concept that was asked for.
    """

    feature: int | None
    label: str
    strength: float
    unit: float
    unit_source: str
    direction: Tensor
    active: int | None = None
    similarity: float | None = None

    @property
    def coefficient(self) -> float:
        """What is added to the activation at dose 1."""
        return self.strength * self.unit

    def change(self, dose: float, op: Op, direction: Tensor | None = None) -> Change:
        """Return the change at a dose, along another direction if one is given."""
        value = dose if op == "scale" else dose * self.coefficient
        if self.feature is None:
            return Change(None, op, value, self.direction if direction is None else direction)
        return Change(self.feature, op, value, direction)

    def row(self, norm: float | None) -> dict[str, Any]:
        """Return what is told of it; ``norm`` is the median norm of the hidden states."""
        length = abs(self.coefficient) * float(self.direction.norm())
        return {
            "feature": self.feature,
            "label": self.label,
            "strength": self.strength,
            "unit": self.unit,
            "unit_source": self.unit_source,
            "coefficient": self.coefficient,
            "length": None if not norm else length / norm,
            "active": self.active,
            "similarity": self.similarity,
        }


def length_of(handles: Sequence[Handle], dose: float, op: Op) -> float:
    """Return how far an edit moves the hidden states at most, in raw units.

    Exact for ``add``; for ``set`` as if the features were off before, for ``scale`` as if they were at
    strength 1.
    """
    steps = [(dose - 1.0) * handle.unit if op == "scale" else dose * handle.coefficient for handle in handles]
    total = sum(
        (step * handle.direction for step, handle in zip(steps, handles, strict=True)),
        start=torch.zeros_like(handles[0].direction),
    )
    return float(total.norm())


def handles_of(generator: Generator, request: SteerRequest, strengths: Strengths | None) -> list[Handle]:
    """Return what a request turns.

    Raises
    ------
    InputError
        If a feature is out of range, has no strength in reference text, or a direction cannot be used.

    Warns
    -----
    SaetextWarning
        If a feature was hardly ever active in reference text.
    """
    if request.direction is not None:
        return [_from_file(request.direction, generator)]
    if generator.sae is None:
        raise InputError("features belong to an SAE: name one with --sae")
    asked = dict.fromkeys(request.asked)
    likeness: float | None = None
    if request.concept is not None:
        feature, likeness = _of_concept(request.concept, generator)
        asked = dict.fromkeys([Asked(feature)])
    require_editable(generator.sae, [one.feature for one in asked])
    assert strengths is not None
    return [_handle(one, generator, strengths, likeness) for one in asked]


def require_bearable(length: float, norm: float | None, *, force: bool) -> None:
    """Warn of edits longer than the residual itself, and refuse those that leave nothing of it.

    Raises
    ------
    InputError
        If the edit is longer than 4 times the median residual norm, unless ``force``.
    """
    if not norm or length <= WARN * norm:
        return
    told = f"the strongest edit is {length / norm:.1f} times as long as the median residual"
    if length > REFUSE * norm and not force:
        raise InputError(f"{told}, which leaves nothing of the text: lower the doses, or --force")
    warnings.warn(f"{told}: expect broken text", SaetextWarning, stacklevel=3)


def _handle(asked: Asked, generator: Generator, strengths: Strengths, likeness: float | None) -> Handle:
    assert generator.sae is not None
    feature = asked.feature
    unit, source = _unit(asked, generator, strengths)
    return Handle(
        feature,
        _label(generator, feature),
        asked.weight,
        unit,
        source,
        generator.sae.encoder.decoder[feature].cpu(),
        int(strengths.active[feature]),
        likeness,
    )


def _unit(asked: Asked, generator: Generator, strengths: Strengths) -> tuple[float, str]:
    feature, active = asked.feature, int(strengths.active[asked.feature])
    if asked.raw:
        if not active:
            _warn(f"feature {feature} was never active in {strengths.reference}: it may be dead")
        return 1.0, "raw"
    told = f"{active:,} activations in {strengths.tokens:,} tokens of {strengths.reference}"
    if active >= LEAST_ACTIVE:
        return float(strengths.p99[feature]), f"99th percentile of {told}"
    assert generator.sae is not None
    calibration = generator.sae.calibration
    largest = 0.0 if calibration is None else float(calibration.maxima[feature])
    if largest > 0:
        _warn(f"feature {feature} has {told}: strength 1 is its largest activation in its calibration")
        return largest, "largest activation in the calibration"
    if active:
        _warn(f"feature {feature} has {told}: strength 1 is the largest of them")
        return float(strengths.largest[feature]), f"largest of {told}"
    raise InputError(
        f"feature {feature} was never active in {strengths.reference}, so that its strength is unknown: give "
        f"texts in which it is with --reference, or a raw coefficient ({feature}:30raw)"
    )


def _label(generator: Generator, feature: int) -> str:
    return generator.labels.label(feature) if feature in generator.labels else f"feature {feature}"


def _of_concept(words: str, generator: Generator) -> tuple[int, float]:
    index = LabelIndex(generator.labels, device=str(generator.model.device))
    matches = named(index, words)
    if not matches.found:
        near = "" if matches.nearest is None else f"; the nearest is {index.label(matches.nearest.feature)!r}"
        raise InputError(f"no feature is labelled like {words[:60]!r}{near}: see 'saetext features'")
    best = matches.found[0]
    return best.feature, float(best.similarity)


def _from_file(path: Path, generator: Generator) -> Handle:
    with reading(path, InputError, "direction (.npy)"):
        found = np.asarray(load_array(path))
        if found.dtype.kind not in "fiu":
            raise ValueError("it holds no numbers")
    width = generator.model.width(generator.hook)
    if found.shape != (width,):
        raise InputError(f"{path} has numbers of shape {list(found.shape)}, {generator.hook} has {width}")
    direction = torch.from_numpy(found.astype(np.float32))
    Change(None, "add", 1.0, direction)
    return Handle(None, path.name, 1.0, 1.0, "the direction as it is", direction)


def _warn(told: str) -> None:
    warnings.warn(told, SaetextWarning, stacklevel=6)
