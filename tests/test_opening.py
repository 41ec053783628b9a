"""Analyses take what the command line takes: a corpus, its path, a file of texts, or texts in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from memory_corpus import DenseCorpus
from tiny_reader import some_rows, tiny, write_jsonl

import saetext
from saetext.corpus import Corpus
from saetext.encoding.opening import as_corpora, as_corpus, first_corpus, names_of
from saetext.errors import InputError, SaetextError
from saetext.reader.loading import How
from saetext.reader.parts import Parts
from saetext.reader.shipped import Shipped


class Loads:
    """Stands for the embedded reader with a tiny one, and counts how often it is loaded."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, own: Shipped, how: How) -> Parts:
        self.count += 1
        return tiny().reader()._parts


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Loads:
    found = Loads()
    monkeypatch.setattr("saetext.reader.loading.shipped_parts", found)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    return found


def ids(corpus: Any) -> list[str]:
    return list(corpus.documents.select("id").collect()["id"])


def test_a_corpus_is_itself_and_its_path_is_opened(loads: Loads, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", some_rows(6))
    made = saetext.encode(file, tmp_path / "a.corpus")
    dense = DenseCorpus(np.ones((2, 3)))
    assert as_corpus(made) is made and as_corpus(dense) is dense
    for path in (tmp_path / "a.corpus", str(tmp_path / "a.corpus")):
        assert as_corpus(path).fingerprint == made.fingerprint
    assert loads.count == 1


def test_a_file_is_encoded_beside_itself_and_used_again(loads: Loads, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", some_rows(6))
    first = as_corpus(str(file))
    assert first.path == tmp_path / "a.jsonl.corpus" and len(first) == 6
    assert as_corpus(file).fingerprint == first.fingerprint and loads.count == 1
    assert as_corpus(file, text="text").fingerprint == first.fingerprint
    with pytest.raises(InputError, match="encoded with the text from 'text'"):
        as_corpus(file, text="topic")
    write_jsonl(file, some_rows(7))
    with pytest.raises(InputError, match="has changed since") as caught:
        as_corpus(file)
    assert "\n" not in str(caught.value)


def test_encode_puts_the_corpus_of_a_file_beside_it(loads: Loads, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", some_rows(6))
    made = saetext.encode(file)
    assert made.path == tmp_path / "a.jsonl.corpus"
    assert as_corpus(file).fingerprint == made.fingerprint and loads.count == 1
    with pytest.raises(SaetextError, match="finished corpus already"):
        saetext.encode(file)


def test_texts_in_memory_are_kept_in_the_cache_by_what_they_are(loads: Loads, tmp_path: Path) -> None:
    texts = [row["text"] for row in some_rows(6)]
    made = saetext.encode(texts)
    assert made.path.parent == tmp_path / "cache" / "corpora"
    assert ids(made) == ["0", "1", "2", "3", "4", "5"]
    assert list(made.documents.select("text").collect()["text"]) == texts
    again = saetext.encode(list(texts))
    assert again.path == made.path and loads.count == 1
    others = [
        saetext.encode(texts[:5]),
        saetext.encode(texts[::-1]),
        saetext.encode(texts, threshold=0),
        saetext.encode(texts, min_tokens=2),
        saetext.encode(texts, store_text=False),
        saetext.encode(texts, reader=tiny().reader(both=True)),
        saetext.encode(pd.DataFrame({"text": texts, "topic": list("ababab")})),
    ]
    assert len({str(c.path) for c in (made, *others)}) == 8
    assert others[4].stores_text is False and len(others[0]) == 5


def test_what_can_be_read_once_needs_a_place(loads: Loads) -> None:
    with pytest.raises(InputError, match="name its corpus") as caught:
        saetext.encode(text for text in ["a b", "c d"])
    assert "\n" not in str(caught.value)
    assert loads.count == 0


def test_two_files_are_compared_by_one_reader(loads: Loads, tmp_path: Path) -> None:
    a = write_jsonl(tmp_path / "gentle.jsonl", some_rows(40, seed=1))
    b = write_jsonl(tmp_path / "brisk.jsonl", some_rows(40, seed=2))
    found = saetext.diff(str(a), b, pair_on="prompt_id", families="features")
    assert found.names == ("gentle", "brisk") and found.metrics["pairs"] == 40
    assert loads.count == 1
    opened = [Corpus.open(f"{file}.corpus") for file in (a, b)]
    same = saetext.diff(*opened, pair_on="prompt_id", families="features")
    assert same.names == ("a", "b") and found.table.equals(same.table)


def test_a_file_is_read_as_the_corpus_beside_it_was(loads: Loads, tmp_path: Path) -> None:
    a = write_jsonl(tmp_path / "a.jsonl", some_rows(40, seed=1))
    b = write_jsonl(tmp_path / "b.jsonl", some_rows(40, seed=2))
    c = write_jsonl(tmp_path / "c.jsonl", some_rows(40, seed=3))
    other = saetext.calibrate(tiny().reader(), saetext.open_documents(a), percentile=40, quiet=True)
    made = saetext.encode(b, reader=other)
    for sources in ((a, b), (made, c)):
        found = as_corpora(sources)
        assert found[0].spec.identity() == found[1].spec.identity() == made.spec.identity()
    assert loads.count == 0, "the default reader was not needed"


def test_every_analysis_takes_files_and_texts(loads: Loads, tmp_path: Path) -> None:
    rows = some_rows(60, seed=3)
    file = write_jsonl(tmp_path / "all.jsonl", rows)
    corpus = as_corpus(file)
    frame = pl.DataFrame(rows)
    by = saetext.diff(file, by="topic", families="features")
    assert by.table.equals(saetext.diff(corpus, by="topic", families="features").table) and by.names == (
        "a",
        "b",
    )
    sets = saetext.diff(file, frame, corpus, names=["x", "y", "z"])
    assert sets.metrics["documents"] == {"x": 60, "y": 60, "z": 60}
    halves = [write_jsonl(tmp_path / f"{n}.jsonl", rows[n::2]) for n in range(2)]
    assert saetext.diff(halves).names == ("0", "1")
    assert saetext.diff(file, by="topic").names == ("a", "b")
    pairs = saetext.correlate(file, bootstrap=0)
    assert pairs.params["corpus"] == "all"
    assert pairs.table.equals(saetext.correlate(corpus, bootstrap=0).table)
    assert saetext.search(file, features="3").ids == (
        saetext.Searcher(frame, lexical=True).search(features="3").ids
    )
    clusters = saetext.cluster(frame, min_cluster_size=5, semantic=False, epochs=20)
    assert clusters.metrics["documents"] == 60 and clusters.params["corpus"] == "corpus"
    assert saetext.label(file, min_support=1).labels.table.equals(
        saetext.label(corpus, min_support=1).labels.table
    )
    assert saetext.diff([frame, corpus], families="features").names == ("a", "b")


@pytest.mark.parametrize(
    ("source", "message"),
    [("nowhere.jsonl", "nowhere.jsonl: no such corpus or file"), (7, "got an int"), (None, "got null")],
)
def test_what_is_no_corpus_is_refused_in_one_line(source: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        saetext.diff(source, by="topic")
    assert "\n" not in str(caught.value)


def test_a_path_without_a_name(loads: Loads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = saetext.encode(write_jsonl(tmp_path / "a.jsonl", some_rows(6)), tmp_path / "a.corpus")
    monkeypatch.chdir(made.path)
    for name in ("", "."):  # of the folder that one is in
        found = first_corpus([Path(name)])
        assert found is not None and found.fingerprint == made.fingerprint
    with pytest.raises(InputError, match="/ has no name to call a corpus by"):
        first_corpus(["/"])


def test_names_of_sources() -> None:
    assert names_of(["x/gentle.jsonl", Path("y/brisk.jsonl.corpus")]) == ["gentle", "brisk"]
    assert names_of(["x/all.jsonl", "y/all.jsonl"]) == ["x/all.jsonl", "y/all.jsonl"]
    assert names_of(["x/all.jsonl", "x/all.jsonl"]) == ["x/all.jsonl", "x/all.jsonl (2)"]
    assert names_of(["x/all.jsonl", ["a text"]]) is None


def test_texts_that_an_earlier_version_encoded_are_found_in_the_cache() -> None:
    """Where a corpus of texts lies depends on these names, whatever the options are called now."""
    from saetext.documents import open_documents
    from saetext.encoding.targets import kept_by_content
    from saetext.reader import embedded
    from saetext.reader.shipped import EMBEDDED

    texts = ["Sorry to hear that!", "Restart it."]
    which = ["embedded", embedded.WEIGHTS_SHA256, EMBEDDED.load_calibration().sha256]
    settings = {"floor": 50.0, "min_tokens": 2, "store_text": False, "reader": which}
    expected = kept_by_content(open_documents(texts), settings)
    made = saetext.encode(texts, threshold=50.0, min_tokens=2, store_text=False)
    assert made.path == expected
