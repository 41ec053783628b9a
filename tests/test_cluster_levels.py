"""Levels of clusters: parts lie in parts, the cut is the best there is, and what is shown of it is true."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cluster_factory import D_SAE, LABELS, TOPICS, Stored
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

import saetext
from saetext.analysis.clusters import ClusterResult, load_model, predict, save_clusters
from saetext.analysis.clusters.density import group
from saetext.analysis.clusters.levels.cutting import Levels, Nodes, grouped, levels, split, whole
from saetext.analysis.clusters.levels.names import _apart, named_by_parts
from saetext.reader import sentences as embed
from saetext.report.console.cluster_levels import _listed
from saetext.report.console.clusters import render_clusters


@pytest.fixture(autouse=True, scope="module")
def _labels_by_words() -> object:
    """Labels are compared by their words: no model is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "available", lambda: False)
        yield


def blobs(seed: int, sizes: list[int], inner: int = 1) -> np.ndarray:
    """Points in far groups, each of ``inner`` near ones."""
    rng = np.random.default_rng(seed)
    made = []
    for size in sizes:
        far = rng.normal(scale=40, size=3)
        for _ in range(inner):
            made.append(far + rng.normal(scale=3.5, size=3) + rng.normal(scale=0.4, size=(size, 3)))
    return np.concatenate(made).astype(np.float32)


# ---- the cut against all cuts there are ------------------------------------------------------------------


def best_below(children: dict[int, list[int]], stability: dict[int, float], node: int) -> float:
    """The largest sum over all sets of nodes below one of which none is in another, tried one by one."""
    under = [node]
    for one in under:
        under += children.get(one, [])
    above: dict[int, set[int]] = {node: set()}
    for one in under:
        for child in children.get(one, []):
            above[child] = above[one] | {one}
    inner = under[1:]
    best = 0.0
    for some in itertools.product((False, True), repeat=len(inner)):
        chosen = {one for one, taken in zip(inner, some, strict=True) if taken}
        if not any(above[one] & chosen for one in chosen):
            best = max(best, sum(stability[one] for one in chosen))
    return best


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_the_parts_are_the_best_of_all_cuts(seed: int, splits: int) -> None:
    rng = np.random.default_rng(seed)
    children: dict[int, list[int]] = {}
    leaves, free = [100], 101
    for _ in range(splits):
        node = leaves.pop(int(rng.integers(len(leaves))))
        children[node] = [free, free + 1]
        leaves += children[node]
        free += 2
    stability = {node: float(rng.uniform(0.1, 3)) for node in range(100, free)}
    nodes = Nodes(stability, children, np.empty(0, np.int64))
    found = nodes.below(100)
    assert sum(stability[one] for one in found) == pytest.approx(best_below(children, stability, 100))
    assert 100 not in found and len(found) == len(set(found))


def test_stabilities_are_those_by_which_hdbscan_chose() -> None:
    points = blobs(3, [40, 30, 25], inner=2)
    grouping = group(points, min_cluster_size=8, min_samples=5)
    nodes = Nodes.of(grouping.tree, len(points))
    root = min(nodes.stability)
    chosen = {
        node
        for node, number in grouping.tree.select("child", "cluster").iter_rows()
        if number is not None and node >= len(points)
    }
    assert set(nodes.below(root)) == chosen and len(chosen) > 1
    for node, number in (
        grouping.tree.filter(pl.col("cluster").is_not_null()).select("child", "cluster").iter_rows()
    ):
        assert set(np.flatnonzero(grouping.cluster == number)) <= set(nodes.rows(node).tolist())


# ---- nesting ---------------------------------------------------------------------------------------------


