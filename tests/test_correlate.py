"""Pairs of features against counting by hand, scipy, and what was planted."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_corpus import DenseCorpus
from statsmodels.stats.multitest import multipletests
from whole_results import correlate

from saetext import stats
from saetext.analysis.cooccurrence.items import Stored, feature_items
from saetext.analysis.cooccurrence.kept import Sides
from saetext.analysis.cooccurrence.result import COLUMNS
from saetext.analysis.cooccurrence.rows import nested
from saetext.analysis.cooccurrence.strata import Strata
from saetext.analysis.cooccurrence.streaming import stream_pairs
from saetext.errors import InputError
from saetext.reader import sentences as embed

NO_LIMITS = {"max_similarity": 2.0, "max_cosine": 2.0, "max_same_phrase": 2.0}


@pytest.fixture(autouse=True)
def _labels_by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are compared by their words: no model is loaded."""
    monkeypatch.setattr(embed, "available", lambda: False)


def planted(n: int = 400, d: int = 12, seed: int = 0) -> tuple[DenseCorpus, np.ndarray]:
    """Feature 1 is nearly always with 0, feature 3 hardly ever with 2; the others are independent."""
    rng = np.random.default_rng(seed)
    present = rng.random((n, d)) < rng.uniform(0.1, 0.5, d)
    present[:, 1] = np.where(rng.random(n) < 0.95, present[:, 0], present[:, 1])
    present[:, 3] = ~present[:, 2] & (rng.random(n) < 0.5)
    value = present * rng.uniform(0.5, 2, (n, d))
    peak = rng.integers(0, 12, (n, d))
    tokens = rng.lognormal(4, 0.5, n).astype(int) + 5
    return DenseCorpus(value, peak=peak, n_tokens=tokens), present


def brute(present: np.ndarray, code: np.ndarray) -> dict[tuple[int, int], dict[str, float]]:
    """Every pair with its counts and moments, by plain loops over strata."""
    found = {}
    for a, b in combinations(range(present.shape[1]), 2):
        mean = variance = most = 0.0
        for s in np.unique(code):
            x, y = present[code == s, a], present[code == s, b]
            n = len(x)
            mean += x.sum() * y.sum() / n
            most += min(x.sum(), y.sum())
            if n > 1:
                p, q = x.mean(), y.mean()
                variance += n * n * p * (1 - p) * q * (1 - q) / (n - 1)
        both = int((present[:, a] & present[:, b]).sum())
        found[a, b] = {
            "both": both, "mean": mean, "variance": variance,
            "p": float(stats.joint_tail(both, mean, variance, most)),
        }  # fmt: skip
    return found


def test_the_planted_pairs_are_found_and_no_others() -> None:
    corpus, _ = planted()
    result = correlate(corpus, **NO_LIMITS)
    pairs = {frozenset((r["feature_a"], r["feature_b"])): r for r in result.table.to_dicts()}
    assert set(pairs) == {frozenset((0, 1)), frozenset((2, 3))}
    assert pairs[frozenset((0, 1))]["npmi"] > 0.5
    assert pairs[frozenset((2, 3))]["npmi"] == -1
    assert all(r["confirmed"] for r in pairs.values())
    assert result.metrics["eligible_pairs"] == 66
    assert list(result.table.columns) == list(COLUMNS)


