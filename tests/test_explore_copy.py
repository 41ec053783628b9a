"""Documents and features of a static copy: which are there, and how they are cut."""

from __future__ import annotations

import gc
import os
import re
import weakref
from pathlib import Path

import pytest
from corpus_factory import make_corpus
from page_helpers import HOSTILE, Page
from test_explore import hostile

from saetext.corpus import Corpus
from saetext.errors import CorpusError, LabelError
from saetext.features.labels import FeatureLabels
from saetext.report.explore import copied_feature, copied_features, copied_texts, copying
from saetext.report.explore.copied_feature import Beside, feature_pages, file_of, with_pages
from saetext.report.explore.copied_features import features_page
from saetext.report.explore.copied_texts import Documents, documents_of, spread, texts_page
from saetext.report.explore.copying import write_copy
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.queries import feature
from saetext.report.explore.queries.counts import counts_of
from saetext.report.explore.queries.features import features_of

__all__ = ["hostile"]  # the fixture


@pytest.fixture(scope="module")
def gentle(explored_examples: Path) -> Corpus:
    return Corpus.open(explored_examples / "examples" / "gentle.jsonl.corpus")


def read(corpus: Corpus) -> tuple[str, str, dict[int, int]]:
    sae = corpus.saes[0]
    documents = documents_of(corpus, sae, corpus.labels(sae))
    assert documents.rows == {one["row"] for one in documents.shown}
    return texts_page(corpus, documents, "it"), documents.told, dict(documents.marked)


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


def links_of(page: Page) -> list[str]:
    found = [str(a["href"]) for tag, a in page.tags if tag == "a" and a.get("href")]
    return [link for link in found if not link.startswith("#")]


def test_every_link_leads_somewhere_and_features_have_their_pages(
    gentle: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copied_feature, "MOST", 6)
    monkeypatch.setattr(copied_texts, "MOST_DOCUMENTS", 40)
    sae = gentle.saes[0]
    labels = gentle.labels(sae)
    some = gentle.select(range(60))
    loaded = Loaded({"it": gentle, "some": some}, reads=False)
    first = write_copy(loaded, tmp_path / "copy", kinds=("read", "features", "themes"))
    files = sorted(str(path.relative_to(first.parent)) for path in first.parent.rglob("*.html"))
    best = with_pages(gentle, sae, labels)
    assert len(best) == 6 and {f"02-features-it/{feature}.html" for feature in best} < set(files)
    pages = {name: Page((first.parent / name).read_text("utf-8")) for name in files}
    ids = {name: {str(a["id"]) for _, a in page.tags if "id" in a} for name, page in pages.items()}
    for name, page in pages.items():
        for link in links_of(page):
            path, _, place = link.partition("#")
            target = os.path.normpath(Path(name).parent / path)
            assert target in files, (name, link)
            assert not place.startswith("d=") or place in ids[target], (name, link)
    read = (first.parent / "01-read-it.html").read_text("utf-8")
    assert f'data-paged="{" ".join(map(str, sorted(best)))}"' in read
    assert "The first 6 of them have a page each." in pages["02-features-it.html"].text
    assert "144 of 146 themes" in pages["03-themes-it.html"].text


def test_the_page_of_a_feature_says_what_the_explorer_says(gentle: Corpus) -> None:
    """Passages, histogram, words, near features and shares, each against what the room computes."""
    sae = gentle.saes[0]
    labels = gentle.labels(sae)
    best = with_pages(gentle, sae, labels)[:3]
    beside = Beside("../table.html", "../read.html", {0, 2, 4}, {best[1]: 5}, best)
    pages = dict(feature_pages(gentle, sae, labels, "it", beside, {"it": gentle}))
    assert tuple(pages) == best
    page = Page(pages[best[1]])
    rows, value = gentle.postings(sae).documents(best[1])
    told = re.sub(r"\s+", " ", page.text)
    assert labels.label(best[1]) in told and f"{len(rows)} of 150 documents have it" in told
    bands = feature.bands_of(gentle, sae, best[1])
    shown = re.findall(r'<li><span class="number soft">([\d.]+)</span><div><blockquote', pages[best[1]])
    of_row = dict(zip(rows.tolist(), value.tolist(), strict=True))
    assert shown == [f"{of_row[row]:.2f}" for _, each in bands for row in each]
    assert [name.capitalize() for name, _ in bands] == re.findall(
        r'<h3 class="band">(.*?)</h3>', pages[best[1]]
    )
    heights = [int(n) for n in re.findall(r"<title>[\d.]+ to [\d.]+: (\d+) documents", pages[best[1]])]
    assert sum(heights) == len(rows), "each document is in one bar"
    words, looked_at = feature.words_of(gentle, sae, best[1])
    assert f"Where it peaks in {looked_at} of the documents" in told
    assert all(f"{word} {n}" in told for word, n in words)
    together, _ = feature.together_with(gentle, sae, best[1], labels)
    assert all(f"{one.similarity:.2f}".lstrip("0") in told and one.label in told for one in together)
    links = links_of(page)
    there = [row for _, each in bands for row in each if row in (0, 2, 4)]
    assert [link for link in links if "#d=" in link] == [f"../read.html#d={row}" for row in there]
    assert "5 in which it is marked in Read" in told and f"../read.html#f={best[1]}" in links
    near = {one.feature for one in (*together, *(feature.nearest_to(gentle, sae, best[1], labels) or ()))}
    steps = [file_of(best[0]), file_of(best[2])]
    own = [link for link in links if re.fullmatch(r"\d+\.html", link)]
    assert own == [*(file_of(f) for f in own_order(pages[best[1]]) if f in near and f in best), *steps]
    assert page.count("script") == 0 and "script-src" not in pages[best[1]], "it needs none"


