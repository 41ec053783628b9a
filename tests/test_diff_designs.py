"""Designs of a diff: pairs, prompts, groups, halves, length, null; against brute force and planted truth."""

from __future__ import annotations

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_corpus import DenseCorpus
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import StratifiedTable
from test_diff import D_SAE, MemoryCorpus, make_spec, present_sets, random_present
from whole_results import diff

import saetext
from saetext import stats
from saetext.analysis.differences import DiffRequest
from saetext.analysis.differences.design import make_design
from saetext.analysis.differences.examples import leading
from saetext.analysis.differences.null import shuffled
from saetext.analysis.differences.testing import ALPHA
from saetext.corpus.spec import Numerics
from saetext.corpus.strata import bins, crossed, overlap
from saetext.errors import InputError
from saetext.features.groups import Selection, _alike, concept_groups
from saetext.io.request import options_of


def keyed(rows, keys, column="prompt_id", **more) -> MemoryCorpus:
    return MemoryCorpus(rows, {column: pl.Series(keys, dtype=pl.Int64), **more})


def lengths(corpus: MemoryCorpus, tokens) -> MemoryCorpus:
    corpus.frame = corpus.frame.with_columns(pl.Series("n_tokens", tokens, dtype=pl.Int32))
    return corpus


# ---- prompts and groups ---------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(present_sets(4, 20), present_sets(4, 20), st.randoms())
def test_several_answers_per_prompt_are_stratified(rows_a, rows_b, random):
    keys_a, keys_b = ([random.randrange(4) for _ in rows] for rows in (rows_a, rows_b))
    keys_a[0] = keys_b[0] = keys_a[1] = 0  # one prompt at least repeats
    result = diff(keyed(rows_a, keys_a), keyed(rows_b, keys_b), pair_on="prompt_id", min_support=1)
    assert result.params["design"] == "by prompt" and result.params["test"] == "Cochran-Mantel-Haenszel"
    shared = sorted(set(keys_a) & set(keys_b))
    for row in result.table.to_dicts():
        f = row["feature"]
        tables = []
        for key in shared:
            a = [f in r for r, k in zip(rows_a, keys_a, strict=True) if k == key]
            b = [f in r for r, k in zip(rows_b, keys_b, strict=True) if k == key]
            tables.append([[sum(a), len(a) - sum(a)], [sum(b), len(b) - sum(b)]])
        counts = np.array(tables)
        assert row["n_a"] == counts[:, 0, 0].sum() and row["n_b"] == counts[:, 1, 0].sum()
        expected = [c[0].sum() * c[:, 0].sum() / c.sum() for c in counts]
        excess = abs((counts[:, 0, 0] - expected).sum())
        with np.errstate(all="ignore"):
            test = StratifiedTable([c.astype(float) for c in counts]).test_null_odds(correction=True)
        if np.isfinite(test.statistic) and excess >= 0.5:
            assert row["p"] == pytest.approx(test.pvalue, abs=1e-9)
        assert row["ci_low"] - 1e-12 <= row["diff"] <= row["ci_high"] + 1e-12


def test_groups_in_one_set_each_are_exchanged_as_wholes():
    """Twenty users with wildly different habits: rows are many, evidence is not."""
    rng = np.random.default_rng(0)
    p_rows, p_groups = [], []
    for _ in range(40):
        habits = rng.random(20)
        rows = [[{0: (1.0, 0)} if rng.random() < h else {} for _ in range(30)] for h in habits]
        users = np.repeat(np.arange(20), 30)
        flat = [row for user in rows for row in user]
        a, b = (MemoryCorpus(flat[s], {"user": users[s]}) for s in (slice(0, 300), slice(300, 600)))
        p_rows.append(diff(a, b).table["p"][0])
        grouped = diff(a, b, group="user")
        p_groups.append(grouped.table["p"][0])
        assert grouped.params["design"] == "by group" and grouped.metrics["units"] == 20
    assert np.mean(np.array(p_rows) < 0.05) > 0.3  # pretending independence finds what is not there
    assert np.mean(np.array(p_groups) < 0.05) < 0.15


