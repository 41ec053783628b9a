"""Edits of features and directions while a model runs, as differences: ``x' = x + (f'(x) - f(x)) W_dec``.

What the SAE does not explain of the hidden states stays as it was, and where nothing changes they are the
same bits. Not for: where texts are edited (:mod:`saetext.intervene.positions`), or how strongly
(:mod:`saetext.intervene.strength`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor

from saetext.errors import InputError
from saetext.reader.sinks import are_sinks

if TYPE_CHECKING:
    from saetext.intervene.positions import Where
    from saetext.reader.parts import LoadedSae

Op = Literal["add", "set", "scale", "cap", "remove", "resample"]
_READ = ("set", "scale", "cap", "resample")  # go by the activation that there is


@dataclass(frozen=True)
class Change:
    """What becomes of one feature's activation ``f``, or of the hidden states along a direction.

    Attributes
    ----------
    feature : int or None
        Number of the feature; None for a raw direction.
    op : {"add", "set", "scale", "cap", "remove", "resample"}
        ``add``: ``f + value``, at tokens where the feature is not active as well. ``set``: ``value``; of a
        raw direction, the coordinate of the hidden states along it. ``scale``: ``value * f``. ``cap``: at
        most ``value``. ``remove``: the hidden states lose what they have along the direction, whatever ``f``
        is. ``resample``: what ``values`` has for the prompt and the position.
    value : float
        In activation units, for a direction in multiples of it; ``remove`` and ``resample`` do not use it.
    direction : float[width], optional
        What is added for each unit of activation: in place of the feature's decoder row, or the raw
        direction itself, which can be added, set or removed only.
    values : float[prompts, positions], optional
        Activations by the number of the prompt and the absolute position; positions beyond have the last.

    Raises
    ------
    InputError
        If the operation does not exist or is none of a direction's, or a number is not finite.
    """

    feature: int | None
    op: Op = "add"
    value: float = 0.0
    direction: Tensor | None = None
    values: Tensor | None = None

    def of(self, prompts: Sequence[int]) -> Change:
        """Return the change for some of the prompts alone, which are numbered from 0."""
        if self.values is None:
            return self
        return dataclasses.replace(self, values=self.values[list(prompts)])

    def __post_init__(self) -> None:
        if self.op not in get_args(Op):
            raise InputError(f"op is one of {', '.join(get_args(Op))}, not {self.op!r}")
        if not torch.isfinite(torch.tensor(self.value)):
            raise InputError(f"the value of an edit must be a finite number, not {self.value}")
        if self.feature is None and self.op not in ("add", "set", "remove"):
            raise InputError(f"a direction has no activation to {self.op}: it can be added, set or removed")
        if (self.op == "resample") != (self.values is not None):
            raise InputError("values belong to the operation resample, which needs them")
        if self.feature is None and self.direction is None:
            raise InputError("an edit needs a feature or a direction")
        if self.direction is not None:
            _require_usable(self.direction)


class FeatureEdit:
    """An edit for :meth:`saetext.reader.causal.CausalModel.forward` and its decode loop.

    Where the operations need activations, only the edited columns of the encoder are computed, unless the
    SAE's architecture decides over all features at once. Tokens that are attention sinks to the SAE have no
    features and stay as they are. Computed in float32, in float64 where the model runs so.

    Parameters
    ----------
    changes : sequence of Change
        All are computed from the hidden states as they come in.
    where : Where
        Which positions.
    sae : LoadedSae, optional
        Needed if a feature is among the changes.

    Raises
    ------
    InputError
        If a feature is out of range or comes twice, a direction has another width than the others, or the
        SAE reads one hook and writes another (a transcoder).
    """

    def __init__(self, changes: Sequence[Change], where: Where, sae: LoadedSae | None = None) -> None:
        self.where, self.sae = where, sae
        self.changes = tuple(changes)
        features = [change.feature for change in self.changes if change.feature is not None]
        if features:
            require_editable(sae, features)
        self._directions = torch.stack([self._direction(change) for change in self.changes])
        self._read = [c for c in self.changes if c.op in _READ and c.feature is not None]
        read = [c.feature for c in self._read if c.feature is not None]
        self._few = sae.encoder.restricted(read) if sae is not None and read else None

    def __call__(self, x: Tensor, positions: Tensor, rows: Tensor) -> Tensor:
        """Return hidden states, float[batch, sequence, width], edited; ``x`` itself if nothing changes."""
        at = self.where(positions, rows)
        if not bool(at.any()):
            return x
        exact = torch.float64 if x.dtype == torch.float64 else torch.float32
        old = x[at].to(exact)
        new = old + self.delta(old, rows[:, None].expand_as(at)[at], positions[at])
        changed = (new != old).any(dim=-1)
        if not bool(changed.any()):
            return x
        edited = x.clone()
        edited[at] = torch.where(changed[:, None], new.to(x.dtype), x[at])
        return edited

    def delta(self, x: Tensor, rows: Tensor | None = None, positions: Tensor | None = None) -> Tensor:
        """Return what is added to hidden states.

        Parameters
        ----------
        x : float32 or float64[T, width]
        rows, positions : int64[T], optional
            Number of the prompt and absolute position of each, which ``resample`` goes by.

        Returns
        -------
        float[T, width]
            Of the same dtype, zero where nothing changes.
        """
        directions = self._directions.to(x.device, x.dtype)
        features = [i for i, c in enumerate(self.changes) if c.op != "remove" and c.feature is not None]
        total = torch.zeros_like(x)
        if features:
            amounts = self._amounts(x, features, rows, positions)
            decoded = amounts @ directions[features]
            assert self.sae is not None
            total = total + decoded * self.sae.encoder.output_scale(x)
        for change, direction in zip(self.changes, directions, strict=True):
            if change.op == "remove":
                unit = direction / direction.norm()
                total = total - (x @ unit)[:, None] * unit
            elif change.feature is None and change.op == "set":
                unit = direction / direction.norm()
                total = total + (change.value - x @ unit)[:, None] * unit
            elif change.feature is None:
                total = total + change.value * direction
        limit = None if self.sae is None else self.sae.norm_limit
        return total if limit is None else total.masked_fill(are_sinks(x, limit)[:, None], 0.0)

    def _amounts(
        self, x: Tensor, places: Sequence[int], rows: Tensor | None, positions: Tensor | None
    ) -> Tensor:
        """Return ``f' - f`` of the features among the changes, float[T, n]."""
        read = self._activations(x)
        columns, seen = [], 0
        for place in places:
            change = self.changes[place]
            if change.op == "add":
                columns.append(torch.full_like(x[:, 0], change.value))
                continue
            f = read[:, seen]
            seen += 1
            columns.append(_after(change, f, rows, positions) - f)
        return torch.stack(columns, dim=1)

    def _activations(self, x: Tensor) -> Tensor:
        """Return the activations that operations go by, float[T, n], in the order of the changes."""
        if not self._read:
            return x[:, :0]
        assert self.sae is not None
        encoder = self.sae.encoder
        if self._few is not None:
            return self._few.encode(x.float()).to(x)
        return encoder.encode(x.float())[:, [c.feature for c in self._read]].to(x)

    def _direction(self, change: Change) -> Tensor:
        if change.direction is not None:
            return change.direction.detach().cpu()
        assert self.sae is not None
        return self.sae.encoder.decoder[change.feature].cpu()


