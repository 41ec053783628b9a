"""What decides the result of training an SAE, apart from the activations.

Not for: the training step (:mod:`saetext.training.batch_topk`) or texts (:mod:`saetext.training.request`).
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

from saetext.errors import InputError, refuse_unused
from saetext.io.common_options import seed_option
from saetext.io.request import Request, keyword, option


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Request):
    """What decides the result of training, apart from the activations.

    Attributes
    ----------
    d_sae : int
        Number of features.
    k : int
        Mean number of active features per token.
    batch : int
        Tokens per step.
    steps : int
        Number of steps; tokens seen = ``batch x steps``, with as many passes over the data as that takes.
    lr : float
        Adam's learning rate after warm-up.
    warmup, decay : float
        Shares of the steps for the linear rise at the start and the linear fall to zero at the end.
    aux_weight : float
        Weight of the loss in which dead features explain what the others missed.
    dead_after : int
        Tokens without activation after which a feature counts as dead.
    dense_weight : float
        Weight of an L1 penalty on the activations of features that are active on more than ``dense_above`` of
        the tokens, growing with the excess; such features mean nothing to a reader. 0 switches it off.
    dense_above : float
        Share of tokens from which a feature counts as too dense.
    prefixes : tuple of int
        Matryoshka: numbers of features that must reconstruct without the later ones, ascending and below
        ``d_sae``; the loss is the mean over these and the whole. Empty for plain batch-top-k.
    seed : int
        Seeds initial weights and the order of tokens.

    Examples
    --------
    >>> import saetext
    >>> saetext.TrainConfig(d_sae=1024, k=16).steps
    5000
    """

    d_sae: int = option("Number of features.", default=4096, least=1, flags=("--features",), metavar="N")
    k: int = option(
        "Mean number of active features per token.", default=24, least=1, flags=("-k",), metavar="N"
    )
    batch: int = option("Number of tokens per step.", default=4096, least=1, metavar="N")
    steps: int = option("Number of training steps.", default=5000, least=1, metavar="N")
    lr: float = option("Learning rate.", default=6e-4, least=0)
    warmup: float = keyword("Share of the steps in which the learning rate rises.", default=0.02)
    decay: float = keyword("Share of the steps in which the learning rate falls to zero.", default=0.3)
    aux_weight: float = keyword("Weight of the auxiliary loss that revives dead features.", default=1 / 32)
    dead_after: int = keyword(
        "Number of tokens without activation after which a feature is dead.", default=200_000
    )
    dense_weight: float = keyword("Weight of the L1 penalty on too dense features; 0 for none.", default=0.3)
    dense_above: float = keyword("Share of tokens above which a feature is too dense.", default=0.05)
    prefixes: tuple[int, ...] = keyword(
        "Matryoshka: numbers of features that reconstruct on their own, ascending.", default=()
    )
    seed: int = seed_option("the initial weights and of the order of tokens")

    def __post_init__(self) -> None:
        """Check the ranges once, at the edge."""
        super().__post_init__()
        if self.k > self.d_sae:
            raise InputError(f"k ({self.k}) cannot exceed the number of features ({self.d_sae})")
        if not self.dense_weight:
            refuse_unused(
                "dense_weight 0 leaves too dense features alone; leave it out", **self.changed("dense_above")
            )
        bounds = (0, *self.prefixes, self.d_sae)
        if any(a >= b for a, b in itertools.pairwise(bounds)):
            raise InputError(f"prefixes must ascend from 1 to below {self.d_sae}, not {self.prefixes}")


def config_dict(config: TrainConfig) -> dict[str, Any]:
    """Return the configuration as plain JSON types, for records and metadata."""
    return dataclasses.asdict(config)
