"""A theme is present where its features are active around one place: as slow loops say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_corpus import DenseCorpus

from saetext.corpus.calibration import Calibration
from saetext.features import Theme
from saetext.features.passage_sums import passage_sums
from saetext.features.places import REACH
from saetext.features.theme_passages import STRONG, theme_passages

THEMES = (Theme("sport", "Sport", "", "topic", (1, 2, 3)), Theme("food", "Food", "", "topic", (0, 3)))
MAXIMA = np.array([2.0, 1.0, 0.0, 4.0, 1.0])  # 0: the reader knows none, so 1 is full strength


def corpus_of(value: np.ndarray, peak: np.ndarray) -> DenseCorpus:
    corpus = DenseCorpus(value, peak=peak, block=3)
    corpus._calibration = Calibration.from_arrays(
        np.zeros(len(MAXIMA)), percentile=90, maximum=MAXIMA, top_words=[[] for _ in MAXIMA]
    )
    return corpus


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(0, 8))
def test_the_strongest_passage_is_that_of_a_slow_loop(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    value = np.where(rng.random((n, 5)) < 0.6, rng.random((n, 5)) * 3, 0.0).astype(np.float32)
    peak = rng.integers(-1, 30, (n, 5))
    found = theme_passages(corpus_of(value, peak), "main", THEMES)
    assert found.shape == (n, 2) and found.dtype == np.float32
    for row in range(n):
        for at, theme in enumerate(THEMES):
            placed = [
                (int(peak[row, f]), min(float(value[row, f]) / (MAXIMA[f] or 1.0), 1.0))
                for f in theme.features
                if value[row, f] > 0 and peak[row, f] >= 0
            ]
            sums = [sum(x for q, x in placed if abs(p - q) <= REACH) for p, _ in placed]
            best = max(sums, default=0.0)
            expected = best / STRONG if best >= STRONG else 0.0
            assert found[row, at] == pytest.approx(expected, abs=1e-5)
    assert (found.data >= 1).all(), "no zero is stored"


def test_what_is_far_apart_is_no_passage() -> None:
    value = np.array([[0, 0.5, 0.5, 0, 0]] * 3)
    peak = np.array([[0, 4, 4 + REACH, 0, 0], [0, 4, 5 + REACH, 0, 0], [0, 4, -1, 0, 0]])
    found = theme_passages(corpus_of(value, peak), "main", THEMES)
    np.testing.assert_allclose(found.toarray(), np.array([[1 / STRONG, 0], [0, 0], [0, 0]]), rtol=1e-6)


def test_a_theme_of_half_of_the_documents_is_present_in_half_of_them() -> None:
    value = np.zeros((100, 5))
    value[:50, 1:4] = 0.6 * np.maximum(MAXIMA[1:4], 1.0)
    found = theme_passages(corpus_of(value, np.zeros((100, 5))), "main", THEMES)
    assert (found.toarray()[:, 0] > 0).tolist() == [True] * 50 + [False] * 50


def test_documents_do_not_reach_into_each_other() -> None:
    document, peak = np.array([0, 1, 1, 0]), np.array([9, 0, 2, 3])
    np.testing.assert_array_equal(passage_sums(document, peak, np.array([1.0, 2, 4, 8])), [9, 6, 6, 9])
    assert passage_sums(document[:0], peak[:0], np.zeros(0)).shape == (0,)
