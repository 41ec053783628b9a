"""Labels by words on a corpus where the right name is known, from the corpus's texts to the label."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_contexts import Fires, write

from saetext.features.contexts import gather
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


def test_the_cards_words_come_first_among_those_seen_once(tmp_path: Path) -> None:
    words = PLAIN.split()
    documents: list[tuple[str, Fires]] = [
        (f"a {word} in place number {i}", {0: (3 - i / 10, 1)}) for i, word in enumerate(words)
    ]
    contexts = gather(write(tmp_path / "once.corpus", documents), None, [0], per_level=16)
    (bare,) = label_by_words(contexts)
    (told,) = label_by_words(contexts, top_words={0: ("winter", "absent")})
    assert not bare.label.startswith("winter") and told.label.startswith("winter")
    assert "absent" not in told.label
