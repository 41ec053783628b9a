"""Hybrid searches, the default with detectors, and refits: every score against slow, plain code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from corpus_factory import Truth, make_corpus
from search_oracle import Part, Slow, WordVectors

from saetext.analysis.search import Searcher, SearchResult, build_index, by_detector, resources
from saetext.analysis.search.asking import NoFeatureError, Settings
from saetext.analysis.search.in_words import search_in_words
from saetext.analysis.search.request import SearchRequest
from saetext.corpus import Corpus
from saetext.features.detectors import Detector
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.reader import sentences as embed

NAMES = (
    "river", "café", "answer", "plain", "quite", "perhaps", "naïve", "sea", "hill", "town", "road", "sky",
)  # fmt: skip
N = 70
EXACT = 2e-5  # cosines are computed in single precision
Given = Mapping[int, Mapping[str, float]]


@pytest.fixture(scope="module", autouse=True)
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "Embedder", WordVectors)
        patch.setattr(embed, "available", lambda: True)
        patch.setenv("SAETEXT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, stand_in: None) -> tuple[Corpus, Truth]:
    corpus, truth = make_corpus(tmp_path_factory.mktemp("oracle") / "a.corpus", 5, (40, 30), density=0.4)
    build_index(corpus)
    return corpus, truth


@pytest.fixture(scope="module")
def detectors(made: tuple[Corpus, Truth]) -> tuple[Detector, ...]:
    sae = made[0].spec.sae()
    common = (sae.origin, sae.weights_sha256, sae.d_sae)
    return (
        Detector(
            "wet", "river answer", "It rains hard", *common, np.array([1, 4, 9], np.int32),
            np.array([2.0, 1.5, -1.0]), np.array([2.0, 3.0, 2.5]), 0.1, -0.6, 1.5, -0.2, 0.5, {}, {},
        ),
        Detector(
            "doubt", "perhaps naïve", "In doubt", *common, np.array([2, 6], np.int32),
            np.array([1.8, 2.2]), np.array([2.5, 2.0]), 0.0, -0.5, 1.2, 0.1, 0.5, {}, {},
        ),
    )  # fmt: skip


def labels() -> FeatureLabels:
    return FeatureLabels.from_rows([FeatureLabel(f, name) for f, name in enumerate(NAMES)])


@pytest.fixture(scope="module")
def by_words(made: tuple[Corpus, Truth]) -> tuple[Searcher, Slow]:
    """Labels are compared by their words: nothing is known of how well one fits."""
    return Searcher(made[0], labels=labels(), lexical=True), Slow(made[1], NAMES)


@pytest.fixture
def by_meaning(
    made: tuple[Corpus, Truth], detectors: tuple[Detector, ...], monkeypatch: pytest.MonkeyPatch
) -> tuple[Searcher, Slow]:
    """Labels and detectors are compared by meaning."""
    for module in (by_detector, resources):
        monkeypatch.setattr(module, "shipped", lambda spec, sae: detectors)
    return Searcher(made[0], labels=labels(), lexical=False), Slow(made[1], NAMES, detectors, True)


def part(searcher: Searcher, text: str, settings: Settings | None = None) -> Part:
    try:
        clause = searcher.clause(text, settings=settings)
    except NoFeatureError:
        return Part(text)
    return Part(text, {term.feature: term.weight for term in clause.terms}, clause.missing)


def parts(searcher: Searcher, texts: Sequence[str]) -> list[Part]:
    return [part(searcher, text) for text in texts]


def assert_parts(have: Given, expected: Given) -> None:
    assert set(have) == set(expected)
    names = {name for each in expected.values() for name in each}
    for name in sorted(names):
        rows = sorted(expected)
        np.testing.assert_allclose(
            [have[row][name] for row in rows], [expected[row][name] for row in rows], atol=EXACT, err_msg=name
        )
        assert any(abs(expected[row][name]) > 0.01 for row in rows), f"{name} says nothing here"


def in_table(found: SearchResult, names: Sequence[str]) -> dict[int, dict[str, float]]:
    """The parts of a table by row, and the score: the rows must be in its order."""
    table = {}
    for row in found.table.iter_rows(named=True):
        table[row["row"]] = {name: row[f"part_{name}"] for name in names}
        assert row["score"] == pytest.approx(sum(table[row["row"]].values()), abs=1e-9)
    order = [(-row["score"], row["row"]) for row in found.table.iter_rows(named=True)]
    assert order == sorted(order)
    return table


CASES = [
    ("river plain", ["river plain"], []),
    ("river AND quite", ["river", "quite"], []),
    ("river but not plain", ["river"], ["plain"]),
    ("river but not plain and without answer quite", ["river"], ["plain", "answer quite"]),
    ("answer quite NOT perhaps", ["answer quite"], ["perhaps"]),
    ("sky perhaps but not Zürich", ["sky perhaps"], ["Zürich"]),  # no feature answers what is not wanted
]


@pytest.mark.parametrize(("text", "wanted", "unwanted"), CASES)
@pytest.mark.parametrize("deep", [7, N])  # of equal texts FAISS may leave out any: none is cut off at 7
def test_a_hybrid_search_gives_what_plain_code_gives(
    by_words: tuple[Searcher, Slow], text: str, wanted: list[str], unwanted: list[str], deep: int
) -> None:
    searcher, slow = by_words
    args = parts(searcher, wanted), parts(searcher, unwanted)
    if deep == N:
        found = searcher.search(text, mode="hybrid", top=N)
        names = ["features", "dense", "bm25", *(["not"] if unwanted else [])]
        assert_parts(in_table(found, names), slow.hybrid(*args))
        unanswered = [each.text for each in args[1] if each.weights is None]
        told = [note for note in found.notes if "no feature answers" in note and "what is not wanted" in note]
        assert len(told) == len(unanswered)
    else:
        combined = search_in_words(searcher, text, SearchRequest(mode="hybrid", top=3, depth=deep)).combined
        assert combined is not None and len(combined.rows) < N
        have = {
            int(row): {name: float(given[at]) for name, given in combined.parts.items()}
            for at, row in enumerate(combined.rows)
        }
        assert_parts(have, slow.hybrid(*args, deep=deep))


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted", "used"),
    [
        ("river answer", ["river answer"], [], "wet"),  # a detector is meant
        ("river answer plain", ["river answer plain"], [], "wet"),
        ("river quite plain", ["river quite plain"], [], None),  # none is; labels fit half
        ("Zürich", ["Zürich"], [], None),  # nothing fits: no features
        ("plain but not river answer", ["plain"], ["river answer"], "wet"),  # what is not wanted is one
        ("quite NOT perhaps naïve NOT Zürich", ["quite"], ["perhaps naïve", "Zürich"], "doubt"),
    ],
)
@pytest.mark.parametrize("default", [True, False])
def test_the_default_uses_detectors_as_plain_code_does(
    by_meaning: tuple[Searcher, Slow],
    text: str,
    wanted: list[str],
    unwanted: list[str],
    used: str | None,
    default: bool,
) -> None:
    searcher, slow = by_meaning
    found = searcher.search(text, mode=None if default else "hybrid", top=N)
    assert found.params["mode"] == "hybrid"
    meant = [each.name for each in map(slow.meant, [*wanted, *unwanted]) if each is not None]
    assert meant == ([] if used is None else [used])
    assert any("the detector 'wet'" in note for note in found.notes) == (
        default and used == "wet" and not unwanted
    )
    args = parts(searcher, wanted), parts(searcher, unwanted)
    expected = slow.hybrid(*args, default=default)
    assert_parts(in_table(found, list(next(iter(expected.values())))), expected)
    if (
        used is not None
    ):  # so that the comparison would see a detector where none may be, or none where one is
        other = slow.hybrid(*args, default=not default)
        assert max(abs(sum(other[row].values()) - sum(expected[row].values())) for row in expected) > 0.05


def test_what_is_not_wanted_is_taken_with_the_settings_where_nothing_fits_what_is_wanted(
    by_meaning: tuple[Searcher, Slow],
) -> None:
    searcher, slow = by_meaning
    one = Settings(features=1)
    few, many = (part(searcher, "plain quite", settings) for settings in (one, None))
    assert few.weights != many.weights
    found = searcher.search("Zürich but not plain quite", mode="hybrid", settings=one, top=N)
    assert_parts(in_table(found, ["dense", "bm25", "not"]), slow.hybrid([Part("Zürich")], [few]))


# ---- documents judged ------------------------------------------------------------------------------------

PARTS = ("before", "features", "dense")


def total(given: Given) -> dict[int, float]:
    return {row: sum(each.values()) for row, each in given.items()}


@pytest.mark.parametrize(("more", "less"), [([1, 2, 5], [3]), ([4], []), ([], [1, 2]), ([], [7])])
def test_a_refit_gives_what_plain_code_gives(
    by_words: tuple[Searcher, Slow], more: list[int], less: list[int]
) -> None:
    searcher, slow = by_words
    before = total(slow.hybrid(parts(searcher, ["river"]), parts(searcher, ["plain"])))
    order = sorted(before, key=lambda row: (-before[row], row))
    right, wrong = ([order[number - 1] for number in numbers] for numbers in (more, less))
    expected = slow.refit(before, right, wrong)
    one = searcher.search("river but not plain", top=N, more=more, less=less)
    assert_parts(in_table(one, PARTS), expected)
    first = searcher.search("river but not plain", top=N)
    two = first.refine(more=more[:1], less=less[:1])  # the rest by id: they have other numbers now
    if more[1:] or less[1:]:
        ids = [[first.ids[number - 1] for number in numbers[1:]] for numbers in (more, less)]
        two = two.refine(more=ids[0], less=ids[1])
    assert_parts(in_table(two, PARTS), expected)


def test_a_refit_with_a_filter_and_of_few_documents(by_words: tuple[Searcher, Slow]) -> None:
    searcher, slow = by_words
    may = [row for row in range(N) if row % 3 == 0]
    first = searcher.search("river", where="model = 'gpt4'", top=N)
    before = dict(zip(first.table["row"], first.table["score"], strict=True))
    assert set(before) == set(may)
    found = searcher.search("river", where="model = 'gpt4'", top=N, more=[2], less=[1])
    rows = list(first.table["row"])
    assert_parts(in_table(found, PARTS), slow.refit(before, [rows[1]], [rows[0]], may=may))
    # few documents of each ranking: those that only the refit finds have the lowest score there was
    before = total(slow.hybrid(parts(searcher, ["river"]), deep=4))
    order = sorted(before, key=lambda row: (-before[row], row))
    found = searcher.search("river", mode="hybrid", depth=4, top=3, more=[1], less=[2])
    expected = slow.refit(before, [order[0]], [order[1]], deep=4)
    assert found.metrics["found"] == len(expected) < N and set(expected) - set(before)
    scores = total(expected)
    rows = sorted(scores, key=lambda row: (-scores[row], row))[:3]
    assert list(found.table["row"]) == rows
    assert_parts(in_table(found, PARTS), {row: expected[row] for row in rows})


def test_refits_of_literal_text_and_of_similar_documents(
    by_words: tuple[Searcher, Slow], made: tuple[Corpus, Truth]
) -> None:
    searcher, slow = by_words
    texts, ids = made[1].texts, made[1].ids
    counts = {row: text.lower().count("river") for row, text in enumerate(texts)}
    mean = sum(map(len, texts)) / N
    before = {row: n / (n + 1.2 * (0.25 + 0.75 * len(texts[row]) / mean)) for row, n in counts.items() if n}
    order = sorted(before, key=lambda row: (-before[row], row))
    found = searcher.search(literal="river", top=N, more=[4], less=[1])
    assert_parts(in_table(found, PARTS), slow.refit(before, [order[3]], [order[0]], may=before))
    for asked, out in (({"similar": ids[3]}, [3]), ({"like": ids[:3], "unlike": [ids[4]]}, [0, 1, 2, 4])):
        first = searcher.search(**asked, top=N)
        before = dict(zip(first.table["row"], first.table["score"], strict=True))
        rows, may = list(first.table["row"]), [row for row in range(N) if row not in out]
        found = searcher.search(**asked, top=N, more=[2], less=[5])
        assert_parts(in_table(found, PARTS), slow.refit(before, [rows[1]], [rows[4]], may=may))


def test_a_refit_of_a_detector_reaches_documents_further_down(by_meaning: tuple[Searcher, Slow]) -> None:
    searcher, slow = by_meaning
    likely = slow.by_detector(slow.detectors[0])
    before = {row: p for row, p in enumerate(likely) if p > 0}
    order = sorted(before, key=lambda row: (-before[row], row))
    assert searcher.search(detector="wet", top=3).table["row"].to_list() == order[:3]
    found = searcher.search(detector="wet", top=3, more=[9], less=[1])  # the ninth is not on the first page
    expected = slow.refit(before, [order[8]], [order[0]])
    scores = total(expected)
    rows = sorted(scores, key=lambda row: (-scores[row], row))[:3]
    assert found.table["row"].to_list() == rows
    assert_parts(in_table(found, PARTS), {row: expected[row] for row in rows})


def test_a_refit_without_an_index(tmp_path: Path) -> None:
    corpus, truth = make_corpus(tmp_path / "b.corpus", 6, (30,), density=0.4)
    searcher, slow = Searcher(corpus, labels=labels(), lexical=True), Slow(truth, NAMES)
    scores = slow.by_features({4: 1.0, 7: -0.5})
    before = {row: score for row, score in enumerate(scores) if score > 0}
    order = sorted(before, key=lambda row: (-before[row], row))
    found = searcher.search(features={4: 1.0, 7: -0.5}, top=30, more=[1, 3], less=[2])
    expected = slow.refit(before, [order[0], order[2]], [order[1]], vectors=False)
    assert_parts(in_table(found, PARTS[:2]), expected)
