"""The table of features searched by what labels mean: against embeddings compared by hand, and by words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from corpus_factory import make_corpus
from explore_app import client_of
from page_helpers import HOSTILE, Page

from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.reader.sentences import Embedder
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.queries import meaning
from saetext.report.explore.queries.counts import counts_of

NAMES = (
    "apologies and regret", "names of fruit and vegetables", "code in Python", "sad and mournful words",
    "numbers in a list", "dogs, cats and other pets", "questions to the reader", "polite requests",
    "dates and months", "the sea, rivers and boats",
)  # fmt: skip
ASKED = "an unhappy mood"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("meaning") / "named.corpus"
    made, _ = make_corpus(path, 3, (40, 0, 33, 1), 12, density=0.4)
    rows = [FeatureLabel(number, name) for number, name in enumerate(NAMES)]
    FeatureLabels.from_rows(rows).write(path / "labels.parquet")
    return Corpus.open(made.path)


@pytest.fixture
def client(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path))
    return client_of(Loaded({"named": corpus}, reads=False))


def shown(client: Any, **asked: str) -> str:
    """Return a page once its job has ended."""
    url = "features?" + urlencode(asked)
    while key := re.search(r'data-job="job-events\?key=(\w+)"', text := str(client.get(url).text)):
        assert client.app.state.jobs.wait(client.app.state.jobs.get(key[1]), 200)
    return text


def features(page: str) -> list[int]:
    return [int(f) for f in re.findall(r'data-name="feature">(\d+)</td>', page)]


def test_labels_are_ordered_by_the_cosine_of_their_embeddings(client: Any, corpus: Corpus) -> None:
    texts = client.app.state.loaded.labels("named", "main").texts  # of two the words that come with the SAE
    assert texts[: len(NAMES)] == list(NAMES) and len(texts) == 12
    vectors = Embedder.load("cpu").embed([*texts, ASKED])
    similarity = vectors[:-1] @ vectors[-1]
    order = np.argsort(-similarity).tolist()
    assert NAMES[order[0]] == "sad and mournful words", "no word of it is in the label"
    page = shown(client, q=ASKED, by="meaning")
    present = counts_of(corpus, "main").support > 0
    expected = [f for f in order if present[f]]
    assert features(page) == expected and len(expected) > 5
    told = re.findall(r'data-name="nearness">(-?\.\d+)</td>', page)
    np.testing.assert_allclose([float(one) for one in told], similarity[expected], atol=0.0051)
    assert features(shown(client, q=ASKED, by="meaning", absent="1")) == order
    assert features(shown(client, q=ASKED, by="meaning", turned="1")) == expected[::-1]
    by_label = sorted(expected, key=lambda f: texts[f].casefold())
    assert features(shown(client, q=ASKED, by="meaning", sort="label")) == by_label
    assert features(shown(client, q=ASKED)) == [], "by words nothing is found"
    few = shown(client, q=ASKED, by="meaning", where="n_tokens > 4")
    assert set(features(few)) <= set(order) and features(few)


def test_only_the_nearest_are_shown(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = features(shown(client, q=ASKED, by="meaning"))
    monkeypatch.setattr(meaning, "NEAREST", 3)
    assert features(shown(client, q=ASKED, by="meaning")) == whole[:3]
    assert sorted(features(shown(client, q=ASKED, by="meaning", sort="feature"))) == sorted(whole[:3])


def test_the_address_is_the_state_and_what_needs_no_model_asks_for_none(client: Any) -> None:
    page = shown(client, q=ASKED, by="meaning")
    assert '<option value="meaning" selected>' in page and f'value="{ASKED}"' in page
    assert "by=meaning" in page, "links to other orders keep it"
    assert "data-live" not in page.partition("</form>")[0], "not at each letter"
    assert features(shown(client, by="meaning")) == features(shown(client))
    assert features(shown(client, q="4", by="meaning")) == [4], "a number is a feature's"
    assert 'aria-sort="descending"' not in shown(client, q="apologies", sort="meaning")


def test_without_the_model_words_are_searched_and_the_page_says_so(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "available", lambda: False)
    page = shown(client, q="mournful", by="meaning")
    assert features(page) == features(shown(client, q="mournful")) == [3]
    told = Page(page).text
    assert "searched by their words" in told and "saetext[embedded]" in told


def test_a_changed_label_is_found_as_it_is_called_now(client: Any, corpus: Corpus) -> None:
    loaded = client.app.state.loaded
    before = features(shown(client, q="astronomy and stars", by="meaning"))
    form = {"corpus": "named", "sae": "main", "feature": str(before[-1]), "action": "rename"}
    client.post("label", data={**form, "label": "planets, moons and telescopes"})
    assert features(shown(client, q="astronomy and stars", by="meaning"))[0] == before[-1]
    client.post("label", data={**form, "action": "restore"})
    assert loaded.labels("named", "main").label(before[-1]) == NAMES[before[-1]]


def test_it_can_be_stopped_and_hostile_words_are_data(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "features?" + urlencode({"q": HOSTILE[:200], "by": "meaning"})
    with meaning.RUNNING:  # so that the page comes before its answer
        waits = client.get(url).text
        key = re.search(r'data-job="job-events\?key=(\w+)"', waits)
        assert key is not None and not any(tag == "img" for tag, _ in Page(waits).tags)
        client.post("job-stop", data={"key": key[1], "back": url})
    job = client.app.state.jobs.get(key[1])
    assert client.app.state.jobs.wait(job, 100) and job.state in ("cancelled", "done")
    client.post("job-again", data={"key": key[1], "back": url})
    page = shown(client, q=HOSTILE[:200], by="meaning")
    assert features(page) and not any(tag == "img" for tag, _ in Page(page).tags)


def test_labels_that_are_being_embedded_tell_how_far_they_are_and_stop(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path))
    labels = FeatureLabels.from_rows([FeatureLabel(n, f"{name}, too") for n, name in enumerate(NAMES)])
    told = []
    found = meaning.nearest_labels(labels, ASKED, told.append)
    assert any("embedding labels" in one.stage and one.done == one.total == len(NAMES) for one in told)
    assert found.of(int(found.features[0])) == pytest.approx(float(found.similarity.max()))
    again: list[Any] = []
    assert meaning.nearest_labels(labels, ASKED, again.append).features.tolist() == found.features.tolist()
    assert not any("embedding" in one.stage for one in again)

    def stop(progress: Any) -> None:
        if "embedding" in progress.stage:
            raise KeyError

    other = FeatureLabels.from_rows([FeatureLabel(n, f"{name}, again") for n, name in enumerate(NAMES)])
    with pytest.raises(KeyError):
        meaning.nearest_labels(other, ASKED, stop)
    assert len(meaning.nearest_labels(other, ASKED, lambda _: None).features) == len(NAMES)