def require_nested(found: Levels, cluster: np.ndarray) -> None:
    np.testing.assert_array_equal(found.number[found.base], cluster)
    for level, number in enumerate(found.number):
        assert ((number > 0) == (cluster > 0)).all()
        assert set(number[number > 0]) == set(range(1, int(number.max(initial=0)) + 1))
        if not level:
            continue
        above = found.number[level - 1]
        for part in range(1, int(number.max(initial=0)) + 1):
            [parent] = set(above[number == part].tolist())
            assert found.parents(level)[part] == parent
        assert number.max(initial=0) > above.max(initial=0)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 1000), st.lists(st.integers(12, 60), min_size=2, max_size=16), st.integers(1, 3),
    st.integers(1, 5), st.sampled_from([0.0, 0.1, 0.3]),
)  # fmt: skip
def test_each_part_lies_in_one_part_above(
    seed: int, sizes: list[int], inner: int, most: int, lump: float
) -> None:
    points = blobs(seed, sizes, inner)
    grouping = group(points, min_cluster_size=6, min_samples=4)
    found = levels(grouping.tree, points, grouping.cluster, most, lump=lump)
    assert 1 <= len(found) <= most
    require_nested(found, grouping.cluster)


def test_a_lump_is_split_into_what_it_is_made_of() -> None:
    rng = np.random.default_rng(0)
    far = [np.array(at, float) for at in ((0, 0, 0), (200, 0, 0), (0, 200, 0), (0, 0, 200))]
    inner = [far[0] + np.array(at) for at in ((0, 0, 0), (2.75, 0, 0), (0, 2.75, 0))]
    centres = [*inner, *far[1:]]
    truth = np.repeat(np.arange(6), 40)
    points = (np.array(centres)[truth] + rng.normal(scale=0.5, size=(240, 3))).astype(np.float32)
    grouping = group(points, min_cluster_size=10, min_samples=4)
    assert grouping.n_clusters == 4 and (grouping.cluster == 1).sum() == 120
    found = levels(grouping.tree, points, grouping.cluster, 3)
    assert len(found) == 2 and found.base == 0 and found.number[1].max() == 6
    parts = [np.bincount(found.number[1][truth == one], minlength=7) for one in range(6)]
    assert all(part.max() >= 37 for part in parts) and len({int(part.argmax()) for part in parts}) == 6
    assert len(levels(grouping.tree, points, grouping.cluster, 3, lump=0.6)) == 1
    assert len(levels(grouping.tree, points, grouping.cluster, 1)) == 1


def test_rows_of_one_place_stay_together_and_no_row_is_lost() -> None:
    rng = np.random.default_rng(1)
    points = np.concatenate([rng.normal(-9, 1, (30, 2)), np.zeros((9, 2)), rng.normal(5, 1, (30, 2))])
    core = np.where(np.arange(69) < 30, 1, 2)
    core[30:34], core[34:39], core[5:9] = 1, 2, 0
    found = whole(points.astype(np.float32), core)
    assert (found > 0).all() and set(found[30:39].tolist()) == {2}
    kept = (core > 0) & ~np.isin(np.arange(69), range(30, 39))
    assert (found[kept] == core[kept]).all()
    for row in range(5, 9):  # by hand: most of the five nearest that are known
        known = np.flatnonzero(core)
        near = known[np.argsort(np.linalg.norm(points[known] - points[row], axis=1), kind="stable")[:5]]
        assert found[row] == np.bincount(core[near]).argmax()


def test_groups_are_of_clusters_that_are_near() -> None:
    centre = np.array([[0, 0], [1, 0], [50, 0], [51, 0], [0, 80]])
    cluster = np.repeat(np.arange(1, 6), [9, 8, 7, 6, 5]).astype(np.int32)
    points = centre[cluster - 1].astype(np.float32)
    assert grouped(points, cluster, 3).tolist() == [1] * 17 + [2] * 13 + [3] * 5
    assert grouped(points, np.where(cluster == 5, 0, cluster).astype(np.int32), 2).tolist()[-5:] == [0] * 5


def test_nothing_to_split_or_group() -> None:
    empty = pl.DataFrame(
        schema={
            "parent": pl.Int64,
            "child": pl.Int64,
            "lambda": pl.Float64,
            "size": pl.Int64,
            "cluster": pl.Int32,
        }
    )
    none = np.zeros(5, np.int32)
    found = levels(empty, np.zeros((5, 2), np.float32), none, 4)
    assert len(found) == 1 and found.parents(0).tolist() == [0]
    nodes = Nodes.of(empty, 5)
    assert split(nodes, np.zeros((5, 2), np.float32), none, {}, 0.1) == (None, {})


