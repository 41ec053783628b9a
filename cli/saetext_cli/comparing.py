"""``saetext diff``: how two sets of documents differ."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from saetext.errors import InputError
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
    result,
    waiting,
    width,
)
from saetext_cli.making import open_or_encode


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "diff",
        epilog="Examples: saetext diff a.corpus b.corpus --pair-on prompt_id; "
        "saetext diff all.corpus --by model=gpt4,claude --json",
    )(diff)


def diff(
    corpora: Annotated[
        list[Path], typer.Argument(metavar="A [B]", help="Two corpora or data files, or one with --by.")
    ],
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="COLUMN=A,B", help="Compare two values of a column of one corpus."),
    ] = None,
    pair_on: Annotated[
        str | None,
        typer.Option(
            "--pair-on", metavar="COLUMN", help="Rows pair one to one on this column; '' never pairs."
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="EXPR", help="Only these documents, e.g. \"topic = 'travel'\"."),
    ] = None,
    top: Annotated[int, typer.Option("--top", help="Rows to show; 0 for all.", min=0)] = 20,
    min_support: Annotated[
        int | None,
        typer.Option("--min-support", help="Documents a feature must be present in to be tested.", min=1),
    ] = None,
    tap: TapName = None,
    labels: LabelFile = None,
    seed: Annotated[int, typer.Option("--seed", help="Recorded in the result.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="FILE", help="Write the table too.")
    ] = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    prompt_column: PromptColumn = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Rank the features by how differently often they are present in two sets of documents.

    Every feature with support is tested (McNemar's exact test for pairs, Fisher's otherwise), with the false
    discovery rate controlled (Benjamini-Hochberg). A data file given for a corpus is encoded first.
    """
    from saetext.diff import diff as compare
    from saetext.diff import diff_by
    from saetext.known_labels import labels_for
    from saetext.report.terminal import render_diff

    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    wanted = 2 if by is None else 1
    if len(corpora) != wanted:
        raise typer.BadParameter(
            f"expected {'one corpus with --by' if by else 'two corpora'}, got {len(corpora)}"
        )
    require_new(parquet)
    columns = {"text": text_column, "id": id_column, "prompt": prompt_column}
    opened = [open_or_encode(path, device=device, dtype=dtype, **columns) for path in corpora]
    if where is not None:
        opened = [corpus.select(where) for corpus in opened]
        if empty := [path for path, corpus in zip(corpora, opened, strict=True) if not len(corpus)]:
            raise InputError(f"no document of {empty[0]} has {where}")
    settings: dict[str, Any] = {
        "pair_on": pair_on,
        "tap": tap,
        "min_support": min_support,
        "top": top or None,
        "seed": seed,
        "labels": labels_for(opened[0], tap, labels),
    }
    with waiting("comparing"):
        if by is not None:
            column, _, values = by.partition("=")
            found = diff_by(opened[0], column, values.split(",") if values else None, **settings)
        else:
            found = compare(*opened, names=_names(corpora), **settings)
    if where is not None:
        found = dataclasses.replace(found, params={**found.params, "where": where})
    if parquet is not None:
        found.to_parquet(parquet)
        note(f"wrote {parquet}")
    if as_json or as_csv:
        for line in found.notes:
            note(f"note: {line}")
    if as_json:
        result(found.to_json())
    elif as_csv:
        result(found.to_csv())
    else:
        result(render_diff(found, width(), colored(), encoding=encoding()))


def _names(paths: list[Path]) -> tuple[str, str]:
    """Return the shortest names that tell two paths apart: the files' stems, or the paths."""
    stems = [path.resolve().name.split(".")[0] or str(path) for path in paths]
    return (stems[0], stems[1]) if stems[0] != stems[1] else (str(paths[0]), str(paths[1]))
