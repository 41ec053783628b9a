"""A fitted shift as what a steering turns: its doses, how far each goes, and what it is held against.

Controls at the strongest dose: the other groups' shifts, random sparse vectors that move the hidden states as
far, and the sign turned; the persona prompt edits nothing. Not for: fitting a shift
(:mod:`saetext.intervene.shifts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from torch import Tensor

from saetext.errors import InputError
from saetext.intervene.controls import Arm, Kind
from saetext.intervene.shifts.change import Tokens, change_of
from saetext.intervene.shifts.moved import features_table
from saetext.intervene.shifts.random_features import as_far, drawn
from saetext.intervene.shifts.saved import Shift
from saetext.intervene.strength import reference_texts
from saetext.reader.sinks import are_sinks

if TYPE_CHECKING:
    import polars as pl

    from saetext.features.labels import FeatureLabels
    from saetext.intervene.generator import Generator
    from saetext.intervene.request import SteerRequest
    from saetext.reader.parts import LoadedSae
    from saetext.reader.prompts import Prompt

TEXTS, TOKENS = 32, 32  # reference texts on which lengths are measured, and tokens of each
_SEED = 7


@dataclass(frozen=True, eq=False)
class Shifted:
    """One group's shift, and hidden states on which its length is measured; made by :func:`shifted_of`.

    Attributes
    ----------
    shift : Shift
    group : str
    name : str
        What the shift is called.
    sae : LoadedSae
    hidden : float32[tokens, width]
        Hidden states of reference texts at the hook.
    """

    shift: Shift
    group: str
    name: str
    sae: LoadedSae
    hidden: Tensor

    @property
    def delta(self) -> Tensor:
        """float32[d_sae]: what dose 1 adds to each feature's activation."""
        return self.of(self.group)

    def of(self, group: str) -> Tensor:
        """Return float32[d_sae]: a group's shift."""
        return torch.from_numpy(self.shift.of(group).copy())

    def length(self, delta: Tensor) -> float:
        """Return the root mean square displacement over the reference tokens, in raw units."""
        if not len(self.hidden) or not bool(delta.any()):
            return 0.0
        moved = change_of(delta.to(self.hidden), self.sae.encoder.decoder.to(self.hidden))(self._tokens)
        squares = moved.double().square().sum(dim=-1).masked_fill(self._sinks, 0.0)
        return float(squares.mean().sqrt())

    @cached_property
    def _tokens(self) -> Tokens:
        """What the SAE sees of the reference texts: encoded once for all arms."""
        token, feature, value = self.sae.entries(self.hidden)
        return Tokens(token, feature, value.to(self.hidden), self.sae.encoder.output_scale(self.hidden))

    @cached_property
    def _sinks(self) -> Tensor:
        return are_sinks(self.hidden, self.sae.norm_limit)

    def row(self, norm: float | None) -> dict[str, Any]:
        """Return what is told of it; ``norm`` is the median norm of the hidden states."""
        n, tokens = int((self.delta != 0).sum()), f"{len(self.hidden):,} tokens of reference text"
        return {
            "label": f"shift of {self.group} ({n:,} feature{'' if n == 1 else 's'})",
            "strength": 1.0,
            "unit_source": f"root mean square over {tokens}; {self.name}",
            "length": self.length(self.delta) / norm if norm else None,
            "promotes": [],
        }

    def moved(self, labels: FeatureLabels) -> pl.DataFrame:
        """Return the features that move, those that move the hidden states furthest first."""
        import polars as pl

        found = features_table(self.shift, labels, self.sae.encoder.decoder)
        return found.filter(pl.col("group") == self.group)


def asked_shift(request: SteerRequest) -> Shift | None:
    """Return the shift that a request names, read and checked; None where it names none.

    Raises
    ------
    InputError
        If there is none, it is damaged, or it has no such group.
    """
    if request.shift is None:
        return None
    shift = request.shift if isinstance(request.shift, Shift) else Shift.load(request.shift)
    number = shift.number(request.group)
    if not shift.delta[number].any():
        raise InputError(f"the shift of {shift.groups[number]} is zero: the fit found nothing to add")
    return shift


def require_own(shift: Shift, generator: Generator) -> None:
    """Raise :class:`InputError` unless a shift was fitted on this model with this SAE."""
    if generator.sae is None:
        raise InputError("the model has no SAE: a shift needs the one it was fitted with; name it with --sae")
    shift.require_fit(generator.model, generator.sae)


def shifted_of(shift: Shift, generator: Generator, request: SteerRequest) -> Shifted:
    """Return a shift with hidden states of reference texts.

    Raises
    ------
    InputError
        If there is no such group, or the file of reference texts cannot be read.
    """
    assert generator.sae is not None
    texts = reference_texts(request.reference, TEXTS)
    prompts = [generator.model.encode_prompt(text, raw=True) for text in texts]
    name = "a shift" if isinstance(request.shift, Shift) else Path(request.shift or "").name
    group = shift.groups[shift.number(request.group)]
    none = torch.zeros(0, generator.sae.encoder.d_in, device=generator.model.device)
    hidden = torch.cat([none, *(_hidden(generator, prompt) for prompt in prompts)])
    return Shifted(shift, group, name, generator.sae, hidden)


def _hidden(generator: Generator, prompt: Prompt) -> Tensor:
    """Return float32[tokens, width]: the hidden states of a text's first tokens."""
    ids = torch.from_numpy(np.asarray(prompt.ids[:TOKENS], np.int64))[None]
    inner = torch.from_numpy(prompt.content()[:TOKENS])
    [found] = generator.model.hidden(ids, torch.ones_like(ids), hooks=[generator.hook]).values()
    return found[0][inner.to(found.device)].float()


def shift_arms(shifted: Shifted, request: SteerRequest, instruction: str | None) -> list[Arm]:
    """Return all arms: unedited, by dose, then controls."""
    at = request.strongest

    def made(name: str, kind: Kind, dose: float, delta: Tensor) -> Arm:
        features = tuple(delta.nonzero()[:, 0].tolist())
        return Arm(name, kind, dose, (), features, None, shifted.length(delta), delta=delta)

    own = [made(f"dose {d:g}", "dose", d, d * shifted.delta) for d in request.amounts if d != request.neutral]
    found = [Arm("unedited", "base", request.neutral), *own]
    if request.controls and at != request.neutral:
        others = [g for g in shifted.shift.groups if g != shifted.group and shifted.of(g).any()]
        found += [made(f"shift of {g}", "other", at, at * shifted.of(g)) for g in others[: request.controls]]
        for number in range(request.controls):
            name = f"random features {number + 1}" if request.controls > 1 else "random features"
            found.append(made(name, "random", at, _random(shifted, at, [request.seed, number, _SEED])))
        if -at not in request.amounts:
            found.append(made(f"sign turned ({-at:g})", "turned", -at, -at * shifted.delta))
    if instruction and not request.raw:
        found.append(Arm("plain instruction", "instruction", instruction=instruction))
    return found


def _random(shifted: Shifted, dose: float, seed: list[int]) -> Tensor:
    """Return a random sparse vector that moves the hidden states as far as a dose does."""
    delta = dose * shifted.delta
    made = torch.from_numpy(drawn(delta.numpy(), seed))
    return made * as_far(lambda factor: shifted.length(made * factor), shifted.length(delta))
