"""Handles: which features or direction are turned, and how far in raw units one dose is.

Not for: what they are held against (:mod:`saetext.intervene.controls`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from torch import Tensor

from saetext.errors import InputError
from saetext.intervene.choosing import Candidate, candidates_of, own_words
from saetext.intervene.edit import Change, require_editable
from saetext.intervene.output_score import OWN
from saetext.intervene.request import Asked, SteerRequest
from saetext.io.array_file import load_array
from saetext.io.opener import reading
from saetext.io.warning import warn

if TYPE_CHECKING:
    from saetext.intervene.edit import Op
    from saetext.intervene.generator import Generator
    from saetext.intervene.output_score import Output, OutputScores
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
    output : Output or None
        What the direction does to the next token; None where it was not asked.
    """

    feature: int | None
    label: str
    strength: float
    unit: float
    unit_source: str
    direction: Tensor
    active: int | None = None
    similarity: float | None = None
    output: Output | None = None

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
            "output_score": None if self.output is None else self.output.score,
            "promotes": [] if self.output is None else list(self.output.promoted),
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


def handles_of(
    generator: Generator,
    request: SteerRequest,
    strengths: Strengths | None,
    scores: OutputScores | None = None,
) -> tuple[list[Handle], list[Candidate]]:
    """Return what a request turns, and the features that were considered where it names a concept.

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
        return [_scored(_from_file(request.direction, generator), request.gauge_words, scores)], []
    if generator.sae is None:
        raise InputError("features belong to an SAE: name one with --sae")
    asked, candidates = dict.fromkeys(request.asked), list[Candidate]()
    assert strengths is not None
    if request.concept is not None:
        candidates = candidates_of(request.concept, generator, strengths, scores)
        asked = dict.fromkeys([Asked(candidates[0].feature)])
    require_editable(generator.sae, [one.feature for one in asked])
    handles = [_handle(one, generator, strengths) for one in asked]
    if candidates:
        first = candidates[0]
        return [replace(handles[0], similarity=first.similarity, output=first.output)], candidates
    found = []
    for handle in handles:
        words = own_words(generator, handle.feature or 0, OWN)
        found.append(_scored(handle, words, scores))
    return found, []


def _scored(handle: Handle, words: Sequence[str], scores: OutputScores | None) -> Handle:
    """Return a handle with what its direction does, turned up by one dose whatever its sign."""
    if scores is None:
        return handle
    up = abs(handle.coefficient)
    change = Change(handle.feature, "add", up, handle.direction if handle.feature is None else None)
    return replace(handle, output=scores(change, words))


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
    warn(f"{told}: expect broken text")


def _handle(asked: Asked, generator: Generator, strengths: Strengths) -> Handle:
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
    warn(told)