def test_group_p_is_the_t_test_of_residuals():
    rng = np.random.default_rng(1)
    users_a, users_b = rng.integers(0, 6, 40), rng.integers(6, 15, 50)
    a, b = random_present(rng, 40, 0.5), random_present(rng, 50, 0.4)
    result = diff(MemoryCorpus(a, {"user": users_a}), MemoryCorpus(b, {"user": users_b}), group="user")
    users, rows = np.concatenate([users_a, users_b]), a + b
    for row in result.table.to_dicts():
        has = np.array([row["feature"] in r for r in rows], float)
        residual = has - has.mean()
        sums = {u: residual[users == u].sum() for u in np.unique(users)}
        left, right = [v for u, v in sums.items() if u < 6], [v for u, v in sums.items() if u >= 6]
        least = 1 / math.comb(len(left) + len(right), len(left))
        assert row["p"] == pytest.approx(max(scipy_stats.ttest_ind(left, right).pvalue, least), abs=1e-9)


def test_groups_in_both_sets_are_strata_and_stragglers_are_left_out():
    rows = [{0: (1.0, 0)}] * 20
    a, b = MemoryCorpus(rows, {"user": [0, 1] * 10}), MemoryCorpus(rows, {"user": [0, 1] * 10})
    assert diff(a, b, group="user").params["design"] == "by prompt"
    c = MemoryCorpus(rows, {"user": [9] * 2 + list(range(18))})
    d = MemoryCorpus(rows, {"user": [9] * 1 + list(range(20, 39))})
    found = diff(c, d, group="user")
    assert found.params["design"] == "by group"
    assert any("occur in both sets were left out" in note for note in found.notes)
    with pytest.raises(InputError, match="no column 'nope'"):
        diff(a, b, group="nope")
    with pytest.raises(InputError, match="choose one"):
        diff(a, b, group="user", pair_on="user")
    with pytest.raises(InputError, match="no row has a user"):
        diff(keyed(rows, [None] * 20, "user"), keyed(rows, [None] * 20, "user"), group="user")


# ---- length and other columns ---------------------------------------------------------------------------


def test_a_difference_that_is_only_length_is_called_so():
    """Presence depends on length alone; B is longer. A second feature differs at any length."""
    rng = np.random.default_rng(2)
    tokens = [rng.integers(20, 200, 400), rng.integers(80, 260, 400)]
    sets = []
    for number, lens in enumerate(tokens):
        rows = []
        for n in lens:
            row = {0: (1.0, 0)} if rng.random() < n / 300 else {}
            if rng.random() < (0.5, 0.2)[number]:
                row[1] = (1.0, 0)
            rows.append(row)
        sets.append(lengths(MemoryCorpus(rows), lens))
    result = diff(*sets)
    rows = {row["feature"]: row for row in result.table.to_dicts()}
    assert rows[0]["explained_by_length"] == "yes" and rows[0]["q"] < ALPHA
    assert rows[0]["adjusted_low"] < 0 < rows[0]["adjusted_high"]
    assert rows[1]["explained_by_length"] == "no" and rows[1]["adjusted_diff"] > 0.2
    assert result.metrics["length_overlap"] > 0.5
    apart = diff(sets[0], lengths(MemoryCorpus(sets[1].present), tokens[1] + 1000))
    assert set(apart.table.filter(pl.col("q") < ALPHA)["explained_by_length"]) == {"unclear"}
    assert any("length cannot be told from the rest" in note for note in apart.notes)


@settings(max_examples=30, deadline=None)
@given(present_sets(3, 20), present_sets(3, 20), st.randoms())
def test_the_adjusted_difference_equals_its_definition(rows_a, rows_b, random):
    tokens = [[random.randrange(1, 6) for _ in rows] for rows in (rows_a, rows_b)]
    kinds = [[random.choice("xyz") for _ in rows] for rows in (rows_a, rows_b)]
    sets = [
        lengths(MemoryCorpus(rows, {"kind": k}), t)
        for rows, k, t in zip((rows_a, rows_b), kinds, tokens, strict=True)
    ]
    if len(set(kinds[0] + kinds[1])) == 1:
        with pytest.raises(InputError, match="nothing to control for"):
            diff(*sets, control="kind")
        return
    result = diff(*sets, control="kind", min_support=1)
    for row in result.table.to_dicts():
        f, num, weight = row["feature"], 0.0, 0.0
        for kind in "xyz":
            a = [f in r for r, k in zip(rows_a, kinds[0], strict=True) if k == kind]
            b = [f in r for r, k in zip(rows_b, kinds[1], strict=True) if k == kind]
            if a and b:
                w = len(a) * len(b) / (len(a) + len(b))
                num, weight = num + w * (np.mean(a) - np.mean(b)), weight + w
        assert row["control_diff"] == pytest.approx(num / weight if weight else 0.0)
        assert row["explained_by_control"] in (None, "yes", "no", "unclear")


