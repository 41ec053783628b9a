"""Turning a feature while a model writes: both texts, what they are measured by, and what to beware of.

The arms, strengths and measures are those of ``saetext steer``. Not for: pages.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from saetext.errors import InputError
from saetext.intervene.request import SteerRequest
from saetext.io.progress import OnProgress, Progress
from saetext.report.explore.kept import Kept
from saetext.report.explore.writers import Model, Writers
from saetext.text.function_words import only_function_words
from saetext.text.words import split

if TYPE_CHECKING:
    from saetext.intervene.controls import Arm
    from saetext.intervene.edit import Change
    from saetext.intervene.result import SteerResult
    from saetext.intervene.setting import Setting
    from saetext.intervene.writing import Written

MOST_PROMPTS = 12
STRONGEST = 6.0  # strengths go from minus that to that
NLL_RISE = 1.0  # nats that a text may become less likely before it is warned of; as --auto has it
REPEATS = 0.2  # share of repeated trigrams, beyond that of the unedited text, that is warned of
_FULL, _LIGHT = 4, 1  # steps of shading: of words that say something, and of "of" and "the"
_settings: Kept[Setting] = Kept(16)

#: Called with the number of a prompt, whether its text is the turned one, and the text so far.
Show = Callable[[int, bool, str], None]


@dataclass(frozen=True)
class Question:
    """What is turned, and on which prompts.

    Attributes
    ----------
    model : Model
    prompts : tuple of str
    feature : int
    strength : float
        Times the feature's 99th percentile in reference text; not 0.
    temperature : float
    seed : int
    tokens : int
        Most tokens of a text.
    raw : bool
        Whether prompts are plain texts to go on from.
    """

    model: Model
    prompts: tuple[str, ...]
    feature: int
    strength: float
    temperature: float = 0.8
    seed: int = 0
    tokens: int = 60
    raw: bool = False

    def options(self) -> dict[str, Any]:
        """Return the options of :func:`saetext.steer` that do the same, in plain JSON types."""
        return {
            "sae": self.model.sae,
            "features": [f"{self.feature}:+1"],
            "doses": [0.0, self.strength],
            "samples": 1,
            "max_new_tokens": self.tokens,
            "temperature": self.temperature,
            "seed": self.seed,
            "raw": self.raw,
            "controls": 0,
            "instruction": "",
            "gauge": "none",
        }

    def asked(self) -> dict[str, Any]:
        """Return what the answer depends on, in plain JSON types."""
        return {"model": self.model.name, "prompts": list(self.prompts), **self.options()}


@dataclass(frozen=True, eq=False)
class Tokens:
    """A text in the tokens that were written.

    Attributes
    ----------
    text : str
    ids : tuple of int
        That of the end of the text included.
    ends : tuple of int
        The character before which each token ends.
    """

    text: str
    ids: tuple[int, ...]
    ends: tuple[int, ...]

    def parts(self) -> list[tuple[str, int | None]]:
        """Return the text cut at its words, each word with the number of the token that it begins in."""
        found: list[tuple[str, int | None]] = []
        at = 0
        for number, part in enumerate(split(self.text)):
            token = bisect.bisect_right(self.ends, at)
            found.append((part, token if number % 2 and token < len(self.ends) else None))
            at += len(part)
        return found

    def words(self) -> list[tuple[int, str]]:
        """Return the words, each after the number of the token that it begins in."""
        return [(token, part) for part, token in self.parts() if token is not None]


def tokens_of(tokenizer: Any, written: Written) -> Tokens:
    """Return a text in its tokens; a character in several tokens ends with the last of them."""
    from saetext.reader.decoding import decoded

    ids = written.ids.tolist()
    ends = [len(decoded(tokenizer, ids[: n + 1]).rstrip("\ufffd")) for n in range(len(ids))]
    return Tokens(written.text, tuple(ids), tuple(accumulate(ends, max)))


@dataclass(frozen=True, eq=False)
class Turned:
    """Both texts of each prompt, and what it takes to ask about their words.

    Attributes
    ----------
    result : SteerResult
    changes : tuple of Change
        The edit of the turned texts.
    texts : mapping of (int, bool) to Tokens
        By the number of the prompt, and whether it is the turned text.
    """

    result: SteerResult
    changes: tuple[Change, ...]
    texts: Mapping[tuple[int, bool], Tokens]


def turned(question: Question, writers: Writers, on_progress: OnProgress, show: Show) -> Turned:
    """Return what a model writes with a feature turned, and without.

    Parameters
    ----------
    question : Question
    writers : Writers
        Has the model.
    on_progress : callable
        What it raises ends the work.
    show : callable
        Gets the texts while they are written.

    Raises
    ------
    SaetextError
        If the model cannot be loaded or cannot write, a prompt cannot be used, or the edit is so long that it
        would leave nothing of the text.
    """
    on_progress(Progress("loading the model"))
    from saetext.intervene.concluding import result_of
    from saetext.intervene.setting import setting_of
    from saetext.intervene.writing import Writer

    request = SteerRequest(**question.options(), reference=writers.reference, on_progress=on_progress)
    with writers.alone(on_progress):
        on_progress(Progress("loading the model"))
        generator = writers.generator(question.model)
        for prompt in question.prompts:  # before anything is measured
            generator.model.encode_prompt(prompt, raw=question.raw)
        key = (question.model, question.feature, writers.reference)
        setting = _settings.get(key, lambda: setting_of(generator, generator, request))
        _require_bearable(setting, question.strength, request)
        arms = setting.arms(request)

        def text(arm: Arm, prompt: int, sample: int, so_far: str) -> None:
            show(prompt, arm.kind == "dose", so_far)

        writer = Writer(generator, question.prompts, request, arms, on_text=text)
        done = [(arm, writer.arm(arm)) for arm in arms]
        tokenizer = generator.model.tokenizer
        tokens = {
            (one.prompt, arm.kind == "dose"): tokens_of(tokenizer, one)
            for arm, texts in done
            for one in texts
        }
    table = setting.table(done, question.prompts, range(len(question.prompts)))
    result = result_of(setting, arms, table, request, None, None)
    return Turned(result, next(arm.changes for arm in arms if arm.kind == "dose"), tokens)


def _require_bearable(setting: Setting, strength: float, request: SteerRequest) -> None:
    """Refuse an edit that leaves nothing of the text, and say how far one can go."""
    from saetext.intervene.handles import REFUSE

    length, norm = setting.length(strength, request), setting.norm
    if norm and length > REFUSE * norm:
        most = abs(strength) * REFUSE * norm / length
        raise InputError(
            f"strength {strength:g} is {length / norm:.1f} times as long as the median residual, which "
            f"leaves nothing of the text: stay within {most:.2g} either way"
        )


def cautions(result: SteerResult) -> list[str]:
    """Return what to beware of, in sentences: of the strength, of fluency, and of what few texts can say."""
    base, dosed = result.table.row(0, named=True), result.table.row(1, named=True)
    handle = result.handles.row(0, named=True)
    found = []
    if not handle["unit_source"].startswith("99th percentile"):
        source = handle["unit_source"]
        found.append(f"The feature is hardly ever active in reference text: strength 1 is the {source}.")
    if dosed["length"] is not None and dosed["length"] > 1:
        found.append("The edit is longer than the hidden states themselves: expect broken text.")
    if dosed["nll_diff"] is not None and dosed["nll_diff"] > NLL_RISE:
        found.append(
            f"The turned text is much less likely to the model itself (nll +{dosed['nll_diff']:.2f}): "
            "the edit costs fluency. Try a lower strength."
        )
    repeats = [row["repetition"] for row in (base, dosed)]
    if None not in repeats and repeats[1] > repeats[0] + REPEATS:
        found.append(f"The turned text repeats itself: {repeats[1]:.0%} of its trigrams stood there before.")
    return found


def pieces_apart(text: str, other: str) -> list[tuple[str, int]]:
    """Return a text in pieces, each with how strongly it is marked: words that the other text does not have.

    Steps of shading: 4, of words that carry grammar 1, of all else 0.

    Examples
    --------
    >>> from saetext.report.explore.queries.turning import pieces_apart
    >>> pieces_apart("It was a sad day", "A day")
    [('It', 1), (' ', 0), ('was', 1), (' a ', 0), ('sad', 4), (' day', 0)]
    """
    found: list[tuple[str, int]] = []
    for part, shade in zip(split(text), shades_apart(text, other), strict=True):
        if found and found[-1][1] == shade:
            found[-1] = (found[-1][0] + part, shade)
        elif part:
            found.append((part, shade))
    return found


def shades_apart(text: str, other: str) -> list[int]:
    """Return how strongly each part of a text is marked, as :func:`saetext.text.words.split` cuts it."""
    there = {word.casefold() for word in split(other)[1::2]}
    found = []
    for number, part in enumerate(split(text)):
        word = part.casefold()
        apart = number % 2 == 1 and word not in there
        light = apart and only_function_words([word.replace("\u2019", "'")])
        found.append(0 if not apart else _LIGHT if light else _FULL)
    return found
