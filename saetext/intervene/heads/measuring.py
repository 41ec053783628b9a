"""Measures the heads of a model on probes, a batch at a time; only means are kept.

Not for: which probes (:mod:`saetext.intervene.heads.probes`), or a user's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.intervene.heads.probes import Repeated, Sentence
from saetext.intervene.heads.scoring import attended, places_of, uniform
from saetext.io.progress import Stages
from saetext.reader.attention import Heads

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Movers:
    """What heads do at the end of sentences with two names: means over sentences, float64[layers, heads].

    Attributes
    ----------
    score, null : array
        Attention to the name that comes next, times what the head's output adds to that name's logit; and
        times what it adds to a name's that does not stand there.
    attention, effect : array
        The parts.
    right : float
        Share of sentences after which the model prefers the right name of the two.
    margin : float
        Mean difference of the two names' logits.
    uniform : float
        Mean attention of a head that attends to all tokens alike.
    """

    score: Floats
    null: Floats
    attention: Floats
    effect: Floats
    right: float
    margin: float
    uniform: float


def by_repetition(
    heads: Heads, probes: Repeated, layers: Sequence[int], batch: int, seed: int, say: Stages
) -> tuple[dict[str, Floats], dict[str, float]]:
    """Return each score and its control, float64[layers, heads] by name, and the scores of even attention."""
    places = places_of(probes.prefix, probes.period, seed)
    asked = {
        "previous_token": (probes.twice, "previous_token"),
        "previous_token_null": (probes.once, "elsewhere"),
        "duplicate_token": (probes.twice, "duplicate_token"),
        "duplicate_token_null": (probes.once, "duplicate_token"),
        "induction": (probes.twice, "induction"),
        "induction_null": (probes.once, "induction"),
    }
    found: dict[str, Floats] = {}
    for number, ids in enumerate((probes.twice, probes.once)):
        names = {name: places[where] for name, (own, where) in asked.items() if own is ids}
        total = {name: torch.zeros(len(layers), heads.n_heads, dtype=torch.float64) for name in names}
        for start in range(0, len(ids), batch):
            some = torch.from_numpy(ids[start : start + batch])

            def add(
                layer: int,
                pattern: Tensor,
                names: dict[str, Tensor] = names,
                total: dict[str, Tensor] = total,
            ) -> None:
                for name, where in names.items():
                    total[name][layers.index(layer)] += attended(pattern, where).sum(0).cpu()

            with heads.watched(add, layers):
                heads.model.forward(some, torch.ones_like(some), hooks=(), keep=[0])
            say("reading probes", number * len(ids) + start + len(some), 2 * len(ids))
        found |= {name: (value / len(ids)).numpy() for name, value in total.items()}
    level = {name: uniform(places[name]) for name in ("previous_token", "duplicate_token", "induction")}
    return found, level


def by_names(
    heads: Heads, given: Sequence[Sentence], layers: Sequence[int], batch: int, say: Stages
) -> Movers:
    """Return what heads do with names; there is one sentence at least."""
    parts: dict[str, list[Tensor]] = {name: [] for name in ("score", "null", "attention", "effect", "margin")}
    for start in range(0, len(given), batch):
        some = given[start : start + batch]
        for name, value in _of_some(heads, some, layers).items():
            parts[name].append(value)
        say("reading sentences", start + len(some), len(given))
    margin = torch.cat(parts.pop("margin"))
    means = {name: torch.cat(values).mean(dim=0).numpy() for name, values in parts.items()}
    even = float(np.mean([1 / len(sentence.ids) for sentence in given]))
    return Movers(
        **means, right=float((margin > 0).double().mean()), margin=float(margin.mean()), uniform=even
    )


@torch.no_grad()
def _of_some(heads: Heads, some: Sequence[Sentence], layers: Sequence[int]) -> dict[str, Tensor]:
    """Return each measure by sentence, float64[sentences, layers, heads], and the margins, [sentences]."""
    model = heads.model
    longest = max(len(sentence.ids) for sentence in some)
    ids, mask = (torch.zeros(len(some), longest, dtype=torch.int64) for _ in range(2))
    for row, sentence in enumerate(some):
        ids[row, : len(sentence.ids)] = torch.tensor(sentence.ids)
        mask[row, : len(sentence.ids)] = 1
    rows = torch.arange(len(some), device=model.device)
    ends = torch.tensor([len(sentence.ids) - 1 for sentence in some], device=model.device)
    at = torch.tensor([sentence.at for sentence in some], device=model.device)
    attention: dict[int, Tensor] = {}

    def keep(layer: int, pattern: Tensor) -> None:
        attention[layer] = pattern[rows, :, ends, at].double()

    hooks = [heads.last_hook, *(heads.z_hook(layer) for layer in layers)]
    with heads.watched(keep, layers):
        done = model.forward(ids, mask, hooks=hooks)
    last = done.hidden[heads.last_hook][rows, ends].float()
    names, others, absent = (
        torch.tensor([getattr(sentence, part) for sentence in some], device=model.device)
        for part in ("name", "other", "absent")
    )
    logits = done.logits[rows, ends].double()
    effect: list[list[Tensor]] = [[], []]
    for kind, tokens in enumerate((names, absent)):
        along = heads.readout(last, tokens)
        for layer in layers:
            z = done.hidden[heads.z_hook(layer)][rows, ends].float()
            effect[kind].append(heads.effects(layer, z, along).double())
    looks = torch.stack([attention[layer] for layer in layers], dim=1)
    own, other = (torch.stack(values, dim=1) for values in effect)
    found = {"score": looks * own, "null": looks * other, "attention": looks, "effect": own}
    found["margin"] = logits[rows, names] - logits[rows, others]
    return {name: value.cpu() for name, value in found.items()}
