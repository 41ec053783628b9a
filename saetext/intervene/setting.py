"""What is settled before anything is written: what is turned, how far one dose is, which words are counted.

Not for: what the texts say (:mod:`saetext.intervene.concluding`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.intervene.choosing import Candidate, own_words
from saetext.intervene.controls import Arm, arms_of
from saetext.intervene.effects import repetition, word_share
from saetext.intervene.generator import Generator
from saetext.intervene.handles import Handle, handles_of, length_of, require_bearable
from saetext.intervene.lists import text_schema
from saetext.intervene.output_score import OWN, TEXTS, OutputScores
from saetext.intervene.shifted import Shifted, require_own, shift_arms, shifted_of
from saetext.intervene.shifts.request import PERSONA
from saetext.intervene.strength import Strengths, reference_texts, strengths_of
from saetext.intervene.writing import Writer, measured
from saetext.text.words import words

if TYPE_CHECKING:
    import polars as pl

    from saetext.intervene.request import SteerRequest
    from saetext.intervene.shifts.saved import Shift
    from saetext.intervene.writing import OnArmText, Written
    from saetext.reader.prompts import Messages

_ASKED_WORDS = 5


@dataclass(frozen=True, eq=False)
class Setting:
    """What is settled before anything is written; made by :func:`setting_of`.

    Attributes
    ----------
    generator : Generator
    strengths : Strengths or None
        None where no SAE is named.
    handles : tuple of Handle
        What is turned; none where it is a shift.
    candidates : tuple of Candidate
        What was considered where a concept is named.
    gauge : tuple of str
        The words whose share is the effect; may be none.
    instruction : str or None
        The plain instruction.
    shifted : Shifted or None
        The shift that is turned.
    """

    generator: Generator
    strengths: Strengths | None
    handles: tuple[Handle, ...]
    candidates: tuple[Candidate, ...]
    gauge: tuple[str, ...]
    instruction: str | None
    shifted: Shifted | None = None

    @property
    def norm(self) -> float | None:
        """Median norm of the hidden states, where it is known."""
        return None if self.strengths is None else self.strengths.norm

    @property
    def sign(self) -> float:
        """Which way the effect should go at doses above 0: 1 where features are turned up, -1 down."""
        return 1.0 if sum(handle.strength for handle in self.handles) >= 0 else -1.0

    def length(self, dose: float, request: SteerRequest) -> float:
        """Return how far a dose moves the hidden states, in raw units."""
        if self.shifted is not None:
            return self.shifted.length(dose * self.shifted.delta)
        return length_of(self.handles, dose, request.op)

    def arms(self, request: SteerRequest) -> list[Arm]:
        """Return the arms of a request, the unedited one first.

        Raises
        ------
        InputError
            If an edit would leave nothing of the text.
        """
        longest = max(self.length(dose, request) for dose in request.amounts)
        require_bearable(longest, self.norm, force=request.force)
        if self.shifted is not None:
            arms = shift_arms(self.shifted, request, self.instruction)
            require_bearable(max(arm.length for arm in arms), self.norm, force=request.force)
            return arms
        return arms_of(self.generator, self.handles, request, self.strengths, self.instruction)

    def written(
        self,
        arms: Sequence[Arm],
        prompts: Sequence[str | Messages],
        numbers: Sequence[int],
        request: SteerRequest,
        on_text: OnArmText | None = None,
    ) -> pl.DataFrame:
        """Return the texts of arms for some of the prompts, with their measures; ``on_text`` watches them."""
        writer = Writer(self.generator, [prompts[i] for i in numbers], request, arms, on_text=on_text)
        return self.table([(arm, writer.arm(arm)) for arm in arms], prompts, numbers)

    def table(
        self,
        done: Sequence[tuple[Arm, list[Written]]],
        prompts: Sequence[str | Messages],
        numbers: Sequence[int],
    ) -> pl.DataFrame:
        """Return the texts of arms with their measures; ``numbers`` are those of the prompts written for."""
        import polars as pl

        gauge = frozenset(self.gauge)
        rows: list[dict[str, Any]] = []
        for arm, text, changed in measured(done):
            number = numbers[text.prompt]
            rows.append(
                {
                    "arm": arm.name,
                    "kind": arm.kind,
                    "dose": arm.dose,
                    "prompt": number,
                    "prompt_text": _shown(prompts[number]),
                    "sample": text.sample,
                    "text": text.text,
                    "tokens": len(text.ids) - (text.finish == "eos"),
                    "finish": text.finish,
                    "gauge": word_share(text.text, gauge) if gauge else None,
                    "nll": text.nll,
                    "repetition": repetition(text.ids.tolist()),
                    "changed": changed,
                }
            )
        return pl.DataFrame(rows, schema=text_schema())


def setting_of(
    generator: Generator,
    model: str | Path | Generator,
    request: SteerRequest,
    shift: Shift | None = None,
) -> Setting:
    """Return what a request settles, with a generator that is loaded, and the shift that it names.

    Raises
    ------
    InputError
        If a feature is out of range, or its strength is unknown, or the shift is of another model.
    """
    if shift is not None:  # before anything is measured
        require_own(shift, generator)
    strengths = None
    if generator.sae is not None:
        place = generator.model.path if isinstance(model, Generator) else model
        strengths = strengths_of(generator, place, request.reference, request.on_progress)
    if shift is not None:
        shifted = shifted_of(shift, generator, request)
        gauge = request.gauge_words
        return Setting(generator, strengths, (), (), gauge, _persona(request, shifted.group), shifted)
    scores = OutputScores(generator, reference_texts(request.reference, TEXTS), request.on_progress)
    handles, candidates = handles_of(generator, request, strengths, scores)
    gauge = request.gauge_words or _top_words(generator, handles)
    instruction = _instruction(request, gauge)
    return Setting(generator, strengths, tuple(handles), tuple(candidates), gauge, instruction)


def _top_words(generator: Generator, handles: Sequence[Handle]) -> tuple[str, ...]:
    """Return the words that activate the features which are turned up, where a calibration knows them."""
    found: list[str] = []
    for handle in handles:
        if handle.feature is not None and handle.strength > 0:
            top = own_words(generator, handle.feature, OWN)
            found += [word.casefold() for text in top for word in words(text)]
    return tuple(dict.fromkeys(found))


def _instruction(request: SteerRequest, gauge: Sequence[str]) -> str | None:
    if request.instruction is not None:
        return request.instruction or None
    if request.concept is not None:
        return f"Let your answer be an example of this: {request.concept}."
    if gauge:
        return f"Use words such as {', '.join(gauge[:_ASKED_WORDS])} in your answer."
    return None


def _persona(request: SteerRequest, group: str) -> str | None:
    """Return the plain instruction that a shift is held against."""
    return PERSONA.replace("{group}", group) if request.instruction is None else request.instruction or None


def _shown(prompt: str | Messages) -> str:
    if isinstance(prompt, str):
        return prompt
    last: Mapping[str, str] = prompt[-1] if len(prompt) else {}
    return str(last.get("content", ""))
