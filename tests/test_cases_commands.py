"""Commands on files that people have: two answers in one row, equal texts, hopeless queries, checks first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cluster_factory import D_SAE, Stored
from document_helpers import jsonl
from scipy import sparse
from test_cli import saetext

from saetext.analysis.clusters import density
from saetext.analysis.clusters.repeats import among, distinct, repeated, representatives
from saetext.analysis.search.unanswered import is_nonsense, require_words
from saetext.errors import InputError

THINGS = ["bread", "roof", "boiler", "fridge", "piano", "garden", "bicycle", "lamp", "kettle", "clock"]


def pairs(path: Path) -> Path:
    rows = [
        {
            "prompt": f"What is wrong with my {thing}, and what can I do about it ({i})?",
            "chosen": f"I'm so sorry to hear that! Perhaps you could gently try the {thing} again, please.",
            "rejected": f"Check the {thing}. Replace part {i}. 1. Clean it. 2. Test it for 10 minutes. Done.",
        }
        for i in range(3)
        for thing in THINGS
    ]
    return jsonl(path, rows)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    return tmp_path


# --- diff --columns -----------------------------------------------------------------------------------------


def test_two_columns_are_compared_row_by_row(place):
    pairs(place / "pairs.jsonl")
    done = saetext("diff", "pairs.jsonl", "--columns", "chosen,rejected", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["params"]["pair_on"] == "id" and found["metrics"]["pairs"] == 30
    assert len(found["rows"]) > 5
    assert sorted(path.name for path in place.glob("*.corpus")) == [
        "pairs.jsonl.chosen.corpus",
        "pairs.jsonl.rejected.corpus",
    ]
    again = saetext("diff", "pairs.jsonl", "--columns", "chosen,rejected", "--json")
    assert again.err.count("using pairs.jsonl.") == 2 and json.loads(again.out)["rows"] == found["rows"]
    import saetext as library

    result = library.diff(place / "pairs.jsonl", columns=("chosen", "rejected"))
    assert result.table.height >= len(found["rows"]) and result.params["pair_on"] == "id"
    error = saetext("diff", "pairs.jsonl", "--columns", "chosen,nothing").error
    assert "no column 'nothing'" in error and "\n" not in error


@pytest.mark.parametrize(("arguments", "message"), [
    (["a.jsonl", "b.jsonl", "--columns", "chosen,rejected"], "expected one file of texts with --columns"),
    (["a.jsonl", "--columns", "chosen"], "two or more different ones"),
    (["a.jsonl", "--columns", "chosen,chosen"], "two or more different ones"),
    (["a.jsonl", "--columns", "chosen,rejected", "--by", "prompt"], "name one of them"),
])  # fmt: skip
def test_columns_that_cannot_be(place, arguments, message):
    pairs(place / "a.jsonl")
    pairs(place / "b.jsonl")
    done = saetext("diff", *arguments)
    assert done.code in (1, 2) and message in " ".join(done.err.replace("│", " ").split())
    assert not list(place.glob("*.corpus"))


# --- encode: what is printed, several files -----------------------------------------------------------------


def test_encode_says_what_it_recognised(place):
    rows = [
        {"custom_id": f"q{i}", "response": {"status_code": 200, "body": {"choices": [
            {"message": {"role": "assistant", "content": f"The {thing} cools down and shrinks."}}]}}}
        for i, thing in enumerate(THINGS)
    ]  # fmt: skip
    jsonl(place / "batch.jsonl", rows)
    done = saetext("encode", "batch.jsonl")
    assert done.code == 0, done.err
    assert "recognised as OpenAI batch output: text at response.body.choices[0].message.content" in done.err
    assert "such as 'The bread cools down and shrinks.', 'The roof cools" in done.err
    error = saetext(
        "encode", jsonl(place / "c.jsonl", [{"custom_id": "q", "a": {"b": "a text in here"}}] * 3)
    ).error
    assert "text is at a.b: --text-column a.b" in error
    done = saetext("encode", "c.jsonl", "--text-column", "a.b")
    assert done.code == 0 and "text from 'a.b'" in done.err


def test_several_files_become_one_corpus(place):
    for name in ("a", "b"):
        jsonl(place / f"{name}.jsonl", [{"text": f"The {thing} of {name}."} for thing in THINGS])
    assert "name it with --output" in saetext("encode", "a.jsonl", "b.jsonl").error
    done = saetext("encode", "a.jsonl", "b.jsonl", "-o", "all.corpus")
    assert done.code == 0 and "20 documents" in done.err
    shown = saetext("info", "all.corpus").out
    assert "file" in shown


# --- search: what is hopeless, and cheap checks first -------------------------------------------------------


def test_queries_without_words_and_wrong_conditions_are_refused_before_a_model(place, monkeypatch):
    jsonl(place / "a.jsonl", [{"text": f"The {thing} cools down.", "n": i} for i, thing in enumerate(THINGS)])
    assert saetext("encode", "a.jsonl").code == 0
    from saetext.analysis.search import resources
    from saetext.reader.sentences import Embedder

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(Embedder, "load", refuse)
    monkeypatch.setattr(resources.Resources, "asked", refuse)
    for query in ("🎉🎉", "?!", "…"):
        assert "has no words" in saetext("search", "a.jsonl", query).error
    assert "zzz" in saetext("search", "a.jsonl", "a cold night", "--where", "zzz = 1").error
    assert "zzz" in saetext("search", "a.jsonl", "a cold night", "--group-by", "zzz").error


def test_nonsense_is_refused_and_strange_words_are_not(place):
    jsonl(place / "a.jsonl", [{"text": f"The {thing} cools down at zxqv."} for thing in THINGS])
    jsonl(place / "b.jsonl", [{"text": f"The {thing} cools down."} for thing in THINGS])
    assert "no word of 'zxqv wqqk' is known" in saetext("search", "b.jsonl", "zxqv wqqk").error
    refused = saetext("search", "b.jsonl", "zx_qv wqq't 7kk")  # words that are cut at marks and digits
    assert refused.code == 1 and "say it in other words" in refused.error
    assert saetext("search", "a.jsonl", "zxqv wqqk").code == 0  # it stands in the texts
    assert saetext("search", "b.jsonl", "zorbleflax quintupling").code == 0


def test_what_counts_as_nonsense():
    assert is_nonsense([("zxqv", 4), ("wqqk", 4)]) and not is_nonsense([("zxqv", 4), ("night", 1)])
    assert not is_nonsense([]) and not is_nonsense([("quintupling", 3)])
    for text in ("🎉🎉", " ?! "):
        with pytest.raises(InputError, match="has no words"):
            require_words(text)
    for text in ("a", "7", "雪", "é!"):
        require_words(text)


# --- equal texts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", ["far apart", "one heap", "four"])
def test_rows_of_one_place_are_one_cluster(others):
    rng = np.random.default_rng(3)
    rest = {
        "far apart": rng.normal(size=(30, 5)) * 10,
        "one heap": rng.normal(size=(30, 5)) * 0.1 + 5,
        "four": rng.normal(size=(4, 5)) * 10,
    }[others]
    points = np.r_[np.zeros((270, 5)), rest].astype(np.float32)
    order = rng.permutation(len(points))
    same = order < 270
    found = density.group(points[order], min_cluster_size=6, min_samples=5)
    (number,) = set(found.cluster[same].tolist())
    assert number > 0 and not (found.cluster[~same] == number).any()
    assert len(set(found.probability[same].tolist())) == 1 and found.probability[same][0] > 0
    assert found.n_clusters == len(found.order) == len(found.persistence) == found.cluster.max()


def test_seven_places_are_seven_clusters():
    points = np.repeat(np.eye(7) * 10, 40, axis=0).astype(np.float32)
    found = density.group(points, min_cluster_size=6, min_samples=5)
    assert found.n_clusters == 7 and (np.bincount(found.cluster)[1:] == 40).all()


def test_one_row_stands_for_equal_texts():
    told = ["same"] * 6 + ["other", "more", "more"] + ["same"]
    value = np.zeros((10, D_SAE), np.float32)
    corpus = Stored(value, told=told)
    vectors = np.zeros((10, 3), np.float32)
    vectors[:, 0] = 1
    vectors[3] = [0, 1, 0]  # the same text, read in another way
    rows = np.arange(10)
    repeats = repeated(corpus, rows, 3)
    assert [same.tolist() for same in repeats] == [[0, 1, 2, 3, 4, 5, 9]]
    there = sparse.csr_matrix(np.abs(vectors) > 0, dtype=np.float32)
    assert distinct(10, repeats, there).tolist() == [0, 3, 6, 7, 8] and distinct(10, [], there) is None
    kept, place = representatives(10, repeats, vectors, 3)
    assert kept.tolist() == [0, 3, 6, 7, 8] and kept[place].tolist() == [0, 0, 0, 3, 0, 0, 6, 7, 8, 0]
    assert representatives(10, repeats, vectors, 8)[0].tolist() == list(range(10))


def test_each_reading_of_one_text_is_one_row():
    """The same answer to two prompts is read in two ways: each of them is one row, not only the first."""
    told = ["same"] * 200 + [str(n) for n in range(50)]
    corpus = Stored(np.zeros((250, D_SAE), np.float32), told=told)
    vectors = np.eye(52, dtype=np.float32)[[0] * 100 + [1] * 100 + list(range(2, 52))]
    repeats = repeated(corpus, np.arange(250), 3)
    for form in (vectors, sparse.csr_matrix(vectors)):
        assert representatives(250, repeats, form, 3)[0].tolist() == [0, 100, *range(200, 250)]
    assert len(distinct(250, repeats, sparse.csr_matrix(vectors))) == 52
    left = np.arange(250) % 2 == 1
    assert [same.tolist() for same in among(repeats, left)] == [list(range(100))]


def test_mostly_the_same_answer(place):
    rows = [
        {
            "text": "I can't help with that."
            if i % 10
            else f"Perhaps look at the {THINGS[i // 10 % 10]} again, {i}."
        }
        for i in range(300)
    ]
    jsonl(place / "a.jsonl", rows)
    done = saetext("cluster", "a.jsonl", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["rows"][0]["size"] >= 270 and found["metrics"]["noise"] <= 0.1
