"""Features of two corpora, against columns and numbers, within a column: against scipy and by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_corpus import DenseCorpus
from whole_results import correlate

from saetext import stats
from saetext.analysis.cooccurrence.items import Items
from saetext.analysis.cooccurrence.meeting import Placed
from saetext.analysis.cooccurrence.numeric import rank_correlations, spearman
from saetext.analysis.cooccurrence.rows import make_rows, nested
from saetext.errors import InputError
from saetext.reader import sentences as embed

NO_LIMITS = {"max_similarity": 2.0, "max_cosine": 2.0, "max_same_phrase": 2.0}


@pytest.fixture(autouse=True)
def _labels_by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "available", lambda: False)


def two(n: int = 300, seed: int = 0, order: np.ndarray | None = None) -> tuple[DenseCorpus, DenseCorpus]:
    """Prompts and answers: feature 2 of an answer is there where feature 5 of its prompt is."""
    rng = np.random.default_rng(seed)
    prompts = rng.random((n, 7)) < 0.3
    answers = rng.random((n, 6)) < 0.3
    answers[:, 2] = np.where(rng.random(n) < 0.9, prompts[:, 5], answers[:, 2])
    order = np.arange(n) if order is None else order
    a = DenseCorpus(prompts.astype(float), meta={"key": np.arange(n)}, path="prompts.corpus")
    b = DenseCorpus(answers[order].astype(float), meta={"key": order}, path="answers.corpus")
    return a, b


# ---- across -----------------------------------------------------------------------------------------------


def test_across_pairs_rows_on_a_key_in_any_order() -> None:
    order = np.random.default_rng(1).permutation(300)
    a, b = two(order=order)
    row = correlate(a, b, pair_on="key", **NO_LIMITS, top=1).table.to_dicts()[0]
    assert (row["feature_a"], row["feature_b"]) == (5, 2)
    x, y = a.value[:, 5] > 0, b.value[np.argsort(order), 2] > 0
    assert (row["n_a"], row["n_b"], row["n_ab"]) == (x.sum(), y.sum(), (x & y).sum())
    assert row["phi"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert row["same_phrase"] is None


def test_across_counts_every_pair_of_the_two() -> None:
    a, b = two()
    result = correlate(a, b, pair_on="key", **NO_LIMITS, everything=True)
    assert result.metrics["eligible_pairs"] == 42
    for row in result.table.to_dicts():
        x, y = a.value[:, row["feature_a"]] > 0, b.value[:, row["feature_b"]] > 0
        assert row["n_ab"] == (x & y).sum()
        assert row["expected"] == pytest.approx(x.sum() * y.sum() / 300)


def test_across_a_feature_that_is_in_both_is_hidden() -> None:
    rng = np.random.default_rng(3)
    topic = rng.random((300, 4)) < 0.3
    a = DenseCorpus(topic.astype(float), meta={"key": np.arange(300)})
    b = DenseCorpus((topic ^ (rng.random((300, 4)) < 0.05)).astype(float), meta={"key": np.arange(300)})
    result = correlate(a, b, pair_on="key")
    assert len(result) == 0
    assert result.metrics["hidden"]["similar labels"] == 4


def test_several_answers_to_a_prompt_are_a_group() -> None:
    a, b = two(100)
    many = DenseCorpus(np.repeat(b.value, 3, 0), meta={"key": np.repeat(np.arange(100), 3)})
    result = correlate(a, many, pair_on="key", **NO_LIMITS, everything=True)
    once = correlate(a, b, pair_on="key", **NO_LIMITS, everything=True)
    assert result.metrics["rows"] == 300
    assert any("as a group" in note for note in result.notes)
    # three copies of each answer tell no more than one
    p = {(r["feature_a"], r["feature_b"]): r["p"] for r in result.table.to_dicts()}
    assert p[5, 2] >= once.table.filter(pl.col("feature_a") == 5)["p"].min()
    assert result.metrics["significant"] <= once.metrics["significant"] + 1


def test_keys_that_pair_nothing_and_keys_that_repeat_in_both() -> None:
    a, b = two(50)
    b.frame = b.frame.with_columns(key=pl.col("key") + 1000)
    with pytest.raises(InputError, match=r"no key of prompts occurs in answers.*columns of both: id, key"):
        correlate(a, b, pair_on="key")
    with pytest.raises(InputError, match="no column 'nothing' in prompts"):
        correlate(a, b, pair_on="nothing")
    for corpus in (a, b):
        corpus.frame = corpus.frame.with_columns(key=pl.lit(1))
    with pytest.raises(InputError, match="repeat in both"):
        correlate(a, b, pair_on="key")


def test_rows_pair_by_themselves_and_say_so() -> None:
    a, b = two(60)
    rows = make_rows([a, b], ["prompts", "answers"])
    assert any("belong together on id, so they were paired" in note for note in rows.notes)
    b.frame = b.frame.with_columns(id=pl.lit("x") + pl.col("id")).head(60)
    a.frame, b.frame = (c.frame.rename({"key": "prompt_id"}) for c in (a, b))
    rows = make_rows([a, b], ["prompts", "answers"])
    assert any("on prompt_id" in note for note in rows.notes)
    b.frame = b.frame.with_columns(prompt_id=pl.when(pl.col("prompt_id") < 40).then("prompt_id"))
    with pytest.raises(InputError, match="only 67 % of the documents find a partner on prompt_id"):
        make_rows([a.select(pl.col("prompt_id") < 60), b], ["prompts", "answers"])


# ---- columns ----------------------------------------------------------------------------------------------


def with_column(values, seed: int = 0, **more) -> tuple[DenseCorpus, np.ndarray]:
    rng = np.random.default_rng(seed)
    present = rng.random((len(values), 5)) < 0.4
    corpus = DenseCorpus(present * rng.uniform(1, 2, present.shape), meta={"what": values}, **more)
    return corpus, present


def test_each_value_against_each_feature() -> None:
    values = np.random.default_rng(1).choice(["red", "green", "blue"], 300)
    corpus, _ = with_column(values.tolist())
    corpus.value[:, 0] = values == "red"
    result = correlate(corpus, column="what", everything=True)
    assert result.metrics["eligible_pairs"] == 15
    best = result.table.to_dicts()[0]
    assert (best["feature_a"], best["feature_b"], best["label_b"]) == (0, None, "what = red")
    assert best["npmi"] == pytest.approx(1)
    for row in result.table.to_dicts():
        x, y = corpus.value[:, row["feature_a"]] > 0, values == row["label_b"].removeprefix("what = ")
        assert (row["n_a"], row["n_b"], row["n_ab"]) == (x.sum(), y.sum(), (x & y).sum())


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([True, False, False], "what = true"),
        ([1, 0, 0], "what = 1"),
        ([1.0, 0.0, 0.0], "what = 1"),
        (["yes", "no", "no"], "what = yes"),
        (["yes", "no", None], "what = yes"),
    ],
)
def test_of_two_values_one_is_enough(values: list, kept: str) -> None:
    corpus, _ = with_column(values * 60)
    corpus.value[:, 0] = [v in (True, 1, "yes") for v in values] * 60
    result = correlate(corpus, column="what")
    assert result.metrics["eligible_pairs"] == 5
    assert result.table["label_b"].to_list()[0] == kept
    assert any("two values" in note for note in result.notes)
    if None in values:
        assert any("60 documents without a what were left out" in note for note in result.notes)


def test_columns_that_cannot_be_used() -> None:
    corpus, _ = with_column(["same"] * 100)
    with pytest.raises(InputError, match="only 'same'"):
        correlate(corpus, column="what")
    corpus, _ = with_column([None] * 100)
    with pytest.raises(InputError, match="has no value"):
        correlate(corpus, column="what")
    corpus, _ = with_column([f"v{i}" for i in range(100)])
    with pytest.raises(InputError, match="no value of what occurs in 5"):
        correlate(corpus, column="what")
    corpus, _ = with_column([[1, 2]] * 100)
    with pytest.raises(InputError, match="choose one of text or numbers"):
        correlate(corpus, column="what")
    with pytest.raises(InputError, match="within"):
        correlate(with_column(list("ab") * 50)[0], within="id")
    with pytest.raises(InputError, match="same"):
        correlate(with_column(["a"] * 50)[0], within="what")


# ---- numbers ----------------------------------------------------------------------------------------------


def placed_of(value: np.ndarray) -> Placed:
    parts = [np.flatnonzero(column).astype(np.int32) for column in value.T]
    indptr = np.cumsum([0, *map(len, parts)]).astype(np.int64)
    strength = np.concatenate([column[rows] for column, rows in zip(value.T, parts, strict=True)])
    items = Items(np.arange(value.shape[1]), indptr, np.concatenate(parts))
    return Placed(items, strength.astype(np.float32), np.zeros(len(strength), np.int32))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 80), st.integers(1, 4))
def test_ranks_within_strata_as_by_hand(seed: int, n: int, n_strata: int) -> None:
    rng = np.random.default_rng(seed)
    value = np.round(rng.random((n, 4)) * (rng.random((n, 4)) < 0.5), 1).astype(np.float32)
    value[:, 3] = 0
    number = rng.integers(0, 6, n).astype(float)
    code = rng.integers(0, n_strata, n).astype(np.int32)
    code[rng.random(n) < 0.1] = -1
    if not (code >= 0).any():
        code[0] = 0
    found = rank_correlations(placed_of(value), number, code)
    for f in range(4):
        product = own = other = variance = third = 0.0
        for s in range(n_strata):
            rows = code == s
            if not rows.any():
                continue
            size = rows.sum()
            x, y = (
                (scipy.stats.rankdata(v[rows]) - (size + 1) / 2) / (size + 1) for v in (value[:, f], number)
            )
            product += x @ y
            own += x @ x
            other += y @ y
            variance += (x @ x) * (y @ y) / (size - 1) if size > 1 else 0
            if size > 2:
                third += (x**3).sum() * (y**3).sum() * size / ((size - 1) * (size - 2))
        # a stratum in which a feature is nowhere has one rank, and adds nothing
        expected = product / np.sqrt(own * other) if own * other > 0 else 0.0
        assert found.rho[f] == pytest.approx(expected, abs=1e-9)
        if variance > 1e-12:
            law = scipy.stats.pearson3(third / variance**1.5)
            z = product / np.sqrt(variance)
            p = min(2 * min(law.sf(z), law.cdf(z)), 1.0)
            assert found.p[f] == pytest.approx(p, rel=1e-4, abs=1e-12)
        else:
            assert found.p[f] == 1


def test_in_one_stratum_rho_is_scipys() -> None:
    rng = np.random.default_rng(0)
    value = rng.random((200, 3)) * (rng.random((200, 3)) < 0.6)
    number = value[:, 0] + rng.random(200)
    found = rank_correlations(placed_of(value), number, np.zeros(200, np.int32))
    for f in range(3):
        # strengths are kept in single precision
        expected = scipy.stats.spearmanr(value[:, f].astype(np.float32), number)
        assert found.rho[f] == pytest.approx(expected.statistic)
        assert found.low[f] < found.rho[f] < found.high[f]
    assert spearman(value[:, 0], number, np.zeros(200, np.int32)) == pytest.approx(
        scipy.stats.spearmanr(value[:, 0], number).statistic
    )


def test_a_number_finds_what_goes_with_it_at_equal_length() -> None:
    rng = np.random.default_rng(2)
    n = 800
    tokens = rng.lognormal(5, 0.7, n)
    present = rng.random((n, 20)) < 1 - np.exp(-np.outer(tokens, np.full(20, 0.003)))
    number = tokens + rng.normal(0, 20, n) + 120 * present[:, 4]
    corpus = DenseCorpus(
        present * rng.uniform(1, 2, present.shape), n_tokens=tokens.astype(int), meta={"score": number}
    )
    result = correlate(corpus, column="score")
    assert result.table["feature_a"].to_list() == [4]
    row = result.table.to_dicts()[0]
    assert row["confirmed"]
    assert row["npmi"] is None
    assert row["rho"] > 0.2
    assert row["label_b"] == "score"
    assert result.metrics["rho_length"] > 0.5
    raw = correlate(corpus, column="score", everything=True).table
    assert (raw["rho_raw"] > 0.1).mean() > 0.9  # length alone


def test_missing_numbers_are_left_out() -> None:
    rng = np.random.default_rng(5)
    number = rng.random(200)
    corpus, _ = with_column([None if i % 4 == 0 else float(x) for i, x in enumerate(number)])
    result = correlate(corpus, column="what")
    assert result.metrics["rows"] == 150
    assert any("50 documents without a what" in note for note in result.notes)


def test_groups_of_numbers_count_as_groups() -> None:
    rng = np.random.default_rng(7)
    user = np.repeat(np.arange(12), 30)
    style = rng.random((12, 5)) < 0.5
    rating = rng.normal(0, 1, 12)[user] + rng.normal(0, 0.1, 360)
    present = np.where(rng.random((360, 5)) < 0.9, style[user], rng.random((360, 5)) < 0.5)
    corpus = DenseCorpus(present.astype(float), meta={"user": user, "rating": rating})
    assert correlate(corpus, column="rating").metrics["significant"] >= 3
    assert correlate(corpus, column="rating", group="user").metrics["significant"] <= 1


# ---- within -----------------------------------------------------------------------------------------------


def simpson(n: int = 1200, seed: int = 0) -> DenseCorpus:
    """Within each kind of document 0 and 1 avoid each other; kinds that have one have the other."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, n)
    a = rng.random(n) < np.where(kind, 0.85, 0.15)
    b = rng.random(n) < np.where(kind, 0.9, 0.3) - np.where(a, 0.2, 0.0)
    return DenseCorpus(
        np.stack([a, b, rng.random(n) < 0.5], 1).astype(float),
        peak=rng.integers(0, 12, (n, 3)),
        meta={"kind": kind, "score": b + rng.random(n) * 0.1},
    )


