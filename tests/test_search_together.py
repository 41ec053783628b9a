"""Several rankings in one score, what is not wanted, and documents judged: against slow, obvious code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from corpus_factory import Truth, make_corpus
from hypothesis import given
from hypothesis import strategies as st
from search_oracle import WordVectors

from saetext.analysis.search import Searcher, SearchResult, build_index
from saetext.analysis.search import together as together_module
from saetext.analysis.search.asked import Asked
from saetext.analysis.search.asking import Settings
from saetext.analysis.search.combining import NEAREST, USUAL_FIT, WEIGHTS, Facts, Weights, fit_of
from saetext.analysis.search.in_words import search_in_words
from saetext.analysis.search.judging import Judged, judged, written
from saetext.analysis.search.negation import split_negation
from saetext.analysis.search.profile import TYPICAL, Sample, feature_profile
from saetext.analysis.search.query import split_clauses
from saetext.analysis.search.rankings import Reach
from saetext.analysis.search.request import SearchRequest
from saetext.analysis.search.standard import HIGHEST, LOWEST, background, standardised
from saetext.analysis.search.together import Asking, together
from saetext.corpus import Corpus
from saetext.errors import CorpusError, InputError
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.reader import sentences as embed

D_SAE = 12
NAMES = (
    "river",
    "café",
    "answer",
    "plain",
    "quite",
    "perhaps",
    "naïve",
    "sea",
    "hill",
    "town",
    "road",
    "sky",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Truth]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "Embedder", WordVectors)
        patch.setattr(embed, "available", lambda: True)
        corpus, truth = make_corpus(
            tmp_path_factory.mktemp("together") / "a.corpus", 5, (40, 30), density=0.4
        )
        build_index(corpus)
    return corpus, truth


@pytest.fixture
def searcher(made: tuple[Corpus, Truth], monkeypatch: pytest.MonkeyPatch) -> Searcher:
    monkeypatch.setattr(embed, "Embedder", WordVectors)
    monkeypatch.setattr(embed, "available", lambda: True)
    labels = FeatureLabels.from_rows([FeatureLabel(f, name) for f, name in enumerate(NAMES)])
    return Searcher(made[0], labels=labels, lexical=True)


def column(result: SearchResult, name: str, n: int) -> np.ndarray:
    """A column by row of the corpus, 0 where a document is not in the table."""
    found = np.zeros(n)
    for row in result.table.iter_rows(named=True):
        found[row["row"]] = row[name]
    return found


def by_hand(score: np.ndarray) -> np.ndarray:
    return np.clip((score - score.mean()) / score.std(), LOWEST, HIGHEST)


def test_a_hybrid_score_is_the_weighted_sum_of_what_each_mode_gives_alone(searcher: Searcher) -> None:
    n, text = 70, "river plain"
    alone = {
        mode: by_hand(column(searcher.search(text, mode=mode, top=n), "score", n))
        for mode in ("features", "dense", "bm25")
    }
    asking = Asking([(text, False)], searcher.build_query(text), None)
    every = _rankings(searcher, text)
    weights = Weights(first=0)
    near = np.sort(column(searcher.search(text, mode="dense", top=n), "score", n))[-NEAREST:].mean()
    counts = weights.of(("features", "dense", "bm25"), Facts(USUAL_FIT, float(near)))
    found = together(searcher, asking, every, Reach(n, None), weights)
    assert set(found.rows.tolist()) == set(range(n))
    for name in alone:
        expected = counts[name] * alone[name][found.rows]
        np.testing.assert_allclose(
            found.parts[name], expected, atol=2e-3
        )  # vectors are kept in half precision


def _rankings(searcher: Searcher, text: str) -> list:
    from saetext.analysis.search.rankings import by_vector

    return [by_vector(searcher.resources.vectors("dense"), searcher.resources.meaning(text), Reach(70, None))]


def test_what_is_not_wanted_costs_and_is_shown(searcher: Searcher) -> None:
    wanted = searcher.search("river", top=70)
    without = searcher.search("river but not plain", top=70)
    same = searcher.search("river", exclude=["plain"], top=70)
    assert without.ids == same.ids and any("without 'plain'" in note for note in without.notes)
    assert not any("without" in note for note in same.notes)
    lost = column(without, "part_not", 70)
    assert (lost <= 0).all() and (lost < 0).any() and (lost == 0).any()
    np.testing.assert_allclose(column(without, "score", 70), column(wanted, "score", 70) + lost, atol=1e-9)
    has = np.array(["plain" in (t or "") for t in searcher.whole.documents.select("text").collect()["text"]])
    assert lost[has].mean() < lost[~has].mean()
    literal = searcher.search('"river but not plain"', top=70)
    assert (column(literal, "score", 70) != column(without, "score", 70)).any()


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30), st.lists(st.floats(-100, 100), max_size=5))
def test_standard_scores(usual: list[float], score: list[float]) -> None:
    found = standardised(np.array(score, float), np.array(usual))
    spread = float(np.std(usual))
    for one, true in zip(found, score, strict=True):
        expected = (
            0.0 if spread < 1e-12 else min(max((true - float(np.mean(usual))) / spread, LOWEST), HIGHEST)
        )
        assert one == pytest.approx(expected, abs=1e-6)


def test_features_count_where_a_label_fits_and_embeddings_where_documents_say_what_the_query_says() -> None:
    names = ("features", "dense", "bm25")

    def share(fit: float, nearness: float) -> dict[str, float]:
        return WEIGHTS.of(names, Facts(fit, nearness))

    usual = share(USUAL_FIT, 0.45)
    assert sum(usual.values()) == pytest.approx(1) and min(usual.values()) > 0
    by_hand = {"features": np.exp(WEIGHTS.features), "dense": 1.0, "bm25": np.exp(WEIGHTS.bm25)}
    assert usual == pytest.approx({k: v / sum(by_hand.values()) for k, v in by_hand.items()})
    assert share(0.9, 0.45)["features"] > usual["features"] > share(0.0, 0.45)["features"]
    assert share(USUAL_FIT, 0.7)["dense"] > usual["dense"] > share(USUAL_FIT, 0.2)["dense"]
    assert sum(WEIGHTS.of(("dense",), Facts(0.0, 0.0)).values()) == 1


def test_the_background_is_all_or_a_sample_that_stays() -> None:
    assert background(30).tolist() == list(range(30))
    many = background(100_000)
    assert len(many) == len(set(many.tolist())) == 4000 and (many == background(100_000)).all()
    assert [fit_of(x) for x in (0.0, 0.35, 0.75, 1.0)] == [0.0, 0.0, 1.0, 1.0] and WEIGHTS.first >= 0


# ---- what is not wanted, in words ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("polite but not apologising", "polite", ("apologising",)),
        ("questions without code", "questions", ("code",)),
        ("the writer is grateful but does not praise anybody", "the writer is grateful", ("praise anybody",)),
        ("the writer feels remorse but isn't sad", "the writer feels remorse", ("sad",)),
        ("asks to write a program, but not in python", "asks to write a program", ("python",)),
        ("annoyed, not angry", "annoyed", ("angry",)),
        ("news that is not about death, and without names", "news", ("death", "names")),
        ("music other than the beatles", "music", ("beatles",)),
        ("the writer does not understand", "the writer does not understand", ()),
        ("hmm, maybe, not certain about this", "hmm, maybe, not certain about this", ()),
        ("a question without one answer", "a question without one answer", ()),
        ("there is no god and no afterlife", "there is no god and no afterlife", ()),
        ("not only praise", "not only praise", ()),
        ("without code", "without code", ()),
        ("notable butter without", "notable butter without", ()),
        ('"rude but not angry"', "rude but not angry", ()),
        ("“rude but not angry”", "rude but not angry", ()),
        ('"polite" but not "rude"', "polite", ("rude",)),
        ('"calm, not angry" without "but not"', "calm, not angry", ("but not",)),
        ('a 5" screen without dust', 'a 5" screen', ("dust",)),
        ("people with no friends", "people with no friends", ()),
        ("those who live without a car", "those who live without a car", ()),
        ("apps that do not work without internet", "apps that do not work without internet", ()),
        ("life without children", "life without children", ()),
        ("texts without hope", "texts without hope", ()),
        ("a polite request without thanks", "a polite request", ("thanks",)),
        ("sad people without children", "sad people", ("children",)),
        ("people but not children", "people", ("children",)),
        ("does not praise, without insults", "does not praise", ("insults",)),
    ],
)
def test_what_a_description_does_not_want(text: str, wanted: str, unwanted: tuple[str, ...]) -> None:
    assert split_negation(text) == (wanted, unwanted)


@given(st.text(st.sampled_from("ab ,.\"butnowhe'"), max_size=40))
def test_a_split_leaves_something_that_is_wanted(text: str) -> None:
    wanted, unwanted = split_negation(text)
    assert (wanted.strip() or not text.strip(' ",')) and all(each.strip() for each in unwanted)
    if not re.search(r"not|without|n't|no ", text):
        assert unwanted == ()


def test_capitals_and_plain_negations_go_together() -> None:
    assert split_clauses("hedging but not polite AND money NOT code") == [
        ("hedging", False), ("polite", True), ("money", False), ("code", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ('"salt AND pepper"', [("salt AND pepper", False)]),
        ('rain NOT "polite"', [("rain", False), ("polite", True)]),
        (
            '"salt AND pepper" AND rain NOT "a NOT b"',
            [("salt AND pepper", False), ("rain", False), ("a NOT b", True)],
        ),
        (
            '"statements about rain" but not "texts about fog"',
            [("statements about rain", False), ("texts about fog", True)],
        ),
        ('rain AND "" fog', [("rain", False), ('"" fog', False)]),
    ],
)
def test_double_quotes_keep_what_stands_in_them(text: str, clauses: list[tuple[str, bool]]) -> None:
    assert split_clauses(text) == clauses


# ---- documents judged ------------------------------------------------------------------------------------


def row_of(id: str) -> int:
    if id not in ("a", "b", "x,y", "7"):
        raise CorpusError("no such document")
    return {"a": 100, "b": 101, "x,y": 102, "7": 103}[id]


@pytest.mark.parametrize(
    ("more", "less", "rows"),
    [
        (["1,3"], ["2"], ((10, 30), (20,))),
        ([1, "3 , 4"], [], ((10, 30, 40), ())),
        (["a"], ["b,2"], ((100,), (101, 20))),
        (["x,y"], [], ((102,), ())),
        (["id:7", "1,1"], [], ((103, 10), ())),
    ],
)
def test_numbers_and_ids(more: list[str | int], less: list[str | int], rows: tuple) -> None:
    found = judged(more, less, [10, 20, 30, 40], row_of)
    assert (found.more, found.less) == rows


@pytest.mark.parametrize(
    ("more", "less", "said"),
    [
        (["5"], [], "--more 5: the search found 4 documents"),
        ([0], [], "--more 0"),
        ([], ["nobody"], "--less 'nobody': there is no document of that id"),
        (["1"], ["a,1"], "document 1 cannot be both"),
    ],
)
def test_judgements_that_cannot_be(more: list[str | int], less: list[str | int], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        judged(more, less, [10, 20, 30, 40], row_of)


def test_later_judgements_count_more() -> None:
    first, then = Judged((1, 2), (3,)), Judged((3,), (2, 4))
    assert first.with_others(then) == Judged((1, 3), (2, 4))
    assert not Judged() and first


def test_a_profile_has_the_features_that_documents_share(
    searcher: Searcher, made: tuple[Corpus, Truth]
) -> None:
    dense = made[1].dense("value")
    rows, weight = np.array([7, 3, 30, 50]), np.array([2.0, 1.0, -1.0, -3.0])
    sample = Sample(rows, weight, unlike=0.3)
    query = feature_profile(searcher.whole, searcher.sae, searcher.scorer, searcher.labels, sample, "these")
    assert query is not None
    n, expected = len(dense), np.zeros(D_SAE)
    for f in range(D_SAE):
        scale, df = searcher.scorer.scale(f), int((dense[:, f] > 0).sum())
        for sign, counts in ((1, 1.0), (-1, -0.3)):
            side = [
                (abs(w), min(dense[r, f] / scale, 1.0))
                for r, w in zip(rows, weight, strict=True)
                if w * sign > 0
            ]
            mean = sum(w * s for w, s in side) / sum(w for w, _ in side)
            expected[f] += counts * (mean - TYPICAL * df / n)
        expected[f] *= np.log((n + 1) / (df + 1))
    found = {term.feature: term.weight for term in query.clauses[0].terms}
    np.testing.assert_allclose(
        [found.get(f, 0.0) for f in range(D_SAE)], expected / np.abs(expected).max(), atol=1e-6
    )


def test_judged_documents_are_left_out_and_others_like_them_come_first(
    searcher: Searcher, made: tuple[Corpus, Truth]
) -> None:
    first = searcher.search("river", top=20)
    fitted = first.refine(more=[1, 2], less=[3])
    assert not set(first.ids[:3]) & set(fitted.ids) and len(fitted) == 20
    assert fitted.metrics["right"] == 2 and fitted.metrics["wrong"] == 1
    same = searcher.search("river", top=20, more=["1,2"], less=[first.ids[2]])
    assert same.ids == fitted.ids
    np.testing.assert_allclose(same.table["score"], fitted.table["score"])
    for row in fitted.table.iter_rows(named=True):
        parts = [row[f"part_{name}"] for name in ("before", "features", "dense")]
        assert row["score"] == pytest.approx(sum(parts))
    again = fitted.refine(less=[1])
    assert again.metrics["wrong"] == 2 and fitted.ids[0] not in again.ids
    assert not set(first.ids[:3]) & set(again.ids)
    where = searcher.search("river", where="model = 'gpt4'", top=70, more=[1])
    assert set(where.table["row"] % 3) == {0}
    with pytest.raises(InputError, match="name documents"):
        first.refine()


def test_features_alone_can_be_refitted(made: tuple[Corpus, Truth]) -> None:
    labels = FeatureLabels.from_rows([FeatureLabel(f, name) for f, name in enumerate(NAMES)])
    searcher = Searcher(made[0], labels=labels, lexical=True)
    dense = made[1].dense("value")
    strong = [int(r) for r in np.argsort(-dense[:, 4])[:3]]
    first = searcher.search(features={0: 1.0}, mode=None, top=70)
    ids = [made[1].ids[r] for r in strong]
    fitted = first.refine(more=ids, top=70)
    before = {id: at for at, id in enumerate([i for i in first.ids if i not in ids])}
    after = {id: at for at, id in enumerate(fitted.ids)}
    have = [id for id in before if dense[made[1].ids.index(id), 4] > np.quantile(dense[:, 4], 0.8)]
    assert np.mean([after[id] for id in have if id in after]) < np.mean([before[id] for id in have])


# ---- text as it is written -------------------------------------------------------------------------------


def test_literal_text_is_found_as_it_is_written(searcher: Searcher, made: tuple[Corpus, Truth]) -> None:
    for literal in ("🙂", "River", "answer quite"):
        found = searcher.search(literal=literal, top=70)
        counts = {
            i: t.lower().count(literal.lower()) for i, t in zip(made[1].ids, made[1].texts, strict=True)
        }
        assert set(found.ids) == {i for i, n in counts.items() if n}
        assert found.metrics["found"] == len(found) and (np.diff(found.table["score"]) <= 1e-12).all()
        assert all(re.search(rf"«{literal}»", row, re.IGNORECASE) for row in found.table["snippet"])
    with pytest.raises(InputError, match="--words is empty"):
        searcher.search(literal="  ")
    with pytest.raises(InputError, match="mode"):
        searcher.search(literal="river", mode="dense")
    assert json.loads(searcher.search(literal="river", top=1).to_json())["params"]["literal"] == "river"


def test_a_result_of_another_process_says_so(tmp_path: Path) -> None:
    from saetext.analysis.search.result import table_of

    with pytest.raises(InputError, match="search again"):
        SearchResult("search", table_of([]), {}, {}, (), ()).refine(more=[1])


# ---- features set by hand where nothing fits the words -----------------------------------------------------


def test_features_set_by_hand_count_where_no_label_fits_the_words(searcher: Searcher) -> None:
    for text in ("river", "zorbleflax"):  # a label; and no label, word or embedding known
        by_hand = searcher.search(text, mode="hybrid", features={4: 1.5}, top=70)
        assert column(by_hand, "part_features", 70).any()
        assert {t.feature for c in by_hand.query.clauses for t in c.terms} >= {4}
        assert any("set by hand" in note for note in by_hand.notes) == (text == "zorbleflax")


def test_features_set_by_hand_count_where_labels_are_far(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Asked(
        "river", np.zeros(2, np.float32), np.array([0]), np.array([0.1]), None, None, None, 0.1, "sky", 1
    )
    monkeypatch.setattr(searcher.resources, "asked", lambda text: far)
    monkeypatch.setattr(searcher, "build_query", _only_by_hand(searcher))
    found = searcher.search("river", mode="hybrid", features={4: 1.5}, top=70)
    assert [t.feature for t in found.query.clauses[0].terms] == [4]
    alone = searcher.search(features={4: 1.5}, top=70)
    have = column(alone, "score", 70)
    np.testing.assert_allclose(np.nan_to_num(column(found, "score_features", 70)), have)
    asking = Asking([("river", False)], found.query, None, SearchRequest(features={4: 1.5}))
    parts = together(searcher, asking, _rankings(searcher, "river"), Reach(70, None), Weights(first=0)).parts
    np.testing.assert_allclose(parts["features"] / parts["features"].std(), by_hand(have), atol=1e-6)
    assert any("no feature fits" in note and "set by hand" in note for note in found.notes)


def _only_by_hand(searcher: Searcher) -> Callable:
    """What a query is made of, without asking labels by meaning, which this corpus has not."""
    true = searcher.build_query

    def build(query: object = None, *, features: object = None, **others: object) -> object:
        return true(None, features=features or {0: 1.0})

    return build


# ---- what a search leaves out, and what is further down ----------------------------------------------------


def test_what_a_search_leaves_out_stays_out_when_it_is_refitted(
    searcher: Searcher, made: tuple[Corpus, Truth]
) -> None:
    ids = made[1].ids
    similar = searcher.search(similar=ids[3], top=70).refine(more=[1], top=70)
    assert ids[3] not in similar.ids and len(similar) == 68  # 70 less itself and the one judged
    named = ids[:3]
    like = searcher.search(like=named, unlike=[ids[4]], top=70).refine(more=[1], top=70)
    assert not {*named, ids[4]} & set(like.ids)
    has = {id for id, text in zip(ids, made[1].texts, strict=True) if "river" in text.lower()}
    literal = searcher.search(literal="river", top=3).refine(more=[1], top=70)
    assert set(literal.ids) == has - {searcher.search(literal="river", top=1).ids[0]}


def test_documents_beyond_the_first_page_can_be_judged_by_their_number(
    searcher: Searcher, made: tuple[Corpus, Truth]
) -> None:
    for asked in ({"literal": "river"}, {"like": made[1].ids[:3]}):
        whole = searcher.search(**asked, top=70)
        fourth = searcher.search(**asked, top=3, more=[4])
        assert whole.ids[3] not in fourth.ids and fourth.metrics["right"] == 1
        np.testing.assert_allclose(
            fourth.table["score"], searcher.search(**asked, top=3, more=[whole.ids[3]]).table["score"]
        )


# ---- what is not wanted, once and as the request says ------------------------------------------------------


def test_what_is_not_wanted_is_one_question_and_taken_as_the_request_says(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = searcher.search("river", exclude=["plain"], top=70)
    for unwanted in ("NOT plain", "plain AND"):
        found = searcher.search("river", mode="hybrid", exclude=[unwanted], top=70)
        assert (column(found, "part_not", 70) < 0).any()
    told: list[tuple[object, object]] = []
    true = together_module.detector_meant
    monkeypatch.setattr(
        together_module, "detector_meant", lambda s, t, r: told.append((r.mode, r.settings)) or true(s, t, r)
    )
    settings = Settings(features=1)
    one = searcher.search("river", exclude=["plain answer"], mode="hybrid", settings=settings, top=70)
    assert told == [("hybrid", settings)]
    more = searcher.search("river", exclude=["plain answer"], mode="hybrid", top=70)
    assert (column(one, "part_not", 70) != column(more, "part_not", 70)).any()
    assert plain.params["mode"] == "hybrid"


def test_a_search_reads_each_vector_once(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    index = searcher.resources.vectors("dense")
    searcher.resources.middle()
    read: list[int] = []
    true = index.vectors
    monkeypatch.setattr(index, "vectors", lambda rows: read.append(len(rows)) or true(rows))
    searcher.search("river", top=70)
    assert sum(read) <= 2 * 70 + WEIGHTS.first  # by the question, and by what the first documents share
    read.clear()
    searcher.search("river but not plain and without answer", top=70)
    assert sum(read) <= 4 * 70 + WEIGHTS.first  # and by both that are not wanted


# ---- the edges of a refit ----------------------------------------------------------------------------------


def test_a_refit_shows_its_first_page_and_records_every_judgement(searcher: Searcher) -> None:
    whole = searcher.search("river", top=70)
    page = searcher.search("river", top=3, offset=3)
    fitted = page.refine(more=[4])
    assert list(fitted.table["rank"]) == [1, 2, 3]
    assert fitted.ids == searcher.search("river", top=3, more=[whole.ids[3]]).ids
    assert fitted.params["offset"] == 0 and fitted.params["more"] == [whole.ids[3]]
    later = page.refine(more=[4], top=4, offset=2)
    assert later.ids == page.refine(more=[4], top=6).ids[2:] and list(later.table["rank"]) == [3, 4, 5, 6]
    assert later.params["offset"] == 2
    again = fitted.refine(less=[2])
    assert again.params["more"] == [whole.ids[3]] and again.params["less"] == [fitted.ids[1]]
    repeated = searcher.search("river", top=3, more=again.params["more"], less=again.params["less"])
    assert repeated.ids == again.ids
    assert [written(id) for id in ("7", "1,2", "id:7", "x,y")] == ["id:7", "id:1,2", "id:id:7", "x,y"]


def test_a_reranked_result_is_not_refined(searcher: Searcher) -> None:
    class Grader:
        model = "tiny"

        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"the language model is asked for {name}")

    request = SearchRequest(rerank=2, reranker=Grader(), top=5)
    found = searcher._result(
        search_in_words(searcher, "river", SearchRequest(top=5)), request, {"mode": "hybrid"}
    )
    with pytest.raises(InputError, match="grades"):
        found.refine(more=[1])
