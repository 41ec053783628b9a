"""Arms of an ablation: features taken out in each mode, and what they are held against.

Matched features are as often active and as strong in the same texts, and are taken out in the same way; a
random direction takes the place of each feature's own, for the same change of its activation; forbidding a
token, and levelling the difference of means, are the cheap rivals. Not for: writing the texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
from torch import Tensor

from saetext.intervene.ablation.survey import Means, Survey
from saetext.intervene.controls import Arm, Kind, matches_of, random_direction
from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.positions import positions_of

if TYPE_CHECKING:
    from saetext.intervene.ablation.request import AblateRequest
    from saetext.intervene.generator import Generator

BASE = Arm("unedited", "base")


@dataclass(frozen=True, eq=False)
class AblationArm(Arm):
    """An arm of an ablation.

    Attributes
    ----------
    mode : str
        How features are taken out; empty for rivals that edit none.
    of : str
        The ablated arm that a control is held against; empty for rivals, which belong to all.
    """

    mode: str = ""
    of: str = ""


class Arms:
    """Makes the arms of an ablation.

    Parameters
    ----------
    generator : Generator
        With an SAE.
    seen : Survey
        Of the unedited texts of the prompts that are tested.
    topics : sequence of str
        Of these prompts.
    request : AblateRequest
    """

    def __init__(
        self, generator: Generator, seen: Survey, topics: Sequence[str], request: AblateRequest
    ) -> None:
        assert generator.sae is not None
        self.generator, self.seen, self.request = generator, seen, request
        self.sae = generator.sae
        self.decoder = generator.sae.encoder.decoder.cpu()
        self.norms = self.decoder.norm(dim=1)
        self.partners = partners_of(topics, request.seed)

    def ablated(self, features: Sequence[int]) -> list[AblationArm]:
        """Return the arms in which features are taken out: together, or one at a time."""
        sets = [(feature,) for feature in features] if self.request.each else [tuple(features)]
        found = []
        for mode in self.request.modes:
            for own in sets:
                name = f"{mode} {own[0]}" if self.request.each else mode
                found.append(self._arm(name, "ablated", mode, own, ""))
        return found

    def controls(self, ablated: Sequence[AblationArm], features: Sequence[int]) -> list[AblationArm]:
        """Return the controls of ablated arms: sets of matched features, and a random direction each."""
        found = []
        matched: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        for arm in ablated:
            if arm.features not in matched:
                matched[arm.features] = self._matched(arm.features, features)
            for number, others in enumerate(matched[arm.features], start=1):
                name = f"{arm.name} of matched {number}: {', '.join(map(str, others))}"
                found.append(self._arm(name, "matched", arm.mode, others, arm.name))
            if self.request.controls:
                found.append(self._random(arm))
        return found

    def rivals(self, tokens: Sequence[int], shown: str, means: Means | None) -> list[AblationArm]:
        """Return the cheap rivals: a token that is never written, and the difference of means levelled."""
        if not tokens:
            return []
        found = [AblationArm(f"forbid {shown}", "forbidden", forbidden=tuple(tokens))]
        if means is not None:
            change = Change(None, "set", means.level, means.direction)
            found.append(AblationArm("difference of means", "means", changes=(change,)))
        return found

    def length(self, arm: Arm) -> float | None:
        """Return how far an edit moves the hidden states of the unedited texts, as a mean over tokens.

        Relative to their median norm; None where nothing is edited.
        """
        if not arm.changes or not self.seen.strengths.norm:
            return None
        held, device = self.seen.held, self.generator.model.device
        edit = FeatureEdit(arm.changes, positions_of("all", self.seen.prompts), self.sae)
        moved = edit.delta(held.x.to(device), held.row.to(device), held.position.to(device))
        return float(moved.norm(dim=-1).mean()) / self.seen.strengths.norm

    def _arm(
        self,
        name: str,
        kind: Kind,
        mode: str,
        features: tuple[int, ...],
        of: str,
        directions: Sequence[Tensor | None] | None = None,
    ) -> AblationArm:
        along = directions or [None] * len(features)
        changes = tuple(self._change(f, mode, d) for f, d in zip(features, along, strict=True))
        own = features if directions is None else ()
        return AblationArm(name, kind, changes=changes, features=own, mode=mode, of=of)

    def _change(self, feature: int, mode: str, direction: Tensor | None) -> Change:
        if mode == "zero":
            return Change(feature, "scale", 0.0, direction)
        if mode == "mean":
            return Change(feature, "set", float(self.seen.mean[feature]), direction)
        values = self.seen.resampled(feature, self.partners, self.request.max_new_tokens)
        return Change(feature, "resample", 0.0, direction, values)

    def _matched(self, own: tuple[int, ...], barred: Sequence[int]) -> list[tuple[int, ...]]:
        """Return sets of features that match a set one by one; none comes twice."""
        drawn: list[list[int]] = []
        for feature in own:
            bottom = (self.norms * self.norms[feature]).clamp(min=1e-30)
            cosines = (self.decoder @ self.decoder[feature]) / bottom
            taken = [*barred, *(f for others in drawn for f in others)]
            drawn.append(
                matches_of(
                    feature,
                    self.norms.numpy(),
                    self.seen.strengths,
                    cosines.numpy(),
                    self.request.controls,
                    self.request.seed,
                    taken,
                )
            )
        return list(zip(*drawn, strict=False))

    def _random(self, arm: AblationArm) -> AblationArm:
        directions = [
            random_direction(
                self.decoder.shape[1], float(self.norms[f]), 1000 * (self.request.seed + 1) + number
            )
            for number, f in enumerate(arm.features)
        ]
        name = f"{arm.name} along random directions"
        return self._arm(name, "random", arm.mode, arm.features, arm.name, directions)


def partners_of(topics: Sequence[str], seed: int) -> list[int]:
    """Return for each prompt another one, of another topic where there is one, drawn by the seed."""
    draw = np.random.default_rng([seed, 17])
    found = []
    for at, topic in enumerate(topics):
        others = [i for i, other in enumerate(topics) if other != topic]
        others = others or [i for i in range(len(topics)) if i != at] or [at]
        found.append(int(others[int(draw.integers(len(others)))]))
    return found


def tokens_shown(texts: Sequence[str]) -> str:
    """Return forbidden tokens for the name of an arm."""
    import json

    return ", ".join(json.dumps(text, ensure_ascii=False) for text in texts)
