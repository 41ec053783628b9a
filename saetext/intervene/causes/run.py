"""why: whether a feature of the model that writes drives what a diff found.

Not for: finding differences (:func:`saetext.diff`), or the parts of the test (the modules beside).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.analysis.base import Result
from saetext.errors import InputError, refuse_unused
from saetext.intervene.causes.asked import halves_of, prompts_in, prompts_of
from saetext.intervene.causes.compared import Compared, compared_of, is_saved_result
from saetext.intervene.causes.made import compared_texts
from saetext.intervene.causes.proposals_only import proposals_only, require_used
from saetext.intervene.causes.request import WhyRequest
from saetext.intervene.causes.result import WhyResult
from saetext.intervene.causes.sides import sides_of, systems_of
from saetext.intervene.causes.study import Study
from saetext.intervene.edit import require_editable
from saetext.intervene.generator import Generator, load_generator
from saetext.intervene.positions import require_mode
from saetext.intervene.rows import Given
from saetext.io.request import verb_of_two

if TYPE_CHECKING:
    from saetext.analysis.differences import DiffResult
    from saetext.corpus import Corpus


@verb_of_two(WhyRequest)
def why(given: DiffResult | Given, model: str | Path | Generator, request: WhyRequest) -> WhyResult:
    """Say whether a feature of the model that writes drives what a diff found.

    For each confirmed finding features are proposed on half of the prompts and tested on the other: taken out
    where the model shows more of the finding, turned up where it shows less, against matched features, with
    what that does to other findings and to the text. What was written is kept in the cache, so that an
    interrupted run resumes.

    Parameters
    ----------
    given : DiffResult, str, path, or iterable
        A diff of two sets, or the path of its JSON; or prompts, which the model answers under the conditions
        of both sides before that is compared.
    model : str, path or Generator
        The causal model that wrote both sides: Hugging Face id, directory, name of an added one; or one that
        is loaded with its SAE. Where nobody says how it wrote them, features are proposed without a verdict.

    Returns
    -------
    WhyResult

    Raises
    ------
    InputError
        If the diff is of several sets, nothing is confirmed, its corpora are gone, a feature is out of range,
        both sides are the same, or there are no prompts.
    ReaderError
        If the model or the SAE cannot be loaded, or the model cannot write.

    Warns
    -----
    SaetextWarning
        If the SAE is of the base model of the one that writes.

    Examples
    --------
    How A and B differ is asked for before a model is loaded:

    >>> import saetext
    >>> try:
    ...     saetext.why(["Name a colour.", "Name a bird."], "smollm2")
    ... except saetext.SaetextError as error:
    ...     print(str(error).partition(":")[0])
    say how the model shall write A and B
    """
    require_mode(request.positions)
    compared = _compared(given)
    if compared is None and not request.stated:
        raise InputError(
            "say how the model shall write A and B: --system-a, --system-b, --edit-a or --edit-b"
        )
    prompts = None if request.prompts is None else prompts_in(request.prompts)
    if compared is None:
        refuse_unused("the prompts are given already", **request.changed("prompts"))
        prompts = prompts_in(given)  # type: ignore[arg-type]
        halves_of(prompts, request.most_prompts, request.seed)
    elif request.changed("reader"):
        raise InputError("reader would change nothing: the diff says what its texts were read with")
    corpora = None if compared is None else compared.corpora()
    if corpora is not None and systems_of(request, corpora) is None:
        require_used(request)  # before the model is loaded
    generator = model if isinstance(model, Generator) else _loaded(model, request)
    if generator.sae is None:
        raise InputError("features belong to an SAE: name one with --sae")
    require_editable(generator.sae, request.numbers)
    if compared is None or corpora is None:
        assert prompts is not None
        return _of_prompts(prompts, generator, request)
    return _of_diff(compared, corpora, prompts, generator, request)


def _compared(given: Any) -> Compared | None:
    """Return the diff that was given, None where prompts were."""
    if isinstance(given, Result):
        return compared_of(given)  # type: ignore[arg-type]
    if isinstance(given, str | Path) and is_saved_result(Path(given)):
        return compared_of(given)
    if isinstance(given, str):
        raise InputError(f"there is no saved diff {given[:60]!r}; prompts are a list, or a file as a Path")
    return None


def _loaded(model: str | Path, request: WhyRequest) -> Generator:
    return load_generator(
        model,
        request.sae,
        labels=request.labels,
        device=request.device,
        dtype=request.dtype,
        trust_pickle=request.trust_pickle,
    )


def _of_prompts(prompts: Sequence[Any], generator: Generator, request: WhyRequest) -> WhyResult:
    sides = sides_of(request, ("A", "B"), generator)
    assert sides is not None
    halves = halves_of(prompts, request.most_prompts, request.seed)
    # at temperature 0 another seed writes the same texts: those that test are not compared before
    every = [*halves.choose, *halves.test] if request.temperature else halves.choose
    corpus, compared = compared_texts(generator, every, sides, request)
    study = Study(generator, request, compared, sides, halves, (corpus, corpus), made_here=True)
    return result_of(study.run(), compared, generator, request, told={side.key: side.told for side in sides})


def _of_diff(
    compared: Compared,
    corpora: tuple[Corpus, Corpus],
    prompts: Sequence[Any] | None,
    generator: Generator,
    request: WhyRequest,
) -> WhyResult:
    sides = sides_of(request, compared.names, generator, corpora)
    if sides is None:
        found = proposals_only(generator, request, compared, corpora)
        return result_of(found, compared, generator, request, told={})
    halves = halves_of(prompts or prompts_of(corpora), request.most_prompts, request.seed)
    study = Study(generator, request, compared, sides, halves, corpora)
    return result_of(study.run(), compared, generator, request, told={side.key: side.told for side in sides})


def result_of(
    found: Mapping[str, Any],
    compared: Compared,
    generator: Generator,
    request: WhyRequest,
    *,
    told: Mapping[str, str],
) -> WhyResult:
    """Return the result of tables, metrics and notes."""
    assert generator.sae is not None
    params = {
        **request.params(),
        "a": compared.names[0],
        "b": compared.names[1],
        "told": dict(told),
        "model": generator.model.name,
        "model_revision": generator.model.revision,
        "hook": generator.hook,
        "sae": generator.sae.origin,
        "compared": [dataclasses.asdict(source) for source in compared.sources],
    }
    return WhyResult("why", params=params, **found)
