"""``saetext search`` and ``saetext index``: find documents by what they are like."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.errors import InputError
from saetext_cli.analysing import AsCsv, AsJson, TableFile, Where, finish, require_one_format, write_table
from saetext_cli.common import (
    Device,
    Dtype,
    IdColumn,
    LabelFile,
    PromptColumn,
    TapName,
    TextColumn,
    colored,
    encoding,
    megabytes,
    note,
    require_new,
    telling,
    width,
)
from saetext_cli.endpoint import ApiKeyEnv, BaseUrl, Concurrency, ModelName, PriceIn, PriceOut, client_for
from saetext_cli.making import open_or_encode
from saetext_cli.meters import progress_bar

if TYPE_CHECKING:
    from saetext.analysis.search import Searcher, SearchResult


class Mode(StrEnum):
    """By what documents are ranked."""

    features = "features"
    dense = "dense"
    bm25 = "bm25"
    hybrid = "hybrid"
    projected = "projected"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "search",
        epilog='Examples: saetext search answers.corpus "the writer hedges" --explain; '
        'saetext search answers.corpus "an apology NOT formal" --where "n_tokens > 50"; '
        "saetext search answers.corpus --features 12:1.5,-88; "
        'saetext search answers.corpus "hedging" --rerank 30 --base-url URL --model NAME; '
        "saetext search answers.corpus --like cooking-01-gentle --like travel-02-gentle "
        "--like work-03-gentle --save-query gentle.json; "
        "saetext search answers.corpus --query gentle.json --json",
    )(search)
    app.command("index", epilog="Example: saetext index answers.corpus")(index)


def search(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A corpus or a data file.")],
    words: Annotated[
        str | None,
        typer.Argument(metavar="[QUERY]", help="What documents should be like; AND and NOT in capitals."),
    ] = None,
    mode: Annotated[
        Mode | None,
        typer.Option(
            "--mode", help="Rank by; by default hybrid where 'saetext index' has been run, else features."
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option("--features", metavar="N:W,-N", help="Set weights: 12:1.5, -88 (unlike), 7:0 (out)."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="TEXT", help="What documents should be unlike; may be repeated."),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option("--like", metavar="ID", help="A document to be like; repeat it, 3 to 5 are enough."),
    ] = None,
    unlike: Annotated[
        list[str] | None,
        typer.Option("--unlike", metavar="ID", help="With --like: a document to be unlike; likewise."),
    ] = None,
    similar: Annotated[
        str | None, typer.Option("--similar", metavar="ID", help="Documents similar to this one.")
    ] = None,
    query_file: Annotated[
        Path | None, typer.Option("--query", metavar="FILE", help="Search by a query that was saved.")
    ] = None,
    save_query: Annotated[
        Path | None,
        typer.Option("--save-query", metavar="FILE", help="Write the features and weights as JSON."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the features that are searched by, with weights.")
    ] = False,
    where: Where = None,
    group_by: Annotated[
        str | None,
        typer.Option("--group-by", metavar="COLUMN", help="Only the best document of each value."),
    ] = None,
    top: Annotated[int, typer.Option("--top", help="Documents to show.", min=1)] = 10,
    offset: Annotated[
        int, typer.Option("--offset", help="Documents to pass over: the next page.", min=0)
    ] = 0,
    rerank: Annotated[
        int,
        typer.Option(
            "--rerank", metavar="N", help="The first N are graded by the language model --model.", min=0
        ),
    ] = 0,
    rerank_features: Annotated[
        bool, typer.Option("--rerank-features", help="--model says which features fit the words.")
    ] = False,
    base_url: BaseUrl = None,
    model: ModelName = None,
    api_key_env: ApiKeyEnv = "OPENAI_API_KEY",
    concurrency: Concurrency = 8,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    lexical: Annotated[
        bool, typer.Option("--lexical", help="Search labels by their words, not by meaning.")
    ] = False,
    tap: TapName = None,
    labels: LabelFile = None,
    seed: Annotated[int, typer.Option("--seed", help="With --like: of what they are told from.")] = 0,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    parquet: TableFile = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    prompt_column: PromptColumn = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Find documents by what they are like, and say why each was found.

    By a description in words, by features, by examples (--like), by likeness to one (--similar), or by a
    query that was saved. A data file given for a corpus is encoded first.
    """
    require_one_format(as_json, as_csv)
    ways = {
        "words": words is not None, "--like": bool(like), "--similar": similar is not None,
        "--query": query_file is not None,
    }  # fmt: skip
    given = [name for name, there in ways.items() if there]
    if len(given) > 1:
        raise typer.BadParameter(f"choose one of {' and '.join(given)}")
    if not given and features is None:
        raise typer.BadParameter("say what to search for: words, --features, --like, --similar or --query")
    if unlike and not like:
        raise typer.BadParameter("--unlike goes with --like")
    if like and mode not in (None, Mode.features):
        raise typer.BadParameter("--like learns weights of features: leave --mode out")
    if similar is not None and (features or without or mode is Mode.features):
        raise typer.BadParameter("--similar goes with --mode projected, dense, bm25 or hybrid only")
    if similar is None and mode is Mode.projected:
        raise typer.BadParameter("--mode projected goes with --similar")
    if save_query is not None and similar is not None:
        raise typer.BadParameter("--similar has no query to save")
    second = (rerank > 0) or rerank_features
    if second and (like or similar is not None):
        raise typer.BadParameter("--rerank and --rerank-features go with a search in words")
    client = client_for(base_url, model, api_key_env, concurrency, price_in, price_out)
    if second and client is None:
        raise InputError("a language model's opinion needs an endpoint: give --base-url and --model")
    for path in (parquet, save_query):
        require_new(path)
    columns = {"text": text_column, "id": id_column, "prompt": prompt_column}
    opened = open_or_encode(corpus, device=device, dtype=dtype, **columns)
    from saetext.analysis.search import Searcher, SecondOpinion
    from saetext.features.known_labels import labels_for
    from saetext.report.console.search import render_query, render_search

    with telling("searching") as say:
        searcher = Searcher(
            opened,
            tap=tap,
            labels=None if labels is None else labels_for(opened, tap, labels),
            lexical=lexical or None,
            device=device,
        )
        page: dict[str, Any] = {"where": where, "top": top, "offset": offset, "group_by": group_by}
        by_hand: dict[str, Any] = {"features": features, "without": without or []}
        if similar is not None:
            found = searcher.similar(similar, mode=None if mode is None else mode.value, **page)
        elif like:
            found = searcher.like(like, unlike or [], seed=seed, **by_hand, **page)
        else:
            asked = words if query_file is None else _saved(query_file, searcher)
            opinion = None
            if second and client is not None:
                opinion = SecondOpinion(
                    client,
                    weigh=rerank_features,
                    grade=rerank,
                    on_progress=lambda p: say(f"{p.stage}, {p.done} of {p.total}"),
                )
            found = searcher.search(
                asked, mode=None if mode is None else mode.value, second=opinion, **by_hand, **page
            )
    if second and client is not None:
        note(client.ledger.describe())
    _write(found, searcher, save_query, parquet)
    if (as_json or as_csv) and explain and found.query is not None:
        note(render_query(found.query, width()).rstrip("\n"))
    finish(
        found,
        as_json,
        as_csv,
        lambda: render_search(found, width(), colored(), explain=explain, encoding=encoding()),
    )


