"""Search by features against brute force over dense arrays, written with plain loops."""

from __future__ import annotations

import dataclasses
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from corpus_factory import Truth, make_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from saetext.analysis.search import Clause, FeatureQuery, Searcher, Term, search
from saetext.analysis.search.asking import clause_of
from saetext.analysis.search.fusing import fuse
from saetext.analysis.search.kernels import best
from saetext.analysis.search.query import parse_edits, split_clauses
from saetext.analysis.search.request import SearchRequest
from saetext.analysis.search.scoring import Scorer, full_strength
from saetext.analysis.search.stored import Entries
from saetext.corpus import Corpus
from saetext.errors import CorpusError, IncompatibleError, InputError
from saetext.features.label_index import LabelIndex
from saetext.features.labels import FeatureLabel, FeatureLabels

D_SAE = 12
NAMES = (
    "apology", "gratitude", "anger", "mathematics", "cooking", "football", "hedging and doubt", "music",
    "weather", "money", "travel", "medicine",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Truth]:
    return make_corpus(tmp_path_factory.mktemp("search") / "a.corpus", 3, (40, 0, 70, 1, 30), density=0.4)


def labels() -> FeatureLabels:
    return FeatureLabels.from_rows([FeatureLabel(f, name) for f, name in enumerate(NAMES)])


@pytest.fixture(scope="module")
def searcher(made: tuple[Corpus, Truth]) -> Searcher:
    return Searcher(made[0], labels=labels(), lexical=True)


def strength(values: np.ndarray) -> float:
    """The smallest value that nine in ten of the non-zero ones do not exceed."""
    present = sorted(v for v in values if v > 0)
    return next((v for v in present if sum(u <= v for u in present) >= 0.9 * len(present)), 1.0)


def lengths(dense: np.ndarray) -> np.ndarray:
    return np.array([sum(v > 0 for v in row) for row in dense], float)


