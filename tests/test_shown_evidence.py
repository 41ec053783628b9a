"""One example a side for each row of a diff, compared with a slow choice written anew."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_corpus import DenseCorpus

from saetext import diff
from saetext.analysis.differences.shown import same_words
from saetext.text.passages import Snippet


class Texts(DenseCorpus):
    """A dense corpus with texts of one's own; tokens are their words."""

    def __init__(self, value, texts, **more) -> None:
        super().__init__(value, **more)
        self.texts = list(texts)
        self.frame = self.frame.with_columns(text=pl.Series(self.texts, dtype=pl.String))

    def document(self, row):
        text = self.texts[row]
        found = super().document(row)
        if text is None:
            return found
        ends, at = [], 0
        for word in text.split(" "):
            at += len(word) + 1
            ends.append(at - 1)
        starts = [0, *(end + 1 for end in ends[:-1])]
        return {**found, "text": text, "token_start": starts, "token_end": ends}


def sets(value_a, value_b, texts_a, texts_b, peak_a=None, peak_b=None, key=True):
    def corpus(value, texts, peak):
        meta = {"prompt_id": list(range(len(value)))} if key else {}
        return Texts(value, texts, peak=peak, meta=meta, block=2)

    return corpus(value_a, texts_a, peak_a), corpus(value_b, texts_b, peak_b)


def test_pairs_in_which_only_the_leading_side_has_it_come_first() -> None:
    texts_a = [f"answer number {i} says hello there" for i in range(6)]
    texts_b = [f"reply number {i} says nothing much" for i in range(6)]
    # the strongest document of A has a partner that has it too; B's strongest is elsewhere
    value_a = [[9.0], [3.0], [4.0], [1.0], [1.0], [0.0]]
    value_b = [[8.0], [0.0], [0.0], [0.0], [9.0], [0.0]]
    result = diff(*sets(value_a, value_b, texts_a, texts_b), min_support=1)
    a, b = result.evidence[0]
    assert result.paired and (a.row, a.value) == (2, 4.0) and b is None
    assert result.table["snippet_a"][0] == "«answer» number 2 says hello there"
    assert result.table["snippet_b"][0] is None


def test_b_leads() -> None:
    texts = [f"text {i}" for i in range(4)]
    result = diff(*sets([[1.0], [0], [0], [0]], [[5.0], [2.0], [3.0], [0]], texts, texts), min_support=1)
    a, b = result.evidence[0]
    assert a is None and (b.row, b.value) == (2, 3.0)


def test_a_partner_that_has_it_is_shown_beside_it_where_all_have_it() -> None:
    texts_a = ["the first answer", "the second answer"]
    texts_b = ["a first reply", "a second reply"]
    result = diff(*sets([[1.0], [2.0]], [[5.0], [3.0]], texts_a, texts_b), min_support=1)
    a, b = result.evidence[0]
    assert (a.row, b.row) == (1, 1)  # of one prompt, though B is stronger elsewhere


def test_a_prompt_that_both_answers_quote_is_not_shown_twice() -> None:
    quoted = "as you say the rain stays mainly here"
    texts_a = [f"{quoted} and more", f"Well {quoted}", "my own words are these"]
    texts_b = [f"Indeed {quoted}", f"{quoted} it does", "other words than those"]
    peak_a, peak_b = [[4], [5], [2]], [[5], [4], [1]]
    value_a, value_b = [[9.0], [8.0], [1.0]], [[9.0], [8.0], [1.0]]
    a, b = diff(*sets(value_a, value_b, texts_a, texts_b, peak_a, peak_b), min_support=1).evidence[0]
    assert (a.row, b.row) == (2, 2)
    fewer = [part[:2] for part in (value_a, value_b, texts_a, texts_b, peak_a, peak_b)]
    a, b = diff(*sets(*fewer), min_support=1).evidence[0]
    assert a.row == 0 and b is None  # there is nothing else


def test_without_pairs_the_other_side_is_the_strongest_with_other_words() -> None:
    texts_a = ["one two three four five", "six", "seven", "eight", "nine"]
    texts_b = ["uno", "one two three four five", "dos", "tres", "cuatro"]
    value_a = [[9.0], [5.0], [0.0], [0.0], [0.0]]
    value_b = [[2.0], [8.0], [0.0], [0.0], [0.0]]
    peak = [[2], [0], [0], [0], [0]]
    peak_b = [[0], [2], [0], [0], [0]]
    a, b = diff(*sets(value_a, value_b, texts_a, texts_b, peak, peak_b, key=False), min_support=1).evidence[0]
    assert (a.row, b.row, b.snippet.match) == (0, 0, "uno")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (Snippet("so I ", "say", " what you say"), Snippet("…So, I ", "Say", " what “you say” now"), True),
        (Snippet("x so I ", "say", " what you say"), Snippet("y so I ", "say", " what you say"), False),
        (Snippet("", "say", ""), Snippet("", "tell", ""), False),
        (Snippet("", "say", " a"), Snippet("a ", "say", ""), False),
    ],
)
def test_same_words(a: Snippet, b: Snippet, same: bool) -> None:
    assert same_words(a, b) is same and same_words(b, a) is same


def drawn_sets(n):
    values = st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.0]), min_size=2, max_size=2)
    value = st.lists(values, min_size=n, max_size=n)
    texts = st.lists(st.sampled_from(["red", "green", "blue"]), min_size=n, max_size=n)
    return st.tuples(value, value, texts, texts)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6).flatmap(drawn_sets))
def test_equals_a_slow_choice(drawn) -> None:
    value_a, value_b, texts_a, texts_b = drawn
    result = diff(*sets(value_a, value_b, texts_a, texts_b), min_support=1)
    n = len(value_a)
    sides = ((value_a, texts_a), (value_b, texts_b))
    for f in result.table["feature"].to_list():
        counts = [sum(v[i][f] > 0 for i in range(n)) for v, _ in sides]
        lead = 0 if counts[0] >= counts[1] else 1
        (mine, my_texts), (other, other_texts) = sides[lead], sides[1 - lead]
        having = [i for i in range(n) if mine[i][f] > 0]
        having.sort(key=lambda i: (other[i][f] > 0, -mine[i][f], i))
        expected = (having[0], None)
        for i in having:
            if other[i][f] == 0:
                expected = (i, None)
                break
            if my_texts[i] != other_texts[i]:
                expected = (i, i)
                break
        shown = [e and e.row for e in result.evidence[f]]
        assert (shown[lead], shown[1 - lead]) == expected


def test_sets_without_texts_are_told_and_the_other_is_shown() -> None:
    texts = [f"text {i}" for i in range(4)]
    a, b = sets([[1.0]] * 4, [[1.0]] * 4, [None] * 4, texts)
    result = diff(a, b, names=("bare", "full"))
    assert result.evidence[0][0] is None and result.evidence[0][1] is not None
    assert any("texts of bare" in note for note in result.notes)
