"""``saetext features``: find features by what they mean, look at one, tabulate all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saetext.errors import InputError, ReaderError
from saetext_cli.common import (
    Device,
    Dtype,
    LabelFile,
    ModelName,
    TapName,
    TrustPickle,
    colored,
    encoding,
    note,
    require_new,
    result,
    waiting,
    width,
)

if TYPE_CHECKING:
    from saetext.analysis.base import Result
    from saetext.features import Profile, Subject


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("features", epilog='Example: saetext features embedded "politeness" --top 10')(features)


def features(
    name: Annotated[
        str,
        typer.Argument(
            metavar="READER-or-CORPUS",
            help="A corpus, embedded, RELEASE/SAE_ID as in SAELens, or a directory with an SAE.",
        ),
    ],
    query: Annotated[
        str | None, typer.Argument(metavar="[WORDS]", help="What to look for among the labels.")
    ] = None,
    show: Annotated[
        int | None, typer.Option("--show", metavar="N", help="Show feature number N instead.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="With --show: write it as one self-contained page."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table", metavar="FILE", help="Write every feature's statistics; .parquet or .csv by the name."
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", help="Features to list.", min=1)] = 20,
    lexical: Annotated[
        bool, typer.Option("--lexical", help="Search labels by their words, not by meaning.")
    ] = False,
    peaks: Annotated[
        bool,
        typer.Option("--peaks", help="With --show: mark stored peaks only, without loading the model."),
    ] = False,
    model: ModelName = None,
    tap: TapName = None,
    labels: LabelFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print what was found as CSV.")] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    trust_pickle: TrustPickle = False,
) -> None:
    """Find features by what their labels mean; look at one (--show); tabulate all (--table)."""
    _require_one_task(query, show, html, table, as_json, as_csv)
    for file in (html, table):
        require_new(file)
    from saetext.features import open_subject

    subject = open_subject(
        name,
        # a corpus knows its own model; the option says where that is now
        model=None if _is_corpus(name) else model,
        tap=tap,
        labels=labels,
        device=device,
        dtype=dtype,
        trust_pickle=trust_pickle,
    )
    if query is not None:
        _find(subject, query, top, lexical, device, as_json, as_csv)
    elif table is not None:
        _tabulate(subject, table)
    elif show is not None:
        subject.require(show)
        _show(_profile(subject, show, peaks, model, device, dtype, trust_pickle), html, as_json)


def _require_one_task(
    query: str | None, show: int | None, html: Path | None, table: Path | None, as_json: bool, as_csv: bool
) -> None:
    if sum(task is not None for task in (query, show, table)) != 1:
        raise typer.BadParameter("give words to look for, or --show N, or --table FILE")
    if html is not None and show is None:
        raise typer.BadParameter("--html writes the page of one feature: name it with --show N")
    if as_csv and (query is None or as_json):
        raise typer.BadParameter("--csv is for features found by words, without --json")
    if table is not None and table.suffix.lower() not in (".parquet", ".csv"):
        raise typer.BadParameter(f"--table writes .parquet or .csv, not {table.name!r}")


def _is_corpus(name: str) -> bool:
    return any((Path(name) / file).is_file() for file in ("manifest.json", "plan.json"))


def _find(
    subject: Subject, query: str, top: int, lexical: bool, device: str, as_json: bool, as_csv: bool
) -> None:
    import polars as pl

    from saetext.analysis.base import Result
    from saetext.features import LabelIndex
    from saetext.report.console.features import render_found

    index = LabelIndex(subject.labels, lexical=lexical or None, device=device)
    built = index.lexical or index.cached_at.is_file()
    what = "searching" if built else f"embedding {len(subject.labels):,} labels, once"
    if not built:
        note(f"{what}, for this and later searches")
    with waiting(what):
        found = index.search(query, top)
    rows = []
    for feature, score in found:
        label = subject.labels[feature]
        density = label.density
        if density is None and subject.card is not None:
            density = float(subject.card.density[feature])
        rows.append(
            {
                "feature": feature,
                "label": label.label,
                "score": score,
                "density": density,
                "label_score": label.score,
                "kind": label.kind,
                "description": label.description,
            }
        )
    if not (as_json or as_csv):
        notes = [] if lexical else index.notes
        result(render_found(rows, width(), colored(), notes=notes, encoding=encoding()))
        return
    schema = {
        "feature": pl.Int32,
        "label": pl.String,
        "score": pl.Float64,
        "density": pl.Float64,
        "label_score": pl.Float64,
        "kind": pl.String,
        "description": pl.String,
    }
    whole = Result(
        "features",
        pl.DataFrame(rows, schema=schema),
        {"of": subject.name, "query": query, "top": top, "lexical": index.lexical},
        {"labels": len(subject.labels)},
        index.notes,
    )
    result(whole.to_json() if as_json else whole.to_csv())


def _tabulate(subject: Subject, path: Path) -> None:
    if subject.corpus is None:
        raise InputError(
            f"{subject.name} is a reader: statistics need texts, so name a corpus that was made with it"
        )
    from saetext.analysis.base import Result, Source
    from saetext.analysis.export import write_text
    from saetext.features import feature_table

    corpus = subject.corpus
    with waiting("counting"):
        table = feature_table(corpus, subject.tap.name, subject.labels)
    source = Source(subject.name, str(corpus.path), corpus.fingerprint)
    whole: Result = Result(
        "features", table, {"tap": subject.tap.name}, {"documents": corpus.n_documents}, (), (source,)
    )
    if path.suffix.lower() == ".csv":
        write_text(path, whole.to_csv())
    else:
        whole.to_parquet(path)
    present = int((table["documents"] > 0).sum())
    note(
        f"{path}: {table.height:,} features, {present:,} of them present in {corpus.n_documents:,} documents"
    )


def _profile(
    subject: Subject,
    feature: int,
    peaks: bool,
    model: str | None,
    device: str,
    dtype: str,
    trust_pickle: bool,
) -> Profile:
    from saetext.features import profile

    reader = None
    if subject.corpus is not None and not peaks:
        try:
            with waiting("loading the reader, to shade the words"):
                reader = subject.load_reader(
                    model=model, device=device, dtype=dtype, trust_pickle=trust_pickle
                )
        except ReaderError as error:
            note(f"the reader cannot be loaded: {' '.join(str(error).split())}")
    with waiting("looking"):
        return profile(subject, feature, reader=reader)


def _show(profile: Profile, html: Path | None, as_json: bool) -> None:
    if html is not None:
        from saetext.analysis.export import write_text
        from saetext.report.html.feature_page import render_page

        write_text(html, render_page(profile))
        note(f"{html}: feature {profile.feature} of {profile.of}")
    if as_json:
        result(profile.to_json())
    elif html is None:
        from saetext.report.console.features import render_profile

        result(render_profile(profile, width(), colored(), encoding=encoding()))
