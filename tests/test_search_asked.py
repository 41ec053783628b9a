"""What a description means: themes make paraphrases agree, detectors answer what no theme says better."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from saetext import encode, search
from saetext.analysis.search.asked import Asked
from saetext.analysis.search.by_detector import means_detector
from saetext.analysis.search.form import form_notes
from saetext.analysis.search.framing import without_frame, without_kind
from saetext.analysis.search.query import split_clauses
from saetext.analysis.search.unanswered import unanswered_notes
from saetext.features.detectors import DetectorIndex, resolved, shipped
from saetext.features.similarity import answering_by_theme
from saetext.features.theme_index import ThemeIndex
from saetext.features.themes import Theme
from saetext.reader.sentences import Embedder

THEMES = (
    Theme("refusal", "Refusals", "it says no", "discourse", (2, 4)),
    Theme("weather", "Weather", "", "topic", (1, 4)),
)


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Two axes: what is like a refusal, and what is like the weather."""
    said = {"Refusals. it says no": (1.0, 0.0), "Weather. ": (0.6, 0.8)}
    return np.array([said[text] for text in texts], np.float32)


def asked(
    detector: float | None = None, theme: float | None = None, best: float = 0.5, pieces: int = 1
) -> Asked:
    one = shipped()[0]
    return Asked(
        "x", np.zeros(2, np.float32), np.array([0]), np.array([0.3]), None,
        None if theme is None else (THEMES[0], theme), None if detector is None else (one, detector),
        best, "rain", pieces,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("the writer is sad", "sad"),
        ("The assistant refuses to help", "refuses to help"),
        ("This text says that it rains", "it rains"),
        ("says that it rains", "it rains"),
        ("somebody brags", "brags"),
        ("written by a teenager", "a teenager"),
        ("the writer", "the writer"),
        ("the writers' union", "the writers' union"),
        ("textbooks", "textbooks"),
        ("", ""),
    ],
)
def test_who_writes_is_taken_out_and_nothing_else(text: str, rest: str) -> None:
    assert without_frame(text) == rest


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Statements about money", "money"),
        ("reviews that hate the ending", "hate the ending"),
        ("texts that are sad", "sad"),
        ("find answers in which somebody brags", "somebody brags"),
        ("people who lost a pet", "lost a pet"),
        ("reviews complaining about price", "complaining about price"),
        ("questions asking for advice", "asking for advice"),
        ("the speaker is lonely", "lonely"),
        ("this review talks about food", "food"),
        ("the writer is sad", "the writer is sad"),
        ("the text message is late", "the text message is late"),
        ("questions about money", "questions about money"),
        ("stories about dogs", "stories about dogs"),
        ("text messages", "text messages"),
        ("answers", "answers"),
        ("answers about", "answers about"),
        ("what people think about money", "what people think about money"),
    ],
)
def test_the_kind_of_document_is_taken_out_and_nothing_else(text: str, rest: str) -> None:
    assert without_kind(text) == rest
    assert without_kind(rest) == rest
    assert split_clauses(f'"{text}"') == [(text, False)]  # as it stands
    assert split_clauses(f"rain NOT {text}") == [("rain", False), (rest, True)]


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("very short", '--where "n_tokens < 20"'),
        ("long answers", '--where "n_tokens > 200"'),
        ("phrased as a question", '--words "?"'),
        ("ends with an exclamation mark", '--words "!"'),
        ("contains emojis", '--words "🙂"'),
        ("a short temper", None),
        ("longing", None),
        ("asks a question", None),
    ],
)
def test_what_is_said_of_the_form_alone_gets_a_note(text: str, option: str | None) -> None:
    notes = form_notes([text])
    assert not notes if option is None else notes[0].endswith(option)


def test_a_feature_has_the_similarity_of_its_nearest_theme() -> None:
    index = ThemeIndex(THEMES, 6, embed)
    like = index.similarities(np.array([0.0, 1.0], np.float32))
    np.testing.assert_allclose(like, [0.0, 0.8], atol=1e-6)
    np.testing.assert_allclose(index.of_features(like), [0, 0.8, 0, 0, 0.8, 0], atol=1e-6)
    away = index.similarities(np.array([-1.0, 0.0], np.float32))
    assert (index.of_features(away) == 0).all()  # unlike is not less than without a theme


