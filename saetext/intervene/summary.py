"""From texts to figures: arms against the unedited one by prompt, dose-response, and the verdict.

The unit is the prompt, its samples averaged. Not for: the texts (:mod:`saetext.intervene.writing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.stats.dose import shape, trend
from saetext.stats.paired import paired

if TYPE_CHECKING:
    import polars as pl

    from saetext.intervene.controls import Arm

LEAST_PROMPTS = 8  # fewer: texts, no verdict
LEAST_CONTROLS = 19  # fewer could not be told from chance at .05
MEASURES = ("gauge", "nll", "repetition", "tokens")
Floats = NDArray[np.float64]
#: Mean of a measure by arm: float64[prompts], NaN where no sample has it.
ByPrompt = Mapping[str, Floats]


def by_prompt(texts: pl.DataFrame, measure: str, arms: Sequence[str]) -> dict[str, Floats]:
    """Return a measure of each arm by prompt, float64[prompts], samples averaged; NaN where none has it."""
    import polars as pl

    prompts = texts["prompt"].unique().sort()
    places = {int(p): at for at, p in enumerate(prompts)}
    means = texts.group_by("arm", "prompt").agg(pl.col(measure).cast(pl.Float64).mean().alias("mean"))
    found = {name: np.full(len(places), np.nan) for name in arms}
    for arm, prompt, mean in means.iter_rows():
        if mean is not None:
            found[arm][places[prompt]] = mean
    return found


def summary(arms: Sequence[Arm], texts: pl.DataFrame, norm: float | None, seed: int) -> pl.DataFrame:
    """Return one row for each arm; the first one is what the others are compared with.

    Columns: arm, kind, dose, length (relative to the median residual norm), texts, prompts, changed (share of
    texts that differ from the unedited one of the same prompt and sample), and of each measure its mean
    over prompts, with difference, interval and p from :func:`saetext.stats.paired.paired`. Intervals and p
    are null for fewer than 8 prompts.
    """
    import polars as pl

    names = [arm.name for arm in arms]
    measures = {measure: by_prompt(texts, measure, names) for measure in MEASURES}
    counts = texts.group_by("arm").agg(
        pl.len().alias("texts"), pl.col("prompt").n_unique().alias("prompts"), pl.col("changed").mean()
    )
    told = {row["arm"]: row for row in counts.iter_rows(named=True)}
    rows = []
    for arm in arms:
        row: dict[str, Any] = {
            "arm": arm.name,
            "kind": arm.kind,
            "dose": arm.dose,
            "features": list(arm.features),
            "length": arm.length / norm if norm else None,
            "texts": told[arm.name]["texts"],
            "prompts": told[arm.name]["prompts"],
            "changed": told[arm.name]["changed"],
        }
        for measure, found in measures.items():
            row |= _compared(measure, found[arm.name], found[names[0]], arm is arms[0], seed)
        rows.append(row)
    return pl.DataFrame(rows, schema=schema())


def figures(arms: Sequence[Arm], texts: pl.DataFrame, op: str, strongest: float, seed: int) -> dict[str, Any]:
    """Return dose-response and verdict by the gauge; Nones where there is no gauge or too few prompts.

    ``control_p`` is (1 + matched features that move the gauge at least as far) / (1 + matched features),
    in the direction of the trend; random directions take their place where there are none.
    """
    none = dict.fromkeys(("tau", "dose_p", "saturates", "peak", "overshoots", "control_p", "verdict"))
    gauge = by_prompt(texts, "gauge", [arm.name for arm in arms])
    kept = ~np.isnan(np.stack(list(gauge.values()))).any(axis=0)
    if kept.sum() < LEAST_PROMPTS:
        return none
    dosed = sorted(
        (arm.dose, arm.name) for arm in arms if arm.kind in ("base", "dose") and arm.dose is not None
    )
    if len(dosed) < 2:
        return none
    doses = [dose for dose, _ in dosed]
    outcomes = np.stack([gauge[name][kept] for _, name in dosed], axis=1)
    found = trend(doses, outcomes, seed=seed)
    up = [at for at, dose in enumerate(doses) if dose >= 0]  # a rise begins at the unedited texts
    course = shape([doses[at] for at in up], outcomes[:, up])
    base = gauge[arms[0].name][kept]
    effect = {arm.name: float((gauge[arm.name][kept] - base).mean()) for arm in arms}
    sign = 1.0 if found.tau >= 0 else -1.0
    moved = next((effect[arm.name] for arm in arms if arm.kind == "dose" and arm.dose == strongest), 0.0)
    rivals = [arm for arm in arms if arm.kind == "matched"] or [arm for arm in arms if arm.kind == "random"]
    as_far = sum(sign * effect[arm.name] >= sign * moved - 1e-12 for arm in rivals)
    control_p = (1 + as_far) / (1 + len(rivals)) if rivals else None
    return {
        "tau": found.tau,
        "dose_p": found.p,
        "saturates": course.saturates if course.peak > 0 else None,  # no dose raises it
        "peak": course.peak,
        "overshoots": course.overshoots if course.peak > 0 else None,
        "control_p": control_p,
        "verdict": _verdict(found.p, control_p, len(rivals)),
    }


def _verdict(dose_p: float, control_p: float | None, rivals: int) -> str:
    if dose_p > 0.05:
        return "not shown"
    if control_p is None or rivals < LEAST_CONTROLS:
        return "not held against enough controls"
    return "shown" if max(dose_p, control_p) <= 0.05 else "not shown"


def _compared(measure: str, own: Floats, base: Floats, first: bool, seed: int) -> dict[str, Any]:
    both = ~np.isnan(own) & ~np.isnan(base)
    there = own[~np.isnan(own)]
    row: dict[str, Any] = {measure: float(there.mean()) if len(there) else None}
    row |= dict.fromkeys(f"{measure}_{part}" for part in ("diff", "low", "high", "p"))
    if first or not both.any():
        return row
    differences = own[both] - base[both]
    row[f"{measure}_diff"] = float(differences.mean())
    if both.sum() >= LEAST_PROMPTS:
        found = paired(differences, seed=seed)
        row |= {f"{measure}_low": found.low, f"{measure}_high": found.high, f"{measure}_p": found.p}
    return row


def schema() -> dict[str, Any]:
    """Return the columns of :func:`summary`."""
    import polars as pl

    known: dict[str, Any] = {
        "arm": pl.String,
        "kind": pl.String,
        "dose": pl.Float64,
        "features": pl.List(pl.Int64),
        "length": pl.Float64,
        "texts": pl.Int64,
        "prompts": pl.Int64,
        "changed": pl.Float64,
    }
    for measure in MEASURES:
        known |= {f"{measure}{part}": pl.Float64 for part in ("", "_diff", "_low", "_high", "_p")}
    return known
