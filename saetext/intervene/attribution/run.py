"""attribute: which features, at which positions, a model's next word comes from.

Not for: the gradients (:mod:`saetext.intervene.attribution.gradients`) or exact ablations
(:mod:`saetext.intervene.attribution.checking`) themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl

from saetext.errors import InputError, refuse_unused
from saetext.intervene.attribution.checking import Pairs, exact_effects
from saetext.intervene.attribution.gathering import Gathered, gathered
from saetext.intervene.attribution.gradients import Attributor
from saetext.intervene.attribution.misses import misses
from saetext.intervene.attribution.request import AttributeRequest
from saetext.intervene.attribution.result import AttributionResult
from saetext.intervene.attribution.tables import CHECKS, TABLE
from saetext.intervene.cases import Case, How, batches, cases_of, require_room
from saetext.intervene.latents import Latents
from saetext.intervene.metrics import EXAMPLES, parse_metric
from saetext.intervene.places import parse_at
from saetext.intervene.rows import Given, rows_of
from saetext.intervene.subject import Subject, open_subject
from saetext.io.progress import Stages
from saetext.io.request import verb_of_two
from saetext.reader.causal import CausalModel

MOST_GAP = 0.05  # of the change that integrated gradients may miss


@verb_of_two(AttributeRequest)
def attribute(
    model: str | Path | CausalModel | Subject, prompts: Given, request: AttributeRequest
) -> AttributionResult:
    """Say which features, at which positions, a metric of a model's next word comes from.

    Every active feature gets an attribution; the strongest, and some of the others drawn at random, are
    verified by taking each out alone and running the model again. The SAE's error is held fixed throughout.

    Parameters
    ----------
    model : str, path, CausalModel or Subject
        A model that writes; with an SAE already, a :class:`saetext.intervene.subject.Subject`.
    prompts : str, path, or iterable
        One prompt, a file of them (a path), or texts, mappings or documents; a text beside a prompt is the
        answer so far.

    Returns
    -------
    AttributionResult

    Raises
    ------
    InputError
        If the metric, the place or a prompt cannot be used, or integrated gradients miss more than 5 % of
        the change.
    ReaderError
        If the model or the SAE cannot be loaded, or they do not fit.

    Examples
    --------
    A metric is read before any model is loaded:

    >>> import saetext
    >>> try:
    ...     saetext.attribute("smollm2", "Name a colour.", sae="my-sae", metric="logit(red)")
    ... except saetext.SaetextError as error:
    ...     print(str(error).partition(";")[0])
    cannot read the metric: expected a text in quotation marks, found 'red'
    """
    if request.metric is None:
        raise InputError(f"what shall be explained? give a metric: {EXAMPLES}")
    metric, at = parse_metric(request.metric), parse_at(request.at)
    rows = rows_of(prompts)
    subject = _opened(model, request)
    latents = Latents(subject.model, subject.sae)
    bound = metric.bound(subject.model.tokenizer)
    how = How(at, request.positions, request.system, request.raw, request.write, request.on_progress)
    cases = cases_of(subject.model, rows, how)
    require_room(subject.model, cases, bound.branches)
    labels = subject.labels(request.labels)  # before the work: the file may be none
    attributor = Attributor(subject.model, latents, bound)
    say = Stages(request.on_progress, "prompts")
    found = _gradients(attributor, cases, request, say)
    _require_complete(found, request)
    table, checks = _checked(attributor, cases, found, request, Stages(request.on_progress, "ablations"))
    features = np.unique(found.feature).tolist()
    named = {feature: label.label for feature in features if (label := labels.get(feature))}
    told = pl.col("feature").replace_strict(named, default=None, return_dtype=pl.String)
    return AttributionResult(
        "attribute",
        table=table.with_columns(label=told).select(list(TABLE)),
        params={**request.params(), "sae": subject.sae.origin, "subject": subject.about()},
        metrics={**found.figures(), **misses(table, checks, found.n - len(table))},
        notes=_notes(found, request, table),
        pairs=found.pairs,
        errors=found.errors,
        checks=checks,
        prompts=found.prompts,
        tokens=_tokens(cases),
        meta=tuple(_plain(case.row.meta) for case in cases),
        labels=named,
    )


def _opened(model: str | Path | CausalModel | Subject, request: AttributeRequest) -> Subject:
    if isinstance(model, Subject):
        told = "the subject has its SAE, and is loaded already"
        refuse_unused(told, **request.changed("sae", "device", "dtype"))
        return model
    return open_subject(model, request.sae, device=request.device, dtype=request.dtype)


def _gradients(
    attributor: Attributor, cases: Sequence[Case], request: AttributeRequest, say: Stages
) -> Gathered:
    parts, done = [], 0
    for chosen in batches([len(case) for case in cases], request.batch):
        some = [cases[number] for number in chosen]
        found = attributor.ig(some, request.nodes) if request.method == "ig" else attributor.grad(some)
        parts.append((chosen, found))
        done += len(chosen)
        say("attributing", done, len(cases))
    return gathered(cases, parts)


def _require_complete(found: Gathered, request: AttributeRequest) -> None:
    if found.gap is not None and not found.gap <= MOST_GAP:
        raise InputError(
            f"the integrated gradients miss {found.gap:.1%} of the change that taking out all features "
            f"makes: take more points, --nodes {min(4 * request.nodes, 200)}, or --method grad"
        )


def _checked(
    attributor: Attributor, cases: Sequence[Case], found: Gathered, request: AttributeRequest, say: Stages
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the strongest pairs and some others, each with its exact effect."""
    order = found.order()
    shown = request.top or len(order)
    top, rest = order[:shown], order[shown:]
    drawn = np.random.default_rng(request.seed).permutation(len(rest))[: request.checks]
    index = np.concatenate([top, np.sort(rest[drawn])])
    pairs = Pairs(found.case[index], found.position[index], found.feature[index], found.weight[index])
    effects = exact_effects(
        attributor,
        cases,
        found.value,
        pairs,
        batch=2 * request.batch,
        count=say.counting("verifying"),
    )
    shown = found.pairs[index.tolist()].with_columns(exact=pl.Series(effects, dtype=pl.Float64))
    table = shown[: len(top)].with_columns(
        id=pl.Series([cases[case].row.id for case in found.case[top].tolist()], dtype=pl.String),
        token=pl.Series(
            [
                cases[case].tokens[position]
                for case, position in zip(found.case[top].tolist(), found.position[top].tolist(), strict=True)
            ],
            dtype=pl.String,
        ),
        share=pl.Series(found.share(top), dtype=pl.Float64),
    )
    return table, shown[len(top) :].select(list(CHECKS))


def _tokens(cases: Sequence[Case]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "prompt": [number for number, case in enumerate(cases) for _ in case.tokens],
            "position": [position for case in cases for position in range(len(case.tokens))],
            "token": [token for case in cases for token in case.tokens],
        },
        schema={"prompt": pl.Int64, "position": pl.Int64, "token": pl.String},
    )


def _plain(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if value is None or isinstance(value, bool | int | float | str) else str(value)
        for name, value in meta.items()
    }


def _notes(found: Gathered, request: AttributeRequest, table: pl.DataFrame) -> tuple[str, ...]:
    notes = []
    turned = int((table["attribution"] * table["exact"] < 0).sum())
    if turned:
        notes.append(
            f"{turned} of {len(table)} shown move the metric the other way when they are taken out: go by "
            "'exact'"
        )
    if request.method == "grad":
        notes.append(
            "attributions are activation times gradient: good for ranking, and their sum is not the change "
            "of the metric (--method ig for shares that add up)"
        )
    if not found.n:
        notes.append("no feature is active at any position looked at")
    return tuple(notes)