@pytest.mark.parametrize(
    ("theme", "part"), [(0.62, 0.0), (0.475, 0.0), (0.55, 0.5), (0.625, 1.0), (0.9, 1.0)]
)
def test_a_theme_counts_where_it_is_more_similar_than_any_label(theme: float, part: float) -> None:
    label = 0.5 if theme != 0.62 else 0.7
    found = answering_by_theme(np.array([1, 0]), np.array([label, 0.1]), np.array([theme, 0.2]), 2, 1.0)
    by_hand = {1: (label + part * 0.2) / (1 + part), 0: (0.1 + part * theme) / (1 + part)}
    assert [m.feature for m in found.found] == sorted(by_hand, key=lambda f: -by_hand[f])
    assert {m.feature: m.counts for m in found.found} == pytest.approx(by_hand)


def test_themes_and_labels_count_half_each() -> None:
    feature, similarity = np.array([5, 2, 1, 0]), np.array([0.5, 0.4, 0.3, -0.1])
    themed = np.array([0, 0.2, 0.6, 0, 0.9, 0.0])
    found = answering_by_theme(feature, similarity, themed, 3, 1.0)
    assert [m.feature for m in found.found] == [2, 5, 1]
    assert [m.similarity for m in found.found] == [0.4, 0.5, 0.3]
    np.testing.assert_allclose([m.counts for m in found.found], [0.5, 0.25, 0.25])
    assert found.nearest is not None and found.nearest.feature == 5
    alone = answering_by_theme(feature, similarity, None, 2, 1.0)
    assert [(m.feature, m.counts) for m in alone.found] == [(5, 0.5), (2, 0.4)]
    far = answering_by_theme(feature, similarity - 0.31, themed, 3, 1.0)
    assert far.found == () and far.nearest is not None and far.nearest.feature == 5
    assert answering_by_theme(feature[:0], similarity[:0], None, 3, 1.0).nearest is None


@pytest.mark.parametrize(
    ("detector", "theme", "meant"),
    [
        (0.61, 0.9, True),  # clear
        (0.5, 0.4, True),  # no theme is as similar
        (0.5, 0.47, False),
        (0.44, 0.1, False),  # too far
        (0.5, None, False),  # a reader without themes
        (None, 0.4, False),
    ],
)
def test_a_detector_is_meant_if_no_theme_is_as_similar(
    detector: float | None, theme: float | None, meant: bool
) -> None:
    assert (means_detector(asked(detector, theme)) is not None) == meant


def test_the_nearest_detector_is_found_by_title_or_description() -> None:
    both = shipped()[:2]
    said = [d.title for d in both] + [d.description for d in both]
    vectors = np.eye(5, dtype=np.float32)

    def one_hot(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([vectors[said.index(text)] if text in said else query for text in texts])

    query = np.array([0, 0.3, 0, 0.9, 0.1], np.float32)
    index = DetectorIndex(both, one_hot)
    assert index.nearest(query) == (both[1], pytest.approx(0.9))
    assert resolved("words", both, one_hot) == (both[1], pytest.approx(0.9))
    assert DetectorIndex((), one_hot).nearest(query) is None


def test_what_nothing_is_close_to_is_told_in_one_line() -> None:
    near, far = asked(best=0.37), asked(best=0.35)
    strange, known = asked(best=0.49, pieces=3), asked(best=0.51, pieces=5)
    told = unanswered_notes([near, far, strange, known], "try --like ID, or say it in other words")
    assert len(told) == 2 and "0.35" in told[0] and "0.49" in told[1]
    assert all("'x'" in line and "'rain'" in line and "--like" in line and "\n" not in line for line in told)
    assert told[0].endswith("say it in other words")


def test_the_sentence_model_is_loaded_once_for_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path))
    loaded, true = [], Embedder.load

    def load(device: str = "auto") -> Embedder:
        loaded.append(device)
        return true(device)

    monkeypatch.setattr(Embedder, "load", load)
    corpus = encode(["I am so sorry.", "Thank you very much.", "The train is late."])
    search(corpus, "an apology", mode="features")
    assert len(loaded) == 1
