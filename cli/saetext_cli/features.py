"""``saetext features``: find features by what they mean, look at one, tabulate all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from saetext.errors import InputError, ReaderError
from saetext.io.common_options import top_option
from saetext.io.request import option, options_of
from saetext_cli.analysing import print_data
from saetext_cli.common import colored, encoding, note, require_new, result, waiting, width
from saetext_cli.options import Labelled, ModelChoice, Printed, Texts

if TYPE_CHECKING:
    from saetext.analysis.base import Result
    from saetext.features import Profile, Subject


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "features",
        epilog='Examples: saetext features embedded "politeness" --top 10; '
        "saetext features smollm2 --vocabulary --sort kurtosis -o vocabulary.parquet; "
        "saetext features smollm2 --over answers.jsonl",
    )(features)


@dataclass(frozen=True, kw_only=True)
class FeaturesRequest(Printed):
    """What to do with the features: find some, show one, or tabulate all."""

    vocabulary: bool = option(
        "Statistics over the model's vocabulary: each token alone, through the model and the SAE's encoder.",
        default=False,
    )
    over: str | None = option(
        "Statistics over the tokens of texts, which are read now: a file, or a corpus that stores them.",
        default=None,
        metavar="FILE-or-CORPUS",
    )
    sort: Literal["token_density", "mean", "std", "skewness", "kurtosis", "max"] | None = option(
        "With --vocabulary or --over: the column to sort by, largest first; by default max.", default=None
    )

    show: str | None = option(
        "Show feature number N, or a property by its name, such as refusal, instead.",
        default=None,
        metavar="N-or-NAME",
    )
    html: Path | None = option(
        "With --show N: write it as one self-contained HTML page.", default=None, metavar="FILE"
    )
    table: Path | None = option(
        "Write every feature's statistics; .parquet or .csv by the name. Alone: of a corpus, by document.",
        default=None,
        metavar="FILE",
        flags=("--table", "-o"),
    )
    top: int | None = top_option("features", 20)
    lexical: bool = option("Search labels by their words, not by meaning.", default=False)
    peaks: bool = option("With --show N: mark stored peaks only, without loading the model.", default=False)

    @property
    def number(self) -> int | None:
        """The feature to show; None where none or a property is."""
        try:
            return None if self.show is None else int(self.show)
        except ValueError:
            return None

    @property
    def over_tokens(self) -> bool:
        """Whether statistics over tokens are asked for."""
        return self.vocabulary or self.over is not None

    @property
    def writes_csv(self) -> bool:
        """Whether there is any CSV, the table's file included."""
        return self.as_csv or (self.table is not None and self.table.suffix.lower() == ".csv")


def features(
    name: Annotated[
        str,
        typer.Argument(
            metavar="READER-or-CORPUS",
            help="A corpus, embedded, smollm2, RELEASE/SAE_ID as in SAELens, or a directory with an SAE.",
        ),
    ],
    request: FeaturesRequest,
    labelled: Labelled,
    choice: ModelChoice,
    texts: Texts,
    query: Annotated[
        str | None, typer.Argument(metavar="[WORDS]", help="What to look for among labels and properties.")
    ] = None,
) -> None:
    """Find features and properties by meaning; look at one (--show); tabulate all (--table).

    Properties, such as refusals or tables, are what the detectors that come with a reader see in a text.

    --vocabulary and --over tell how each feature behaves token by token: mean, standard deviation, skewness
    and kurtosis of its activations over all tokens, how many it is active on, and its strongest tokens.
    """
    _require_one_task(query, request, texts)
    for file in (request.html, request.table):
        require_new(file)
    if request.over_tokens:
        from saetext_cli.over_tokens import tabulate_tokens

        tabulate_tokens(name, request, labelled, choice, texts)
        return
    from saetext.features import open_subject

    subject = open_subject(
        name,
        # a corpus knows its own model; the option says where that is now
        model=None if is_corpus(name) else choice.model,
        sae=labelled.sae,
        labels=labelled.labels,
        device=choice.device,
        dtype=choice.dtype,
        trust_pickle=choice.trust_pickle,
    )
    if query is not None:
        _find(subject, query, request, choice.device)
    elif request.table is not None:
        _tabulate(subject, request.table, request)
    elif request.number is not None:
        subject.require(request.number)
        _show(_profile(subject, request.number, request.peaks, choice), request.html, request.as_json)
    elif request.show is not None:
        _show_property(subject, request.show, request.as_json)


