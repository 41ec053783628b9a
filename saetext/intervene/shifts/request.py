"""What fitting and evaluating a shift are asked for, each option declared once. Not for: doing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from saetext.errors import InputError
from saetext.intervene.asking import ScoringOptions
from saetext.io.common_options import progress_keyword, seed_option
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.request import option

if TYPE_CHECKING:
    from saetext.intervene.shifts.saved import Shift

REFUSALS = (
    r"\b(don.?t know|do not know|dk|refused?|no answer|no response|not applicable|not asked|missing|"
    r"no opinion|not sure|unsure|prefer not to say|can.?t (?:say|choose)|cannot (?:say|choose)|"
    r"undecided|none of the(?:se| above)|not ascertained|n/?a)\b"
)
PERSONA = "Answer as a person of this group would: {group}."
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DATA, _ASKING, _FIT, _MODEL = "Answers", "How the model is asked", "How the shift is fitted", "Model"


@dataclass(frozen=True, kw_only=True)
class AnswersRequest(ScoringOptions):
    """What fitting and evaluation share: the table of answers, how questions are put, and the model."""

    by: str = option("Column with the group.", default="group", metavar="COLUMN", group=_DATA)
    question: str | None = option(
        "Column with the question; by default question, else text.",
        default=None,
        flags=("--question",),
        metavar="COLUMN",
        group=_DATA,
    )
    scale: Literal["auto", "ordinal", "nominal"] = option(
        "Whether options have an order. auto: what the column 'ordinal' says of a question, else they have.",
        default="auto",
        group=_DATA,
    )
    refusals: str = option(
        "Pattern of options that are no opinion: left out of the question, their share told apart.",
        default=REFUSALS,
        metavar="REGEX",
        group=_DATA,
    )
    min_respondents: int = option(
        "Fewest respondents of a group to a question, where the table says how many there were.",
        default=20,
        least=1,
        metavar="N",
        group=_DATA,
    )
    letters: str = option(
        "What stands before the options, one character each, or several separated by commas.",
        default=LETTERS,
        metavar="LETTERS",
        group=_ASKING,
    )
    system: str | None = option("System prompt.", default=None, metavar="TEXT", group=_ASKING)
    raw: bool = option(
        "Put questions as plain text, without the chat template.", default=False, group=_ASKING
    )
    neutral: Path | None = option(
        "Texts that a shift should leave alone; by default the example's 300 answers.",
        default=None,
        metavar="FILE",
        group=_FIT,
    )
    batch: int = option("Most prompts that are run at once.", default=16, least=1, metavar="N", group=_MODEL)
    seed: int = seed_option(group=_FIT)
    on_progress: OnProgress | None = progress_keyword()

    def __post_init__(self) -> None:
        super().__post_init__()
        from saetext.intervene.shifts.opinions import pattern_of

        pattern_of(self.refusals)
        if len(set(self.symbols)) < max(len(self.symbols), 2):
            raise InputError("letters are two different ones at least, each named once")

    @property
    def symbols(self) -> tuple[str, ...]:
        """The letters of options."""
        parts = self.letters.split(",") if "," in self.letters else list(self.letters)
        return tuple(part.strip() for part in parts if part.strip())


@dataclass(frozen=True, kw_only=True)
class ShiftRequest(AnswersRequest):
    """The options of :func:`saetext.shift`.

    Raises
    ------
    InputError
        If a number is out of its bounds, or a pattern or the letters cannot be used.
    """

    hold_out: str = option(
        "Column whose values are held out, so that a question is on one side only.",
        default="question",
        metavar="COLUMN",
        group=_DATA,
    )
    share: float = option("Share of them that is held out.", default=0.3, above=0, most=0.9, group=_DATA)
    sparsity: float = option(
        "Weight of the sum of the shift's sizes, as a share of the weight at which nothing moves.",
        default=0.2,
        least=0,
        most=1,
        group=_FIT,
    )
    displacement: float = option(
        "Weight of the squared displacement of the hidden states, relative to their mean square.",
        default=0.1,
        least=0,
        group=_FIT,
    )
    preserve: float = option(
        "Weight of the divergence from the unedited model on neutral text.",
        default=0.2,
        least=0,
        group=_FIT,
    )
    steps: int = option("Most steps of each fit.", default=120, least=1, metavar="N", group=_FIT)
    step: float = option(
        "Length of a step, relative to the median residual norm.", default=0.01, above=0, group=_FIT
    )
    patience: int = option(
        "Checks without improvement after which a fit stops.", default=3, least=1, metavar="N", group=_FIT
    )
    check_every: int = option(
        "Steps between checks on the questions set aside for it.",
        default=10,
        least=1,
        metavar="N",
        group=_FIT,
    )
    train_orders: int = option(
        "Orders in which a question is put in each step.", default=2, least=1, metavar="N", group=_FIT
    )
    repeats: int = option(
        "Fits of each group, each with another seed; the first counts, the others say how stable it is.",
        default=1,
        least=1,
        metavar="N",
        group=_FIT,
    )
    controls: bool = option(
        "Fit what the shift is held against too: one for all groups, and a dense vector for each.",
        default=True,
        group=_FIT,
    )


@dataclass(frozen=True, kw_only=True)
class ShiftEvalRequest(AnswersRequest):
    """The options of :func:`saetext.evaluate_shift`.

    Raises
    ------
    InputError
        If a number is out of its bounds, or a pattern or the letters cannot be used.
    """

    shift: Shift | Path | str | None = option(
        "The fitted shift.", default=None, hint=Path | None, metavar="DIRECTORY", group=_FIT
    )
    orders: int = option(
        "Most orders of its options in which a question is put; their answers are averaged.",
        default=8,
        least=1,
        metavar="N",
        group=_ASKING,
    )
    persona: str = option(
        "The plain instruction that shifts are held against; {group} stands for the group.",
        default=PERSONA,
        metavar="TEXT",
        group=_ASKING,
    )
    random: int = option(
        "Number of random sparse vectors for each group.", default=3, least=0, metavar="N", group=_FIT
    )
    all_questions: bool = option(
        "Ask the questions that the shift was fitted on as well.", default=False, group=_DATA
    )
