"""``saetext diff``: how sets of documents differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.analysis.differences.request import DiffRequest
from saetext.errors import InputError
from saetext_cli.analysing import finish, write_report, write_table
from saetext_cli.asking import require_answers, tell_costs
from saetext_cli.common import colored, encoding, note, require_new, short_names, width
from saetext_cli.declared import expanded
from saetext_cli.diff_why import DiffWhy, print_both, write_second_page
from saetext_cli.making import open_or_encode, open_or_encode_all
from saetext_cli.meters import progress_bar
from saetext_cli.options import Endpoint, FileColumns, PageOutput, Running
from saetext_cli.outputs import all_or_none
from saetext_cli.rereading import reader_of

if TYPE_CHECKING:
    from saetext.analysis.differences import DiffResult
    from saetext.intervene.causes.result import WhyResult
    from saetext.io.llm import Estimate


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "diff",
        epilog="Examples: saetext diff a.corpus b.corpus --pair-on prompt_id --html report.html; "
        "saetext diff all.corpus --by model=gpt4,claude --json; saetext diff all.corpus --by model; "
        "saetext diff pairs.jsonl --columns chosen,rejected; saetext diff scored.jsonl --outcome score",
    )(diff)


def run(
    corpora: Annotated[
        list[Path],
        typer.Argument(
            metavar="A [B ...]",
            help="Two or more corpora or data files, or one with --by, --columns or --outcome.",
        ),
    ],
    request: DiffRequest,
    texts: FileColumns,
    output: PageOutput,
    endpoint: Endpoint,
    running: Running,
    causes: DiffWhy,
    llm: Annotated[
        bool,
        typer.Option(
            "--llm",
            help="Let --model state hypotheses and judge them on documents set aside.",
            rich_help_panel="Language model",
        ),
    ] = False,
) -> None:
    """Say what differs between two or more sets of documents.

    Marks of format, words and features are tested alike, and each difference is listed under the simplest
    description that carries it. Of more than two sets each is compared with all others together. The false
    discovery rate is controlled, length is adjusted for, and what was found on one half of the data is
    confirmed on the other. With --outcome it says what goes with a score or a pass. A data file given for a
    corpus is encoded first.
    """
    from saetext.report.console.differences import render_diff

    _require_sets(corpora, request, llm)
    causes.require(output, len(corpora))
    if request.outcome is not None:
        _say_outcome(corpora, request, texts, output, running, asked=causes.why is not None or llm)
        return
    client = endpoint.client()
    if llm and client is None:
        raise InputError("hypotheses by a language model need an endpoint: give --base-url and --model")
    for path in output.files:
        require_new(path)
    settings = {"device": running.device, "dtype": running.dtype, "asked": request, **texts.given()}
    opened, request = _opened(corpora, request, settings)
    request = request.replace(client=client if llm else None, on_estimate=_tell if llm else None)
    found = _compared(opened, request)
    tell_costs(request.client)
    driven = causes.look(found)
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        _write_page(found, output.html, opened[0], request, running, driven)
        write_second_page(driven, output.html)
    if driven is not None and output.as_json:
        print_both(found, driven)
    else:
        how: dict[str, Any] = {"why": driven, "encoding": encoding()}
        finish(found, output, lambda: render_diff(found, width(), colored(), **how))
    require_answers(request.client)


diff = expanded(run)


def _say_outcome(
    corpora: list[Path],
    request: DiffRequest,
    texts: FileColumns,
    output: PageOutput,
    running: Running,
    *,
    asked: bool,
) -> None:
    """Say what goes with an outcome; ``asked`` is whether what only sets have was asked for."""
    from saetext.analysis.differences.outcome.run import outcome_result
    from saetext.report.console.outcome import render_outcome

    if asked:
        raise typer.BadParameter("--why and --llm are for sets, and --outcome compares none")
    for path in output.files:
        require_new(path)
    settings = {"device": running.device, "dtype": running.dtype, "asked": request, **texts.given()}
    if request.columns is None:
        opened = open_or_encode_all(corpora, **settings)
    else:
        opened = _columns(corpora, request, settings)
    with progress_bar("estimating effects") as show:
        found = outcome_result(opened, request.replace(on_progress=show))
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        write_report(
            found, opened, request.labels_of(opened[0]), output.html, running.device, running.dtype,
            reads=False,
        )  # fmt: skip
    finish(found, output, lambda: render_outcome(found, width(), colored(), encoding=encoding()))


def _opened(
    corpora: list[Path], request: DiffRequest, settings: dict[str, Any]
) -> tuple[list[Any], DiffRequest]:
    """Open or encode what is compared, and return the request as it is for that."""
    if request.columns is None:
        return open_or_encode_all(corpora, **settings), _of_files(request, corpora)
    from saetext.analysis.differences.of_columns import by_rows

    return _columns(corpora, request, settings), by_rows(request)


def _columns(corpora: list[Path], request: DiffRequest, settings: dict[str, Any]) -> list[Any]:
    """Open or encode each of the columns of a file."""
    names = request.columns or ()
    return [open_or_encode(corpora[0], part=name, **{**settings, "text": name}) for name in names]


def _require_sets(corpora: list[Path], request: DiffRequest, llm: bool) -> None:
    if request.outcome is not None:
        if len(corpora) != 1:
            raise typer.BadParameter(f"expected one corpus or file with --outcome, got {len(corpora)}")
        return
    if request.columns is not None and len(corpora) != 1:
        raise typer.BadParameter(f"expected one file of texts with --columns, got {len(corpora)}")
    if request.columns is None and request.by is None and len(corpora) < 2:
        raise typer.BadParameter("expected two corpora or more, or one with --by, --columns or --outcome")
    if request.by is not None and len(corpora) != 1:
        raise typer.BadParameter(f"expected one corpus with --by, got {len(corpora)}")
    for option, given in (("--null", request.null), ("--llm", llm)):
        if given and len(corpora) > 2:
            raise typer.BadParameter(f"{option} is for two sets, and these are {len(corpora)}")


def _of_files(request: DiffRequest, corpora: list[Path]) -> DiffRequest:
    """Return the request with the column and its values taken apart, or the sets called by their files."""
    if request.by is None:
        return request.replace(names=short_names(corpora))
    column, _, values = request.by.partition("=")
    return request.replace(by=column, values=values.split(",") if values else None)


def _tell(estimate: Estimate) -> None:
    note(f"judging {estimate.describe()}, at most")


def _compared(opened: list[Any], request: DiffRequest) -> DiffResult:
    from saetext.analysis.differences.run import diff_of

    with progress_bar("comparing" if request.client is None else "judging") as show:
        return diff_of(opened, request.replace(on_progress=show))


def _write_page(
    found: DiffResult,
    path: Path | None,
    first: Any,
    request: DiffRequest,
    running: Running,
    driven: WhyResult | None,
) -> None:
    """Write the page, if a file is named; the examples of two sets are read again to shade their tokens."""
    if path is None:
        return
    from saetext.report.html.pages import write_page

    reader = None if found.several else reader_of(first, running.device, running.dtype)
    with progress_bar("reading the examples") as show:
        labels = request.labels_of(first)
        write_page(found, path, labels=labels, reader=reader, why=driven, on_progress=show)
    note(f"wrote {path}")
