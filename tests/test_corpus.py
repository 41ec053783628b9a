"""Corpus against a dense truth: matrices, views, documents, postings, exports, and that nothing is copied."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import clock
import numpy as np
import polars as pl
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus.export import export
from saetext.corpus.rows import ENTRY_COLUMNS, PooledRows
from saetext.errors import CorpusError, IncompatibleError, InputError
from tests.corpus_factory import (
    assert_matrix,
    make_big_corpus,
    make_calibration,
    make_corpus,
    make_shards,
    make_spec,
    truth_of,
)

POOLINGS = ("max", "mean", "total", "count", "binary")
shapes = st.lists(st.integers(0, 6), max_size=5)
REPO = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch):
    """Nothing here cuts the power, so nothing has to reach the platter."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("größer corpus") / "a b ü.corpus", saes=("main", "b"))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("sae", ["main", "b"])
def test_csr_and_blocks_equal_the_dense_truth(made, pooling, sae):
    corpus, truth = made
    dense = truth.pooled(pooling, sae)
    assert dense.any()
    assert_matrix(corpus.csr(pooling, sae), dense)
    seen = []
    for rows, block in corpus.blocks(pooling, sae):
        assert_matrix(block, dense[rows])
        seen.append(rows)
    np.testing.assert_array_equal(np.concatenate(seen), np.arange(len(corpus)))
    assert corpus.csr(pooling, sae).dtype == (np.int32 if pooling == "count" else np.float32)


def test_what_was_written_is_described(made):
    corpus, truth = made
    counts = corpus.manifest.counts
    assert len(corpus) == corpus.n_documents == counts["documents"] == 13
    assert counts["tokens"] == sum(truth.n_tokens)
    assert counts["entries"] == {t: int((truth.pooled("max", t) > 0).sum()) for t in ("main", "b")}
    assert counts["rejects"] == {"empty": 2, "not text": 1}
    assert counts["input_rows"] == 13 + 3
    rejects = [json.loads(line) for line in (corpus.path / "rejects.jsonl").read_text().splitlines()]
    assert [r["reason"] for r in rejects] == ["empty", "empty", "not text"]
    np.testing.assert_array_equal(corpus.n_tokens, truth.n_tokens)
    assert corpus.n_tokens.dtype == np.int32
    assert corpus.ids.to_pylist() == truth.ids
    assert corpus.saes == ("main", "b")
    assert corpus.manifest.extra == {"made by": "tests"}
    assert corpus.calibration("b").sha256 == corpus.spec.sae("b").calibration_sha256
    sizes = corpus.sizes()
    on_disk = sum(
        f.stat().st_size for d in ("docs", "features", "cards") for f in (corpus.path / d).rglob("*.arrow")
    )
    assert sizes["total"] == on_disk + (corpus.path / "rejects.jsonl").stat().st_size
    assert sizes["kb_per_100_tokens"] == pytest.approx(sizes["total"] / 10 / sum(truth.n_tokens))


def test_rows_have_every_entry_column(made):
    corpus, truth = made
    rows = PooledRows.concatenate(list(corpus.rows("main")))
    want = PooledRows.concatenate(truth.rows["main"])
    for name in ("indptr", *ENTRY_COLUMNS):
        np.testing.assert_array_equal(getattr(rows, name), getattr(want, name))
        assert getattr(rows, name).dtype == getattr(want, name).dtype


def test_documents_are_lazy_and_complete(made):
    corpus, truth = made
    frame = corpus.documents
    assert isinstance(frame, pl.LazyFrame)
    assert frame.collect_schema() == {
        "row": pl.UInt32, "id": pl.String, "text": pl.String, "prompt": pl.String, "n_tokens": pl.Int32,
        "n_unknown": pl.Int32, "model": pl.String, "score": pl.Float64, "year": pl.Int64,
    }  # fmt: skip
    got = frame.collect()
    assert got["row"].to_list() == list(range(13))
    assert got["text"].to_list() == truth.texts
    assert got["prompt"].to_list() == truth.prompts
    for name in ("model", "score", "year"):
        assert got[name].to_list() == [meta.get(name) for meta in truth.metas]
    assert frame.select(pl.len()).collect().item() == 13
    late = [i for i, m in enumerate(truth.metas) if m.get("year", 0) > 2000]
    assert 0 < len(late) < 13
    assert frame.filter(pl.col("year") > 2000).select("row").collect()["row"].to_list() == late
    assert frame.filter(pl.col("year") > 2000).head(2).select("id").collect()["id"].to_list() == [
        truth.ids[i] for i in late[:2]
    ]
    assert frame.slice(6, 4).select("id").collect()["id"].to_list() == truth.ids[6:10]
    counted = frame.group_by("model").len().sort("model").collect()
    assert counted["len"].sum() == 13
    streamed = frame.filter(pl.col("year") > 2000).select("row").collect(engine="streaming")
    assert streamed["row"].to_list() == late


