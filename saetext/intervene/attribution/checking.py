"""Exact effects of single features: the metric with one feature at one position taken out, run for each.

Not for: which are worth it; gradients tell that (:mod:`saetext.intervene.attribution.gradients`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.intervene.attribution.gradients import Attributor, changed
from saetext.intervene.cases import Case, batches, sheet_of
from saetext.io.progress import Count
from saetext.reader.edits import Edit


@dataclass(frozen=True)
class Pairs:
    """Features at positions, one each; all arrays have one length.

    Attributes
    ----------
    case, position, feature : int64[n]
    weight : float32[n]
        Activation times the scale of a normalising SAE: what the feature's direction is multiplied by.
    """

    case: NDArray[np.int64]
    position: NDArray[np.int64]
    feature: NDArray[np.int64]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.case)

    def take(self, index: Sequence[int] | NDArray[np.int64]) -> Pairs:
        """Return some of them."""
        at = np.asarray(index, np.int64)
        return Pairs(self.case[at], self.position[at], self.feature[at], self.weight[at])


def exact_effects(
    attributor: Attributor,
    cases: Sequence[Case],
    values: NDArray[np.float64],
    pairs: Pairs,
    *,
    batch: int,
    count: Count | None = None,
) -> NDArray[np.float64]:
    """Return what each feature does at its position: the metric as it is less the metric without it.

    The hidden state loses the feature's part alone; the SAE's error and the other features stay.

    Parameters
    ----------
    attributor : Attributor
        Model, SAE and metric.
    cases : sequence of Case
        All cases; pairs name them by number.
    values : float64[cases]
        The metric of each case as it is.
    pairs : Pairs
        What is taken out, each on its own.
    batch : int
        Most runs side by side.
    count : callable, optional
        Called with how many of how many are done.

    Returns
    -------
    float64[n]
    """
    effects = np.zeros(len(pairs))
    done = 0
    for chosen in batches([len(cases[case]) for case in pairs.case.tolist()], batch):
        some = pairs.take(chosen)
        without = _without(attributor, [cases[case] for case in some.case.tolist()], some)
        effects[chosen] = values[some.case] - without
        done += len(chosen)
        if count is not None:
            count(done, len(pairs))
    return effects


def _without(attributor: Attributor, cases: Sequence[Case], pairs: Pairs) -> NDArray[np.float64]:
    """Return the metric of each case without its pair; cases may repeat."""
    sheet = sheet_of(cases, attributor.metric.branches)
    vectors = torch.stack([attributor.latents.direction(int(feature)) for feature in pairs.feature])
    vectors = vectors * torch.from_numpy(pairs.weight).to(vectors.device)[:, None]
    edit = _taking_out(vectors, pairs.position, len(sheet.branches))
    with torch.no_grad():
        done = attributor.model.forward(
            sheet.ids, sheet.mask, hooks=(), edits=attributor.edits(edit), keep=sheet.keep
        )
        return attributor.values(sheet, done.logits).cpu().double().numpy()


def _taking_out(vectors: Tensor, positions: NDArray[np.int64], branches: int) -> Edit:
    """Return an edit that takes a vector of each case out at its position, in every branch."""
    at = torch.from_numpy(positions).to(vectors.device).repeat_interleave(branches)
    what = vectors.repeat_interleave(branches, dim=0)

    def edit(hidden: Tensor, places: Tensor, rows: Tensor) -> Tensor:
        change = torch.zeros(hidden.shape, dtype=torch.float32, device=hidden.device)
        change[rows, at] = -what
        return changed(hidden, change)

    return edit