def test_a_sign_that_differs_within_is_flagged() -> None:
    corpus = simpson()
    pooled = correlate(corpus, **NO_LIMITS).table.to_dicts()[0]
    assert pooled["npmi"] > 0
    assert pooled["reversed"] is None
    result = correlate(corpus, within="kind", **NO_LIMITS)
    row = result.table.to_dicts()[0]
    assert row["npmi"] < 0 < row["npmi_pooled"]
    assert row["reversed"]
    assert result.metrics["reversed"] == 1
    number = correlate(corpus, column="score", within="kind").table.to_dicts()[0]
    assert (number["feature_a"], number["reversed"]) == (1, False)
    rows = correlate(corpus, column="score", within="kind").table.to_dicts()
    other = next(r for r in rows if r["feature_a"] == 0)
    assert other["rho"] < 0 < other["rho_pooled"] and other["reversed"]


def test_strata_of_many_values_equal_a_table_of_them() -> None:
    """300 prompts are held as a sparse matrix: the numbers are those of counting by hand."""
    rng = np.random.default_rng(9)
    prompt = np.repeat(np.arange(300), 4)
    base = rng.random((300, 6)) < 0.4
    present = np.where(rng.random((1200, 6)) < 0.7, base[prompt], rng.random((1200, 6)) < 0.4)
    present[:, 1] = np.where(rng.random(1200) < 0.5, present[:, 0], present[:, 1])
    corpus = DenseCorpus(present.astype(float), meta={"prompt": prompt})
    result = correlate(corpus, within="prompt", **NO_LIMITS, everything=True)
    assert result.metrics["strata"] == 300
    rows = result.table.to_dicts()
    assert {rows[0]["feature_a"], rows[0]["feature_b"]} == {0, 1}
    for row in rows:
        a, b = present[:, row["feature_a"]], present[:, row["feature_b"]]
        x, y = np.bincount(prompt, a), np.bincount(prompt, b)
        mean = (x * y / 4).sum()
        assert row["expected"] == pytest.approx(mean, rel=1e-5)
        variance = (x * (4 - x) * y * (4 - y) / (16 * 3)).sum()
        both = (a & b).sum()
        skewed = x * (4 - x) * (4 - 2 * x) * y * (4 - y) * (4 - 2 * y)
        third = (skewed / (4**3 * 3 * 2)).sum()
        p = stats.joint_tail(both, mean, variance, np.minimum(x, y).sum(), third)
        assert row["p"] == pytest.approx(float(p), rel=1e-4)
        inner = (a - (x / 4)[prompt], b - (y / 4)[prompt])
        assert row["phi_adjusted"] == pytest.approx(np.corrcoef(*inner)[0, 1], rel=1e-4)


