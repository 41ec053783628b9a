"""Arms: the unedited texts, each dose, and what the strongest dose is held against.

Controls move the hidden states as far as the strongest dose does: matched features (as often active, as
strong), a random direction, and the sign turned; the plain instruction asks for the effect and edits nothing.
Not for: writing the texts (:mod:`saetext.intervene.writing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.intervene.edit import Change
from saetext.intervene.handles import Handle, length_of
from saetext.intervene.request import SteerRequest

if TYPE_CHECKING:
    from saetext.intervene.generator import Generator
    from saetext.intervene.strength import Strengths

Kind = Literal[
    "base", "dose", "matched", "random", "other", "turned", "instruction", "ablated", "forbidden", "means"
]
_POOL = 4  # nearest features for each that is drawn
_UNLIKE = 0.3  # largest cosine of the directions of a feature and its match


@dataclass(frozen=True, eq=False)
class Arm:
    """Texts that are written under one edit.

    Attributes
    ----------
    name : str
        What it is called.
    kind : str
        ``base`` (no edit), ``dose``, or a kind of control.
    dose : float or None
        Of the handles; of a control the dose that it is as long as; None where nothing is edited.
    changes : tuple of Change
        The edit.
    features : tuple of int
        The features that are turned.
    instruction : str or None
        What stands before the prompt.
    length : float
        How far the hidden states move, in raw units.
    forbidden : tuple of int
        Tokens that are never written.
    delta : float32[d_sae], optional
        A shift: what is added to each feature's activation, in place of changes.
    """

    name: str
    kind: Kind
    dose: float | None = None
    changes: tuple[Change, ...] = ()
    features: tuple[int, ...] = ()
    instruction: str | None = None
    length: float = 0.0
    forbidden: tuple[int, ...] = ()
    delta: Tensor | None = None


def arms_of(
    generator: Generator,
    handles: Sequence[Handle],
    request: SteerRequest,
    strengths: Strengths | None,
    instruction: str | None,
) -> list[Arm]:
    """Return all arms: unedited, by dose, then controls."""
    own = tuple(handle.feature for handle in handles if handle.feature is not None)

    def dosed(dose: float, kind: Kind, name: str) -> Arm:
        changes = tuple(handle.change(dose, request.op) for handle in handles)
        return Arm(name, kind, dose, changes, own, None, length_of(handles, dose, request.op))

    doses = [dosed(d, "dose", f"dose {d:g}") for d in request.amounts if d != request.neutral]
    at = request.strongest
    found = [Arm("unedited", "base", request.neutral), *doses]
    if request.controls and at != request.neutral:
        found += _matched(generator, handles, request, strengths)
        found += _random(handles, request, 1 if own else request.controls + 1)
        if request.op == "add" and -at not in request.amounts:
            found.append(dosed(-at, "turned", f"sign turned ({-at:g})"))
    if instruction and not request.raw:
        found.append(Arm("plain instruction", "instruction", instruction=instruction))
    return found


def matches_of(
    feature: int,
    norms: NDArray[np.floating],
    strengths: Strengths,
    cosines: NDArray[np.floating],
    n: int,
    seed: int,
    barred: Sequence[int] = (),
) -> list[int]:
    """Return features that are about as often active and as strong as one, drawn from the nearest.

    Near by the logarithms of density and of strength times the length of the direction, each in units of its
    standard deviation over all features that are active.

    Parameters
    ----------
    feature : int
    norms : float[d_sae]
        Lengths of the features' directions.
    strengths : Strengths
    cosines : float[d_sae]
        Of the features' directions and this one's; those above .3 either way are left out.
    n : int
        Number of features; fewer if there are not as many.
    seed : int
    barred : sequence of int
        Features that are turned themselves.
    """
    there = (strengths.active > 0) & (np.abs(cosines) <= _UNLIKE) & (norms > 0)
    there[[feature, *barred]] = False
    candidates = np.flatnonzero(there)
    if not len(candidates):
        return []
    tiny = 0.5 / max(strengths.tokens, 1)
    places = np.stack(
        [np.log(np.maximum(strengths.density, tiny)), np.log(np.maximum(strengths.p99 * norms, 1e-12))],
        axis=1,
    )
    spread = places[candidates].std(axis=0)
    apart = ((places - places[feature]) / np.where(spread > 0, spread, 1.0))[candidates]
    near = candidates[np.argsort((apart**2).sum(axis=1), kind="stable")[: _POOL * n]]
    return [int(i) for i in np.random.default_rng([seed, feature]).permutation(near)[:n]]


def random_direction(width: int, length: float, seed: int) -> Tensor:
    """Return float32[width]: a direction drawn evenly from all, of a given length."""
    drawn = torch.from_numpy(np.random.default_rng(seed).standard_normal(width))
    return (drawn / drawn.norm() * length).float()


def _matched(
    generator: Generator, handles: Sequence[Handle], request: SteerRequest, strengths: Strengths | None
) -> list[Arm]:
    if strengths is None or generator.sae is None:
        return []
    decoder = generator.sae.encoder.decoder.cpu()
    norms = decoder.norm(dim=1)
    own = [handle.feature for handle in handles if handle.feature is not None]
    drawn: list[list[int]] = []
    for feature in own:
        cosines = (decoder @ decoder[feature]) / (norms * norms[feature]).clamp(min=1e-30)
        taken = [*own, *(f for others in drawn for f in others)]
        drawn.append(
            matches_of(
                feature, norms.numpy(), strengths, cosines.numpy(), request.controls, request.seed, taken
            )
        )
    dose, arms = request.strongest, []
    for number, features in enumerate(zip(*drawn, strict=False)):
        changes, turned = [], []
        for handle, feature in zip(handles, features, strict=True):
            # as long a step in its own direction
            scale = float(norms[handle.feature or 0] / norms[feature])
            unit = float(strengths.p99[feature]) if request.op == "scale" else handle.unit * scale
            other = Handle(feature, "", handle.strength, unit, "", decoder[feature])
            changes.append(other.change(dose, request.op))
            turned.append(other)
        length = length_of(turned, dose, request.op)
        name = f"matched {number + 1}: " + ", ".join(map(str, features))
        arms.append(Arm(name, "matched", dose, tuple(changes), tuple(features), None, length))
    return arms


def _random(handles: Sequence[Handle], request: SteerRequest, n: int) -> list[Arm]:
    dose, arms = request.strongest, []
    for number in range(n):
        directions = [
            random_direction(len(handle.direction), float(handle.direction.norm()), seed)
            for seed, handle in enumerate(handles, start=1000 * (request.seed + 1) + number * len(handles))
        ]
        changes = tuple(h.change(dose, request.op, d) for h, d in zip(handles, directions, strict=True))
        moved = [
            Handle(h.feature, "", h.strength, h.unit, "", d) for h, d in zip(handles, directions, strict=True)
        ]
        name = "random direction" if n == 1 else f"random direction {number + 1}"
        arms.append(Arm(name, "random", dose, changes, (), None, length_of(moved, dose, request.op)))
    return arms
