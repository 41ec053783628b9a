"""What fitting and evaluating share: the model and its SAE, the questions as prompts, neutral text.

Not for: what is done with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch

from saetext.errors import refuse_unused
from saetext.intervene.latents import Latents
from saetext.intervene.shifts.answering import Put
from saetext.intervene.shifts.neutral import passages_of
from saetext.intervene.shifts.opinions import Opinions
from saetext.intervene.shifts.panel import Kept, Panel
from saetext.intervene.shifts.prompts import Asker, Asking
from saetext.intervene.shifts.request import AnswersRequest
from saetext.intervene.subject import Subject, open_subject
from saetext.io.progress import Stages
from saetext.io.warning import warn
from saetext.reader.causal import CausalModel


class Setting:
    """A model asked about opinions.

    Parameters
    ----------
    subject : Subject
    opinions : Opinions
    request : AnswersRequest

    Raises
    ------
    InputError
        If letters share a token.
    ReaderError
        If the SAE belongs to another model.
    """

    def __init__(self, subject: Subject, opinions: Opinions, request: AnswersRequest) -> None:
        Latents(subject.model, subject.sae)  # says whether they fit
        self.subject, self.opinions, self.request = subject, opinions, request
        self.panel = Panel(subject, request.batch)
        if self.panel.upper.skipped == subject.model.n_layers and not request.raw:
            warn(
                f"the SAE {subject.sae.origin} is at the output of the last layer: what is edited in a "
                "question does not reach the answer, which comes after the template: take a lower layer"
            )
        self.asker = Asker(
            subject.model, request, max(len(question.options) for question in opinions.questions)
        )
        self.letters = self.asker.letters
        self.say = Stages(request.on_progress, "prompts")

    def askings(self, numbers: Iterable[int], most: int, persona: str | None = None) -> list[Asking]:
        """Return questions in some of their orders."""
        return [
            asking
            for number in numbers
            for asking in self.asker.asked(number, self.opinions.questions[number], most, persona)
        ]

    def put(self, numbers: Sequence[int], most: int) -> list[Put]:
        """Return questions up to the SAE's hook, each in some of its orders."""
        askings = self.askings(numbers, most)
        kept = self.panel.keep([asking.prompt for asking in askings], self.say.counting("reading questions"))
        return [Put(asking, one) for asking, one in zip(askings, kept, strict=True)]

    def neutral(self, path: Path | None, seed: int) -> tuple[list[Kept], list[Kept], list[Kept]]:
        """Return neutral passages up to the hook: for steps, for checks, held out."""
        found = passages_of(self.subject.model, path, seed)
        steps, watched, held = (self.panel.keep(part) for part in (found.steps, found.watched, found.held))
        return steps, watched, held


def opened(model: str | Path | CausalModel | Subject, request: AnswersRequest) -> Subject:
    """Return the model and its SAE, loaded unless they are."""
    if isinstance(model, Subject):
        told = "the subject has its SAE, and is loaded already"
        refuse_unused(told, **request.changed("sae", "device", "dtype"))
        return model
    return open_subject(model, request.sae, device=request.device, dtype=request.dtype)


def norms_of(puts: Sequence[Put]) -> tuple[float, float]:
    """Return the median norm of hidden states and their mean square, over the tokens that are changed."""
    norms = torch.cat([put.kept.norms for put in puts]).cpu().numpy().astype(np.float64)
    return float(np.median(norms)), float((norms**2).mean())
