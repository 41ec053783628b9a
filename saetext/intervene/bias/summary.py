"""What arms change: rows of measures with intervals, and the verdict on the strongest dose.

Not for: measures themselves (:mod:`saetext.intervene.bias.measuring`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl

from saetext.intervene.bias.arms import Arm
from saetext.intervene.bias.measuring import ALL, Measured, stereotype_correlation
from saetext.intervene.bias.tables import TABLE, UNITS
from saetext.stats.paired import bca_interval, paired

LEAST_UNITS = 8  # professions from which there is a verdict
LEAST_CONTROLS = 19  # matched sets from which p can reach .05
LEVEL = 0.05
MOST_ACCURACY = 0.05  # of the factual accuracy that may be lost
LEAST_FACT = 0.75  # share of the factual gap that must remain
MOST_NLL = 0.05  # nats a token that neutral text may become less likely
FALLS = ("gap", "resolution")  # measures that should fall


def table_of(arms: Sequence[Arm], measured: Sequence[Sequence[Measured]], seed: int) -> pl.DataFrame:
    """Return a row for each arm and measure, columns :data:`TABLE`.

    Parameters
    ----------
    arms : sequence of Arm
        The unedited one first.
    measured : sequence of sequence of Measured
        Of each arm.
    seed : int
        Of resamples.
    """
    base = {(one.measure, one.suite): one for one in measured[0]}
    rows = []
    for arm, own in zip(arms, measured, strict=True):
        for one in own:
            reference = None if arm.kind == "base" else base[one.measure, one.suite]
            rows.append({**_about(arm, one), **_row(one, reference, arm.kind == "matched", seed)})
            if one.measure == "gap" and (r := stereotype_correlation(one)) is not None:
                told = dict(zip(("value", "low", "high", "n"), r, strict=True))
                rows.append({**_about(arm, one), "measure": "stereotype", **told})
    table = pl.DataFrame(rows, schema=TABLE)
    return table.with_columns(controls_p=_controls_p(table, arms))


def units_of(arms: Sequence[Arm], measured: Sequence[Sequence[Measured]]) -> pl.DataFrame:
    """Return what each arm but the matched sets says of each unit, columns :data:`UNITS`."""
    rows = [
        {
            "arm": arm.name, "dose": arm.dose, "measure": one.measure, "suite": one.suite, "unit": unit,
            "stereotype": None if np.isnan(stereotype) else float(stereotype), "value": float(value),
            "signed": float(signed),
        }
        for arm, own in zip(arms, measured, strict=True)
        if arm.kind not in ("matched", "random")
        for one in own
        if one.measure in (*FALLS, "fact")
        for unit, value, signed, stereotype in zip(
            one.units, one.value, one.signed, one.stereotype, strict=True
        )
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=UNITS)


def verdict_of(table: pl.DataFrame, strongest: float) -> dict[str, Any]:
    """Return the verdict on the strongest dose and the figures behind it.

    ``dampened``: the gap falls by sign flips and against matched features. ``dampened, but factual gender is
    lost``: more than 5 points of accuracy are, or more than a quarter of the factual gap. ``dampened, but
    neutral text becomes less likely``: by more than .05 nats a token. ``not shown``: the gap does not fall
    more than chance, or not more than with matched features.

    Parameters
    ----------
    table : polars.DataFrame
        As :func:`table_of` returns.
    strongest : float
        The dose.
    """
    base, own = _rows(table, "unedited"), _rows(table, f"dose {strongest:g}")
    gap, fact, accuracy, nll = (own.get(name) for name in ("gap", "fact", "accuracy", "nll"))
    assert gap is not None
    matched = table.filter((pl.col("kind") == "matched") & _primary())
    figures: dict[str, Any] = {
        "dose": strongest,
        "professions": gap["n"],
        "gap_before": base["gap"]["value"],
        "gap_after": gap["value"],
        "gap_diff": gap["diff"],
        "gap_low": gap["diff_low"],
        "gap_high": gap["diff_high"],
        "p": gap["p"],
        "controls_p": gap["controls_p"],
        "matched_sets": matched.height,
        "matched_diff": None if not matched.height else float(matched["diff"].mean()),  # type: ignore[arg-type]
        "accuracy_before": None if accuracy is None else base["accuracy"]["value"],
        "accuracy_after": None if accuracy is None else accuracy["value"],
        "fact_before": None if fact is None else base["fact"]["value"],
        "fact_after": None if fact is None else fact["value"],
        "nll_diff": None if nll is None else nll["diff"],
    }
    return {**figures, "verdict": _words(figures)}


def _words(figures: Mapping[str, Any]) -> str:
    if figures["dose"] == 1:
        return "nothing was dampened"
    if figures["professions"] < LEAST_UNITS:
        return "too few professions for a verdict"
    if figures["matched_sets"] < LEAST_CONTROLS:
        return "not held against enough controls"
    fell = figures["gap_diff"] < 0 and max(figures["p"], figures["controls_p"]) <= LEVEL
    if not fell:
        return "not shown"
    if lost_facts(figures):
        return "dampened, but factual gender is lost"
    if figures["nll_diff"] is not None and figures["nll_diff"] > MOST_NLL:
        return "dampened, but neutral text becomes less likely"
    return "dampened"


def lost_facts(figures: Mapping[str, Any]) -> bool:
    """Return whether more of the factual gender is lost than may be."""
    if figures["fact_before"] is None:
        return False
    less = figures["accuracy_before"] - figures["accuracy_after"] > MOST_ACCURACY + 1e-12
    return bool(less or figures["fact_after"] < LEAST_FACT * figures["fact_before"])


def _primary() -> pl.Expr:
    return (pl.col("measure") == "gap") & (pl.col("suite") == ALL)


def _rows(table: pl.DataFrame, arm: str) -> dict[str, dict[str, Any]]:
    """Return an arm's rows by measure; of the gap the one over all suites."""
    found = {}
    for row in table.filter(pl.col("arm") == arm).to_dicts():
        if row["measure"] != "gap" or row["suite"] == ALL:
            found[row["measure"]] = row
    return found


