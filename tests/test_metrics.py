"""Metrics of what a model says next, and the places at which they are taken."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import make_tokenizer

from saetext.errors import InputError
from saetext.intervene.metrics import Metric, Term, parse_metric
from saetext.intervene.places import parse_at


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer("gpt2")


def refusal(source: str, tokenizer: Any = None) -> str:
    with pytest.raises(InputError) as caught:
        metric = parse_metric(source)
        if tokenizer is not None:
            metric.bound(tokenizer)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return message


# ---- reading -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "terms"),
    [
        (r'logit(" ") - logit("\n")', ((1, "logit", (" ",)), (-1, "logit", ("\n",)))),
        ("logprob('a b')", ((1, "logprob", ("a b",)),)),
        ("- .5*logprob(\"it's\")+2 * logit('\\u00e9')", ((-0.5, "logprob", ("it's",)), (2, "logit", ("é",)))),
        ('prob("A", "B" ,"C")', ((1, "prob", ("A", "B", "C")),)),
        (r'logit("\ud83d\ude00")', ((1, "logit", ("😀",)),)),
        (r'logit("a\"b\\")', ((1, "logit", ('a"b\\',)),)),
        ('logprob(") - logit(")', ((1, "logprob", (") - logit(",)),)),
    ],
)
def test_what_is_written_is_what_is_meant(source: str, terms: Any) -> None:
    assert parse_metric(source).terms == tuple(Term(*term) for term in terms)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("logit(a)", "expected a text in quotation marks, found 'a'"),
        ('logit("a"', "expected ), found its end"),
        ('logit("a") logit("b")', "expected + or -, found 'logit'"),
        ('logits("a")', "found 'logits'"),
        ('2 logit("a")', "expected *"),
        ('logit("a") -', "found its end"),
        ('logit("a", "b")', "of one text"),
        ('prob("a", "a")', "same text twice"),
        ('logit("")', "is empty"),
        (r'logit("\x41")', "escape"),
        (r'logit("\ud800")', "half of a character"),
        ('logit("a") @ 2', "'@ 2'"),
        ("+".join(['logit("a")'] * 33), "more than 32 terms"),
        ("x" * 5000, "5,000 characters"),
    ],
)
def test_what_cannot_be_read_is_one_line(source: str, said: str) -> None:
    assert said in refusal(source)


@given(st.text(max_size=60))
def test_nothing_breaks_the_parser(source: str) -> None:
    try:
        assert isinstance(parse_metric(source), Metric)
    except InputError as error:
        assert "\n" not in str(error)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), st.sampled_from("+-"))
def test_any_text_can_be_written(text: str, sign: str) -> None:
    [term] = parse_metric(f"{sign}logprob({json.dumps(text)})").terms
    assert term.texts == (text,) and term.coefficient == float(f"{sign}1")
    assert parse_metric(str(Term(1, "logprob", (text,)))).terms[0].texts == (text,) or "\\" in json.dumps(
        text
    )


# ---- in tokens -----------------------------------------------------------------------------------------


def test_a_logit_is_of_one_token(tokenizer: Any) -> None:
    said = refusal('logit("fox jumps")', tokenizer)
    assert 'logit("fox jumps") is' in said and "tokens" in said and 'logprob("fox jumps")' in said
    assert "has no tokens" not in said
    assert parse_metric(r'logit("\n")').bound(tokenizer).tokens == ((tuple(tokenizer.encode("\n")),),)
    assert "has 300 tokens" in refusal(f'logprob("{"~" * 300}")', tokenizer)


def test_values_are_those_of_the_formulas(tokenizer: Any) -> None:
    """One branch a text of several tokens; all else comes from the logits at the position."""
    bound = parse_metric('3*logit("a") - logprob("the") + prob("one", "b")').bound(tokenizer)
    branches = bound.branches
    fed = {text: tokenizer.encode(text) for text in ("a", "the", "one", "b")}
    assert {tuple(ids[:-1]) for ids in fed.values()} - {()} == set(branches) and len(branches) == 2
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(len(tokenizer), generator=generator, dtype=torch.float64)
    logits = [
        torch.cat(
            [first[None], torch.randn(len(b), len(tokenizer), generator=generator, dtype=torch.float64)]
        )
        for b in branches
    ]

    def logprob(text: str) -> float:
        ids = fed[text]
        own = logits[branches.index(tuple(ids[:-1]))] if len(ids) > 1 else logits[0]
        return sum(math.log(float(own[i].exp()[t] / own[i].exp().sum())) for i, t in enumerate(ids))

    one, b = math.exp(logprob("one")), math.exp(logprob("b"))
    expected = 3 * float(first[fed["a"][0]]) - logprob("the") + one / (one + b)
    assert float(bound.value(logits)) == pytest.approx(expected, rel=1e-12)
    alone = parse_metric('prob("the")').bound(tokenizer)
    assert alone.branches == (tuple(fed["the"][:-1]),)
    own = [logits[branches.index(alone.branches[0])]]
    assert float(alone.value(own)) == pytest.approx(math.exp(logprob("the")))


def test_one_token_needs_nothing_fed(tokenizer: Any) -> None:
    assert parse_metric('logit("a") - prob("b", "c")').bound(tokenizer).branches == ((),)


# ---- places --------------------------------------------------------------------------------------------


def characters(text: str) -> Any:
    return np.array([(i, i + 1) for i in range(len(text))], np.int64).reshape(-1, 2)


@pytest.mark.parametrize(
    ("at", "text", "before"),
    [
        ("last", "ab\n", "ab\n"),
        ("last-item", "Sure:\n- milk\n- eggs \nThat is all.", "Sure:\n- milk\n- eggs"),
        ("last-item", "1. milk\n2. eggs\n", "1. milk\n2. eggs"),
        ("last-item", "a) one\n  (b) two words", "a) one\n  (b) two words"),
        ("last-item", "no list - here", None),
        ("before eggs", "eggs, milk, eggs.", "eggs, milk, "),
        (r"before \n+$", "a\n\nb\n\n", "a\n\nb"),
        ("before nothing", "a", None),
        ("before ^a", "a", ""),
    ],
)
def test_places(at: str, text: str, before: str | None) -> None:
    found = parse_at(at).find(text, characters(text))
    assert (None if found is None else text[:found]) == before


def test_a_token_that_reaches_over_a_place() -> None:
    offsets = np.array([(0, 2), (2, 7), (7, 9)])  # "- ", "eggs\n", "ok"
    assert parse_at("last-item").find("- eggs\nok", offsets) == 2  # the token holds the item's end
    assert parse_at("before gs").find("- eggs\nok", offsets) == 1  # ... and what was looked for


@pytest.mark.parametrize("at", ["", "first", "before", "last-item 2", "before (", "before a{99999999999}"])
def test_no_place_is_one_line(at: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_at(at)
    assert "--at" in str(caught.value) and "\n" not in str(caught.value)
