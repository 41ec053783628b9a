"""Phrases of one to four words, against counting and folding by hand."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saetext.text.function_words import only_function_words
from saetext.text.openings import openings
from saetext.text.phrases import containing, covers, phrase_matrix


def by_hand(text: str) -> Counter[tuple[str, ...]]:
    """Count phrases of words of a to c, "the" and "of", parted by anything but one blank, comma or hyphen."""
    found: Counter[tuple[str, ...]] = Counter()
    for run in re.split(r"[.\n:1]|(?<= )-|-(?= )|,[ ]*,", text):
        runs, current, at = [], [], 0
        for match in re.finditer(r"[a-z']*[a-z]", run.lower()):
            if current and run[at : match.start()].count("-") > 1:
                runs, current = [*runs, current], []
            current, at = [*current, match.group().strip("'")], match.end()
        for words in [*runs, current]:
            for n in range(1, 5):
                found.update(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    return found


def fold_by_hand(counts: list[Counter[tuple[str, ...]]], least: int) -> set[tuple[str, ...]]:
    documents = Counter(key for c in counts for key in c)
    frequent = {key: n for key, n in documents.items() if n >= least}
    kept: set[tuple[str, ...]] = set()
    for n in (4, 3, 2, 1):
        for key in (k for k in frequent if len(k) == n):
            longer = [
                k for k in kept if len(k) > n and any(k[i : i + n] == key for i in range(len(k) - n + 1))
            ]
            near = any(
                frequent[key] - frequent[k] < 3 or frequent[key] - frequent[k] <= 0.05 * frequent[key]
                for k in longer
            )
            if not near and not (n > 1 and only_function_words(list(key))):
                kept.add(key)
    return kept


words = st.sampled_from(["a", "bb", "CC", "cc", "the", "of", "d", "bb d cc the bb"])
gaps = st.sampled_from([" ", " ", " ", ", ", "-", ". ", "\n", ": ", " 1 "])
text = st.lists(st.tuples(words, gaps), max_size=14).map(lambda pairs: "".join(w + g for w, g in pairs))


@settings(max_examples=150, deadline=None)
@given(st.lists(text, max_size=12), st.integers(1, 4))
@example(["x y z. " * 3] * 40 + ["x y."] * 2 + ["x."] * 3, 2)
@example(["the cat of"] * 5 + ["of the"] * 9, 1)
def test_phrases_equal_counting_by_hand(texts, least):
    counts = [by_hand(t) for t in texts]
    expected = fold_by_hand(counts, least)
    got = phrase_matrix(texts, min_documents=least)
    keys = [tuple(re.findall(r"[a-z]+", name.lower())) for name in got.names]
    assert set(keys) == expected and len(set(got.names)) == len(keys)
    table = got.matrix.toarray()
    assert got.matrix.dtype == np.float32 and table.shape == (len(texts), len(keys))
    assert all(table[i, j] == c[key] for i, c in enumerate(counts) for j, key in enumerate(keys))


def test_names_are_the_most_frequent_spelling():
    texts = (
        ["Unfortunately, I’m sorry. nasa"] * 3
        + ["unfortunately, I'm sorry. NASA"] * 4
        + ["UNFORTUNATELY x. NASA"] * 4
    )
    names = phrase_matrix(texts, min_documents=3).names
    assert "unfortunately, I'm sorry" in names and "NASA" in names and not any("’" in n for n in names)
    assert phrase_matrix(["**Well-known** “fact”"] * 3, min_documents=3).names == ("Well-known fact",)
    assert phrase_matrix(["今天 天气"] * 3, min_documents=3).names == ("今天 天气",)


def test_phrases_end_with_sentences_lines_and_numbers():
    for gap in (
        ". ",
        "! ",
        "? ",
        "\n",
        "\r\n",
        "\u2028",
        ": ",
        "; ",
        " (",
        " – ",
        " - ",
        "。",
        "،",
        " 1 ",
        "/",
        "  \n ",
    ):
        assert phrase_matrix([f"red{gap}blue"] * 3, min_documents=3).names == ("blue", "red"), repr(gap)
    for gap in (" ", "  ", ", ", "\u00a0", " “", "* "):
        assert len(phrase_matrix([f"red{gap}blue"] * 3, min_documents=3).names) == 1, repr(gap)


def test_a_phrase_does_not_run_from_one_document_into_the_next():
    assert phrase_matrix(["red", "blue"] * 9, min_documents=3).names == ("blue", "red")


def test_a_word_in_more_documents_than_its_phrase_stays():
    texts = ["let me know"] * 90 + ["know"] * 4
    assert phrase_matrix(texts, min_documents=3).names == ("let me know",)
    assert phrase_matrix([*texts, "know"], min_documents=3).names == (
        "know",
        "let me know",
    )  # 5 of 95: over 5 %


def test_the_phrases_of_most_documents_are_kept():
    got = phrase_matrix(["red. blue"] * 5 + ["blue. green"] * 6, min_documents=1, most=2)
    assert got.names == ("blue", "green")


@pytest.mark.parametrize("texts", [[], [""], ["...", "12 3", "😀"], ["a" * 1_000_000], ["\ud800\x00"]])
def test_texts_without_words_have_no_phrases(texts):
    got = phrase_matrix(texts, min_documents=1)
    assert got.names == () and got.matrix.shape == (len(texts), 0)


def test_hostile_names_are_printable():
    got = phrase_matrix(["\x1b[31mred\u202e blue"] * 3, min_documents=3)
    assert all(name.isprintable() for name in got.names)


@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(" ".join), unique=True, max_size=9)
)
def test_what_contains_a_phrase(names):
    expected = [[j for j, longer in enumerate(names) if len(longer) > len(n) and n in longer] for n in names]
    assert [places.tolist() for places in containing(names)] == expected
    assert [[j for j, m in enumerate(names) if covers(m, n)] for n in names] == expected


def test_openings_by_hand():
    texts = (
        ["Sure, I can"] * 6
        + ["sure. No"] * 5
        + ["Here is one"] * 8
        + ["Here"]
        + ["1. one"] * 9
        + ["**Note** that"] * 5
    )
    got = openings(texts)
    assert got.names == ("Sure", "Here is one", "Sure, I can", "Note that")
    assert got.matrix.toarray().sum(0).tolist() == [11, 8, 6, 5]
    split = ["To be honest, no"] * 6 + ["To be honest, yes"] * 7 + ["To be fair"] * 2
    assert openings(split).names == ("To be honest", "To be honest, yes", "To be honest, no")
    assert openings(texts, most=1).names == ("Sure",) and openings([]).matrix.shape == (0, 0)
