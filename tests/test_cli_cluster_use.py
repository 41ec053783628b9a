"""Clusters in use from outside: as columns, compared, over time, a row a document."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from test_cli import Run, place, saetext
from tiny_reader import WORDS, tiny, write_jsonl

import saetext as library
from saetext.analysis.circular import circular_notes
from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.reader import sentences as embed

__all__ = ["place"]

QUICK = ["--min-cluster-size", "5", "--min-samples", "2", "--epochs", "30", "--max-share", "0.9"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two months of documents, in the second of which one subject is new; clusters of the first."""
    home = tmp_path_factory.mktemp("use")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("SAETEXT_CACHE", str(home / "cache"))
        patch.setattr(embed, "available", lambda: False)
        draw = random.Random(0)
        for name, topics in (("october", (0, 1, 0, 1)), ("november", (0, 1, 2, 2))):
            rows = []
            for i in range(60):
                words = WORDS[4 * topics[i % 4] : 4 * topics[i % 4] + 4]
                text = " ".join(draw.choice(words) for _ in range(draw.randint(4, 20)))
                day = dt.date(2024, 10 if name == "october" else 11, 1 + i % 28)
                rows.append(
                    {
                        "id": f"d{i}",
                        "text": text,
                        "day": str(day),
                        "score": i % 5,
                        "tags": ["a", "b"],
                        "sure": "=1+1",
                    }
                )
            write_jsonl(home / f"{name}.jsonl", rows)
            assert saetext("encode", f"{name}.jsonl", *tiny().options, "-o", f"{name}.corpus").code == 0
        done = saetext("cluster", "october.corpus", *QUICK, "-o", "october.clusters")
        assert done.code == 0, done.err
        yield home


@pytest.fixture(autouse=True)
def _copied(made: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "available", lambda: False)
    shutil.copytree(made, place, dirs_exist_ok=True)


def ok(*given: object) -> Run:
    """Run a command that has to end well."""
    done = saetext(*given)
    assert done.code == 0, done.err
    return done


WITH = ["--clusters", "october.clusters"]
LIKE = ["--like", "d0", "--like", "d2", "--like", "d4"]


def test_clusters_are_columns_of_every_analysis() -> None:
    table = pl.read_parquet("october.clusters/documents.parquet")
    first = table.filter(table["cluster"] == 1)
    like = [word for one in first["id"][:3] for word in ("--like", one)]
    told = ok("search", "october.corpus", *like, *WITH, "--where", "cluster = 1", "--json").out
    rows = json.loads(told)["rows"]
    assert rows and {row["id"] for row in rows} <= set(first["id"])
    name = first["name"][0].replace("'", "''")
    within = saetext(
        "cluster", "october.corpus", *WITH, "--where", f"cluster_name = '{name}'", *QUICK, "--json"
    )
    assert within.code == 0, within.err
    assert json.loads(within.out)["metrics"]["documents"] == first.height
    compared = saetext("diff", "october.corpus", "--by", "cluster=1,2", *WITH, "--json", "--html", "d.html")
    assert compared.code == 0, compared.err
    told = json.loads(compared.out)["params"]
    assert told["clusters"] == ["october.clusters"] and told["sources"][0]["clusters"] == ["october.clusters"]
    made = "cluster: clusters are documents that are alike in features"
    assert made in compared.err
    assert circular_notes(Corpus.open("october.corpus"), "cluster") == []  # one of its own
    of_one = saetext("diff", "october.corpus", "--outcome", "cluster=1", *WITH, "--json")
    assert of_one.code == 0 and made in of_one.err, of_one.err
    pairs = saetext(
        "correlate", "october.corpus", *WITH, "--with", "cluster", "--where", "cluster > 0", "--json"
    )
    assert pairs.code == 0 and made in pairs.err, pairs.err
    page = saetext("correlate", "october.corpus", *WITH, "--where", "cluster = 1", "--html", "c.html")
    assert page.code == 0, page.err


