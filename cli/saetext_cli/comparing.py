"""``saetext diff``: how sets of documents differ."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.errors import InputError
from saetext_cli.analysing import (
    AsCsv,
    AsJson,
    Group,
    ReportFile,
    Sample,
    TableFile,
    Where,
    finish,
    require_one_format,
    selected,
    write_report,
    write_table,
)
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
    note,
    require_new,
    short_names,
    width,
)
from saetext_cli.endpoint import ApiKeyEnv, BaseUrl, Concurrency, ModelName, PriceIn, PriceOut, client_for
from saetext_cli.making import open_or_encode
from saetext_cli.meters import progress_bar

if TYPE_CHECKING:
    from saetext.analysis.differences import DiffResult


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "diff",
        epilog="Examples: saetext diff a.corpus b.corpus --pair-on prompt_id --html report.html; "
        "saetext diff all.corpus --by model=gpt4,claude --json; saetext diff all.corpus --by model",
    )(diff)


def diff(
    corpora: Annotated[
        list[Path],
        typer.Argument(metavar="A [B ...]", help="Two or more corpora or data files, or one with --by."),
    ],
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="COLUMN[=A,B,...]", help="Compare values of a column of one corpus; all if none."
        ),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            "--against", help="More than two sets: rank by the rate less the others' union, mean or max."
        ),
    ] = "union",
    pair_on: Annotated[
        str | None,
        typer.Option(
            "--pair-on", metavar="COLUMN", help="Rows belong together on this column; '' never pairs."
        ),
    ] = None,
    group: Group = None,
    control: Annotated[
        list[str] | None,
        typer.Option("--control", metavar="COLUMN", help="Adjust for this column too; may be repeated."),
    ] = None,
    where: Where = None,
    sample: Sample = None,
    top: Annotated[int, typer.Option("--top", help="Findings to show; 0 for all.", min=0)] = 20,
    min_support: Annotated[
        int | None,
        typer.Option("--min-support", help="Documents a feature must be present in to be tested.", min=1),
    ] = None,
    null: Annotated[
        int,
        typer.Option("--null", help="Repeat so many times with shuffled labels; say what is found.", min=0),
    ] = 0,
    plain: Annotated[
        bool, typer.Option("--plain/--no-plain", help="Compare plain words and format counts as well.")
    ] = True,
    html: ReportFile = None,
    llm: Annotated[
        bool,
        typer.Option("--llm", help="Hypotheses in plain words, judged on unseen documents by --model."),
    ] = False,
    judged: Annotated[
        int, typer.Option("--judged", help="With --llm: documents of each set for the judge.", min=2)
    ] = 100,
    base_url: BaseUrl = None,
    model: ModelName = None,
    api_key_env: ApiKeyEnv = "OPENAI_API_KEY",
    concurrency: Concurrency = 8,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    tap: TapName = None,
    labels: LabelFile = None,
    seed: Annotated[int, typer.Option("--seed", help="Of halves, samples and shuffles.")] = 0,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    parquet: TableFile = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    prompt_column: PromptColumn = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Rank the features by how differently often they are present in two or more sets of documents.

    Every feature with support is tested, with the false discovery rate controlled, adjusted for length, and
    confirmed on the half of the data that was not used to find it. A data file given for a corpus is encoded
    first.
    """
    from saetext.features.known_labels import labels_for
    from saetext.report.console.differences import render_diff

    require_one_format(as_json, as_csv)
    if by is None and len(corpora) < 2:
        raise typer.BadParameter("expected two corpora or more, or one with --by")
    if by is not None and len(corpora) != 1:
        raise typer.BadParameter(f"expected one corpus with --by, got {len(corpora)}")
    if by is None and len(corpora) > 2:
        _require_two(len(corpora), null, llm)
    client = client_for(base_url, model, api_key_env, concurrency, price_in, price_out)
    if llm and client is None:
        raise InputError("hypotheses by a language model need an endpoint: give --base-url and --model")
    for path in (parquet, html):
        require_new(path)
    columns = {"text": text_column, "id": id_column, "prompt": prompt_column}
    opened: list[Any] = [open_or_encode(path, device=device, dtype=dtype, **columns) for path in corpora]
    opened = [selected(corpus, where, path) for corpus, path in zip(opened, corpora, strict=True)]
    column, named = "", tuple(short_names(corpora))
    if by is not None:
        from saetext.analysis.differences.asked import split_by

        column, _, values = by.partition("=")
        named, views = split_by(opened[0], column, values.split(",") if values else None)
        opened = list(views)
    settings: dict[str, Any] = {
        "pair_on": pair_on,
        "group": group,
        "control": control or None,
        "tap": tap,
        "min_support": min_support,
        "sample": sample,
        "top": top or None,
        "seed": seed,
        "against": against,
        "names": named,
        "labels": labels_for(opened[0], tap, labels),
    }
    if len(opened) == 2:
        settings |= {"plain": plain, "null": null}
    else:
        _require_two(len(opened), null, llm)
    found = _judged(opened, client, judged, settings) if llm else _compared(opened, settings)
    found = _with_origin(found, column, where)
    write_table(found, parquet)
    write_report(found, opened, settings["labels"], html, device, dtype, reads=not found.several)
    finish(found, as_json, as_csv, lambda: render_diff(found, width(), colored(), encoding=encoding()))


def _require_two(sets: int, null: int, llm: bool) -> None:
    for option, given in (("--null", null), ("--llm", llm)):
        if given:
            raise typer.BadParameter(f"{option} is for two sets, and these are {sets}")


def _compared(opened: list[Any], settings: dict[str, Any]) -> DiffResult:
    from saetext.analysis.differences import diff as compare

    with progress_bar("comparing") as show:
        return compare(*opened, on_progress=show, **settings)


def _judged(opened: list[Any], client: Any, judged: int, settings: dict[str, Any]) -> DiffResult:
    from saetext.analysis.differences.judged import diff_with_hypotheses

    def tell(estimate: Any) -> None:
        note(f"judging {estimate.describe()}, at most")

    with progress_bar("judging") as show:
        found = diff_with_hypotheses(
            opened[0], opened[1], client, judged=judged, on_estimate=tell, on_progress=show, **settings
        )
    note(client.ledger.describe())
    return found


def _with_origin(found: DiffResult, column: str, where: str | None) -> DiffResult:
    """Return the result with what was selected in its parameters."""
    more = {key: value for key, value in (("by", column), ("where", where)) if value}
    sources = found.sources
    if column:
        sources = tuple(dataclasses.replace(s, where=f"{column} = {s.name}") for s in sources)
    return dataclasses.replace(found, params={**found.params, **more}, sources=sources)