def index(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS")],
    dense: Annotated[
        bool,
        typer.Option("--dense/--no-dense", help="Embed every document, for hybrid search; takes longest."),
    ] = True,
    device: Device = "auto",
) -> None:
    """Build what makes searches fast and hybrid: postings, sentence embeddings, words.

    It is kept inside the corpus. What is there already is checked and kept, so run it again after an append
    or an interruption.
    """
    from saetext.analysis.search import build_index
    from saetext.corpus import Corpus

    opened = Corpus.open(corpus)
    with progress_bar("indexing") as show:
        done = build_index(opened, dense=dense, device=device, on_progress=show)
    for part, state in done.items():
        note(f"{part}: {state}")
    note(f"{corpus}: index of {megabytes(opened.sizes()['index'])}")


def _saved(path: Path, searcher: Searcher) -> Any:
    from saetext.analysis.search import FeatureQuery

    return FeatureQuery.read(path, searcher.corpus.spec.tap(searcher.tap))


def _write(found: SearchResult, searcher: Searcher, save_query: Path | None, parquet: Path | None) -> None:
    if save_query is not None:
        from saetext.analysis.export import write_text

        if found.query is None:
            raise InputError(f"a search by {found.params['mode']} has no features to save")
        write_text(save_query, found.query.to_json(searcher.corpus.spec.tap(searcher.tap)) + "\n")
        note(f"wrote {save_query}; search by it with --query {save_query}")
    write_table(found, parquet)
