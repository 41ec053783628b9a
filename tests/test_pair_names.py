"""What features of pairs are called: by labels that fit these texts, else by words at their peaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from cluster_factory import Stored
from hypothesis import given
from hypothesis import strategies as st

import saetext
from saetext.analysis.cooccurrence import CorrelateResult
from saetext.analysis.cooccurrence.naming import in_turn, rank_of, telling_first
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.peaks import FeatureName, LocalEvidence
from saetext.report.console.cooccurrence import render_correlate

D = 6
LABELS = FeatureLabels.from_rows([FeatureLabel(i, f"label {i}", score=0.91) for i in range(D)])
NOTHING = LocalEvidence((), 0.0, 0.1, False)
FITS, NOT = LocalEvidence(("so",), 1.0, 0.9, True), LocalEvidence(("Sadly,", "rain"), 1.0, 0.1, False)
Asked = list[tuple[list[int], int, int]]


def piles(seed: int = 0) -> Stored:
    """Features 0 and 1 go together, and so do 2 and 3."""
    rng = np.random.default_rng(seed)
    value = rng.random((300, D)) < 0.2
    value[:, 1] = np.where(value[:, 0], rng.random(300) < 0.95, value[:, 1])
    value[:, 3] = np.where(value[:, 2], rng.random(300) < 0.9, value[:, 3])
    corpus = Stored(value.astype(float), n_tokens=[30] * 300, meta={"kind": ["x", "y", "y"] * 100})
    return corpus


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Labels of even features fit; what was asked for is kept."""
    told: Asked = []

    def read(sets: Any, _: str, features: np.ndarray, rows: np.ndarray, **__: Any) -> Any:
        told.append((features.tolist(), sets[0].n_documents, int(rows.sum())))
        return {f: FITS if f % 2 == 0 else NOT for f in features.tolist()}

    monkeypatch.setattr("saetext.analysis.cooccurrence.naming.local_evidence", read)
    return told


def found(*corpora: Stored, **options: Any) -> CorrelateResult:
    result = saetext.correlate(*corpora, labels=LABELS, bootstrap=0, min_support=5, **options)
    assert isinstance(result, CorrelateResult)
    return result


def test_names_stand_where_labels_do_not_fit(asked: Asked) -> None:
    result = found(piles(), everything=True)
    row = next(r for r in result.table.to_dicts() if {r["feature_a"], r["feature_b"]} == {0, 1})
    side = {row["feature_a"]: "a", row["feature_b"]: "b"}
    told = {f: (row[f"name_{s}"], row[f"fits_{s}"], row[f"label_{s}"]) for f, s in side.items()}
    assert told == {0: ("label 0", True, "label 0"), 1: ("near “Sadly”, “rain”", False, "label 1")}
    assert len(asked) == 1 and asked[0][1:] == (300, 300)  # both sides at once
    lines = [line for line in render_correlate(result).splitlines() if line.startswith(("a ", "b "))]
    assert any("near “Sadly”, “rain”" in line for line in lines)
    # a label's score stands beside the label alone
    assert all((".91" in line) == (line[2:7] == "label") for line in lines)