def _after(change: Change, f: Tensor, rows: Tensor | None, positions: Tensor | None) -> Tensor:
    """Return the activations after a change that goes by those before it, float[T]."""
    if change.op == "set":
        return torch.full_like(f, change.value)
    if change.op == "scale":
        return change.value * f
    if change.op == "cap":
        return f.clamp(max=change.value)
    assert change.values is not None and rows is not None and positions is not None
    last = change.values.shape[1] - 1
    return change.values.to(f.device)[rows, positions.clamp(min=0, max=last)].to(f)


def require_editable(sae: LoadedSae | None, features: Sequence[int]) -> None:
    """Raise :class:`InputError` unless these are features of an SAE that writes where it reads."""
    if sae is None:
        raise InputError("features belong to an SAE: name one")
    encoder = sae.encoder
    if "transcoder" in encoder.architecture:
        raise InputError(
            f"{sae.origin} is a transcoder, which reads one place and writes another: choose an SAE"
        )
    for feature in features:
        if not 0 <= feature < encoder.d_sae:
            raise InputError(f"there is no feature {feature}: {sae.origin} has 0 to {encoder.d_sae - 1:,}")
    if len(set(features)) < len(features):
        raise InputError("a feature is named twice: one change each")


def _require_usable(direction: Tensor) -> None:
    if direction.ndim != 1:
        raise InputError(f"a direction is one list of numbers, not {list(direction.shape)}")
    if not bool(torch.isfinite(direction).all()) or not bool(direction.any()):
        raise InputError("a direction must be finite and not all zero")
