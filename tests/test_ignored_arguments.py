"""An argument that would change nothing is refused in one line, before anything is read or asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from corpus_factory import make_corpus
from memory_corpus import DenseCorpus
from tiny_reader import some_rows, tiny, write_jsonl

from saetext import (
    Reader,
    Searcher,
    append,
    build_index,
    cluster,
    correlate,
    diff,
    encode,
    label,
    open_documents,
    search,
)
from saetext.analysis.search.asking import Settings
from saetext.analysis.search.by_llm import LLMReranker
from saetext.errors import InputError, refuse_unused
from saetext.features.labelling.pipeline import score
from saetext.features.labels import FeatureLabels


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    corpus = make_corpus(tmp_path_factory.mktemp("s") / "a.corpus", 0, (20,), density=0.5)[0]
    build_index(corpus, dense=False)
    return Searcher(corpus, lexical=True)


def refusal(call: Callable[..., Any], *args: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(*args, **options)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 250
    return message


def dense(seed: int = 0, **meta: Any) -> DenseCorpus:
    value = (np.random.default_rng(seed).random((60, 6)) < 0.4).astype(np.float32)
    return DenseCorpus(value, meta=meta)


def test_what_is_named() -> None:
    refuse_unused("nothing is wrong", a=None, b=False)
    assert refusal(refuse_unused, "it is so", a="", b=None) == "a would change nothing: it is so"
    assert refusal(refuse_unused, "it is so", a=0, b=1) == "a and b would change nothing: it is so"
    assert refusal(refuse_unused, "so", a=0, b=1, c=()) == "a, b and c would change nothing: so"


# ---- readers and documents ----------------------------------------------------------------------------


@pytest.mark.parametrize("names", [[], ["embedded"]])
@pytest.mark.parametrize("options", [{"model": "gpt2"}, {"revision": "main"}])
def test_the_embedded_reader_has_a_model_of_its_own(names: list[str], options: dict[str, str]) -> None:
    message = refusal(Reader.load_many, names, **options)
    assert message.startswith(f"{next(iter(options))} would change nothing") and "name an SAE" in message
    assert "name an SAE" in refusal(Reader, **options)


def test_an_sae_id_needs_its_release() -> None:
    assert "release" in refusal(Reader.load, None, "blocks.8.hook_resid_pre")


def test_a_corpus_of_the_embedded_reader_takes_neither_names_nor_model() -> None:
    spec = type("Spec", (), {"source": {"kind": "embedded"}, "model": "m", "revision": "r"})()
    for options in ({"names": ["x"]}, {"model": "gpt2"}):
        assert "embedded" in refusal(Reader.from_spec, spec, {}, **options)


def test_no_saes_at_all(tmp_path: Path) -> None:
    assert "no SAE" in refusal(Reader.load_local, [], tiny().model)


@pytest.mark.parametrize(
    "source", [["a text"], [{"text": "a"}], pl.DataFrame({"text": ["a"]}), pl.Series("text", ["a"])]
)
def test_texts_in_memory_have_no_format(source: Any) -> None:
    assert "format would change nothing" in refusal(open_documents, source, format="csv")
    assert refusal(open_documents, source, format="strange").startswith("format 'strange' is unknown")


def test_a_role_needs_turns(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", some_rows(3))
    for role in ("user", "system", "all"):
        assert "messages" in refusal(open_documents, file, role=role)
    turns = [{"messages": [{"role": "user", "content": "hello there"}]}] * 3
    assert len(list(open_documents(turns, role="user"))) == 3
    assert len(list(open_documents(file, role="assistant"))) == 3


@pytest.mark.parametrize(
    "options",
    [{"text": "text"}, {"id": ""}, {"prompt": "p"}, {"messages": "m"}, {"role": "user"}, {"format": "csv"}],
)
def test_a_source_has_its_columns_already(options: dict[str, str], tmp_path: Path) -> None:
    source = open_documents(some_rows(3))
    message = refusal(encode, source, tmp_path / "a.corpus", reader=tiny().reader(), **options)
    assert message.startswith(f"{next(iter(options))} would change nothing") and "open_documents" in message
    assert not (tmp_path / "a.corpus").exists()
    made = encode(some_rows(3), tmp_path / "b.corpus", reader=(reader := tiny().reader()), threshold=0)
    assert "open_documents" in refusal(append, source, made.path, reader=reader, **options)


# ---- labels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"method": "words", "file": "labels.csv"}, "method"),
        ({"method": "words", "client": object()}, "client"),
        ({"client": object()}, "client"),
        ({"method": "words", "neuronpedia_id": "a/b"}, "neuronpedia_id"),
        ({"method": "neuronpedia", "client": object(), "neuronpedia_id": "a/b"}, "client"),
        ({"method": "neuronpedia", "neuronpedia_id": "a/b", "min_support": 5}, "min_support"),
        ({"features": [1], "min_support": 5}, "min_support"),
        ({"file": "labels.csv", "neuronpedia_id": "a/b"}, "neuronpedia_id"),
        ({"file": "labels.csv", "min_support": 9}, "min_support"),
    ],
)
def test_labels(options: dict[str, Any], named: str) -> None:
    assert refusal(label, dense(), **options).startswith(f"{named} would change nothing")


def test_scores_are_made_by_one_of_two() -> None:
    labels = FeatureLabels.from_rows([])
    assert "embedder" in refusal(score, dense(), labels, client=object(), embedder=object())


# ---- analyses -----------------------------------------------------------------------------------------


def test_diff() -> None:
    a, b, c = dense(0), dense(1), dense(2)
    for against in ("mean", "max"):
        assert "against would change nothing" in refusal(diff, a, b, against=against)
    assert diff(a, b, c, against="max", families="features").params["against"] == "max"


def test_correlate() -> None:
    corpus = dense(number=np.random.default_rng(0).random(60), kind=["a", "b", "c"] * 20)
    other = dense(1)
    nothing = FeatureLabels.from_rows([])
    for options in ({"pair_on": "id"}, {"across_sae": "main"}, {"across_labels": nothing}):
        message = refusal(correlate, corpus, **options)
        assert message.startswith(f"{next(iter(options))} would change nothing") and "across" in message
        assert "across" in refusal(correlate, corpus, column="kind", **options)
    assert "names" in refusal(correlate, corpus, names=["a", "b"])
    assert "names" in refusal(correlate, corpus, other, names=["a"])
    assert "names" in refusal(correlate, corpus, names="a")
    for options in ({"max_same_phrase": 0.9}, {"min_joint": 9}, {"order": "npmi"}):
        message = refusal(correlate, corpus, column="number", **options)
        assert message.startswith(f"{next(iter(options))} would change nothing") and "number" in message
    assert correlate(corpus, column="kind", order="npmi", min_support=5).params["order"] == "npmi"


@pytest.mark.parametrize(
    ("options", "known"), [({"fdr": "holm"}, "bh, by"), ({"order": "p"}, "residual, npmi")]
)
def test_correlate_knows_its_choices(options: dict[str, Any], known: str) -> None:
    """An unknown one was taken for the default."""
    assert known in refusal(correlate, dense(), **options)


def test_an_llm_reranker_of_nothing() -> None:
    for nothing in ({}, {"rerank": 0}):
        assert "rerank_features" in refusal(LLMReranker, object(), **nothing)
    assert "rerank" in refusal(LLMReranker, object(), rerank=-1)


def test_cluster() -> None:
    for options in ({"dims": 50}, {"scaling": "log"}, {"pooling": "mean"}, {"idf_power": 1.0}):
        message = refusal(cluster, dense(), metric="jaccard", **options)
        assert message.startswith(f"{next(iter(options))} would change nothing") and "jaccard" in message


def test_search(searcher: Searcher) -> None:
    for options in ({"features": {1: 1.0}}, {"features": "1:2"}, {"settings": Settings(features=5)}):
        message = refusal(searcher.search, "river", mode="bm25", **options)
        assert message.startswith(f"{next(iter(options))} would change nothing") and "bm25" in message
    assert "depth would change nothing" in refusal(searcher.search, "river", mode="bm25", depth=5)
    assert "depth would change nothing" in refusal(
        search, searcher.corpus, features={1: 1.0}, depth=5, lexical=True
    )
    assert "settings would change nothing" in refusal(
        searcher.search, features={1: 1.0}, settings=Settings(features=5)
    )
    assert "depth would change nothing" in refusal(searcher.search, similar="doc-1", mode="bm25", depth=5)
    assert searcher.search(similar="doc-1", mode="bm25").params["mode"] == "bm25"
    assert searcher.search(features={1: 1.0}).params["mode"] == "features"


def test_build_index(searcher: Searcher) -> None:
    assert "device would change nothing" in refusal(build_index, searcher.corpus, dense=False, device="cpu")