def test_one_document_by_id_and_row(made):
    corpus, truth = made
    for row, name in enumerate(truth.ids):
        document = corpus.document(name)
        assert document["row"] == row
        assert document["text"] == truth.texts[row]
        words = document["text"].split(" ") if document["text"] else []
        spans = zip(document["token_start"], document["token_end"], strict=True)
        assert [document["text"][a:b] for a, b in spans] == words
        assert document["meta"] == {k: truth.metas[row].get(k) for k in ("model", "score", "year")}
        for sae in ("main", "b"):
            entry = document["entries"][sae]
            dense = np.zeros(12)
            dense[entry.feature] = entry.value
            np.testing.assert_allclose(dense, truth.pooled("max", sae)[row])
        assert corpus.document(row)["id"] == name
        assert corpus.document(np.int64(row))["id"] == name
    with pytest.raises(CorpusError, match="no document 'doc-33'; did you mean 'doc-3'"):
        corpus.document("doc-33")
    for row in (-1, 13):
        with pytest.raises(CorpusError, match="rows are 0 to 12"):
            corpus.document(row)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=shapes, seed=st.integers(0, 99), density=st.sampled_from([0.0, 0.1, 1.0]), data=st.data())
def test_any_shape_and_any_selection(tmp_path_factory, sizes, seed, density, data):
    """Empty shards, empty documents, shards without an entry, one row; views and views of views."""
    corpus, truth = make_corpus(tmp_path_factory.mktemp("c") / "c", seed, sizes, 5, density=density)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(corpus), max_size=len(corpus))), bool)
    view = corpus.select(mask)
    rows = np.flatnonzero(mask)
    again = np.array(sorted(data.draw(st.sets(st.integers(0, len(rows) - 1)))) if len(rows) else [], np.int64)
    for chosen, which in ((corpus, np.arange(len(corpus))), (view, rows), (view.select(again), rows[again])):
        assert len(chosen) == len(which)
        for pooling in POOLINGS:
            dense = truth.pooled(pooling).reshape(-1, 5)[which]
            assert_matrix(chosen.csr(pooling), dense)
            for at, block in chosen.blocks(pooling):
                assert_matrix(block, dense[at])
        np.testing.assert_array_equal(chosen.n_tokens, np.array(truth.n_tokens, np.int32)[which])
        assert chosen.ids.to_pylist() == [truth.ids[i] for i in which]
        frame = chosen.documents.select("row", "id").collect()
        assert frame["id"].to_list() == [truth.ids[i] for i in which]
        assert frame["row"].to_list() == list(range(len(which)))
        pooled = PooledRows.concatenate(list(chosen.rows()))
        want = PooledRows.concatenate(truth.rows.get("main", [])).take(which)
        for name in ("indptr", *ENTRY_COLUMNS):
            np.testing.assert_array_equal(getattr(pooled, name), getattr(want, name))
        for row in range(len(which)):
            assert chosen.document(row)["id"] == truth.ids[which[row]]
        dense = truth.dense("value").reshape(-1, 5)[which]
        postings = chosen.postings()
        assert_matrix(postings.csc(), dense)
        np.testing.assert_array_equal(postings.document_frequency, (dense > 0).sum(0))
        for feature in range(5):
            at, values = postings.documents(feature)
            np.testing.assert_array_equal(at, np.flatnonzero(dense[:, feature]))
            np.testing.assert_allclose(values, dense[at, feature])
            assert (at.dtype, values.dtype) == (np.int32, np.float32)
    assert Corpus.open(corpus.path).fingerprint == corpus.fingerprint


