"""What ``train`` is asked: the configuration of the SAE, the model, and how much text.

Not for: training (:mod:`saetext.training.pipeline`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from saetext.errors import InputError, refuse_unused
from saetext.io.common_options import progress_keyword
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.request import keyword, option
from saetext.reader.thresholds.request import DEFAULT_PERCENTILE
from saetext.training.config import TrainConfig

if TYPE_CHECKING:
    from saetext.documents import Document

WINDOW = 256


@dataclass(frozen=True, kw_only=True)
class TrainRequest(TrainConfig):
    """How an SAE is trained on texts: a :class:`TrainConfig` with the model, the texts and the thresholds."""

    model: str | Path | None = option(
        "Hugging Face id or directory of the language model; default: the embedded reader's model.",
        default=None,
        hint=str | None,
    )
    layer: int | None = option(
        "Train on the residual stream before this layer; default: two thirds up.",
        default=None,
        least=0,
        metavar="N",
    )
    hook: str | None = option(
        "Train on this hook point of transformer-lens instead, e.g. blocks.8.hook_mlp_out.", default=None
    )
    max_tokens: int = option(
        "Number of tokens to train on.", default=5_000_000, least=1, flags=("--tokens",), metavar="N"
    )
    valid_tokens: int = keyword("Number of held-out tokens to measure on.", default=100_000)
    calibration_tokens: int = keyword("Number of tokens to set thresholds from.", default=600_000)
    window: int = option("Number of tokens in one forward pass.", default=WINDOW, least=4, metavar="N")
    percentile: float = option(
        "Percentile of the thresholds; see saetext calibrate.",
        default=DEFAULT_PERCENTILE,
        least=0,
        most=99.99,
    )
    weights: Literal["float32", "float16", "bfloat16"] = option(
        "Precision in which the weights are stored.", default="float32"
    )
    role: str = keyword("Whose turns of a chat count: assistant, user, system or all.", default="assistant")
    held_out: Sequence[Document] | None = keyword(
        "Documents to measure on; by default one in fifty, chosen by its text.", default=None
    )
    reference: str = keyword("Name of the texts, stored with the thresholds.", default="")
    device: str = option("auto, cpu, cuda or mps.", default="auto", group="Where models run")
    dtype: str = keyword("Precision of the language model.", default="float32")
    trust_pickle: bool = option(
        "Allow pickled weights from a source you trust.", default=False, group="Where models run"
    )
    on_progress: OnProgress | None = progress_keyword()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hook is not None and self.layer is not None:
            raise InputError("give a hook or a layer, not both")
        if self.model is None:
            refuse_unused(
                "the embedded reader's model has no pickled weights; name another model, or leave it out",
                trust_pickle=self.trust_pickle,
            )

    def config(self) -> TrainConfig:
        """Return what decides the result, apart from the activations."""
        return TrainConfig(**{name: getattr(self, name) for name in TrainConfig.option_names()})
