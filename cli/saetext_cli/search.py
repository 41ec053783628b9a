"""``saetext search``: find documents by what they are like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saetext.analysis.search.request import SearchRequest
from saetext.errors import InputError
from saetext.io.request import Request, option
from saetext.text.terminal import typed
from saetext_cli.analysing import finish, write_table
from saetext_cli.asking import require_answers, tell_costs
from saetext_cli.common import colored, encoding, note, require_new, telling, width
from saetext_cli.declared import expanded
from saetext_cli.making import open_or_encode
from saetext_cli.options import Endpoint, FileColumns, Output, Running
from saetext_cli.outputs import all_or_none

if TYPE_CHECKING:
    from saetext.analysis.search import FeatureQuery, Searcher, SearchResult


@dataclass(frozen=True, kw_only=True)
class QueryFiles(Request):
    """Queries read from files and written to them."""

    query: Path | None = option("Search by a saved query.", default=None, metavar="FILE")
    save_query: Path | None = option(
        "Write the features and weights as JSON.", default=None, metavar="FILE", group="Output"
    )
    explain: bool = option(
        "Show the features that are searched by, with weights.", default=False, group="Output"
    )


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
    )(expanded(search))


def search(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A corpus or a data file.")],
    request: SearchRequest,
    files: QueryFiles,
    columns: FileColumns,
    running: Running,
    output: Output,
    endpoint: Endpoint,
    words: Annotated[
        str | None,
        typer.Argument(metavar="[QUERY]", help="What documents should be like; AND and NOT in capitals."),
    ] = None,
) -> None:
    """Find documents by what they are like, and say why each was found.

    By a description in words, by features, by examples (--like), by similarity to one document (--similar),
    or by a saved query. A data file given for a corpus is encoded first.
    """
    _require_one_way(request, words, files)
    client = endpoint.client()
    request = request.replace(reranker=client if request.reranks else None, device=running.device)
    request.llm_reranker()  # refused before a file is encoded
    for path in (*output.files, files.save_query):
        require_new(path)
    opened = open_or_encode(
        corpus, device=running.device, dtype=running.dtype, asked=request, **columns.given()
    )
    from saetext.analysis.search.run import opened as searcher_of
    from saetext.report.console.search import render_query, render_search

    with telling("searching") as say:
        searcher = searcher_of(opened, request)
        asked = words if files.query is None else _saved(files.query, searcher)
        found = searcher.answer(
            asked, request.replace(on_progress=lambda p: say(f"{p.stage}, {p.done} of {p.total}"))
        )
    tell_costs(request.reranker)
    with all_or_none(*output.files, files.save_query):
        _save_query(found, searcher, files.save_query)
        write_table(found, output.parquet)
    if output.for_programs and files.explain and found.query is not None:
        note(render_query(found.query, width()).rstrip("\n"), lines=True)
    finish(
        found,
        output,
        lambda: render_search(found, width(), colored(), explain=files.explain, encoding=encoding()),
    )  # fmt: skip
    require_answers(request.reranker)


def _require_one_way(request: SearchRequest, words: str | None, files: QueryFiles) -> None:
    try:
        request.require_one(words is not None, files.query is not None)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None
    if files.save_query is not None and request.similar is not None:
        raise typer.BadParameter("--similar has no query to save")


def _saved(path: Path, searcher: Searcher) -> FeatureQuery:
    from saetext.analysis.search import FeatureQuery

    return FeatureQuery.read(path, searcher.corpus.spec.sae(searcher.sae))


def _save_query(found: SearchResult, searcher: Searcher, path: Path | None) -> None:
    if path is None:
        return
    from saetext.analysis.export import write_text

    if found.query is None:
        raise InputError(f"a search by {found.params['mode']} has no features to save")
    write_text(path, found.query.to_json(searcher.corpus.spec.sae(searcher.sae)) + "\n")
    note(f"wrote {path}; search by it with --query {typed(path)}")
