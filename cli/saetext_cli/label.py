"""``saetext label``: names for features, and how far to trust them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saetext.errors import InputError
from saetext_cli.common import TapName, note, require_new, result, waiting
from saetext_cli.endpoint import ApiKeyEnv, BaseUrl, Concurrency, ModelName, PriceIn, PriceOut, client_for
from saetext_cli.meters import progress_bar

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.features.labels import FeatureLabels
    from saetext.io.llm import ChatClient


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
    method: Annotated[
        str | None, typer.Option("--method", help="words (offline), llm, or neuronpedia (published ones).")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Import labels: .csv, .tsv, .json, .jsonl or .parquet."),
    ] = None,
    score: Annotated[
        bool,
        typer.Option(
            "--score", help="Score on unseen texts of this corpus: by the endpoint if given, else offline."
        ),
    ] = False,
    base_url: BaseUrl = None,
    model: ModelName = None,
    api_key_env: ApiKeyEnv = "OPENAI_API_KEY",
    concurrency: Concurrency = 8,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what asking would take.")] = False,
    features: Annotated[str | None, typer.Option("--features", metavar="N,N,...", help="Only these.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the most frequent so many.")
    ] = None,
    min_support: Annotated[
        int, typer.Option("--min-support", min=1, help="Documents a feature must be present in.")
    ] = 3,
    tap: TapName = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the choice of contexts.")] = 0,
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
    from saetext.features.labelling.pipeline import MIN_SUPPORT, merged, supported
    from saetext.features.labelling.pipeline import label as make
    from saetext.features.labelling.pipeline import score as rate

    if method is None and source is None and not score:
        raise typer.BadParameter("what to do? --method words, llm or neuronpedia, --from FILE, or --score")
    if method is not None and source is not None:
        raise typer.BadParameter("choose one of --method and --from")
    require_new(output)
    opened = Corpus.open(corpus)
    name = opened.spec.tap(tap).name
    chosen = _numbers(features)
    if limit is not None:
        chosen = (chosen or supported(opened, tap, min_support))[:limit]
    client = client_for(base_url, model, api_key_env, concurrency, price_in, price_out)
    if (method == "llm" or dry_run) and client is None:
        raise InputError("labels by a language model need an endpoint: give --base-url and --model")
    if dry_run:
        assert client is not None
        _say_estimate(opened, name, client, chosen or supported(opened, tap, min_support), seed)
        return
    labels = labels_for(opened, name)
    if method is not None or source is not None:
        if method == "llm" and client is not None:
            _say_estimate(opened, name, client, chosen or supported(opened, tap, min_support), seed)
        with progress_bar("labelling") as show:
            made = make(
                opened,
                method,
                tap=name,
                features=chosen,
                min_support=min_support if limit is None else MIN_SUPPORT,
                client=None if score and method != "llm" else client,  # it may be for the scores alone
                neuronpedia_id=_neuronpedia_id(corpus, name) if method == "neuronpedia" else None,
                file=source,
                seed=seed,
                on_progress=show,
            )
        for line in made.notes:
            note(line)
        labels, kept = merged(labels, made.labels, replace=replace)
        note(
            f"{len(made.labels):,} labels made" + (f"; {kept:,} better ones stay (--replace)" if kept else "")
        )
        _say_failures(made.failures, "have no label")
        if client is not None:
            note(client.ledger.describe())
        _write(labels, output or corpus_labels_path(corpus, opened.spec, name))
    if score:
        with progress_bar("scoring") as show:
            rated = rate(
                opened, labels, tap=name, features=chosen, client=client, seed=seed, on_progress=show
            )
        _say_failures(rated.failures, "were not scored")
        labels = rated.labels
        _say_scores(labels, "llm" if client is not None else "embedding")
        if client is not None:
            note(client.ledger.describe())
        _write(labels, output or corpus_labels_path(corpus, opened.spec, name))
    result(str(output or corpus_labels_path(corpus, opened.spec, name)))


def _write(labels: FeatureLabels, path: Path) -> None:
    # what stands in for labels stays out of the table: it is there without it
    from saetext.features.labels import FeatureLabels

    own = [row for row in labels if row.source != "card" or row.score is not None]
    FeatureLabels.from_rows(own, labels.about).write(path)


def _say_estimate(opened: Corpus, tap: str, client: ChatClient, features: list[int], seed: int) -> None:
    from saetext.features.contexts import gather
    from saetext.features.labelling.by_llm import label_prompt

    with waiting("gathering contexts"):
        card = opened.card(tap)
        found = gather(opened, tap, features, seed=seed, half="make")
        prompts = [label_prompt(c, card.top_words(f)) for f, c in found.items() if c.firing]
    note(f"{len(prompts):,} features: {client.estimate(prompts).describe()}")


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


def _neuronpedia_id(corpus: Path, tap: str) -> str | None:
    from saetext.features import open_subject

    return open_subject(str(corpus), tap=tap).neuronpedia_id


def _numbers(given: str | None) -> list[int] | None:
    try:
        return [int(n) for n in given.split(",")] if given else None
    except ValueError as error:
        raise typer.BadParameter(f"--features takes numbers such as 12,88, not {given!r}") from error
