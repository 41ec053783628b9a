"""What is made from a corpus: the postings on disk, and the exported files."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from saetext.corpus import Corpus
from saetext.corpus.export import export
from saetext.corpus.rows import ENTRY_COLUMNS
from saetext.errors import CorpusError, InputError
from tests.corpus_factory import assert_matrix, make_big_corpus, make_corpus


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch):
    """Nothing here cuts the power, so nothing has to reach the platter."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("größer corpus") / "a b ü.corpus", saes=("main", "b"))


def test_postings_are_stamped_rebuilt_and_need_no_writable_place(tmp_path):
    corpus, truth = make_corpus(tmp_path / "c", 3, (8, 8), 6)
    dense = truth.dense("value")

    def check(opened: Corpus, cache: Path | None = None) -> None:
        assert_matrix(opened.postings(cache_dir=cache).csc(), dense)

    check(corpus)
    (built,) = (corpus.path / "index" / "main").iterdir()
    made_at = (built / "doc.npy").stat().st_mtime_ns
    check(Corpus.open(corpus.path))
    assert (built / "doc.npy").stat().st_mtime_ns == made_at  # used as it is
    good = (built / "doc.npy").read_bytes()
    for damage in (good[:-4], good[:-4] + b"\x05\0\0\0", b""):
        (built / "doc.npy").write_bytes(damage)
        check(Corpus.open(corpus.path))
        assert (built / "doc.npy").read_bytes() == good
    stamp = json.loads((built / "stamp.json").read_text())
    (built / "stamp.json").write_text(json.dumps({**stamp, "built_from": "other content"}))
    check(Corpus.open(corpus.path))
    assert json.loads((built / "stamp.json").read_text()) == stamp
    with pytest.raises(InputError, match="no feature 6; main has 0 to 5"):
        corpus.postings().documents(6)
    with pytest.raises(InputError, match="no feature -1"):
        corpus.postings().documents(-1)

    shutil.rmtree(corpus.path / "index")
    (corpus.path / "index").write_text("in the way")  # also root cannot make a directory there
    check(Corpus.open(corpus.path))
    check(Corpus.open(corpus.path), tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("postings-*/doc.npy"))) == 1


def build_postings(path, barrier):
    corpus = Corpus.open(path)
    barrier.wait()
    assert corpus.postings().document_frequency.sum() == 20_000 * 16


def test_two_processes_build_postings_at_once(tmp_path):
    path = make_big_corpus(tmp_path / "c", 20_000, entries=16, d_sae=256, shard_size=1000, tokens=1).path
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    builders = [spawn.Process(target=build_postings, args=(path, barrier)) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert [builder.exitcode for builder in builders] == [0, 0]
    assert [p.name[:9] for p in (path / "index" / "main").iterdir()] == ["postings-"]


def test_export(made, tmp_path):
    corpus, truth = made
    for pooling in ("max", "mean", "count"):
        export(corpus, tmp_path / f"{pooling}.npz", "npz", pooling=pooling, sae="b")
        assert_matrix(scipy.sparse.load_npz(tmp_path / f"{pooling}.npz"), truth.pooled(pooling, "b"))
        with np.load(tmp_path / f"{pooling}.npz", allow_pickle=False) as arrays:
            assert arrays["ids"].tolist() == truth.ids
    some = [1, 5, 9, 12]
    view = corpus.select(some)
    export(corpus, tmp_path / "all ü.parquet", "parquet", sae="b")
    export(corpus, tmp_path / "all.arrow", "arrow", sae="b")
    export(view, tmp_path / "view.parquet", "parquet", sae="b")
    export(corpus.select([]), tmp_path / "none.parquet", "parquet", sae="b")
    read = pl.read_parquet(tmp_path / "all ü.parquet")
    with pa.memory_map(str(tmp_path / "all.arrow")) as source:
        assert pl.from_arrow(pa.ipc.open_file(source).read_all()).equals(read)
    assert pl.read_parquet(tmp_path / "view.parquet").equals(read[some])
    assert pl.read_parquet(tmp_path / "none.parquet").schema == read.schema
    assert read["id"].to_list() == truth.ids
    assert read["model"].to_list() == [m["model"] for m in truth.metas]
    assert not {"text", "prompt"} & set(read.columns)
    for column in ENTRY_COLUMNS:
        dense = np.zeros((13, 12))
        for row, (features, values) in enumerate(zip(read["feature"], read[column], strict=True)):
            dense[row, features.to_numpy()] = values.to_numpy()
        np.testing.assert_allclose(dense, truth.dense(column, "b"))
    for name in ("max.npz", "all.arrow"):
        with pytest.raises(InputError, match="already exists"):
            export(corpus, tmp_path / name, name[-5:].split(".")[-1], sae="b")
    with pytest.raises(InputError, match="takes no pooling"):
        export(corpus, tmp_path / "x", "parquet", pooling="max", sae="b")
    with pytest.raises(InputError, match="unknown format"):
        export(corpus, tmp_path / "x", "pickle", sae="b")
    with pytest.raises(CorpusError, match="cannot write"):
        export(corpus, tmp_path / "missing" / "x.npz", sae="b")
    assert not list(tmp_path.glob("*.tmp")) and not list(tmp_path.glob(".*"))
