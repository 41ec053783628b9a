"""Questions as prompts: options in several orders behind letters, and which token each letter is.

Not for: running the model (:mod:`saetext.intervene.shifts.panel`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.errors import InputError
from saetext.intervene.shifts.opinions import Question
from saetext.intervene.shifts.request import AnswersRequest
from saetext.intervene.writing import instructed
from saetext.reader.causal import CausalModel
from saetext.reader.prompts import Prompt
from saetext.text.one_line import quoted

_CHAT, _RAW = "Answer with one letter.", "Answer:"


@dataclass(frozen=True, eq=False)
class Asking:
    """A question in one order of its options.

    Attributes
    ----------
    question : int
        Number of the question.
    order : tuple of int
        The option behind each letter.
    prompt : Prompt
    """

    question: int
    order: tuple[int, ...]
    prompt: Prompt


def orders_of(n: int, most: int) -> list[tuple[int, ...]]:
    """Return orders of ``n`` options: all if they are few enough, else rotations forward and back.

    Of ``2 n`` rotations every option stands at every place equally often, and of each pair of them the places
    of every option add up to the same.

    Examples
    --------
    >>> from saetext.intervene.shifts.prompts import orders_of
    >>> orders_of(3, 2)
    [(0, 1, 2), (2, 1, 0)]
    >>> len(orders_of(3, 8)), len(orders_of(4, 8))
    (6, 8)
    """
    if math.factorial(n) <= most:
        return list(itertools.permutations(range(n)))
    found: list[tuple[int, ...]] = []
    for turn in range(n):
        forward = tuple((i + turn) % n for i in range(n))
        found += [forward, tuple(reversed(forward))]
    return found[:most]


class Asker:
    """Makes prompts of questions.

    Parameters
    ----------
    model : CausalModel
    request : AnswersRequest

    Raises
    ------
    InputError
        If two letters begin with the same token.
    """

    def __init__(self, model: CausalModel, request: AnswersRequest, most: int) -> None:
        self.model, self.request = model, request
        self.symbols = request.symbols[: max(most, 2)]
        self.letters = self._letters()

    def asked(self, number: int, question: Question, most: int, persona: str | None = None) -> list[Asking]:
        """Return a question in some orders, after an instruction if there is one.

        Raises
        ------
        InputError
            If it fills the model's window.
        """
        found = []
        for order in orders_of(len(question.options), most):
            try:
                found.append(Asking(number, order, self._prompt(question, order, persona)))
            except InputError as error:
                raise InputError(f"question {quoted(question.text, 60)}: {error}") from None
        return found

    def _prompt(self, question: Question, order: Sequence[int], persona: str | None) -> Prompt:
        listed = "\n".join(
            f"{letter}. {question.options[option]}"
            for letter, option in zip(self.symbols, order, strict=False)
        )
        request = self.request
        text = f"{question.text}\n\n{listed}\n\n{_RAW if request.raw else _CHAT}"
        put = text if persona is None else instructed(text, persona)
        return self.model.encode_prompt(put, system=request.system, raw=request.raw)

    def _letters(self) -> list[int]:
        """Return the first token of each letter where it would be written."""
        sample = self._prompt(Question("Yes or no?", self.symbols, True, ""), range(len(self.symbols)), None)
        space = " " if self.request.raw else ""
        found = [self._first(sample, f"{space}{symbol}") for symbol in self.symbols]
        for i, token in enumerate(found):
            if token in found[:i]:
                first = self.symbols[found.index(token)]
                raise InputError(
                    f"the option letters {first!r} and {self.symbols[i]!r} begin with the same token of "
                    f"{self.model.name}: name others with --letters"
                )
        return found

    def _first(self, sample: Prompt, letter: str) -> int:
        backend = self.model.tokenizer.backend_tokenizer
        bare = backend.encode(sample.text, add_special_tokens=False).ids
        both = backend.encode(sample.text + letter, add_special_tokens=False).ids
        if both[: len(bare)] == bare and len(both) > len(bare):
            return int(both[len(bare)])
        alone = backend.encode(letter, add_special_tokens=False).ids
        if not alone:
            raise InputError(f"{self.model.name} has no token for the letter {letter.strip()!r}: --letters")
        return int(alone[0])
