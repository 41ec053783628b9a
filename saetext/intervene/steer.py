"""steer: what a model writes with features turned up or down, beside what it writes by itself.

Not for: where a decision comes from, or what features show in texts that exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.errors import InputError
from saetext.intervene.choosing import own_words
from saetext.intervene.controls import Arm, arms_of
from saetext.intervene.effects import repetition, word_share
from saetext.intervene.generator import Generator, load_generator
from saetext.intervene.handles import Handle, handles_of, length_of, require_bearable
from saetext.intervene.lists import candidate_table, handle_table, text_schema
from saetext.intervene.output_score import OWN, TEXTS, OutputScores
from saetext.intervene.positions import require_mode
from saetext.intervene.request import SteerRequest
from saetext.intervene.result import SteerResult
from saetext.intervene.strength import Strengths, reference_texts, strengths_of
from saetext.intervene.summary import LEAST_CONTROLS, LEAST_PROMPTS, figures, summary
from saetext.intervene.writing import Writer, Written, measured
from saetext.io.request import verb_of_two
from saetext.text.words import words

if TYPE_CHECKING:
    import polars as pl

    from saetext.reader.prompts import Messages

_ASKED_WORDS = 5


@verb_of_two(SteerRequest)
def steer(
    model: str | Path | Generator, prompts: Sequence[str | Messages], request: SteerRequest
) -> SteerResult:
    """Write texts with features turned, and without, and compare them.

    Every arm shares the sampling noise of its prompt and sample: what differs was caused by the edit. What
    was written is kept in the cache, so that an interrupted run resumes.

    Parameters
    ----------
    model : str, path or Generator
        A causal model: Hugging Face id, directory, name of an added one; or one that is loaded.
    prompts : sequence of str or turns
        What the user says, or turns with ``role`` and ``content``.

    Returns
    -------
    SteerResult

    Raises
    ------
    InputError
        If there is no prompt, a feature is out of range, or an edit would leave nothing of the text.
    ReaderError
        If the model or the SAE cannot be loaded, or the model cannot write.

    Warns
    -----
    SaetextWarning
        If an edit is longer than the residual, a feature is rare in reference text, or the SAE is of the base
        model of the one that writes.

    Examples
    --------
    What to turn is asked for before a model is loaded:

    >>> import saetext
    >>> try:
    ...     saetext.steer("smollm2", ["Name a colour."])
    ... except saetext.SaetextError as error:
    ...     print(error)
    say what to turn: --feature, --concept or --direction, one of them
    """
    if isinstance(prompts, str):
        raise InputError("prompts are a list: put the text into one")
    if not len(prompts):
        raise InputError("there is no prompt to answer: give one at least")
    require_mode(request.positions)
    request.asked  # noqa: B018 - says what cannot be read before anything is loaded
    generator = model if isinstance(model, Generator) else _loaded(model, request)
    strengths = _strengths(generator, model, request)
    scores = OutputScores(generator, reference_texts(request.reference, TEXTS), request.on_progress)
    handles, considered = handles_of(generator, request, strengths, scores)
    norm = None if strengths is None else strengths.norm
    require_bearable(_longest(handles, request), norm, force=request.force)
    gauge = request.gauge_words or _top_words(generator, handles)
    instruction = _instruction(request, gauge)
    arms = arms_of(generator, handles, request, strengths, instruction)
    writer = Writer(generator, prompts, request, arms)
    done = [(arm, writer.arm(arm)) for arm in arms]
    texts = _texts(done, prompts, frozenset(gauge))
    found = _result(generator, request, handles, arms, texts, strengths, gauge, instruction)
    return replace(found, candidates=candidate_table(considered))


def _loaded(model: str | Path, request: SteerRequest) -> Generator:
    return load_generator(
        model,
        request.sae,
        hook=request.hook,
        labels=request.labels,
        device=request.device,
        dtype=request.dtype,
        trust_pickle=request.trust_pickle,
    )


def _strengths(
    generator: Generator, model: str | Path | Generator, request: SteerRequest
) -> Strengths | None:
    if generator.sae is None:
        return None
    place = generator.model.path if isinstance(model, Generator) else model
    return strengths_of(generator, place, request.reference, request.on_progress)


def _longest(handles: Sequence[Handle], request: SteerRequest) -> float:
    return max(length_of(handles, dose, request.op) for dose in request.amounts)


def _top_words(generator: Generator, handles: Sequence[Handle]) -> tuple[str, ...]:
    """Return the words that activate the features which are turned up, where a calibration knows them."""
    found: list[str] = []
    for handle in handles:
        if handle.feature is not None and handle.strength > 0:
            top = own_words(generator, handle.feature, OWN)
            found += [word.casefold() for text in top for word in words(text)]
    return tuple(dict.fromkeys(found))


def _instruction(request: SteerRequest, gauge: Sequence[str]) -> str | None:
    if request.instruction is not None:
        return request.instruction or None
    if request.concept is not None:
        return f"Let your answer be an example of this: {request.concept}."
    if gauge:
        return f"Use words such as {', '.join(gauge[:_ASKED_WORDS])} in your answer."
    return None


def _texts(
    done: Sequence[tuple[Arm, list[Written]]], prompts: Sequence[str | Messages], gauge: frozenset[str]
) -> pl.DataFrame:
    import polars as pl

    rows: list[dict[str, Any]] = []
    for arm, text, changed in measured(done):
        rows.append(
            {
                "arm": arm.name,
                "kind": arm.kind,
                "dose": arm.dose,
                "prompt": text.prompt,
                "prompt_text": _shown(prompts[text.prompt]),
                "sample": text.sample,
                "text": text.text,
                "tokens": len(text.ids) - (text.finish == "eos"),
                "finish": text.finish,
                "gauge": word_share(text.text, gauge) if gauge else None,
                "nll": text.nll,
                "repetition": repetition(text.ids.tolist()),
                "changed": changed,
            }
        )
    return pl.DataFrame(rows, schema=text_schema())


def _shown(prompt: str | Messages) -> str:
    if isinstance(prompt, str):
        return prompt
    last: Mapping[str, str] = prompt[-1] if len(prompt) else {}
    return str(last.get("content", ""))


def _result(
    generator: Generator,
    request: SteerRequest,
    handles: Sequence[Handle],
    arms: Sequence[Arm],
    texts: pl.DataFrame,
    strengths: Strengths | None,
    gauge: Sequence[str],
    instruction: str | None,
) -> SteerResult:
    import polars as pl

    norm = None if strengths is None else strengths.norm
    table = summary(arms, texts, norm, request.seed)
    own = pl.col("kind").is_in(["base", "dose"])
    found = figures(arms, texts, request.op, request.strongest, request.seed)
    metrics = {
        "prompts": int(texts["prompt"].n_unique()),
        "texts": texts.height,
        "gauge_words": list(gauge),
        "instruction": instruction,
        "median_norm": norm,
        "reference": None if strengths is None else strengths.reference,
        "reference_tokens": None if strengths is None else strengths.tokens,
        "strongest": request.strongest,
        **found,
    }
    params = {
        **request.params(),
        "model": generator.model.name,
        "model_revision": generator.model.revision,
        "hook": generator.hook,
        "sae": None if generator.sae is None else generator.sae.origin,
    }
    return SteerResult(
        "steer", table.filter(own), params, metrics, _notes(metrics, table, request),
        handles=handle_table(handles, norm), controls=table.filter(~own), texts=texts,
    )  # fmt: skip


def _notes(metrics: Mapping[str, Any], table: pl.DataFrame, request: SteerRequest) -> tuple[str, ...]:
    notes = []
    if metrics["prompts"] < LEAST_PROMPTS:
        notes.append(
            f"texts, no verdict: intervals and p need {LEAST_PROMPTS} prompts, here there are "
            f"{metrics['prompts']}"
        )
    elif not metrics["gauge_words"]:
        notes.append("no verdict: nothing says what the edit should do to the texts; name words with --words")
    elif metrics["verdict"] == "not held against enough controls":
        notes.append(
            f"no verdict: {request.controls} matched features cannot tell the effect from that of any edit; "
            f"give --controls {LEAST_CONTROLS}"
        )
    if metrics["median_norm"] is None:
        notes.append("without an SAE the length of a direction is not held against the residual's")
    return tuple(notes)
