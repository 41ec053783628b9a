"""What a reader should know before believing a ``why``. Not for: figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.intervene.summary import LEAST_CONTROLS, LEAST_PROMPTS

if TYPE_CHECKING:
    from saetext.intervene.causes.gauges import Gauge
    from saetext.intervene.causes.request import WhyRequest


def notes(
    metrics: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    gauges: Sequence[Gauge],
    request: WhyRequest,
    made_here: bool = False,
) -> tuple[str, ...]:
    """Return one line for each thing that weakens a verdict, and how features were chosen.

    Parameters
    ----------
    metrics, rows, gauges, request
    made_here : bool
        Whether the texts that were compared were written in this run.
    """
    choose, test = metrics["choosing_prompts"], metrics["testing_prompts"]
    anew = ", with texts written anew" if request.temperature else ""
    found = [f"features chosen on {choose:,} prompts, tested on {test:,} others{anew}"]
    if request.numbers:
        found = [f"features were named; doses chosen on {choose:,} prompts, tested on {test:,} others"]
    if not request.temperature:
        told = "at temperature 0 a prompt has the same text under every seed: "
        found.append(
            f"{told}A and B were compared on the prompts that choose alone"
            if made_here
            else f"{told}if the texts that were compared were written so too, no text here is new, and a "
            "finding that is chance of these texts comes back"
        )
    if metrics["confirmed"] > metrics["looked_into"]:
        found.append(
            f"{metrics['looked_into']:,} of {metrics['confirmed']:,} confirmed findings looked into: the "
            "strongest (--findings)"
        )
    if test < LEAST_PROMPTS:
        found.append(
            f"texts, no verdict: a verdict needs {LEAST_PROMPTS} prompts to test on, so {2 * LEAST_PROMPTS} "
            f"in all; here there are {choose + test}"
        )
    for gauge in gauges:
        if not gauge.independent:
            found.append(
                f"{gauge.finding.name}: only the SAE that is edited measures it, so that no verdict is above "
                "“contributes”"
            )
    if test >= LEAST_PROMPTS and metrics["controls"] < LEAST_CONTROLS:
        found.append(
            f"{metrics['controls']:,} matched features cannot tell an effect from that of any edit: a "
            f"verdict needs {LEAST_CONTROLS}"
        )
    short = [row for row in rows if row.get("controls") and row["verdict"] == "not shown"]
    for row in short:
        # where writing stopped because too many were as strong p is larger
        if row["controls"] < metrics["controls"] and (row["control_p"] or 0) <= 0.05:
            found.append(
                f"feature {row['feature']}: only {row['controls']:,} of {metrics['controls']:,} features "
                "match it, too few others are active: q may not reach .05"
            )
    return tuple(found)
