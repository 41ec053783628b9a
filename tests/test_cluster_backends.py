"""The adapter of UMAP and HDBSCAN returns what their public classes do, in the versions named here."""

from __future__ import annotations

import ast
import tomllib
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saetext.analysis.clusters import backends
from saetext.analysis.clusters.fitting import fit
from saetext.analysis.clusters.request import ClusterRequest

ROOT = Path(__file__).parents[1]
TESTED = {"umap-learn": "0.5.12", "hdbscan": "0.8.44"}
K, SEED, EPOCHS = 10, 3, 60


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(c, 0.6, (40, 4)) for c in (-4, 0, 5)]).astype(np.float32)


@pytest.fixture(scope="module")
def neighbours(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.metrics import pairwise_distances

    distance = pairwise_distances(points)
    row = np.argsort(distance, 1, kind="stable")[:, :K].astype(np.int32)
    return row, np.take_along_axis(distance, row, 1).astype(np.float32)


@pytest.fixture(scope="module")
def model(points: np.ndarray) -> Any:
    return backends.hdbscan_fit(points.astype(float), min_cluster_size=10, min_samples=5, method="eom")


@pytest.mark.parametrize("name", TESTED)
def test_the_version_is_one_that_was_tested(name: str) -> None:
    assert version(name) == TESTED[name], (
        f"{name} {version(name)} is installed, and saetext/analysis/clusters/backends.py was tested with "
        f"{TESTED[name]}: it uses undocumented parts. "
        "If the other tests of this file pass, name the new version here and in constraints.txt"
    )
    [declared] = [
        line
        for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
        if line.startswith(name)
    ]
    major, minor, _ = TESTED[name].split(".")
    assert declared.endswith(f",<{major}.{int(minor) + 1}"), f"{declared} has no upper pin"


def test_nothing_else_imports_them() -> None:
    found = set()
    for path in (ROOT / "saetext").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & {"umap", "hdbscan"}:
                found.add(path.name)
    assert found == {"backends.py"}


def test_graph_and_embedding_are_those_of_umap(points: np.ndarray, neighbours: Any) -> None:
    from umap import UMAP

    first = np.random.default_rng(1).normal(size=(len(points), 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = UMAP(
            n_neighbors=K, n_components=2, min_dist=0.1, spread=1.0, n_epochs=EPOCHS, random_state=SEED,
            init=first.astype(np.float32), n_jobs=1,
        ).fit(points)  # fmt: skip
    graph = backends.umap_graph(*neighbours, SEED)
    assert graph.shape == (len(points),) * 2
    dense = graph.toarray()
    dense[dense < dense.max() / EPOCHS] = 0  # edges too weak for one epoch: UMAP drops them when it embeds
    np.testing.assert_allclose(dense, truth.graph_.toarray(), atol=1e-5)
    # of the very same edges in the same order: the descent follows it
    found = backends.umap_embedding(
        truth.graph_, first, spread=1.0, min_dist=0.1, epochs=EPOCHS, rng=np.random.RandomState(SEED),
        tqdm={"disable": True},
    )  # fmt: skip
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, truth.embedding_, atol=1e-4)


def test_what_is_compiled_of_umap_is_kept_in_files(neighbours: Any) -> None:
    """It takes longer than clustering, and commands are processes of their own."""
    from umap import layouts, umap_

    backends.umap_weights(*neighbours)
    epoch = layouts._nb_optimize_layout_euclidean_single_epoch
    for compiled in (umap_.smooth_knn_dist, umap_.compute_membership_strengths, epoch):
        assert compiled.stats.cache_path, compiled


def test_weights_of_new_rows_are_umaps_formula(neighbours: Any) -> None:
    row, distance = (part[:, 1:] for part in neighbours)  # of a new row none is itself
    row, distance = np.ascontiguousarray(row), np.ascontiguousarray(distance)
    found = backends.umap_weights(row, distance)
    assert found.shape == row.shape
    np.testing.assert_allclose(found[:, 1:].sum(1), np.log2(row.shape[1]), atol=1e-3)
    # w = exp(-d / sigma): one sigma for each row, and no distance is free
    sigma = -distance / np.log(found)
    np.testing.assert_allclose(sigma, sigma[:, :1] * np.ones_like(sigma), rtol=1e-3)


def test_tree_memberships_outliers_are_those_of_hdbscan(points: np.ndarray, model: Any) -> None:
    import hdbscan

    truth = hdbscan.HDBSCAN(min_cluster_size=10, min_samples=5, prediction_data=True)
    truth.fit(points.astype(float))
    np.testing.assert_array_equal(model.labels_, truth.labels_)
    np.testing.assert_allclose(model.probabilities_, truth.probabilities_)
    raw, nodes = backends.hdbscan_tree(model)
    assert raw.dtype.names == ("parent", "child", "lambda_val", "child_size")
    np.testing.assert_array_equal(raw, truth.condensed_tree_.to_numpy())
    assert len(nodes) == truth.labels_.max() + 1 == 3
    children: dict[int, list[int]] = {}
    for parent, child in zip(raw["parent"].tolist(), raw["child"].tolist(), strict=True):
        children.setdefault(parent, []).append(child)
    for number, node in enumerate(nodes):  # the rows below a cluster's node are the cluster
        below, rows = [node], set()
        while below:
            here = below.pop()
            below += children.get(here, [])
            rows |= {here} if here < len(points) else set()
        assert rows == set(np.flatnonzero(truth.labels_ == number).tolist())
    member = backends.hdbscan_memberships(model)
    np.testing.assert_allclose(member, hdbscan.all_points_membership_vectors(truth), atol=1e-6)
    np.testing.assert_allclose(backends.hdbscan_outliers(model), truth.outlier_scores_)


def test_validity_tells_a_good_grouping_from_a_bad_one(points: np.ndarray) -> None:
    good = np.repeat(np.arange(3), 40)
    assert backends.hdbscan_validity(points.astype(float), good) > 0.5
    assert backends.hdbscan_validity(points.astype(float), np.tile(np.arange(3), 40)) < 0


def test_linear_algebra_of_a_fit_uses_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more, the last bits of its sums differ, and then other documents are in the clusters."""
    from cluster_factory import planted
    from sklearn.utils import extmath
    from threadpoolctl import threadpool_info, threadpool_limits

    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    used: list[set[int]] = []
    svd = extmath.randomized_svd

    def watched(*args: Any, **options: Any) -> Any:
        used.append(threads())
        return svd(*args, **options)

    monkeypatch.setattr(extmath, "randomized_svd", watched)
    corpus = planted(120)
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        fit(corpus, "main", ClusterRequest(semantic=False, min_cluster_size=10), None, lambda *_: None)
        assert threads() == before
    assert len(used) == 2 and used == [{1}, {1}]


def test_distances_do_not_depend_on_the_number_of_threads() -> None:
    """The last bits of the index's own do: UMAP made 37 clusters of a pile with one thread, 41 with two."""
    import faiss

    from saetext.analysis.clusters.neighbours import by_cosine

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 256)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    before = faiss.omp_get_max_threads()
    found = []
    try:
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            found.append(by_cosine(rows, None, 12))
    finally:
        faiss.omp_set_num_threads(before)
    one, two = found
    assert np.array_equal(one.row, two.row) and np.array_equal(one.distance, two.distance)
    some = rng.choice(3000, 40, replace=False)
    by_hand = 1 - rows[some].astype(np.float64) @ rows.astype(np.float64).T
    by_hand[np.arange(40), some] = 0
    assert np.allclose(one.distance[some], np.sort(by_hand, axis=1)[:, :12], atol=1e-6)
    assert (np.diff(one.distance, axis=1) >= 0).all()
