"""Labels by words on a corpus where the right name is known, from the corpus's texts to the label."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_contexts import Fires, write

from saetext.features.contexts import gather, random_passages
from saetext.features.labelling.pipeline import label
from saetext.features.labelling.words import label_by_words
from saetext.features.labels import FeatureLabel

NESS = "kindness sharpness openness coldness directness richness greatness tightness softness boldness"
PLAIN = "table river window garden button carpet silver market pencil winter"


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> dict[int, FeatureLabel]:
    """Four features: a word, a suffix, the number before ``kg``, and a word with a number beside it."""
    documents: list[tuple[str, Fires]] = []
    for i in range(120):
        noun, plain = NESS.split()[i % 10], PLAIN.split()[(7 * i) % 10]
        filler = f"{plain} item{i}"
        documents += [
            (f"they were slightly late for the {filler}", {0: (2 + i / 100, 2)}),
            (f"some people see {noun} in every {filler}", {1: (2 + i / 100, 3)}),
            (f"the sack weighs {i + 3} kg beside the {filler}", {2: (2 + i / 100, 3)}),
            (f"it's 1 wonderful {filler} isn't it", {3: (2 + i / 100, 2)}),
            (f"the old {plain} was put where people saw item{i}", {}),
        ]
    path = tmp_path_factory.mktemp("named") / "named.corpus"
    return {row.feature: row for row in label(write(path, documents), method="words").labels}


def test_names_that_are_known(labels: dict[int, FeatureLabel]) -> None:
    assert labels[0].label == 'the word "slightly"' or labels[0].label.startswith('the phrase "')
    assert "slightly" in labels[0].label and labels[0].kind == "word form"
    assert labels[1].label.startswith('words ending in "ness" (') and labels[1].kind == "word form"
    assert labels[2].label == "numbers" and labels[2].kind == "format"
    assert "wonderful" in labels[3].label
    for row in labels.values():
        assert row.source == "words" and row.snippets and all("«" in s for s in row.snippets)


def test_numbers_and_contractions_are_no_surroundings(labels: dict[int, FeatureLabel]) -> None:
    assert "“1”" not in labels[3].description and "it's" not in labels[3].label + labels[3].description


def test_the_calibrations_words_come_first_among_those_seen_once(tmp_path: Path) -> None:
    words = PLAIN.split()
    documents: list[tuple[str, Fires]] = [
        (f"a {word} in place number {i}", {0: (3 - i / 10, 1)}) for i, word in enumerate(words)
    ]
    contexts = gather(write(tmp_path / "once.corpus", documents), None, [0], per_level=16)
    (bare,) = label_by_words(contexts)
    (told,) = label_by_words(contexts, top_words={0: ("winter", "absent")})
    assert not bare.label.startswith("winter") and told.label.startswith("winter")
    assert "absent" not in told.label


def test_a_label_does_not_depend_on_the_other_features(tmp_path: Path) -> None:
    """What is common is measured on the corpus: words of the features beside it change no label."""
    words = PLAIN.split()
    documents: list[tuple[str, Fires]] = []
    for i in range(90):
        one, two = words[i % 5], words[5 + i % 5]
        documents += [
            (f"they saw {one} number item{i}", {0: (2 + i / 100, 2)}),
            # a feature on the words of the first, so that these count for less beside it
            (f"we had {words[i % 3]} or else item{i}", {1: (2 + i / 100, 2)}),
            (f"here is {two} again item{i}", {2: (2 + i / 100, 2)}),
        ]
    path = write(tmp_path / "beside.corpus", documents)
    together = {row.feature: row for row in label(path, method="words").labels}
    assert together.keys() == {0, 1, 2}
    for features in ([0], [2], [0, 2], [1, 0]):
        for row in label(path, method="words", features=features).labels:
            assert row == together[row.feature]


def test_random_passages_are_of_one_half_and_the_same_each_time(tmp_path: Path) -> None:
    documents: list[tuple[str, Fires]] = [
        (f"text{i} " + "and\nmore words " * (60 if i else 0), {0: (1.0, 0)}) for i in range(40)
    ]
    corpus = write(tmp_path / "passages.corpus", documents)
    found = {half: random_passages(corpus, half=half) for half in ("all", "make", "score")}
    assert len(found["all"]) == len(found["make"]) + len(found["score"]) == 16 * 40
    assert all(0 < len(passage) <= 160 and "\n" not in passage for passage in found["all"])
    assert found["all"] == random_passages(corpus) != random_passages(corpus, seed=1)
    starts = {half: {p.split()[0] for p in found[half] if p.startswith("text")} for half in found}
    assert not starts["make"] & starts["score"] and min(map(len, starts.values())) > 0
