"""From correlated pairs to the terminal, the page and the files: widths, hostile text, what is said."""

from __future__ import annotations

import dataclasses
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_corpus import DenseCorpus
from test_correlate import NO_LIMITS, planted
from test_correlate_designs import simpson, two
from whole_results import correlate

from saetext.analysis.cooccurrence import CorrelateResult
from saetext.analysis.cooccurrence.communities import communities, layout
from saetext.analysis.cooccurrence.redundancy import Limits, explained, redundant
from saetext.analysis.cooccurrence.result import Marked
from saetext.errors import InputError
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.reader import sentences as embed
from saetext.report.console.cooccurrence import render_correlate
from saetext.report.html.pair_gathering import pair_page
from saetext.report.html.pair_page import render_pair_page
from saetext.report.html.passages import overlaid

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"
LABELS = FeatureLabels.from_rows(
    [FeatureLabel(0, f"zero {HOSTILE}", f"about {HOSTILE}"), FeatureLabel(1, "one " + "long " * 40)],
    {"d_sae": 12, "weights_sha256": "w", "sae": "tiny"},
)


@pytest.fixture(autouse=True)
def _labels_by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "available", lambda: False)


@pytest.fixture(scope="module")
def result() -> CorrelateResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "available", lambda: False)
        return correlate(planted(seed=1)[0], labels=LABELS, **NO_LIMITS, everything=True)


@pytest.mark.parametrize("width", [10, 40, 79, 100, 163, 400])
@pytest.mark.parametrize("color", [False, True])
def test_lines_fit_the_window(result: CorrelateResult, width: int, color: bool) -> None:
    text = render_correlate(result, width, color)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(map(len, plain.splitlines())) <= min(max(width, 40), 200)
    assert "\x1b[31m" not in text
    assert "\u202e" not in text
    if width >= 100:
        assert "«" in plain or color
        assert "more often together than chance" in plain
        assert "not significant" in plain


def test_ascii_is_enough(result: CorrelateResult) -> None:
    render_correlate(result, 100, encoding="ascii").encode("ascii")


def test_the_heading_says_what_was_tested_and_hidden(result: CorrelateResult) -> None:
    text = " ".join(render_correlate(result, 160).split())
    assert "of 66 eligible pairs occur together more or less often than chance" in text
    corpus, _ = planted()
    corpus.peak[:, 1] = corpus.peak[:, 0]
    told = " ".join(render_correlate(correlate(corpus, **NO_LIMITS | {"max_same_phrase": 0.5}), 160).split())
    assert re.search(r"expected \(--all shows them\): 1 \(one phrase 1, one concept 1\)\.", told)


def test_numbers_columns_and_signs_that_differ_are_shown() -> None:
    corpus = simpson()
    text = render_correlate(correlate(corpus, within="kind", **NO_LIMITS), 100)
    assert "⇄" in text
    assert re.search(r"⇄ [+-]\.?\d.* without kind: opposite sign", text)
    number = render_correlate(correlate(corpus, column="score"), 100)
    assert "rho" in number
    assert "score against the number of tokens" in number
    nothing = correlate(
        DenseCorpus((np.random.default_rng(0).random((60, 4)) < 0.5).astype(float)), **NO_LIMITS
    )
    shown = render_correlate(nothing, 100)
    assert "0 of 6 eligible pairs" in shown


def test_the_page_has_the_pairs_with_both_marked(result: CorrelateResult, tmp_path: Path) -> None:
    corpus, _ = planted(seed=1)
    page = pair_page(result, [corpus], LABELS)
    assert len(page.findings) == len(result.table.filter(pl.col("group") == pl.int_range(pl.len())))
    best = next(f for f in page.findings if {f.row["feature_a"], f.row["feature_b"]} == {0, 1})
    pieces = [p for passage in best.examples[0].passages for p in passage.pieces]
    assert any(p.strength for p in pieces)
    assert any(p.second for p in pieces)
    html = render_pair_page(page)
    assert "<script>alert" not in html
    assert " in dense</title>" in html
    path = result.to_html(tmp_path / "pairs.html", [corpus], labels=LABELS)
    assert path.read_text("utf-8") == html
    with pytest.raises(InputError, match="exists already"):
        result.to_html(path, [corpus], labels=LABELS)


def test_pages_of_two_corpora_columns_and_numbers() -> None:
    a, b = two()
    across = correlate(a, b, pair_on="key", **NO_LIMITS)
    page = pair_page(across, [a, b], LABELS)
    assert len(page.findings[0].examples[0].passages) == 2
    assert {p.set for p in page.findings[0].examples[0].passages} == {"prompts", "answers"}
    corpus = simpson()
    for settings_ in ({"column": "kind"}, {"column": "score"}, {"within": "kind"}):
        limits = {} if "column" in settings_ else NO_LIMITS  # they are of two features
        found = correlate(corpus, **limits, **settings_)
        assert '<h2 id="notes-title">' in render_pair_page(pair_page(found, [corpus], LABELS))
    silent = DenseCorpus(planted()[0].value, texts=False)
    bare = correlate(silent, **NO_LIMITS)
    assert "the text is not stored" in render_pair_page(pair_page(bare, [silent], LABELS))


