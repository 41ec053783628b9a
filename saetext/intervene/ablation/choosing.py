"""Choosing: the strongest features of an attribution, by the examples of some topics.

Not for: which topics these are (:mod:`saetext.intervene.ablation.topics`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from saetext.errors import InputError
from saetext.intervene.metrics import parse_metric

if TYPE_CHECKING:
    from saetext.intervene.attribution.result import AttributionResult
    from saetext.intervene.generator import Generator

_PROMPT_ONLY = ("prompt", "last")


@dataclass(frozen=True)
class Chosen:
    """One feature that is ablated.

    Attributes
    ----------
    feature : int
    score : float or None
        The mean over examples of the size of its attributions, or of their sum where a sign is asked for;
        None of one that was named.
    examples : int or None
        Examples in which it has any.
    """

    feature: int
    score: float | None = None
    examples: int | None = None


def strongest(
    attribution: AttributionResult,
    n: int,
    *,
    examples: Sequence[int],
    lengths: Mapping[int, int | None],
    rank: str,
    sign: str,
    positions: str,
) -> list[Chosen]:
    """Return the strongest features.

    A feature's score is the sum of the sizes of its attributions (or exact effects) over positions, as a mean
    over examples. Where a sign is asked for it is their sum: what pushes up as often as down pushes nowhere.
    Where only the prompt is edited, positions after it do not count.

    Parameters
    ----------
    attribution : AttributionResult
    n : int
        Number of features.
    examples : sequence of int
        Numbers of the examples that count.
    lengths : mapping of int to int or None
        Tokens of each example's prompt, where that is known.
    rank : {"attribution", "exact"}
    sign : {"any", "positive", "negative"}
        Of the sum of a feature's attributions; its score then has this sign.
    positions : str
        Which positions will be edited, see :func:`saetext.intervene.positions.positions_of`.

    Raises
    ------
    InputError
        If there are fewer features.
    """
    pairs = attribution.pairs.select("prompt", "position", "feature", value="attribution")
    if rank == "exact":
        kept = [table.select("prompt", "position", "feature", value="exact")
                for table in (attribution.table, attribution.checks)]  # fmt: skip
        pairs = pl.concat(kept).drop_nulls("value").unique(["prompt", "position", "feature"], keep="first")
    known = {p: n for p, n in lengths.items() if n is not None}
    if positions in _PROMPT_ONLY and known:
        ends = pl.DataFrame({"prompt": list(known), "end": list(known.values())},
                            schema={"prompt": pl.Int64, "end": pl.Int64})  # fmt: skip
        pairs = pairs.join(ends, on="prompt", how="left")
        pairs = pairs.filter(pl.col("end").is_null() | (pl.col("position") < pl.col("end")))
    value = pl.col("value").abs() if sign == "any" else pl.col("value")
    size = -pl.col("score") if sign == "negative" else pl.col("score")
    best = (
        pairs.filter(pl.col("prompt").is_in(list(examples)))
        .sort("prompt", "position", "feature")  # so that a sum does not hang on the order
        .group_by("feature", maintain_order=True)
        .agg(score=value.sum() / max(len(examples), 1), examples=pl.col("prompt").n_unique())
        .filter(size > 0)
        .sort([size, pl.col("feature")], descending=[True, False])
        .head(n)
    )
    if best.height < n:
        fewer = f"ask for fewer, FILE:{best.height}" if best.height else "look at other positions"
        raise InputError(
            f"the attribution has {best.height:,} features to choose from on {len(examples):,} examples, "
            f"not {n:,}: {fewer}"
        )
    return [Chosen(row["feature"], row["score"], row["examples"]) for row in best.to_dicts()]


def require_same(attribution: AttributionResult, generator: Generator) -> None:
    """Raise :class:`InputError` unless an attribution is of this model and this SAE's features."""
    assert generator.sae is not None
    about = attribution.params.get("subject")
    if not isinstance(about, Mapping):
        return
    encoder = generator.sae.encoder
    if about.get("weights_sha256") != encoder.weights_sha256:
        raise InputError(
            f"the attribution is of the SAE {about.get('sae')} at {about.get('hook')}, not of "
            f"{generator.sae.origin} at {generator.hook}: name its own with --sae"
        )
    if about.get("revision") != generator.model.revision:
        raise InputError(
            f"the attribution is of the model {about.get('model')} with other weights than "
            f"{generator.model.name}'s: make it again"
        )


def added_tokens(attribution: AttributionResult) -> list[str]:
    """Return the texts whose logit or log-probability the attribution's metric adds."""
    source = attribution.params.get("metric")
    if not isinstance(source, str):
        return []
    return [term.texts[0] for term in parse_metric(source).terms if term.coefficient > 0]
