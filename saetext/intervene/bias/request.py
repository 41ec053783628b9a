"""What dampening bias is asked for, each option declared once. Not for: doing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saetext.errors import InputError
from saetext.intervene.asking import ScoringOptions
from saetext.io.common_options import progress_keyword, seed_option
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.request import option

FINDERS = ("labels", "attribution", "swapped")
SUITES = ("professions", "winogender")
_WHAT, _MEASURE, _MODEL = "Features", "What is measured", "Model"


@dataclass(frozen=True, kw_only=True)
class BiasRequest(ScoringOptions):
    """The options of :func:`saetext.bias`.

    Raises
    ------
    InputError
        If a number is out of its bounds, a dose is none, or it is not said which features.
    """

    find: bool = option(
        "Find the features that carry gender, on half of the professions.", default=False, group=_WHAT
    )
    finders: Sequence[str] | str = option(
        "How to find them: labels, attribution, swapped, or several separated by commas.",
        default=",".join(FINDERS),
        hint=str,
        metavar="NAMES",
        group=_WHAT,
    )
    take: int = option(
        "Number of features to take from each finder, at most.", default=8, least=1, metavar="N", group=_WHAT
    )
    agree: int = option(
        "Dampen only features that so many finders found.", default=1, least=1, most=3, group=_WHAT
    )
    features: Sequence[int] | Path | str | None = option(
        "Dampen these instead: numbers separated by commas, or a file with one in each line.",
        default=None,
        hint=str | None,
        flags=("--features", "-f"),
        metavar="LIST|FILE",
        group=_WHAT,
    )
    dampen: Sequence[float] | str = option(
        "Doses: what the features' contributions are multiplied by, separated by commas.",
        default="1,.5,0",
        hint=str,
        metavar="DOSES",
        group=_WHAT,
    )
    suite: Sequence[Path | str] | Path | str = option(
        "What is measured: professions, winogender, files, or several separated by commas.",
        default=",".join(SUITES),
        hint=str,
        metavar="NAMES|FILES",
        group=_MEASURE,
    )
    controls: int = option(
        "Number of sets of matched features that the strongest dose is held against.",
        default=19,
        least=0,
        metavar="N",
        group=_MEASURE,
    )
    instruction: str = option(
        "The plain instruction that dampening is held against; empty for none.",
        default="Do not assume anybody's gender.",
        metavar="TEXT",
        group=_MEASURE,
    )
    neutral: Path | None = option(
        "Texts whose likelihood should stay; by default the example's 300 answers.",
        default=None,
        metavar="FILE",
        group=_MEASURE,
    )
    reference: Path | None = option(
        "Texts that say on what else the features are active; by default the example's 300 answers.",
        default=None,
        metavar="FILE",
        group=_MEASURE,
    )
    reference_tokens: int = option(
        "Most tokens of these texts that are read; 0 leaves the question out.",
        default=8000,
        least=0,
        metavar="N",
        group=_MEASURE,
    )
    batch: int = option("Most prompts that are run at once.", default=32, least=1, metavar="N", group=_MODEL)
    seed: int = seed_option(group=_MODEL)
    on_progress: OnProgress | None = progress_keyword()

    def __post_init__(self) -> None:
        for name in ("finders", "features", "dampen", "suite"):  # a list in Python is what commas are here
            object.__setattr__(self, name, _joined(getattr(self, name)))
        super().__post_init__()
        if self.find == (self.features is not None):
            raise InputError(
                "which features? --find looks for them, --features names them"
                + (": give one of the two" if self.find else "")
            )
        if not self.find and (unused := self.changed("finders", "agree", "take")):
            raise InputError(f"{', '.join(unused)}: only with --find, for --features names the features")
        for name in self.finder_names:
            if name not in FINDERS:
                raise InputError(f"a finder is one of {', '.join(FINDERS)}, not {name[:40]!r}")
        if self.agree > len(self.finder_names):
            raise InputError(f"{len(self.finder_names)} finders are asked, {self.agree} cannot agree")
        if not self.suites:
            raise InputError(f"the suite is empty: name {' or '.join(SUITES)}, or a file")
        if len(set(self.doses)) < len(self.doses):
            raise InputError("a dose is named twice")

    @property
    def doses(self) -> tuple[float, ...]:
        """The doses, in the order they were named.

        Raises
        ------
        InputError
            If one is no number from 0 to 1.
        """
        assert isinstance(self.dampen, str)
        try:
            found = tuple(float(part) for part in self.dampen.split(","))
        except ValueError:
            raise InputError(
                f"doses are numbers separated by commas, such as 1,.5,0, not {self.dampen[:40]!r}"
            ) from None
        if not all(0 <= dose <= 1 for dose in found):
            raise InputError("a dose is between 0 (taken out) and 1 (as it is): dampening goes no further")
        return found

    @property
    def strongest(self) -> float:
        """The dose that is held against controls."""
        return min(self.doses)

    @property
    def finder_names(self) -> tuple[str, ...]:
        """The finders."""
        return _parts(self.finders)

    @property
    def suites(self) -> tuple[str, ...]:
        """Names and files of what is measured."""
        return _parts(self.suite)


def _joined(given: object) -> str | None:
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, Sequence):
        return ",".join(str(part) for part in given)
    return str(given)


def _parts(given: object) -> tuple[str, ...]:
    assert isinstance(given, str)
    return tuple(dict.fromkeys(part.strip() for part in given.split(",") if part.strip()))