def test_select_by_condition_and_what_it_refuses(made):
    corpus, truth = made
    want = [i for i, m in enumerate(truth.metas) if m["model"] == "gpt4" and m.get("year", 0) > 1995]
    assert want
    for condition in (
        "model = 'gpt4' AND year > 1995",
        (pl.col("model") == "gpt4") & (pl.col("year") > 1995),
    ):
        view = corpus.select(condition)
        assert view.selection.tolist() == want
        assert view.fingerprint != corpus.fingerprint
    assert len(corpus.select(pl.lit(True))) == 13
    assert corpus.select(want).fingerprint == view.fingerprint
    assert corpus.select(pl.Series([i in want for i in range(13)])).selection.tolist() == want
    for wrong, message in (
        ([1, 1], "increasing"),
        ([2, 1], "increasing"),
        ([13], "outside 0 to 12"),
        ([-1], "outside"),
        ([True], "a mask of 1 values for 13"),
        ([0.5], "not float64"),
        ([[1]], "one dimension"),
        ("modle = 'gpt4'", "no column 'modle'.*did you mean model"),
        (pl.col("modle") == "x", "does not fit"),
        (pl.col("score"), "Float64, not true or false"),
        ("model = 3", "does not fit the columns: cannot compare"),
    ):
        with pytest.raises(InputError, match=message) as raised:
            corpus.select(wrong)
        assert "\n" not in str(raised.value)
    for wrong in ("median", ""):
        with pytest.raises(InputError, match="unknown pooling"):
            corpus.csr(wrong, "main")
    with pytest.raises(IncompatibleError, match="choose one with --sae"):
        corpus.csr()


def mapped_ranges(path: Path) -> list[tuple[int, int]]:
    ranges = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(os.path.realpath(path)):
            start, stop = line.split()[0].split("-")
            ranges.append((int(start, 16), int(stop, 16)))
    return ranges


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="platform: no /proc")
def test_matrices_are_views_of_the_mapped_files(tmp_path):
    corpus, _ = make_corpus(tmp_path / "é c", 1, (50, 50), 40)
    whole, _ = make_corpus(tmp_path / "one", 1, (50,), 40)
    for pooling in ("max", "total", "count"):
        blocks = list(corpus.blocks(pooling))
        files = [corpus.path / f"features/main/part-0000{i}.arrow" for i in range(2)]
        one = (whole.csr(pooling), whole.path / "features/main/part-00000.arrow")
        for matrix, file in (*zip((b for _, b in blocks), files, strict=True), one):
            ranges = mapped_ranges(file)
            assert ranges
            for array in (matrix.data, matrix.indices, matrix.indptr):
                address = array.__array_interface__["data"][0]
                assert any(a <= address and address + array.nbytes <= b for a, b in ranges)
                assert not array.flags.writeable
            assert matrix.indices.dtype == matrix.indptr.dtype == np.int32
    rows = next(iter(corpus.rows()))
    address = rows.peak.__array_interface__["data"][0]
    assert any(a <= address < b for a, b in mapped_ranges(files[0]))
    doc = corpus.postings()._index.doc
    assert np.shares_memory(corpus.postings().csc().indices, doc)


def test_opening_a_large_corpus_is_instant_and_copies_nothing(tmp_path):
    corpus = make_big_corpus(tmp_path / "big", 100_000, entries=16, d_sae=1024, shard_size=2000, tokens=4)
    assert corpus.sizes()["total"] > 40e6
    process = psutil.Process()
    before = process.memory_info().rss
    Corpus.open(corpus.path)
    with clock.within(0.1):
        opened = Corpus.open(corpus.path)
    assert len(opened) == 100_000
    assert process.memory_info().rss - before < 8e6
    # neither does looking at the ids of one shard after another keep files in memory twice
    assert opened.document("doc-99999")["row"] == 99_999
    frequency = opened.postings().document_frequency
    assert frequency.sum() == 1_600_000
    np.testing.assert_array_equal(frequency, opened.csr("binary").sum(0).A1)


def test_metadata_types_differ_between_shards_and_names_collide(tmp_path):
    metas = [
        {
            "id": 7,
            "meta.id": "taken",
            "n": 1,
            "mixed": 1,
            "day": dt.date(2024, 5, 1),
            "none": None,
            "feature": 1,
        },
        {"n": 2, "mixed": True, "nested": {"k": [1, "é"]}},
        {"n": 2.5, "mixed": "x", "day": dt.date(2024, 5, 2), "when": dt.datetime(2024, 5, 1, 12, 30)},
        {"n": float("inf"), "mixed": None, "when": "yesterday", "text": "mine", "only later": 3},
        {"n": 3, "mixed": 4, "when": dt.datetime(2024, 5, 1, 12, 30)},
    ]
    corpus, _ = make_corpus(tmp_path / "c", 0, (2, 2, 1), metas=metas)
    assert corpus.manifest.meta == {
        "id": "int", "meta.id": "string", "n": "float", "mixed": "string", "day": "date", "none": "null",
        "feature": "int", "nested": "string", "when": "string", "text": "string", "only later": "int",
    }  # fmt: skip
    got = corpus.documents.drop("row", "id", "text", "prompt", "n_tokens", "n_unknown").collect()
    assert got.to_dict(as_series=False) == {
        "meta.meta.id": [7, None, None, None, None],
        "meta.id": ["taken", None, None, None, None],
        "n": [1.0, 2.0, 2.5, float("inf"), 3.0],
        "mixed": ["1", "true", "x", None, "4"],
        "day": [dt.date(2024, 5, 1), None, dt.date(2024, 5, 2), None, None],
        "none": [None] * 5,
        "feature": [1, None, None, None, None],
        "nested": [None, '{"k": [1, "é"]}', None, None, None],
        "when": [None, None, "2024-05-01T12:30:00", "yesterday", "2024-05-01T12:30:00"],
        "meta.text": [None, None, None, "mine", None],
        "only later": [None, None, None, 3, None],
    }
    assert len(corpus.select('n > 2 AND "only later" IS NULL')) == 2
    assert len(corpus.select("day >= DATE '2024-05-02'")) == 1
    assert len(corpus.select("none IS NULL")) == 5
    assert corpus.document(0)["meta"]["id"] == 7
    export(corpus, tmp_path / "e.parquet", "parquet")
    assert pl.read_parquet(tmp_path / "e.parquet")["meta.feature"].to_list() == [1, None, None, None, None]


