"""What a reader should know before believing an ablation. Not for: figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from saetext.intervene.ablation.survey import LEAST
from saetext.intervene.summary import LEAST_CONTROLS, LEAST_PROMPTS
from saetext.text.one_line import many

if TYPE_CHECKING:
    from saetext.intervene.ablation.request import AblateRequest

_CUT = 0.2  # share of unedited texts that end by the limit, from which it is said
_LENGTHS = {"items", "distinct", "diversity", "tokens", "ended"}


def notes(metrics: Mapping[str, Any], table: pl.DataFrame, request: AblateRequest) -> tuple[str, ...]:
    """Return one line for each thing that weakens an ablation, and how features were chosen."""
    found = [_split(metrics), *_few(metrics, request)]
    if metrics["cut"] >= _CUT and _LENGTHS & set(request.measures):
        found.append(
            f"{metrics['cut']:.0%} of the unedited texts end because of --max-new-tokens "
            f"{request.max_new_tokens}: what goes with length is cut there too".replace("%", " %")
        )
    if request.samples == 1:
        found.append("one sample of each prompt has no variance: give --samples 2 or more")
    if metrics["before_forbidden"] is not None and not (table["kind"] == "means").any():
        found.append(
            f"no difference of means: {metrics['forbidden']} was written "
            f"{many(metrics['before_forbidden'], 'time')} where it is taken, and {LEAST} are needed"
        )
    return (*found, *_side_effects(table))


def _split(metrics: Mapping[str, Any]) -> str:
    chosen, tested = len(metrics["chosen_on"]), len(metrics["tested_on"])
    return {
        "half": f"features chosen on {chosen:,} topics, tested on {tested:,} others",
        "attribution": f"features chosen on the {chosen:,} topics of the attribution, tested on {tested:,} "
        "others",
        "apart": f"features chosen on other prompts than the {tested:,} topics they are tested on",
        "none": "features chosen and tested on the same topics (--split none): p are too small",
        "named": "features were named: if they were found on these prompts, p are too small",
    }[metrics["split"]]


def _few(metrics: Mapping[str, Any], request: AblateRequest) -> list[str]:
    if metrics["topics"] < LEAST_PROMPTS:
        return [
            f"texts, no verdict: intervals and p need {LEAST_PROMPTS} topics, here there are "
            f"{metrics['topics']}"
        ]
    found = []
    if metrics["matched"] < min(request.controls, LEAST_CONTROLS):
        found.append(f"only {metrics['matched']:,} sets of features match: too few others are active here")
    if metrics["matched"] < LEAST_CONTROLS:
        found.append(
            f"{many(metrics['matched'], 'set')} of matched features cannot tell the effect from that of "
            f"any ablation: a verdict needs {LEAST_CONTROLS}"
        )
    if request.each and metrics["matched"] >= LEAST_CONTROLS:
        active = [verdict for verdict in metrics["verdicts"].values() if verdict != "never active"]
        tests = len(active) // len(request.modes)
        needed = (LEAST_CONTROLS + 1) * tests - 1
        if metrics["matched"] < needed:
            found.append(
                f"{tests:,} features are tested one at a time: one alone can be shown with --controls "
                f"{needed:,}, with fewer only several together"
            )
    return found


def _side_effects(table: pl.DataFrame) -> list[str]:
    """Say where an ablation makes texts less usual than its controls do."""
    found = []
    for row in table.filter((pl.col("kind") == "ablated") & (pl.col("metric") == "nll")).to_dicts():
        worst = max(row["p"] if row["p"] is not None else 1.0, row["control_p"] or 0.0)
        if worst <= 0.05 and row["change"] > 0:
            found.append(
                f"{row['arm']}: nll rises by {row['change']:.2f}, more than with matched features: what "
                "changes may come from broken text"
            )
    return found
