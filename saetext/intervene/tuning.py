"""The strength that --auto chooses: on one half of the prompts, so that the other half can report it.

Not for: what is reported (:mod:`saetext.intervene.summary`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np

from saetext.errors import InputError
from saetext.intervene.handles import WARN
from saetext.intervene.request import AUTO_DOSES, SteerRequest
from saetext.intervene.summary import by_prompt

if TYPE_CHECKING:
    import polars as pl

    from saetext.intervene.controls import Arm
    from saetext.intervene.setting import Setting
    from saetext.reader.prompts import Messages

LEAST_PROMPTS = 16  # so that either half has the 8 that an interval needs


def halves(n: int, seed: int) -> tuple[list[int], list[int]]:
    """Return the numbers of the prompts to tune on and of those to report, each in order.

    Raises
    ------
    InputError
        If there are fewer than 16.
    """
    if n < LEAST_PROMPTS:
        raise InputError(f"--auto needs {LEAST_PROMPTS} prompts, 8 to tune on and 8 to report: here are {n}")
    order = np.random.default_rng(seed).permutation(n)
    return sorted(order[: n // 2].tolist()), sorted(order[n // 2 :].tolist())


def tuned(
    setting: Setting, prompts: Sequence[str | Messages], numbers: Sequence[int], request: SteerRequest
) -> tuple[SteerRequest, pl.DataFrame]:
    """Return a request for the chosen dose alone, and what was tried on some of the prompts.

    Of the doses that nobody named, those longer than the median residual norm are not tried.

    Raises
    ------
    InputError
        If no words say what the effect is, or every dose is too long.
    """
    if not setting.gauge:
        raise InputError("--auto needs an effect to look for: name words with --words")
    doses = list(request.tried)
    if doses == list(AUTO_DOSES) and setting.norm:
        doses = [dose for dose in doses if setting.length(dose, request) <= WARN * setting.norm]
        if not doses:
            raise InputError(
                f"already dose {AUTO_DOSES[0]:g} is longer than the median residual: lower the strength"
            )
    trial = request.replace(doses=sorted({*doses, *([0.0] if request.op == "add" else [])}), controls=0)
    arms = [arm for arm in setting.arms(trial) if arm.kind in ("base", "dose")]
    texts = setting.written(arms, prompts, numbers, trial)
    tried = tried_table(arms, texts, setting.norm, setting.sign, request.nll_within)
    chosen = tried.filter("chosen")["dose"][0]
    return request.replace(doses=[0.0, chosen] if request.op == "add" else [chosen]), tried


def tried_table(
    arms: Sequence[Arm], texts: pl.DataFrame, norm: float | None, sign: float, nll_within: float
) -> pl.DataFrame:
    """Return what was tried, a row a dose, and which is chosen: the most effect within the bound of nll.

    If no dose stays within it, the one whose nll rises least is.

    Parameters
    ----------
    arms : sequence of Arm
        The unedited one first.
    texts : polars.DataFrame
        Of the half that is tuned on.
    norm : float, optional
        Median norm of the hidden states.
    sign : float
        Which way the effect should go: 1 up, -1 down.
    nll_within : float
        Nats above the unedited texts.

    Returns
    -------
    polars.DataFrame
        Columns of :func:`tried_schema`.
    """
    import polars as pl

    names = [arm.name for arm in arms]
    effect, nll = (by_prompt(texts, measure, names) for measure in ("gauge", "nll"))
    rows: list[dict[str, Any]] = []
    for arm in arms[1:]:
        moved, cost = (float(np.nanmean(m[arm.name] - m[names[0]])) for m in (effect, nll))
        rows.append(
            {
                "dose": arm.dose,
                "length": arm.length / norm if norm else None,
                "gauge_diff": moved,
                "nll_diff": cost,
                "within": cost <= nll_within,
                "chosen": False,
            }
        )
    inside = [row for row in rows if row["within"]]
    if inside:
        # of equal effects the shorter edit
        best = max(inside, key=lambda row: (sign * row["gauge_diff"], -row["dose"]))
    else:
        best = min(rows, key=lambda row: row["nll_diff"])
    best["chosen"] = True
    return pl.DataFrame(rows, schema=tried_schema())


def tried_schema() -> dict[str, Any]:
    """Return the columns of :func:`tried_table`."""
    import polars as pl

    return {
        **dict.fromkeys(("dose", "length", "gauge_diff", "nll_diff"), pl.Float64),
        **dict.fromkeys(("within", "chosen"), pl.Boolean),
    }