def test_without_text(tmp_path):
    corpus, truth = make_corpus(tmp_path / "c", stores_text=False)
    assert not corpus.stores_text
    frame = corpus.documents.select("text", "prompt").collect()
    assert frame["text"].null_count() == frame["prompt"].null_count() == 13
    assert corpus.document(3)["text"] is None
    words = {w for text in truth.texts for w in text.split() if len(w.encode()) > 4}
    for file in corpus.path.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert not any(word.encode() in data for word in words)


def test_append_keeps_the_old_corpus_until_it_is_finished(tmp_path):
    path = tmp_path / "c"
    corpus, _ = make_corpus(path, 0, (5, 4))
    postings = corpus.postings().document_frequency
    calibration = {"main": make_calibration(12)}
    more = make_shards(9, (3, 6), first=9)
    spec = make_spec(calibration, device="cuda")  # numerics may differ, identity may not
    with CorpusWriter.append(path, plan={"more": 1}, spec=spec, calibrations=calibration) as writer:
        assert writer.finished == []
        more[0].write(writer, 0)
    assert Corpus.open(path).fingerprint == corpus.fingerprint
    np.testing.assert_array_equal(Corpus.open(path).csr().toarray(), corpus.csr().toarray())
    with CorpusWriter.append(path, plan={"more": 1}, spec=spec, calibrations=calibration) as writer:
        assert [entry.rows for entry in writer.finished] == [3]
        more[1].write(writer, 1)
        grown = writer.finish(extra={"again": True})
    want = truth_of([*make_shards(0, (5, 4)), *more], 12)
    assert_matrix(grown.csr(), want.pooled("max"))
    assert grown.ids.to_pylist() == want.ids
    assert grown.fingerprint != corpus.fingerprint
    assert grown.manifest.extra == {"made by": "tests", "again": True}
    assert [(run["shards"], run["rows"]) for run in grown.manifest.runs] == [(2, 9), (2, 9)]
    assert grown.manifest.runs[1]["numerics"][0]["device"] == "cuda"
    assert not (path / "append.json").exists()
    grown.verify()
    np.testing.assert_array_equal(grown.postings().document_frequency, (want.pooled("max") > 0).sum(0))
    assert (grown.postings().document_frequency != postings).any()
    assert len(list((path / "index" / "main").iterdir())) == 1  # the stale one is gone
    np.testing.assert_array_equal(corpus.postings().document_frequency, postings)  # still mapped


def test_importing_a_corpus_stays_light():
    heavy = ("torch", "polars", "sklearn", "scipy")
    code = f"import sys, saetext.corpus; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_rejects_and_ids_may_hold_anything(tmp_path):
    calibration = {"main": make_calibration(12)}
    (shard,) = make_shards(0, (2,))
    with CorpusWriter.open(
        tmp_path / "c", plan={}, spec=make_spec(calibration), calibrations=calibration, stores_text=True
    ) as writer:
        shard.rejects = [
            {"row": 1, "reason": "not text", "value": "\ud800 ü\n"},
            {"row": 2, "value": Path("x")},
        ]
        shard.write(writer, 0)
        corpus = writer.finish()
    told = [json.loads(line) for line in (corpus.path / "rejects.jsonl").read_text("utf-8").splitlines()]
    assert told == [{"row": 1, "reason": "not text", "value": "\ud800 ü\n"}, {"row": 2, "value": "x"}]
    assert corpus.manifest.counts["rejects"] == {"not text": 1, "unknown": 1}
