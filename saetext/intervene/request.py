"""What steering is asked for. Not for: doing it (:mod:`saetext.intervene.steer`)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from saetext.errors import InputError
from saetext.intervene.asking import SHOW, LoadingOptions, WritingOptions, where
from saetext.io.common_options import progress_keyword
from saetext.io.progress import OnProgress
from saetext.io.request import Request, option

if TYPE_CHECKING:
    from saetext.intervene.shifts.saved import Shift

_WHAT = "What is edited"
_HANDLE = re.compile(r"(\d{1,9})(?::([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)(raw)?)?", re.ASCII)
_DOSES = (-1.0, 0.0, 1.0, 2.0)
AUTO_DOSES = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0)


@dataclass(frozen=True)
class Asked:
    """A feature as it is asked for: ``2162:+1`` is feature 2162 at strength 1, ``2162:300raw`` at 300 raw."""

    feature: int
    weight: float = 1.0
    raw: bool = False

    @classmethod
    def parse(cls, text: str) -> Asked:
        """Read ``N``, ``N:STRENGTH`` or ``N:COEFFICIENTraw``.

        Raises
        ------
        InputError
            If it is none of them, or the number is 0 or not finite.
        """
        found = _HANDLE.fullmatch(text.strip())
        weight = float(found.group(2) or 1) if found else 0.0
        if found is None or not math.isfinite(weight) or weight == 0:
            raise InputError(
                f"{text[:40]!r} is no feature with its strength: write 2162, 2162:+1 or 2162:300raw"
            )
        return cls(int(found.group(1)), weight, found.group(3) is not None)


@dataclass(frozen=True, kw_only=True)
class Turned(Request):
    """Which features are turned, and how far."""

    sae: str | None = option(
        "SAE whose features are edited: RELEASE/SAE_ID as in SAELens, or a directory.",
        default=None,
        metavar="SAE",
        group=_WHAT,
    )
    features: Sequence[str] = option(
        "Feature and strength, e.g. 2162:+1; 1 is its 99th percentile in reference text. Several are edited "
        "together: repeat it. 2162:300raw is a raw coefficient.",
        default=(),
        flags=("--feature", "-f"),
        hint=list[str] | None,
        metavar="N[:STRENGTH]",
        group=_WHAT,
    )
    concept: str | None = option(
        "Edit the feature that is like these words by its label and that writes its own words.",
        default=None,
        metavar="WORDS",
        group=_WHAT,
    )
    direction: Path | None = option(
        "Edit along a direction: a .npy file with one number for each dimension of the hook.",
        default=None,
        metavar="FILE",
        group=_WHAT,
    )
    shift: Shift | Path | str | None = option(
        "Add a fitted shift, as saetext shift fit saves it; strength 1 is as it was fitted.",
        default=None,
        hint=Path | None,
        metavar="DIRECTORY",
        group=_WHAT,
    )
    group: str | None = option(
        "Whose shift; not needed if there is one only.",
        default=None,
        metavar="NAME",
        group=_WHAT,
    )
    hook: str | None = option(
        "Where a direction is added, e.g. blocks.14.hook_resid_post; by default the SAE's hook.",
        default=None,
        metavar="HOOK",
        group=_WHAT,
    )
    op: Literal["add", "set", "scale"] = option(
        "add: f + dose x strength. set: the activation becomes dose x strength. scale: dose x f.",
        default="add",
        group=_WHAT,
    )
    doses: Sequence[float] | str = option(
        "Doses that the strength is multiplied by, separated by commas.",
        default=",".join(f"{dose:g}" for dose in _DOSES),
        hint=str,
        metavar="D,D,...",
        group=_WHAT,
    )
    auto: bool = option(
        "Choose the dose on one half of the prompts, the one of most effect whose nll stays within "
        "--nll-within, and report it on the other half. Tries --doses above 0, or 0.5,1,2,3,4,6.",
        default=False,
        group=_WHAT,
    )
    nll_within: float = option(
        "How far --auto lets the nll rise above that of the unedited texts, in nats.",
        default=1.0,
        above=0,
        group=_WHAT,
    )
    positions: str = where(_WHAT)
    force: bool = option(
        "Allow edits longer than 4 times the median residual norm.", default=False, group=_WHAT
    )


@dataclass(frozen=True, kw_only=True)
class SteerRequest(LoadingOptions, WritingOptions, Turned):
    """Which features are turned, how far, and how texts are written and compared."""

    words: str | None = option(
        "Words, separated by commas, whose share of each text measures the effect; by default the words "
        "that activate the features most in their calibration.",
        default=None,
        metavar="W,W,...",
        group=SHOW,
    )
    controls: int = option(
        "Number of matched features that are turned as far for comparison; a verdict needs 19. With --shift: "
        "of random sparse vectors, and at most as many other groups' shifts.",
        default=3,
        least=0,
        metavar="N",
        group=SHOW,
    )
    instruction: str | None = option(
        "What the plain instruction says, which needs no edit; by default it asks for the words.",
        default=None,
        metavar="TEXT",
        group=SHOW,
    )
    reference: Path | str | None = option(
        "Texts in which the strength of features is measured; by default the example's 300 answers.",
        default=None,
        hint=Path | None,
        metavar="FILE",
        group=SHOW,
    )
    on_progress: OnProgress | None = progress_keyword()

    def __post_init__(self) -> None:
        if isinstance(self.features, str):
            raise InputError("features is a list of texts such as '2162:+1'")
        super().__post_init__()
        doses = _numbers(self.doses) if isinstance(self.doses, str) else tuple(map(float, self.doses))
        if not doses or not all(map(math.isfinite, doses)) or len(set(doses)) < len(doses):
            raise InputError("doses are different finite numbers, one at least")
        object.__setattr__(self, "doses", tuple(sorted(dose + 0.0 for dose in doses)))
        given = [bool(self.features), *(x is not None for x in (self.concept, self.direction, self.shift))]
        if sum(given) != 1:
            raise InputError("say what to turn: --feature, --concept, --direction or --shift, one of them")
        if self.direction is not None and self.op != "add":
            raise InputError(f"a direction has no activation to {self.op}: it is added")
        if self.shift is not None and self.op != "add":
            raise InputError(f"a shift is what is added: there is no {self.op} of it")
        if self.shift is None and self.group is not None:
            raise InputError("group would change nothing: it says whose --shift")
        if self.auto and self.op == "scale":
            raise InputError("--auto looks for a strength, which scale has none of: use add or set")
        if not self.auto and self.nll_within != 1.0:
            raise InputError("nll_within would change nothing: it is for --auto")
        if self.auto and not self.tried:
            raise InputError("--auto tries doses above 0: give one at least")

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The features asked for; InputError if one cannot be read."""
        return tuple(Asked.parse(text) for text in self.features)

    @property
    def amounts(self) -> tuple[float, ...]:
        """The doses, ascending."""
        assert isinstance(self.doses, tuple)
        return self.doses

    @property
    def tried(self) -> tuple[float, ...]:
        """The doses that ``auto`` tries, ascending."""
        return AUTO_DOSES if self.amounts == _DOSES else tuple(dose for dose in self.amounts if dose > 0)

    @property
    def neutral(self) -> float | None:
        """The dose that changes nothing, None for ``set``."""
        return {"add": 0.0, "scale": 1.0}.get(self.op)

    @property
    def strongest(self) -> float:
        """The dose at which controls are compared: the furthest from the neutral one, up before down."""
        return max(self.amounts, key=lambda dose: (abs(dose - (self.neutral or 0.0)), dose))

    @property
    def gauge_words(self) -> tuple[str, ...]:
        """The words asked for, in small letters."""
        found = [word.strip().casefold() for word in (self.words or "").split(",")]
        return tuple(dict.fromkeys(word for word in found if word))


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"doses are numbers separated by commas, not {text[:40]!r}") from None
