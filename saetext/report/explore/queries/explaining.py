"""Why the model wrote a word: which features of the text before it, under the edit it was written with.

Not for: the attribution itself (:mod:`saetext.intervene.attribution.one_token`), or pages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saetext.errors import InputError
from saetext.io.progress import OnProgress, Progress
from saetext.report.explore.queries.turning import Question, Turned
from saetext.report.explore.writers import Writers

if TYPE_CHECKING:
    from saetext.intervene.attribution.one_token import TokenCauses

_WORD = re.compile(r"(\d{1,2})([ab])(\d{1,3})")


@dataclass(frozen=True)
class Word:
    """A word of an answer.

    Attributes
    ----------
    prompt : int
        Number of the prompt.
    is_turned : bool
        Whether it stands in the turned text.
    token : int
        Number of the written token that it begins in.
    text : str
        The word.
    """

    prompt: int
    is_turned: bool
    token: int
    text: str

    @property
    def key(self) -> str:
        """What an address calls it: ``0b12`` is the one that begins in token 12 of prompt 0's turned text."""
        return f"{self.prompt}{'b' if self.is_turned else 'a'}{self.token}"


def words_of(found: Turned) -> dict[str, Word]:
    """Return all words of the texts, by what an address calls them."""
    words = [
        Word(prompt, is_turned, token, text)
        for (prompt, is_turned), tokens in sorted(found.texts.items())
        for token, text in tokens.words()
    ]
    return {word.key: word for word in reversed(words)}  # of two words in one token the first


def word_of(found: Turned, asked: str) -> Word:
    """Return the word that an address names.

    Raises
    ------
    InputError
        If no word of the texts is called so.
    """
    word = words_of(found).get(asked) if _WORD.fullmatch(asked) else None
    if word is None:
        raise InputError("these texts have no such word: choose one of theirs")
    return word


def asked_of_word(question: Question, word: Word) -> dict[str, Any]:
    """Return what the answer depends on, in plain JSON types."""
    return {**question.asked(), "word": word.key}


def explained(
    question: Question, found: Turned, word: Word, writers: Writers, on_progress: OnProgress
) -> TokenCauses:
    """Return what the log-probability of a word's first token comes from.

    Parameters
    ----------
    question : Question
        What was written.
    found : Turned
        The texts.
    word : Word
        One of their words; of a turned text the model runs with the edit.
    writers : Writers
        Has the model.
    on_progress : callable
        What it raises ends the work.

    Raises
    ------
    SaetextError
        If the model cannot be loaded, or its SAE writes elsewhere than it reads.
    """
    on_progress(Progress("loading the model"))
    from saetext.intervene.attribution.one_token import token_causes

    with writers.alone(on_progress):
        on_progress(Progress("loading the model"))
        generator = writers.precise(question.model)
        if generator.sae is None:
            raise InputError(f"{question.model.title} has no SAE whose features could be looked at")
        prompt = generator.model.encode_prompt(question.prompts[word.prompt], raw=question.raw)
        ids = found.texts[word.prompt, word.is_turned].ids[: word.token + 1]
        changes = found.changes if word.is_turned else ()
        return token_causes(generator.model, generator.sae, prompt, ids, changes, on_progress=on_progress)
