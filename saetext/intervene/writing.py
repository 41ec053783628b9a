"""Texts of arms, a few prompts at a time, each kept as it is finished: an interrupted run goes on there.

A text depends on the seed, the prompt, the sample and the edit; so arms share their noise, and what an
earlier run wrote is what this one would write. Not for: what the texts are measured by beyond likelihood.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.effects import likelihood
from saetext.intervene.positions import positions_of
from saetext.intervene.shifts.change import ShiftEdit
from saetext.io import answer_cache
from saetext.io.json_file import loads
from saetext.io.progress import Progress, Stages
from saetext.reader.continuing import Readings

if TYPE_CHECKING:
    from saetext.intervene.asking import Asks
    from saetext.intervene.controls import Arm
    from saetext.intervene.generator import Generator
    from saetext.reader.edits import Edit
    from saetext.reader.prompts import Messages, Prompt

#: Called with an arm, the number of a prompt, of its sample, and the text so far.
OnArmText = Callable[["Arm", int, int, str], None]
_VERSION = 1  # of what is kept
_BATCHES = 2  # of texts that are kept together
_WRITING = ("samples", "max_new_tokens", "temperature", "top_p", "repetition_penalty", "seed", "batch")


@dataclass(frozen=True)
class Written:
    """One text of one arm.

    Attributes
    ----------
    prompt, sample : int
    text : str
    ids : int64[n]
        Tokens that were written, the end-of-sequence token included.
    finish : str
        As of :class:`saetext.reader.decoding.Generation`.
    nll : float or None
        Mean negative log-likelihood of its tokens under the unedited model after the prompt as it was asked,
        in nats; None of no tokens.
    """

    prompt: int
    sample: int
    text: str
    ids: NDArray[np.int64]
    finish: str
    nll: float | None


class Writer:
    """Writes the texts of arms.

    Parameters
    ----------
    generator : Generator
    prompts : sequence of str or turns
    request : Asks
        How they are written.
    arms : sequence of Arm
        What will be written.
    judged : bool
        Whether texts get their nll: as much work as a third of writing them, where somebody else asks.
    on_text : callable, optional
        Called with the arm, the number of a prompt, of its sample, and the text so far, as it is written.

    Raises
    ------
    InputError
        If a prompt cannot be used.
    """

    def __init__(
        self,
        generator: Generator,
        prompts: Sequence[str | Messages],
        request: Asks,
        arms: Sequence[Arm],
        judged: bool = True,
        on_text: OnArmText | None = None,
    ) -> None:
        self.judged, self._on_text = judged, on_text
        self.generator, self.request, self.given = generator, request, list(prompts)
        self.prompts = [self._prompt(prompt) for prompt in prompts]
        for arm in arms:  # that there is room for the instruction, before anything is written
            if arm.instruction is not None:
                _ = [self._prompt(instructed(prompt, arm.instruction)) for prompt in prompts]
        self.expect(arms)
        self.done = self.resumed = 0
        self._readings = Readings()  # every arm's texts are judged after the same prompts
        self._say = Stages(request.on_progress, "texts")
        self._step = max(1, _BATCHES * request.batch // request.samples)

    def expect(self, arms: Sequence[Arm]) -> None:
        """Say which arms there will be in all, for the progress."""
        self.total = len(arms) * len(self.prompts) * self.request.samples

    def arm(self, arm: Arm) -> list[Written]:
        """Return the texts of an arm, by prompt, then by sample."""
        texts: list[Written] = []
        for start in range(0, len(self.prompts), self._step):
            texts += self._chunk(arm, range(start, min(start + self._step, len(self.prompts))))
        return texts

    def _chunk(self, arm: Arm, numbers: range) -> list[Written]:
        plain = [self.prompts[i] for i in numbers]
        asked = plain
        if arm.instruction is not None:
            asked = [self._prompt(instructed(self.given[i], arm.instruction)) for i in numbers]
        changes = tuple(change.of(numbers) for change in arm.changes)
        key = self._key(arm, asked, plain, changes)
        # what is written within a block of edits is not what the key says
        keeping = not self.generator.model.is_edited
        kept = _read(answer_cache.find(key), len(numbers) * self.request.samples) if keeping else None
        if kept is None:
            kept = self._written(arm, asked, plain, changes, numbers)
            if keeping:
                answer_cache.keep(key, json.dumps([_row(text) for text in kept]), of="steering")
        else:
            self.resumed += len(kept)
            for text in kept:
                self._show(arm, numbers, text.prompt, text.sample, text.text)
        self.done += len(kept)
        self._say("writing", self.done, self.total)
        return [dataclasses.replace(text, prompt=numbers[text.prompt]) for text in kept]

    def _show(self, arm: Arm, numbers: range, prompt: int, sample: int, text: str) -> None:
        if self._on_text is not None:
            self._on_text(arm, numbers[prompt], sample, text)

    def _written(
        self,
        arm: Arm,
        asked: list[Prompt],
        plain: list[Prompt],
        changes: tuple[Change, ...],
        numbers: range,
    ) -> list[Written]:
        model, request = self.generator.model, self.request
        edits: dict[str, Edit] = {}
        where = positions_of(request.positions, asked)
        if changes:
            edits = {self.generator.hook: FeatureEdit(changes, where, self.generator.sae)}
        elif arm.delta is not None:
            assert self.generator.sae is not None
            edits = {self.generator.hook: ShiftEdit(arm.delta, where, self.generator.sae)}

        def tell(progress: Progress) -> None:
            self._say("writing", self.done + progress.done, self.total)

        options: dict[str, Any] = {name: getattr(request, name) for name in _WRITING}
        if self._on_text is not None:
            options["on_text"] = partial(self._show, arm, numbers)
        texts = model.generate(asked, edits=edits, forbidden=arm.forbidden, on_progress=tell, **options)
        own = [plain[text.prompt] for text in texts]
        nll: list[float | None] = [None] * len(texts)
        if self.judged:
            nll = likelihood(model, own, [text.ids for text in texts], self._readings)
        return [
            Written(text.prompt, text.sample, text.text, text.ids, text.finish, one)
            for text, one in zip(texts, nll, strict=True)
        ]

    def _key(
        self, arm: Arm, asked: Sequence[Prompt], plain: Sequence[Prompt], changes: tuple[Change, ...]
    ) -> str:
        model, sae = self.generator.model, self.generator.sae
        edited = bool(changes) or arm.delta is not None
        return answer_cache.fingerprint(
            version=_VERSION,
            model=[model.revision, model.dtype, str(model.device.type)],
            # what is not edited is the same whatever the SAE: several SAEs share it
            sae=None if sae is None or not edited else [sae.encoder.weights_sha256, sae.norm_limit],
            hook=self.generator.hook if edited else "",
            changes=[_told(change) for change in changes],
            positions=self.request.positions if edited else "",
            prompts=[[p.ids.tolist(), p.turn.tolist()] for p in asked],
            plain=[p.ids.tolist() for p in plain],
            **{name: getattr(self.request, name) for name in _WRITING},
            **({"forbidden": list(arm.forbidden)} if arm.forbidden else {}),
            **({} if self.judged else {"judged": False}),
            **({"shift": _digest(arm.delta)} if arm.delta is not None else {}),
        )

    def _prompt(self, prompt: str | Messages) -> Prompt:
        request = self.request
        return self.generator.model.encode_prompt(prompt, system=request.system, raw=request.raw)


def instructed(prompt: str | Messages, instruction: str) -> str | Messages:
    """Return a prompt with an instruction before what the user says last."""
    if isinstance(prompt, str):
        return f"{instruction}\n\n{prompt}"
    *before, last = prompt
    return [*before, {**last, "content": f"{instruction}\n\n{last.get('content', '')}"}]


def _told(change: Change) -> list[Any]:
    told = [change.feature, change.op, change.value, _digest(change.direction)]
    return told if change.values is None else [*told, _digest(change.values)]


def _digest(numbers: Tensor | None) -> str | None:
    return None if numbers is None else hashlib.sha256(numbers.double().numpy().tobytes()).hexdigest()


def _row(text: Written) -> list[Any]:
    return [text.prompt, text.sample, text.text, text.ids.tolist(), text.finish, text.nll]


def _read(kept: str | None, expected: int) -> list[Written] | None:
    """Return the texts that were kept; None if there are none, or they are not what is kept."""
    if kept is None:
        return None
    try:
        rows = loads(kept.encode(), most=len(kept) * 4, loose=True)
        found = [
            Written(int(p), int(s), str(t), np.array(ids, np.int64), str(f), None if n is None else float(n))
            for p, s, t, ids, f, n in rows
        ]
    except (TypeError, ValueError):
        return None
    return found if len(found) == expected else None


def measured(arms: Sequence[tuple[Arm, list[Written]]]) -> Iterator[tuple[Arm, Written, bool]]:
    """Yield every text with its arm, and whether it differs from the unedited text of its prompt and sample.

    The first arm is the unedited one.
    """
    base = {(text.prompt, text.sample): text.ids.tolist() for text in arms[0][1]}
    for arm, texts in arms:
        for text in texts:
            yield arm, text, text.ids.tolist() != base[text.prompt, text.sample]
