"""Each step of clustering against a slow way to the same, written independently."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from cluster_factory import LABELS, Stored, planted
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy import stats as scipy_stats
from sklearn.linear_model import Ridge
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep
from whole_results import diff

from saetext.analysis.clusters import density, semantic_map
from saetext.analysis.clusters.axis import axis_of
from saetext.analysis.clusters.describing import Telling, describe
from saetext.analysis.clusters.exemplars import centres, exemplar_rows, find_exemplars, nearest_clusters
from saetext.analysis.clusters.neighbours import by_cosine, by_jaccard
from saetext.analysis.clusters.representation import Basis, SemanticMap, fit_basis, gather_rows, unit
from saetext.analysis.clusters.semantic_map import (
    HELD_OUT,
    MOST,
    PENALTIES,
    _Ridge,
    choose,
    fit_semantic_map,
)
from saetext.analysis.clusters.validation import against_truth
from saetext.corpus import strata
from saetext.errors import InputError
from saetext.reader import sentences as embed


@pytest.fixture(autouse=True)
def _labels_by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are compared by their words: no model is loaded."""
    monkeypatch.setattr(embed, "available", lambda: False)


def some_matrix(n: int = 60, d: int = 20, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    value = (rng.random((n, d)) < rng.uniform(0.05, 0.6, d)) * rng.uniform(0.5, 3, (n, d))
    value[7] = 0
    return value.astype(np.float32)


# ---- vectors -----------------------------------------------------------------------------------------


def weighted(basis: Basis, dense: np.ndarray) -> np.ndarray:
    """What Basis.sparse says it returns, by loops."""
    found = np.zeros((len(dense), len(basis.features)))
    shape = {"sqrt": np.sqrt, "log": np.log1p, "raw": lambda x: x, "binary": lambda x: 1.0}[basis.scaling]
    for i in range(len(dense)):
        for j, feature in enumerate(basis.features):
            if dense[i, feature] > 0:
                found[i, j] = shape(dense[i, feature] / basis.scale[j]) * basis.weight[j]
        length = np.sqrt((found[i] ** 2).sum())
        found[i] /= length or 1
    return found


def unit_rows(rows: np.ndarray) -> np.ndarray:
    return np.array([row / (np.linalg.norm(row) or 1) for row in rows])


@pytest.mark.parametrize("scaling", ["sqrt", "log", "raw", "binary"])
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_vectors_as_by_hand(scaling: str, power: float) -> None:
    dense = some_matrix()
    axis = np.linspace(0, 2, dense.shape[1]).astype(np.float32)
    basis = fit_basis(sparse.csr_matrix(dense), axis=axis, scaling=scaling, idf_power=power, dims=6)
    present = (dense > 0).sum(0)
    kept = [f for f in range(20) if present[f] >= 5 and present[f] <= 30 and axis[f] > 0]
    assert basis.features.tolist() == kept and 0 not in kept
    for j, f in enumerate(kept):
        assert basis.weight[j] == pytest.approx(axis[f] * np.log(61 / (1 + present[f])) ** power, rel=1e-5)
        assert basis.scale[j] == pytest.approx(dense[dense[:, f] > 0, f].mean(), rel=1e-5)
    rows = weighted(basis, dense)
    np.testing.assert_allclose(basis.sparse(sparse.csr_matrix(dense)).toarray(), rows, atol=1e-6)
    assert basis.components is not None
    found = basis.project(sparse.csr_matrix(dense))
    np.testing.assert_allclose(found, unit_rows(rows @ basis.components), atol=1e-5)
    assert not found[7].any()
    _, _, right = np.linalg.svd(rows)
    # the same subspace: projecting on one basis loses nothing of the other
    np.testing.assert_allclose(right[:6] @ basis.components @ basis.components.T, right[:6], atol=0.02)


def test_vectors_with_a_semantic_map_as_by_hand() -> None:
    dense = some_matrix()
    rng = np.random.default_rng(1)
    basis = fit_basis(sparse.csr_matrix(dense), dims=4)
    width = len(basis.features)
    told = SemanticMap(
        rng.normal(size=(width, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32), 0.5, 60, 1.7
    )
    basis = Basis(
        basis.features, basis.weight, basis.scale, basis.components, basis.pooling, basis.scaling, told
    )
    rows = weighted(basis, dense)
    both = np.hstack([
        unit_rows(rows @ basis.components), 1.7 * unit_rows(rows @ told.directions - told.offset)
    ])  # fmt: skip
    both[7] = 0
    np.testing.assert_allclose(basis.project(sparse.csr_matrix(dense)), unit_rows(both), atol=1e-5)


def test_a_document_whose_features_all_weigh_nothing_has_no_direction() -> None:
    dense = some_matrix()
    dense[:, 3] = 1  # everywhere: ln 1 = 0
    dense[9, :] = 0
    dense[9, 3] = 1
    basis = fit_basis(sparse.csr_matrix(dense), max_share=1.0, dims=4)
    assert 3 not in basis.features or not basis.weight[basis.features.tolist().index(3)]
    assert np.isfinite(basis.project(sparse.csr_matrix(dense))).all()


def test_presence_is_kept_as_it_is_for_jaccard() -> None:
    dense = some_matrix()
    basis = fit_basis(sparse.csr_matrix(dense), jaccard=True)
    found = basis.sparse(sparse.csr_matrix(dense)).toarray()
    assert (found == (dense[:, basis.features] > 0)).all()


def test_rows_are_gathered_across_blocks() -> None:
    corpus = Stored(some_matrix(300), block=41)
    rows = np.array([0, 40, 41, 82, 83, 250, 299])
    np.testing.assert_array_equal(gather_rows(corpus, "max", "main", rows).toarray(), corpus.value[rows])
    whole = gather_rows(corpus, "max", "main", np.arange(300))
    np.testing.assert_array_equal(whole.toarray(), corpus.value)


# ---- neighbours --------------------------------------------------------------------------------------


@st.composite
def points(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Few distinct rows, so that there are duplicates and ties."""
    n, d = draw(st.integers(1, 25)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = rng.integers(0, draw(st.sampled_from([2, 3, 50])), (n, d)).astype(np.float32)
    asked = rng.integers(0, 3, (draw(st.integers(1, 9)), d)).astype(np.float32)
    return rows, asked, draw(st.integers(1, 30))


def assert_nearest(row: np.ndarray, distance: np.ndarray, truth: np.ndarray, itself: bool) -> None:
    """Rows are distinct, at the distances told, and none left out is nearer than the last."""
    for i in range(len(truth)):
        assert len(set(row[i].tolist())) == row.shape[1]
        start = 0
        if itself:
            assert row[i, 0] == i and distance[i, 0] == 0
            start = 1
        np.testing.assert_allclose(distance[i, start:], truth[i, row[i, start:]], atol=1e-5)
        assert (np.diff(distance[i, start:]) >= 0).all()
        left = np.setdiff1d(np.arange(truth.shape[1]), row[i])
        if len(left) and row.shape[1] > start:
            assert truth[i, left].min() >= distance[i, -1] - 1e-5


@settings(max_examples=150, deadline=None)
@given(points())
def test_nearest_by_cosine(drawn: tuple[np.ndarray, np.ndarray, int]) -> None:
    rows, asked, k = drawn
    rows, asked = unit(rows + 1), unit(asked)
    found = by_cosine(rows, None, k)
    assert found.row.shape == (len(rows), min(k, len(rows)))
    assert_nearest(found.row, found.distance, 1 - rows @ rows.T, True)
    found = by_cosine(rows, asked, k)
    assert_nearest(found.row, found.distance, 1 - asked @ rows.T, False)


def jaccard(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    found = np.ones((len(a), len(b)))
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            either = set(np.flatnonzero(x)) | set(np.flatnonzero(y))
            if either:
                found[i, j] = 1 - len(set(np.flatnonzero(x)) & set(np.flatnonzero(y))) / len(either)
    return found


@settings(max_examples=150, deadline=None)
@given(points())
def test_nearest_by_jaccard(drawn: tuple[np.ndarray, np.ndarray, int]) -> None:
    rows, asked, k = (drawn[0] > 0).astype(np.float32), (drawn[1] > 0).astype(np.float32), drawn[2]
    left, right = sparse.csr_matrix(rows), sparse.csr_matrix(asked)
    found = by_jaccard(left, None, k)
    assert_nearest(found.row, found.distance, jaccard(rows, rows), True)
    found = by_jaccard(left, right, k)
    assert_nearest(found.row, found.distance, jaccard(asked, rows), False)


def test_many_rows_are_searched_in_parts() -> None:
    rows = unit(np.random.default_rng(0).normal(size=(2100, 3)).astype(np.float32))
    calls: list[tuple[int, int]] = []
    found = by_cosine(rows, None, 4, lambda done, of: calls.append((done, of)))
    assert calls == [(2048, 2100), (2100, 2100)]
    assert_nearest(found.row[2040:2060], found.distance[2040:2060], 1 - rows[2040:2060] @ rows.T, False)


# ---- semantic map -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "width"), [(40, 90), (90, 40), (50, 50), (2, 5)])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_ridge_is_scikit_learns(m: int, width: int, penalty: float, monkeypatch: Any) -> None:
    monkeypatch.setattr(semantic_map, "_BLOCK", 16)
    rng = np.random.default_rng(m)
    rows = sparse.csr_matrix(
        (rng.random((m + 5, width)) < 0.3) * rng.random((m + 5, width)), dtype=np.float32
    )
    vectors = rng.normal(size=(m + 5, 6)).astype(np.float32)
    chosen = np.sort(rng.permutation(m + 5)[:m])
    ridge = _Ridge.of(rows[chosen], vectors[chosen])
    directions = ridge.solve(penalty)
    expected = Ridge(alpha=penalty, fit_intercept=True).fit(
        rows[chosen].toarray().astype(float), vectors[chosen]
    )
    np.testing.assert_allclose(directions, expected.coef_.T, atol=1e-4)
    told = rows @ directions - ridge.middle @ directions + ridge.mean
    np.testing.assert_allclose(told, expected.predict(rows.toarray()), atol=1e-4)
    np.testing.assert_array_equal(ridge.solve(penalty, last=True), directions)  # the first left it whole


@pytest.mark.parametrize("noise", [0.05, 1.5])
def test_a_semantic_map_is_found_only_where_features_tell_it(noise: float, monkeypatch: Any) -> None:
    monkeypatch.setattr(semantic_map, "CHOOSING", 300)
    rng = np.random.default_rng(0)
    rows = sparse.csr_matrix(unit(((rng.random((400, 30)) < 0.2) * 1.0).astype(np.float32)))
    turn = rng.normal(size=(30, 12)).astype(np.float32)
    told = unit(rows @ turn + noise * rng.normal(size=(400, 12)).astype(np.float32))
    found = fit_semantic_map(rows, told, 0)
    assert found is not None and 0.5 <= found.blend <= 3
    assert (found.explained > 0.6) == (noise < 1)
    # scikit-learn's ridge, with the penalty that is best on the held-out tenth of a sample
    mixed = np.random.default_rng([0, 12]).permutation(400)
    held, used = np.split(mixed, [int(HELD_OUT * 400)])

    def ridge(penalty: float, on: np.ndarray) -> tuple[Ridge, float]:
        model = Ridge(alpha=penalty).fit(rows[on].toarray().astype(float), told[on])
        left = model.predict(rows[held].toarray()) - told[held]
        return model, 1 - (left**2).sum() / ((told[held] - told[on].mean(0)) ** 2).sum()

    best = max(PENALTIES, key=lambda penalty: ridge(penalty, used[:300])[1])
    model, explained = ridge(best, used)
    assert found.explained == pytest.approx(explained, abs=1e-4)
    assert found.documents == 360
    # distances in the map's own directions are those of the ridge's prediction
    mine = rows @ found.directions - found.offset
    theirs = model.predict(rows.toarray()) - told[used].mean(0)
    np.testing.assert_allclose(mine @ mine.T, theirs @ theirs.T, atol=1e-3)
    assert fit_semantic_map(rows, unit(rng.normal(size=(400, 12)).astype(np.float32)), 0) is None


def test_the_sample_for_the_semantic_map_is_bounded() -> None:
    assert len(choose(np.full(100, 10**6), 0)) == 100
    assert len(choose(np.full(50_000, 10), 0)) == MOST
    many = choose(np.full(50_000, 10_000), 0)
    assert len(many) == 250_000 // 300 and (np.diff(many) > 0).all()


# ---- the axis ----------------------------------------------------------------------------------------


def test_an_axis_keeps_what_is_like_it_and_drops_the_rest() -> None:
    tone = axis_of(LABELS, 50, include=["tone"])
    assert tone is not None
    assert np.flatnonzero(tone.weight).tolist() == list(range(24, 42))
    assert "kept 18 of 50 features" in " ".join(tone.notes)
    assert {k.words for k in tone.kept} == {"tone"}
    mixed = axis_of(LABELS, 50, include={"tone": 2.0, "travel": 1.0}, exclude=["angry"], features={49: 3.0})
    assert mixed is not None
    assert mixed.weight[30] == 2 and mixed.weight[0] == 1 and mixed.weight[49] == 3
    assert not mixed.weight[24:30].any() and mixed.dropped == 6
    assert axis_of(LABELS, 50) is None


def test_without_alone_takes_out_what_is_like_it_and_nothing_else() -> None:
    axis = axis_of(LABELS, 50, exclude=["topic"])
    assert axis is not None
    assert np.flatnonzero(axis.weight == 0).tolist() == list(range(24))
    assert axis.dropped == 24 and not axis.kept
    assert any("left out 24 features" in note for note in axis.notes)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"include": ["zebra"]}, "shares a word with 'zebra'"),
        ({"include": [""]}, "the words are empty"),
        ({"exclude": ["zebra"]}, "shares a word with 'zebra'"),
        ({"include": {"tone": float("nan")}}, "weight of 'tone'"),
        ({"include": {"tone": -1.0}}, "weight of 'tone'"),
        ({"include": {"tone": 0.0}}, "weight of 'tone'"),
        ({"include": {"tone": float("inf")}}, "weight of 'tone'"),
        ({"include": {"tone": 1e300}}, "weight of 'tone'"),
        ({"include": {"tone": 1e-300}}, "weight of 'tone'"),
        ({"features": {50: 1.0}}, "no feature 50"),
        ({"features": {-1: 1.0}}, "no feature -1"),
        ({"features": {1: -2.0}}, "weight of 1"),
        ({"include": ["tone"], "exclude": ["tone"]}, "no feature is left"),
    ],
)
def test_an_axis_that_cannot_be(asked: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        axis_of(LABELS, 50, **asked)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_by_meaning_what_stands_out_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.features.label_index import LabelIndex

    similarity = {f: 0.1 + 0.001 * f for f in range(50)} | {3: 0.8, 40: 0.75}
    monkeypatch.setattr(embed, "available", lambda: True)

    def search(self: LabelIndex, query: str, n: int = 20) -> list[tuple[int, float]]:
        scale = 1.0 if query == "like" else 0.2
        return sorted(((f, scale * x) for f, x in similarity.items()), key=lambda p: -p[1])[:n]

    monkeypatch.setattr(LabelIndex, "search", search)
    axis = axis_of(LABELS, 50, include=["like"])
    assert axis is not None and np.flatnonzero(axis.weight).tolist() == [3, 40]
    assert [k.feature for k in axis.kept] == [3, 40] and axis.kept[0].similarity == 0.8
    with pytest.raises(InputError, match="no feature's label is like 'unlike'; the nearest is"):
        axis_of(LABELS, 50, include=["unlike"])


# ---- density -----------------------------------------------------------------------------------------


def blobs(sizes: tuple[int, ...], seed: int = 0, spread: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(size, 2)) * spread + 5 * rng.normal(size=2) for size in sizes]
    parts.append(rng.uniform(-15, 15, (15, 2)))
    return np.concatenate(parts).astype(np.float32)


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    return len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(set(a.tolist())) == len(set(b.tolist()))


@pytest.mark.parametrize("method", ["eom", "leaf"])
@pytest.mark.parametrize("seed", range(4))
def test_groups_are_hdbscans_numbered_by_size(method: str, seed: int) -> None:
    import hdbscan

    data = blobs((30, 80, 50, 30), seed)
    found = density.group(data, min_cluster_size=10, min_samples=5, method=method)
    truth = hdbscan.HDBSCAN(min_cluster_size=10, min_samples=5, cluster_selection_method=method).fit(
        data.astype(float)
    )
    assert same_partition(found.cluster, truth.labels_)
    assert ((found.cluster == 0) == (truth.labels_ == -1)).all()
    sizes = np.bincount(found.cluster)[1:]
    assert (np.diff(sizes) <= 0).all() and found.n_clusters == len(sizes) >= 2
    for c in range(1, len(sizes)):
        if sizes[c - 1] == sizes[c]:
            assert np.argmax(found.cluster == c) < np.argmax(found.cluster == c + 1)
    for c in range(1, len(sizes) + 1):
        own = truth.labels_[np.argmax(found.cluster == c)]
        assert found.persistence[c - 1] == pytest.approx(truth.cluster_persistence_[own])
        members = np.flatnonzero(found.cluster == c)
        assert found.exemplar[members].any()
        assert set(found.probability[found.exemplar & (found.cluster == c)].tolist()) == {1.0}
        node = found.tree.filter(pl.col("cluster") == c)
        assert node.height == 1 and node["size"][0] >= sizes[c - 1]
    assert not found.exemplar[found.cluster == 0].any() and not found.probability[found.cluster == 0].any()
    assert ((found.outlier >= 0) & (found.outlier <= 1)).all()


def test_groups_are_those_of_scikit_learn() -> None:
    from sklearn.cluster import HDBSCAN

    data = blobs((40, 60, 50))
    found = density.group(data, min_cluster_size=12, min_samples=5)
    # scikit-learn counts the point itself among min_samples, hdbscan does not
    truth = HDBSCAN(min_cluster_size=12, min_samples=6, copy=True).fit(data.astype(float)).labels_
    assert same_partition(found.cluster, truth)


def test_noise_goes_where_it_belongs_most_and_no_other_row_moves() -> None:
    data = blobs((40, 60, 50))
    found = density.group(data, min_cluster_size=12, min_samples=5)
    cluster, probability = density.soft_clusters(found)
    had = found.cluster > 0
    assert (~had).any()
    assert (cluster[had] == found.cluster[had]).all() and (probability[had] == found.probability[had]).all()
    assert (cluster > 0).all() and cluster.max() == found.n_clusters
    centre = np.array([data[found.cluster == c].mean(0) for c in range(1, found.n_clusters + 1)])
    nearest = np.argmin(((data[~had, None] - centre) ** 2).sum(2), axis=1) + 1
    assert (cluster[~had] == nearest).mean() > 0.7


@pytest.mark.parametrize("method", ["eom", "leaf"])
def test_no_groups_and_equal_points(method: str) -> None:
    nothing = density.group(
        np.random.default_rng(0).uniform(size=(30, 2)).astype(np.float32), min_cluster_size=14,
        min_samples=10, method=method,
    )  # fmt: skip
    assert nothing.n_clusters == 0 and not nothing.cluster.any() and len(nothing.persistence) == 0
    assert not density.soft_clusters(nothing)[0].any()
    equal = np.repeat(np.array([[0, 0], [9, 9]], np.float32), 20, axis=0)
    found = density.group(equal, min_cluster_size=5, min_samples=3, method=method)
    assert np.isfinite(found.probability).all() and np.isfinite(found.persistence).all()
    assert np.isfinite(found.outlier).all()


def test_more_samples_than_points_are_as_many_as_there_are() -> None:
    data = blobs((20, 20))
    found = density.group(data, min_cluster_size=5, min_samples=1000)
    assert (found.cluster == density.group(data, min_cluster_size=5, min_samples=54).cluster).all()


def test_the_suggested_size_grows_with_the_root() -> None:
    assert [density.suggested_size(n) for n in (0, 10, 400, 10_000, 1_000_000)] == [5, 5, 7, 35, 350]


# ---- what sets a cluster apart -----------------------------------------------------------------------


def with_clusters(n: int = 240, seed: int = 0) -> tuple[Stored, np.ndarray]:
    corpus = planted(n, seed, clear=0.6)
    rng = np.random.default_rng(seed)
    place = {name: i + 1 for i, name in enumerate(sorted(set(corpus.frame["topic"])))}
    cluster = np.array([place[t] for t in corpus.frame["topic"]], np.int32)
    cluster[rng.random(n) < 0.15] = 0
    return corpus, cluster


def test_telling_features_are_counted_and_tested_as_by_hand() -> None:
    corpus, cluster = with_clusters()
    found = describe(corpus, "main", cluster, [[2, 3], [1], [], [1, 2]])
    code = strata.bins(corpus.frame["n_tokens"].to_numpy().astype(float), np.ones(240, bool), 5)
    assert code.max() > 0
    present = corpus.value > 0
    p, places = {}, []
    for c in range(1, 5):
        inside, outside = present[cluster == c], present[cluster != c]
        for f in range(present.shape[1]):
            if inside[:, f].sum() >= 3:
                a, b = inside[:, f].sum(), outside[:, f].sum()
                p[c, f] = scipy_stats.fisher_exact([[a, len(inside) - a], [b, len(outside) - b]]).pvalue
                places.append((c, f))
    seen = 0
    for c, one in enumerate(found, start=1):
        assert [a[0] for a in one.against] == [[2, 3], [1], [], [1, 2]][c - 1]
        scores = [t.score for t in one.telling]
        assert scores == sorted(scores, reverse=True)
        for t in one.telling:
            check(t, present[:, t.feature], cluster == c, cluster != c, code)
            assert t.p == pytest.approx(p[c, t.feature], rel=1e-6, abs=1e-300)
            seen += 1
        for other, listed in one.against:
            for t in listed:
                check(t, present[:, t.feature], cluster == c, cluster == other, code)
                seen += 1
    assert seen > 30
    # features that are never listed count as p = 1: no q is smaller than of a correction over all of them
    q = dict(zip(places, multipletests([p[at] for at in places], method="fdr_bh")[1], strict=True))
    for c, one in enumerate(found, start=1):
        for t in one.telling:
            assert t.q >= q[c, t.feature] * (1 - 1e-9)
            assert t.q == pytest.approx(q[c, t.feature], rel=0.5)


def check(t: Telling, has: np.ndarray, mine: np.ndarray, other: np.ndarray, code: np.ndarray) -> None:
    a, m, b, k = has[mine].sum(), mine.sum(), has[other].sum(), other.sum()
    assert (t.inside, t.outside) == (pytest.approx(a / m), pytest.approx(b / k))
    assert t.diff == pytest.approx(a / m - b / k) and t.inside > t.outside
    low, high = confint_proportions_2indep(a, m, b, k, method="newcomb", compare="diff")
    assert (t.ci_low, t.ci_high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    inside, outside = (a + 0.5) / (m + 1), (b + 0.5) / (k + 1)
    assert t.score == pytest.approx(inside * np.log(inside / outside))
    top = bottom = 0.0
    for s in np.unique(code):
        x, y = mine & (code == s), other & (code == s)
        n = x.sum() + y.sum()
        if x.any() and y.any():
            top += (has[x].sum() * y.sum() - has[y].sum() * x.sum()) / n
            bottom += x.sum() * y.sum() / n
    assert t.adjusted_diff == pytest.approx(top / bottom)
    assert t.q < 0.05 and t.adjusted_diff > 0


def test_telling_features_are_those_of_the_diff() -> None:
    corpus, cluster = with_clusters(seed=1)
    found = describe(corpus, "main", cluster, [[], [], [], []])
    for c in range(1, 5):
        mine, rest = corpus.take(np.flatnonzero(cluster == c)), corpus.take(np.flatnonzero(cluster != c))
        table = diff(mine, rest, pair_on="", min_support=1, snippets=False, labels=LABELS).table
        rows = {row["feature"]: row for row in table.to_dicts()}
        assert found[c - 1].telling
        for t in found[c - 1].telling:
            row = rows[t.feature]
            assert (t.inside, t.outside, t.diff) == (
                pytest.approx(row["rate_a"]), pytest.approx(row["rate_b"]), pytest.approx(row["diff"]),
            )  # fmt: skip
            assert t.p == pytest.approx(row["p"], rel=1e-6)
            assert t.ci_low == pytest.approx(row["ci_low"]) and t.ci_high == pytest.approx(row["ci_high"])


def test_what_length_explains_comes_last() -> None:
    """One cluster has long documents: a feature of long documents is explained, one of its own is not."""
    rng = np.random.default_rng(4)
    cluster = np.repeat([1, 2], [800, 1200]).astype(np.int32)
    tokens = np.where(cluster == 1, rng.integers(60, 200, 2000), rng.integers(20, 160, 2000))
    value = np.zeros((2000, 4), np.float32)
    value[:, 0] = rng.random(2000) < tokens / 250
    value[:, 1] = rng.random(2000) < np.where(cluster == 1, 0.35, 0.2)
    value[:, 2] = rng.random(2000) < tokens / 250
    corpus = Stored(value)
    corpus.frame = corpus.frame.with_columns(pl.Series("n_tokens", tokens, dtype=pl.Int32))
    told = describe(corpus, "main", cluster, [[2], [1]])[0]
    for telling in (told.telling, told.against[0][1]):
        verdict = [(t.feature, t.explained_by_length) for t in telling]
        assert verdict[0] == (1, "no") and all(word != "no" for f, word in verdict if f != 1)
        assert [word == "yes" for _, word in verdict] == sorted(word == "yes" for _, word in verdict)
    far = corpus.frame["n_tokens"].to_numpy() + np.where(cluster == 1, 1000, 0)
    corpus.frame = corpus.frame.with_columns(pl.Series("n_tokens", far, dtype=pl.Int32))
    apart = describe(corpus, "main", cluster, [[], []])[0].telling
    assert {t.explained_by_length for t in apart} <= {"unclear"}


def test_adjusted_q_is_cochran_mantel_haenszel_corrected() -> None:
    corpus, cluster = with_clusters(seed=2)
    code = strata.bins(corpus.frame["n_tokens"].to_numpy().astype(float), np.ones(240, bool), 5)
    seen: list[tuple[float, float]] = []
    for c, one in enumerate(describe(corpus, "main", cluster, [[], [], [], []]), start=1):
        for t in one.telling:
            tables = []
            for s in np.unique(code):
                has = corpus.value[:, t.feature] > 0
                x, y = (cluster == c) & (code == s), (cluster != c) & (code == s)
                tables.append([[has[x].sum(), (~has[x]).sum()], [has[y].sum(), (~has[y]).sum()]])
            test = StratifiedTable(np.array(tables, float).transpose(1, 2, 0)).test_null_odds(correction=True)
            assert t.adjusted_q >= test.pvalue * (1 - 1e-6)
            seen.append((test.pvalue, t.adjusted_q))
    q = [q for _, q in sorted(seen)]
    assert len(q) > 20 and q[0] < 1e-6
    assert all(low <= high * (1 + 1e-6) for low, high in pairwise(q))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_any_clusters_can_be_described(seed: int, k: int) -> None:
    """Clusters of one or two documents, and numbers that no document has (a prediction), too."""
    rng = np.random.default_rng(seed)
    corpus = Stored(some_matrix(40, 12, seed % 1000))
    cluster = rng.choice(np.concatenate([[0], rng.integers(1, k + 1, 3)]), 40).astype(np.int32)
    near = [[o for o in range(1, k + 1) if o != c][:2] for c in range(1, k + 1)]
    top = int(cluster.max())
    near = [[o for o in some if o <= top] for some in near]
    for one in describe(corpus, "main", cluster, near):
        for t in one.telling:
            assert 0 <= t.p <= t.q <= 1 and t.inside > t.outside


# ---- names -------------------------------------------------------------------------------------------


# ---- exemplars -------------------------------------------------------------------------------


def test_typical_documents_are_nearest_the_centre() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(np.repeat(np.eye(3, dtype=np.float32), 20, 0) + 0.1 * rng.random((60, 3), np.float32))
    vectors[1] = vectors[0]
    cluster = np.repeat(np.arange(3), 20).astype(np.int32)
    probability = rng.random(60).astype(np.float32)
    probability[:2] = 1
    centre = centres(vectors, cluster, 2)
    np.testing.assert_allclose(centre[0], unit_rows([vectors[20:40].mean(0)])[0], atol=1e-6)
    assert nearest_clusters(centre, 2) == [[2], [1]]
    assert nearest_clusters(centre[:1], 2) == [[]]
    for c, rows in enumerate(exemplar_rows(vectors, cluster, probability, centre, 4), start=1):
        members = np.flatnonzero(cluster == c)
        firm = members[probability[members] >= np.median(probability[members])]
        expected = sorted(firm.tolist(), key=lambda i: -float(vectors[i] @ centre[c - 1]))[:4]
        assert rows.tolist() == expected
    all_one, sure = np.ones(60, np.int32), np.ones(60, np.float32)
    whole = exemplar_rows(vectors, all_one, sure, centres(vectors, all_one, 1), 60)
    assert len({0, 1} & set(whole[0].tolist())) == 1  # the same document stands once


def test_where_features_fire_is_read_across_blocks() -> None:
    corpus = planted(100, block=13)
    rows = [np.array([99, 0, 13]), np.array([12, 50])]
    for found, asked, features in zip(
        find_exemplars(corpus, "main", rows, [[3, 1, 2], [7]]), rows, [[3, 1, 2], [7]], strict=True
    ):
        assert [t.row for t in found] == asked.tolist()
        for t in found:
            expected = [f for f in features if corpus.value[t.row, f] > 0]
            assert [f.feature for f in t.fired] == expected
            for f in t.fired:
                assert f.value == corpus.value[t.row, f.feature] and f.peak == corpus.peak[t.row, f.feature]


# ---- known labels ------------------------------------------------------------------------------------


def test_against_known_labels() -> None:
    from sklearn import metrics

    corpus = Stored(np.ones((6, 2)), meta={"kind": ["a", "a", "b", "b", None, "c"], "none": [None] * 6})
    cluster = np.array([1, 1, 2, 0, 3, 0], np.int32)
    found = against_truth(corpus, cluster, "kind")
    truth, mine = [0, 0, 1, 1, 2], [1, 1, 2, 0, 0]
    assert found["ari"] == pytest.approx(metrics.adjusted_rand_score(truth, mine))
    assert found["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(truth, mine))
    assert found["v_measure"] == pytest.approx(metrics.v_measure_score(truth, mine))
    assert found["homogeneity"] == pytest.approx(metrics.homogeneity_score(truth, mine))
    assert found["completeness"] == pytest.approx(metrics.completeness_score(truth, mine))
    assert (found["truth_values"], found["truth_documents"], found["truth_noise"]) == (3, 5, 0.4)
    with pytest.raises(InputError, match="no column 'nothing'"):
        against_truth(corpus, cluster, "nothing")
    with pytest.raises(InputError, match="no values"):
        against_truth(corpus, cluster, "none")


def test_of_copies_one_is_read_for_the_semantic_map() -> None:
    n_tokens = np.full(900, 10, np.int64)
    text = np.arange(900) // 3
    chosen = choose(n_tokens, 4, text)
    assert len(chosen) == 300 and len(set(text[chosen])) == 300
    assert (choose(n_tokens, 4, np.arange(900)) == choose(n_tokens, 4)).all()