def test_bins():
    live = np.ones(1000, bool)
    values = np.random.default_rng(3).lognormal(5, 1, 1000).round()
    code = bins(values, live)
    sizes = np.bincount(code)
    assert len(sizes) == 20 and sizes.min() > 30
    assert all(len(set(code[values == v])) == 1 for v in np.unique(values))
    assert (np.diff(code[np.argsort(values)]) >= 0).all()
    assert set(bins(np.array([3.0] * 50), np.ones(50, bool))) == {0}
    gap = bins(np.array([1.0, np.nan] * 40), np.ones(80, bool))
    assert len(set(gap[::2])) == 1 and set(gap[1::2]).isdisjoint(gap[::2])
    assert len(set(crossed(np.array([0, 0, 1, 1], np.int32), np.array([0, 1, 0, 1], np.int32)))) == 4
    side = np.array([0, 0, 1, 1], np.int8)
    assert overlap(np.array([0, 0, 1, 1], np.int32), side) == 0
    assert overlap(np.array([0, 1, 0, 1], np.int32), side) == 1


def test_controls_are_checked():
    a = MemoryCorpus([{0: (1.0, 0)}] * 6, {"same": ["x"] * 6, "lists": [[1]] * 6})
    with pytest.raises(InputError, match="every row has the same same"):
        diff(a, a, control="same")
    with pytest.raises(InputError, match="no column 'nope'"):
        diff(a, a, control=["nope"])
    with pytest.raises(InputError, match="choose one of text or numbers"):
        diff(a, a, control="lists")
    n = 900
    wide = MemoryCorpus(
        [{0: (1.0, 0)}] * n, {"x": [str(i % 40) for i in range(n)], "y": [str(i % 37) for i in range(n)]}
    )
    with pytest.raises(InputError, match="x, y make 900 combinations"):
        diff(wide, wide, control=["x", "y"], pair_on="")


# ---- halves and null ------------------------------------------------------------------------------------


def test_halves_keep_units_whole_and_are_disjoint():
    rng = np.random.default_rng(4)
    rows = random_present(rng, 60, 0.4)
    keys = rng.permutation(np.repeat(np.arange(20), 3))
    a, b = keyed(rows, keys), keyed(rows, rng.permutation(keys))
    side = np.repeat(np.array([0, 1], np.int8), 60)
    design = make_design((a, b), side, ("a", "b"), pair_on="prompt_id")
    assert design.split and {len(set(design.half[design.unit == u])) for u in range(20)} == {1}
    assert 0.4 < design.half.mean() < 0.6
    assert (make_design((a, b), side, ("a", "b"), pair_on="prompt_id", seed=1).half != design.half).any()
    again = make_design((a, b), side, ("a", "b"), pair_on="prompt_id")
    assert (again.half == design.half).all()
    some = design.within(30, 0)
    assert 20 <= some.sum() <= 30 and {len(set(some[design.unit == u])) for u in range(20)} == {1}


@pytest.mark.parametrize("pair_on", ["", "prompt_id"])
def test_confirmation_uses_the_other_half_alone(pair_on):
    """Each half is tested by hand: selection by q on the first, q among the selected on the second."""
    rng = np.random.default_rng(5)
    rates = np.linspace(0.1, 0.9, D_SAE)
    a = keyed(random_present(rng, 120, rates), np.arange(120))
    b = keyed(random_present(rng, 120, np.clip(rates + np.linspace(-0.4, 0.3, D_SAE), 0, 1)), np.arange(120))
    result = diff(a, b, pair_on=pair_on)
    design = result.design
    has = np.array([[f in row for f in range(D_SAE)] for row in a.present + b.present])

    def tested(half: int) -> tuple[np.ndarray, np.ndarray]:
        rows = [np.flatnonzero((design.side == s) & (design.half == half)) for s in (0, 1)]
        x, y = has[rows[0]], has[rows[1]]
        if pair_on:
            y = has[rows[1][np.argsort(design.unit[rows[1]])]]
            x = has[rows[0][np.argsort(design.unit[rows[0]])]]
            p = stats.mcnemar_exact_p((x & ~y).sum(0), (~x & y).sum(0))
        else:
            p = stats.fisher_exact_p(x.sum(0), len(x), y.sum(0), len(y))
        return p, x.mean(0) - y.mean(0)

    (p0, d0), (p1, d1) = tested(0), tested(1)
    chosen = stats.benjamini_hochberg(p0) < ALPHA
    q1 = dict(zip(np.flatnonzero(chosen), stats.benjamini_hochberg(p1[chosen]), strict=True))
    assert chosen.any() and not chosen.all()
    for row in result.table.to_dicts():
        f = row["feature"]
        if f not in q1:
            assert row["q_confirm"] is None and row["diff_confirm"] is None and not row["confirmed"]
            continue
        assert row["q_confirm"] == pytest.approx(q1[f]) and row["diff_confirm"] == pytest.approx(d1[f])
        assert row["confirmed"] == (q1[f] < ALPHA and np.sign(d0[f]) == np.sign(d1[f]))


