"""From texts to figures: what each arm changes in each metric, by topic and over topics, and the verdict.

The unit is the topic, all of its texts averaged. A metric's variance is that among the samples of one prompt,
averaged over the topic's prompts. Not for: measuring texts (:mod:`saetext.intervene.ablation.measures`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from saetext.intervene.ablation.measures import diversity
from saetext.intervene.ablation.tables import TABLE, TOPICS
from saetext.intervene.summary import LEAST_CONTROLS, LEAST_PROMPTS
from saetext.stats.multiple import benjamini_hochberg
from saetext.stats.paired import paired

if TYPE_CHECKING:
    from saetext.intervene.ablation.arms import AblationArm

LEVEL = 0.05
_TIE = 1e-12
Floats = NDArray[np.float64]


class Outcome(NamedTuple):
    """A metric of one arm by topic, NaN where it has none: its mean, and the variance among samples."""

    mean: Floats
    variance: Floats


def outcomes(texts: pl.DataFrame, metric: str, topics: Sequence[str]) -> dict[str, Outcome]:
    """Return a metric of each arm by topic.

    Parameters
    ----------
    texts : polars.DataFrame
        All texts with their measures.
    metric : str
        One of its columns, or ``diversity``: of the items of all of a topic's texts together, which has no
        variance.
    topics : sequence of str
        In the order of the result.
    """
    places = {topic: at for at, topic in enumerate(topics)}
    if metric == "diversity":
        pooled = texts.group_by("arm", "topic").agg(pl.col("text")).rows()
        rows = [(arm, topic, diversity(own), None) for arm, topic, own in pooled]
    else:
        value = pl.col(metric)
        rows = (
            texts.group_by("arm", "topic", "prompt")
            .agg(sum=value.sum(), n=value.count(), variance=value.var(ddof=1))
            .group_by("arm", "topic")
            .agg(
                mean=pl.when(pl.col("n").sum() > 0).then(pl.col("sum").sum() / pl.col("n").sum()),
                variance=pl.col("variance").mean(),
            )
            .rows()
        )
    found: dict[str, Outcome] = {}
    for arm, topic, mean, variance in rows:
        own = found.setdefault(arm, Outcome(np.full(len(topics), np.nan), np.full(len(topics), np.nan)))
        own.mean[places[topic]] = np.nan if mean is None else mean
        own.variance[places[topic]] = np.nan if variance is None else variance
    return found


def summary(
    arms: Sequence[AblationArm],
    texts: pl.DataFrame,
    metrics: Sequence[str],
    primary: str,
    topics: Sequence[str],
    *,
    lengths: Mapping[str, float | None],
    active: Mapping[str, bool],
    each: bool,
    seed: int,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a row for each arm and metric, and a row for each topic, arm and metric.

    ``p`` is from sign flips of the topics' changes, ``control_p`` (1 + matched arms that change it at least
    as far) / (1 + matched arms). Both need 8 topics.

    Parameters
    ----------
    arms : sequence of AblationArm
        All but the unedited one, whose texts are called ``unedited``.
    texts : polars.DataFrame
    metrics : sequence of str
    primary : str
        The metric that verdicts are about.
    topics : sequence of str
    lengths : mapping of str to float or None
        How far each arm moves the hidden states.
    active : mapping of str to bool
        Whether any feature of an arm is active where it is edited.
    each : bool
        Whether the ablated arms are tests of one feature each, which are corrected together.
    seed : int
    """
    counts = texts.group_by("arm").agg(pl.len(), pl.col("changed").mean())
    told = {arm: (n, changed) for arm, n, changed in counts.rows()}
    rows: list[dict[str, Any]] = []
    by_topic: list[dict[str, Any]] = []
    numbers = dict(texts.group_by("topic", "arm").len().filter(pl.col("arm") == "unedited")
                   .select("topic", "len").rows())  # fmt: skip
    for metric in metrics:
        found = outcomes(texts, metric, topics)
        base = found["unedited"]
        for arm in arms:
            n, changed = told[arm.name]
            rows.append(
                {
                    "arm": arm.name, "kind": arm.kind, "mode": arm.mode or None, "of": arm.of or None,
                    "features": list(arm.features), "metric": metric, "primary": metric == primary,
                    **_compared(found[arm.name], base, seed), "texts": n, "changed": changed,
                    "length": lengths[arm.name],
                }
            )  # fmt: skip
            if arm.kind != "matched":
                by_topic += _by_topic(arm, metric, found[arm.name], base, topics, numbers)
    _hold(rows)
    _judge(rows, active, each)
    return pl.DataFrame(rows, schema={**TABLE}, strict=False), pl.DataFrame(by_topic, schema=TOPICS)