def middle(values: list[float]) -> float:
    """The median, with loops."""
    usual = sorted(values)
    return (usual[(len(usual) - 1) // 2] + usual[len(usual) // 2]) / 2


def by_hand(dense: np.ndarray, weights: dict[int, float]) -> np.ndarray:
    """Every document's score, written as the definition reads."""
    scale = {f: strength(dense[:, f]) for f in weights}
    usual = middle(lengths(dense).tolist())
    found = []
    for row in dense:
        total = sum(w * min(row[f] / scale[f], 1.0) for f, w in weights.items())
        found.append(total / math.sqrt(1 + usual / 4 + sum(v > 0 for v in row)))
    return np.array(found)


def by_hand_unit(dense: np.ndarray, weights: dict[int, float], missing: float = 0.0) -> float:
    """What a clause's scores are divided by: a fifth of its weights in a document of usual length."""
    usual = middle(lengths(dense).tolist())
    damping = middle([1 / math.sqrt(1 + usual / 4 + n) for n in lengths(dense)])
    full = missing + sum(w for w in weights.values() if w > 0)
    return 0.2 * full * damping


def ranked(score: np.ndarray, live: np.ndarray | None = None, least: float = 0.0) -> list[int]:
    rows = [i for i in range(len(score)) if score[i] > least and (live is None or live[i])]
    return sorted(rows, key=lambda i: (-score[i], i))


WEIGHTS = st.dictionaries(
    st.integers(0, D_SAE - 1), st.sampled_from([-1.5, -0.25, 0.5, 1.0, 2.0]), min_size=1, max_size=8
)


# ---- scoring -----------------------------------------------------------------------------------------


@given(WEIGHTS)
@settings(max_examples=40, deadline=None)
def test_scores_equal_brute_force(
    made: tuple[Corpus, Truth], searcher: Searcher, weights: dict[int, float]
) -> None:
    corpus, truth = made
    expected = by_hand(truth.dense("value"), weights)
    found = searcher.search(features=weights, top=len(corpus))
    least = 0.0 if max(weights.values()) > 0 else -math.inf
    score = np.array(found.table["score"])
    np.testing.assert_allclose(score, sorted(expected[ranked(expected, least=least)], reverse=True))
    np.testing.assert_allclose(score, expected[found.table["row"].to_numpy()])
    assert found.ids == [truth.ids[row] for row in found.table["row"]]
    assert found.metrics["found"] == len(ranked(expected, least=least))


@given(WEIGHTS, st.integers(1, 9), st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_contributions_add_up_and_pages_follow_each_other(
    searcher: Searcher, weights: dict[int, float], top: int, offset: int
) -> None:
    whole = searcher.search(features=weights, top=0)  # all, though fewer are ranked where fewer are shown
    assert len(whole) == whole.metrics["found"]
    assert searcher.search(features=weights, top=None).ids == whole.ids
    assert searcher.search(features=weights, top=0, offset=offset).ids == whole.ids[offset:]
    page = searcher.search(features=weights, top=top, offset=offset)
    assert page.ids == whole.ids[offset : offset + top]
    assert list(page.table["rank"]) == list(range(offset + 1, offset + 1 + len(page)))
    for row in whole.table.to_dicts():
        assert math.isclose(
            sum(f["contribution"] for f in row["features"]), row["score"], rel_tol=1e-9, abs_tol=1e-12
        )
        assert {f["feature"] for f in row["features"]} <= set(weights)


def test_a_short_text_does_not_win_by_a_vague_feature() -> None:
    """Words with most of one asked feature against texts that say all three, in usual length."""
    rng = np.random.default_rng(8)
    dense = np.zeros((200, 60))
    for row in dense[20:]:
        row[rng.choice(np.arange(3, 60), 20, replace=False)] = rng.uniform(0.5, 2, 20)
    dense[:20, 0] = 1.5  # the words: nothing but a vague feature
    dense[20:40, 0] = dense[20:40, 1] = 2.0
    dense[20:40, 2] = 0.9
    dense[40:90, 2] = 2.0
    query = FeatureQuery((clause_by_hand(dense, {0: 0.5, 1: 0.5, 2: 0.5}),))
    score = Scorer(entries_of(dense), len(dense)).score(query).score
    np.testing.assert_allclose(score, by_hand(dense, {0: 0.5, 1: 0.5, 2: 0.5}))
    assert set(np.argsort(-score)[:20].tolist()) == set(range(20, 40))


def test_where_and_views_find_what_brute_force_finds(made: tuple[Corpus, Truth]) -> None:
    corpus, truth = made
    weights = {1: 1.0, 4: -0.5, 7: 2.0}
    score = by_hand(truth.dense("value"), weights)
    gpt4 = np.array([meta["model"] == "gpt4" for meta in truth.metas])
    long = np.array(truth.n_tokens) > 3
    whole = Searcher(corpus, labels=labels(), lexical=True)
    found = whole.search(features=weights, where="model = 'gpt4'", top=500)
    assert list(found.table["row"]) == ranked(score, gpt4)
    assert found.metrics["documents"] == gpt4.sum()
    view = corpus.select("n_tokens > 3")
    inside = Searcher(view, labels=labels(), lexical=True).search(
        features=weights, where="model = 'gpt4'", top=500
    )
    assert inside.ids == [truth.ids[i] for i in ranked(score, gpt4 & long)]
    assert [view.document(row)["id"] for row in inside.table["row"]] == inside.ids


def test_several_clauses(made: tuple[Corpus, Truth], searcher: Searcher) -> None:
    dense = made[1].dense("value")
    parts = [{0: 1.0, 3: 0.5}, {5: 1.0}, {8: 2.0, 2: 1.0}]
    scores = [by_hand(dense, weights) / by_hand_unit(dense, weights) for weights in parts]
    expected = np.minimum(scores[0], scores[1]) - scores[2]
    query = FeatureQuery(
        tuple(
            Clause(tuple(Term(f, w, strength(dense[:, f])) for f, w in weights.items()), negated=at == 2)
            for at, weights in enumerate(parts)
        )
    )
    found = searcher.search(query, top=1000)
    np.testing.assert_allclose(np.array(found.table["score"]), expected[found.table["row"].to_numpy()])
    assert set(found.table["row"]) == set(ranked(expected))
    for row in found.table.to_dicts():
        assert math.isclose(sum(f["contribution"] for f in row["features"]), row["score"], abs_tol=1e-9)


def entries_of(dense: np.ndarray) -> Entries:
    feature, doc = np.nonzero(dense.T)
    indptr = np.searchsorted(feature, np.arange(dense.shape[1] + 1)).astype(np.int64)
    return Entries(indptr, doc.astype(np.int32), dense[doc, feature].astype(np.float32))


def clause_by_hand(dense: np.ndarray, weights: dict[int, float]) -> Clause:
    return Clause(tuple(Term(f, w, strength(dense[:, f])) for f, w in weights.items()))


def two_topics() -> tuple[np.ndarray, dict[int, float], dict[int, float]]:
    """400 documents: 0 to 3 are topic A, 4 to 23 topic B, the rest noise; A is there, of B only strays."""
    rng = np.random.default_rng(5)
    dense = np.zeros((400, 60))
    dense[:, 24:] = (rng.random((400, 36)) < 0.5) * rng.uniform(1, 2, (400, 36))
    dense[:100, :4] = rng.uniform(1, 2, (100, 4))
    dense[::7, 4] = 1.5
    return dense, dict.fromkeys(range(4), 1.0), dict.fromkeys(range(4, 24), 1.0)


def test_a_clause_that_no_document_satisfies_does_not_count_as_satisfied() -> None:
    dense, a, b = two_topics()
    hopeless = Scorer(entries_of(dense), len(dense)).score(
        FeatureQuery((clause_by_hand(dense, a), clause_by_hand(dense, b)))
    )
    alone = Scorer(entries_of(dense), len(dense)).score(FeatureQuery((clause_by_hand(dense, a),)))
    assert alone.score.argmax() < 100
    # one of B's twenty features is a quarter of the fifth that satisfies, if the document is of usual length
    assert 0 < hopeless.score.max() < 0.35
    answered = dense.copy()
    answered[90:110, 4:16] = np.random.default_rng(6).uniform(1, 2, (20, 12))
    found = Scorer(entries_of(answered), len(dense)).score(
        FeatureQuery((clause_by_hand(answered, a), clause_by_hand(answered, b)))
    )
    best = np.argsort(-found.score)[:10]
    assert set(best.tolist()) == set(range(90, 100)) and found.score[best].min() > 2 * hopeless.score.max()
    for truth, scored in ((dense, hopeless), (answered, found)):
        parts = [by_hand(truth, weights) / by_hand_unit(truth, weights) for weights in (a, b)]
        np.testing.assert_allclose(scored.score, np.minimum(*parts))
    # what nothing has at all satisfies no one
    empty = Clause((Term(20, 1.0, 1.0), Term(21, 0.5, 1.0)))
    nothing = Scorer(entries_of(dense), len(dense)).score(FeatureQuery((clause_by_hand(dense, a), empty)))
    assert (nothing.score == 0).all()


def test_documents_that_say_one_clause_do_not_change_the_order_of_the_others() -> None:
    """Most of the corpus says A: measured by the best of them, A would be the weakest clause of the rest."""
    rng = np.random.default_rng(7)
    dense = np.zeros((120, 60))
    for row in dense:  # all of one length, and every value at full strength
        row[rng.choice(np.arange(20, 60), 20, replace=False)] = 1.0
    for at, row in enumerate(dense):
        row[20:40] = 0
        row[: at % 5 + 1] = row[10 : 10 + at % 4 + 1] = 1.0
    loud = np.zeros((200, 60))
    loud[:, :10] = loud[:, 30:40] = 1.0
    a, b = dict.fromkeys(range(10), 1.0), dict.fromkeys(range(10, 20), 1.0)

    def order(matrix: np.ndarray) -> list[int]:
        # the same weights, scales and usual length: only who else is there differs
        clauses = tuple(Clause(tuple(Term(f, w, 1.0) for f, w in part.items())) for part in (a, b))
        scorer = Scorer(entries_of(matrix), len(matrix))
        scorer._damping = np.full(len(matrix), 0.2)
        score = scorer.score(FeatureQuery(clauses)).score
        return np.argsort(-score[:120], kind="stable").tolist()

    assert order(dense) == order(np.concatenate([dense, loud]))
    both = [min(at % 5 + 1, at % 4 + 1) for at in range(120)]
    assert order(dense) == sorted(range(120), key=lambda at: -both[at])


def test_what_is_not_wanted_and_not_there_takes_little_away() -> None:
    dense, a, b = two_topics()
    unwanted = Clause(clause_by_hand(dense, b).terms, negated=True)
    scored = Scorer(entries_of(dense), len(dense)).score(FeatureQuery((clause_by_hand(dense, a), unwanted)))
    parts = [by_hand(dense, weights) / by_hand_unit(dense, weights) for weights in (a, b)]
    np.testing.assert_allclose(scored.score, parts[0] - parts[1])
    assert parts[1].max() < 0.35


def test_features_that_the_corpus_lacks_count_as_asked_for() -> None:
    """A remote label stands in for the right one that no document has, but does not satisfy the question."""
    dense, a, _ = two_topics()
    named = dict.fromkeys(a, "football match") | {4: "heart of the matter", 20: "heart surgery in medicine"}
    table = FeatureLabels.from_rows([FeatureLabel(f, name) for f, name in named.items()])
    scorer = Scorer(entries_of(dense), len(dense))
    index = LabelIndex(table, lexical=True)
    clause = clause_of("heart surgery medicine", table, index, scorer)
    assert [(t.feature, t.weight) for t in clause.terms] == [(4, 1.0)] and clause.missing > 5
    unit = by_hand_unit(dense, {4: 1.0}, clause.missing)
    query = FeatureQuery((clause_by_hand(dense, a), clause))
    parts = [by_hand(dense, a) / by_hand_unit(dense, a), by_hand(dense, {4: 1.0}) / unit]
    np.testing.assert_allclose(scorer.score(query).score, np.minimum(*parts))
    remote = dataclasses.replace(clause, missing=0.0)
    without = scorer.score(FeatureQuery((clause_by_hand(dense, a), remote))).score.max()
    assert scorer.score(query).score.max() < 0.75 * without
    there = clause_of("football", table, index, scorer)
    assert there.missing == 0 and len(there.terms) == 4
    # of one question alone the scores are what they were
    np.testing.assert_allclose(scorer.score(FeatureQuery((clause,))).score, by_hand(dense, {4: 1.0}))


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, -1.0]), max_size=60), st.integers(0, 70), st.randoms())
def test_the_best_equal_sorting(values: list[float], k: int, random: object) -> None:
    score = np.array(values, float)
    live = np.array([random.random() < 0.7 for _ in values], bool)  # type: ignore[attr-defined]
    assert best(score, live, 0.0, k).tolist() == ranked(score, live if len(live) else None)[:k]
    assert best(score, np.empty(0, bool), -math.inf, k).tolist() == ranked(score, None, -math.inf)[:k]