@pytest.mark.parametrize("kind", ["independent", "paired", "by prompt", "by group"])
def test_shuffling_keeps_the_shape(kind):
    rng = np.random.default_rng(6)
    rows = random_present(rng, 40, 0.5)
    keys = {"paired": (np.arange(40),) * 2, "by prompt": (np.repeat(np.arange(10), 4),) * 2,
            "by group": (np.repeat(np.arange(10), 4), np.repeat(np.arange(10, 20), 4))}  # fmt: skip
    columns = keys.get(kind, (np.arange(40), np.arange(40)))
    a, b = keyed(rows, columns[0]), keyed(rows, columns[1])
    options = (
        {"group": "prompt_id"} if kind == "by group" else {"pair_on": "" if kind == "independent" else None}
    )
    side = np.repeat(np.array([0, 1], np.int8), 40)
    design = make_design((a, b), side, ("a", "b"), **options)
    assert design.kind == kind
    other = shuffled(design, rng)
    assert (other.side != design.side).any()
    for half in (0, 1):
        assert other.rows(0, half) == design.rows(0, half)
    if kind in ("paired", "by prompt"):
        assert (other.per_unit(0) == design.per_unit(0)).all()
    if kind == "by group":
        assert {len(set(other.side[design.unit == u])) for u in range(20)} == {1}


def test_nothing_is_confirmed_between_halves_of_one_set():
    """200 random splits; findings of any kind are rare, confirmed ones rarer."""
    rng = np.random.default_rng(7)
    rates = rng.random(D_SAE)
    some = confirmed = 0
    for _ in range(200):
        a, b = (MemoryCorpus(random_present(rng, 40, rates), block=40) for _ in range(2))
        result = diff(a, b, snippets=False)
        some += result.n_significant > 0
        confirmed += result.n_confirmed > 0
    assert some <= 20 and confirmed <= 3


def test_the_null_check_finds_little_where_much_is_found():
    rng = np.random.default_rng(8)
    a, b = (MemoryCorpus(random_present(rng, 100, r), block=50) for r in (0.3, 0.6))
    result = diff(a, b, null=20)
    assert result.n_confirmed > 6
    assert len(result.null.confirmed) == 20 and sum(result.null.confirmed) <= 1
    assert result.metrics["null"]["confirmed"] == result.null.confirmed
    assert "with the labels shuffled 20 times" in result.notes[-1]
    with pytest.raises(InputError, match="at least 0"):
        diff(a, b, null=-1)


# ---- concept groups -------------------------------------------------------------------------------------


def test_features_that_are_one_concept_are_one_finding():
    """0, 1 and 2 are nearly always together; 3 overlaps on the same words; 4 by chance; 5 the other way."""
    rng = np.random.default_rng(9)

    def rows(rate: float) -> list[dict]:
        made = []
        for _ in range(300):
            row = {}
            if rng.random() < rate:
                for f in (0, 1, 2):
                    if rng.random() < 0.97:
                        row[f] = (1.0, 4)
                if rng.random() < 0.5:
                    row[3] = (1.0, 4)
            if rng.random() < rate:
                row[4] = (1.0, 2)
            if rng.random() < 1 - rate:
                row[5] = (1.0, 1)
            made.append(row)
        return made

    result = diff(MemoryCorpus(rows(0.7)), MemoryCorpus(rows(0.3)))
    leader = dict(zip(result.table["feature"], result.table["group"], strict=True))
    assert len({leader[f] for f in (0, 1, 2, 3)}) == 1
    assert leader[4] == 4 and leader[5] == 5
    assert result.metrics["findings"] == 3
    one = result.table.filter(pl.col("group") == leader[0])
    assert one["feature"][0] == leader[0] and result.table["group"][:4].n_unique() <= 2
    cut = diff(MemoryCorpus(rows(0.7)), MemoryCorpus(rows(0.3)), top=1)
    assert cut.table["group"].n_unique() == 1