def test_the_columns_follow_from_the_counts() -> None:
    corpus, present = planted()
    n = len(present)
    for row in correlate(corpus, **NO_LIMITS, everything=True).table.to_dicts():
        a, b = present[:, row["feature_a"]], present[:, row["feature_b"]]
        both = (a & b).sum()
        assert (row["n_a"], row["n_b"], row["n_ab"]) == (a.sum(), b.sum(), both)
        assert row["lift"] == pytest.approx(both * n / (a.sum() * b.sum()))
        assert row["phi"] == pytest.approx(np.corrcoef(a, b)[0, 1])
        assert row["p_b_given_a"] == pytest.approx(both / a.sum())
        assert row["p_a_given_b"] == pytest.approx(both / b.sum())
        chance = a.mean() * b.mean()
        raw = -1 if not both else np.log(both / n / chance) / -np.log(both / n)
        assert row["npmi_raw"] == pytest.approx(raw)
        assert row["npmi"] == pytest.approx(float(stats.npmi(both, row["expected"], n)))
        assert row["npmi_low"] <= row["npmi"] <= row["npmi_high"]


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    """Presence of few features in few documents: some always on, some never, some once."""
    n, d = draw(st.integers(2, 60)), draw(st.integers(2, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rates = np.array([draw(st.sampled_from([0.0, 0.02, 0.2, 0.5, 0.9, 1.0])) for _ in range(d)])
    present = rng.random((n, d)) < rates
    if draw(st.booleans()):
        present[:, 0] = False
        present[draw(st.integers(0, n - 1)), 0] = True
    return present


@pytest.mark.parametrize("many", [False, True])
@settings(max_examples=60, deadline=None)
@given(present=matrices(), data=st.data())
def test_all_pairs_are_counted_as_by_hand(many: bool, present: np.ndarray, data: st.DataObject) -> None:
    n = len(present)
    code = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), np.int32)
    code = np.unique(code, return_inverse=True)[1].astype(np.int32)
    stored = Stored.of(DenseCorpus(present.astype(float), block=7), "main")
    items, rare, always = feature_items(stored, np.arange(n), 1)
    counts = present.sum(0)
    assert sorted(items.name.tolist()) == np.flatnonzero((counts > 0) & (counts < n)).tolist()
    assert (rare, always) == (0, (counts == n).sum())
    strata = Strata(code, 0, n, few=not many)
    half = data.draw(st.integers(0, n))
    found = stream_pairs(items, None, strata, half, least=1)
    expected = brute(present, code)
    kept = {}
    for k in range(len(found.pairs)):
        a, b = sorted(items.name[[found.pairs.left[k], found.pairs.right[k]]].tolist())
        kept[a, b] = k
    live = [pair for pair in expected if all(0 < counts[f] < n for f in pair)]
    assert found.tests == len(live)
    for pair in live:
        truth = expected[pair]
        eligible = truth["both"] >= 1 if truth["both"] > truth["mean"] else truth["mean"] >= 20
        z = (abs(truth["both"] - truth["mean"]) - 0.5) / max(np.sqrt(truth["variance"]), 1e-9)
        if pair in kept:
            k = kept[pair]
            assert eligible
            assert found.pairs.both[k] == truth["both"]
            assert found.pairs.half[k] == (present[:half, pair[0]] & present[:half, pair[1]]).sum()
            assert found.pairs.p[k] == pytest.approx(truth["p"], rel=1e-4)
        elif eligible and truth["variance"] > 1e-9:
            assert truth["p"] >= 0.05 or z < 1.61
    sides = Sides.of(strata, items, items)
    left, right = np.array(list(np.ndindex(len(items), len(items))), np.int64).reshape(-1, 2).T
    moments = sides.left.moments(left, sides.right, right)
    for k, (i, j) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        pair = tuple(sorted(items.name[[i, j]].tolist()))
        if i != j:
            assert moments.mean[k] == pytest.approx(expected[pair]["mean"], rel=1e-4, abs=1e-6)
            assert moments.variance[k] == pytest.approx(expected[pair]["variance"], rel=1e-4, abs=1e-5)