def test_a_part_of_a_corpus_and_placed_documents_have_their_columns() -> None:
    assert (
        saetext("cluster", "october.corpus", "--where", "score < 4", *QUICK, "-o", "part.clusters").code == 0
    )
    table = pl.read_parquet("part.clusters/documents.parquet")
    corpus = Corpus.open("october.corpus")
    from saetext.analysis.clusters.columns import with_clusters

    seen = with_clusters(corpus, ["part.clusters"]).to_polars()
    assert seen.filter(pl.col("score") == 4)["cluster"].null_count() == 12
    known = dict(zip(table["id"], table["cluster"], strict=True))
    assert [known.get(i) for i in seen["id"]] == seen["cluster"].to_list()
    assert seen.filter(pl.col("cluster") == 0)["cluster_name"].null_count() == (seen["cluster"] == 0).sum()
    done = saetext("cluster", "--predict", "october.clusters", "november.corpus", "-o", "november.clusters")
    assert done.code == 0, done.err
    found = library.diff("november.corpus", by="cluster", values=["1", "2"], clusters="november.clusters")
    sizes = pl.read_parquet("november.clusters/documents.parquet")["cluster"].value_counts()
    assert found.metrics["documents_a"] == sizes.filter(pl.col("cluster") == 1)["count"].item()


def test_a_column_of_the_same_name_gives_way(tmp_path: Path) -> None:
    corpus = Corpus.open("october.corpus")
    added = corpus.with_columns(pl.DataFrame({"score": range(100, 160)}))
    view = added.select('score >= 110 AND "meta.score" = 0')
    assert view.to_polars()["score"].to_list() == list(range(110, 160, 5))
    assert (
        view.whole.n_documents == 60 and view.fingerprint == corpus.select(list(range(10, 60, 5))).fingerprint
    )
    with pytest.raises(InputError, match="3 rows for 60 documents"):
        corpus.with_columns(pl.DataFrame({"x": [1, 2, 3]}))


def test_clusters_of_another_corpus_are_refused_in_a_line() -> None:
    done = saetext("search", "november.corpus", *LIKE, *WITH, "--where", "cluster = 1")
    assert done.code == 1 and "saetext cluster --predict october.clusters november.corpus" in done.err
    assert len(done.err.strip().splitlines()) == 1
    done = saetext("diff", "october.corpus", "--by", "cluster")
    assert done.code and "--clusters DIR" in done.err
    done = saetext("search", "october.corpus", *LIKE, "--clusters", "october.corpus")
    assert done.code == 1 and len(done.err.strip().splitlines()) == 1
    assert "october.corpus holds no clusters" in done.err
    damaged = Path("october.clusters/documents.parquet")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    done = saetext("search", "october.corpus", *LIKE, *WITH, "--where", "cluster = 1")
    assert done.code == 1 and "documents.parquet" in done.err


def test_sets_side_by_side(place: Path) -> None:
    command = ["cluster", "--compare", "october.corpus", "november.corpus", *QUICK]
    done = saetext(*command, "--json", "--html", "map.html", "--documents", "all.csv")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert list(found) == ["kind", "params", "metrics", "changes", "rows"]
    assert found["params"]["sets"] == ["october", "november"] and found["metrics"]["changed"] >= 1
    table = pl.read_parquet("october-november.clusters/documents.parquet")
    for row in found["changes"]:  # counted again from what was written
        for name in ("october", "november"):
            n = table.filter((pl.col("set") == name) & (pl.col("cluster") == row["cluster"])).height
            assert row["counts"][name] == n and row["shares"][name] == pytest.approx(n / 60)
        assert row["change"] == pytest.approx(row["shares"]["november"] - row["shares"]["october"])
    new = [row for row in found["changes"] if row["q"] < 0.05 and row["change"] > 0]
    assert new and new[0]["ci_low"] > 0
    text = saetext(*command, "-o", "again.clusters").out
    assert "october, 60 documents; november, 60 documents" in text
    rows = list(csv.DictReader(io.StringIO(saetext(*command, "--csv", "-o", "third.clusters").out)))
    assert not any("{" in cell for row in rows for cell in row.values())
    assert {"share october", "share november", "change", "q"} <= set(rows[0])
    sheet = pl.read_csv("all.csv", infer_schema=False)
    assert sheet.height == 120 and set(sheet["set"]) == {"october", "november"}
    # each corpus finds its rows in the clusters of both
    both = saetext(
        "search", "november.corpus", *LIKE, "--clusters", "again.clusters", "--json",
        "--where", f"cluster = {new[0]['cluster']}",
    )  # fmt: skip
    assert both.code == 0, both.err
    # the clusters of the first month know nothing of what is new in the second: more documents are in none
    placed = saetext(
        "cluster", "--predict", "october.clusters", "--compare", "october.corpus", "november.corpus"
    )
    assert placed.code == 0, placed.err
    assert "the clusters were fitted to october" in placed.out


