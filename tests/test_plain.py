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

from saetext.text.plain import FORMATS, format_matrix, separation, word_matrix

PLAIN = "Only words and a full stop here."


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.sampled_from("ab c'’\n1.,é汉"), max_size=40), max_size=6), st.integers(1, 3))
def test_words_equal_a_counter(texts, least):
    counts = []
    for text in texts:
        tokens = re.findall(r"汉|[abcé1]+(?:['’][abcé1]+)*", text.lower())
        counts.append(Counter(tokens) + Counter(" ".join(pair) for pair in itertools.pairwise(tokens)))
    documents = Counter(term for c in counts for term in c)
    kept = sorted(term for term, n in documents.items() if n >= least)
    got = word_matrix(texts, min_documents=least)
    assert list(got.names) == kept and got.matrix.shape == (len(texts), len(kept))
    table = got.matrix.toarray()
    assert all(table[i, j] == c[term] for i, c in enumerate(counts) for j, term in enumerate(kept))


def test_words_keep_their_marks_and_lose_quotation_marks():
    assert word_matrix(["हिन्दी में"], min_documents=1).names == ("में", "हिन्दी", "हिन्दी में")
    assert word_matrix(["’Don't’ Dogs’"], min_documents=1).names == ("dogs", "don't", "don't dogs")
    assert "今 天" in word_matrix(["今天"], min_documents=1).names


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
        ("heading", "```\n# comment\n```\n---\n- item\n---\n| a |\n---", 0),
        ("list item", "```\n- a\n```\n* * *\n`- b`", 0),
        ("code", "~~~\nx\n~~~\n``a`b`` and\n`c\nd`", 3),
        ("code", "`a\n\nb and ``c`", 0),
        ("code", "use `x` and `y`\n```py\n`z`\n```\n", 3),
        ("code", "a ` alone", 0),
        ("bold", "**a** and __b__, **c d**", 3),
        ("bold", "** a ** or 2**3 or __ or a__b__c", 0),
        ("question mark", "What? Really??", 3),
        ("question mark", "http://x.y/?a=1 and `a ? b : c`", 0),
        ("exclamation mark", "No! ¡Sí!", 2),
        ("exclamation mark", "a != b, ![x](y)", 0),
        ("emoji", "😀 👩‍🔬 👍🏽 ❤️ 🙂🙂 🇩🇪 1️⃣ ⏰⌚ 👩‍❤️‍👩", 11),
        ("emoji", "→ ✓? 汉字 © 1️ ★ ☐ ♥", 0),
        ("table row", "| a | b |\n|---|---|\n| c | d |", 2),
        ("table row", "a | b\n| a\n||||", 0),
        ("link", "https://x.y and [a](b.html) and [c](http://d)", 3),
        ("link", '<http://a.b> [http://c](http://c) [d](e "f") [g](h_(i))', 4),
        ("link", "[a] (b) f](x y) http://", 0),
        ("quotation", 'she said "yes" and “no”', 2),
        ("quotation", 'a 5" pipe and a 6" pipe, ”no“', 0),
        ("word in capitals", "NASA and the USA, OK, IDs", 2),
        ("word in capitals", "ПРИВЕТ ÄÖÜ", 2),
        ("word in capitals", "A_BCD GPT4 汉字汉 abC", 0),
        ("number", "3 of 12, 4.5", 4),
        ("parenthesis", "(a) b)", 1),
        ("parenthesis", ":( and a) b", 1),
        ("parenthesis", ":( and\n\na) b", 0),
        ("semicolon or dash", "a; b – c — d - e", 3),
        ("semicolon or dash", "a - b-c, d: e", 0),
        ("number", "one", 0),
        ("paragraph break", "a\n\nb\n \nc\nd", 2),
        ("paragraph break", "\n\na\r\n\r\n\r\nb\n\n", 1),
    ],
)
def test_formats(name, text, expected):
    got = format_matrix([text, PLAIN])
    column = got.matrix.toarray()[:, got.names.index(name)]
    assert column.tolist() == [expected, 0]