def test_bins_of_length_lie_within_values() -> None:
    rng = np.random.default_rng(0)
    code = rng.integers(0, 3, 1000).astype(np.int32)
    tokens = rng.lognormal(4, 1, 1000)
    found = nested(code, tokens, 20)
    for stratum in np.unique(found):
        rows = found == stratum
        assert len(np.unique(code[rows])) == 1
        assert rows.sum() >= 10
    for value in range(3):
        bins = np.unique(found[code == value])
        assert len(bins) > 10
        edges = [(tokens[found == b].min(), tokens[found == b].max()) for b in bins]
        edges.sort()
        assert all(first[1] < second[0] for first, second in pairwise(edges))


def test_length_is_taken_out_of_ranks_where_strata_are_small() -> None:
    """The partial rank correlation is that of residuals, by least squares."""
    rng = np.random.default_rng(4)
    n = 300
    length = rng.lognormal(4, 1, n)
    value = np.round(rng.random((n, 3)) * (rng.random((n, 3)) < 0.6) * length[:, None] ** 0.5, 2)
    number = length + rng.normal(0, 60, n) + 30 * (value[:, 1] > 0)
    code = np.repeat(np.arange(30), 10).astype(np.int32)

    def centred(x: np.ndarray) -> np.ndarray:
        out = np.zeros(n)
        for s in range(30):
            rows = code == s
            out[rows] = (scipy.stats.rankdata(x[rows]) - 5.5) / 11
        return out

    def without(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x - y * (x @ y) / (y @ y)

    found = rank_correlations(placed_of(value), number, code, control=length)
    for f in range(3):
        of_length = centred(length)
        strength = centred(value[:, f].astype(np.float32).astype(float))
        a, b = without(strength, of_length), without(centred(number), of_length)
        assert found.rho[f] == pytest.approx(a @ b / np.sqrt(a @ a * (b @ b)), abs=1e-9)


def test_the_third_moment_is_that_of_all_shuffles() -> None:
    """Of six rows there are 720 shuffles: mean 0, and these moments."""
    from itertools import permutations

    x, y = np.array([0, 0, 0, 0, 0, 3.0]), np.array([0, 0, 0, 1, 2, 7.0])
    a, b = ((scipy.stats.rankdata(v) - 3.5) / 7 for v in (x, y))
    sums = np.array([a @ b[list(order)] for order in permutations(range(6))])
    assert (sums**2).mean() == pytest.approx((a @ a) * (b @ b) / 5)
    assert (sums**3).mean() == pytest.approx((a**3).sum() * (b**3).sum() * 6 / (5 * 4))


def test_rare_features_and_a_number_that_is_mostly_0_are_not_found_by_chance() -> None:
    rng = np.random.default_rng(0)
    n, d = 2000, 600
    value = np.zeros((n, d))
    for f in range(d):
        value[rng.choice(n, 6, replace=False), f] = 1
    for nonzero in (20, 60, 400):
        number = np.zeros(n)
        number[rng.choice(n, nonzero, replace=False)] = rng.integers(1, 9, nonzero)
        p = rank_correlations(placed_of(value), number, np.zeros(n, np.int32)).p
        assert stats.benjamini_hochberg(p).min() > 0.05
        assert (p < 0.01).mean() < 0.03


def test_the_groups_of_every_feature_are_allowed_for() -> None:
    rng = np.random.default_rng(1)
    user = np.repeat(np.arange(30), 20)
    style = rng.random((30, 3000)) < 0.3
    value = (style[user] & (rng.random((600, 3000)) < 0.9)).astype(float)
    number = rng.normal(0, 1, 30)[user]
    code = np.zeros(600, np.int32)
    alone = rank_correlations(placed_of(value), number, code)
    grouped = rank_correlations(placed_of(value), number, code, user.astype(np.int32))
    assert (stats.benjamini_hochberg(alone.p) < 0.05).sum() > 300
    assert (stats.benjamini_hochberg(grouped.p) < 0.05).sum() == 0
    one = int(np.argmin(alone.p))
    ranks = [scipy.stats.rankdata(v) - 300.5 for v in (value[:, one], number)]
    sums = np.bincount(user, weights=ranks[0] * ranks[1])
    expected = scipy.stats.ttest_1samp(sums, 0).pvalue
    assert grouped.p[one] == pytest.approx(max(expected, alone.p[one]), rel=1e-6)


def test_ids_that_are_row_numbers_pair_nothing_by_themselves() -> None:
    a, b = two(60)
    order = np.random.default_rng(0).permutation(60)
    for corpus, key in ((a, np.arange(60)), (b, order)):
        corpus.frame = corpus.frame.with_columns(
            id=pl.Series([str(i) for i in range(60)]), prompt_id=pl.Series(key)
        )
    rows = make_rows([a, b], ["a", "b"])
    assert any("belong together on prompt_id" in note for note in rows.notes)
    for corpus in (a, b):
        corpus.frame = corpus.frame.drop("prompt_id", "key")
    with pytest.raises(InputError, match="no documents belong together"):
        make_rows([a, b], ["a", "b"])


def test_rows_that_share_a_key_or_a_group_stay_in_one_half() -> None:
    a, b = two(50)
    rng = np.random.default_rng(0)
    many = DenseCorpus(
        np.repeat(a.value, 4, 0), meta={"key": np.repeat(np.arange(50), 4), "user": rng.integers(0, 60, 200)}
    )
    rows = make_rows([many, b], ["many", "b"], pair_on="key", group="user")
    half = np.arange(len(rows)) < rows.half_rows
    for column in (rows.take[1], many.frame["user"].to_numpy()[rows.take[0]]):
        for value in np.unique(column):
            assert len(np.unique(half[column == value])) == 1


def test_what_is_no_number_is_no_value() -> None:
    corpus, _ = with_column([0.0, 1.0, float("nan"), float("inf")] * 50)
    result = correlate(corpus, column="what", everything=True)
    assert set(result.table["label_b"].to_list()) <= {"what = 1", "what = 0"}
    assert any("100 documents without a what were left out" in note for note in result.notes)


def test_features_that_are_too_rare_are_named() -> None:
    corpus, _ = with_column(list("ab") * 60)
    corpus.value[:, 3] = 0
    result = correlate(corpus, to=[1, 3], **NO_LIMITS)
    assert any("too rare to be paired" in note and "3 (word3" in note for note in result.notes)
    assert correlate(corpus, to=np.int64(1), **NO_LIMITS).params["to"] == [1]


def test_the_bootstrap_draws_groups_in_many_strata_too() -> None:
    rng = np.random.default_rng(2)
    prompt, user = np.repeat(np.arange(300), 4), rng.integers(0, 9, 1200)
    base = rng.random((300, 2)) < 0.4
    lean = rng.random(9) < 0.5
    value = np.where(rng.random((1200, 2)) < 0.6, base[prompt], rng.random((1200, 2)) < 0.4)
    value[:, 1] = np.where(lean[user], value[:, 0], value[:, 1])
    corpus = DenseCorpus(
        value.astype(float), peak=rng.integers(0, 12, value.shape), meta={"prompt": prompt, "user": user}
    )
    widths = []
    for group in (None, "user"):
        found = correlate(corpus, within="prompt", group=group, **NO_LIMITS, everything=True)
        row = found.table.to_dicts()[0]
        widths.append(row["npmi_high"] - row["npmi_low"])
    assert widths[1] > 1.5 * widths[0]


def test_copies_under_other_ids_stay_in_one_half() -> None:
    n = 100
    texts = [f"text {i}" for i in range(60)] + ["the same refusal"] * 40
    corpus = DenseCorpus(np.random.default_rng(0).random((n, 3)))
    plain = DenseCorpus(corpus.value)
    corpus.frame = corpus.frame.with_columns(text=pl.Series(texts))
    for seed in range(10):
        rows = make_rows([corpus], ["a"], seed=seed)
        early = set(rows.take[0][: rows.half_rows].tolist())
        assert len(early & set(range(60, 100))) in (0, 40)
        assert 40 <= rows.half_rows <= 60
        # without copies, as it was: the first half of a permutation confirms
        rng = np.random.default_rng([seed, 11])
        late = np.zeros(n, bool)
        late[rng.permutation(n)[: n // 2]] = True
        assert (make_rows([plain], ["a"], seed=seed).take[0] == np.argsort(late, kind="stable")).all()


# ---- length that is adjusted away ------------------------------------------------------------------------


def test_a_column_that_goes_with_length_is_named():
    """Wrong answers are longer: a feature of long texts goes with "wrong" by length alone."""
    rng = np.random.default_rng(5)
    wrong = rng.random(600) < 0.4
    tokens = np.where(wrong, 99, 38) + rng.integers(-15, 16, 600)
    value = np.zeros((600, 3), np.float32)
    value[:, 0] = rng.random(600) < tokens / 150
    value[:, 1:] = rng.random((600, 2)) < 0.3
    corpus = DenseCorpus(value)
    corpus.frame = corpus.frame.with_columns(
        pl.Series("n_tokens", tokens, dtype=pl.Int32),
        answer=pl.Series(["wrong" if w else "right" for w in wrong]),
        coin=pl.Series(rng.choice(["head", "tail"], 600).tolist()),
    )
    result = correlate(corpus, column="answer")
    note = next(n for n in result.notes if "goes with length" in n)
    medians = {v: np.median(tokens[wrong == (v == "wrong")]) for v in ("wrong", "right")}
    assert f"{medians['wrong']:g} for 'wrong', {medians['right']:g} for 'right'" in note
    assert result.metrics["p_length"] == pytest.approx(
        scipy.stats.kruskal(tokens[wrong], tokens[~wrong]).pvalue, rel=1e-6, abs=1e-300
    )
    other = correlate(corpus, column="coin")
    assert not any("goes with length" in n for n in other.notes)
    assert other.metrics["p_length"] > 0.05