@given(st.lists(st.floats(0.125, 9, width=32), min_size=1, max_size=40))
def test_full_strength(values: list[float]) -> None:
    entries = Entries(
        np.array([0, len(values)]), np.arange(len(values), dtype=np.int32), np.array(values, np.float32)
    )
    assert full_strength(entries, 0) == strength(np.array(values, np.float32))


def test_groups_keep_the_best_of_each(made: tuple[Corpus, Truth], searcher: Searcher) -> None:
    _, truth = made
    score = by_hand(truth.dense("value"), {2: 1.0, 9: 1.0})
    expected, size = [], {}
    for row in ranked(score):
        year = truth.metas[row].get("year")
        if year is None or year not in size:
            expected.append(row)
        size[year] = size.get(year, 0) + 1
    found = searcher.search(features="2,9", group_by="year", top=1000)
    assert list(found.table["row"]) == expected
    for row in found.table.to_dicts():
        year = truth.metas[row["row"]].get("year")
        assert row["group"] == (None if year is None else str(year))
        assert row["group_size"] == (1 if year is None else size[year])
    page = searcher.search(features="2,9", group_by="year", top=3, offset=2)
    assert list(page.table["row"]) == expected[2:5]


def test_threads_find_the_same(searcher: Searcher) -> None:
    asked = [{i % D_SAE: 1.0, (i * 5 + 1) % D_SAE: 0.5} for i in range(40)]
    alone = [searcher.search(features=weights).ids for weights in asked]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda weights: searcher.search(features=weights).ids, asked))
    assert together == alone


