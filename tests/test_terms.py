"""Words and pairs of words of clusters' names, against counting by hand."""

from __future__ import annotations

import itertools
import re
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from saetext.text.terms import word_matrix


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


def test_texts_without_words_have_no_terms():
    assert word_matrix(["", " ", "..."], min_documents=1).names == ()
