"""What ``why`` is asked for: the options of :func:`saetext.why`, each declared once. Not for: doing it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.errors import InputError
from saetext.intervene.asking import MODEL, WritingOptions
from saetext.intervene.request import Asked
from saetext.io.common_options import labels_option, progress_keyword
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.request import option

if TYPE_CHECKING:
    from saetext.features.labels import FeatureLabels

_SIDES, _WHAT, _TEST = "How A and B came to be", "What is looked into", "How it is tested"


@dataclass(frozen=True, kw_only=True)
class WhyRequest(WritingOptions):
    """The options of :func:`saetext.why`.

    Raises
    ------
    InputError
        If a number is out of its bounds, a feature cannot be read, or options contradict each other.
    """

    system_a: str | None = option(
        "System prompt under which the model wrote A.", default=None, metavar="TEXT", group=_SIDES
    )
    system_b: str | None = option(
        "System prompt under which the model wrote B.", default=None, metavar="TEXT", group=_SIDES
    )
    edit_a: Sequence[str] = option(
        "Feature that was turned when the model wrote A, with its strength as of steer; may be repeated.",
        default=(),
        hint=list[str] | None,
        metavar="N:STRENGTH",
        group=_SIDES,
    )
    edit_b: Sequence[str] = option(
        "The same of B.", default=(), hint=list[str] | None, metavar="N:STRENGTH", group=_SIDES
    )
    prompts: Path | None = option(
        "Prompts to write to; by default those of the texts that were compared.",
        default=None,
        metavar="FILE",
        group=_SIDES,
    )
    most_prompts: int | None = option(
        "Most prompts that are written to, drawn by the seed. Half choose features, half test them.",
        default=40,
        least=2,
        metavar="N",
        group=_SIDES,
    )
    reader: str = option(
        "Reader that compares A and B where no diff is given; never the SAE that is edited.",
        default="embedded",
        metavar="READER",
        group=_SIDES,
    )
    findings: int = option(
        "Most confirmed findings that are looked into, the strongest first.",
        default=5,
        least=1,
        metavar="N",
        group=_WHAT,
    )
    features: Sequence[str] = option(
        "Test this feature against every finding, in place of features that are looked for; may be repeated.",
        default=(),
        flags=("--feature", "-f"),
        hint=list[str] | None,
        metavar="N",
        group=_WHAT,
    )
    handles: int = option(
        "Number of features that are tested for each finding.", default=1, least=1, metavar="N", group=_WHAT
    )
    candidates: int = option(
        "Number of features for each finding that are taken out on the half that chooses, to see which of "
        "them move it most.",
        default=4,
        least=1,
        metavar="N",
        group=_WHAT,
    )
    doses: Sequence[float] | str = option(
        "Doses above 0 at which features are turned up, separated by commas; 1 is the 99th percentile of the "
        "feature's activations where the finding is.",
        default="0.5,1,2",
        hint=str,
        metavar="D,D,...",
        group=_TEST,
    )
    controls: int | None = option(
        "Number of matched features that each tested one is held against; by default as many as one feature "
        "alone can be shown with. No more of them are written to once it cannot be shown any more.",
        default=None,
        least=0,
        metavar="N",
        group=_TEST,
    )
    nll_within: float = option(
        "How far the nll may rise under the unedited model, in nats, for the text to be intact.",
        default=0.5,
        above=0,
        group=_TEST,
    )
    positions: str = option(
        "Which tokens are edited: all, prompt, generated, last (of the prompt), first-N (that are written). "
        "The chat template's tokens never are.",
        default="all",
        metavar="WHERE",
        group=_TEST,
    )
    sae: str | None = option(
        "SAE whose features are edited: RELEASE/SAE_ID as in SAELens, or a directory.",
        default=None,
        metavar="SAE",
        group=MODEL,
    )
    labels: FeatureLabels | Path | str | None = labels_option(MODEL)
    device: str = option("auto, cpu, cuda or mps.", default="auto", group=MODEL)
    dtype: str = option(
        "Precision of the language model: auto, float32, bfloat16, float16.", default="auto", group=MODEL
    )
    trust_pickle: bool = option("Allow pickled weights from a source you trust.", default=False, group=MODEL)
    on_progress: OnProgress | None = progress_keyword()

    def __post_init__(self) -> None:
        for name in ("edit_a", "edit_b", "features"):
            given = getattr(self, name)
            if isinstance(given, str):
                raise InputError(f"{name} is a list of texts such as '2162'")
            object.__setattr__(self, name, tuple(map(str, given or ())))
        super().__post_init__()
        doses = _numbers(self.doses) if isinstance(self.doses, str) else tuple(map(float, self.doses))
        if not doses or len(set(doses)) < len(doses) or not all(0 < d < math.inf for d in doses):
            raise InputError("doses are different finite numbers above 0, one at least")
        object.__setattr__(self, "doses", tuple(sorted(doses)))
        if self.system is not None and (self.system_a is not None or self.system_b is not None):
            raise InputError("--system is for both sides: it does not go with --system-a and --system-b")
        if self.raw and (self.system_a is not None or self.system_b is not None):
            raise InputError("a raw prompt is one text: it has no system prompt")
        self.numbers  # noqa: B018 - says what cannot be read
        for text in (*self.edit_a, *self.edit_b):
            Asked.parse(text)

    @property
    def amounts(self) -> tuple[float, ...]:
        """The doses, ascending."""
        assert isinstance(self.doses, tuple)
        return self.doses

    @property
    def numbers(self) -> tuple[int, ...]:
        """The features that are named; InputError if one cannot be read."""
        for text in self.features:
            if not (text.isascii() and text.isdecimal() and len(text) < 10):
                raise InputError(f"{text[:40]!r} is no feature: write its number, such as 2162")
        return tuple(dict.fromkeys(int(text) for text in self.features))

    @property
    def stated(self) -> bool:
        """Whether it is said how the sides differ."""
        return any(
            (self.system_a is not None, self.system_b is not None, bool(self.edit_a), bool(self.edit_b))
        )


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"doses are numbers separated by commas, not {text[:40]!r}") from None