@settings(max_examples=30, deadline=None)
@given(present_sets(2, 25), present_sets(2, 25))
def test_similarity_equals_counting(rows_a, rows_b):
    """Phi within the sets, and the share of common documents in which both peak within a token."""
    sets = [MemoryCorpus(rows_a), MemoryCorpus(rows_b)]
    selections = [Selection(c, np.arange(c.n_documents)) for c in sets]
    features = np.arange(D_SAE)
    phi, words = _alike(selections, "main", features, np.random.default_rng(0))
    has = [np.array([[float(f in row) for f in features] for row in rows]) for rows in (rows_a, rows_b)]
    centred = np.concatenate([h - h.mean(0) for h in has])
    variance = (centred**2).sum(0)
    for i in range(D_SAE):
        for j in range(i + 1, D_SAE):
            scale = math.sqrt(variance[i] * variance[j])
            expected = centred[:, i] @ centred[:, j] / scale if scale > 1e-9 else 0.0
            assert phi[i, j] == pytest.approx(expected, abs=1e-5)
            both = [row for row in rows_a + rows_b if i in row and j in row]
            close = sum(abs(row[i][1] - row[j][1]) <= 1 for row in both)
            assert words[i, j] == words[j, i] == (close / len(both) if both else 0)


def test_groups_do_not_chain():
    """0-1 and 1-2 are alike, 0-2 are not: 2 does not join 0's group through 1."""
    rng = np.random.default_rng(10)
    rows = []
    for _ in range(600):
        a, b = rng.random() < 0.4, rng.random() < 0.4
        row = {0: (1.0, 0)} if a else {}
        row |= {1: (1.0, 5)} if (a if rng.random() < 0.62 else b) else {}
        row |= {2: (1.0, 9)} if b else {}
        rows.append(row)
    corpus = MemoryCorpus(rows)
    groups = concept_groups([Selection(corpus, np.arange(600))], "main", np.array([0, 1, 2]))
    assert groups.tolist()[0] == 0 and groups[2] == 2
    alone = concept_groups(
        [Selection(corpus, np.arange(600))], "main", np.array([0, 1, 2]), sign=np.array([1, -1, 1])
    )
    assert alone.tolist() == [0, 1, 2]


# ---- more than two sets ---------------------------------------------------------------------------------


def test_each_of_several_sets_against_the_rest():
    rng = np.random.default_rng(11)
    rates = np.full(D_SAE, 0.3)
    sets = []
    for number in range(4):
        mine = rates.copy()
        mine[number] = 0.8
        sets.append(MemoryCorpus(random_present(rng, 120, mine), block=50))
    names = ("p", "q", "r", "s")
    result = diff(*sets, names=names)
    top = result.table.head(4)
    assert set(zip(top["feature"], top["set"], strict=True)) == set(enumerate(names))
    assert top["confirmed"].all() and result.metrics["confirmed"] >= 4
    has = np.array([[[f in row for f in range(D_SAE)] for row in s.present] for s in sets])
    means = has.mean(1)
    rates_table = result.rates.to_dicts()
    for row in result.table.to_dicts():
        s, f = names.index(row["set"]), row["feature"]
        others = [i for i in range(4) if i != s]
        rest = has[others][:, :, f].mean()
        assert row["rate"] == pytest.approx(means[s, f]) and row["rate_rest"] == pytest.approx(rest)
        assert row["diff_mean"] == pytest.approx(means[s, f] - means[others, f].mean())
        assert row["diff_max"] == pytest.approx(means[s, f] - means[others, f].max())
        table = [[has[s, :, f].sum(), (~has[s, :, f]).sum()],
                 [has[others][:, :, f].sum(), (~has[others][:, :, f]).sum()]]  # fmt: skip
        assert row["p"] == pytest.approx(scipy_stats.fisher_exact(table)[1])
        assert next(r for r in rates_table if r["feature"] == f)[row["set"]] == pytest.approx(means[s, f])
    assert (result.table["q"] >= result.table["p"]).all()
    by_max = diff(sets, names=names, against="max", top=3)
    assert (by_max.table["diff_max"][:3] > 0.3).all() and by_max.params["against"] == "max"
    json.loads(result.to_json(), parse_constant=pytest.fail)


