"""The explorer without a browser: answers against brute force, labels kept, strangers kept out."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_factory import make_calibration, make_corpus, make_spec, random_rows
from explore_app import TOKEN, client_of
from hostile import ALL
from page_helpers import HOSTILE, Page

from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus.meta import docs_table
from saetext.errors import InputError
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.report.explore.asked import Asked
from saetext.report.explore.collect.items import DRAWERS, Drawers, Item, Recipe
from saetext.report.explore.drawing import share_shown
from saetext.report.explore.kept import Kept
from saetext.report.explore.loaded import Loaded, names_of
from saetext.report.explore.putting import COOKIE
from saetext.report.explore.queries import feature as one
from saetext.report.explore.queries import passages, searching
from saetext.report.explore.queries.about import columns_of, lengths_of
from saetext.report.explore.queries.counts import counts_of
from saetext.report.explore.queries.documents import containing, having, listed
from saetext.report.explore.queries.features import features_of
from saetext.report.explore.queries.passages import Look, entry_of, whole_of
from saetext.report.explore.queries.shades import Shade, shade_of_words
from saetext.report.explore.serving import listen
from saetext.text.terminal import visible

D_SAE = 12
SIZES = (40, 0, 33, 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Any]:
    return make_corpus(tmp_path_factory.mktemp("explore") / "one.corpus", 3, SIZES, D_SAE, density=0.4)


@pytest.fixture(scope="module")
def client(made: tuple[Corpus, Any]) -> Any:
    return client_of({"one": made[0]})


# ---- answers against brute force -------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["", "n_tokens > 4"])
def test_counts_documents_and_orders_are_those_of_the_dense_truth(made: Any, where: str) -> None:
    corpus, truth = made
    view = corpus.select(where) if where else corpus
    rows = [row for row, tokens in enumerate(truth.n_tokens) if not where or tokens > 4]
    dense = truth.dense("value")[rows]
    counts = counts_of(view, "main")
    assert counts.documents == len(rows)
    assert counts.support.tolist() == (dense > 0).sum(0).tolist()
    with np.errstate(invalid="ignore"):
        mean = dense.sum(0) / (dense > 0).sum(0)
    np.testing.assert_allclose(counts.mean, mean, rtol=1e-5)
    largest = np.where((dense > 0).any(0), dense.max(0), np.nan)
    np.testing.assert_allclose(counts.largest, largest, rtol=1e-6)
    full = corpus.calibration("main").maxima
    shade = Shade("", "two", (2, 5))
    share = {
        row: max(
            truth.dense("value")[row, f] / (full[f] or truth.dense("value")[rows, f].max()) for f in (2, 5)
        )
        for row in rows
    }
    found, strength = having(view, "main", shade)
    assert found.tolist() == [row for row in rows if share[row] > 0]
    np.testing.assert_allclose(strength, [share[row] for row in found.tolist()], rtol=1e-5)
    strongest = listed(view, "main", "", shade, "strongest").tolist()
    assert sorted(strongest) == found.tolist()
    assert all(share[a] >= share[b] - 1e-6 for a, b in pairwise(strongest))
    longest = listed(view, "main", "", None, "longest").tolist()
    assert [truth.n_tokens[row] for row in longest] == sorted(
        (truth.n_tokens[row] for row in rows), reverse=True
    )
    assert listed(view, "main", "", None, "corpus").tolist() == rows
    for words in ("PLAIN", "quite ans", "🙂", "a.swer", "(?i"):
        wanted = [row for row in rows if words.casefold() in truth.texts[row].casefold()]
        assert containing(view, words).tolist() == wanted
        with_it = [row for row in strongest if row in set(wanted)]
        assert listed(view, "main", words, shade, "strongest").tolist() == with_it


def test_a_feature_is_shown_over_its_whole_range(made: Any) -> None:
    corpus, truth = made
    dense = truth.dense("value")
    for feature in range(D_SAE):
        values = dense[:, feature]
        there = np.flatnonzero(values)
        bars = one.histogram_of(corpus, "main", feature)
        assert sum(bar.documents for bar in bars) == len(there)
        for bar in bars:
            rows, n = one.between(corpus, "main", feature, float(f"{bar.low:.9g}"), float(f"{bar.high:.9g}"))
            assert n >= bar.documents and len(rows) == len(set(rows)) <= max(n, 12)
            assert all(bar.low - 1e-3 <= values[row] <= bar.high + 1e-3 for row in rows)
        bands = one.bands_of(corpus, "main", feature)
        shown = [row for _, rows in bands for row in rows]
        assert len(shown) == len(set(shown)) and set(shown) <= set(there.tolist())
        if len(there) >= 15:
            named = dict(bands)
            assert values[named["strongest"][0]] == values.max()
            assert values[named["weakest"][-1]] == values[there].min()
            middle = np.median(values[there])
            assert np.abs(values[named["middle"]] - middle).max() <= np.ptp(values[there]) / 3
        counted, looked_at = one.words_of(corpus, "main", feature)
        assert looked_at == len(there) and sum(n for _, n in counted) <= len(there)


def test_companions_are_those_of_all_documents_or_of_stretches_all_over(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, truth = made
    there = truth.dense("value") > 0
    for feature in range(D_SAE):
        near, looked_at = one.together_with(corpus, "main", feature, corpus.labels())
        assert looked_at == there[:, feature].sum()
        for each in near:
            phi = np.corrcoef(there[:, feature], there[:, each.feature])[0, 1]
            assert each.similarity == pytest.approx(phi)
        assert [each.similarity for each in near] == sorted((each.similarity for each in near), reverse=True)
    monkeypatch.setattr(one, "_COMPANIONS", 40)
    places = one._stretches(1000)
    assert len(places) == 40 and places[0] == 0 and places[-1] == 999
    assert one._stretches(40).tolist() == list(range(40))


def test_features_are_searched_and_sorted_as_a_plain_loop_does(made: Any) -> None:
    corpus, _ = made
    labels = corpus.labels()
    counts = counts_of(corpus, "main")
    for sort, key in {"documents": counts.support, "mean": counts.mean, "max": counts.largest}.items():
        for turned in (False, True):
            got = features_of(corpus, "main", labels, words="", sort=sort, turned=turned, absent=False)
            values = [float(key[f]) for f in got]
            assert values == sorted(values, reverse=not turned)
            assert set(got.tolist()) == set(np.flatnonzero(counts.support).tolist())
    found = features_of(corpus, "main", labels, words="WORD1", sort="feature", turned=False, absent=True)
    assert found.tolist() == [1, 10, 11]
    assert 7 in features_of(corpus, "main", labels, words="7", sort="telling", turned=False, absent=False)
    assert shade_of_words(corpus, "main", labels, "word10").features == (10,)  # type: ignore[union-attr]


def test_a_whole_document_is_all_of_its_text(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, truth = made
    for shade in (None, Shade("2", "two", (2,)), Shade("", "some", (1, 2, 3, 4))):
        look = Look(corpus, "main", corpus.labels(), shade)
        for row in range(corpus.n_documents):
            text = truth.texts[row]
            entry = whole_of(look, row, (2, 6))
            spans = [(part.start, part.end) for part in entry.parts]
            assert "".join(text[a:b] for a, b in spans) == text
            shown = "".join(part.text for part in entry.parts)
            assert shown.replace("␣", " ") == visible(text, newlines=True)
            here = "".join(text[part.start : part.end] for part in entry.parts if part.here)
            assert here == text[2:6]
            marked = {part.start for part in entry.parts if part.shade}
            features = set(np.flatnonzero(truth.dense("value")[row]).tolist())
            assert bool(marked) == bool(features & set(shade.features) if shade else features)
            assert entry_of(look, row).id == truth.ids[row]
    monkeypatch.setattr(passages, "_LONGEST", 10)
    row = next(row for row, text in enumerate(truth.texts) if len(text) > 30)
    entry = whole_of(Look(corpus, "main", corpus.labels()), row, (20, 24))
    spans = [(part.start, part.end) for part in entry.parts]
    text = truth.texts[row]
    assert "".join(text[a:b] for a, b in spans) == text[15:25]
    assert entry.told == f"Characters 15 to 25 of {len(text)}."
    look = Look(corpus, "main", corpus.labels(), words="PLAIN")
    marked = [
        sum(bool(part.shade) for part in entry_of(look, row).parts) for row in range(corpus.n_documents)
    ]
    assert marked == [text.lower().count("plain") for text in truth.texts]


@pytest.mark.parametrize("where", ["", "n_tokens > 4 OR n_tokens = 1"])
def test_by_column_leads_to_the_documents_it_counted(client: Any, where: str) -> None:
    from urllib.parse import urlencode

    page = Page(client.get("feature?" + urlencode({"feature": 2, "by": "year", "where": where})).text)
    links = [a["href"] for tag, a in page.tags if tag == "a" and "year" in a.get("href", "")]
    links = [link for link in links if link.startswith("read?") and "order=strongest" in link]
    found = [re.search(r"of ([\d,]+) documents", Page(client.get(link).text).text) for link in links]
    counted = re.findall(r"([\d,]+) of [\d,]+", page.text.split("by column")[1].split("Shares with")[0])
    assert len(links) > 1 and [int(one[1]) if one else 0 for one in found] == [int(n) for n in counted]
    assert (
        client.get(
            "feature?" + urlencode({"feature": 2, "by": "year", "where": "row > 0 OR " * 300 + "row = 0"})
        ).status_code
        == 200
    )


def test_the_text_of_a_document_is_as_long_as_the_document(tmp_path: Path) -> None:
    """A link to selected words counts characters of the page, so there is one for each of the document."""
    gone = "\xad\u200b\ufeff\u202e"
    text = "def f(a):\r\n\tif  a:\n        go\xadod\u200b\ufeff  \n\n\n  end \x1b[0m 👩\u200d💻   end\u202e"
    corpus = one_text(tmp_path / "code.corpus", text)
    for shade in (None, Shade("", "some", tuple(range(D_SAE)))):
        for at in (None, (3, 33), (19, 20)):
            entry = whole_of(Look(corpus, "main", corpus.labels(), shade), 0, at)
            assert "".join(text[part.start : part.end] for part in entry.parts) == text
            for part in entry.parts:
                own = text[part.start : part.end]
                assert len(part.text) == len(own) or (not part.text and not own.strip(gone))
                assert part.line == bool(part.shade and "\n" in own and not own.strip())
            shown = "".join(part.text for part in entry.parts).replace("␣", " ")
            assert shown == "def f(a): \n\tif  a:\n        good  \n\n\n  end  [0m 👩\u200d💻   end"
            assert any(part.line for part in entry.parts) and any("␣" in part.text for part in entry.parts)


def one_text(path: Path, text: str) -> Corpus:
    """Write a corpus of one document; words and spaces are tokens, a feature peaks on each of the first."""
    calibrations = {"main": make_calibration(D_SAE)}
    stops = [found.end() for found in re.finditer(r"\s+|\S+", text)]
    tokens = np.array([len(stops)], np.int32)
    docs = docs_table(
        ids=["code"], texts=[text], prompts=[None], n_tokens=tokens, n_unknown=[0],
        token_start=[[0, *stops[:-1]]], token_end=[stops], metas=[{}],
    )  # fmt: skip
    plan: dict[str, Any] = {}
    with CorpusWriter.open(
        path, plan=plan, spec=make_spec(calibrations), calibrations=calibrations, stores_text=True
    ) as writer:
        rows = random_rows(np.random.default_rng(1), tokens, D_SAE, 1.0)
        rows.peak[:], rows.first[:] = np.arange(D_SAE), 0
        writer.write_shard(docs, {"main": rows}, rejects=[], input_rows=1, input_hash="h", stats={})
        writer.finish(extra={})
    return Corpus.open(path)


def test_texts_that_differ_in_more_than_capitals_have_answers_of_their_own(tmp_path: Path) -> None:
    corpus = one_text(tmp_path / "street.corpus", "in der Straße, Eins Zwei " * 3)
    for words, there in (("STRASSE", 0), ("straße", 1), ("Strasse", 0), ("Straße", 1), ("eins", 1)):
        assert len(containing(corpus, words)) == there, words


def test_a_search_is_one_of_its_labels(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(question: searching.Question, *_: object) -> Any:
        return question.labels.label(1)

    monkeypatch.setattr(searching, "_search", search)
    for number in range(50):  # a table that is no longer in use leaves its place in memory to the next
        labels = FeatureLabels.from_rows([FeatureLabel(1, f"name {number}")])
        question = searching.Question(made[0], "main", labels, "property", "x")
        found: Any = searching.found_by(question, 0, 20)
        assert found == f"name {number}"
        assert searching.is_found(question, 0, 20)
        del labels, question


def test_no_document_needs_no_reader(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(Loaded, "reader", lambda _, corpus: asked.append(corpus))
    loaded = Loaded({"one": made[0]}, reads=True)
    client = client_of(loaded)
    for wait in ("", "&wait=1"):
        assert "0 documents" in Page(client.get(f"read?shade=2&where=n_tokens+<+0{wait}").text).text
        assert client.get(f"read?shade=2&q=nowhere-at-all{wait}").status_code == 200
        assert client.get(f"feature?feature=2&where=n_tokens+<+0{wait}").status_code == 200
        assert client.get(f"feature?feature=2&low=900&high=901{wait}").status_code == 200
    assert asked == []
    client.get("read?shade=2&wait=1")
    client.get("feature?feature=2&wait=1")
    assert asked == ["one", "one"]


def test_columns_and_lengths_are_counted(made: Any) -> None:
    corpus, truth = made
    known = {column.name: column for column in columns_of(corpus)}
    years = [meta.get("year") for meta in truth.metas]
    assert known["year"].missing == years.count(None)
    assert known["year"].distinct == len(set(years) - {None})
    for value, n, picks in known["model"].values:
        assert n == sum(meta["model"] == value for meta in truth.metas)
        assert corpus.select(picks).n_documents == n
    lengths = lengths_of(corpus)
    assert (lengths.least, lengths.most) == (min(truth.n_tokens), max(truth.n_tokens))
    assert sum(lengths.counts) == corpus.n_documents
    assert [share_shown(x) for x in (0.0, 0.5, 0.01234, 0.0004, 1.0)] == [
        "0%",
        "50%",
        "1.2%",
        "0.04%",
        "100%",
    ]


# ---- labels ----------------------------------------------------------------------------------------------


def test_a_label_is_kept_in_every_corpus_of_the_sae_and_taken_back(tmp_path: Path) -> None:
    corpora = {n: make_corpus(tmp_path / f"{n}.corpus", n, (6,), D_SAE)[0] for n in (1, 2)}
    client = client_of({f"c{n}": corpus for n, corpus in corpora.items()})
    before = corpora[1].labels().label(4)

    def post(**form: object) -> Any:
        return client.post("label", data={"corpus": "c1", "sae": "main", "feature": 4, **form})

    page = post(action="rename", label=f"  new {HOSTILE}  name ")
    assert page.status_code == 200 and "Kept in the label file of c1, c2" in Page(page.text).text
    for n, corpus in corpora.items():
        label = " ".join(f"new {HOSTILE} name".split())
        assert Corpus.open(corpus.path).labels().label(4) == label == corpus.labels().label(4)
        assert FeatureLabels.read(tmp_path / f"{n}.corpus" / "labels.parquet")[4].source == "reading"
    assert "window.pwned" in Page(client.get("features?q=new").text).text
    page = post(action="wrong")
    assert corpora[2].labels()[4].source == "wrong" and "words such as word4" in page.text
    refused = post(action="wrong")
    assert refused.status_code == 400 and "marked as wrong already" in Page(refused.text).text
    assert post(action="restore").status_code == 200
    assert corpora[1].labels().label(4) == before
    assert post(action="rename", label=" ").status_code == 400
    assert post(action="rename", label="x" * 201).status_code == 400
    assert post(action="other").status_code == 400
    assert client.get("label").status_code == 405


def test_the_label_of_saetext_label_comes_back_with_its_score(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "one.corpus", 0, (6,), D_SAE)[0]
    path = tmp_path / "one.corpus" / "labels.parquet"
    own = FeatureLabel(4, "an apology", "of any kind", source="llm:some", score=0.75, top_words=("sorry",))
    FeatureLabels.from_rows([own, FeatureLabel(5, "five", source="reading")], {"corpus": "x"}).write(path)
    client = client_of({"one": corpus})

    def post(action: str, **form: object) -> Any:
        return client.post(
            "label", data={"corpus": "one", "sae": "main", "feature": 4, "action": action, **form}
        )

    assert 'value="restore"' not in client.get("feature?feature=4").text
    refused = post("restore")  # it was not changed here: there is nothing to take back
    assert refused.status_code == 400 and "has not been changed" in Page(refused.text).text
    assert FeatureLabels.read(path)[4] == own
    for first, second in (("rename", "wrong"), ("wrong", "rename")):
        for action in (first, second):
            page = post(action, label="another")
            assert page.status_code == 200 and 'value="restore"' in page.text
        corpus = Corpus.open(corpus.path)  # as if the explorer had been started anew
        client = client_of({"one": corpus})
        assert post("restore").status_code == 200
        again = FeatureLabels.read(path)
        assert again[4] == own and again.about["corpus"] == "x" and "before_renaming" not in again.about
    post("rename", label="another")
    newer = FeatureLabel(4, "labelled anew", source="llm:other")
    FeatureLabels.read(path).updated([newer]).write(path)
    assert post("restore").status_code == 400 and FeatureLabels.read(path)[4] == newer
    post("wrong")
    assert post("restore").status_code == 200 and FeatureLabels.read(path)[4] == newer
    broken = {"before_renaming": {"4": {"now": "x", "label": {"label": 5, "kind": ["other"]}}}}
    FeatureLabels.from_rows([FeatureLabel(4, "x")], broken).write(path)
    assert "cannot be read" in Page(post("restore").text).text and FeatureLabels.read(path)[4].label == "x"


def test_a_corpus_that_cannot_be_written_stops_no_rename_halfway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(corpus: Corpus) -> str | None:
        return "hf://somebody/b" if corpus.path.name == "b.corpus" else None

    monkeypatch.setattr(Corpus, "elsewhere", property(elsewhere))
    corpora = {n: make_corpus(tmp_path / f"{n}.corpus", 0, (6,), D_SAE)[0] for n in "abcd"}
    (tmp_path / "c.corpus" / "labels.parquet").mkdir()  # it cannot be replaced by a file
    client = client_of(corpora)

    def post(name: str, action: str = "rename") -> Any:
        return client.post(
            "label", data={"corpus": name, "sae": "main", "feature": 4, "action": action, "label": "new"}
        )

    page = post("a")
    assert page.status_code == 200, Page(page.text).text
    told = Page(page.text).text
    assert "Kept in the label file of a, d:" in told
    assert "Left as it was in b (hf://somebody/b is elsewhere" in told and "c (" in told
    assert [corpora[n].labels().label(4) for n in "ad"] == ["new", "new"]
    FeatureLabels.from_rows([FeatureLabel(4, "other")]).write(tmp_path / "a.corpus" / "labels.parquet")
    assert post("d", "wrong").status_code == 200 and corpora["d"].labels()[4].source == "wrong"
    assert post("d", "wrong").status_code == 400  # in a and d it is marked
    alone = client_of({"b": corpora["b"]})
    refused = alone.post("label", data={"corpus": "b", "feature": 4, "action": "rename", "label": "new"})
    assert refused.status_code == 400 and "pull it" in Page(refused.text).text


def test_two_who_rename_at_once_do_each_other_no_harm(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "one.corpus", 0, (6,), D_SAE)[0]
    client = client_of({"one": corpus})

    def rename(feature: int) -> None:
        data = {
            "corpus": "one",
            "sae": "main",
            "feature": feature,
            "action": "rename",
            "label": f"L{feature}",
        }
        assert client.post("label", data=data).status_code == 200

    threads = [threading.Thread(target=rename, args=(feature,)) for feature in range(D_SAE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [label.label for label in FeatureLabels.read(tmp_path / "one.corpus/labels.parquet")] == [
        f"L{feature}" for feature in range(D_SAE)
    ]


# ---- strangers -------------------------------------------------------------------------------------------

POST = {"content-type": "application/x-www-form-urlencoded"}
OWN = {"origin": "http://127.0.0.1:8000"}
FOREIGN = {"origin": "http://evil.example"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", f"/{TOKEN}/corpora", {}, 200),
        ("HEAD", f"/{TOKEN}/corpora", {}, 200),
        ("GET", f"/{TOKEN}/corpora", {"host": "localhost:9"}, 200),
        ("GET", f"/{TOKEN}/corpora", {"host": "[::1]:8000"}, 200),
        ("GET", f"/{TOKEN}/corpora", {"host": "evil.example:8000"}, 403),
        ("GET", f"/{TOKEN}/corpora", {"host": "127.0.0.1.evil.example"}, 403),
        ("GET", f"/{TOKEN}/corpora", {"host": "x@127.0.0.1:8000"}, 403),
        ("GET", f"/{TOKEN}/corpora", {"host": "127.0.0.1:8000:1"}, 403),
        ("GET", f"/{TOKEN}/corpora", {"host": "10.0.0.7:8000"}, 403),
        ("GET", f"/{TOKEN}/corpora", {"host": ""}, 403),
        ("GET", f"/{TOKEN}/corpora", OWN, 200),
        ("GET", f"/{TOKEN}/corpora", FOREIGN, 403),
        ("GET", f"/{TOKEN}/corpora", {"origin": "null"}, 403),
        ("POST", f"/{TOKEN}/label", POST, 403),
        ("POST", f"/{TOKEN}/label", {**POST, **FOREIGN}, 403),
        ("POST", f"/{TOKEN}/label", {**POST, "origin": "https://127.0.0.1:8000"}, 403),
        ("POST", f"/{TOKEN}/label", {**POST, **OWN}, 400),
        ("POST", f"/{TOKEN}/label", {**POST, **OWN, "content-length": "9999999"}, 413),
        ("POST", f"/{TOKEN}/label", {**POST, **OWN, "content-length": "x"}, 411),
        ("POST", f"/{TOKEN}/label", {**POST, **OWN, "transfer-encoding": "chunked"}, 411),
        ("PUT", f"/{TOKEN}/label", OWN, 405),
        ("DELETE", f"/{TOKEN}/corpora", OWN, 405),
        ("GET", "/", {}, 404),
        ("GET", "/corpora", {}, 404),
        ("GET", f"/{TOKEN}x/corpora", {}, 404),
        ("GET", f"/{TOKEN[:-1]}/corpora", {}, 404),
        ("GET", "//corpora", {}, 404),
        ("GET", f"/{TOKEN.upper()}/corpora", {}, 404),
        ("GET", "/é/corpora", {}, 404),
        ("GET", f"/{TOKEN}/nowhere", {}, 404),
        ("GET", f"/{TOKEN}/static/explore.js", {}, 200),
        ("GET", f"/{TOKEN}/static/../../pyproject.toml", {}, 404),
        ("GET", f"/{TOKEN}/static/%2e%2e%2fexplore.js", {}, 404),
        ("GET", f"/{TOKEN}/static/..%5cx", {}, 404),
        ("GET", f"/{TOKEN}/static//etc/passwd", {}, 404),
        ("GET", f"/{TOKEN}/static/explore.js%00", {}, 404),
        ("GET", f"/{TOKEN}/read?q=" + "x" * 9000, {}, 414),
    ],
)
def test_strangers_are_refused_in_one_line(
    client: Any, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    import asyncio

    sent: list[dict[str, Any]] = []

    async def ask() -> None:  # as a server would hand it on: clients tidy paths and headers
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        given = {"host": "127.0.0.1:8000", **headers}
        if method == "POST":
            given.setdefault("content-length", "0")
        plain, _, query = path.partition("?")
        from urllib.parse import unquote

        scope = {
            "type": "http", "method": method, "scheme": "http", "root_path": "",
            "path": unquote(plain), "raw_path": plain.encode(), "query_string": query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in given.items()],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
        }  # fmt: skip
        await client.app(scope, receive, send)

    asyncio.run(ask())
    assert sent[0]["status"] == status
    answered = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    assert answered["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert answered["x-content-type-options"] == "nosniff" and answered["cache-control"] == "no-store"
    body = b"".join(message.get("body", b"") for message in sent[1:]).decode()
    if status >= 400:
        assert len(body.splitlines()) == 1 and len(body) < 200
        assert TOKEN not in body and "Traceback" not in body


def test_forms_come_through_a_proxy_that_speaks_https(made: Any) -> None:
    client = client_of({"one": made[0]}, proxied=["Explore.Example"])

    def status(host: str, origin: str) -> int:
        headers = {"host": host, "origin": origin}
        answer = client.post("collect-take", data={"id": "x"}, headers=headers, follow_redirects=False)
        return int(answer.status_code)

    for host in ("explore.example", "explore.example:444"):
        assert {status(host, f"{scheme}://{host}") for scheme in ("http", "https")} == {303}
        assert status(host, f"ftp://{host}") == status(host, "https://evil.example") == 403
    assert status("explore.example", "https://explore.example:444") == 403
    assert status("127.0.0.1:8000", "https://127.0.0.1:8000") == 403, "no proxy has this name"
    assert status("other.example", "https://other.example") == 403
    assert status("[::1]:8000", "http://[::1]:8000") == 303


@pytest.mark.parametrize(
    ("url", "status", "line"),
    [
        ("read?corpus=two", 400, "no corpus 'two' is open"),
        ("read?corpus=../one.corpus", 400, "no corpus"),
        ("read?corpus=/etc/passwd", 400, "no corpus"),
        ("read?sae=other", 400, "there is no SAE"),
        ("read?page=0", 400, "page is 0; it goes from 1"),
        ("read?page=-9", 400, "page is -9"),
        ("read?page=x", 400, "page is a whole number"),
        ("read?page=" + "9" * 25, 400, "it goes from 1"),
        ("read?page=٣", 400, "page is a whole number"),
        ("read?shade=99999", 400, "there is no feature 99999"),
        ("read?shade=" + "9" * 100, 400, "there is no feature"),
        ("read?shade=theme:none", 400, "there is no such theme"),
        ("read?shade=zzzz", 400, "no label has these words"),
        ("read?order=strongest", 400, "choose one to shade by"),
        ("read?order=best", 400, "order is one of"),
        ("read?where=nope+%3D+1", 400, "nope"),
        ("read?where=1", 400, "uses no column"),
        ("read?where=EXISTS(SELECT+*+FROM+read_csv('/etc/passwd'))", 400, "no function EXISTS"),
        ("read?q=" + "x" * 2001, 400, "at most 2,000 are read"),
        ("read?by=magic&q=x", 400, "by is one of"),
        ("read?by=example&q=nobody", 404, "nobody"),
        ("read?by=example&q=%2C&wait=1", 400, "name a document"),
        ("document?row=999", 404, "has no row 999"),
        ("document?row=-1", 400, "row is -1"),
        ("document?id=nobody", 404, "nobody"),
        ("document?id=%00", 404, "no document"),
        ("feature", 400, "name a feature"),
        ("feature?feature=12", 400, "there is no feature 12"),
        ("feature?feature=1e3", 400, "whole number"),
        ("feature?feature=1&low=nan&high=1", 400, "low is a number"),
        ("feature?feature=1&low=inf&high=1", 400, "low is a number"),
        ("feature?feature=1&by=nope", 400, "nope"),
        ("features?sort=size", 400, "sort is one of"),
        ("columns?at=x", 400, "whole number"),
        ("nowhere", 404, "there is no such page"),
        ("static/x", 404, "there is no such file"),
    ],
)
def test_what_is_asked_amiss_is_one_line(client: Any, url: str, status: int, line: str) -> None:
    if "by=example" in url and "wait" not in url:
        url += "&wait=1"
    plain = client.get(url, headers={"accept": "*/*"})
    assert plain.status_code == status, plain.text
    assert len(plain.text.splitlines()) == 1 and line in plain.text, plain.text
    page = client.get(url)
    assert page.status_code == status and line in Page(page.text).text


def test_a_fault_of_ours_is_one_line_too(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.report.explore.rooms import corpora

    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(corpora, "about_corpus", broken)
    answer = client_of({"one": made[0]}, strict=False).get("corpora", headers={"accept": "*/*"})
    assert answer.status_code == 500 and answer.text.count("\n") == 1
    assert "ZeroDivisionError" in answer.text and "secret" not in answer.text
    assert "content-security-policy" in answer.headers


# ---- hostile texts ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """All that a stranger writes is hostile: texts, prompts, ids, columns, values, labels."""
    rng = np.random.default_rng(0)
    n = 8
    calibrations = {"main": make_calibration(D_SAE)}
    spec = make_spec(calibrations)
    texts = [f"{HOSTILE} word {ALL} שלום {i}" for i in range(n)]
    tokens = np.full(n, 6, np.int32)
    stops = [[5, 40, 60, 80, len(t) - 3, len(t)] for t in texts]
    docs = docs_table(
        ids=[f"{i}{HOSTILE}{ALL}" for i in range(n)],
        texts=texts,
        prompts=[HOSTILE + ALL] * n,
        n_tokens=tokens,
        n_unknown=[0] * n,
        token_start=[[0, *stop[:-1]] for stop in stops],
        token_end=stops,
        metas=[{HOSTILE: HOSTILE + ALL, "q'uo\"te": f"it's {i % 2}", "long": "x" * 5000} for i in range(n)],
    )
    path = tmp_path_factory.mktemp("hostile") / "h.corpus"
    with CorpusWriter.open(path, plan={}, spec=spec, calibrations=calibrations, stores_text=True) as writer:
        rows = {"main": random_rows(rng, tokens, D_SAE, 0.9)}
        writer.write_shard(docs, rows, rejects=[], input_rows=n, input_hash="h", stats={})
        corpus = writer.finish(extra={})
    label = FeatureLabel(
        3, HOSTILE + ALL, description=HOSTILE + ALL, source=HOSTILE, score=0.9, top_words=(HOSTILE, ALL)
    )
    FeatureLabels.from_rows([label]).write(path / "labels.parquet")
    return Corpus.open(corpus.path)


def test_hostile_texts_stay_texts_on_every_page(hostile: Corpus) -> None:
    name = HOSTILE + "\u202e"
    client = client_of({name: hostile, "second": hostile})
    seen, todo = (
        set(),
        ["corpora", "features?absent=1", "feature?feature=3", "features?show=themes", "read?q=%3Cscript"],
    )
    todo += ["read?shade=3", "document?row=2&shade=3", "feature?feature=3&near=1", "feature_words?feature=3"]
    while todo and len(seen) < 160:
        url = todo.pop(0)
        if url in seen:
            continue
        seen.add(url)
        answer = client.get(url)
        assert answer.status_code == 200, Page(answer.text).text.split("list")[0][-900:]
        page = Page(answer.text)
        assert page.count("script") == 1 and page.count("style") == 0
        assert page.count("img") == page.count("iframe") == 0
        assert not [tag for tag, attributes in page.tags if {"onerror", "onload", "style"} & set(attributes)]
        shown = re.sub(r"href=\"[^\"]*\"|data-[a-z]+=\"[^\"]*\"|value=\"[^\"]*\"", "", answer.text)
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown), url
        for _, attributes in page.tags:
            for link in filter(None, (attributes.get("href"), attributes.get("data-load"))):
                assert not link.startswith(("javascript:", "//", "/")), link
                if "://" not in link.split("?")[0] and not link.startswith(("static/", "#", "data:")):
                    todo.append(link)
    assert len(seen) > 40 and any(url.startswith("document") for url in seen)


# ---- parts -----------------------------------------------------------------------------------------------


def test_an_address_is_made_of_what_was_asked_and_its_changes() -> None:
    asked = Asked("read", {"q": "a b", "page": "3", "wait": "1", "empty": ""})
    assert asked.link() == "read?q=a+b&page=3"
    assert asked.link(page=None, shade=7) == "read?q=a+b&shade=7"
    assert asked.link("feature", feature=1, where="") == "feature?feature=1"
    assert (asked.number("page", 1), asked.number("none", 5), asked.text("q")) == (3, 5, "a b")
    with pytest.raises(InputError, match="goes from 1 to 2"):
        asked.number("page", 1, 1, 2)


def test_kept_makes_each_answer_once_and_forgets_the_oldest() -> None:
    kept: Kept[int] = Kept(2)
    made: list[int] = []
    gate = threading.Event()

    def make() -> int:
        gate.wait(5)
        made.append(1)
        return 7

    threads = [threading.Thread(target=kept.get, args=("a", make)) for _ in range(5)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert made == [1]
    with pytest.raises(ZeroDivisionError):
        kept.get("bad", lambda: 1 // 0)
    assert kept.get("b", lambda: 2) == 2 and kept.get("c", lambda: 3) == 3
    assert "a" not in kept and "c" in kept and kept.get("bad", lambda: 4) == 4


def test_kept_keeps_no_more_bytes_than_it_has_room_for() -> None:
    kept: Kept[bytes] = Kept(10, room=100, size=len)
    for key, length in (("a", 40), ("b", 40), ("c", 40), ("d", 500), ("e", 10), ("f", 20)):
        assert len(kept.get(key, lambda n=length: bytes(n))) == length  # type: ignore[misc]
        there = {"a": "a", "b": "ab", "c": "bc", "d": "d", "e": "e", "f": "ef"}[key]
        assert "".join(one for one in "abcdef" if one in kept) == there


def test_directions_that_are_missing_for_one_corpus_are_found_for_another(
    tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_corpus(tmp_path / "other.corpus", 5, (6,), D_SAE)[0]  # of the same weights
    decoder, asked = np.eye(D_SAE, dtype=np.float32) + 1, []

    def decoder_of(spec: Any, sae: str) -> Any:
        asked.append(spec)
        return decoder if spec is other.spec else None

    monkeypatch.setattr(one, "decoder_of", decoder_of)
    monkeypatch.setattr(one, "_decoders", Kept(4))
    for _ in range(2):
        assert one.nearest_to(made[0], "main", 1, made[0].labels()) is None
    for _ in range(2):
        assert one.nearest_to(other, "main", 1, other.labels())
    assert len(asked) == 3


def test_sets_have_names_of_their_own(made: Any) -> None:
    loaded = Loaded({"one": made[0]}, reads=False)
    saved = loaded.save(" the   first ", "one", [5, 2, 2], "by hand")
    assert saved.name == "the first" and saved.rows.tolist() == [2, 5]
    assert loaded.documents_of(saved).n_documents == 2
    for name, rows in (
        ("the first", [1]),
        ("one", [1]),
        ("", [1]),
        ("x" * 99, [1]),
        ("none", []),
        ("far", [10**9]),
    ):
        with pytest.raises(InputError):
            loaded.save(name, "one", rows)
    client = client_of(loaded)
    assert "by hand" in client.get("corpora").text
    assert "1–2 of 2 documents" in client.get("read?corpus=the+first").text
    both = loaded.view("the first", "n_tokens >= 0 AND row < 4")
    assert both.selection.tolist() == [2]  # type: ignore[union-attr]
    assert loaded.corpus("the first") is made[0]
    for url in (
        "document?corpus=the+first&row=5",
        "features?corpus=the+first",
        "feature?corpus=the+first&feature=1",
    ):
        assert client.get(url).status_code == 200
    assert loaded.save("part", "the first", [2]).corpus == "one"
    loaded.forget("part")
    loaded.forget("the first")
    assert loaded.sets == ()
    assert names_of(["a/x.corpus", "b/x.corpus", "y"]) == ["x", "x 2", "y"]


def test_another_corpus_keeps_what_it_has_of_a_question(tmp_path: Path, made: Any) -> None:
    other = make_corpus(tmp_path / "o.corpus", 5, (6,), D_SAE, saes=("main", "more"), metas=[{"x": 1}] * 6)[0]
    client = client_of({"one": made[0], "two": other})
    both = "sae=main&where=n_tokens+%3E+0&shade=3"
    page = client.get(f"read?corpus=two&was=one&{both}")
    assert 'value="n_tokens &gt; 0"' in page.text and 'value="3"' in page.text
    page = client.get("read?corpus=one&was=two&sae=more&where=x+%3D+1")
    assert page.status_code == 200 and 'name="where" value=""' in page.text
    assert client.get("read?corpus=one&sae=more").status_code == 400
    for sae in ("main", "more"):  # the hook points of a corpus are switched
        shown = client.get(f"read?corpus=two&sae={sae}")
        assert f'<option selected value="{sae}">' in shown.text and "was=" not in shown.text


def test_what_takes_long_comes_after_the_page(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.report.explore.queries import counts
    from saetext.report.explore.rooms import read

    monkeypatch.setattr(counts, "_AT_ONCE", 0)
    monkeypatch.setattr(read, "_AT_ONCE", 0)
    client = client_of({"one": made[0]})
    for url in ("features?where=n_tokens+%3E+3", "read?q=plain&where=n_tokens+%3E+3"):
        first = Page(client.get(url).text)
        [later] = [a["data-load"] for _, a in first.tags if a.get("id") == "results"]
        assert later == f"{url}&wait=1" and "Cancel" in first.text
        second = Page(client.get(later).text)
        assert "data-load" not in next(a for _, a in second.tags if a.get("id") == "results")
        assert not [a for _, a in second.tags if "wait=1" in str(a.get("href"))]
        assert Page(client.get(url).text).text == second.text  # it is kept


def test_what_comes_after_the_page_is_a_link_without_scripts(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saetext.report.explore.queries import counts

    monkeypatch.setattr(counts, "_AT_ONCE", 0)
    monkeypatch.setattr(Loaded, "reads_fast", lambda *_: True)  # so that tokens are read again by themselves
    client = client_of(Loaded({"one": made[0]}))
    row = int(np.flatnonzero(made[1].dense("value")[:, 3])[0])
    later = 0
    for url in (
        "corpora", "features?where=n_tokens+%3E+2", "read?shade=3", f"document?row={row}&shade=3",
        "feature?feature=3",
    ):  # fmt: skip
        text = client.get(url).text
        plain = [a.get("href") for part in re.findall("<noscript>.*?</noscript>", text, re.DOTALL)
                 for tag, a in Page(part).tags if tag == "a"]  # fmt: skip
        for _, attributes in Page(text).tags:
            if (loads := attributes.get("data-load")) is not None:
                later += 1
                assert loads in plain, url
                assert client.get(loads).status_code == 200
    assert later >= 7


def test_a_corpus_without_texts_can_be_counted(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "none.corpus", 1, (9,), D_SAE, stores_text=False)
    client = client_of({"none": corpus})
    for url in (
        "corpora",
        "read",
        "read?shade=1&order=strongest",
        "document?row=0&shade=1",
        "feature?feature=1",
    ):
        assert client.get(url).status_code == 200
    refused = client.get("read?q=x")
    assert refused.status_code == 400 and "--no-text" in Page(refused.text).text


# ---- drawers ---------------------------------------------------------------------------------------------


def test_only_who_puts_something_aside_gets_a_drawer_and_others_keep_theirs(made: Any) -> None:
    client = client_of({"one": made[0]})
    assert "set-cookie" not in client.get("collect").headers, "a link would replace the drawer of its reader"
    back = f"document?corpus=one&row={made[1].n_tokens.index(max(made[1].n_tokens))}"
    put = client.post("passage-put", data={"back": back}, follow_redirects=False)
    assert put.status_code == 303
    cookie = put.headers["set-cookie"].lower()
    assert "samesite=lax" in cookie and "httponly" in cookie and f"path=/{TOKEN}" in cookie
    assert "1 passage" in Page(client.get("collect").text).text
    name = dict(client.cookies)[COOKIE]
    for _ in range(DRAWERS + 5):  # of who keeps no cookies
        client.cookies.clear()
        assert "Nothing is collected." in client.get("collect").text
    for _ in range(DRAWERS + 5):
        client.cookies.clear()
        assert client.post("collect-take", data={"id": "x"}).status_code == 200
    client.cookies.clear()
    assert "1 passage" in Page(client.get("collect", headers={"cookie": f"{COOKIE}={name}"}).text).text


def test_of_too_many_drawers_the_oldest_goes_when_none_is_empty() -> None:
    drawers = Drawers()
    names = []
    for number in range(DRAWERS + 1):
        name, drawer = drawers.of(None)
        drawer.put(Item("set", str(number), Recipe("set", (), key=(str(number),))))
        names.append(name)
    assert drawers.known(names[0]) is None and all(map(drawers.known, names[1:]))


# ---- readers ---------------------------------------------------------------------------------------------


class Slow:
    """A reader that tells how many are in it at a time."""

    def __init__(self) -> None:
        self.now, self.most, self.tokens = 0, 0, self

    def _run(self, *_: object) -> list[Any]:
        self.now += 1
        self.most = max(self.most, self.now)
        threading.Event().wait(0.02)
        self.now -= 1
        return []

    token_entries = token_entries_of = prepare = _run


def test_one_reader_is_loaded_once_and_used_by_one_thread_at_a_time(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saetext.features.shading import read_all_again
    from saetext.reader.reader import Reader
    from saetext.report.explore.queries.passages import _again

    slow, loads = Slow(), []

    def load(*_: object, **__: object) -> Slow:
        loads.append(1)
        threading.Event().wait(0.05)
        return slow

    monkeypatch.setattr(Reader, "from_spec", load)
    loaded = Loaded({"one": made[0], "again": made[0]})
    look = Look(made[0], "main", made[0].labels())

    def read(name: str) -> None:
        reader = loaded.reader(name)
        assert reader is not None
        reader.token_entries(None)  # type: ignore[arg-type]
        read_all_again(reader, "main", [], [])  # as reports do
        with pytest.raises(IndexError):  # it prepares nothing
            _again(dataclasses.replace(look, reader=reader), made[0].document(0))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, ("one", "again") * 2))
    assert slow.most == 1, "hooks and buffers of a model are shared"
    assert len(loads) == 1 and loaded.reader("one") is loaded.reader("again")
    assert loaded.reads_fast("again") and not loaded.why_no_reader("again")


def test_a_reader_that_one_corpus_cannot_load_may_come_by_another(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saetext.errors import ReaderError
    from saetext.reader.reader import Reader

    answers = [ReaderError("it is gone"), Slow()]

    def load(*_: object, **__: object) -> Slow:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Reader, "from_spec", load)
    loaded = Loaded({"one": made[0], "again": made[0]})
    assert loaded.reader("one") is None is loaded.reader("one")
    assert loaded.why_no_reader("one") == "it is gone" and not loaded.reads_fast("one")
    assert loaded.reader("again") is loaded.reader("one") is not None
    assert not loaded.why_no_reader("one")


# ---- the command -----------------------------------------------------------------------------------------


def test_the_command_serves_until_it_is_interrupted(made: Any) -> None:
    command = [sys.executable, "-c", "from saetext_cli.entry import main; main()", "explore"]
    environment = {**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    process = subprocess.Popen(
        [*command, str(made[0].path), "--peaks"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        address = process.stdout.readline().strip()  # type: ignore[union-attr]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{22}/", address)
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"{address}corpora") as answer:
                    assert b"one" in answer.read() and answer.headers["x-frame-options"] == "DENY"
                break
            except urllib.error.URLError:
                threading.Event().wait(0.1)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address[:-3] + "/")
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in err
    assert err.splitlines()[-1] == "saetext: stopped"


@pytest.mark.parametrize(("given", "offline"), [(None, True), ("0", False)])
def test_nothing_is_fetched_while_pages_are_served(
    given: str | None, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants  # as where a data file was encoded
    from saetext_cli import explore

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_OFFLINE", given or "")
    if given is None:
        monkeypatch.delenv("HF_HUB_OFFLINE")
    explore._fetch_nothing()
    assert constants.is_offline_mode() is offline
    assert os.environ["HF_HUB_OFFLINE"] == ("1" if offline else "0")


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(InputError, match="Address already in use"):
            listen("127.0.0.1", port)
    with pytest.raises(InputError, match="cannot listen at no"):
        listen("no.such.host.invalid", 1)
