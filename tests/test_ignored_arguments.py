"""An argument that would change nothing is refused in one line, before anything is read or asked."""

from __future__ import annotations

import sys
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
    calibrate,
    cluster,
    correlate,
    diff,
    encode,
    label,
    open_documents,
    search,
)
from saetext.analysis.clusters import load_model, predict, save_clusters
from saetext.analysis.cooccurrence.request import CorrelateRequest
from saetext.analysis.differences.request import DiffRequest
from saetext.analysis.search.asking import Settings
from saetext.analysis.search.by_llm import LLMReranker
from saetext.errors import InputError, refuse_unused
from saetext.features.labelling.pipeline import score
from saetext.features.labels import FeatureLabels
from saetext.io.request import Request
from saetext.training.request import TrainRequest


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
    for options in ({"max_similarity": 0.9}, {"max_cosine": 0.9}, {"max_same_phrase": 0.9}):
        message = refusal(correlate, corpus, column="kind", **options)
        assert message.startswith(f"{next(iter(options))} would change nothing") and "kind" in message
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
    for options in (
        {"dims": 50}, {"scaling": "log"}, {"pooling": "mean"}, {"idf_power": 1.0}, {"semantic": False}
    ):  # fmt: skip
        message = refusal(cluster, dense(), metric="jaccard", **options)
        assert message.startswith(f"{next(iter(options))} would change nothing") and "jaccard" in message