def test_several_sets_that_are_refused():
    a = MemoryCorpus([{0: (1.0, 0)}] * 5)
    with pytest.raises(InputError, match="2 to 50 sets"):
        diff(a, names=["a"])
    with pytest.raises(InputError, match="name of its own"):
        diff(a, a, names=["a", "a"])
    with pytest.raises(InputError, match="has no documents"):
        diff(a, MemoryCorpus([]), names=["a", "b"])
    with pytest.raises(InputError, match="against is one of"):
        diff(a, a, against="median")


def test_sets_come_one_by_one_as_a_list_or_as_values_of_a_column():
    rng = np.random.default_rng(13)
    rows = random_present(rng, 90, 0.5)
    corpus = MemoryCorpus(rows, {"model": ["x", "y", "z"] * 30, "kind": ["p", "q"] * 45})
    parts = [MemoryCorpus(rows[i::3]) for i in range(3)]
    loose, listed, by = diff(*parts), diff(parts), diff(corpus, by="model")
    assert loose.names == ("a", "b", "c") and listed.to_json() == loose.to_json()
    assert by.names == ("x", "y", "z") and by.params["by"] == "model"
    assert [source.where for source in by.sources] == ["model = x", "model = y", "model = z"]
    told = ["set", "label", "snippet"]
    assert by.table.drop(told).equals(loose.table.drop(told))
    assert (loose.kind, diff(*parts[:2]).kind) == ("diff_sets", "diff")
    assert diff(corpus, by="model", values=["z", "x"]).names == ("z", "x")
    for sets, options, message in (
        ((corpus, corpus), {"by": "kind"}, "those of one corpus, and these are 2"),
        ((corpus,), {"by": "kind", "names": ["p", "q"]}, "leave out names"),
        ((corpus,), {"values": ["p", "q"]}, "name it with by"),
        ((corpus,), {"by": "model", "values": "xy"}, "not the text 'xy'"),
        ((corpus,), {}, "2 to 50 sets are compared, not 1"),
        ((), {}, "2 to 50 sets are compared, not 0"),
        ([corpus] * 51, {}, "not 51"),
        (parts, {"names": ["x", "y"]}, "3 sets, names x, y"),
        (parts, {"names": "xyz"}, "not the text 'xyz'"),
    ):
        with pytest.raises(InputError, match=message):
            diff(*sets, **options)


def test_one_result_for_two_sets_and_for_more():
    """What is only for two sets is empty for more; rates and examples are there for each set."""
    rng = np.random.default_rng(14)
    sets = [MemoryCorpus(random_present(rng, 60, rate)) for rate in (0.2, 0.5, 0.7)]
    for number in (2, 3):
        result = diff(*sets[:number])
        assert result.several == (number == 3) and (result.design is None) == result.several
        assert result.families == () and result.null is None and result.hypotheses == ()
        assert not result.paired and result.n_significant >= result.n_confirmed > 0
        features = result.table["feature"].unique(maintain_order=True).to_list()
        assert result.rates["feature"].to_list() == features == list(result.evidence)
        assert result.rates.columns == ["feature", "label", *result.names]
        for feature, examples in result.evidence.items():
            assert len(examples) == number
            for corpus, example in zip(sets, examples, strict=False):
                value, _ = corpus.present[example.row][feature]
                assert value == example.value == max(r[feature][0] for r in corpus.present if feature in r)
        rates = result.rates.rows_by_key("feature", named=True, unique=True)
        for name, corpus in zip(result.names, sets, strict=False):
            for feature, row in rates.items():
                assert row[name] == sum(feature in r for r in corpus.present) / 60


def test_snippets_of_several_sets_can_be_fewer():
    rng = np.random.default_rng(15)
    sets = [MemoryCorpus(random_present(rng, 40, 0.5)) for _ in range(3)]
    whole, some, none = (diff(*sets, snippets=n) for n in (True, 2, False))
    assert whole.table["snippet"].null_count() == 0 and len(none.evidence) == 0
    assert set(some.evidence) == set(some.table["feature"][:2])
    assert some.table.drop("snippet").equals(whole.table.drop("snippet"))