def test_q_is_benjamini_hochberg_over_all_pairs() -> None:
    corpus, present = planted(n=600, d=20, seed=3)
    result = correlate(corpus, **NO_LIMITS, everything=True, bootstrap=0)
    tokens = corpus.frame["n_tokens"].to_numpy().astype(float)
    truth = brute(present, nested(np.zeros(600, np.int32), tokens, 20))
    p = []
    for values in truth.values():
        eligible = values["both"] >= 5 if values["both"] > values["mean"] else values["mean"] >= 20
        p.append(values["p"] if eligible else 1.0)
    q = dict(zip(truth, multipletests(p, method="fdr_bh")[1], strict=True))
    for row in result.table.to_dicts():
        pair = tuple(sorted((row["feature_a"], row["feature_b"])))
        if q[pair] < 0.09 and truth[pair]["variance"] > 10:
            assert row["q"] == pytest.approx(q[pair], rel=2e-3)
            assert row["p"] == pytest.approx(truth[pair]["p"], rel=1e-4)


def lognormal_corpus(seed: int, n: int = 4000, d: int = 60) -> DenseCorpus:
    """Independent features that longer documents have more of."""
    rng = np.random.default_rng(seed)
    tokens = np.maximum(rng.lognormal(5, 0.8, n), 5)
    rate = 10 ** rng.uniform(-4, -2, d)
    present = rng.random((n, d)) < 1 - np.exp(-np.outer(tokens, rate))
    return DenseCorpus(present.astype(float), n_tokens=tokens.astype(int), texts=False)


def test_length_alone_is_not_called_a_correlation() -> None:
    corpus = lognormal_corpus(0)
    result = correlate(corpus, **NO_LIMITS, everything=True, bootstrap=0, min_support=5)
    assert result.metrics["significant"] == 0
    assert result.metrics["confirmed"] == 0
    # the counts alone would call most of them significant
    present = corpus.value > 0
    truth = brute(present, np.zeros(len(present), int))
    plain = multipletests([v["p"] for v in truth.values()], method="fdr_bh")[1]
    assert (plain < 0.05).mean() > 0.5


def test_shuffled_within_length_little_is_found() -> None:
    corpus = lognormal_corpus(1, n=1500, d=30)
    rng = np.random.default_rng(5)
    found = 0
    code = nested(np.zeros(1500, np.int32), corpus.frame["n_tokens"].to_numpy().astype(float), 20)
    for _ in range(12):
        value = corpus.value.copy()
        for s in np.unique(code):
            rows = np.flatnonzero(code == s)
            for f in range(value.shape[1]):
                value[rows, f] = value[rng.permutation(rows), f]
        shuffled = DenseCorpus(value, n_tokens=corpus.frame["n_tokens"].to_numpy(), texts=False)
        result = correlate(shuffled, **NO_LIMITS, bootstrap=0)
        found += result.metrics["significant"] > 0
    assert found <= 2  # 5 % of 12, with room for chance


def test_what_is_one_phrase_is_hidden_and_counted() -> None:
    corpus, _ = planted()
    corpus.peak[:, 1] = np.minimum(corpus.peak[:, 0] + 1, 11)
    result = correlate(corpus, **NO_LIMITS | {"max_same_phrase": 0.5})
    assert {r["feature_a"] for r in result.table.to_dicts()} <= {2, 3}
    assert result.metrics["hidden"]["one phrase"] == result.metrics["hidden_pairs"] == 1
    shown = correlate(corpus, **NO_LIMITS | {"max_same_phrase": 0.5}, everything=True).table
    row = shown.filter(pl.col("hidden").is_not_null()).to_dicts()[0]
    assert {row["feature_a"], row["feature_b"]} == {0, 1}
    assert row["same_phrase"] == 1


def test_same_phrase_is_the_share_of_close_peaks() -> None:
    corpus, present = planted()
    row = next(
        r
        for r in correlate(corpus, **NO_LIMITS).table.to_dicts()
        if {r["feature_a"], r["feature_b"]} == {0, 1}
    )
    both = present[:, 0] & present[:, 1]
    apart = np.abs(corpus.peak[both, 0] - corpus.peak[both, 1])
    assert row["same_phrase"] == pytest.approx((apart <= 2).mean())