def test_placing_draws_nothing_without_a_sample(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    topic = draw.integers(0, 3, 90)
    values = draw.random((90, 24)) < 0.1 + 0.5 * (np.arange(24) % 3 == topic[:, None])
    corpus = DenseCorpus(values.astype(np.float32))
    save_clusters(cluster(corpus, semantic=False, epochs=10), corpus.spec, tmp_path / "m")
    model = load_model(tmp_path / "m")
    assert "seed would change nothing" in refusal(predict, model, corpus, seed=1)
    assert predict(model, corpus, seed=1, sample=90).params["seed"] == 1


def test_search(searcher: Searcher) -> None:
    for options in ({"features": {1: 1.0}}, {"features": "1:2"}, {"settings": Settings(features=5)}):
        message = refusal(searcher.search, "river", mode="bm25", **options)
        assert message.startswith(f"{next(iter(options))} would change nothing") and "bm25" in message
    assert "depth would change nothing" in refusal(searcher.search, "river", mode="bm25", depth=5)
    assert "depth would change nothing" in refusal(search, searcher.corpus, features={1: 1.0}, depth=5)
    assert "settings would change nothing" in refusal(
        searcher.search, features={1: 1.0}, settings=Settings(features=5)
    )
    assert "depth would change nothing" in refusal(searcher.search, similar="doc-1", mode="bm25", depth=5)
    assert searcher.search(similar="doc-1", mode="bm25").params["mode"] == "bm25"
    assert searcher.search(features={1: 1.0}).params["mode"] == "features"


def test_no_model_runs_in_a_search_by_words_or_documents(searcher: Searcher) -> None:
    corpus = searcher.corpus
    for words, how in (
        (["river"], {"mode": "bm25"}), ([], {"features": {1: 1.0}}), ([], {"like": ["doc-1"]}),
        ([], {"similar": "doc-1", "mode": "bm25"}),
    ):  # fmt: skip
        assert "device would change nothing" in refusal(search, corpus, *words, device="cpu", **how)


def test_build_index(searcher: Searcher) -> None:
    assert "device would change nothing" in refusal(build_index, searcher.corpus, dense=False, device="cpu")


def test_an_interval_of_rank_correlations_is_no_bootstrap() -> None:
    corpus = dense(number=np.random.default_rng(0).random(60))
    assert "bootstrap would change nothing" in refusal(correlate, corpus, column="number", bootstrap=50)


@pytest.mark.parametrize("options", [{"judged": 5}, {"hypotheses": 3}, {"on_estimate": print}])
def test_what_a_judge_is_asked_needs_a_judge(options: dict[str, Any]) -> None:
    message = refusal(diff, dense(0), dense(1), **options)
    assert message.startswith(f"{next(iter(options))} would change nothing") and "language model" in message


@pytest.mark.parametrize(
    "how",
    [{"mode": "bm25"}, {"similar": "doc-1", "mode": "bm25"}, {"features": {1: 1.0}}, {"like": ["doc-1"]}],
)
def test_how_words_become_features_needs_words_that_do(how: dict[str, Any], searcher: Searcher) -> None:
    words = ["river"] if how == {"mode": "bm25"} else []
    for options in ({"lexical": True}, {"reader": object()}):
        message = refusal(search, searcher.corpus, *words, **how, **options)
        assert f"{next(iter(options))} would change nothing" in message
    assert search(searcher.corpus, *words, **how).params["seed"] == 0


def test_a_seed_of_a_search_needs_a_sample_or_examples(searcher: Searcher) -> None:
    for how in ({"features": {1: 1.0}}, {"similar": "doc-1", "mode": "bm25"}):
        assert "seed would change nothing" in refusal(searcher.search, seed=1, **how)
    assert searcher.search(features={1: 1.0}, seed=1, sample=10).params["seed"] == 1
    assert searcher.search(like=["doc-1", "doc-2"], seed=1).params["seed"] == 1


@pytest.mark.parametrize(
    "options", [{"file": "labels.csv"}, {"method": "neuronpedia", "neuronpedia_id": "a/b"}]
)
def test_labels_that_exist_have_no_seed(options: dict[str, Any]) -> None:
    assert refusal(label, dense(), seed=1, **options).startswith("seed would change nothing")


def test_the_embedded_reader_has_nothing_pickled() -> None:
    assert "trust_pickle would change nothing" in refusal(Reader.load_many, [], trust_pickle=True)
    assert "trust_pickle would change nothing" in refusal(TrainRequest, trust_pickle=True)
    assert TrainRequest(model="somewhere", trust_pickle=True).trust_pickle


def test_calibrate_has_a_role_of_chats_only() -> None:
    reader, texts = tiny().reader(), open_documents(some_rows(3))
    assert "role would change nothing" in refusal(calibrate, reader, texts, role="user", quiet=True)
    turns = [{"messages": [{"role": "user", "content": "hello there"}]}] * 3
    assert calibrate(reader, open_documents(turns, role="user"), role="user", quiet=True).calibrated


def test_train() -> None:
    assert "dense_above would change nothing" in refusal(TrainRequest, dense_weight=0, dense_above=0.1)
    assert "not both" in refusal(TrainRequest, hook="blocks.1.hook_mlp_out", layer=1)


# ---- every option of the analyses, in every way to ask ------------------------------------------------

INSIDE = ("params", "changed", "__post_init__")  # what records or checks an option does not use it


def unread(request: type[Request], ask: Callable[[], Any], patch: pytest.MonkeyPatch) -> set[str]:
    """Return the options of a request that nothing has read when the verb is done."""
    names, seen = set(request.option_names()), set()

    def get(self: Any, name: str) -> Any:
        if name in names:
            code = sys._getframe(1).f_code
            if code.co_name not in INSIDE and not code.co_filename.endswith("io/request.py"):
                seen.add(name)
        return object.__getattribute__(self, name)

    with patch.context() as patched:
        patched.setattr(request, "__getattribute__", get)
        ask()
    return names - seen


OTHER = {  # another value than the default, for each option that is ever left unread
    "across_labels": FeatureLabels.from_rows([]), "bootstrap": 50, "max_cosine": 0.9, "max_same_phrase": 0.9,
    "max_similarity": 0.9, "min_joint": 9, "hypotheses": 3, "judged": 9, "on_estimate": print,
    "values": ["a", "b"], "order": "npmi",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["pairs", "across", "values", "number", "two", "three", "by"])
def test_an_option_that_nothing_reads_is_refused(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    a, b, c = (dense(seed, number=draw.random(60), kind=["a", "b", "c"] * 20) for seed in range(3))
    verb, things, given, request = {
        "pairs": (correlate, (a,), {}, CorrelateRequest),
        "across": (correlate, (a, b), {}, CorrelateRequest),
        "values": (correlate, (a,), {"column": "kind"}, CorrelateRequest),
        "number": (correlate, (a,), {"column": "number"}, CorrelateRequest),
        "two": (diff, (a, b), {}, DiffRequest),
        "three": (diff, (a, b, c), {}, DiffRequest),
        "by": (diff, (a,), {"by": "kind"}, DiffRequest),
    }[how]
    for name in sorted(unread(request, lambda: verb(*things, **given), monkeypatch)):
        if how == "by" and name == "values":
            continue
        assert name in refusal(verb, *things, **given, **{name: OTHER[name]})


@pytest.mark.filterwarnings("ignore")
def test_unread_options_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = unread(CorrelateRequest, lambda: correlate(dense()), monkeypatch)
    assert found == {"across_labels"}