def test_files(result: CorrelateResult, tmp_path: Path) -> None:
    written = pl.read_parquet(result.to_parquet(tmp_path / "pairs.parquet"))
    assert written.equals(result.table)
    assert result.to_csv().startswith("feature_a,label_a,feature_b")


def test_marks() -> None:
    line = Marked((("x ", ""), ("y", "a"), (" ‖ ", "|"), ("z", "b"), ("w", "ab")))
    assert line.marked() == "x «y» ‖ ‹z›«‹w›»"


def test_spans_of_both_are_cut_where_either_ends() -> None:
    stretches, strengths = overlaid([[(0, 4, 0.5), (6, 8, 1.0)], [(2, 6, 0.25)]])
    assert stretches == [(0, 2), (2, 4), (4, 6), (6, 8)]
    assert strengths == [(0.5, 0.0), (0.5, 0.25), (0.0, 0.25), (1.0, 0.0)]


# ---- residual association, communities ----------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8))
def test_what_follows_from_other_pairs_as_by_hand(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [p for p in combinations(range(n), 2) if rng.random() < 0.7] or [(0, 1)]
    left, right = np.array(pairs).T
    attracted, usable = rng.random(len(pairs)) < 0.6, rng.random(len(pairs)) < 0.8
    friends: dict[int, set[int]] = {i: set() for i in range(n)}
    foes: dict[int, set[int]] = {i: set() for i in range(n)}
    for k, (i, j) in enumerate(pairs):
        if usable[k]:
            for x, y in ((i, j), (j, i)):
                (friends if attracted[k] else foes)[x].add(y)
    found = explained(left, right, attracted, usable)
    for k, (i, j) in enumerate(pairs):
        like = friends if attracted[k] else foes
        shares = []
        for x, y in ((i, j), (j, i)):
            partners = friends[x] - {y}
            shares.append(len(partners & like[y]) / (len(partners) + 1))
        assert found[k] == pytest.approx(sum(shares) / 2)


def test_a_pair_in_a_clique_is_of_less_residual_than_one_alone() -> None:
    rng = np.random.default_rng(0)
    topic = rng.random(600) < 0.15
    value = rng.random((600, 10)) < 0.1
    value[:, :6] |= topic[:, None] & (rng.random((600, 6)) < 0.9)
    both = rng.random(600) < 0.1
    value[:, 8] |= both & (rng.random(600) < 0.8)
    value[:, 9] |= both & (rng.random(600) < 0.8)
    corpus = DenseCorpus(value.astype(float), peak=rng.integers(0, 12, value.shape))
    first = correlate(corpus, **NO_LIMITS).table.to_dicts()[0]
    assert {first["feature_a"], first["feature_b"]} == {8, 9}
    strongest = correlate(corpus, **NO_LIMITS, order="npmi").table.to_dicts()[0]
    assert strongest["npmi"] > first["npmi"]
    assert strongest["residual"] < first["residual"]


def test_reasons_are_the_limits_that_are_exceeded() -> None:
    measures = {
        "label_similarity": np.array([0.5, 0.2, np.nan]),
        "decoder_cosine": np.array([0.1, 0.31, np.nan]),
        "same_phrase": np.array([0.9, 0.0, np.nan]),
    }
    assert redundant(measures, Limits(0.45, 0.3, 0.5)) == [
        "similar labels, one phrase", "similar directions", None
    ]  # fmt: skip


def test_communities_and_their_picture() -> None:
    cliques = [(f"{c}{i}", f"{c}{j}", 0.5) for c in "xy" for i, j in combinations(range(4), 2)]
    edges = [*cliques, ("x0", "y0", 0.05), ("lone", "pair", 0.9)]
    found = communities(edges, seed=1)
    assert sorted(map(len, found), reverse=True) == [4, 4, 2]
    assert {frozenset(g) for g in found} == {
        frozenset(f"{c}{i}" for i in range(4)) for c in "xy"
    } | {frozenset({"lone", "pair"})}  # fmt: skip
    assert found == communities(edges, seed=1)
    place = layout(edges)
    assert set(place) == {node for a, b, _ in edges for node in (a, b)}
    assert all(0 <= value <= 1 for point in place.values() for value in point)
    assert len({(round(x, 3), round(y, 3)) for x, y in place.values()}) == len(place)
    assert communities([]) == []
    assert layout([]) == {}


def test_the_result_is_frozen(result: CorrelateResult) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.kind = "other"  # type: ignore[misc]
    assert result.n_significant >= 1
    assert result.n_confirmed >= 1