# ---- words, edits, files ------------------------------------------------------------------------------


def test_words_become_features(searcher: Searcher) -> None:
    made = searcher.build_query("hedging")
    assert [term.feature for term in made.clauses[0].terms] == [6]
    assert made.clauses[0].terms[0].weight == 1.0
    found = searcher.search("hedging AND music NOT anger")
    assert [(c.text, c.negated) for c in found.query.clauses] == [
        ("hedging", False),
        ("music", False),
        ("anger", True),
    ]
    assert "labels were searched by their words" in found.notes[0]
    assert searcher.search("hedging AND music", exclude=["anger"]).ids == found.ids


def test_edits_change_the_query(searcher: Searcher) -> None:
    made = searcher.build_query("anger music", features="2:0,7:1.5,-3,5")
    assert {term.feature: term.weight for term in made.clauses[0].terms} == {7: 1.5, 3: -1.0, 5: 1.0}
    assert parse_edits(" 12:1.5, -88 ,7:-2e-1") == {12: 1.5, 88: -1.0, 7: -0.2}
    for text, piece in (("12:", "12:"), ("a", "'a'"), ("1,1", "twice"), ("-3:2", "-3:2"), ("", "''")):
        with pytest.raises(InputError, match=piece):
            parse_edits(text)
    with pytest.raises(InputError, match="there is no feature 12; there are 0 to 11"):
        searcher.search(features="12")