def test_what_is_for_two_sets_is_refused_for_more():
    sets = [MemoryCorpus([{0: (1.0, 0)}] * 8) for _ in range(3)]
    with pytest.raises(InputError, match=r"the null check.* is for two sets, and these are 3"):
        diff(*sets, null=2)


def test_notes_on_several_sets():
    same = [MemoryCorpus([{0: (1.0, 0)}] * 8, texts=number != 1) for number in range(3)]
    notes = " ".join(diff(*same).notes)
    assert "every feature is equally frequent in all sets" in notes and "the texts of b (" in notes
    assert "nothing was tested" in " ".join(diff(*same, min_support=25).notes)
    other = MemoryCorpus([{}] * 8, spec=make_spec(Numerics("bfloat16", "float32", "cpu", {"torch": "2.13"})))
    [note] = [note for note in diff(same[0], other, same[2]).notes if "numerics" in note]
    assert note.endswith(": model_dtype float32 in a, bfloat16 in b, float32 in c")


def test_notes_on_partners_name_the_set_that_is_compared():
    """Not the first set in each of the comparisons; all others have no name of their own."""
    keys = ([0, 1, 2, 3], [0, 1, 2, 9, 10], [0, 1, 2, 3])
    sets = [keyed([{0: (1.0, 0)}] * len(k), k) for k in keys]
    notes = diff(*sets, names=("p", "q", "r"), pair_on="prompt_id").notes
    left_out = [note for note in notes if "without a partner" in note]
    assert left_out == [
        "p: rows without a partner on prompt_id were left out: 0 of p, 2 of all others",
        "q: rows without a partner on prompt_id were left out: 2 of q, 2 of all others",
        "r: rows without a partner on prompt_id were left out: 0 of r, 2 of all others",
    ]
    alone = keyed([{0: (1.0, 0)}] * 2, [50, 51])
    with pytest.raises(InputError, match="no prompt_id of c occurs in all others"):
        diff(*sets[:2], alone, pair_on="prompt_id")


