"""What ablation is asked for: the options of :func:`saetext.ablate`, each declared once.

Not for: doing it (:mod:`saetext.intervene.ablation.run`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from saetext.errors import InputError, refuse_unused
from saetext.intervene.asking import SHOW, LoadingOptions, WritingOptions, strings, where
from saetext.io.common_options import progress_keyword
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.request import Request, keyword, option
from saetext.text.one_line import quoted

if TYPE_CHECKING:
    from saetext.intervene.attribution.result import AttributionResult

Mode = Literal["zero", "mean", "resample"]
MODES: tuple[Mode, ...] = get_args(Mode)
METRICS = ("items", "distinct", "diversity", "repeats", "tokens", "words", "nll", "ended")
ALWAYS = ("nll", "repeats")  # side effects, measured whether asked for or not

_WHAT, _SPLIT = "What is ablated", "How features are chosen"
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_OF_FILE = re.compile(r"(?P<file>.+):(?P<n>[1-9]\d{0,5})", re.ASCII | re.DOTALL)

#: A measure of a text by a Python function.
Measure = Callable[[str], Any]


@dataclass(frozen=True, kw_only=True)
class Ablated(Request):
    """Which features are taken out, how, and where."""

    features: Sequence[str | int] | str | int = option(
        "FILE:N takes the N strongest features of a file that saetext attribute wrote; N is one feature. "
        "Repeated features are taken out together.",
        default=(),
        flags=("--features", "-f"),
        hint=list[str] | None,
        metavar="FILE:N|N",
        group=_WHAT,
    )
    mode: Sequence[str] | str = option(
        "Separated by commas. zero: the activation becomes 0. mean: its mean over the unedited texts. "
        "resample: what it was in the text of another prompt.",
        default="zero",
        hint=str,
        metavar="MODE,...",
        group=_WHAT,
    )
    positions: str = where(_WHAT)
    each: bool = option(
        "Take the features out one at a time, each with its own controls, instead of together.",
        default=False,
        group=_WHAT,
    )
    sae: str | None = option(
        "SAE whose features are ablated: RELEASE/SAE_ID as in SAELens, or a directory; by default that of "
        "the attribution, or the reader's own.",
        default=None,
        metavar="SAE",
        group=_WHAT,
    )
    by: str | None = option(
        "Column of the prompts with their topic: the unit of all statistics. Without it each prompt is one.",
        default=None,
        metavar="COLUMN",
        group=_SPLIT,
    )
    split: Literal["auto", "half", "none"] = option(
        "On which topics features are chosen and on which they are tested. half: on one half, by the seed, "
        "and on the other. none: on all, which finds too much. auto: half, unless the attribution is about "
        "other topics than those tested.",
        default="auto",
        group=_SPLIT,
    )
    rank: Literal["attribution", "exact"] = option(
        "What makes a feature of a file strong: its attributions, or its exact effects where the file has "
        "them; the mean over examples of their sizes, or of their sum with --sign.",
        default="attribution",
        group=_SPLIT,
    )
    sign: Literal["any", "positive", "negative"] = option(
        "Take the features whose attributions sum to most above 0, or to most below, instead of the largest "
        "in size. What pushes up as often as down does not count then.",
        default="any",
        group=_SPLIT,
    )


@dataclass(frozen=True, kw_only=True)
class AblateRequest(LoadingOptions, WritingOptions, Ablated):
    """The options of :func:`saetext.ablate`.

    Raises
    ------
    InputError
        If a number is out of its bounds, or an option none of its choices or without any effect.
    """

    metrics: Sequence[str | Measure] | str = option(
        "What texts are measured by, separated by commas: items, distinct, diversity, repeats, tokens, "
        "words, nll, ended. In Python also functions of a text.",
        default="items,distinct,repeats,tokens",
        hint=str,
        metavar="METRIC,...",
        group=SHOW,
    )
    primary: str | None = option(
        "The one metric that the verdict is about; by default the first.",
        default=None,
        metavar="METRIC",
        group=SHOW,
    )
    words: str | None = option(
        "Words, separated by commas, whose share of each text is the metric 'words'.",
        default=None,
        metavar="W,W,...",
        group=SHOW,
    )
    controls: int = option(
        "Number of sets of matched features that are taken out for comparison; a verdict needs 19.",
        default=19,
        least=0,
        metavar="N",
        group=SHOW,
    )
    forbid: Sequence[str] | str = option(
        "Token that is never written in one of the rival arms, and before which the difference of means is "
        "taken; by default the one that the attribution's metric adds, else the end of the text. An empty "
        "text leaves both rivals out.",
        default=(),
        hint=list[str] | None,
        metavar="TEXT",
        group=SHOW,
    )
    attribution: AttributionResult | None = keyword(
        "An attribution in place of a file; its strongest features are ablated.", default=None
    )
    strongest: int = keyword(
        "Number of features that are taken from `attribution`.", default=5, least=1, recorded=True
    )
    on_progress: OnProgress | None = progress_keyword()

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.features
        features = (given,) if isinstance(given, str | int) else tuple(given)
        object.__setattr__(self, "features", tuple(str(one) for one in features))
        object.__setattr__(self, "mode", _listed(self.mode))
        object.__setattr__(self, "forbid", strings(self.forbid))
        measures = _listed(self.metrics) if isinstance(self.metrics, str) else tuple(self.metrics)
        object.__setattr__(self, "metrics", measures)
        self._require_features()
        self._require_measures()

    def _require_features(self) -> None:
        if not self.modes or any(mode not in MODES for mode in self.modes):
            raise InputError(f"mode is one or more of {', '.join(MODES)}, not {quoted(','.join(self.modes))}")
        if bool(self.features) == (self.attribution is not None):
            raise InputError("say what to take out: --features FILE:N, or features by number")
        file = self.file
        assert isinstance(self.features, tuple)
        if file is not None and len(self.features) > 1:
            raise InputError("give one FILE:N, or features by number")
        if file is None and self.attribution is None:
            because = "features are named: none is chosen"
            refuse_unused(because, **self.changed("split", "rank", "sign"))
            _ = self.numbers
        if self.attribution is None:
            refuse_unused("it goes with attribution", **self.changed("strongest"))

    def _require_measures(self) -> None:
        names = self.measures
        if not names or len(set(names)) < len(names):
            raise InputError("metrics are names, one at least, each once")
        for one in self.metrics:
            if isinstance(one, str) and one not in METRICS:
                raise InputError(f"there is no metric {quoted(one, 40)}: choose {', '.join(METRICS)}")
            if not isinstance(one, str) and not callable(one):
                raise InputError(f"a metric is a name or a function of a text, not {type(one).__name__}")
            if not isinstance(one, str) and name_of(one) in METRICS:
                raise InputError(f"a function is called like the metric {name_of(one)!r}: rename it")
        if self.primary is not None and self.primary not in names:
            raise InputError(
                f"--primary is one of the metrics, {', '.join(names)}, not {quoted(self.primary, 40)}"
            )
        if ("words" in names) != bool(self.word_list):
            raise InputError("the metric 'words' and --words belong together")

    def params(self) -> dict[str, Any]:
        """Return the recorded options; functions are recorded by their names."""
        return {**super().params(), "metrics": list(self.measures), "primary": self.main}

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes asked for."""
        assert isinstance(self.mode, tuple)
        return tuple(dict.fromkeys(self.mode))

    @property
    def file(self) -> tuple[Path, int] | None:
        """The attribution's file and the number of features asked of it."""
        assert isinstance(self.features, tuple)
        for text in self.features:
            if found := _OF_FILE.fullmatch(text):
                return Path(found["file"]), int(found["n"])
        return None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The features asked for by number.

        Raises
        ------
        InputError
            If one is no number.
        """
        assert isinstance(self.features, tuple)
        for text in self.features:
            if not _NUMBER.fullmatch(text.strip()):
                raise InputError(
                    f"{quoted(text, 40)} is no feature: write its number, or FILE:N for the N strongest of "
                    "an attribution"
                )
        numbers = tuple(int(text) for text in self.features)
        if len(set(numbers)) < len(numbers):
            raise InputError("a feature is named twice: once is enough")
        return numbers

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of the metrics asked for."""
        return tuple(one if isinstance(one, str) else name_of(one) for one in self.metrics)

    @property
    def functions(self) -> dict[str, Measure]:
        """The user's own metrics by name."""
        return {name_of(one): one for one in self.metrics if not isinstance(one, str)}

    @property
    def main(self) -> str:
        """The metric that the verdict is about."""
        return self.primary or self.measures[0]

    @property
    def word_list(self) -> frozenset[str]:
        """The words of the metric ``words``, in small letters."""
        found = [word.strip().casefold() for word in (self.words or "").split(",")]
        return frozenset(word for word in found if word)

    @property
    def forbidden(self) -> tuple[str, ...] | None:
        """The texts that are forbidden in a rival arm; None for the default, empty for no such arm."""
        assert isinstance(self.forbid, tuple)
        return tuple(text for text in self.forbid if text) if self.forbid else None


def name_of(function: Any) -> str:
    """Return what a user's metric is called."""
    return str(getattr(function, "__name__", type(function).__name__))


def _listed(given: Sequence[str] | str) -> tuple[str, ...]:
    if isinstance(given, str):
        return tuple(part.strip() for part in given.split(",") if part.strip())
    return tuple(given)
