"""``saetext label``: names for features, and how far to trust them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saetext.errors import InputError
from saetext.features.labelling.request import LabelRequest
from saetext.text.terminal import visible
from saetext_cli.asking import require_answers, tell_costs
from saetext_cli.common import note, require_new, require_writable, result, waiting
from saetext_cli.meters import progress_bar
from saetext_cli.options import Endpoint

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.features.labels import FeatureLabels


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "label",
        epilog="Examples: saetext label my.corpus --method words; "
        "saetext label my.corpus --method llm --base-url http://localhost:8000/v1 --model qwen; "
        "saetext label my.corpus --score",
    )(label)


def label(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS")],
    request: LabelRequest,
    endpoint: Endpoint,
    features: Annotated[
        str | None, typer.Option("--features", metavar="N,N,...", help="Label only these features.")
    ] = None,
    score: Annotated[
        bool,
        typer.Option(
            "--score",
            help="Score labels on unseen texts of this corpus: by the endpoint if given, else offline.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print how many requests method llm would send.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A new file; default: the corpus's labels.parquet."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also replace labels made by reading or with a better score.")
    ] = False,
) -> None:
    """Give features names from your own texts, a language model or published tables, and score them.

    Contexts come from half of the documents, scores from the other half. Labels that are there already stay
    unless new ones were made for the same feature.
    """
    from saetext.corpus import Corpus
    from saetext.features.known_labels import corpus_labels_path, labels_for

    makes = request.method is not None or request.file is not None
    if not makes and not score:
        raise typer.BadParameter("what to do? --method words, llm or neuronpedia, --from FILE, or --score")
    if request.method is not None and request.file is not None:
        raise typer.BadParameter("choose one of --method and --from")
    require_new(output)
    opened = Corpus.open(corpus)
    client = endpoint.client()
    request = _chosen(opened, request.replace(features=_numbers(features), client=client))
    if (request.method == "llm" or dry_run) and client is None:
        raise InputError("labels by a language model need an endpoint: give --base-url and --model")
    if dry_run:
        _say_estimate(opened, request)
        return
    labels = labels_for(opened, request.sae)
    if output is None and opened.elsewhere is not None:
        raise InputError(f"{opened.elsewhere} is elsewhere: name the file for its labels with --output")
    path = output or corpus_labels_path(corpus, opened.spec, request.sae)
    require_writable(path)  # a language model is paid before the file is written
    if makes:
        labels, some = _made(opened, labels, request, replace=replace, score=score)
        asked = client if request.method == "llm" else None
        _write(labels, path, new=some or asked is None, named=output is not None)
        require_answers(asked)
    if score:
        labels, some = _scored(opened, labels, request)
        _write(labels, path, new=some or client is None, named=output is not None)
        require_answers(client)
    result(visible(str(path)))


def _chosen(opened: Corpus, request: LabelRequest) -> LabelRequest:
    """Return the request with its SAE by name, and the most frequent features by number if it has a limit."""
    from saetext.features.labelling.pipeline import selected
    from saetext.features.labelling.request import MIN_SUPPORT

    request = request.replace(sae=opened.spec.sae(request.sae).name)
    if request.limit is None:
        return request
    return request.replace(features=selected(opened, request), limit=None, min_support=MIN_SUPPORT)


def _made(
    opened: Corpus, labels: FeatureLabels, request: LabelRequest, *, replace: bool, score: bool
) -> tuple[FeatureLabels, bool]:
    """Return ``labels`` with those made now, and whether any was; say how many, and at which costs."""
    from saetext.features.labelling.pipeline import label as make
    from saetext.features.labelling.pipeline import merged

    if request.method == "llm":
        _say_estimate(opened, request)
    elif score:
        request = request.replace(client=None)  # it is for the scores alone
    if request.method == "neuronpedia":
        request = request.replace(neuronpedia_id=_neuronpedia_id(opened.path, request.sae))
    with progress_bar("labelling") as show:
        made = make(opened, **request.replace(on_progress=show).keywords())
    for line in made.notes:
        note(line)
    labels, kept = merged(labels, made.labels, replace=replace)
    note(f"{len(made.labels):,} labels made" + (f"; {kept:,} better ones stay (--replace)" if kept else ""))
    _say_failures(made.failures, "have no label")
    tell_costs(request.client)
    return labels, bool(made.labels)


def _scored(opened: Corpus, labels: FeatureLabels, request: LabelRequest) -> tuple[FeatureLabels, bool]:
    """Return ``labels`` with scores, and whether any was had; say what they are, and at which costs."""
    from saetext.features.labelling.pipeline import score as rate

    client = request.client
    with progress_bar("scoring") as show:
        rated = rate(
            opened,
            labels,
            sae=request.sae,
            features=request.features,
            client=client,
            seed=request.seed,
            on_progress=show,
        )
    _say_failures(rated.failures, "were not scored")
    _say_scores(rated.labels, "llm" if client is not None else "embedding")
    tell_costs(client)
    pairs = zip(labels, rated.labels, strict=True)
    return rated.labels, any(before.score != now.score for before, now in pairs)


def _write(labels: FeatureLabels, path: Path, *, new: bool, named: bool) -> None:
    """Write the labels; where a model gave no new one, those there were, and only into a file that was named.

    What stands in for labels stays out of the table: it is there without it.
    """
    from saetext.features.labels import FeatureLabels

    own = [row for row in labels if row.source != "card" or row.score is not None]
    if new or (named and own):
        FeatureLabels.from_rows(own, labels.about).write(path)


def _say_estimate(opened: Corpus, request: LabelRequest) -> None:
    from saetext.features.contexts import gather
    from saetext.features.labelling.by_llm import label_prompt
    from saetext.features.labelling.pipeline import supported

    assert request.client is not None
    features = list(request.features or supported(opened, request.sae, request.min_support))
    with waiting("gathering contexts"):
        calibration = opened.calibration(request.sae)
        found = gather(opened, request.sae, features, seed=request.seed, half="make")
        prompts = [label_prompt(c, calibration.top_words(f)) for f, c in found.items() if c.firing]
    note(f"{len(prompts):,} features: {request.client.estimate(prompts).describe()}")


def _say_failures(failures: dict[int, str], what: str) -> None:
    from collections import Counter

    if failures:
        reasons = Counter(failures.values()).most_common(3)
        note(f"{len(failures):,} features {what}: " + ", ".join(f"{n:,} {reason}" for reason, n in reasons))


def _say_scores(labels: FeatureLabels, method: str) -> None:
    scores = [r.score for r in labels if r.score is not None and (r.score_method or "").startswith(method)]
    if scores:
        note(
            f"{len(scores):,} labels scored by {method}: mean balanced accuracy "
            f"{sum(scores) / len(scores):.2f} (.5 is chance)".replace(" 0.", " .")
        )


def _neuronpedia_id(corpus: Path, sae: str | None) -> str | None:
    from saetext.features import open_subject

    return open_subject(str(corpus), sae=sae).neuronpedia_id


def _numbers(given: str | None) -> list[int] | None:
    try:
        return [int(n) for n in given.split(",")] if given else None
    except ValueError as error:
        raise typer.BadParameter(f"--features takes numbers such as 12,88, not {given!r}") from error
