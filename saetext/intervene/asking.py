"""Options that interventions share, declared once: how texts are written, and where the model runs.

Not for: what one verb does to the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from saetext.errors import InputError
from saetext.io.common_options import labels_option, seed_option
from saetext.io.progress import OnProgress
from saetext.io.request import Request, option

if TYPE_CHECKING:
    from saetext.features.labels import FeatureLabels

HOW, SHOW, MODEL = "How texts are written", "What it is held against", "Model"


class Asks(Protocol):
    """What the writer of texts reads of a request."""

    @property
    def positions(self) -> str: ...  # noqa: D102
    @property
    def samples(self) -> int: ...  # noqa: D102
    @property
    def max_new_tokens(self) -> int: ...  # noqa: D102
    @property
    def temperature(self) -> float: ...  # noqa: D102
    @property
    def top_p(self) -> float: ...  # noqa: D102
    @property
    def repetition_penalty(self) -> float: ...  # noqa: D102
    @property
    def system(self) -> str | None: ...  # noqa: D102
    @property
    def raw(self) -> bool: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def batch(self) -> int: ...  # noqa: D102
    @property
    def on_progress(self) -> OnProgress | None: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class WritingOptions(Request):
    """How the texts of all arms are written.

    Raises
    ------
    InputError
        If a number is out of its bounds, or plain text is to have a system prompt.
    """

    samples: int = option(
        "Number of texts for each prompt and arm.", default=4, least=1, metavar="N", group=HOW
    )
    max_new_tokens: int = option("Most tokens of a text.", default=60, least=1, metavar="N", group=HOW)
    temperature: float = option(
        "What logits are divided by before sampling; 0 takes the most probable token.",
        default=0.8,
        least=0,
        group=HOW,
    )
    top_p: float = option(
        "Sample from the fewest most probable tokens that have this probability together.",
        default=1.0,
        above=0,
        most=1,
        group=HOW,
    )
    repetition_penalty: float = option(
        "Divide the logits of tokens that stand in the prompt or the text already; 1 is none.",
        default=1.0,
        above=0,
        group=HOW,
    )
    system: str | None = option(
        "System prompt; without one the chat template may put its own.", default=None, group=HOW
    )
    raw: bool = option(
        "Prompts are plain texts to go on from, without a chat template.", default=False, group=HOW
    )
    seed: int = seed_option("the sampling and of the controls", group=HOW)
    batch: int = option("Most texts that are written at once.", default=16, least=1, metavar="N", group=HOW)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.raw and self.system is not None:
            raise InputError("a raw prompt is one text: it has no system prompt")


@dataclass(frozen=True, kw_only=True)
class LoadingOptions(Request):
    """Who compares texts, what features are called, and where the model runs."""

    gauge: str = option(
        "Reader that compares the edited texts (of steer those of the strongest dose) with the unedited "
        "ones; never the SAE that is edited. auto: the embedded one where there are 8 prompts (of ablate, "
        "topics). none: no reader.",
        default="auto",
        metavar="READER",
        group=SHOW,
    )
    labels: FeatureLabels | Path | str | None = labels_option(SHOW)
    device: str = option("auto, cpu, cuda or mps.", default="auto", group=MODEL)
    dtype: str = option(
        "Precision of the language model: auto, float32, bfloat16, float16.", default="auto", group=MODEL
    )
    trust_pickle: bool = option("Allow pickled weights from a source you trust.", default=False, group=MODEL)


@dataclass(frozen=True, kw_only=True)
class ScoringOptions(Request):
    """Which model scores answers without writing, its SAE, and what features are called."""

    labels: FeatureLabels | Path | str | None = labels_option(MODEL)
    sae: str | Path | None = option(
        "SAE at a layer of the model: a directory, or RELEASE/SAE_ID as in SAELens. A reader that comes with "
        "saetext has its own.",
        default=None,
        hint=str | None,
        metavar="SAE",
        group=MODEL,
    )
    device: str = option("auto, cpu, cuda or mps.", default="auto", group=MODEL)
    dtype: str = option(
        "Precision of the language model: auto, float32, bfloat16, float16; auto is float32.",
        default="auto",
        group=MODEL,
    )


def where(group: str) -> str:
    """Declare the option that says which tokens are edited, under a heading."""
    return option(
        "Which tokens are edited: all, prompt, generated, last (of the prompt), first-N (that are written). "
        "The chat template's tokens never are.",
        default="all",
        metavar="WHERE",
        group=group,
    )


def strings(given: Sequence[str] | str) -> tuple[str, ...]:
    """Return one text, or texts, as a tuple."""
    return (given,) if isinstance(given, str) else tuple(given)
