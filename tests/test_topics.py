"""Detectors of topics: whole pages, where they are used and where not, and their words in pairs."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from memory_corpus import DenseCorpus

from saetext.analysis.cooccurrence.descriptions.making import descriptions
from saetext.analysis.cooccurrence.descriptions.passages import IMPLIED, PHRASE, reason_of
from saetext.analysis.differences import diff
from saetext.features.detectors import SUBJECTS, Detector, shipped
from saetext.features.themes import Themes
from saetext.reader.shipped import EMBEDDED

TOPICS = shipped(topics=True)[len(shipped()) :]


def with_topic(topic: Detector, where: np.ndarray) -> DenseCorpus:
    """A corpus of the embedded reader's features: the topic's strongest ones in some texts, at one place."""
    value = np.zeros((len(where), topic.d_sae), np.float32)
    value[:, 7] = 1
    strong = np.argsort(-topic.weights)[:20]
    value[np.ix_(where, topic.features[strong])] = topic.scales[strong]
    corpus = DenseCorpus(value, peak=np.zeros_like(value, np.int64))
    sae = dataclasses.replace(corpus.spec.saes[0], weights_sha256=topic.weights_sha256)
    corpus.spec = dataclasses.replace(corpus.spec, saes=(sae,))
    return corpus


def test_pages_are_whole_fit_the_reader_and_say_what_themes_say() -> None:
    names = {theme.name for theme in Themes.load("embedded")}
    assert {one.title for one in TOPICS} == set(SUBJECTS) and set(SUBJECTS.values()) <= names
    assert len(set(SUBJECTS.values())) == len(SUBJECTS)
    for one in TOPICS:
        assert one.weights_sha256 == EMBEDDED.sae_sha256
        assert one.reach == 12 and one.auc["by rule"] >= 0.85 and one.threshold == TOPICS[0].threshold


def test_topics_are_asked_for() -> None:
    """Search, clusters and the command `detector` do without: there they were not measured."""
    assert not set(shipped()) & set(TOPICS)
    assert shipped(SimpleNamespace(sae=lambda name: TOPICS[0]), topics=True) == shipped(topics=True)  # type: ignore[arg-type]


def test_a_topic_that_one_set_has_more_often_is_a_finding() -> None:
    [topic] = [one for one in TOPICS if one.title == "food and cooking"]
    sets = [with_topic(topic, np.arange(100) < n) for n in (5, 40)]
    family = next(f for f in diff(*sets).families if f.name == "properties")
    assert family.table is not None
    rows = {row["term"]: row for row in family.table.to_dicts()}
    assert rows[topic.title]["rate_a"] == 0.05 and rows[topic.title]["rate_b"] == 0.4
    assert rows[topic.title]["q"] < 1e-4


def test_in_pairs_a_topic_stands_for_the_theme_of_its_subject() -> None:
    [topic] = [one for one in TOPICS if one.title == "music"]
    corpus = with_topic(topic, np.arange(40) < 20)
    made = descriptions(corpus, "main", np.arange(40), None, 5)
    kinds = dict(zip(made.term, made.kind, strict=True))
    assert kinds["music"] == "property" and "Music" not in kinds and kinds["Pride"] == "theme"
    assert int(made.items.n[made.items.name.tolist().index(made.term.index("music"))]) == 20


@pytest.mark.parametrize(
    ("kinds", "terms", "both", "reason"),
    [
        (("word", "property"), ("song", "music"), 38, IMPLIED),
        (("property", "word"), ("music", "song"), 38, IMPLIED),
        (("word", "theme"), ("song", "Pride"), 38, IMPLIED),
        (("word", "property"), ("song", "music"), 37, None),  # of 40: three are without
        (("word", "property"), ("song", "apologising"), 38, None),  # what texts do is no topic
        (("word", "word"), ("song", "chips"), 38, None),
        (("word", "word"), ("song", "music"), 38, None),  # a word is no topic, whatever it is
        (("word", "property"), ("music", "apologising"), 38, None),
    ],
)
def test_a_word_that_only_texts_about_a_topic_have_is_no_finding(
    kinds: tuple[str, str], terms: tuple[str, str], both: int, reason: str | None
) -> None:
    made: Any = SimpleNamespace(kind=kinds, term=terms)
    nowhere: Any = SimpleNamespace(of=lambda description, row: [])
    support = (40, 90) if kinds[0] == "word" else (90, 40)
    assert reason_of((0, 1), np.arange(both), support, made, nowhere) == reason


@pytest.mark.parametrize(
    ("kinds", "terms", "reason"),
    [
        (("word", "property"), ("song", "music"), PHRASE),
        (("word", "property"), ("song", "apologising"), None),
        (("property", "property"), ("travel", "music"), None),  # two probes may share a word
        (("property", "theme"), ("travel", "Pride"), PHRASE),  # of a theme each word is one of its own
    ],
)
def test_a_topic_at_the_very_word_is_no_finding_beside_it(
    kinds: tuple[str, str], terms: tuple[str, str], reason: str | None
) -> None:
    made: Any = SimpleNamespace(kind=kinds, term=terms)
    places: Any = SimpleNamespace(
        of=lambda description, row: [(row, row + 1)],
        closest=lambda row, a, b: (0, row % 10, False),  # no wording: the distances differ
        without=lambda description, row, other: True,  # both are elsewhere, too
    )
    assert reason_of((0, 1), np.arange(20), (40, 90), made, places) == reason