def test_a_fitted_document_never_votes_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fitted documents among others that were not would be in clusters more often, which is no change."""
    from saetext.analysis.clusters import compare, load_model, predict, run
    from saetext.analysis.clusters.already_fitted import already_fitted

    october, november = Corpus.open("october.corpus"), Corpus.open("november.corpus")
    model = load_model("october.clusters")
    place = {row: at for at, row in enumerate(model.fitted.rows.tolist())}
    whole = [place.get(row, -1) for row in range(60)]
    some = october.select("score < 3")
    rows = [row for row in range(60) if row % 5 < 3]
    found = [one.tolist() for one in already_fitted(model, [october, november, some])]
    assert found == [whole, [-1] * 60, [whole[row] for row in rows]] and max(whole) > 50
    told = compare(some, november, model=model, names=["a", "b"])
    assert any("the clusters were fitted to a: each of its" in note for note in told.notes)
    # clusters of a part of a corpus: the other documents of the corpus are new
    assert saetext("cluster", "october.corpus", "--where", "score < 3", *QUICK, "-o", "p.clusters").code == 0
    part = load_model("p.clusters")
    own = already_fitted(part, [october])[0]
    fitted = [rows[at] for at in part.fitted.rows.tolist()]
    assert [row for row in range(60) if own[row] >= 0] == fitted
    assert own[own >= 0].tolist() == list(range(len(fitted)))
    # and where a column is followed
    seen = []
    real = run.place
    monkeypatch.setattr(run, "place", lambda *a, own=None, **k: seen.append(own) or real(*a, own=own, **k))
    predict(part, october, over="score")
    predict(part, october)
    assert seen[0].tolist() == own.tolist() and seen[1] is None


def test_columns_of_the_same_names_are_kept_beside_the_clusters() -> None:
    from saetext.analysis.clusters.sheet import documents_sheet

    hostile = ["=cmd|' /C calc'!A0", "a\nb", "\x00\x0b", "🎉 \ud7ff", "@x", "-1+1"] * 10
    write_jsonl(
        Path("own.jsonl"),
        [{**json.loads(line), "cluster": f"mine {i}", "x": hostile[i]}
         for i, line in enumerate(Path("october.jsonl").read_text().splitlines())],
    )  # fmt: skip
    ok("encode", "own.jsonl", *tiny().options, "-o", "own.corpus")
    for name in ("own.csv", "own.xlsx"):
        ok("cluster", "own.corpus", *QUICK, "--documents", name)
    rows = list(csv.DictReader(io.StringIO(Path("own.csv").read_bytes().decode())))
    assert [row["meta.cluster"] for row in rows] == [f"mine {i}" for i in range(60)]
    assert rows[0]["meta.x"] == "'" + hostile[0] and rows[1]["meta.x"] == "a\nb"
    import openpyxl

    cells = list(openpyxl.load_workbook("own.xlsx").active.iter_rows(values_only=True))
    assert len(cells) == 61 and cells[1][cells[0].index("meta.x")] == hostile[0]
    corpus = Corpus.open("own.corpus")
    found = library.cluster(corpus, min_cluster_size=5, min_samples=2, epochs=30, max_share=0.9)
    assert documents_sheet(found, corpus)[0].columns.count("cluster") == 1


def test_values_that_say_nothing_are_in_no_bin() -> None:
    from memory_corpus import DenseCorpus

    from saetext.analysis.clusters.changes.binning import bins_of

    def binned(values: list[object]) -> list[int]:
        corpus = DenseCorpus([[1.0]] * len(values), meta={"v": values})
        return bins_of(corpus, "v").code.tolist()

    days = ["2024-10-03", "2024-10-20"] * 30
    assert binned([*days, *[" "] * 60])[-61:] == [binned(days)[-1], *[-1] * 60]
    assert binned([*days, "9999-12-31T23:59:59-05:00"])[-1] == -1  # no such moment in UTC
    assert binned([1.0, 2.0, float("nan"), None]) == [0, 1, -1, -1]
    for empty in ([float("nan")] * 3, [""] * 3):
        with pytest.raises(InputError, match="is empty"):
            binned(empty)
    with pytest.raises(InputError, match="from 1 to 2024, are too many: leave out dates that are wrong"):
        binned(["0001-01-01", "2024-10-01"])


def test_what_cannot_be_compared_is_said_in_a_line() -> None:
    for given, told in (
        (["--compare", "october.corpus"], "two corpora or more"),
        (["october.corpus", "november.corpus"], "--compare compares several"),
        (["--compare", "october.corpus", "october.corpus"], "same corpus"),
        (["--compare", "october.corpus", "november.corpus", "--over", "day"], "for one corpus"),
        (["--compare", "october.corpus", "november.corpus", "--pair-on", "no"], "no column 'no'"),
        (
            ["--compare", "october.corpus", "november.corpus", "november.jsonl", "--pair-on", "id"],
            "of two sets",
        ),
        (["october.corpus", "--pair-on", "id"], "--compare"),
        (["october.corpus", "--over", "nothing"], "no column 'nothing'"),
        (["october.corpus", "--over", "text"], "no dates"),
        (["october.corpus", "--over", "sure"], "there is no order"),
        (["october.corpus", "--over", "score", "--bin", "week"], "has no dates"),
        (["october.corpus", "--bin", "week"], "name their column with over"),
        (["october.corpus", "--documents", "a.json"], ".csv, .xlsx or .parquet"),
        (["october.corpus", "--documents", "october.jsonl"], ".csv, .xlsx or .parquet"),
    ):
        done = saetext("cluster", *given, *QUICK, "-o", "x.clusters")
        assert done.code in (1, 2) and told in " ".join(done.err.replace("│", " ").split()), (given, done.err)
        assert not Path("x.clusters").exists()


def test_over_a_column_of_dates() -> None:
    done = saetext("cluster", "october.corpus", "--over", "day", *QUICK, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    bins = found["metrics"]["bins"]
    assert list(bins) == [f"2024-10-{day:02d}" for day in range(1, 29)] or next(iter(bins)) == "2024-09-30"
    assert sum(bins.values()) == 60
    table = pl.read_parquet("october-2.clusters/documents.parquet")
    for row in found["changes"]:
        assert sum(row["counts"].values()) == (table["cluster"] == row["cluster"]).sum()
    text = saetext("cluster", "october.corpus", "--over", "day", "--bin", "day", *QUICK).out
    assert "bins by day" in text and "█" in text
    placed = saetext("cluster", "--predict", "october.clusters", "november.corpus", "--over", "score")
    assert placed.code == 0 and "5 bins by value, 0 to 4" in placed.out


def test_a_row_a_document_for_spreadsheets(place: Path) -> None:
    for name in ("d.csv", "d.xlsx", "d.parquet"):
        assert saetext("cluster", "october.corpus", *QUICK, "--documents", name).code == 0
    again = saetext("cluster", "october.corpus", *QUICK, "--documents", "d.csv")
    assert again.code == 1 and "exists already" in again.err
    plain = pl.read_parquet("d.parquet")
    stored = pl.read_parquet("october-2.clusters/documents.parquet")
    assert plain["cluster"].to_list() == stored["cluster"].to_list()
    assert plain["cluster_name"].to_list() == stored["name"].to_list()
    assert plain["text"].to_list() == Corpus.open("october.corpus").to_polars()["text"].to_list()
    assert plain["tags"].to_list() == ["a; b"] * 60
    rows = list(csv.DictReader(io.StringIO(Path("d.csv").read_bytes().decode())))
    assert rows[3]["sure"] == "'=1+1" and rows[3]["id"] == "d3"
    assert not any(cell.startswith(("{", "[", "=")) for row in rows for cell in row.values())
    import openpyxl

    sheet = openpyxl.load_workbook("d.xlsx").active
    cells = list(sheet.iter_rows(values_only=True))
    assert list(cells[0]) == plain.columns and len(cells) == 61
    assert cells[4][plain.columns.index("sure")] == "=1+1"
    assert sheet.cell(5, plain.columns.index("sure") + 1).data_type in ("s", "inlineStr")  # and no formula
    raw = saetext("cluster", "october.corpus", *QUICK, "--documents", "e.csv", "--raw-csv", "--csv-bom")
    assert (
        raw.code == 0
        and Path("e.csv").read_bytes().startswith(b"\xef\xbb\xbf")
        and "'=1+1" not in Path("e.csv").read_text()
    )


def test_a_sheet_that_cannot_be_written_is_said_before_the_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from saetext.analysis.clusters import run, sheet

    def missing(*_: object, **__: object) -> None:
        raise InputError("writing y.xlsx needs xlsxwriter")

    monkeypatch.setattr(sheet, "require", missing)
    monkeypatch.setattr(run, "fit", lambda *_: pytest.fail("was fitted"))
    done = saetext("cluster", "october.corpus", *QUICK, "--documents", "y.xlsx")
    assert done.code == 1 and "needs xlsxwriter" in done.err
