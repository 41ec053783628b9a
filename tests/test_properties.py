"""Properties beside features: found by words, and one looked at in texts, against plain code."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_factory import make_corpus
from test_cli import place, saetext

from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.features import find_properties, open_subject, property_profile
from saetext.features.detectors import Detector, shipped
from saetext.features.places import places
from saetext.features.properties import _stem
from saetext.features.subject import Subject
from saetext.reader import sentences as embed

__all__ = ["place"]  # a fixture


def detector(corpus: Corpus, name: str = "wet", reach: int = 3, threshold: float = 0.4) -> Detector:
    sae = corpus.spec.sae()
    return Detector(
        name, f"{name} weather", "It rains <b>hard</b>", sae.origin, sae.weights_sha256, sae.d_sae,
        np.array([1, 4, 9], np.int32), np.array([2.0, 1.5, -1.0]), np.array([2.0, 3.0, 2.5]), 0.0, -0.6, 1.5,
        -0.2, threshold, {"held out": 0.99, "letters": 0.9}, {}, reach,
    )  # fmt: skip


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    corpus, _ = make_corpus(tmp_path / "a.corpus", 5, (40, 30), density=0.4)
    own = (detector(corpus), detector(corpus, "dry", 0))

    def ours(spec: object, sae: str | None = None, *, topics: bool = False) -> tuple[Detector, ...]:
        sha = getattr(spec, "weights_sha256", own[0].weights_sha256)
        return tuple(d for d in own[: 2 if topics else 1] if d.weights_sha256 == sha)

    monkeypatch.setattr("saetext.features.detectors.shipped", ours)
    return open_subject(str(corpus.path))


def slow(corpus: Corpus, one: Detector) -> list[tuple[float, set[int]]]:
    """The probability of each document and the tokens around which most is added; none where nothing is."""
    found = []
    for row in range(corpus.n_documents):
        entries = corpus.document(row)["entries"][corpus.spec.sae().name]
        known = dict(zip(one.features.tolist(), zip(one.weights, one.scales, strict=True), strict=True))
        adds = [
            (int(p), known[int(f)][0] * min(float(v) / known[int(f)][1], 1.0))
            for f, v, p in zip(entries.feature, entries.value, entries.peak, strict=True)
            if int(f) in known
        ]
        sums = {at: sum(more for token, more in adds if abs(token - at) <= one.reach) for at, _ in adds}
        best = max(0.0, *sums.values()) if sums else 0.0
        middle = {at for at, here in sums.items() if here > 0 and here >= best - 1e-9}
        logit = one.slope * (one.bias + best) + one.intercept
        found.append((1 / (1 + np.exp(-logit)) if len(entries.feature) else 0.0, middle))
    return found


def test_a_profile_has_what_plain_code_finds(subject: Subject) -> None:
    corpus = subject.corpus
    assert isinstance(corpus, Corpus)
    one = detector(corpus)
    expected = slow(corpus, one)
    found = property_profile(subject, one.name, width=4000)
    has = [row for row, (p, _) in enumerate(expected) if p >= one.threshold]
    assert found.support == len(has) and found.documents == 70 and 8 <= len(has) < 70
    levels = {name: [c for c in found.contexts if c.level == name] for name in ("top", "above", "below")}
    assert [len(each) for each in levels.values()] == [4, 3, 2]
    values = sorted((p for p, _ in expected if p >= one.threshold), reverse=True)
    assert [c.value for c in levels["top"]] == pytest.approx(values[:4], abs=1e-5)
    assert [c.value for c in levels["above"]] == pytest.approx(values[-3:], abs=1e-5)
    assert all(c.value < one.threshold for c in levels["below"])
    rows = {corpus.document(row)["id"]: row for row in range(70)}
    for context in found.contexts:
        assert context.value == pytest.approx(expected[rows[context.document]][0], abs=1e-5)
        shaded = [piece.value for piece in context.pieces if piece.value > 0]
        assert 1 <= sum(shaded) <= 2 and {1.0, 2.0} >= set(shaded)  # features 1 and 4 speak for it
    told = [(each.feature, each.similarity) for each in found.weights]
    assert told == [(1, 2.0), (4, 1.5)]  # those that speak for it, the largest first
    assert found.n_features == 3 and json.loads(found.to_json())["kind"] == "property"


def test_it_is_marked_where_the_best_passage_is(subject: Subject) -> None:
    corpus = subject.corpus
    assert isinstance(corpus, Corpus)
    expected = slow(corpus, detector(corpus))
    term = ("property", "wet weather")
    shown = places([corpus], corpus.spec.sae().name, {row: [term] for row in range(70)})
    there = [row for row, (_, middle) in enumerate(expected) if middle]
    assert len(there) >= 30 and all(expected[row][1] & set(shown[row, term].tokens) for row in there)


def test_few_documents_stand_in_one_level_each(subject: Subject) -> None:
    assert isinstance(subject.corpus, Corpus)
    few = subject.corpus.select([0, 1, 2, 3, 4, 5])
    found = property_profile(dataclasses.replace(subject, corpus=few), "wet")
    ids = [context.document for context in found.contexts]
    assert len(ids) == len(set(ids)) <= 6 and found.documents == 6


def test_properties_are_found_by_words_with_their_counts(subject: Subject) -> None:
    corpus = subject.corpus
    assert isinstance(corpus, Corpus)
    [wet] = find_properties(subject, "wet")
    expected = sum(p >= 0.4 for p, _ in slow(corpus, detector(corpus)))
    assert (wet.name, wet.score, wet.documents) == ("wet", None, expected)
    assert wet.share == pytest.approx(expected / 70) and not wet.topic
    assert [each.topic for each in find_properties(subject, "dry")] == [True]
    assert {each.name for each in find_properties(subject, "the weather")} == {"wet", "dry"}
    assert find_properties(subject, "weather of love") == [] and find_properties(subject, "  ") == []
    assert find_properties(subject, "is") == []  # no word that counts


def test_by_meaning_the_nearest_from_45_on_and_others_from_60(subject: Subject) -> None:
    cosine = {"a": (0.5, 0.44), "b": (0.44, 0.1), "c": (0.7, 0.65), "d": (0.3, 0.59)}

    def vectors(texts: Any) -> np.ndarray:
        rows = [[1.0, 0.0]]
        for said in (cosine[texts[0]], (0.0, 0.0)):  # titles, then descriptions
            rows += [[c, np.sqrt(1 - c * c)] for c in said]
        return np.array(rows, np.float32)

    found = {query: [each.name for each in find_properties(subject, query, vectors)] for query in cosine}
    assert found == {"a": ["wet"], "b": [], "c": ["wet", "dry"], "d": ["dry"]}


def test_of_equal_texts_one_is_shown(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    true = Corpus.document
    monkeypatch.setattr(Corpus, "document", lambda self, key: {**true(self, key), "text": "so " * 400})
    assert len(property_profile(subject, "wet").contexts) == 1


def test_of_long_documents_what_looks_at_whole_texts_is_not_counted(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saetext.features.detectors.scoring.LONGEST", 1)
    counted = {each.name: each.documents is not None for each in find_properties(subject, "weather")}
    assert counted == {"wet": True, "dry": False}
    assert any("too high" in note for note in property_profile(subject, "dry").notes)


def test_a_wrong_name_names_those_near_it(subject: Subject) -> None:
    assert property_profile(subject, "dry").name == "dry"
    with pytest.raises(InputError, match="near it: wet"):
        property_profile(subject, "wett")
    with pytest.raises(InputError, match="there are dry, wet"):
        property_profile(subject, "zzzzzz")
    other = dataclasses.replace(subject, sae=dataclasses.replace(subject.sae, weights_sha256="f" * 64))
    with pytest.raises(InputError, match="has no named properties"):
        property_profile(other, "wet")
    assert find_properties(other, "wet") == []


# ---- the command -----------------------------------------------------------------------------------------


@pytest.mark.skipif(not embed.available(), reason="needs the extra 'embedded'")
def test_words_find_properties_of_the_embedded_reader() -> None:
    run = saetext("features", "embedded", "refusing a request", "--top", 2)
    lines = run.out.splitlines()
    assert run.code == 0 and lines[1].split()[1] == "refusal" and "feature" in lines[4]
    assert "look at it: saetext features embedded --show refusal" in run.out and "find texts" not in run.out
    told = json.loads(saetext("features", "embedded", "refusing a request", "--json").out)
    [one] = told["metrics"]["properties"]
    assert one["name"] == "refusal" and one["documents"] is None and one["score"] > 0.9
    assert all("label" in row for row in told["rows"])
    assert "texts" not in run.out.splitlines()[0]  # there are none to count
    none = saetext("features", "embedded", "the number seven", "--top", 2)
    assert "property" not in none.out


def test_a_property_is_shown() -> None:
    run = saetext("features", "embedded", "--show", "refusal")
    assert run.code == 0 and run.out.startswith("property refusal of embedded\nrefusing a request\n")
    assert "passages of 25 tokens" in run.out and "name a corpus" in run.out
    topics = {each.name for each in shipped(topics=True)} - {each.name for each in shipped()}
    assert saetext("features", "embedded", "--show", sorted(topics)[0]).code == 0
    told = json.loads(saetext("features", "embedded", "--show", "table", "--json").out)
    assert told["kind"] == "property" and told["reach"] == 0 and told["support"] is None
    assert "near it: refusal" in saetext("features", "embedded", "--show", "refusall").error
    for option in (("--html", "page.html"), ("--peaks",)):
        assert saetext("features", "embedded", "--show", "refusal", *option).code == 2
    assert "no named properties" in saetext("features", "smollm2", "--show", "refusal").error


def test_a_corpus_without_texts_says_so(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(subject.corpus, Corpus)
    true = Corpus.document
    monkeypatch.setattr(Corpus, "document", lambda self, key: {**true(self, key), "text": None})
    found = property_profile(subject, "wet")
    assert found.contexts == () and found.support and any("no text to show" in note for note in found.notes)


def test_forms_of_a_word_are_the_same() -> None:
    for forms in (
        "table tables",
        "praise praising praised",
        "refuse refuses",
        "class classes",
        "story stories",
        "war wars",
    ):
        assert len({_stem(word) for word in forms.split()}) == 1
    for others in ("politics polite", "cars caring", "war ware", "cod code"):
        assert len({_stem(word) for word in others.split()}) == 2
    known = open_subject("embedded")
    assert [each.name for each in find_properties(known, "tables")] == ["table"]