def test_top_keeps_the_strongest_of_each_kind() -> None:
    corpus, _ = planted(n=1000)
    corpus.value[:, 5] = corpus.value[:, 4]
    whole = correlate(corpus, **NO_LIMITS)
    first = correlate(corpus, **NO_LIMITS, top=1)
    more, less = (whole.table.filter(kind) for kind in (pl.col("npmi") > 0, pl.col("npmi") < 0))
    assert len(more) >= 2
    assert first.table["npmi"].to_list() == [more["npmi"][0], less["npmi"][0]]
    assert first.metrics["significant"] == whole.metrics["significant"]
    for every in (0, None):
        assert correlate(corpus, **NO_LIMITS, top=every).table.height == whole.table.height


def test_to_one_feature_counts_its_pairs_alone() -> None:
    corpus, _ = planted()
    result = correlate(corpus, to=1, **NO_LIMITS)
    assert result.metrics["eligible_pairs"] == 11
    assert result.table.select("feature_a", "feature_b").rows() == [(1, 0)]
    two = correlate(corpus, to=[0, 1], **NO_LIMITS)
    assert two.metrics["eligible_pairs"] == 11 + 10
    assert two.table.height == 1


def test_to_words_finds_the_label() -> None:
    corpus, _ = planted()
    result = correlate(corpus, to="word1", **NO_LIMITS)
    assert result.params["to"] == [1]
    assert any("taken to mean" in note for note in result.notes)
    with pytest.raises(InputError, match="no feature's label is like 'zebra'"):
        correlate(corpus, to="zebra")


def test_groups_make_it_harder() -> None:
    rng = np.random.default_rng(4)
    # ten users who wrote forty texts each: what a user does is in all of theirs
    user = np.repeat(np.arange(10), 40)
    style = rng.random((10, 6)) < 0.5
    present = np.where(rng.random((400, 6)) < 0.9, style[user], rng.random((400, 6)) < 0.5)
    corpus = DenseCorpus(present.astype(float), meta={"user": user})
    alone = correlate(corpus, **NO_LIMITS, bootstrap=0)
    grouped = correlate(corpus, group="user", **NO_LIMITS, bootstrap=0)
    assert alone.metrics["significant"] > 3
    assert grouped.metrics["significant"] == 0


def test_grouped_p_is_that_of_students_t_on_the_groups_sums() -> None:
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(6)
    user = np.repeat(np.arange(60), 10)
    present = rng.random((600, 3)) < 0.4
    present[:, 1] |= present[:, 0]
    tokens = np.full(600, 12)
    peak = rng.integers(0, 12, present.shape)
    corpus = DenseCorpus(present.astype(float), peak=peak, n_tokens=tokens, meta={"user": user})
    row = correlate(corpus, group="user", **NO_LIMITS, bootstrap=0).table.to_dicts()[0]
    a, b = present[:, row["feature_a"]], present[:, row["feature_b"]]
    product = (a - a.mean()) * (b - b.mean())
    sums = np.bincount(user, weights=product)
    assert row["p"] == pytest.approx(ttest_1samp(sums, 0).pvalue, rel=1e-6)


def test_the_bootstrap_covers_the_truth() -> None:
    inside = 0
    both = {1: 0.19, 0: 0.01}
    p_ab = 0.2 * both[1] / 0.2
    truth = np.log(p_ab / (0.2 * (0.19 + 0.8 * 0.05))) / -np.log(p_ab)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        a = rng.random(400) < 0.2
        b = np.where(a, rng.random(400) < 0.95, rng.random(400) < 0.05)
        value = np.stack([a, b, rng.random(400) < 0.5], 1).astype(float)
        corpus = DenseCorpus(value, peak=rng.integers(0, 12, value.shape))
        row = correlate(corpus, **NO_LIMITS, bootstrap=200, seed=seed).table.to_dicts()[0]
        inside += row["npmi_low"] <= truth <= row["npmi_high"]
    assert inside >= 25