def own_order(page: str) -> list[int]:
    """Return the near features of a page, in its order."""
    return [int(n) for n in re.findall(r'</(?:a|bdi)> <span class="soft">(\d+)</span></li>', page)]


def test_a_reader_without_themes_has_no_page_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied_feature, "MOST", 2)
    made = make_corpus(tmp_path / "c.corpus")
    loaded = Loaded({"c": made[0] if isinstance(made, tuple) else made}, reads=False)
    first = write_copy(loaded, tmp_path / "copy", kinds=("features", "themes"))
    assert sorted(path.name for path in first.parent.iterdir()) == [
        "01-features-c",
        "01-features-c.html",
        "index.html",
    ]


@pytest.mark.parametrize("broken", ["documents_of", "feature_pages"])
def test_no_page_leads_to_one_that_could_not_be_made(
    gentle: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fails(*_: object) -> None:
        raise CorpusError("a text is damaged")

    monkeypatch.setattr(copied_feature, "MOST", 2)
    monkeypatch.setattr(copying, broken, fails)
    loaded = Loaded({"it": gentle}, reads=False)
    first = write_copy(loaded, tmp_path / "copy", kinds=("read", "features", "themes"))
    names = sorted(path.name for path in first.parent.iterdir())
    assert "Not made: <bdi>a text is damaged</bdi>" in first.read_text("utf-8")
    others = [path.read_text("utf-8") for path in first.parent.rglob("*.html")]
    if broken == "documents_of":
        assert names == ["02-features-it", "02-features-it.html", "03-themes-it.html", "index.html"]
        assert not any("read-it" in page for page in others)
    else:
        assert names == ["01-read-it.html", "03-themes-it.html", "index.html"]
        assert not any("features-it/" in page or "features-it.html" in page for page in others)


def test_damaged_labels_of_one_corpus_cost_its_pages_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpora = {name: make_corpus(tmp_path / f"{name}.corpus")[0] for name in ("good", "bad")}
    loaded, known = Loaded(corpora, reads=False), Loaded.labels

    def labels(self: Loaded, corpus: str | None, sae: str | None = None) -> FeatureLabels:
        if corpus == "bad":
            raise LabelError("labels.parquet is damaged")
        return known(self, corpus, sae)

    monkeypatch.setattr(Loaded, "labels", labels)
    first = write_copy(loaded, tmp_path / "copy", kinds=("read", "features")).read_text("utf-8")
    assert first.count("labels.parquet is damaged") == 2
    assert "01-read-good.html" in first and "02-features-good.html" in first


def test_features_are_made_before_what_leads_to_them_however_many_pages_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(tmp_path / "one.corpus")[0]
    loaded = Loaded({f"c{at}": corpus for at in range(52)}, reads=False)
    made: list[str] = []

    def page(beside: Path, title: str, name: str, *_: object) -> copying.Copied:
        made.append(title)
        return copying.Copied(title, name)

    monkeypatch.setattr(copying, "_page", page)
    write_copy(loaded, tmp_path / "copy", kinds=("read", "features"))
    assert made == [f"{what} c{at}" for at in range(52) for what in ("Features of", "Read")]


def test_documents_of_one_corpus_are_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand documents each: those of all corpora together would be the most that a copy holds."""
    gathered: list[weakref.ref[Documents]] = []
    there: list[int] = []

    def gather(corpus: Corpus, sae: str, labels: FeatureLabels) -> Documents:
        gc.collect()
        there.append(sum(one() is not None for one in gathered))
        found = documents_of(corpus, sae, labels)
        gathered.append(weakref.ref(found))
        return found

    monkeypatch.setattr(copying, "documents_of", gather)
    corpora = {n: make_corpus(tmp_path / f"{n}.corpus", seed, (9,), 12)[0] for seed, n in enumerate("abc")}
    first = write_copy(Loaded(corpora, reads=False), tmp_path / "copy", kinds=("read", "features"))
    assert there == [0, 0, 0], "gathered once for each corpus, after those of the one before are gone"
    files = sorted(path.name for path in first.parent.glob("*.html"))
    assert files == [
        "01-read-a.html", "02-features-a.html", "03-read-b.html", "04-features-b.html", "05-read-c.html",
        "06-features-c.html", "index.html",
    ]  # fmt: skip


def test_texts_that_are_not_stored_are_said(tmp_path: Path) -> None:
    made = make_corpus(tmp_path / "c.corpus", stores_text=False)
    page, told, _ = read(made[0] if isinstance(made, tuple) else made)
    assert "Their texts are not stored." in Page(page).text and "All " in told


def test_hostile_texts_stay_text(hostile: Corpus) -> None:
    sae = hostile.saes[0]
    labels = hostile.labels(sae)
    best = with_pages(hostile, sae, labels)[:2]
    own = feature_pages(
        hostile, sae, labels, f"it {HOSTILE}", Beside("t.html", features=best), {HOSTILE: hostile}
    )
    plain = [page for _, page in own]
    for html in (read(hostile)[0], features_page(hostile, sae, labels, "it")[0], *plain):
        page = Page(html)
        assert page.count("script") == (0 if html in plain else 1)
        assert page.count("img") == page.count("iframe") == 0
        assert not [tag for tag, attributes in page.tags if {"onerror", "onload", "style"} & set(attributes)]
        policy = next(str(a["content"]) for _, a in page.tags if a.get("http-equiv"))
        assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
        bare = re.sub(r"<(script|style)>.*?</\1>", "", html, flags=re.S)
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", bare)
        assert "window.pwned=1" in page.text
