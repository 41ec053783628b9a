"""Documents of a corpus in Python: by place, by id, one after another, as frames, with their features."""

from __future__ import annotations

import dataclasses
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_factory import make_big_corpus, make_corpus

from saetext.corpus import Corpus, CorpusDocument
from saetext.errors import CorpusError, InputError
from saetext.features.labels import FeatureLabel, FeatureLabels


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Any]:
    return make_corpus(tmp_path_factory.mktemp("documents") / "a.corpus", seed=3)


def test_a_document_by_place_and_by_id(made: tuple[Corpus, Any]) -> None:
    corpus, truth = made
    assert len(corpus) == 13
    for at in (0, 5, 12):
        item = corpus[at]
        assert isinstance(item, CorpusDocument)
        assert (item.id, item.row, item.text) == (truth.ids[at], at, truth.texts[at])
        assert (item.prompt, item.n_tokens) == (truth.prompts[at], truth.n_tokens[at])
        expected = {"model": None, "score": None, "year": None, **truth.metas[at]}
        assert dict(item.metadata) == expected
        assert corpus[at - 13] == item == corpus[truth.ids[at]] == corpus[np.int64(at)]
        assert hash(item) == hash(corpus[at])
    with pytest.raises(dataclasses.FrozenInstanceError):
        corpus[0].text = "another"  # type: ignore[misc]
    assert truth.ids[3] in corpus and "nonesuch" not in corpus and 3 not in corpus


def test_a_slice_is_a_view(made: tuple[Corpus, Any]) -> None:
    corpus, truth = made
    for key in (slice(2, 9, 3), slice(-4, None), slice(None), slice(5, 2), slice(10, 99)):
        view = corpus[key]
        assert isinstance(view, Corpus)
        assert [d.id for d in view] == truth.ids[key]
        assert [d.row for d in view] == list(range(len(view)))
    assert corpus[4:10][1].id == truth.ids[5] and corpus[4:10][-1].id == truth.ids[9]
    with pytest.raises(InputError, match="runs forwards"):
        corpus[::-1]


def test_all_documents_one_after_another(made: tuple[Corpus, Any]) -> None:
    corpus, truth = made
    assert [(d.id, d.text) for d in corpus] == list(zip(truth.ids, truth.texts, strict=True))
    view = corpus.select([1, 6, 12])
    assert [d.id for d in view] == [truth.ids[i] for i in (1, 6, 12)]


def test_iteration_takes_no_more_memory_for_more_documents(tmp_path: Path) -> None:
    corpus = make_big_corpus(tmp_path / "big.corpus", 8000, entries=16, d_sae=512)
    assert sum(1 for _ in corpus) == 8000  # every file is checked when it is first used

    def most(part: Corpus) -> int:
        n = len(part)
        tracemalloc.start()
        try:
            assert sum(1 for _ in part) == n
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert most(corpus.whole) < most(corpus.select("row < 2000")) + 100_000


def test_features_of_a_document_have_labels_and_words(made: tuple[Corpus, Any]) -> None:
    corpus, truth = made
    value, count, peak = (truth.dense(name) for name in ("value", "count", "peak"))
    at = max(range(13), key=lambda i: int((value[i] > 0).sum()))
    found = corpus[at].features
    assert found.columns == ["sae", "feature", "label", "label_score", "value", "tokens", "word"]
    assert sorted(found["feature"]) == np.flatnonzero(value[at]).tolist() and found.height > 2
    words = truth.texts[at].split(" ")
    for row in found.to_dicts():
        f = row["feature"]
        assert row["value"] == pytest.approx(value[at, f]) and row["tokens"] == count[at, f]
        assert row["sae"] == "main" and row["label"] == f"word{f}" and row["label_score"] is None
        if words[int(peak[at, f])] != "🙂":
            assert row["word"] in words[int(peak[at, f])]
    # a view's document is the same document
    assert corpus.select([at])[0].features.equals(found)


def test_labels_made_while_a_corpus_is_open_are_seen(tmp_path: Path) -> None:
    corpus, truth = make_corpus(tmp_path / "a.corpus", seed=3)
    at = max(range(13), key=lambda i: int((truth.dense("value")[i] > 0).sum()))
    f = int(corpus[at].features["feature"][0])
    made_since = FeatureLabels.from_rows([FeatureLabel(f, "saying sorry", score=0.75)])
    made_since.write(corpus.path / "labels.parquet")
    first = corpus[at].features.row(0, named=True)
    assert (first["feature"], first["label"], first["label_score"]) == (f, "saying sorry", 0.75)


def test_features_of_several_saes_and_without_texts(tmp_path: Path) -> None:
    corpus, truth = make_corpus(tmp_path / "a.corpus", seed=4, saes=("main", "other"), stores_text=False)
    at = int((truth.dense("value") > 0).sum(1).argmax())
    found = corpus[at].features
    for sae in ("main", "other"):
        mine = found.filter(found["sae"] == sae)
        assert sorted(mine["feature"]) == np.flatnonzero(truth.dense("value", sae)[at]).tolist()
    assert found["word"].null_count() == found.height and corpus[at].text is None


def test_documents_and_matrix_for_other_libraries(made: tuple[Corpus, Any]) -> None:
    corpus, truth = made
    frame = corpus.to_polars()
    assert list(frame["id"]) == truth.ids
    assert {"row", "text", "prompt", "n_tokens", "model"} <= set(frame.columns)
    pandas = corpus.to_pandas()
    assert list(pandas["id"]) == truth.ids and list(pandas.columns) == frame.columns
    assert list(corpus[3:6].to_pandas()["row"]) == [0, 1, 2]
    matrix = corpus.to_scipy("max")
    assert matrix.format == "csr" and matrix.shape == (13, 12)
    np.testing.assert_allclose(matrix.toarray(), truth.pooled("max"), rtol=1e-6)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (13, CorpusError, "has no row 13; rows are 0 to 12"),
        (-14, CorpusError, "has no row -14; rows are 0 to 12"),
        ("nonesuch", CorpusError, "has no document 'nonesuch'"),
        ("\udcff", CorpusError, "has no document"),
        (1.5, InputError, "not by float"),
        (None, InputError, "not by NoneType"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    made: tuple[Corpus, Any], key: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        made[0][key]
    assert "\n" not in str(caught.value)


def test_documents_say_what_they_are_on_one_short_line(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120) / ("y\n" * 60) / "a.corpus"
    corpus, _ = make_corpus(deep, seed=3, saes=[f"sae{i}" for i in range(30)])
    hostile = dataclasses.replace(corpus[0], id="\x1b[31m" * 99, text="a\n" * 999)
    for thing in (corpus, corpus[2:5], corpus[0], hostile):
        said = repr(thing)
        assert len(said) <= 200 and said.isprintable(), said
    assert "13 documents" in repr(corpus) and "a.corpus" in repr(corpus)
    assert repr(corpus[0]).startswith("<CorpusDocument: 'doc-0', ")