def test_longer_than_the_median():
    got = format_matrix(["a", "a b", "a b c", "a b c d e"])
    assert got.matrix.toarray()[:, 0].tolist() == [0, 0, 3, 5]
    assert format_matrix([]).matrix.shape == (0, 1 + len(FORMATS))


@pytest.mark.parametrize(
    "unit",
    [
        "](",
        "[a](",
        "` `` ",
        "a\n=",
        "http://",
        "(",
        "__a",
        "\r",
        "*",
        "`",
        "[",
        "(",
        "](",
        "#",
        "_",
        "\n",
        " \n",
        "|",
        '"',
        "- ",
        "**a",
        "A",
        "1",
        "\u200d",
        "😀",
    ],
)
def test_hostile_texts_take_linear_time(unit):
    took = []
    for _ in range(3):
        start = time.perf_counter()
        format_matrix([unit * (1_000_000 // len(unit))])
        took.append(time.perf_counter() - start)
        if took[-1] < 2:
            break
    assert min(took) < 2  # a quadratic count of any would take minutes


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


@pytest.mark.parametrize("scale", ["max", "log", "tfidf", "standard"])
def test_nothing_is_learned_from_the_rows_that_are_held_out(scale):
    """Rows added to those held out, and their sets, change no other row's score.

    The score of a row is not to be seen, but the AUC is: of the same row in A and in B, far above all others,
    the one in A wins its pairs, the one in B loses its own, and they tie.
    """
    rng = np.random.default_rng(5)
    matrix, side = planted(400, 0.25, rng)
    train = np.arange(400) < 200
    before = separation(matrix, side, train, scale=scale)
    assert 0.6 < before < 0.97
    wrong = np.where(train, side, 1 - side).astype(np.int8)
    assert separation(matrix, wrong, train, scale=scale) == pytest.approx(1 - before)
    extreme = np.zeros((1, 40))
    extreme[:, :4] = [1, 30, 900, 20_000]  # what tells A; a leak would shrink these columns, each otherwise
    more = sparse.vstack(
        [matrix, sparse.csr_matrix(np.repeat(extreme, 60, axis=0), dtype=np.float32)]
    ).tocsr()
    after = separation(
        more, np.r_[side, np.arange(60) % 2].astype(np.int8), np.r_[train, np.zeros(60, bool)], scale=scale
    )
    a, b = int((side[200:] == 0).sum()), int((side[200:] == 1).sum())
    expected = (before * a * b + 30 * 30 / 2 + 30 * b) / ((a + 30) * (b + 30))
    assert after == pytest.approx(expected, abs=1e-9)


def test_the_score_is_the_auc_of_a_model_fitted_by_hand():
    rng = np.random.default_rng(6)
    matrix, side = planted(300, 0.3, rng)
    matrix, train = matrix[:, :1], rng.random(300) < 0.5  # one column: every strength gives the same order
    value = matrix.toarray()[~train, 0]
    expected = roc_auc_score(side[~train] == 0, value)
    assert separation(matrix, side, train, scale="max") == pytest.approx(expected)


def test_zeros_that_are_stored_are_absent_terms():
    matrix, side = planted(100, 0.5, np.random.default_rng(1))
    stored = matrix.copy()
    stored.data[::7] = 0
    clean = stored.copy()
    clean.eliminate_zeros()
    train = np.arange(100) < 50
    assert separation(stored, side, train, scale="tfidf") == separation(clean, side, train, scale="tfidf")
    assert stored.nnz == matrix.nnz  # the caller's matrix is left alone


def test_where_a_set_is_missing_there_is_no_score():
    matrix, side = planted(20, 0.5, np.random.default_rng(0))
    assert separation(matrix, side, np.ones(20, bool), scale="max") is None
    assert separation(matrix, np.zeros(20, np.int8), np.arange(20) < 10, scale="max") is None
    assert separation(matrix[:, :0], side, np.arange(20) < 10, scale="max") is None


def test_importing_is_light():
    program = (
        "import sys, saetext.text.plain\n"
        "print([n for n in ('sklearn', 'torch', 'polars') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
