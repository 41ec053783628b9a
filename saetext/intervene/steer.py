"""steer: what a model writes with features turned up or down, beside what it writes by itself.

Not for: where a decision comes from, or what features show in texts that exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.errors import InputError
from saetext.intervene.concluding import result_of
from saetext.intervene.generator import Generator, load_generator
from saetext.intervene.positions import require_mode
from saetext.intervene.request import SteerRequest
from saetext.intervene.result import SteerResult
from saetext.intervene.rows import Given, asked_in
from saetext.intervene.second_reader import reader_of
from saetext.intervene.setting import setting_of
from saetext.intervene.shifted import asked_shift
from saetext.intervene.tuning import halves, tuned
from saetext.io.request import verb_of_two
from saetext.reader import shipped

if TYPE_CHECKING:
    from saetext.intervene.shifts.saved import Shift
    from saetext.reader.prompts import Messages


@verb_of_two(SteerRequest)
def steer(
    model: str | Path | Generator, prompts: Sequence[str | Messages] | Given, request: SteerRequest
) -> SteerResult:
    """Write texts with features turned, and without, and compare them.

    Every arm shares the sampling noise of its prompt and sample: what differs was caused by the edit. What
    was written is kept in the cache, so that an interrupted run resumes.

    Parameters
    ----------
    model : str, path or Generator
        A causal model: Hugging Face id, directory, name of an added one; or one that is loaded.
    prompts : sequence of str or turns, path, frame, series, table or dataset
        What the user says, or turns with ``role`` and ``content``.

    Returns
    -------
    SteerResult

    Raises
    ------
    InputError
        If there is no prompt, a feature is out of range, an edit would leave nothing of the text, or a shift
        is damaged, has no such group, or was fitted on another model or SAE.
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
    say what to turn: --feature, --concept, --direction or --shift, one of them
    """
    if isinstance(prompts, str):
        raise InputError("prompts are a list: put the text into one")
    if not isinstance(prompts, list | tuple):
        given = [row.prompt for row in asked_in(prompts)]
        prompts = [prompt if isinstance(prompt, str) else [dict(turn) for turn in prompt] for prompt in given]
    if not len(prompts):
        raise InputError("there is no prompt to answer: give one at least")
    require_mode(request.positions)
    request.asked  # noqa: B018 - says what cannot be read before anything is loaded
    tuning, reported = halves(len(prompts), request.seed) if request.auto else ([], list(range(len(prompts))))
    shift = asked_shift(request)
    generator = model if isinstance(model, Generator) else _loaded(model, request, shift)
    for prompt in prompts:  # before features are measured in reference text
        generator.model.encode_prompt(prompt, system=request.system, raw=request.raw)
    reader = reader_of(request.gauge, len(reported), generator)
    setting = setting_of(generator, model, request, shift)
    tried = None
    if request.auto:
        request, tried = tuned(setting, prompts, tuning, request)
    arms = setting.arms(request)
    texts = setting.written(arms, prompts, reported, request)
    return result_of(setting, arms, texts, request, reader, tried)


def _loaded(model: str | Path, request: SteerRequest, shift: Shift | None) -> Generator:
    own = None if shift is None else shift.sae["place"] or None
    nowhere = request.direction is not None and request.hook is None and request.sae is None
    if nowhere and shipped.by_name(str(model)) is None:
        raise InputError("where is the direction added? name its --hook, or an SAE with --sae")
    return load_generator(
        model,
        own if request.sae is None else request.sae,
        hook=request.hook,
        labels=request.labels,
        device=request.device,
        dtype=request.dtype,
        trust_pickle=request.trust_pickle,
    )
