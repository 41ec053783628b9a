"""``saetext search`` and ``saetext index`` as a stranger uses them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from chat_server import chat_server
from test_cli import corpora, place, saetext

from saetext.corpus import Corpus
from saetext.reader import sentences as embed

__all__ = ["corpora", "place"]

SEARCH = ["search", "a.corpus"]


@pytest.fixture(autouse=True)
def _made(corpora: tuple[str, str]) -> None:
    """Both corpora lie in the working directory."""


def word() -> str:
    """A word among the labels, which are the calibration's top words."""
    return Corpus.open("a.corpus").calibration(None).label(int(present()[0])).split(",")[0].strip()


def present() -> list[int]:
    """Features by the number of documents they are in, the rarest of those in ten or more first."""
    frequency = Corpus.open("a.corpus").postings().document_frequency
    return sorted((f for f in range(len(frequency)) if frequency[f] >= 10), key=lambda f: (frequency[f], f))


def test_as_text_json_csv_and_parquet() -> None:
    feature = present()[0]
    asked = [*SEARCH, "--features", f"{feature},{present()[1]}:0.5"]
    shown = saetext(*asked, "--explain")
    assert shown.code == 0
    assert "by features; features" in " ".join(shown.out.split())
    assert "«" in shown.out and "+1.000" in shown.out
    done = saetext(*asked, "--json", "--parquet", "s.parquet")
    assert "wrote s.parquet" in done.err
    found = json.loads(done.out)
    assert list(found) == ["kind", "params", "metrics", "rows"] and found["kind"] == "search"
    assert {"id", "score", "snippet", "features"} <= set(found["rows"][0])
    assert found["rows"][0]["features"][0]["feature"] in (feature, present()[1])
    table = list(csv.DictReader(io.StringIO(saetext(*asked, "--csv").out)))
    assert [row["id"] for row in table] == [row["id"] for row in found["rows"]]
    assert pl.read_parquet("s.parquet")["id"].to_list() == [row["id"] for row in found["rows"]]
    assert all(len(line) <= 100 for line in shown.out.splitlines())


def test_pages_groups_and_filters() -> None:
    asked = [*SEARCH, "--features", present()[0], "--json"]

    def ids(*options: object) -> list[str]:
        return [row["id"] for row in json.loads(saetext(*asked, *options).out)["rows"]]

    whole = ids("--top", 40)
    assert ids("--top", 3, "--offset", 2) == whole[2:5]
    assert ids("--where", "topic = 'a'", "--top", 40) == [id for id in whole if int(id[1:]) % 2 == 0]
    first = {topic: next(id for id in whole if int(id[1:]) % 2 == topic) for topic in (0, 1)}
    assert ids("--group-by", "topic") == sorted(first.values(), key=whole.index)


def test_index_then_hybrid(monkeypatch: pytest.MonkeyPatch) -> None:
    if not embed.available():
        pytest.skip("needs the extra 'embedded'")
    before = saetext(*SEARCH, word(), "--lexical")
    assert before.code == 0 and "; features, " in before.out
    done = saetext("index", "a.corpus")
    assert done.code == 0 and done.out == ""
    for part in ("features", "projected", "bm25", "dense"):
        assert f"{part}: built" in done.err
    assert "dense: kept" in saetext("index", "a.corpus").err
    after = json.loads(saetext(*SEARCH, "the quick brown fox", "--lexical", "--json").out)
    assert after["params"]["mode"] == "hybrid"
    dense = json.loads(saetext(*SEARCH, "a lazy dog sleeps", "--mode", "dense", "--json").out)
    vectors = embed.Embedder.load("cpu").embed(
        ["a lazy dog sleeps", *(Corpus.open("a.corpus").document(r["id"])["text"] for r in dense["rows"])]
    )
    for row, cosine in zip(dense["rows"], vectors[1:] @ vectors[0], strict=True):
        assert abs(row["score"] - cosine) < 1e-3
    words = saetext(*SEARCH, "lazy dog", "--mode", "bm25")
    assert "«lazy»" in words.out or "«dog»" in words.out
    similar = json.loads(saetext(*SEARCH, "--similar", "d3", "--json").out)
    assert len(similar["rows"]) == 10 and "d3" not in [row["id"] for row in similar["rows"]]