def _compared(own: Outcome, base: Outcome, seed: int) -> dict[str, Any]:
    """Return what an arm changes: the difference of means and of variances over topics."""
    row = dict.fromkeys(name for name in TABLE if TABLE[name] == pl.Float64)
    row |= _difference(own.mean, base.mean, ("base", "mean", "change", "low", "high", "p"), seed)
    names = ("base_variance", "variance", "variance_change", "variance_low", "variance_high", "variance_p")
    row |= _difference(own.variance, base.variance, names, seed)
    return {**row, "units": int((~np.isnan(own.mean) & ~np.isnan(base.mean)).sum())}


def _difference(own: Floats, base: Floats, names: Sequence[str], seed: int) -> dict[str, float | None]:
    """Return both means, their difference, its interval and p over the topics that have both."""
    both = ~np.isnan(own) & ~np.isnan(base)
    if not both.any():
        return dict.fromkeys(names)
    differences = own[both] - base[both]
    values: list[float | None] = [
        float(base[both].mean()),
        float(own[both].mean()),
        float(differences.mean()) if abs(differences.mean()) > _TIE else 0.0,
    ]
    if both.sum() >= LEAST_PROMPTS:
        found = paired(differences, seed=seed)
        values += [found.low, found.high, found.p]
    else:
        values += [None] * 3
    return dict(zip(names, values, strict=True))


def _by_topic(
    arm: AblationArm,
    metric: str,
    own: Outcome,
    base: Outcome,
    topics: Sequence[str],
    numbers: Mapping[str, int],
) -> list[dict[str, Any]]:
    rows = []
    for at, topic in enumerate(topics):
        values = [base.mean[at], own.mean[at], own.mean[at] - base.mean[at]]
        values += [base.variance[at], own.variance[at], own.variance[at] - base.variance[at]]
        told = [None if np.isnan(value) else float(value) for value in values]
        rows.append(
            {
                "topic": topic, "arm": arm.name, "kind": arm.kind, "metric": metric,
                "texts": numbers[topic],
                **dict(zip([*TOPICS][5:], told, strict=True)),
            }
        )  # fmt: skip
    return rows


def _hold(rows: Sequence[dict[str, Any]]) -> None:
    """Hold each ablated arm's changes against those of its matched arms."""
    for change, p, name in (
        ("change", "p", "control_p"),
        ("variance_change", "variance_p", "variance_control_p"),
    ):
        rivals: dict[tuple[str, str], list[float]] = {}
        for row in rows:
            if row["kind"] == "matched" and row[change] is not None:
                rivals.setdefault((row["of"], row["metric"]), []).append(abs(row[change]))
        for row in rows:
            others = rivals.get((row["arm"], row["metric"]))
            if row["kind"] == "ablated" and others and row[p] is not None:
                as_far = sum(other >= abs(row[change]) - _TIE for other in others)
                row[name] = (1 + as_far) / (1 + len(others))
                row[f"{name}_of"] = len(others)


def _judge(rows: Sequence[dict[str, Any]], active: Mapping[str, bool], each: bool) -> None:
    """Correct the primary metric's p over features tested one at a time, and give verdicts.

    A feature that is never active is no test: it is known beforehand that nothing changes.
    """
    for mode in {row["mode"] for row in rows}:
        ablated = [
            row for row in rows
            if row["kind"] == "ablated" and row["primary"] and row["p"] is not None and row["mode"] == mode
        ]  # fmt: skip
        for row in ablated:
            row["verdict"] = "never active"
        tests = [row for row in ablated if active[row["arm"]]]
        worst = [max(row["p"], row["control_p"] or 0.0) for row in tests]
        corrected = benjamini_hochberg(worst).tolist() if each else worst
        for row, decides in zip(tests, corrected, strict=True):
            row["q"] = decides if each else None
            row["verdict"] = _verdict(row, decides, len(tests) if each else 1)


def _verdict(row: Mapping[str, Any], decides: float, tests: int) -> str:
    """Return what is said of an effect; ``tests`` is how many are corrected together."""
    held = row.get("control_p_of", 0)
    if row["p"] > LEVEL:
        return "not shown"
    if held < LEAST_CONTROLS:
        return "not held against enough controls"
    if decides <= LEVEL:
        return "shown"
    # stronger than all of them, and with more of them it could be told
    lowest = row["control_p"] <= 1 / (1 + held) and tests / (1 + held) > LEVEL
    return "not held against enough controls" if lowest and tests * row["p"] <= LEVEL else "not shown"
