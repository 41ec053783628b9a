"""The list of what goes together: planted pairs lead it, one thing is listed once, chance finds nothing."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import cache
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import optimize as scipy_optimize
from scipy import stats as scipy_stats

import saetext
from saetext.analysis.cooccurrence import CorrelateResult
from saetext.analysis.cooccurrence.descriptions.folding import Led
from saetext.analysis.cooccurrence.descriptions.listing import _named
from saetext.analysis.cooccurrence.descriptions.making import content
from saetext.analysis.cooccurrence.descriptions.passages import alike
from saetext.analysis.cooccurrence.descriptions.places import nearest
from saetext.analysis.cooccurrence.evidence import least_npmi, least_phi, least_rho
from saetext.features.known_labels import labels_for
from saetext.report.console.cooccurrence import render_correlate
from saetext.report.html.pair_gathering import pair_page
from saetext.report.html.pair_page import render_pair_page

WORDS = re.findall(
    r"\w+",
    "table river window garden paper bridge candle market winter summer lantern ladder basket copper silver "
    "marble timber meadow valley harbour island mirror carpet bottle needle hammer saddle velvet cotton",
)
N = 200


def _texts(seed: int, *, planted: bool) -> list[str]:
    """Texts of random words; 40 have "zebra ...", 40 "trumpet ...", 30 of them both where it is planted."""
    rng = Random(seed)
    texts = []
    for at in range(N):
        sentences = [
            " ".join(rng.choices(WORDS, k=6)).capitalize() + "."  # every word is in about half of the texts
            for _ in range(4)
        ]
        one = planted and at < 40
        other = planted and 10 <= at < 50
        if one:
            sentences.insert(rng.randrange(2), "A zebra slept outside.")
        if other:
            sentences.append("His trumpet was loud.")
        texts.append(" ".join(sentences))
    order = list(range(N))
    rng.shuffle(order)
    return [texts[at] for at in order]


@cache
def _result(seed: int, *, planted: bool) -> CorrelateResult:
    corpus = saetext.encode(_texts(seed, planted=planted))
    found = saetext.correlate(corpus, bootstrap=0, snippets=False)
    assert isinstance(found, CorrelateResult)
    return found


def test_two_words_planted_in_the_same_texts_lead_the_list() -> None:
    result = _result(1, planted=True)
    assert result.found is not None
    row = result.found.row(0, named=True)
    both = {row["name_a"], row["name_b"]}
    assert any("zebra" in name for name in both)
    assert any("trumpet" in name for name in both)
    assert (row["n_ab"], row["confirmed"]) == (30, True)
    # in documents of equal length, so not quite 40 * 40 / 200
    assert row["expected"] == pytest.approx(8, abs=3)
    assert row["npmi"] == pytest.approx(np.log(30 / row["expected"]) / -np.log(30 / N))
    assert "«" in row["snippet"]
    assert "‹" in row["snippet"]


def test_one_thing_is_listed_once_and_a_sentence_is_no_finding() -> None:
    result = _result(1, planted=True)
    assert result.found is not None
    names = [set(pair) for pair in result.found.select("name_a", "name_b").rows()]
    across = [pair for pair in names if "zebra" in str(pair) and "trumpet" in str(pair)]
    assert len(across) == 1
    # "zebra" with "slept", "trumpet" with "loud": words of one sentence
    of_one = [
        (a, b)
        for a, b in result.found.select("name_a", "name_b").rows()
        for sentence in ("zebra slept outside", "trumpet loud")
        if any(word in a for word in sentence.split()) and any(word in b for word in sentence.split())
    ]
    assert of_one == []
    assert sum(result.metrics["described_hidden"].values()) > 0


def test_a_word_that_has_the_mark_itself_is_no_finding_beside_the_mark() -> None:
    texts = _texts(4, planted=False)
    for at in range(N):
        if at % 5 == 0:
            texts[at] += " I don't know."  # a contraction each
        if at % 5 == 1:
            texts[at] += " That's a trumpet, not theirs."
        if at % 5 == 2 or at % 10 == 0:
            texts[at] += " A zebra slept (outside)."  # brackets go with the word, and are not in it
    result = saetext.correlate(saetext.encode(texts), bootstrap=0, snippets=False)
    assert result.found is not None
    names = [set(pair) for pair in result.found.select("name_a", "name_b").rows()]
    assert not [
        pair for pair in names if any("contraction" in name for name in pair) and "don't" in str(pair)
    ]
    assert result.metrics["described_hidden"]["one implies the other"] > 0


@pytest.mark.parametrize("seed", [2, 3])
def test_random_words_are_nothing_found(seed: int) -> None:
    result = _result(seed, planted=False)
    assert result.found is not None
    words = result.found.filter(result.found["kind"] == "word")
    assert not words["confirmed"].any()
    assert words.height <= 1


def test_the_list_comes_first_in_the_terminal_and_is_in_the_json() -> None:
    result = _result(1, planted=True)
    lines = render_correlate(result, 100).splitlines()
    first = next(at for at, line in enumerate(lines) if "zebra" in line and "trumpet" in line)
    assert first < next(at for at, line in enumerate(lines) if line == "Pairs of features")
    assert max(map(len, lines)) <= 100
    found = json.loads(result.to_json())["findings"]
    assert len(found) <= 12
    assert found[0]["n_ab"] == 30


def test_a_top_of_0_lists_all_in_the_terminal_the_json_and_the_page() -> None:
    corpus = saetext.encode(_texts(1, planted=True))
    result = saetext.correlate(corpus, bootstrap=0, top=0)
    assert result.found is not None and result.found.height
    assert len(json.loads(result.to_json())["findings"]) == result.found.height
    assert any("zebra" in line and "trumpet" in line for line in render_correlate(result, 100).splitlines())
    page = pair_page(result, (corpus,), labels_for(corpus))
    assert page.opened is None


def test_each_pair_of_the_list_has_a_card_with_lines_of_documents_that_have_both() -> None:
    corpus = saetext.encode(_texts(1, planted=True))
    result = saetext.correlate(corpus, bootstrap=0)
    assert result.found is not None and result.found.height
    texts = dict(corpus.documents.select("id", "text").collect().rows())
    page = pair_page(result, (corpus,), labels_for(corpus), findings=5)
    assert [bool(card.examples) for card in page.listed] == [at < 5 for at in range(result.found.height)]
    for at, card in enumerate(page.listed[:5]):
        assert card.row["name_a"] == result.found["name_a"][at]
        assert 1 <= len(card.examples) <= 3
        ids = [example.passages[0].document for example in card.examples]
        assert len(set(ids)) == len(ids), "each of another document"
        for example in card.examples:
            [passage] = example.passages
            for piece in passage.pieces:
                assert piece.text.strip(" …") in re.sub(r"\s+", " ", texts[passage.document])
    first = page.listed[0].examples
    assert len(first) == 3
    marks = [{(p.strength > 0, p.second > 0) for p in example.passages[0].pieces} for example in first]
    assert all((True, False) in one and (False, True) in one for one in marks)
    for example in first:
        text = texts[example.passages[0].document]
        assert "zebra" in text and "trumpet" in text


def test_the_page_has_all_pairs_of_the_list_and_says_which_of_features_it_has_not() -> None:
    corpus = saetext.encode(_texts(1, planted=True))
    result = saetext.correlate(corpus, bootstrap=0, top=2)
    assert result.found is not None
    result = dataclasses.replace(result, found=pl.concat([result.found.head(1)] * 5))
    page = pair_page(result, (corpus,), labels_for(corpus), findings=1, lines=3)
    assert [one.brief for one in page.listed] == [False, True, True]
    left_out = result.metrics["pairs"] - result.table.height
    assert page.opened == 2 and left_out > 0
    assert page.total == 5 + len(result.grouped()) + left_out
    html = render_pair_page(page)
    left = page.total - len(page.listed) - len(page.findings)
    assert f"{left:,} of the {page.total:,} pairs are not on this page" in html
    apart = [one.row["npmi"] < 0 for one in page.findings]
    assert apart == sorted(apart)


def test_a_question_about_one_feature_has_no_list() -> None:
    corpus = saetext.encode(_texts(1, planted=True))
    feature = int(_result(1, planted=True).table["feature_a"].drop_nulls()[0])
    assert saetext.correlate(corpus, to=feature, bootstrap=0, snippets=False).found is None


def test_the_bound_of_less_than_chance_is_that_of_a_poisson_count() -> None:
    for both, expected in ((0, 12.0), (1, 12.0), (40, 90.0)):
        bound = float(least_npmi(np.array([both]), np.array([expected]), 400)[0])
        high = scipy_optimize.brentq(lambda x, o=both: (x - o) / np.sqrt(x) - 2.5758293, both + 1e-6, 400)
        assert bound == pytest.approx(np.log(high / expected) / -np.log(high / 400), rel=1e-3)
        assert bound < 0
    # from what chance alone would have, nothing is left: the sign turns
    assert float(least_npmi(np.array([9]), np.array([10.0]), 400)[0]) > 0


def test_the_bound_of_a_rank_correlation_covers() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], (600, 80))
    rho = np.array([scipy_stats.spearmanr(x[:, 0], x[:, 1])[0] for x in drawn])
    true = 6 / np.pi * np.arcsin(0.25)  # of a normal pair with correlation .5
    assert 0.985 <= (least_rho(rho, 80) <= true).mean() <= 1.0
    np.testing.assert_allclose(least_rho(-rho, 80), -least_rho(rho, 80))


@pytest.mark.parametrize(("both", "expected"), [(5, 0.5), (30, 9.0), (120, 90.0)])
def test_the_bound_of_npmi_is_that_of_a_poisson_count(both: int, expected: float) -> None:
    bound = float(least_npmi(np.array([both]), np.array([expected]), 400)[0])
    low = expected * np.exp(-bound * np.log(both / 400))  # the count that would have this NPMI
    # from the definition: the mean from which the count lies 2.576 standard deviations
    assert (both - low) / np.sqrt(low) == pytest.approx(scipy_stats.norm.ppf(0.995), rel=1e-3)


@pytest.mark.parametrize(("both", "n_a", "n_b"), [(5, 9, 14), (30, 60, 75), (3, 100, 120)])
def test_the_bound_of_phi_is_that_of_a_poisson_count(both: int, n_a: int, n_b: int) -> None:
    n, expected = 400, n_a * n_b / 400
    observed, chance, one, other = np.array([both]), np.array([expected]), np.array([n_a]), np.array([n_b])
    bound = float(least_phi(observed, chance, one, other, n)[0])
    # the count whose 2x2 table has this correlation, by numpy
    low = scipy_optimize.brentq(lambda x: (both - x) / np.sqrt(x) - scipy_stats.norm.ppf(0.995), 1e-6, both)
    cells = np.array([low, n_a - low, n_b - low, n - n_a - n_b + low])
    a, b = np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])
    covariance = np.cov(a, b, aweights=np.maximum(cells, 0), bias=True)
    assert bound == pytest.approx(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]), rel=1e-3)


def _neighbours(*, always: bool) -> list[str]:
    """Texts that may end in two sentences: 30 have both, 20 more each alone, or 3 more where it is always."""
    rng = Random(9)
    alone = 3 if always else 20
    texts = []
    for at in range(N):
        sentences = [" ".join(rng.choices(WORDS, k=6)).capitalize() + "." for _ in range(4)]
        if at < 30 + alone:
            sentences.append("Zebras hope this helped.")
        if at < 30 or 30 + alone <= at < 30 + 2 * alone:
            sentences.append("Trumpets feel free.")
        texts.append(" ".join(sentences))
    rng.shuffle(texts)
    return texts


@pytest.mark.parametrize("always", [False, True])
def test_two_sentences_that_are_often_apart_are_two_things(always: bool) -> None:
    result = saetext.correlate(saetext.encode(_neighbours(always=always)), bootstrap=0, snippets=False)
    assert isinstance(result, CorrelateResult) and result.found is not None
    names = [{a, b} for a, b in result.found.select("name_a", "name_b").rows()]
    # each is called by all of its words
    both = {"“Zebras hope this helped”", "“Trumpets feel free”"}
    assert (both in names) is not always
    if not always:
        assert names[0] == both


def test_pairs_that_read_alike_are_one_row() -> None:
    """Two words of one phrase are called by all of it: "&lt;url&gt;" was listed for "lt" and for "gt"."""
    called = {0: "“lt;url&gt”", 1: "“lt;url&gt”", 2: "no capital letter", 3: "“river”"}
    names: Any = SimpleNamespace(called=called.__getitem__)
    found: Any = SimpleNamespace(at_a=[0, 2, 3], at_b=[2, 1, 0])
    made: Any = SimpleNamespace(items=SimpleNamespace(name=[0, 1, 2, 3]))
    led = [Led(0, None, [7]), Led(1, None, [8]), Led(2, None)]
    named = _named(found, made, names, led)
    assert list(named) == [("“lt;url&gt”", "no capital letter"), ("“river”", "“lt;url&gt”")]
    assert [(one.at, one.members) for one in named.values()] == [(0, [7, 1, 8]), (2, [])]


def test_words_alike_and_distances_have_known_values() -> None:
    assert [alike(*pair.split()) for pair in ("mile miles", "cook cooking", "iraq iraqi", "cat dog")] == [
        True, True, True, False,
    ]  # fmt: skip
    assert nearest([(5, 6)], [(1, 2), (9, 10)]) == (3, [[(5, 6)], [(1, 2)]])
    assert content("a lot of the time") == ["lot", "time"]


def test_two_spellings_of_an_apostrophe_are_one_word() -> None:
    rng = Random(5)
    texts = []
    for at in range(240):
        said = ("I can’t believe it.", "I can't believe it.", "They can't.", "It is so.")[min(at // 12, 3)]
        texts.append(f"{' '.join(rng.choices(WORDS, k=14))}. {said}")
    result = saetext.correlate(saetext.encode(texts), bootstrap=0, snippets=False)
    assert isinstance(result, CorrelateResult) and result.found is not None
    both = result.found.select("name_a", "name_b").rows()
    assert not [pair for pair in both if all(re.search("can.t|believe|contraction", name) for name in pair)]
    assert content("Can’t believe") == ["can't", "believe"]


def test_a_list_of_a_sample_says_so_first(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = " ".join(render_correlate(_result(1, planted=True)).split())  # before: it may be kept from now on
    monkeypatch.setattr("saetext.analysis.cooccurrence.descriptions.listing.ROWS", 150)
    result = saetext.correlate(saetext.encode(_texts(1, planted=True)), bootstrap=0, snippets=False)
    text = " ".join(render_correlate(result).split())
    assert f"{N} documents, of which 150 are looked at for this list. " in text
    assert "looked at for this list" not in whole
