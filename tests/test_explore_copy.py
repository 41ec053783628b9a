"""Documents and features of a static copy: which are there, and how they are cut."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from corpus_factory import make_corpus
from page_helpers import Page
from test_explore import hostile

from saetext.corpus import Corpus
from saetext.errors import CorpusError
from saetext.report.explore import copied_features, copied_texts, copying
from saetext.report.explore.copied_features import features_page
from saetext.report.explore.copied_texts import spread, texts_page
from saetext.report.explore.copying import write_copy
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.queries.counts import counts_of
from saetext.report.explore.queries.features import features_of

__all__ = ["hostile"]  # the fixture


@pytest.fixture(scope="module")
def gentle(explored_examples: Path) -> Corpus:
    return Corpus.open(explored_examples / "examples" / "gentle.jsonl.corpus")


def read(corpus: Corpus) -> tuple[str, str, dict[int, int]]:
    sae = corpus.saes[0]
    page, told, marked = texts_page(corpus, sae, corpus.labels(sae), "it")
    return page, told, dict(marked)


def chips_of(page: str) -> list[list[int]]:
    found = [
        attributes["data-features"] for tag, attributes in Page(page).tags if "data-features" in attributes
    ]
    return [[int(feature) for feature in (one or "").split()] for one in found]


def test_all_documents_are_there_with_their_most_telling_features(gentle: Corpus) -> None:
    page, told, marked = read(gentle)
    assert told == "All 150 documents."
    chips = chips_of(page)
    assert len(chips) == 150 and {len(one) for one in chips} == {8}
    assert marked == {f: sum(f in one for one in chips) for one in chips for f in one}
    shown = Page(page)
    assert shown.count("mark") > 150 * 3 and shown.count("script") == 1
    first = gentle.whole.document(0)
    assert first["text"] in shown.text and first["prompt"] in shown.text and "topic: cooking" in shown.text


def test_what_is_left_out_is_said(gentle: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied_texts, "MOST_DOCUMENTS", 10)
    monkeypatch.setattr(copied_texts, "MOST_CHARACTERS", 50)
    page, told, _ = read(gentle)
    assert told == "10 of 150 documents, evenly from the first to the last; the others are left out."
    ids = [gentle.ids[row].as_py() for row in spread(150, 10).tolist()]
    assert re.findall(r"<h2><bdi>(.*?)</bdi></h2>", page) == ids
    text = gentle.whole.document(0)["text"]
    assert text[:50] in Page(page).text and text[:52] not in Page(page).text
    assert f"{len(text) - 50:,} characters more are left out." in page
    monkeypatch.setattr(copied_texts, "MOST_IN_ALL", 220)
    page, told, _ = read(gentle)
    assert told == "4 of 150 documents; the others are left out, since the texts are long."
    assert len(chips_of(page)) == 4


def test_rows_are_spread_over_the_whole_corpus() -> None:
    for documents in (1, 2, 999, 1000, 1001, 1999, 10**6):
        rows = spread(documents, 1000).tolist()
        assert len(rows) == min(documents, 1000) == len(set(rows))
        assert rows[0] == 0 and rows[-1] == documents - 1 and rows == sorted(rows)
    assert spread(5, 1).tolist() == [0]


def test_the_table_has_the_features_that_tell_most(gentle: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    sae = gentle.saes[0]
    labels = gentle.labels(sae)
    monkeypatch.setattr(copied_features, "MOST", 30)
    page, told = features_page(gentle, sae, labels, "it", read="read.html", marked={})
    support = counts_of(gentle, sae).support
    assert told.startswith(f"{(support > 0).sum():,} of {len(support):,} features") and "The 30 that" in told
    best = features_of(gentle, sae, labels, words="", sort="telling", turned=False, absent=False)[
        :30
    ].tolist()
    rows = [attributes["id"] for tag, attributes in Page(page).tags if tag == "tr" and "id" in attributes]
    assert rows == [f"f{feature}" for feature in best] and "read.html" not in page
    page, _ = features_page(gentle, sae, labels, "it", read="read.html", marked={best[3]: 7})
    assert page.count("read.html") == 1 and f'href="read.html#f={best[3]}">7 marked in Read<' in page
    assert f'data-name="documents" data-is="{support[best[0]]}">{support[best[0]]:,} (' in page


def test_no_page_leads_to_one_that_could_not_be_made(
    gentle: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise CorpusError("a text is damaged")

    monkeypatch.setattr(copying, "texts_page", broken)
    first = write_copy(Loaded({"it": gentle}, reads=False), tmp_path / "copy", kinds=("read", "features"))
    assert sorted(path.name for path in first.parent.iterdir()) == ["02-features-it.html", "index.html"]
    assert "Not made: <bdi>a text is damaged</bdi>" in first.read_text("utf-8")
    assert "read-it" not in (first.parent / "02-features-it.html").read_text("utf-8")


def test_texts_that_are_not_stored_are_said(tmp_path: Path) -> None:
    made = make_corpus(tmp_path / "c.corpus", stores_text=False)
    page, told, _ = read(made[0] if isinstance(made, tuple) else made)
    assert "Their texts are not stored." in Page(page).text and "All " in told


def test_hostile_texts_stay_text(hostile: Corpus) -> None:
    sae = hostile.saes[0]
    labels = hostile.labels(sae)
    pages = [read(hostile)[0], features_page(hostile, sae, labels, "it")[0]]
    for html in pages:
        page = Page(html)
        assert page.count("script") == 1 and page.count("img") == page.count("iframe") == 0
        assert not [tag for tag, attributes in page.tags if {"onerror", "onload", "style"} & set(attributes)]
        policy = next(str(a["content"]) for _, a in page.tags if a.get("http-equiv"))
        assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
        bare = re.sub(r"<(script|style)>.*?</\1>", "", html, flags=re.S)
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", bare)
        assert "window.pwned=1" in page.text
