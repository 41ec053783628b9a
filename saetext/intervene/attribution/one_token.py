"""Which features of a text before it one written token comes from, under the edit it was written with.

The text is given in its own tokens, so that what is explained is what was written. Not for: metrics that are
asked for in words, over many prompts (:mod:`saetext.intervene.attribution.run`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.intervene.attribution.checking import Pairs, exact_effects
from saetext.intervene.attribution.gathering import Gathered, gathered
from saetext.intervene.attribution.gradients import Attributor
from saetext.intervene.attribution.misses import misses
from saetext.intervene.attribution.run import MOST_GAP
from saetext.intervene.cases import Case, sheet_of
from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.latents import Latents
from saetext.intervene.metrics import BoundMetric, Metric, Term
from saetext.intervene.positions import positions_of
from saetext.intervene.rows import Row
from saetext.io.progress import OnProgress, Stages
from saetext.reader.causal import CausalModel
from saetext.reader.edits import Edit
from saetext.reader.parts import LoadedSae
from saetext.reader.prompts import Prompt

NODES = (10, 40)  # of the quadrature: more where fewer miss too much
_COLUMNS = ("position", "feature", "activation", "attribution")


@dataclass(frozen=True)
class Effort:
    """How many pairs are shown and verified.

    Attributes
    ----------
    up, down : int
        Pairs with the largest attributions above 0, and below.
    checks : int
        Others, drawn at random, that are ablated too.
    batch : int
        Most runs side by side.
    seed : int
        Of what is drawn.
    """

    up: int = 10
    down: int = 5
    checks: int = 16
    batch: int = 16
    seed: int = 0


@dataclass(frozen=True, eq=False)
class TokenCauses:
    """What the log-probability of one written token comes from.

    Attributes
    ----------
    token : str
        What was written.
    tokens : tuple of str
        The tokens before it, those of the prompt first.
    prompt : int
        How many of them are the prompt's.
    scope : bool[n]
        Which of them features are looked at; not at the template's.
    value : float
        Its log-probability, in nats, as the model ran: with the edit, if there is one.
    unedited : float or None
        The same without the edit, on the same text; None where nothing is edited.
    without : float
        The same with all features taken out, the edit left in.
    features, error : float
        Attributions of all features, and of what the SAE does not reconstruct, added up.
    gap : float
        Share of ``value - without`` that the features' attributions miss.
    sums : float64[n]
        Attributions of the features at each position, added up.
    table : polars.DataFrame
        The strongest pairs that raise it, the strongest first, then those that lower it: ``position``,
        ``feature``, ``activation``, ``attribution``, and ``exact``, what it loses if this one is taken out.
    pairs : int
        Active features at all positions looked at.
    checks : dict
        How far the list can be believed, as of :func:`saetext.intervene.attribution.misses.misses`.
    """

    token: str
    tokens: tuple[str, ...]
    prompt: int
    scope: NDArray[np.bool_]
    value: float
    unedited: float | None
    without: float
    features: float
    error: float
    gap: float
    sums: NDArray[np.float64]
    table: pl.DataFrame
    pairs: int
    checks: dict[str, Any]


def token_causes(
    model: CausalModel,
    sae: LoadedSae,
    prompt: Prompt,
    written: Sequence[int],
    changes: Sequence[Change] = (),
    effort: Effort | None = None,
    on_progress: OnProgress | None = None,
) -> TokenCauses:
    """Say which features, at which positions before it, the last of some written tokens comes from.

    By integrated gradients from no features to those of the text; the strongest are taken out one by one and
    the model runs again. Features are those of the text: the edit, like the SAE's error, is held fixed.

    Parameters
    ----------
    model : CausalModel
    sae : LoadedSae
        Of one of its hooks.
    prompt : Prompt
        What it went on from.
    written : sequence of int
        Token ids that it wrote, up to and including the one that is explained.
    changes : sequence of Change
        The edit it was written with, at the prompt's content and at every token written, at the SAE's hook.
    effort : Effort, optional
    on_progress : callable, optional
        Called with a Progress as the work goes on; what it raises ends the work.

    Raises
    ------
    ReaderError
        If the SAE belongs to another model, or writes elsewhere than it reads.
    """
    effort, say = effort or Effort(), Stages(on_progress, "")
    case, metric = _case(model, prompt, written[:-1]), _metric(model, int(written[-1]))
    edit = _standing(changes, prompt, sae) if changes else None
    attributor = Attributor(model, Latents(model, sae), metric, edit)
    for nodes in NODES:
        found = attributor.ig([case], nodes, say.counting("attributing"))
        whole = gathered([case], [([0], found)])
        if whole.gap is not None and whole.gap <= MOST_GAP:
            break
    table, checks = _verified(attributor, case, whole, effort, say)
    assert whole.without is not None and whole.gap is not None
    return TokenCauses(
        token=model.tokenizer.decode([int(written[-1])]),
        tokens=case.tokens,
        prompt=len(prompt),
        scope=case.scope,
        value=float(whole.value[0]),
        unedited=_value(Attributor(model, attributor.latents, metric), case) if changes else None,
        without=float(whole.without[0]),
        features=float(whole.sums[0]),
        error=float(whole.error.sum()),
        gap=whole.gap,
        sums=np.bincount(whole.position, whole.attribution, minlength=len(case)).astype(np.float64),
        table=table,
        pairs=whole.n,
        checks=misses(table, checks, whole.n - len(table)),
    )


def _case(model: CausalModel, prompt: Prompt, before: Sequence[int]) -> Case:
    ids = np.concatenate([prompt.ids, np.asarray(before, np.int64)])
    scope = np.ones(len(ids), bool)
    scope[: len(prompt)] = prompt.content()
    return Case(Row("0", prompt.text), ids, scope, tuple(model.tokenizer.decode([i]) for i in ids.tolist()))


def _metric(model: CausalModel, token: int) -> BoundMetric:
    """Return the log-probability of a token, by its id: not every token is what its text is read as."""
    term = Term(1.0, "logprob", (model.tokenizer.decode([token]),))
    return BoundMetric(Metric(str(term), (term,)), (((token,),),))


def _standing(changes: Sequence[Change], prompt: Prompt, sae: LoadedSae) -> Edit:
    """Return the edit that a text was written with, whatever number the sequence has."""
    edit = FeatureEdit(changes, positions_of("all", [prompt]), sae)

    def standing(hidden: Tensor, positions: Tensor, rows: Tensor) -> Tensor:
        return edit(hidden, positions, torch.zeros_like(rows))

    return standing


def _value(attributor: Attributor, case: Case) -> float:
    sheet = sheet_of([case], attributor.metric.branches)
    with torch.no_grad():
        done = attributor.model.forward(
            sheet.ids, sheet.mask, hooks=(), edits=attributor.edits(), keep=sheet.keep
        )
        return float(attributor.values(sheet, done.logits)[0])


def _verified(
    attributor: Attributor, case: Case, found: Gathered, effort: Effort, say: Stages
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the strongest pairs either way, and some others, each with its exact effect."""
    order = found.order()
    rising = order[found.attribution[order] > 0][: effort.up]
    falling = order[found.attribution[order] < 0][: effort.down]
    top = np.concatenate([rising, falling])
    rest = np.setdiff1d(order, top)
    drawn = np.sort(np.random.default_rng(effort.seed).permutation(rest)[: effort.checks])
    index = np.concatenate([top, drawn])
    pairs = Pairs(found.case[index], found.position[index], found.feature[index], found.weight[index])
    effects = exact_effects(
        attributor, [case], found.value, pairs, batch=effort.batch, count=say.counting("verifying")
    )
    shown = found.pairs.select(_COLUMNS)[index.tolist()].with_columns(
        exact=pl.Series(effects, dtype=pl.Float64)
    )
    return shown[: len(top)], shown[len(top) :]