def test_clauses_are_split_at_capitals_only() -> None:
    assert split_clauses("salt and pepper") == [("salt and pepper", False)]
    assert split_clauses("salt AND pepper NOT hot AND NOT cold") == [
        ("salt", False),
        ("pepper", False),
        ("hot", True),
        ("cold", True),
    ]
    assert split_clauses("THIS AND THAT") == [("THIS AND THAT", False)]
    for text in ("salt AND ", " AND salt", "", "NOT salt"):
        with pytest.raises(InputError):
            split_clauses(text)


def test_a_saved_query_finds_the_same(searcher: Searcher, tmp_path: Path) -> None:
    found = searcher.search("anger AND music NOT money", features="3:0.25")
    sae = searcher.corpus.spec.sae(None)
    path = tmp_path / "query.json"
    path.write_text(found.query.to_json(sae))
    again = FeatureQuery.read(path, sae)
    assert again == found.query
    assert searcher.search(again).table.equals(found.table)
    data = json.loads(path.read_text())
    assert [clause.pop("missing") for clause in data["clauses"]] == [0.0, 0.0, 0.0]
    path.write_text(json.dumps(data))  # as earlier versions wrote it
    assert FeatureQuery.read(path, sae) == found.query
    for change, message in (
        ({"clauses": [{"terms": [], "missing": -1}]}, "damaged"),
        ({"kind": "other"}, "is no saved query"),
        ({"version": 99}, "upgrade saetext"),
        ({"clauses": [{"terms": [{"feature": 1}]}]}, "damaged"),
        ({"clauses": [{"terms": [{"feature": 1, "weight": 1, "scale": 0}]}]}, "damaged"),
        ({"clauses": [{"terms": [{"feature": 99, "weight": 1, "scale": 1}]}]}, "there is no feature 99"),
    ):
        path.write_text(json.dumps({**data, **change}))
        with pytest.raises(InputError, match=message):
            FeatureQuery.read(path, sae)
    path.write_text(json.dumps({**data, "reader": {**data["reader"], "weights_sha256": "1" * 64}}))
    with pytest.raises(IncompatibleError, match="another reader's features"):
        FeatureQuery.read(path, sae)
    path.write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        FeatureQuery.read(path, sae)


def test_all_are_ranked_where_all_are_shown() -> None:
    asked = SearchRequest(mode="hybrid", depth=5, top=3, offset=4)
    assert [asked.deep(77), asked.replace(offset=0).deep(77)] == [7, 5]
    assert [asked.replace(top=top).deep(77) for top in (0, None)] == [77, 77]


