"""``saetext detector``: list the detectors, score texts with them, or make one from examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.io.common_options import seed_option
from saetext.io.request import Request, option
from saetext.text.terminal import typed, visible
from saetext_cli.common import note, require_new, result, telling
from saetext_cli.declared import expanded
from saetext_cli.making import open_or_encode
from saetext_cli.options import CSV_BOM, RAW_CSV, FileColumns, Running

if TYPE_CHECKING:
    import polars as pl

    from saetext.corpus import Corpus
    from saetext.features.detectors import Detector


@dataclass(frozen=True, kw_only=True)
class DetectorRequest(Request):
    """What to make a detector from, which to use, and where results go."""

    like: Path | None = option(
        "With make: texts or a corpus with the property.", default=None, metavar="FILE"
    )
    unlike: Path | None = option(
        "With make: texts or a corpus without it, of the same kinds and lengths.",
        default=None,
        metavar="FILE",
    )
    title: str | None = option("With make: the property in a few words.", default=None, metavar="TEXT")
    use: list[Path] | None = option(
        "With list and score: a detector's file; may be repeated. By default those that come with saetext.",
        default=None,
        hint=list[Path] | None,
        metavar="FILE",
    )
    output: Path | None = option(
        "With make: the detector's file. With score: a .csv or .parquet table.",
        default=None,
        flags=("--output", "-o"),
        metavar="FILE",
    )
    as_json: bool = option("Print JSON.", default=False, flags=("--json",))
    raw_csv: bool = option(f"With score: {RAW_CSV[0].lower()}{RAW_CSV[1:]}", default=False)
    csv_bom: bool = option(f"With score: {CSV_BOM[0].lower()}{CSV_BOM[1:]}", default=False)
    seed: int = seed_option("the split into texts to learn from and to calibrate with")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "detector",
        epilog="Examples: saetext detector list; saetext detector score answers.jsonl -o scores.csv; "
        "saetext detector make brisk --like brisk.jsonl --unlike gentle.jsonl -o brisk.json",
    )(expanded(detector))


def detector(
    action: Annotated[str, typer.Argument(metavar="list|score|make", help="What to do.")],
    request: DetectorRequest,
    columns: FileColumns,
    running: Running,
    target: Annotated[
        str | None,
        typer.Argument(metavar="[NAME-or-FILE]", help="score: a corpus or a data file. make: a name."),
    ] = None,
) -> None:
    """List detectors of properties, score texts with them, or make one from examples.

    A detector is a linear probe over the features of one reader. It says how likely a text has a property,
    such as a refusal or a table.
    """
    _require(action, target, request)
    if action == "list":
        _list(request)
        return
    require_new(request.output)
    given: dict[str, Any] = {"device": running.device, "dtype": running.dtype, **columns.given()}
    if action == "score":
        _score(open_or_encode(Path(str(target)), **given), request)
        return
    assert request.like is not None and request.unlike is not None
    _make(
        str(target), open_or_encode(request.like, **given), open_or_encode(request.unlike, **given), request
    )


def _require(action: str, target: str | None, request: DetectorRequest) -> None:
    if action not in ("list", "score", "make"):
        raise typer.BadParameter(f"expected list, score or make, not {action!r}")
    if (target is None) != (action == "list"):
        told = {"list": "list takes no name", "score": "name a corpus or a data file", "make": "name it"}
        raise typer.BadParameter(told[action])
    writes_csv = request.output is not None and request.output.suffix.lower() == ".csv"
    for name, given in (("--raw-csv", request.raw_csv), ("--csv-bom", request.csv_bom)):
        if given and not (action == "score" and writes_csv):
            raise typer.BadParameter(f"{name} goes with score and an --output in .csv")
    made_of = {"--like": request.like, "--unlike": request.unlike, "--output": request.output}
    if action == "make":
        missing = [name for name, value in made_of.items() if value is None]
        if missing or request.use or request.as_json:
            raise typer.BadParameter("make needs --like, --unlike and --output, and takes no --use or --json")
        return
    if request.like or request.unlike or request.title:
        raise typer.BadParameter("--like, --unlike and --title go with make")
    if action == "list" and request.output:
        raise typer.BadParameter("--output goes with score and make")
    if request.output and request.output.suffix.lower() not in (".csv", ".parquet"):
        raise typer.BadParameter(f"--output writes .csv or .parquet, not {request.output.name!r}")


def _detectors(request: DetectorRequest, corpus: Corpus | None = None) -> tuple[Detector, ...]:
    from saetext.errors import InputError
    from saetext.features.detectors import load, shipped

    found = load(request.use) if request.use else shipped(None if corpus is None else corpus.spec)
    if not found and corpus is not None:
        raise InputError(
            f"no detectors come with the reader of {corpus.path}; make one, and name it with --use"
        )
    return found


def _list(request: DetectorRequest) -> None:
    from saetext.io import strict_json

    found = _detectors(request)
    if request.as_json:
        keys = ("name", "title", "description", "sae", "threshold", "auc", "made_from")
        result(strict_json.dumps([{key: getattr(each, key) for key in keys} for each in found]))
        return
    lines = [f"{'name':<16} {'AUC unseen':>10} {'threshold':>9}  property"]
    for each in found:
        unseen = [value for key, value in each.auc.items() if key != "held out"]
        auc = f"{min(unseen):.2f}" if unseen else "–"
        told = f"{each.name:<16} {auc:>10} {each.threshold:>9.2f}  {each.title}"
        lines.append(visible(told))
    result("\n".join(lines))


def _score(corpus: Corpus, request: DetectorRequest) -> None:
    import polars as pl

    from saetext.features.detectors import LONG_SHARE, LONGEST, long_share, score

    detectors = _detectors(request, corpus)
    with telling("scoring"):
        found = score(corpus, detectors)
        whole = [detector.name for detector in detectors if not detector.reach]
        share = long_share([corpus]) if whole else 0.0
    if share > LONG_SHARE:
        note(
            f"{100 * share:.0f} % of the texts have more than {LONGEST} features (about 370 words): "
            f"probabilities of such texts are too high ({', '.join(whole)})"
        )
    ids = corpus.documents.select("id").collect()["id"]
    table = pl.DataFrame({"id": ids, **{each.name: found[:, at] for at, each in enumerate(detectors)}})
    if request.output is not None:
        _write(table, request.output, request)
        note(f"wrote {request.output}: {table.height:,} texts, {len(detectors)} detectors")
        return
    if request.as_json:
        from saetext.io import strict_json

        result(strict_json.dumps(table.to_dicts()))
        return
    lines = [
        f"{'name':<16} {'texts':>7} {'in %':>6}  property (present: at or above the detector's threshold)"
    ]
    for at, each in enumerate(detectors):
        n = int((found[:, at] >= each.threshold).sum())
        share = 100 * n / max(len(found), 1)
        lines.append(visible(f"{each.name:<16} {n:>7,} {share:>6.1f}  {each.title}"))
    result("\n".join(lines))


def _write(table: pl.DataFrame, path: Path, request: DetectorRequest) -> None:
    from saetext.analysis.export import atomically, write_text
    from saetext.io.csv_text import BOM, csv_of

    if path.suffix.lower() == ".csv":
        write_text(path, (BOM if request.csv_bom else "") + csv_of(table, raw=request.raw_csv))
    else:
        import pyarrow.parquet as pq

        # by Arrow, which says of a full disk that it is full
        atomically(path, lambda beside: pq.write_table(table.to_arrow(), beside), overwrite=False)


def _make(name: str, like: Corpus, unlike: Corpus, request: DetectorRequest) -> None:
    from saetext.features.detectors.making import make

    with telling("learning"):
        made = make(name, like, unlike, title=request.title or name, seed=request.seed)
    assert request.output is not None
    made.write(request.output)
    note(
        f"wrote {request.output}: {len(made.features)} features, AUC {made.auc['held out']:.2f} on texts set "
        f"aside; use it with: saetext detector score FILE --use {typed(request.output)}"
    )
