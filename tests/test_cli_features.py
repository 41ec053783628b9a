"""``saetext features`` as a stranger uses it."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from test_cli import Run, place, saetext
from tiny_reader import OTHER_SAE, SAE, some_rows, tiny, write_jsonl

from saetext.corpus import Corpus
from saetext.features import token_table
from saetext.features.labels import FeatureLabel, FeatureLabels, identity
from saetext.reader import sentences as embed
from saetext.reader.shipped import EMBEDDED

__all__ = ["place"]  # a fixture
LABELS = {3: "saying sorry", 5: "brass instruments", 60: "taxes and budgets"}


@pytest.fixture
def corpus(place: Path) -> str:
    write_jsonl(place / "a.jsonl", some_rows(40))
    assert saetext("encode", "a.jsonl", *tiny().options, "-o", "a.corpus").code == 0
    return "a.corpus"


@pytest.fixture
def labels(corpus: str) -> str:
    sae = Corpus.open(corpus).spec.sae()
    rows = [FeatureLabel(f, label, source="reading", score=0.8, density=0.01) for f, label in LABELS.items()]
    FeatureLabels.from_rows(rows, identity(sae)).write(Path("labels.parquet"))
    return "labels.parquet"


def usage(run: Run) -> str:
    assert run.code == 2 and run.out == ""
    return " ".join(run.err.replace("│", " ").split())


# ---- search ------------------------------------------------------------------------------------------


def test_words_are_found_without_a_corpus() -> None:
    word = EMBEDDED.load_calibration().top_words(842)[0]
    run = saetext("features", "embedded", word, "--lexical", "--top", 5)
    assert run.code == 0 and run.err == ""
    lines = run.out.splitlines()
    assert lines[0].split() == ["score", "feature", "tokens", "label"] and 2 <= len(lines) <= 6
    similarity = [float(line.split()[0]) for line in lines[1:]]
    assert similarity == sorted(similarity, reverse=True) and similarity[-1] > 0


@pytest.mark.skipif(not embed.available(), reason="needs the extra 'embedded'")
def test_meaning_is_found(corpus: str, labels: str) -> None:
    run = saetext("features", corpus, "apologising", "--labels", labels, "--top", 2)
    assert run.code == 0
    assert "once, for this and later searches" in run.err
    assert "saying sorry .80" in run.out.splitlines()[1]
    again = saetext("features", corpus, "apologising", "--labels", labels, "--top", 2)
    assert again.err == "" and again.out == run.out


def test_json_and_csv(corpus: str, labels: str) -> None:
    run = saetext("features", corpus, "sorry", "--labels", labels, "--lexical", "--json")
    told = json.loads(run.out)
    assert told["kind"] == "features" and told["params"]["lexical"] is True
    first = told["rows"][0]
    assert first["feature"] == 3 and first["label"] == "saying sorry"
    assert first["label_score"] == pytest.approx(0.8) and first["density"] == pytest.approx(0.01)
    assert first["score"] > 0 and set(first) == {
        *("feature", "label", "score", "density", "label_score", "kind", "description")
    }
    run = saetext("features", corpus, "sorry", "--labels", labels, "--lexical", "--csv")
    assert next(csv.DictReader(io.StringIO(run.out)))["label"] == "saying sorry"
    none = saetext("features", corpus, "zzzz", "--labels", labels, "--lexical")
    assert none.code == 0


def test_an_sae_directory_has_no_labels_of_its_own(place: Path) -> None:
    run = saetext("features", tiny().sae, "sorry")
    assert "no labels to search" in run.error and "--labels" in run.error


def test_an_sae_directory_with_its_model(corpus: str) -> None:
    run = saetext("features", tiny().sae, "--model", tiny().model, "dog", "--lexical", "--json")
    assert run.code == 0 and json.loads(run.out)["metrics"]["labels"] > 0


# ---- one feature -------------------------------------------------------------------------------------


def test_one_feature_of_the_embedded_reader() -> None:
    run = saetext("features", "embedded", "--show", 842)
    assert run.code == 0 and run.err == ""
    assert run.out.startswith("feature 842 of embedded\n") and "similar directions" in run.out
    assert "name a corpus" in run.out


def test_one_feature_of_a_corpus(corpus: str) -> None:
    feature = strongest_feature(corpus)
    read_again = saetext("features", corpus, "--show", feature, "--device", "cpu", "--dtype", "float32")
    assert read_again.code == 0 and read_again.err == "" and "stored peak" not in read_again.out
    for part in (
        "strongest",
        "in the same documents",
        "similar directions",
        "«",
        "█",
        "documents by maximum activation",
    ):
        assert part in read_again.out
    assert all(len(line) <= 100 for line in read_again.out.splitlines())
    peaks = saetext("features", corpus, "--show", feature, "--peaks")
    assert peaks.code == 0 and "only the stored peak" in peaks.out


def strongest_feature(corpus: str) -> int:
    return int(Corpus.open(corpus).postings().document_frequency.argmax())


def test_one_feature_as_a_page_and_as_json(corpus: str, place: Path) -> None:
    feature = strongest_feature(corpus)
    options = ("--show", feature, "--device", "cpu", "--dtype", "float32")
    run = saetext("features", corpus, *options, "--html", "a page.html")
    assert run.code == 0 and run.out == "" and "a page.html" in run.err
    html = (place / "a page.html").read_text("utf-8")
    assert html.startswith("<!doctype html>") and "<mark" in html
    assert "exists already" in saetext("features", corpus, *options, "--html", "a page.html").error
    told = json.loads(saetext("features", corpus, *options, "--json").out)
    assert told["kind"] == "feature" and told["feature"] == feature and told["contexts"]


def test_a_model_that_has_gone_is_told_and_done_without(place: Path) -> None:
    import shutil

    shutil.copytree(tiny().model, place / "model")
    write_jsonl(place / "a.jsonl", some_rows(40))
    options = ("--reader", tiny().sae, "--model", "model")
    assert saetext("encode", "a.jsonl", *options, "-o", "a.corpus").code == 0
    shutil.rmtree(place / "model")
    feature = strongest_feature("a.corpus")
    run = saetext("features", "a.corpus", "--show", feature)
    assert run.code == 0 and "the reader cannot be loaded" in run.err and "only the stored peak" in run.out
    moved = saetext("features", "a.corpus", "--show", feature, "--model", tiny().model)
    assert moved.code == 0 and moved.err == "" and "only the stored peak" not in moved.out


def test_several_saes(place: Path) -> None:
    write_jsonl(place / "a.jsonl", some_rows(30))
    both = ("--reader", tiny().sae, "--reader", tiny().other_sae, "--model", tiny().model)
    assert saetext("encode", "a.jsonl", *both, "-o", "a.corpus").code == 0
    assert "choose one with --sae" in saetext("features", "a.corpus", "--show", 1).error
    for sae, last in ((SAE, 63), (OTHER_SAE, 47)):
        assert saetext("features", "a.corpus", "--sae", sae, "--show", last).code == 0
        assert f"0 to {last}" in saetext("features", "a.corpus", "--sae", sae, "--show", last + 1).error


# ---- table -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["statistics.parquet", "statistics.CSV"])
def test_the_table(corpus: str, labels: str, name: str) -> None:
    run = saetext("features", corpus, "--table", name, "--labels", labels)
    assert run.code == 0 and run.out == "" and "64 features" in run.err
    table = pl.read_parquet(name) if name.endswith("parquet") else pl.read_csv(name)
    assert table["feature"].to_list() == list(range(64)) and table["label"][3] == "saying sorry"
    dense = Corpus.open(corpus).csr().toarray()
    assert table["documents"].to_list() == (dense > 0).sum(axis=0).tolist()
    assert "exists already" in saetext("features", corpus, "--table", name).error


# ---- token by token ----------------------------------------------------------------------------------


def test_the_vocabulary_in_a_terminal_and_in_files(place: Path, labels: str) -> None:
    options = ("--model", tiny().model, "--dtype", "float32", "--labels", labels)
    run = saetext("features", tiny().sae, "--vocabulary", *options, "-o", "v.parquet", "--top", 3)
    assert run.code == 0 and "v.parquet: 64 features over " in run.err
    whole = pl.read_parquet("v.parquet")
    assert whole["feature"].to_list() == list(range(64)) and whole["label"][3] == "saying sorry"
    expected = token_table(tiny().reader()).table
    columns = [name for name in expected.columns if not name.startswith("label")]
    assert whole.select(columns).equals(expected.select(columns))
    lines = run.out.splitlines()
    assert lines[0].startswith(f"{tiny().sae} over the vocabulary: ") and all(len(x) <= 100 for x in lines)
    strongest = whole.sort("max", descending=True)["feature"].to_list()
    listed = [int(line.split()[0]) for line in lines if re.match(r" *\d+ +\d", line)]
    assert listed == strongest[:3]
    again = saetext("features", tiny().sae, "--vocabulary", *options, "--json", "--sort", "std", "--top", 5)
    told = json.loads(again.out)
    by_std = whole.sort("std", descending=True)
    assert [row["feature"] for row in told["rows"]] == by_std["feature"].to_list()[:5]
    assert told["params"]["over"] == "vocabulary" and told["params"]["sort"] == "std"
    assert told["metrics"]["tokens"] == 299
    once_more = saetext("features", tiny().sae, "--vocabulary", *options, "-o", "v.parquet")
    assert "exists already" in once_more.error


def test_the_tokens_of_a_file_and_of_a_corpus(corpus: str, labels: str) -> None:
    run = saetext("features", corpus, "--over", "a.jsonl", "--labels", labels, "--csv", "--top", 64)
    assert run.code == 0 and "a.jsonl: text from 'text'" in run.err
    rows = list(csv.DictReader(io.StringIO(run.out)))
    stored = saetext("features", corpus, "--over", corpus, "--labels", labels, "--csv", "--top", 64)
    assert stored.out == run.out and len(rows) == 64
    reader = tiny().reader()
    table = token_table(reader, saetext_documents("a.jsonl")).table
    for row in rows:
        assert float(row["kurtosis"] or "nan") == pytest.approx(
            table["kurtosis"][int(row["feature"])] or float("nan"), rel=1e-3, nan_ok=True
        )
    narrow = saetext("features", tiny().sae, "--model", tiny().model, "--over", "a.jsonl", "-o", "t.CSV")
    assert narrow.code == 0 and pl.read_csv("t.CSV").height == 64 and "of 40 texts of a.jsonl" in narrow.out


def saetext_documents(path: str) -> Any:
    from saetext import open_documents

    return open_documents(path)


def test_what_cannot_be_done_token_by_token(corpus: str, place: Path) -> None:
    own = (tiny().sae, "--model", tiny().model)
    assert "no reader called 'nonesuch'" in saetext("features", "nonesuch", "--vocabulary").error
    assert "no such file: b.jsonl" in saetext("features", *own, "--over", "b.jsonl").error
    write_jsonl(place / "empty.jsonl", [{"text": ""}, {"text": " "}])
    assert "no document that can be read" in saetext("features", *own, "--over", "empty.jsonl").error
    assert "its own model" in saetext("features", "embedded", "--model", "gpt2", "--vocabulary").error
    assert "--sae chooses one" in saetext("features", *own, "--vocabulary", "--sae", "x").error
    assert "--id is about a file of texts" in saetext("features", corpus, "--over", corpus, "--id", "x").error
    assert "no directory" in saetext("features", *own, "--vocabulary", "-o", "no/where.csv").error
    write_jsonl(place / "c.jsonl", [{"z": 1}])
    assert "one of its columns" in saetext("features", *own, "--over", "c.jsonl").error
    assert list(place.glob("*.csv")) == []


# ---- bad input ---------------------------------------------------------------------------------------


def test_what_cannot_be_done(corpus: str, labels: str, place: Path) -> None:
    assert "no feature 64; a.corpus has 0 to 63" in saetext("features", corpus, "--show", 64).error
    assert "no feature -1" in saetext("features", corpus, "--show=-1").error
    assert "neither a corpus nor a reader" in saetext("features", "nonesuch", "words").error
    assert "neither a corpus" in saetext("features", "a.jsonl", "words").error
    assert "another reader" in saetext("features", "embedded", "words", "--labels", labels).error
    assert "not a table of labels" in saetext("features", corpus, "words", "--labels", "a.jsonl").error
    assert "words are empty" in saetext("features", corpus, " ").error
    assert "name a corpus" in saetext("features", "embedded", "--table", "t.csv").error
    assert "no directory" in saetext("features", corpus, "--show", 1, "--html", "no/where.html").error


def test_usage(corpus: str) -> None:
    one = "give words to look for, or --show N, or --table FILE, or --vocabulary, or --over FILE"
    assert one in usage(saetext("features", corpus))
    assert one in usage(saetext("features", corpus, "words", "--show", 1))
    assert "name it with --show" in usage(saetext("features", corpus, "words", "--html", "x.html"))
    assert ".parquet or .csv" in usage(saetext("features", corpus, "--table", "x.xlsx"))
    assert "--csv is for" in usage(saetext("features", corpus, "--show", 1, "--csv"))
    assert one in usage(saetext("features", corpus, "--vocabulary", "--over", "a.jsonl"))
    assert one in usage(saetext("features", corpus, "words", "--vocabulary"))
    assert "goes with --vocabulary" in usage(saetext("features", corpus, "words", "--sort", "std"))
    assert "not one of" in usage(saetext("features", corpus, "--vocabulary", "--sort", "label"))
    assert "--role is about the texts" in usage(saetext("features", corpus, "--vocabulary", "--role", "user"))
    assert ".parquet or .csv" in usage(saetext("features", corpus, "--vocabulary", "-o", "x.json"))
