"""Arms: the unedited model, each dose, each finder's features alone, and the controls of the strongest dose.

Matched features are as often active and as strong as those dampened *in the prompts that are measured*: a
feature that is never active there would change nothing, and so prove nothing. Not for: running them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np

from saetext.intervene.bias.dampening import dampened, in_a_random_direction
from saetext.intervene.bias.finding import Found
from saetext.intervene.bias.request import BiasRequest
from saetext.intervene.controls import matches_of
from saetext.intervene.shifts.change import Change
from saetext.intervene.shifts.panel import Panel
from saetext.intervene.strength import Strengths

Kind = Literal["base", "dose", "finder", "matched", "random", "instruction"]
RANDOM = 3  # random directions


@dataclass(frozen=True)
class Arm:
    """One way to run the model.

    Attributes
    ----------
    name : str
    kind : str
    dose : float or None
        None where nothing is dampened.
    features : tuple of int
        Those dampened; of a random direction those that it is as long as.
    seed : int or None
        Of a random direction.
    instruction : str
        What stands before every prompt.
    """

    name: str
    kind: Kind
    dose: float | None = None
    features: tuple[int, ...] = ()
    seed: int | None = None
    instruction: str = ""

    @property
    def is_control(self) -> bool:
        """Whether it says only what any other edit as large does."""
        return self.kind in ("matched", "random")

    def change(self, panel: Panel) -> Change | None:
        """Return what it does to the hidden states."""
        if self.dose is None:
            return None
        change = dampened(self.features, self.dose, panel.decoder)
        if self.seed is None:
            return change
        return in_a_random_direction(change, panel.decoder.shape[1], self.seed)

    def about(self) -> dict[str, Any]:
        """Return all that decides it, in plain JSON types."""
        return {
            "dose": self.dose,
            "features": sorted(self.features),
            "seed": self.seed,
            "before": self.instruction,
        }


def arms_of(
    features: Sequence[int], found: Sequence[Found], sets: Sequence[Sequence[int]], request: BiasRequest
) -> list[Arm]:
    """Return all arms, the unedited model first."""
    own = tuple(features)
    arms = [Arm("unedited", "base")]
    arms += [Arm(f"dose {dose:g}", "dose", dose, own) for dose in sorted(request.doses, reverse=True)]
    at = request.strongest
    if at < 1:
        names = request.finder_names if request.find else ()
        for name in names if len(names) > 1 else ():
            alone = tuple(one.feature for one in found if name in one.ranks)
            if alone:
                arms.append(Arm(f"{name} alone", "finder", at, alone))
        arms += [Arm(f"matched {i}", "matched", at, tuple(each)) for i, each in enumerate(sets, 1)]
        if request.controls:
            seeds = range(1000 * request.seed, 1000 * request.seed + RANDOM)
            arms += [Arm(f"random direction {i}", "random", at, own, s) for i, s in enumerate(seeds, 1)]
    if request.instruction.strip():
        arms.append(Arm("plain instruction", "instruction", instruction=request.instruction.strip()))
    return arms


def matched_sets(
    features: Sequence[int],
    panel: Panel,
    strengths: Strengths,
    n: int,
    seed: int,
    barred: Sequence[int] = (),
) -> list[list[int]]:
    """Return sets of features as often active and as strong in the prompts, none of them of the features.

    Features that are never active there have no match, and would change nothing.

    Parameters
    ----------
    features : sequence of int
    panel : Panel
    strengths : Strengths
        Of the prompts that are measured.
    n : int
        Number of sets; fewer if there are not as many features.
    seed : int
    barred : sequence of int
        Features that are in no set either: those that were found, but not dampened.
    """
    decoder = panel.decoder.cpu()
    norms = decoder.norm(dim=1)
    pools: list[list[int]] = []
    for feature in features:
        if not strengths.active[feature]:
            continue
        cosines = (decoder @ decoder[feature]) / (norms * norms[feature]).clamp(min=1e-30)
        apart = [*features, *barred]
        pools.append(matches_of(feature, norms.numpy(), strengths, cosines.numpy(), n, seed, apart))
    sets: list[list[int]] = []
    for number in range(n if pools else 0):
        taken: list[int] = []
        for pool in pools:
            turned = [*pool[number:], *pool[:number]] if number < len(pool) else []
            if (one := next((f for f in turned if f not in taken), None)) is None:
                return sets
            taken.append(one)
        if sorted(taken) in [sorted(other) for other in sets]:
            return sets
        sets.append(taken)
    return sets


def strengths_in(
    kept_features: np.ndarray[Any, Any], values: np.ndarray[Any, Any], d_sae: int, tokens: int
) -> Strengths:
    """Return the strengths of features in the prompts."""
    from saetext.intervene.strength import summarised

    return summarised(kept_features, values, d_sae, np.ones(max(tokens, 1)), "the prompts")
