"""``saetext correlate``: which concepts travel together."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    require_new,
    short_names,
    width,
)
from saetext_cli.making import open_or_encode
from saetext_cli.meters import progress_bar

if TYPE_CHECKING:
    pass


class Order(StrEnum):
    """By what pairs are ordered."""

    surprise = "surprise"
    npmi = "npmi"


class Rate(StrEnum):
    """How the false-discovery rate is controlled."""

    bh = "bh"
    by = "by"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "correlate",
        epilog="Examples: saetext correlate answers.corpus --html pairs.html; "
        "saetext correlate prompts.corpus --across answers.corpus --pair-on prompt_id; "
        "saetext correlate answers.corpus --with rating --within prompt_id; "
        'saetext correlate answers.corpus --to "apologising"',
    )(correlate)


def correlate(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A corpus or a data file.")],
    column: Annotated[
        str | None,
        typer.Option("--with", metavar="COLUMN", help="Pair features with this column, not each other."),
    ] = None,
    across: Annotated[
        Path | None,
        typer.Option("--across", metavar="CORPUS", help="Pair its features with those of a second corpus."),
    ] = None,
    pair_on: Annotated[
        str | None,
        typer.Option("--pair-on", metavar="COLUMN", help="With --across: rows belong together on this."),
    ] = None,
    within: Annotated[
        str | None,
        typer.Option("--within", metavar="COLUMN", help="Compare within its values; flag signs that differ."),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar='N|"TEXT"', help="Only pairs with this feature; may be repeated."),
    ] = None,
    group: Group = None,
    where: Where = None,
    sample: Sample = None,
    top: Annotated[
        int, typer.Option("--top", help="Pairs to show of each kind; 0 for all that were looked at.", min=0)
    ] = 12,
    everything: Annotated[
        bool, typer.Option("--all", help="Show matters of course and what is not significant, too.")
    ] = False,
    max_similarity: Annotated[
        float, typer.Option("--max-similarity", help="Of two labels; above it a pair is hidden.")
    ] = 0.45,
    max_cosine: Annotated[
        float, typer.Option("--max-cosine", help="Of two decoder directions; above it a pair is hidden.")
    ] = 0.3,
    max_same_phrase: Annotated[
        float,
        typer.Option(
            "--max-same-phrase", help="Share of common documents with both in one phrase; likewise."
        ),
    ] = 0.5,
    min_support: Annotated[
        int | None,
        typer.Option("--min-support", help="Documents a feature must be present in; 5 or .05 %.", min=1),
    ] = None,
    min_joint: Annotated[
        int, typer.Option("--min-joint", help="Documents that must have both, for an attraction.", min=1)
    ] = 5,
    order: Annotated[
        Order, typer.Option("--order", help="By surprise (what follows from other pairs late), or npmi.")
    ] = Order.surprise,
    fdr: Annotated[
        Rate, typer.Option("--fdr", help="Benjamini-Hochberg, or -Yekutieli (under any dependence).")
    ] = Rate.bh,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", help="Resamples for the intervals; 0 for none.", min=0)
    ] = 200,
    html: ReportFile = None,
    tap: TapName = None,
    across_tap: Annotated[
        str | None, typer.Option("--across-tap", help="Which SAE's features of the second; as --tap.")
    ] = None,
    labels: LabelFile = None,
    seed: Annotated[int, typer.Option("--seed", help="Of halves, samples and resamples.")] = 0,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    parquet: TableFile = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    prompt_column: PromptColumn = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Rank pairs of concepts that occur together more or less often than chance, the surprising ones first.

    Counts are compared with those expected among documents of equal length, with the false discovery rate
    controlled over all eligible pairs. Pairs whose labels or directions are alike, or that are one phrase,
    are hidden and counted. A data file given for a corpus is encoded first.
    """
    from saetext.analysis.cooccurrence import Limits
    from saetext.analysis.cooccurrence import correlate as compute
    from saetext.features.known_labels import labels_for
    from saetext.report.console.cooccurrence import render_correlate

    require_one_format(as_json, as_csv)
    if across is not None and column is not None:
        raise typer.BadParameter("choose one of --across and --with")
    if pair_on is not None and across is None:
        raise typer.BadParameter("--pair-on is for two corpora: name the second with --across")
    for path in (parquet, html):
        require_new(path)
    columns = {"text": text_column, "id": id_column, "prompt": prompt_column}
    first: Any = open_or_encode(corpus, device=device, dtype=dtype, **columns)
    second: Any = None
    if across is not None:
        second = open_or_encode(across, device=device, dtype=dtype, **columns)
    first = selected(first, where, corpus)
    known = labels_for(first, tap, labels)
    with progress_bar("reading") as show:
        found = compute(
            first,
            second,
            column=column,
            pair_on=pair_on,
            within=within,
            to=_to(to),
            group=group,
            tap=tap,
            across_tap=across_tap,
            min_support=min_support,
            least=min_joint,
            top=top or None,
            everything=everything,
            limits=Limits(max_similarity, max_cosine, max_same_phrase),
            order=order.value,
            fdr=fdr.value,
            bootstrap=bootstrap,
            sample=sample,
            seed=seed,
            names=short_names([corpus] if across is None else [corpus, across]),
            labels=known,
            on_progress=show,
        )
    if where is not None:
        found = dataclasses.replace(found, params={**found.params, "where": where})
    write_table(found, parquet)
    both = [first] if second is None else [first, second]
    write_report(found, both, known, html, device, dtype, reads=True)
    finish(found, as_json, as_csv, lambda: render_correlate(found, width(), colored(), encoding=encoding()))


def _to(given: list[str] | None) -> str | list[int] | None:
    if not given:
        return None
    if all(value.strip().isascii() and value.strip().isdecimal() for value in given):
        return [int(value) for value in given]
    if len(given) > 1:
        raise typer.BadParameter("--to takes feature numbers, or one description in words")
    return given[0]