def _require_one_task(query: str | None, request: FeaturesRequest, texts: Texts) -> None:
    alone = None if request.over_tokens else request.table  # the statistics over tokens go into it
    tasks = (query, request.show, alone, request.vocabulary or None, request.over)
    if sum(task is not None for task in tasks) != 1:
        raise typer.BadParameter(
            "give words to look for, or --show N, or --table FILE, or --vocabulary, or --over FILE"
        )
    if request.sort is not None and not request.over_tokens:
        raise typer.BadParameter("--sort goes with --vocabulary or --over")
    if request.over is None and (unused := given_of(texts)):
        raise typer.BadParameter(f"{unused} is about the texts of --over FILE")
    if request.html is not None and request.show is None:
        raise typer.BadParameter("--html writes the page of one feature: name it with --show N")
    if request.show is not None and request.number is None and (request.html is not None or request.peaks):
        raise typer.BadParameter("--html and --peaks are for features: name one by its number")
    if request.as_csv and query is None and not request.over_tokens:
        raise typer.BadParameter("--csv is for features found by words, --vocabulary and --over")
    if request.table is not None and request.table.suffix.lower() not in (".parquet", ".csv"):
        raise typer.BadParameter(f"--table writes .parquet or .csv, not {request.table.name!r}")


def given_of(texts: Texts) -> str:
    """Return the first option about a file of texts that was given, as it is spelt; empty if none was."""
    changed = texts.changed(*texts.option_names())
    return next((item.spelt for item in options_of(Texts) if item.name in changed), "")


def is_corpus(name: str) -> bool:
    """Return whether a name is that of a corpus's directory."""
    return any((Path(name) / file).is_file() for file in ("manifest.json", "plan.json"))


def _find(subject: Subject, query: str, request: FeaturesRequest, device: str) -> None:
    import polars as pl

    from saetext.analysis.base import Result
    from saetext.features import LabelIndex, find_properties
    from saetext.report.console.features import render_found
    from saetext.report.console.properties import property_lines

    index = LabelIndex(subject.labels, lexical=request.lexical or None, device=device)
    what = "searching" if (built := index.built) else f"embedding {len(subject.labels):,} labels, once"
    if not built:
        note(f"{what}, for this and later searches")
    with waiting(what):
        found = index.search(query, request.top or len(subject.labels))
        properties = find_properties(subject, query, None if index.lexical else index.embedded)
    rows = []
    for feature, score in found:
        label = subject.labels[feature]
        density = label.density
        if density is None and subject.calibration is not None:
            density = float(subject.calibration.density[feature])
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
    if not request.for_programs:
        lines = property_lines(properties, subject.name, corpus=subject.corpus is not None)
        best = max((score for _, score in found), default=0.0)
        text = render_found(
            rows, width(), colored(),
            notes=[] if request.lexical else index.notes,
            properties=lines,
            first=bool(properties) and (index.lexical or float(properties[0].score or 0.0) >= best),
            encoding=encoding(),
        )  # fmt: skip
        result(text, colours=colored())
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
        {"of": subject.name, "query": query, "top": request.top, "lexical": index.lexical},
        {"labels": len(subject.labels), "properties": [each.to_dict() for each in properties]},
        index.notes,
    )
    print_data(whole, request)


def _tabulate(subject: Subject, path: Path, request: Printed) -> None:
    if subject.corpus is None:
        raise InputError(
            f"{subject.name} is a reader: statistics need texts, so name a corpus that was made with it"
        )
    from saetext.analysis.base import Result, Source
    from saetext.features import feature_table

    corpus = subject.corpus
    with waiting("counting"):
        table = feature_table(corpus, subject.sae.name, subject.labels)
    source = Source(subject.name, str(corpus.path), corpus.fingerprint)
    whole: Result = Result(
        "features", table, {"sae": subject.sae.name}, {"documents": corpus.n_documents}, (), (source,)
    )
    write_either(whole, path, request)
    present = int((table["documents"] > 0).sum())
    note(
        f"{path}: {table.height:,} features, {present:,} of them present in {corpus.n_documents:,} documents"
    )


def write_either(whole: Result, path: Path, request: Printed) -> None:
    """Write a table as CSV or Parquet, by the file's name."""
    from saetext.analysis.export import write_text
    from saetext.io.csv_text import BOM

    if path.suffix.lower() == ".csv":
        write_text(path, (BOM if request.csv_bom else "") + whole.to_csv(raw=request.raw_csv))
    else:
        whole.to_parquet(path)


def _profile(subject: Subject, feature: int, peaks: bool, choice: ModelChoice) -> Profile:
    from saetext.features.profile import profile

    reader = None
    if subject.corpus is not None and not peaks:
        try:
            with waiting("loading the reader, to shade the words"):
                reader = subject.load_reader(
                    model=choice.model,
                    device=choice.device,
                    dtype=choice.dtype,
                    trust_pickle=choice.trust_pickle,
                )
        except ReaderError as error:
            note(f"the reader cannot be loaded: {error}")
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

        result(render_profile(profile, width(), colored(), encoding=encoding()), colours=colored())


def _show_property(subject: Subject, name: str, as_json: bool) -> None:
    from saetext.features import property_profile
    from saetext.report.console.properties import render_property

    with waiting("looking"):
        profile = property_profile(subject, name.strip())
    if as_json:
        result(profile.to_json())
    else:
        result(render_property(profile, width(), colored(), encoding=encoding()), colours=colored())
