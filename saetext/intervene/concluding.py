"""From the texts of all arms to a result: figures, words, what a second reader sees, and caveats.

Not for: writing the texts (:mod:`saetext.intervene.setting`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.intervene.apart import words_apart
from saetext.intervene.lists import candidate_table, handle_table
from saetext.intervene.result import SteerResult
from saetext.intervene.second_reader import seen
from saetext.intervene.summary import LEAST_CONTROLS, LEAST_PROMPTS, figures, summary
from saetext.text.one_line import many

if TYPE_CHECKING:
    import polars as pl

    from saetext.intervene.controls import Arm
    from saetext.intervene.request import SteerRequest
    from saetext.intervene.setting import Setting


def result_of(
    setting: Setting,
    arms: Sequence[Arm],
    texts: pl.DataFrame,
    request: SteerRequest,
    reader: str | None,
    tried: pl.DataFrame | None,
) -> SteerResult:
    """Return the result of texts.

    Parameters
    ----------
    setting : Setting
    arms : sequence of Arm
        The unedited one first.
    texts : polars.DataFrame
        As :attr:`SteerResult.texts`.
    request : SteerRequest
        With the doses that were written.
    reader : str, optional
        The second reader.
    tried : polars.DataFrame, optional
        What ``auto`` tried.
    """
    import polars as pl

    table = summary(arms, texts, setting.norm, request.seed)
    own = pl.col("kind").is_in(["base", "dose"])
    strengths, shifted = setting.strengths, setting.shifted
    shown = _seen(arms, texts, request, reader)
    metrics = {
        "prompts": int(texts["prompt"].n_unique()),
        "texts": texts.height,
        "gauge_words": list(setting.gauge),
        "gauge_reader": None if shown is None else reader,
        "instruction": setting.instruction,
        "median_norm": setting.norm,
        "reference": None if strengths is None else strengths.reference,
        "reference_tokens": None if strengths is None else strengths.tokens,
        "strongest": request.strongest,
        **figures(arms, texts, request.op, request.strongest, request.seed),
    }
    generator = setting.generator
    params = {
        **request.params(),
        "model": generator.model.name,
        "model_revision": generator.model.revision,
        "hook": generator.hook,
        "sae": None if generator.sae is None else generator.sae.origin,
    }
    return SteerResult(
        "steer",
        table.filter(own),
        params,
        metrics,
        _notes(metrics, table, request, tried),
        handles=handle_table([*setting.handles, *([shifted] if shifted else [])], setting.norm),
        controls=table.filter(~own),
        texts=texts,
        candidates=candidate_table(setting.candidates),
        moved=None if shifted is None else shifted.moved(setting.generator.labels),
        words=words_apart(texts, [arm.name for arm in arms]),
        seen=shown,
        tried=tried,
    )


def _seen(
    arms: Sequence[Arm], texts: pl.DataFrame, request: SteerRequest, reader: str | None
) -> pl.DataFrame | None:
    at = [arm.name for arm in arms if arm.kind == "dose" and arm.dose == request.strongest]
    if reader is None or not at:
        return None
    random = next((arm.name for arm in arms if arm.kind == "random"), None)
    return seen(texts, {at[0]: random}, arms[0].name, reader, request.on_progress)


def _notes(
    metrics: Mapping[str, Any], table: pl.DataFrame, request: SteerRequest, tried: pl.DataFrame | None
) -> tuple[str, ...]:
    notes = [] if tried is None else _of_tuning(tried, request)
    if metrics["prompts"] < LEAST_PROMPTS:
        notes.append(
            f"texts, no verdict: intervals and p need {LEAST_PROMPTS} prompts, here there are "
            f"{metrics['prompts']}"
        )
    elif not metrics["gauge_words"]:
        notes.append("no verdict: nothing says what the edit should do to the texts; name words with --words")
    elif metrics["verdict"] == "not held against enough controls":
        notes.append(
            f"no verdict: {many(request.controls, _rival(request))} cannot tell the effect from that of any "
            f"edit; give --controls {LEAST_CONTROLS}"
        )
    if metrics["median_norm"] is None:
        notes.append("without an SAE the length of a direction is not held against the residual's")
    return tuple(notes)


def _rival(request: SteerRequest) -> str:
    return "matched feature" if request.shift is None else "random sparse vector"


def _of_tuning(tried: pl.DataFrame, request: SteerRequest) -> list[str]:
    if not tried["within"].any():
        return [
            f"no dose that was tried keeps the nll within {request.nll_within:g} nats: the one that raises "
            "it least was taken"
        ]
    return []