def _about(arm: Arm, one: Measured) -> dict[str, Any]:
    return {"arm": arm.name, "kind": arm.kind, "dose": arm.dose, "measure": one.measure, "suite": one.suite}


def _row(one: Measured, base: Measured | None, quick: bool, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "n": len(one.value),
        "value": float(one.value.mean()) if len(one.value) else None,
    }
    if not quick and len(one.value):
        found["low"], found["high"] = _finite(bca_interval(one.value, seed=seed))
    if base is None or not len(one.value):
        return found
    change = one.value - base.value
    if quick:  # of a matched set only how far it goes is looked at
        return {**found, "diff": float(change.mean())}
    compared = paired(change, seed=seed)
    low, high = _finite((compared.low, compared.high))
    return {**found, "diff": compared.mean, "diff_low": low, "diff_high": high, "p": compared.p}


def _finite(ends: tuple[float, float]) -> tuple[float | None, float | None]:
    low, high = ends
    return (float(low) if np.isfinite(low) else None), (float(high) if np.isfinite(high) else None)


def _controls_p(table: pl.DataFrame, arms: Sequence[Arm]) -> pl.Series:
    """Return (1 + matched sets that fall as far) / (1 + sets) for the strongest dose, of what should fall.

    None where no matched set was asked, and for a finder's features alone: the sets match all that are
    dampened.
    """
    held = [arm.dose for arm in arms if arm.kind == "matched"]
    found: list[float | None] = []
    for row in table.to_dicts():
        p = None
        if row["kind"] == "dose" and held and row["dose"] == held[0] and row["measure"] in FALLS:
            others = table.filter(
                (pl.col("kind") == "matched")
                & (pl.col("measure") == row["measure"])
                & (pl.col("suite") == row["suite"])
            )["diff"]
            if len(others):
                p = (1 + int((others <= row["diff"] + 1e-12).sum())) / (1 + len(others))
        found.append(p)
    return pl.Series("controls_p", found, dtype=pl.Float64)
