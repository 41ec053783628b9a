"""What a model finds likelier after each prompt, under a change; the layers below the SAE run once.

Not for: what the figures mean (:mod:`saetext.intervene.bias.measuring`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.errors import InputError
from saetext.intervene.bias.suites import Item
from saetext.intervene.cases import batches
from saetext.intervene.shifts.change import Change
from saetext.intervene.shifts.panel import Kept, Panel
from saetext.io.progress import Count
from saetext.reader.causal import CausalModel
from saetext.reader.prompts import Prompt
from saetext.text.one_line import quoted

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Asked:
    """Items up to the SAE's hook.

    Attributes
    ----------
    items : sequence of Item
    kept : list of Kept
        A prompt for each item, or two: one for each way to go on, where those are several tokens.
    owner, sign : int64[n], float64[n]
        Of each prompt: the number of its item, and +1 for the first way, -1 for the second, 0 for both.
    targets : list of tuple of int
        Of each prompt: the tokens that go on; the two alternatives where ``sign`` is 0.
    """

    items: Sequence[Item]
    kept: list[Kept]
    owner: NDArray[np.int64]
    sign: Floats
    targets: list[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.kept)


def asked(panel: Panel, items: Sequence[Item], before: str = "", count: Count | None = None) -> Asked:
    """Run items up to the SAE's hook.

    Parameters
    ----------
    panel : Panel
    items : sequence of Item
    before : str
        What stands before every prompt.
    count : callable, optional
        Called with how many of how many are done.

    Raises
    ------
    InputError
        If a pronoun is several tokens, or a prompt cannot be used.
    """
    prompts: list[Prompt] = []
    owner: list[int] = []
    sign: list[float] = []
    targets: list[tuple[int, ...]] = []
    for number, item in enumerate(items):
        prompt = prompt_of(panel.model, f"{before} {item.prompt}" if before else item.prompt)
        ways = [continuation(panel.model, prompt, text) for text in (item.first, item.second)]
        if item.measure != "resolution":
            for text, ids in zip((item.first, item.second), ways, strict=True):
                _require_one(panel.model, text, ids)
        if max(map(len, ways)) == 1:
            prompts.append(prompt)
            owner.append(number)
            sign.append(0.0)
            targets.append((ways[0][0], ways[1][0]))
            continue
        for ids, side in zip(ways, (1.0, -1.0), strict=True):
            prompts.append(_longer(prompt, ids))
            owner.append(number)
            sign.append(side)
            targets.append(ids)
    kept = panel.keep(prompts, count) if prompts else []
    return Asked(items, kept, np.array(owner, np.int64), np.array(sign), targets)


def prompt_of(model: CausalModel, text: str) -> Prompt:
    """Return a text as a prompt to go on from, without a chat template."""
    try:
        return model.encode_prompt(text, raw=True)
    except InputError as error:
        raise InputError(f"prompt {quoted(text, 60)}: {error}") from None


def continuation(model: CausalModel, prompt: Prompt, text: str) -> tuple[int, ...]:
    """Return the tokens that a text is after a prompt."""
    backend = model.tokenizer.backend_tokenizer
    bare = backend.encode(prompt.text, add_special_tokens=False).ids
    both = backend.encode(prompt.text + text, add_special_tokens=False).ids
    if both[: len(bare)] == bare and len(both) > len(bare):
        return tuple(int(i) for i in both[len(bare) :])
    alone = backend.encode(text, add_special_tokens=False).ids
    if not alone:
        raise InputError(f"{model.name} has no token for {quoted(text)}")
    return tuple(int(i) for i in alone)


def _require_one(model: CausalModel, text: str, ids: Sequence[int]) -> None:
    if len(ids) > 1:
        pieces = ", ".join(repr(model.tokenizer.decode([i])) for i in ids[:6])
        raise InputError(
            f"{quoted(text)} is {len(ids)} tokens of {model.name} ({pieces}), and pronouns are compared as "
            "one token each: name others in a suite of your own (columns first and second), or another model"
        )


def _longer(prompt: Prompt, ids: Sequence[int]) -> Prompt:
    whole = np.concatenate([prompt.ids, np.array(ids, np.int64)])
    turn = np.concatenate([prompt.turn, np.zeros(len(ids), np.int32)])
    return Prompt(prompt.text, whole, turn, prompt.roles)


# ---- under a change ------------------------------------------------------------------------------------


def values_of(panel: Panel, some: Asked, change: Change | None, count: Count | None = None) -> Floats:
    """Return for each item the log-probability of the first way to go on less that of the second.

    Parameters
    ----------
    panel : Panel
    some : Asked
    change : callable or None
        What is added to the hidden states.
    count : callable, optional
        Called with how many of how many are done.

    Returns
    -------
    float64[items]
    """
    found = np.zeros(len(some.items))
    done = 0
    for whole in (False, True):
        numbers = np.flatnonzero((some.sign != 0) == whole)
        for chosen in batches([len(some.kept[i]) for i in numbers], panel.batch):
            at = [int(numbers[i]) for i in chosen]
            logits, _ = panel.logits([some.kept[i] for i in at], change, whole=whole)
            for row, i in enumerate(at):
                if whole:
                    found[some.owner[i]] += some.sign[i] * _likely(logits[row], some.kept[i], some.targets[i])
                else:
                    first, second = some.targets[i]
                    found[some.owner[i]] = float(logits[row, first].double() - logits[row, second].double())
            done += len(at)
            if count is not None:
                count(done, len(some))
    return found


def _likely(logits: Tensor, kept: Kept, ids: Sequence[int]) -> float:
    """Return the log-probability of a prompt's last tokens, each after those before it."""
    start = len(kept) - len(ids) - 1
    logs = logits[start : len(kept) - 1].double().log_softmax(-1)
    return float(logs[list(range(len(ids))), list(ids)].sum())


def nll_of(panel: Panel, passages: Sequence[Kept], change: Change | None) -> Floats:
    """Return the mean negative log-likelihood of each passage's tokens but the first, in nats."""
    found = np.zeros(len(passages))
    for chosen in batches([len(kept) for kept in passages], max(1, panel.batch // 4)):
        logits, _ = panel.logits([passages[i] for i in chosen], change, whole=True)
        for row, i in enumerate(chosen):
            kept = passages[i]
            logs = logits[row, : len(kept) - 1].double().log_softmax(-1)
            ids = kept.ids[1:].to(logs.device)
            found[i] = -float(logs.gather(1, ids[:, None]).mean()) if len(kept) > 1 else 0.0
    return found


def activity_of(kept: Sequence[Kept], d_sae: int) -> tuple[NDArray[np.int64], Floats, int]:
    """Return at how many tokens of the prompts each feature is active, the sum of it, and how many tokens."""
    active, total, tokens = np.zeros(d_sae, np.int64), np.zeros(d_sae), 0
    for one in kept:
        feature = one.feature.cpu().numpy()
        active += np.bincount(feature, minlength=d_sae)
        total += np.bincount(feature, one.value.cpu().double().numpy(), minlength=d_sae)
        tokens += len(one.scope)
    return active, total, tokens


def activations_of(kept: Sequence[Kept]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the feature and the activation of everything that is active in the prompts."""
    features = torch.cat([one.feature for one in kept]).cpu().numpy()
    values = torch.cat([one.value for one in kept]).cpu().numpy()
    return np.asarray(features, np.int64), np.asarray(values, np.float32)
