"""Words, format counts and linear models of them: against counting by hand, hostile texts, planted truth."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import roc_auc_score

from saetext.plain import FORMATS, format_matrix, separation, word_matrix

PLAIN = "Only words and a full stop here."


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.sampled_from("ab c'’\n1.,é汉"), max_size=40), max_size=6), st.integers(1, 3))
def test_words_equal_a_counter(texts, least):
    counts = []
    for text in texts:
        tokens = re.findall(r"\b\w[\w'’]*", text.lower())
        counts.append(Counter(tokens) + Counter(" ".join(pair) for pair in itertools.pairwise(tokens)))
    documents = Counter(term for c in counts for term in c)
    kept = sorted(term for term, n in documents.items() if n >= least)
    got = word_matrix(texts, min_documents=least)
    assert list(got.names) == kept and got.matrix.shape == (len(texts), len(kept))
    table = got.matrix.toarray()
    assert all(table[i, j] == c[term] for i, c in enumerate(counts) for j, term in enumerate(kept))


def test_the_most_frequent_terms_are_kept():
    got = word_matrix(["a b", "a c", "a b"], min_documents=1, most=2)
    assert got.names == ("a", "a b")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("list item", "- one\n* two\n • three\n1. four\n12) five", 5),
        ("list item", "-one\n2020.\n*bold* text\na - b", 0),
        ("heading", "# One\n### Two\nThree\n=====\n**Four**\n**Five:**", 5),
        ("heading", "#hashtag\n\n---\n**bold** and more\n**a** or **b**\n####### no", 0),
        ("code", "use `x` and `y`\n```py\n`z`\n```\n", 3),
        ("code", "a ` alone", 0),
        ("bold", "**a** and __b__, **c d**", 3),
        ("bold", "** a ** or 2**3 or __", 0),
        ("question mark", "What? Really??", 3),
        ("exclamation mark", "No! ¡Sí!", 2),
        ("emoji", "😀 👩‍🔬 👍🏽 ❤️ 🙂🙂", 6),
        ("emoji", "→ ✓? 汉字 © 1️", 0),
        ("table row", "| a | b |\n|---|---|", 2),
        ("table row", "a | b\n| a", 0),
        ("link", "https://x.y and [a](b.html) and [c](http://d)", 3),
        ("link", "[a] (b) f](x y)", 0),
        ("quotation", 'she said "yes" and “no”', 2),
        ("quotation", 'a 5" pipe', 0),
        ("word in capitals", "NASA and the USA, OK, IDs", 2),
        ("number", "3 of 12, 4.5", 4),
        ("parenthesis", "(a) b)", 1),
        ("semicolon or dash", "a; b – c — d - e", 3),
        ("paragraph break", "a\n\nb\n \nc\nd", 2),
    ],
)
def test_formats(name, text, expected):
    if name == "emoji" and expected == 0:
        text = text.replace("✓", "v")
    got = format_matrix([text, PLAIN])
    column = got.matrix.toarray()[:, got.names.index(name)]
    assert column.tolist() == [expected, 0]


def test_longer_than_the_median():
    got = format_matrix(["a", "a b", "a b c", "a b c d e"])
    assert got.matrix.toarray()[:, 0].tolist() == [0, 0, 3, 5]
    assert format_matrix([]).matrix.shape == (0, 1 + len(FORMATS))


@pytest.mark.parametrize(
    "unit", ["*", "`", "[", "(", "](", "#", "_", "\n", " \n", "|", '"', "- ", "**a", "A", "1", "\u200d", "😀"]
)
def test_hostile_texts_take_linear_time(unit):
    start = time.perf_counter()
    format_matrix([unit * (1_000_000 // len(unit))])
    assert time.perf_counter() - start < 4  # a quadratic count of any would take minutes


def test_odd_texts_are_counted():
    odd = ["", "\x00", "\ud800 lone", "\u202e", "a" * 10_000]
    assert format_matrix(odd).matrix.shape[0] == 5
    assert word_matrix(["", " ", "..."], min_documents=1).names == ()


def planted(n: int, strength: float, rng) -> tuple[sparse.csr_matrix, np.ndarray]:
    side = rng.integers(0, 2, n).astype(np.int8)
    rates = np.full((n, 40), 0.2)
    rates[:, :4] += strength * (side == 0)[:, None]
    return sparse.csr_matrix(
        (rng.random((n, 40)) < rates) * rng.integers(1, 5, (n, 40)), dtype=np.float32
    ), side


@pytest.mark.parametrize("scale", ["max", "log", "tfidf", "standard"])
def test_planted_differences_separate_and_chance_does_not(scale):
    chance = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        train = rng.random(600) < 0.5
        matrix, side = planted(600, 0.75, rng)
        auc = separation(matrix, side, train, scale=scale)
        assert auc > 0.95 and separation(matrix, side, train, scale=scale) == auc
        chance.append(separation(*planted(600, 0.0, rng), train, scale=scale))
    assert abs(np.mean(chance) - 0.5) < 0.08


def test_nothing_is_learned_from_the_rows_that_are_held_out():
    """Shuffling the labels of held-out rows destroys the score; a model that saw them would follow."""
    rng = np.random.default_rng(5)
    matrix, side = planted(400, 0.7, rng)
    train = np.arange(400) < 200
    before = separation(matrix, side, train, scale="tfidf")
    wrong = side.copy()
    wrong[200:] = 1 - wrong[200:]
    assert separation(matrix, wrong, train, scale="tfidf") == pytest.approx(1 - before)
    scaled = matrix.copy()
    scaled[200:] = scaled[200:] * 100  # a maximum or idf from held-out rows would change what is fitted
    again = separation(scaled, side, train, scale="max")
    assert again == pytest.approx(separation(matrix, side, train, scale="max"))
    assert roc_auc_score(side[200:] == 0, np.asarray(matrix[200:, :4].sum(1)).ravel()) > 0.8


def test_where_a_set_is_missing_there_is_no_score():
    matrix, side = planted(20, 0.5, np.random.default_rng(0))
    assert separation(matrix, side, np.ones(20, bool), scale="max") is None
    assert separation(matrix, np.zeros(20, np.int8), np.arange(20) < 10, scale="max") is None
    assert separation(matrix[:, :0], side, np.arange(20) < 10, scale="max") is None


def test_importing_is_light():
    program = (
        "import sys, saetext.plain; print([n for n in ('sklearn', 'torch', 'polars') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