def test_later_pairs_have_their_labels_unchecked(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saetext.analysis.cooccurrence.naming.MOST", 2)
    table = found(piles(), everything=True, top=None).table
    first = {table["feature_a"][0], table["feature_b"][0]}
    assert set(asked[0][0]) == first
    for row in table.to_dicts():
        for side in "ab":
            unread = row[f"feature_{side}"] not in first
            assert (row[f"fits_{side}"] is None) == unread
            assert not unread or row[f"name_{side}"] == row[f"label_{side}"]


def test_values_are_no_features_and_each_corpus_is_read_for_its_side(asked: Asked) -> None:
    table = found(piles(), column="kind", everything=True).table
    assert table["fits_b"].null_count() == len(table) and table["fits_a"].null_count() == 0
    assert table["name_b"].to_list() == table["label_b"].to_list()
    asked.clear()
    other = piles(1).take(np.arange(200))
    found(piles(), other, pair_on="id", everything=True)
    assert [rows for _, _, rows in asked] == [200, 200] and [n for _, n, _ in asked] == [300, 200]


def test_pairs_of_which_nothing_can_be_read_come_last_and_are_cut_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(_sets: Any, _: str, features: np.ndarray, _rows: np.ndarray, **__: Any) -> Any:
        return {f: NOTHING if f in untold else FITS for f in features.tolist()}

    monkeypatch.setattr("saetext.analysis.cooccurrence.naming.local_evidence", read)
    untold: tuple[int, ...] = ()

    def pairs(top: int | None) -> list[set[int]]:
        table = found(piles(), top=top, everything=True).table
        table = table.filter(table["npmi"] > 0)  # what is less often together has a list of its own
        return [set(row) for row in table.select("feature_a", "feature_b").rows()]

    strongest, other, *_ = pairs(None)
    assert {frozenset(strongest), frozenset(other)} == {frozenset({0, 1}), frozenset({2, 3})}
    untold = (min(strongest),)
    assert pairs(None)[:2] == [other, strongest]
    assert pairs(1) == [other]
    untold = tuple(range(D))
    assert pairs(1) == [strongest], "where none tells, evidence alone decides"


@given(
    st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=8),
    st.none() | st.integers(1, 4),
    st.data(),
)
def test_findings_keep_their_rows_and_their_order_but_for_what_tells(
    sizes: list[tuple[int, bool]], top: int | None, data: st.DataObject
) -> None:
    sizes = sorted(sizes, key=lambda one: one[1])  # what is less often comes later
    first = np.cumsum([0, *(n for n, _ in sizes)])[:-1]
    leader = np.repeat(first, [n for n, _ in sizes]).astype(np.int64)
    less = np.repeat([kind for _, kind in sizes], [n for n, _ in sizes]).astype(bool)
    drawn = st.lists(st.integers(0, 5), min_size=len(leader), max_size=len(leader))
    rank = np.array(data.draw(drawn), np.int64)
    rows, led = telling_first(leader, rank, less, top)
    wanted: list[int] = []
    heads: list[int] = []
    for kind in (False, True):
        findings = [
            sorted(range(at, at + n), key=lambda row: rank[row])
            for at, (n, mine) in zip(first.tolist(), sizes, strict=True)
            if mine == kind
        ]
        for one in sorted(findings, key=lambda one: rank[one[0]])[:top]:
            heads += [len(wanted)] * len(one)
            wanted += one
    assert rows.tolist() == wanted and led.tolist() == heads
    turn = in_turn(leader, less).tolist()
    assert sorted(turn) == list(range(len(leader)))
    assert turn[: len(sizes)] == sorted(first.tolist(), key=lambda at: _place(at, first, less))


def _place(at: int, first: np.ndarray, less: np.ndarray) -> tuple[int, bool]:
    """Return how many findings of its kind come before a finding, and its kind."""
    return sum(other < at and less[other] == less[at] for other in first.tolist()), bool(less[at])


def test_what_is_worth_showing_comes_before_what_tells_and_what_was_read_before_what_was_not() -> None:
    told = FeatureName("rivers", "rivers")
    untold = FeatureName("feature 2, which no word tells", "b", (), False, False, 0.3)
    read = [{1: told, 2: untold}, {1: told}]
    numbers = [[1, 2, 3, 1, 2], [1, 1, 1, None, 9]]
    worth = np.array([True, True, True, False, False])
    assert rank_of(read, numbers, worth).tolist() == [0, 1, 2, 3, 5]


def test_two_features_of_one_name_come_after_those_that_differ() -> None:
    rivers, same, lakes = (FeatureName(name, name) for name in ("rivers", "rivers", "lakes"))
    names = {1: rivers, 2: same, 3: lakes}
    numbers = [[1, 1, 2], [2, 3, None]]
    worth = np.ones(3, bool)
    assert rank_of([names, names], numbers, worth).tolist() == [1, 0, 0]
    assert rank_of([names, dict(names)], numbers, worth).tolist() == [0, 0, 0]  # prompts and answers


def test_a_pair_that_is_not_significant_never_takes_the_place_of_one_that_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(_sets: Any, _: str, features: np.ndarray, _rows: np.ndarray, **__: Any) -> Any:
        return {f: NOTHING if f < 4 else FITS for f in features.tolist()}

    monkeypatch.setattr("saetext.analysis.cooccurrence.naming.local_evidence", read)
    table = found(piles(), everything=True, top=None).table.filter(pl.col("npmi") > 0)
    significant = ((table["q"] < 0.05) | table["confirmed"]).to_list()
    assert True in significant and significant == sorted(significant, reverse=True)


def test_all_findings_are_shown_with_a_top_of_0() -> None:
    corpus = piles()
    every, none = (saetext.correlate(corpus, labels=LABELS, bootstrap=0, top=top) for top in (None, 0))
    assert isinstance(none, CorrelateResult) and none.params["top"] is None
    assert none.table.equals(every.table)