def test_the_same_seed_gives_the_same_result() -> None:
    corpus, _ = planted()
    one, two = (correlate(corpus, seed=3, sample=300, **NO_LIMITS) for _ in range(2))
    assert one.to_json() == two.to_json()
    assert any("a sample of 300 of 400" in note for note in one.notes)


def test_json_is_strict() -> None:
    corpus, _ = planted()
    whole = json.loads(
        correlate(corpus, **NO_LIMITS).to_json(),
        parse_constant=lambda name: pytest.fail(f"{name} in JSON"),
    )
    assert whole["kind"] == "correlate"
    assert set(whole["rows"][0]) == set(COLUMNS)


def test_without_texts_there_are_no_snippets() -> None:
    corpus, _ = planted()
    silent = DenseCorpus(corpus.value, texts=False)
    result = correlate(silent, **NO_LIMITS)
    assert result.table["snippet"].is_null().all()
    assert any("not stored" in note for note in result.notes)


def test_snippets_mark_both() -> None:
    corpus, _ = planted()
    row = correlate(corpus, **NO_LIMITS).table.to_dicts()[0]
    assert "«" in row["snippet"]
    assert "‹" in row["snippet"]


@pytest.mark.parametrize(
    ("value", "settings_", "message"),
    [
        (np.ones((1, 3)), {}, "1 document to look at"),
        (np.zeros((0, 3)), {}, "has no documents"),
        (np.ones((50, 3)), {}, "no feature is present in 5 or more of the 50 documents"),
        (np.eye(50), {"min_support": 60}, "no feature is present in 60 or more"),
        (np.eye(50), {"group": "user"}, "no column 'user'"),
        (np.eye(50), {"within": "user"}, "no column 'user'"),
        (np.eye(50), {"column": "user"}, "no column 'user'"),
        (np.eye(50), {"to": 50}, "there is no feature 50"),
        (np.eye(50), {"to": 5}, "present in fewer than 5"),
        (np.eye(50), {"min_support": 0}, "at least 1"),
        (np.eye(50), {"top": -1}, "at least 0"),
    ],
)
def test_bad_requests_are_told_in_one_line(value: np.ndarray, settings_: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        correlate(DenseCorpus(value), **settings_)
    assert "\n" not in str(caught.value)


def test_one_feature_alone_has_no_pair() -> None:
    value = np.zeros((100, 2))
    value[:40, 0] = 1
    with pytest.raises(InputError, match="no two features to pair"):
        correlate(DenseCorpus(value))


def test_small_piles_are_tested_exactly() -> None:
    """With few documents every p is exact, and q is that over all eligible pairs."""
    rng = np.random.default_rng(8)
    base = rng.random(150) < 0.5
    present = np.where(rng.random((150, 14)) < 0.35, base[:, None], rng.random((150, 14)) < 0.5)
    corpus = DenseCorpus(present.astype(float), peak=rng.integers(0, 12, present.shape))
    result = correlate(corpus, **NO_LIMITS, everything=True, bootstrap=0)
    p = {}
    for a, b in combinations(range(14), 2):
        both = int((present[:, a] & present[:, b]).sum())
        exact = stats.joint_tail_exact(both, [present[:, a].sum()], [present[:, b].sum()], [150])
        mean = present[:, a].sum() * present[:, b].sum() / 150
        p[a, b] = exact if (both >= 5 if both > mean else mean >= 20) else 1.0
    q = dict(zip(p, multipletests(list(p.values()), method="fdr_bh")[1], strict=True))
    assert result.metrics["significant"] == sum(value < 0.05 for value in q.values())
    for row in result.table.to_dicts():
        pair = tuple(sorted((row["feature_a"], row["feature_b"])))
        assert row["p"] == pytest.approx(p[pair], rel=1e-6)
        if q[pair] < 0.05:
            assert row["q"] == pytest.approx(q[pair], rel=1e-6)