def test_bad_requests(searcher: Searcher) -> None:
    for options, message in (
        ({}, "what to search for"),
        ({"query": "zebra"}, "no feature answers 'zebra'"),
        ({"query": "music", "mode": "sparse"}, "mode is one of"),
        ({"query": "music", "mode": "dense"}, "has no dense index: run 'saetext index"),
        ({"query": "music", "mode": "bm25"}, "has no bm25 index"),
        ({"features": "1", "mode": "hybrid"}, "needs words"),
        ({"query": "music", "where": "modle = 'x'"}, "did you mean model"),
        ({"query": "music", "where": "__import__('os').system('true')"}, r"cannot understand .* at .*system"),
        ({"query": "music", "where": "open('x') = 1"}, "no function open here"),
        ({"query": "music", "where": "model = 'gpt4' AND >"}, "cannot understand"),
        ({"query": "music", "group_by": "nothing"}, "no column 'nothing'"),
        ({"query": "music", "top": -1}, "top must be at least 0"),
        ({"features": "1:0"}, "no feature is left"),
    ):
        with pytest.raises(InputError, match=message):
            searcher.search(options.pop("query", None), **options)
    with pytest.raises(CorpusError, match="did you mean 'doc-1"):
        searcher.search(like=["doc-1x"])


def test_a_sample_is_drawn_from_the_documents_that_may_be_found(searcher: Searcher) -> None:
    whole = searcher.search(features="1,2,3", top=500)
    some = searcher.search(features="1,2,3", top=500, sample=20, seed=4)
    assert some.metrics["documents"] == 20 and some.ids == [id for id in whole.ids if id in set(some.ids)]
    assert some.ids == searcher.search(features="1,2,3", top=500, sample=20, seed=4).ids
    assert some.ids != searcher.search(features="1,2,3", top=500, sample=20, seed=5).ids
    where = searcher.search(features="1,2,3", top=500, where="model = 'gpt4'", sample=5)
    assert where.metrics["documents"] == 5
    assert set(where.ids) <= set(searcher.search(features="1,2,3", top=500, where="model = 'gpt4'").ids)


def test_what_contradicts_itself_is_refused(searcher: Searcher) -> None:
    for options, message in (
        ({"sae": "main"}, "sae would change nothing"),
        ({"lexical": True}, "lexical would change nothing"),
        ({"labels": labels()}, "labels would change nothing"),
        ({"like": ["doc-1"], "similar": "doc-2"}, "choose one of"),
        ({"unlike": ["doc-1"]}, "goes with --like"),
        ({"like": "doc-1"}, "like is a list of texts"),
        ({"rerank": 3}, "needs a language model"),
        ({"reranker": object()}, "asked nothing"),
    ):
        with pytest.raises(InputError, match=message):
            searcher.search(None if "like" in options else "music", **options)


def test_a_function_searches_too(made: tuple[Corpus, Truth], searcher: Searcher) -> None:
    found = search(made[0].path, "music", labels=labels(), lexical=True, top=3)
    assert found.ids == searcher.search("music", top=3).ids
    assert found.kind == "search"
    rows = json.loads(found.to_json())["rows"]
    assert {"id", "score", "snippet", "features"} <= set(rows[0])


# ---- fusion -----------------------------------------------------------------------------------------


@given(
    st.dictionaries(
        st.sampled_from("abc"), st.lists(st.integers(0, 30), unique=True, max_size=20), min_size=1
    )
)
def test_fusion_equals_a_loop(rankings: dict[str, list[int]]) -> None:
    weights = {"a": 1.0, "b": 0.5}
    expected: dict[int, float] = {}
    for name, ranking in rankings.items():
        for rank, row in enumerate(ranking, start=1):
            expected[row] = expected.get(row, 0.0) + weights.get(name, 1.0) / (60 + rank)
    rows, score, parts = fuse({name: np.array(r, np.int64) for name, r in rankings.items()}, weights)
    assert set(rows.tolist()) == set(expected)
    np.testing.assert_allclose(score, [expected[row] for row in rows.tolist()])
    np.testing.assert_allclose(score, sum(parts.values()))
    assert all(
        (-score[i], rows[i]) < (-score[i + 1], rows[i + 1]) or np.isclose(score[i], score[i + 1])
        for i in range(len(rows) - 1)
    )
