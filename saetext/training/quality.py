"""How well an SAE describes activations: FVU, L0, dead and dense features. Not for: training."""

from __future__ import annotations

from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray

from saetext.training.jumprelu import TrainedSae


@dataclass(frozen=True)
class Quality:
    """How well an SAE describes activations it was not trained on.

    Attributes
    ----------
    fvu : float
        Fraction of variance unexplained: squared error over squared distance from the mean.
    l0 : float
        Mean active features per token.
    dead : float
        Share of features that are never active on these tokens.
    dense : int
        Number of features that are active on more than 20 % of them.
    max_density : float
        Share of tokens on which the densest feature is active.
    tokens : int
        Tokens measured.
    """

    fvu: float
    l0: float
    dead: float
    dense: int
    max_density: float
    tokens: int


def evaluate(sae: TrainedSae, activations: NDArray[np.floating], block: int = 4096) -> Quality:
    """Measure ``sae`` on ``activations`` [n_tokens, d_in]."""
    n, d_in = activations.shape
    fired = torch.zeros(sae.b_enc.shape[0], dtype=torch.int64)
    error = square = 0.0
    total = torch.zeros(d_in, dtype=torch.float64)
    for start in range(0, n, block):
        x = torch.from_numpy(np.asarray(activations[start : start + block], dtype=np.float32))
        acts = sae.encode(x)
        fired += (acts > 0).sum(0)
        error += float((sae.decode(acts) - x).double().square().sum())
        square += float(x.double().square().sum())
        total += x.double().sum(0)
    variance = square - float(total.square().sum()) / n
    density = fired.double() / n
    return Quality(
        fvu=error / variance if variance > 0 else 0.0,
        l0=float(fired.sum()) / n,
        dead=float((fired == 0).double().mean()),
        dense=int((density > 0.2).sum()),
        max_density=float(density.max()),
        tokens=n,
    )