# ---- options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": -1}, "top must be at least 0, not -1"),
        ({"null": -1}, "null must be at least 0, not -1"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"snippets": -1}, "snippets must be at least 0, not -1"),
        ({"min_support": 0}, "min_support must be at least 1, not 0"),
        ({"sample": 1}, "sample must be at least 2, not 1"),
        ({"against": "median"}, "against is one of union, mean, max, not 'median'"),
        ({"values": ["x"]}, "name it with by"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        DiffRequest(**options)
    with pytest.raises(InputError, match=message):
        diff(MemoryCorpus([{}]), MemoryCorpus([{}]), **options)


def test_a_request_says_what_each_option_is_for_and_stays_as_it_is():
    for option in options_of(DiffRequest):
        assert option.about.help.endswith("."), option.name
        assert option.name in saetext.diff.__doc__
    wanted = ["x"]
    request = DiffRequest(control=wanted, by="kind", values=wanted)
    wanted.append("y")
    assert request.controls == ("x",) and request.values == ("x",)
    assert DiffRequest(control="x").controls == ("x",) and DiffRequest().controls == ()
    assert hash(request) == hash(DiffRequest(control="x", by="kind", values=("x",)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.top = 3  # type: ignore[misc]
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'nope'"):
        diff(MemoryCorpus([{}]), MemoryCorpus([{}]), nope=1)


# ---- the rest -------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(present_sets(1, 12), present_sets(1, 12), st.booleans(), st.integers(0, 2))
def test_no_table_makes_a_nan(rows_a, rows_b, paired, extra):
    """Any rows at all, also empty, always on, single: a strict JSON comes out, infinite odds as null."""
    full = [dict.fromkeys(range(D_SAE), (1.0, 0))]
    a, b = MemoryCorpus(rows_a + full * extra), MemoryCorpus(rows_b + [{}] * extra)
    result = diff(a, b, pair_on="id" if paired else "", min_support=1, null=1)
    for row in json.loads(result.to_json(), parse_constant=pytest.fail)["rows"]:
        numbers = [v for k, v in row.items() if isinstance(v, float)]
        assert all(math.isfinite(v) for v in numbers)
        assert row["auc_low"] <= row["auc"] <= row["auc_high"]
        assert row["adjusted_low"] - 1e-12 <= row["adjusted_diff"] <= row["adjusted_high"] + 1e-12


def test_a_sample_keeps_pairs_whole():
    rng = np.random.default_rng(12)
    a, b = (keyed(random_present(rng, 80, 0.5), rng.permutation(80)) for _ in range(2))
    result = diff(a, b, sample=50)
    assert result.metrics["pairs"] == 25 == result.metrics["compared_b"]
    assert diff(a, b, sample=1000).metrics["pairs"] == 80
    loose = diff(a, b, sample=50, pair_on="")
    assert loose.metrics["compared_a"] == loose.metrics["compared_b"] == 25
    with pytest.raises(InputError, match="at least 2"):
        diff(a, b, sample=1)


def with_texts(values: list[list[float]], texts: list[str], **meta: list[object]) -> DenseCorpus:
    corpus = DenseCorpus(np.array(values, np.float32), meta=meta)
    corpus.frame = corpus.frame.with_columns(text=pl.Series(texts))
    return corpus


def test_copies_under_other_ids_stay_in_one_half() -> None:
    """A text that is in A many times would otherwise confirm what it was found by."""
    rng = np.random.default_rng(0)
    texts = [f"text {i}" for i in range(60)] + ["the same refusal"] * 40
    value = rng.random((100, 3)).tolist()
    a, b = with_texts(value, texts), with_texts(value, [f"other {t}" for t in texts])
    side = np.repeat(np.array([0, 1], np.int8), 100)
    for seed in range(20):
        design = make_design((a, b), side, ("a", "b"), pair_on="", seed=seed)
        for start in (0, 100):
            assert len(set(design.half[start + 60 : start + 100])) == 1
        sizes = [design.rows(0, half) for half in (0, 1)]
        assert min(sizes) >= 30, sizes  # still as near to halves as whole blocks allow
        assert any("78 copies" in note for note in design.notes)
        sample = design.within(40, seed)
        for start in (0, 100):
            assert len(set(sample[start + 60 : start + 100])) == 1
    shared = make_design((a, a), side, ("a", "b"), pair_on="", seed=1)
    assert (shared.half[:100] == shared.half[100:]).all()  # a text in both sets is on one side of the split


def test_halves_without_copies_are_what_they_were() -> None:
    """By value: units permuted, the first half of each set confirms."""
    a, b = (with_texts([[1.0]] * n, [f"{n} {i}" for i in range(n)]) for n in (31, 42))
    side = np.repeat(np.array([0, 1], np.int8), [31, 42])
    design = make_design((a, b), side, ("a", "b"), pair_on="", seed=7)
    rng, expected = np.random.default_rng(7), np.zeros(73, np.int8)
    for pool in (np.arange(31), np.arange(31, 73)):
        expected[rng.permutation(pool)[: len(pool) // 2]] = 1
    assert (design.half == expected).all()
    assert not any("cop" in note for note in design.notes)


def test_one_short_answer_to_two_prompts_is_two_answers() -> None:
    texts = ["Yes."] * 30 + ["No."] * 30
    a = with_texts([[1.0]] * 60, texts, prompt=[f"question {i}" for i in range(60)])
    side = np.repeat(np.array([0, 1], np.int8), 60)
    free = make_design((a, a), side, ("a", "b"), pair_on="", seed=3)
    assert len(set(free.half[:30])) == 2
    assert (free.half[:60] == free.half[60:]).all()  # the same answer to the same prompt is a copy
    paired = make_design((a, a), side, ("a", "b"), pair_on="prompt", seed=3)
    assert paired.kind == "paired" and len(set(paired.half[:30])) == 2


def test_the_strongest_few_are_those_of_all_in_order():
    """Ties at the limit are told apart by their rows."""
    rng = np.random.default_rng(3)
    for together in (False, True):
        side = rng.integers(-1, 2, 200).astype(np.int8)
        unit = np.arange(200) // 2 if together else np.arange(200)
        design = SimpleNamespace(side=side, unit=unit, kind="by prompt" if together else "independent")
        row = np.flatnonzero(side >= 0)
        value = rng.integers(1, 5, len(row)).astype(np.float32)
        for lead in (0, 1):
            whole = leading(design, row, value, lead)
            for most in (1, 7, 150):
                np.testing.assert_array_equal(leading(design, row, value, lead, most), whole[:most])