# ---- in the result ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus() -> Stored:
    """Four topics of four matters each: 16 clusters, more than are shown at once."""
    rng, row = np.random.default_rng(0), np.arange(360)
    matter = rng.integers(0, 16, 360)
    rate = np.full((360, D_SAE), 0.01)
    for i in range(4):
        rate[row, matter // 4 * 4 + i] = 0.7
    for i in range(2):
        rate[row, 16 + matter * 2 + i] = 0.95
    value = (rng.random(rate.shape) < rate) * rng.uniform(0.8, 1.6, rate.shape)
    told = [f"Someone writes of {TOPICS[m // 4]}, of matter {'abcdefghijklmnop'[m]}." for m in matter]
    topic = [TOPICS[m // 4] for m in matter]
    return Stored(value, told=told, n_tokens=[8] * 360, meta={"topic": topic, "matter": matter.tolist()})


@pytest.fixture(scope="module")
def result(corpus: Stored) -> ClusterResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "available", lambda: False)
        return saetext.cluster(corpus, labels=LABELS, levels=4, min_cluster_size=8, epochs=100, views=False)


def test_the_coarse_levels_are_topics_and_the_fine_one_is_matters(
    result: ClusterResult, corpus: Stored
) -> None:
    told = result.documents
    assert [told[f"level_{at}"].max() for at in (1, 2, 3)] == [4, 12, 16]
    assert adjusted_rand_score(corpus.frame["topic"], told["level_1"]) > 0.7
    assert adjusted_rand_score(corpus.frame["matter"], told["level_3"]) > 0.95


def test_the_tables_say_the_same(result: ClusterResult) -> None:
    n = result.n_levels
    assert n > 1
    assert result.levels["level"].unique().sort().to_list() == list(range(1, n + 1))
    base = result.metrics["level_of_clusters"]
    assert result.documents[f"level_{base}"].to_list() == result.documents["cluster"].to_list()
    assert result.names_of(base) == result.table["name"].to_list()
    assert result.levels["name"].to_list() and result.lists()["levels"].height
    for row in result.levels.iter_rows(named=True):
        mine = result.documents.filter(pl.col(f"level_{row['level']}") == row["part"])
        assert row["size"] == mine.height and row["share"] == pytest.approx(mine.height / 360)
        if row["parent"] is not None:
            assert set(mine[f"level_{row['level'] - 1}"]) == {row["parent"]}
        if row["cluster"] is not None:
            assert set(mine["cluster"]) == {row["cluster"]}
    for _, part in result.levels.group_by("level"):
        assert part["name"].is_unique().all()
        assert part["size"].sum() == 360 - result.metrics["noise_documents"]


def test_levels_are_kept_and_new_documents_have_them(
    result: ClusterResult, corpus: Stored, tmp_path: Path
) -> None:
    model = load_model(save_clusters(result, corpus.spec, tmp_path / "x.clusters"))
    assert pl.read_parquet(tmp_path / "x.clusters" / "levels.parquet").equals(result.levels)
    again = predict(model, corpus, labels=LABELS)
    assert again.n_levels == result.n_levels > 1
    kept = ["level", "part", "parent", "cluster", "name"]
    assert again.levels.select(kept).equals(result.levels.select(kept))
    same = again.documents.filter(pl.col("cluster") == result.documents["cluster"])
    assert same.height > 300
    for level in range(1, again.n_levels + 1):
        moved = again.documents[f"level_{level}"] != result.documents[f"level_{level}"]
        assert moved.mean() < 0.1


def test_the_terminal_shows_groups_and_parts() -> None:
    def row(
        level: int, part: int, parent: int | None, cluster: int | None, name: str, size: int
    ) -> dict[str, object]:
        return {
            "level": level, "part": part, "parent": parent, "cluster": cluster, "name": name, "size": size,
            "share": size / 100, "words": [],
        }  # fmt: skip

    parts = [
        row(1, 1, None, None, "cards \x1b[31m", 70), row(1, 2, None, 3, "loans", 30),
        row(2, 1, 1, 1, "lost cards", 40), row(2, 2, 1, 2, "new cards", 30), row(2, 3, 2, 3, "loans", 30),
        row(3, 1, 1, 1, "stolen", 25), row(3, 2, 1, 1, "left behind", 15), row(3, 3, 2, 2, "new cards", 30),
        row(3, 4, 3, 3, "loans", 30),
    ]  # fmt: skip
    table = pl.DataFrame(
        [
            {
                "cluster": c, "name": name, "size": size, "share": size / 100, "probability": 1.0,
                "persistence": 1.0, "features": [], "against": [], "words": [], "examples": [],
                "example": None, "snippet": None,
            }
            for c, name, size in ((1, "lost cards", 40), (2, "new cards", 30), (3, "loans", 30))
        ]
    )  # fmt: skip
    result = ClusterResult(
        "cluster", table, {"corpus": "bank", "min_cluster_size": 5},
        {"documents": 100, "n_clusters": 3, "noise": 0.0, "levels": 3, "level_of_clusters": 2},
        levels=pl.DataFrame(parts),
    )  # fmt: skip
    text = render_clusters(result, 100)
    assert "\x1b" not in text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    at = next(i for i, line in enumerate(lines) if "cards" in line and "70" in line)
    assert lines[at + 1] == "lost cards (1); new cards (2)"
    assert lines[at + 2].endswith("loans") and "30.0 %" in lines[at + 2]
    own = next(i for i, line in enumerate(lines) if line.startswith("1 ") and line.endswith("lost cards"))
    assert lines[own + 1].split() == ["25", "25.0", "%", "stolen"]
    assert lines[own + 2].split() == ["15", "15.0", "%", "left", "behind"]
    assert lines[own + 3].startswith("2 ")
    assert all(len(line) <= 40 for line in render_clusters(result, 40).splitlines())


def test_a_mixed_part_is_called_what_its_parts_are() -> None:
    number = np.array(
        [[1, 1, 1, 1, 1, 1, 1, 2], [1, 1, 1, 1, 2, 2, 2, 3], [1, 2, 3, 4, 5, 5, 5, 6]], np.int32
    )
    cut = Levels(number, 1)
    fine = ["loans, rates · banking", "mixed: the", "cards, lost, stolen", "post", "pins", "cash"]
    base = ["mixed: money", "pins", "mixed: cash"]
    called = [[(name, ()) for name in names] for names in (["mixed: it", "cash"], base, fine)]
    found = [[name for name, _ in some] for some in named_by_parts(cut, called)]
    # at level 1 the only part with a name of its own is one: too few; a part alone has the fine one's name
    assert found == [
        ["mixed: it", "cash"], ["mixed: loans, rates / cards, lost / post / 1 more", "pins", "cash"], fine
    ]  # fmt: skip
    called[2][0], called[2][2], called[2][3] = (
        ("mixed: a", ()),
        ("mixed: b", ()),
        ("nothing sets it apart", ()),
    )
    assert named_by_parts(cut, called)[1][0] == ("mixed: money", ())
    assert named_by_parts(Levels(number[:1], 0), called[:1]) == called[:1]


def test_a_part_with_a_number_gets_another_and_not_a_second() -> None:
    taken = {"nothing sets it apart", "nothing sets it apart (2)"}
    names = [_apart("nothing sets it apart (2)", (), taken)[0], _apart("nothing sets it apart", (), taken)[0]]
    assert names == ["nothing sets it apart (3)", "nothing sets it apart (4)"]
    rows = [{"name": name, "cluster": 3, "part": 1} for name in names]
    assert _listed(rows, 99) == "nothing sets it apart (3); nothing sets it apart (4) (3)"
