"""The ways a model is made to answer: shifted, and what a shift is held against.

Not for: what the answers are worth (:mod:`saetext.intervene.shifts.comparing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.intervene.shifts.answering import Letters, answered, answered_whole
from saetext.intervene.shifts.change import Change, change_of, dense_change
from saetext.intervene.shifts.fitting import Material
from saetext.intervene.shifts.moved import displacement
from saetext.intervene.shifts.random_features import as_far, drawn
from saetext.intervene.shifts.request import ShiftEvalRequest
from saetext.intervene.shifts.saved import Shift
from saetext.intervene.shifts.setting import Setting, norms_of

Floats = NDArray[np.float64]
Kind = Literal["unedited", "shift", "instruction", "temperature", "one for all", "dense", "random", "ceiling"]


@dataclass(frozen=True, eq=False)
class Side:
    """What a change does beside what it is for, averaged over groups.

    ``length`` is the root mean square displacement relative to that of the hidden states, ``neutral_kl``
    KL(unedited || edited) on neutral text in nats, ``nll_diff`` the rise of its negative log-likelihood.
    """

    length: float
    features: float | None
    neutral_kl: float
    nll_diff: float


@dataclass(frozen=True, eq=False)
class Answered:
    """One way to answer: for each group the answers to each question.

    Attributes
    ----------
    name : str
    kind : str
    letters : mapping of str to mapping of int to sequence of Letters
        Group -> question -> the answers of each draw.
    temperatures : mapping of str to float
        By group; 1 where it is none.
    side : Side or None
        None where nothing is edited.
    """

    name: str
    kind: Kind
    letters: Mapping[str, Sequence[Mapping[int, Letters]]]
    temperatures: Mapping[str, float] = field(default_factory=dict)
    side: Side | None = None

    def draws(self, group: str, question: int) -> list[Floats]:
        """Return the shares of options, one for each draw; empty if it was not asked."""
        heat = self.temperatures.get(group, 1.0)
        return [found[question].shares(heat) for found in self.letters.get(group, ()) if question in found]

    def shares(self, group: str, question: int) -> Floats | None:
        """Return the shares of options in the first draw; None if it was not asked."""
        found = self.draws(group, question)
        return found[0] if found else None


class Arms:
    """Asks a model held-out questions in every way.

    Parameters
    ----------
    setting : Setting
    shift : Shift
    numbers : sequence of int
        The questions.
    request : ShiftEvalRequest
    """

    def __init__(
        self, setting: Setting, shift: Shift, numbers: Sequence[int], request: ShiftEvalRequest
    ) -> None:
        self.setting, self.shift, self.numbers, self.request = setting, shift, numbers, request
        self.panel = setting.panel
        self.puts = setting.put(numbers, request.orders)
        _, _, self.held = setting.neutral(request.neutral, int(shift.params.get("seed", 0)))
        norm, square = norms_of(self.puts)
        self.material = Material(self.panel, setting.letters, (), self.held, norm, square)
        decoder = self.panel.decoder
        self.changes: dict[str, Change] = {
            group: change_of(_tensor(shift.of(group), decoder), decoder) for group in shift.groups
        }
        n = len(shift.groups)
        everyone = shift.everyone is not None
        self._total = 1 + n + everyone + n * (shift.dense is not None) + n * request.random
        self._done = 0
        self.unedited = self._ask(None)
        self._shifted = {group: self._ask(change) for group, change in self.changes.items()}

    def across(self) -> Mapping[str, Mapping[int, Letters]]:
        """Return the answers under each group's shift."""
        return self._shifted

    def all(self) -> list[Answered]:
        """Return the answers of every way, the unedited model's first."""
        groups = self.shift.groups
        none = {group: [self.unedited] for group in groups}
        heat = dict(zip(groups, self.shift.temperatures, strict=True))
        found = [
            Answered("no shift", "unedited", none),
            Answered(
                "shift",
                "shift",
                {group: [self._shifted[group]] for group in groups},
                side=self._side([self.changes[group] for group in groups], self._moved()),
            ),
            Answered("persona prompt", "instruction", {group: [self._persona(group)] for group in groups}),
            Answered("temperature only", "temperature", none, heat),
        ]
        found += self._everyone() + self._dense() + self._random()
        return found

    def _ask(self, change: Change | None, group: str | None = None) -> dict[int, Letters]:
        """Ask all questions, or those that a group answered: with many groups they are few of all."""
        self._done += 1
        stage = f"asking {self._done} of {self._total}"
        there = None if group is None else self._answered_by(group)
        puts = [put for put in self.puts if there is None or put.question in there]
        return answered(self.panel, puts, self.setting.letters, change, self.setting.say.counting(stage))

    def _answered_by(self, group: str) -> set[int]:
        return {a.question for a in self.setting.opinions.answers if a.group == group}

    def _persona(self, group: str) -> dict[int, Letters]:
        text = self.request.persona.replace("{group}", group)
        there = self._answered_by(group)
        asked = self.setting.askings([q for q in self.numbers if q in there], self.request.orders, text)
        self.setting.say(f"asking with the persona {group}")
        return answered_whole(self.panel, asked, self.setting.letters)

    def _everyone(self) -> list[Answered]:
        if self.shift.everyone is None:
            return []
        change = change_of(_tensor(self.shift.everyone, self.panel.decoder), self.panel.decoder)
        answers = self._ask(change)
        side = self._side([change], float((self.shift.everyone != 0).sum()))
        return [
            Answered("one shift for all", "one for all", {g: [answers] for g in self.shift.groups}, side=side)
        ]

    def _dense(self) -> list[Answered]:
        if self.shift.dense is None:
            return []
        changes = [dense_change(_tensor(vector, self.panel.decoder)) for vector in self.shift.dense]
        answers = {
            group: [self._ask(change, group)]
            for group, change in zip(self.shift.groups, changes, strict=True)
        }
        return [Answered("dense vector", "dense", answers, side=self._side(changes, None))]

    def _random(self) -> list[Answered]:
        if not self.request.random:
            return []
        answers: dict[str, list[dict[int, Letters]]] = {}
        changes = []
        for number, group in enumerate(self.shift.groups):
            for turn in range(self.request.random):
                delta = self._drawn(self.shift.of(group), [self.request.seed, number, turn, 5])
                changes.append(change_of(delta, self.panel.decoder))
                answers.setdefault(group, []).append(self._ask(changes[-1], group))
        return [Answered("random features", "random", answers, side=self._side(changes, self._moved()))]

    def _drawn(self, delta: NDArray[np.float32], seed: Sequence[int]) -> Tensor:
        """Return a shift of as many random features by the same sizes, made to displace as far."""
        decoder = self.panel.decoder
        made = _tensor(drawn(delta, seed), decoder)

        def length(factor: float) -> float:
            return displacement(self.material, self.puts, change_of(made * factor, decoder))

        goal = displacement(self.material, self.puts, change_of(_tensor(delta, decoder), decoder))
        return made * as_far(length, goal)

    def _moved(self) -> float:
        return float((self.shift.delta != 0).sum(axis=1).mean())

    def _side(self, changes: Sequence[Change], features: float | None) -> Side:
        lengths = [displacement(self.material, self.puts, change) for change in changes]
        both = [self._neutral(change) for change in changes]
        kl, rise = (float(np.mean([pair[i] for pair in both])) for i in range(2))
        return Side(float(np.mean(lengths)), features, kl, rise)

    def _neutral(self, change: Change) -> tuple[float, float]:
        """Return KL(unedited || edited), and the rise of the negative log-likelihood, over neutral tokens."""
        kl, rise, tokens, told = 0.0, 0.0, 0, 0
        for start in range(0, len(self.held), self.panel.batch):
            some = self.held[start : start + self.panel.batch]
            before, _ = self.panel.logits(some, None, whole=True)
            after, _ = self.panel.logits(some, change, whole=True)
            for row, kept in enumerate(some):
                p, q = (x[row, : len(kept)].detach().float().log_softmax(-1) for x in (before, after))
                kl += float((p.exp() * (p - q)).sum())
                ids = kept.ids[1:, None].to(p.device)
                rise += float((p[:-1].gather(1, ids) - q[:-1].gather(1, ids)).sum())
                tokens, told = tokens + len(kept), told + len(kept) - 1
        return kl / max(tokens, 1), rise / max(told, 1)


def _tensor(array: NDArray[np.float32], like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(like)