def test_documents_judged_and_literal_text() -> None:
    asked = [*SEARCH, "--features", present()[0], "--top", 5, "--json"]
    first = json.loads(saetext(*asked).out)
    ids = [row["id"] for row in first["rows"]]
    fitted = json.loads(saetext(*asked, "--more", "1,3", "--less", ids[1]).out)
    assert fitted["metrics"]["right"] == 2 and fitted["metrics"]["wrong"] == 1
    assert fitted["params"]["more"] == ["1,3"] and not set(ids[:3]) & {row["id"] for row in fitted["rows"]}
    assert "the search found" in saetext(*asked, "--more", 9999).error
    refused = saetext(*asked, "--more", 1, "--rerank", 3)
    assert refused.code == 2 and "--rerank" in refused.err
    shown = saetext(*asked[:-1], "--more", 1).out
    assert "fitted to 1 right and 0 wrong" in " ".join(shown.split()) and "before" in shown
    text = Corpus.open("a.corpus").document("d3")["text"] or ""
    literal = text.split()[0]
    found = saetext(*SEARCH, "--words", literal)
    assert found.code == 0 and f"with {literal}" in " ".join(found.out.split())
    both = saetext(*SEARCH, "river", "--words", literal)
    assert both.code == 2 and "choose one of" in both.err
    assert "has no words" in saetext(*SEARCH, "🎉🎉").error and "--words" in saetext(*SEARCH, "🎉🎉").error


def test_examples_to_a_query_file() -> None:
    like = ["--like", "d1", "--like", "d3", "--like", "d5", "--unlike", "d2"]
    done = saetext(*SEARCH, *like, "--save-query", "q.json", "--json")
    assert "wrote q.json" in done.err
    learnt = json.loads(done.out)
    assert learnt["params"]["like"] == ["d1", "d3", "d5"]
    again = json.loads(saetext(*SEARCH, "--query", "q.json", "--top", 40, "--json").out)
    ids = [row["id"] for row in again["rows"] if row["id"] not in ("d1", "d2", "d3", "d5")]
    assert ids[: len(learnt["rows"])] == [row["id"] for row in learnt["rows"]]
    # it is of the reader's features, so it serves another corpus too
    assert saetext("search", "b.corpus", "--query", "q.json").code == 0
    assert "exists already" in saetext(*SEARCH, *like, "--save-query", "q.json").error
    assert Path("q.json").read_text("utf-8").startswith("{")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--like", "nobody"], "no document 'nobody'"),
        (["--features", "1:x"], "cannot understand '1:x'"),
        (["--features", "99999"], "there is no feature 99999"),
        (["zzzz", "--lexical"], "no feature answers 'zzzz'"),
        (["dog", "--mode", "dense"], "has no dense index: run 'saetext index a.corpus'"),
        (["--similar", "d1"], "run 'saetext index a.corpus'"),
        (["--features", "1", "--where", "prompt_id >"], "cannot understand the condition"),
        (["--features", "1", "--where", "nothing = 3"], "no column 'nothing'"),
        (["--features", "1", "--where", "exec('x') = 1"], "no function exec"),
        (["--features", "1", "--group-by", "nothing"], "no column 'nothing'"),
        (["--query", "none.json"], "cannot read none.json"),
    ],
)
def test_bad_input_is_told_in_one_line(options: list[str], message: str) -> None:
    assert message in saetext(*SEARCH, *options).error


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["dog", "--json", "--csv"],
        ["dog", "--like", "d1"],
        ["--features", "1", "--unlike", "d1"],
        ["--like", "d1", "--mode", "dense"],
        ["--similar", "d1", "--mode", "features"],
        ["dog", "--mode", "projected"],
        ["dog", "--top", "-1"],
    ],
)
def test_usage(options: list[str]) -> None:
    assert saetext(*SEARCH, *options).code == 2


def test_the_llm_reranker() -> None:
    def behave(user: str, number: int) -> str:
        return '{"grades": {"1": 3}}' if "<feature " in user else '{"grade": 2}'

    with chat_server(behave) as server:
        asked = [*SEARCH, word(), "--lexical", "--base-url", server.url, "--model", "tiny"]
        shown = saetext(*asked, "--rerank", "3", "--rerank-features", "--top", "4")
        assert shown.code == 0, shown.err
        assert "4 answers from the endpoint" in shown.err
        assert shown.out.count("grade 2") == 3
        assert "the order of tiny's grades" in " ".join(shown.out.split())
        found = json.loads(saetext(*asked, "--rerank", "3", "--json").out)
        assert [row["grade"] for row in found["rows"][:3]] == [2, 2, 2]
        assert len(server.requests) == 4  # from the cache
    assert "need" in saetext(*SEARCH, word(), "--rerank", "3").error
    refused = saetext(*SEARCH, "--similar", "0", "--rerank", "3")
    assert refused.code == 2 and "go with a search in words" in " ".join(refused.err.split())
