"""The one policy from words to features: its table, and that each use keeps to it at the very threshold."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from saetext.analysis.cooccurrence import CorrelateRequest
from saetext.features import similarity
from saetext.features.similarity import THRESHOLDS, answering, concept, is_unsure, named

ROOT = Path(__file__).parents[1]


class Fixed:
    """An index that knows the answer."""

    def __init__(self, scores: list[float], lexical: bool = False) -> None:
        self.scores, self.lexical = scores, lexical

    def search(self, query: str, n: int) -> list[tuple[int, float]]:
        return sorted(enumerate(self.scores), key=lambda pair: (-pair[1], pair[0]))[:n]


def test_the_table_is_the_one_of_today() -> None:
    assert {name: t.value for name, t in THRESHOLDS.items()} == {
        "search": 0.2, "concept": 0.33, "concept_sure": 0.4, "concept_apart": 2.0, "named": 0.3,
        "named_share": 0.85, "pair": 0.45,
    }  # fmt: skip
    assert all(len(t.why) > 40 and t.why.endswith(".") and t.unit for t in THRESHOLDS.values())
    assert CorrelateRequest().max_similarity == 0.45


@pytest.mark.parametrize(("best", "found"), [(0.2, True), (0.1999, False)])
def test_a_search_needs_one_label_like_the_query(best: float, found: bool) -> None:
    matches = answering(Fixed([0.1, best, 0.05]), "x", 2)
    assert [m.feature for m in matches.found] == ([1, 0] if found else [])
    assert matches.nearest is not None and matches.nearest.feature == 1


def test_words_name_the_best_and_those_about_as_good() -> None:
    matches = named(Fixed([0.5, 0.6, 0.51, 0.59, 0.6 * 0.85]), "x")
    assert [m.feature for m in matches.found] == [1, 3, 2, 4]
    assert not named(Fixed([0.299]), "x").found and named(Fixed([0.3]), "x").found
    assert [m.feature for m in named(Fixed([0.6] * 9), "x").found] == [0, 1, 2, 3, 4]


def test_a_concept_is_what_stands_out() -> None:
    scores = [*np.linspace(0.0, 0.2, 50).tolist(), 0.7, 0.6]
    z = (np.array(scores) - np.mean(scores)) / np.std(scores)
    matches = concept(Fixed(scores), "x", len(scores))
    assert [m.feature for m in matches.found] == [50, 51] == np.flatnonzero(z >= 2)[::1].tolist()
    np.testing.assert_allclose([m.apart for m in matches.found], z[[50, 51]])
    few = concept(Fixed([0.5, 0.45]), "x", 2)  # of two labels none is two deviations above the mean
    assert [m.feature for m in few.found] == [0]
    assert not is_unsure(few) and is_unsure(concept(Fixed([0.35, 0.1]), "x", 2))
    assert not concept(Fixed([0.32, 0.1]), "x", 2).found


@pytest.mark.parametrize(
    "ask", [lambda i: answering(i, "x", 3), lambda i: concept(i, "x", 3), lambda i: named(i, "x")]
)
def test_of_words_every_hit_counts_and_no_threshold(ask) -> None:
    assert [m.similarity for m in ask(Fixed([0.01], lexical=True)).found] == [0.01]
    empty = ask(Fixed([], lexical=True))
    assert empty.found == () and empty.nearest is None


def test_no_caller_has_a_threshold_of_its_own() -> None:
    for name in ("search/asking.py", "clusters/axis.py", "cooccurrence/asked.py"):
        text = (ROOT / "saetext" / "analysis" / name).read_text("utf-8")
        assert "features.similarity import" in text
        assert not re.search(r"^_?(LIKE|UNSURE|STANDS_OUT)\b", text, re.M)
        assert "index.search(" not in text
    assert similarity.value("pair") == CorrelateRequest().max_similarity
