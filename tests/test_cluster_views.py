"""Views of a pile: two partitions that were planted in features of two themes are found, each by its view.

Not for: clusters of all features (``test_cluster.py``).
"""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from cluster_factory import (
    D_SAE,
    EACH,
    LABELS,
    TONE_FEATURES,
    TONES,
    TOPIC_FEATURES,
    TOPICS,
    Stored,
    distinct,
    planted,
)
from scipy import sparse
from scipy.cluster.hierarchy import cut_tree, fcluster, linkage
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from saetext.analysis.clusters import (
    ClusterResult,
    cluster,
    compare,
    load_model,
    predict,
    save_clusters,
    semantic_map,
)
from saetext.analysis.clusters.request import ClusterRequest
from saetext.analysis.clusters.views import fitting as view_fitting
from saetext.analysis.clusters.views import showing as view_showing
from saetext.analysis.clusters.views import stability as stable
from saetext.analysis.clusters.views.looking import ABOUT, View, _rank, _told_once, look
from saetext.analysis.clusters.views.themes import THEMED, themed_features, view_of
from saetext.errors import InputError
from saetext.features.themes import Theme, Themes
from saetext.reader import sentences as embed
from saetext.report.console.cluster_views import view_lines
from saetext.report.console.clusters import render_clusters

QUICK: dict[str, Any] = {"labels": LABELS, "epochs": 30, "name": "pile"}
THEMES = Themes(
    tuple(Theme(f"topic-{t}", t, "", "topic", tuple(range(i * EACH, (i + 1) * EACH)))
          for i, t in enumerate(TOPICS))
    + tuple(Theme(f"tone-{t}", t, "", "style", tuple(TONE_FEATURES[i * EACH : (i + 1) * EACH]))
            for i, t in enumerate(TONES))
)  # fmt: skip


@pytest.fixture(autouse=True)
def _planted_themes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "available", lambda: False)
    monkeypatch.setattr(Themes, "for_spec", classmethod(lambda cls, spec, sae=None: THEMES))


@pytest.fixture(scope="module")
def pile() -> Stored:
    return distinct()


def shuffled_pile(seed: int) -> Stored:
    found = distinct(seed=seed)
    found.value = np.random.default_rng(seed).permuted(found.value, axis=0)
    return found


def test_each_partition_is_found_by_its_view_and_by_no_other(pile: Stored) -> None:
    found = look(pile, "main", ClusterRequest(), np.arange(300), lambda *_: None)
    topic, tone = pile.frame["topic"].to_list(), pile.frame["tone"].to_list()
    subject, style = found.named("subject"), found.named("style")
    assert (subject.n_clusters, style.n_clusters) == (4, 3)
    assert adjusted_rand_score(topic, subject.groups) > 0.9 < adjusted_rand_score(tone, style.groups)
    assert abs(adjusted_rand_score(tone, subject.groups)) < 0.05 > adjusted_rand_score(topic, style.groups)
    assert {view.found.structure for view in (subject, style)} == {"clear"}
    assert set(subject.told) <= set(TOPICS) and set(style.told) <= set(TONES)
    with pytest.raises(InputError, match="cannot be looked at by embedding"):
        found.named("embedding")


def test_shuffled_features_have_no_groups() -> None:
    claimed = [
        view.name
        for seed in range(3)
        for view in look(
            shuffled_pile(seed), "main", ClusterRequest(), np.arange(300), lambda *_: None
        ).views
        if view.n_clusters
    ]  # fmt: skip
    assert claimed == []


def test_a_view_that_says_the_same_is_shown_once() -> None:
    topics = distinct(tones=False)
    found = look(topics, "main", ClusterRequest(), np.arange(300), lambda *_: None)
    assert {found.views[0].name, *found.views[0].same} >= {"subject", "features"}
    assert len(found.every) == sum(1 + len(view.same) for view in found.views)
    assert found.named("features").n_clusters == 4


def slow_stability(rows: np.ndarray, k: int, halves: list[np.ndarray]) -> float:
    """Ward and k-means of each half by other code, and the adjusted Rand index by scikit-learn."""
    told = []
    for half in halves:
        own = rows[half].astype(np.float64)
        first = cut_tree(linkage(own, "ward"), n_clusters=k).ravel()
        start = np.array([own[first == g].mean(0) for g in range(k)])
        means = KMeans(k, init=start, n_init=1, max_iter=12, tol=0, algorithm="lloyd").fit(own)
        distance = ((rows[:, None, :] - means.cluster_centers_[None]) ** 2).sum(2)
        told.append(distance.argmin(1))
    return float(adjusted_rand_score(*told))


@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_stability_is_that_of_a_slow_version(spread: float) -> None:
    rng = np.random.default_rng(3)
    middle = rng.normal(size=(5, 6))
    rows = (middle[rng.integers(0, 5, 160)] + spread * rng.normal(size=(160, 6))).astype(np.float32)
    ks = (2, 5, 9)
    mine = stable.stability(rows, ks, 2, np.random.default_rng(7))
    again = np.random.default_rng(7)
    for split in range(2):
        halves = [np.sort(part) for part in np.array_split(again.permutation(160), 2)]
        slow = [slow_stability(rows, k, halves) for k in ks]
        assert mine[split] == pytest.approx(slow, abs=0.03)  # Lloyd's last rounds may move a row
    assert (mine[:, 1] > 0.95).all() if spread < 1 else (mine[:, 1] < 0.6).all()


@pytest.mark.parametrize("tied", [False, True])
def test_cuts_of_a_tree_are_scipys(tied: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        n = int(rng.integers(3, 50))
        rows = rng.integers(0, 3, (n, 2)) if tied else rng.normal(size=(n, 3))
        linked = linkage(rows.astype(np.float64), "ward")
        tree = stable.tree_of(linked)
        for k in range(1, n + 2):
            assert (tree.groups(k) == fcluster(linked, k, "maxclust") - 1).all()


def test_means_of_groups_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(70, 5)).astype(np.float32)
    for k in (3, 9, 2):  # in turn, so that nothing is left of the last groups
        group = rng.integers(0, k, 70)
        group[group == 1] = 0  # an empty one is dropped
        by_hand = [rows[group == g].mean(0) for g in range(k) if (group == g).any()]
        np.testing.assert_allclose(stable.settled(rows, group, k, 0), by_hand, atol=1e-6)


def test_agreement_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        n, a, b = rng.integers(5, 60), rng.integers(2, 9), rng.integers(2, 9)
        one, other = rng.integers(0, a, n).astype(np.int32), rng.integers(0, b, n).astype(np.int32)
        if len(set(one)) > 1 < len(set(other)):
            assert stable.agreement(one, other) == pytest.approx(adjusted_rand_score(one, other))
    same = np.zeros(9, np.int32)
    assert stable.agreement(same, same) == 0  # one group is no structure


def test_nulls_keep_what_they_should() -> None:
    rng = np.random.default_rng(1)
    stratum = np.repeat([0, 1], 40)
    dense = (rng.random((80, 12)) < 0.3) * rng.random((80, 12)).astype(np.float32)
    mixed = stable.shuffled_sparse(sparse.csr_matrix(dense), np.arange(2, 12), stratum, rng).toarray()
    assert not mixed[:, :2].any()
    for one in (0, 1):
        own = stratum == one
        assert np.array_equal(np.sort(mixed[own, 2:], axis=0), np.sort(dense[own, 2:], axis=0))
    assert not np.array_equal(mixed[:, 2:], dense[:, 2:])
    rows = (rng.normal(size=(4000, 3)) * [5, 2, 1]).astype(np.float32)
    rows[:2000, 2] += 8
    cloud = stable.smooth(rows, np.repeat([0, 1], 2000), rng)
    assert np.cov(cloud.T) == pytest.approx(np.cov(rows.T), rel=0.1, abs=0.5)
    assert cloud[:2000, 2].mean() == pytest.approx(rows[:2000, 2].mean(), abs=0.2)


def test_the_groups_of_a_view_are_clusters_like_others(pile: Stored, tmp_path: Any) -> None:
    result = cluster(pile, view="style", truth="tone", **QUICK)
    assert result.n_clusters == 3 and result.noise == 0 and result.tree is None
    assert result.metrics["ari"] > 0.9 and result.metrics["shown_view"]["ari"] > 0.9
    assert result.params["view"] == "style" and result.table["persistence"].null_count() == 3
    own = {f["feature"] for row in result.table.to_dicts() for f in row["features"][:EACH]}
    assert own == set(TONE_FEATURES)
    rows = result.metrics["views"]
    assert [row["score"] for row in rows if row["n_clusters"]] == sorted(
        (row["score"] for row in rows if row["n_clusters"]), reverse=True
    )
    assert {"ari", "nmi", "stability"} <= rows[0].keys()
    # new documents go where the features of the view say
    saved = save_clusters(result, pile.spec, tmp_path / "style.clusters")
    new = planted(80, 9)
    placed = predict(load_model(saved), new)
    assert adjusted_rand_score(new.frame["tone"].to_list(), placed.documents["cluster"].to_list()) > 0.8
    # a view has no noise: neither have new documents, though they are like none that was fitted
    model = load_model(saved)
    near = dataclasses.replace(model, fitted=dataclasses.replace(model.fitted, farthest=-1.0))
    assert predict(near, new).metrics["noise_documents"] == 0


def test_a_view_that_others_agree_with_comes_before_a_surer_one_alone() -> None:
    one, other = np.repeat([0, 1], 50).astype(np.int32), np.tile([0, 1], 50).astype(np.int32)
    found = [
        View("layout", stable.Choice(2, 0.75, 0, 0), one),
        View("embedding", stable.Choice(2, 0.7, 0, 0), other),
        View("subject", stable.Choice(2, 0.6, 0, 0), other),
        View("style", stable.Choice(2, 0.1, 0, 0), one),
    ]
    ranked = sorted(_told_once(found), key=_rank)
    assert [(view.name, view.same) for view in ranked[:2]] == [("embedding", ("subject",)), ("layout", ())]
    assert ranked[-1].name == "style"  # without groups


def test_the_view_that_is_shown_is_marked_where_a_better_one_says_the_same() -> None:
    rows = [
        {"view": "subject", "n_clusters": 2, "stability": 0.9, "structure": "clear", "groups": [],
         "same": ["embedding", "features"]},
        {"view": "style", "n_clusters": 0, "stability": 0.1, "structure": "none", "groups": [], "same": []},
    ]  # fmt: skip
    metrics = {"views": rows, "recommended": "subject", "shown_view": {"view": "features"}}
    result: Any = SimpleNamespace(metrics=metrics, params={})
    told = "\n".join(line.plain for line in view_lines(result, 200))
    assert "recommended; as by embedding and features (shown above)" in told


def test_finer_groups_are_chosen_where_the_curve_rises_again() -> None:
    ks, none = (2, 3, 4, 5, 6), np.zeros((2, 5))

    def k(*own: float, mixed: Any = none) -> tuple[int, str]:
        found = stable.chosen(ks, np.array(own), np.array(mixed), none)
        return found.k, found.structure

    assert k(0.9, 0.7, 0.8, 0.6, 0.5) == (4, "clear")  # .8 is .85 of .9 and above a valley
    assert k(0.9, 0.7, 0.75, 0.6, 0.5) == (2, "clear")  # too low a peak
    assert k(0.9, 0.88, 0.88, 0.6, 0.5) == (2, "clear")  # no valley: as good, and fewer
    assert k(0.9, 0.6, 0.8, 0.6, 0.82) == (6, "clear")  # the finest of several
    assert k(0.9, 0.7, 0.8, 0.6, 0.5, mixed=[[0, 0, 0, 0.7, 0]] * 2) == (2, "clear")  # finer ones are luck
    # the smallest numbers are as stable where there is nothing, and larger ones are not
    luck = [[0.95, 0.1, 0.1, 0.1, 0.1], [0, 0.1, 0.1, 0.1, 0.1]]
    assert k(0.96, 0.5, 0.45, 0.3, 0.2, mixed=luck) == (4, "clear")
    assert k(0.96, 0.2, 0.2, 0.2, 0.2, mixed=luck) == (2, "none")


def test_copies_make_no_group_of_their_own() -> None:
    """The number of groups was chosen with each text once: copies must not take one of them."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 4)).astype(np.float32)
    rows[:, 0] += np.repeat([0, 12, 24], 100)
    copied = np.r_[np.arange(300), np.full(400, 0)]
    rows[0, 1] = 25  # far from all groups, its own the nearest
    grouping = view_fitting.grouped(rows[copied], 3, 0, np.arange(300))
    assert adjusted_rand_score(np.repeat([0, 1, 2], 100), grouping.cluster[:300]) == 1
    assert len(set(grouping.cluster[300:].tolist()) | {int(grouping.cluster[0])}) == 1
    alone = view_fitting.grouped(rows[copied], 3, 0)
    assert adjusted_rand_score(np.repeat([0, 1, 2], 100), alone.cluster[:300]) < 1


def test_copies_of_an_embedded_text_are_fitted_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    copied = planted(60).take(np.r_[np.arange(60), np.arange(60), 7])
    monkeypatch.setattr(
        semantic_map, "embed_texts", lambda texts, said: np.array([[len(t)] for t in texts], np.float32)
    )
    notes: list[str] = []
    rows, told = view_fitting._embedded(copied, np.arange(121), 0, lambda *_: None, notes)
    assert rows.tolist() == list(range(121)) and not notes
    assert told[:, 0].tolist() == copied.frame["text"].str.len_chars().to_list()


def test_sets_are_not_looked_at_unless_asked(pile: Stored) -> None:
    halves = pile.take(np.arange(0, 300, 2)), pile.take(np.arange(1, 300, 2))
    halves[1].fingerprint = "another"
    found = compare(*halves, names=["a", "b"], labels=LABELS, epochs=30, min_cluster_size=15)
    assert "views" not in found.metrics
    by_tone = compare(*halves, names=["a", "b"], labels=LABELS, epochs=30, view="style")
    assert by_tone.n_clusters == 3 and by_tone.metrics["shown_view"]["view"] == "style"


def test_by_default_clusters_are_those_of_all_features_and_views_are_told(pile: Stored) -> None:
    def told(**more: Any) -> ClusterResult:
        return cluster(pile, min_cluster_size=15, **QUICK, **more)

    with_views, without = told(), told(views=False)
    assert with_views.documents.equals(without.documents) and with_views.table.equals(without.table)
    assert "views" not in without.metrics and with_views.params["view"] is None
    shown = render_clusters(with_views, 110)
    assert "Views of these documents (--view NAME shows the groups of one):" in shown
    [line] = [line for line in shown.splitlines() if line.startswith("  style ")]
    assert "3 groups, stability " in line
    assert "Views of" not in render_clusters(without, 110)
    named = told(features=TOPIC_FEATURES)
    assert "views" not in named.metrics  # features that are named are a view of their own
    best = cluster(pile, view="recommended", **QUICK)
    assert best.params["view"] == best.metrics["recommended"] == best.metrics["views"][0]["view"]
    assert f" by {best.params['view']} (" in render_clusters(best, 200).splitlines()[0]


def test_where_there_is_nothing_clusters_stay_and_a_note_says_so() -> None:
    found = cluster(shuffled_pile(1), view="recommended", **QUICK)
    assert found.params["view"] is None and found.metrics["recommended"] is None
    assert any("no view shows groups" in note for note in found.notes)
    forced = cluster(shuffled_pile(1), view="subject", views=False, **QUICK)
    assert any("no structure by subject" in note for note in forced.notes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"view": "style", "include": "tone"}, "include would change nothing"),
        ({"view": "style", "min_cluster_size": 9}, "min_cluster_size would change nothing"),
        ({"view": "style", "levels": 2}, "levels would change nothing"),
        ({"view": "embedding", "levels": 2}, "levels would change nothing"),
        ({"view": "style", "max_share": 0.3, "dims": 40}, "max_share and dims would change nothing"),
        ({"view": "recommended", "views": False}, "leave out no-views"),
        ({"view": "embedding", "semantic": False}, "leave out no-semantic"),
        ({"view": "style", "scaling": "cube"}, "unknown scaling"),
        ({"view": "style", "fit_on": 60}, "60 documents to fit are too few to look at by views"),
    ],
)
def test_what_does_not_go_together_is_refused(pile: Stored, given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        cluster(pile, **QUICK, **given)


def test_too_few_documents_or_no_themes(pile: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="40 documents are too few to look at by views"):
        cluster(planted(40), view="style", **QUICK)
    assert "views" not in cluster(planted(60), min_cluster_size=5, **QUICK).metrics
    monkeypatch.setattr(Themes, "for_spec", classmethod(lambda cls, spec, sae=None: None))
    with pytest.raises(InputError, match="ships no themes for the view style"):
        cluster(pile, view="style", **QUICK)


def test_every_shipped_theme_is_in_one_view() -> None:
    themes = Themes.load("embedded")
    views = {view_of(theme.id, theme.kind) for theme in themes}
    assert views == set(THEMED) < set(ABOUT)
    features = themed_features(themes)
    for theme in themes:
        assert np.isin(list(theme.features), features[view_of(theme.id, theme.kind)]).all()
    assert themed_features(THEMES).keys() == {"subject", "style"}
    assert max(int(own[-1]) for own in themed_features(THEMES).values()) < D_SAE


def test_options_that_a_view_uses_are_taken() -> None:
    for view in ("features", "embedding", "recommended"):
        assert ClusterRequest(view=view, max_share=0.3, dims=40).dims == 40
    assert ClusterRequest(view="recommended", levels=2).levels == 2  # clusters, where no view shows groups


def test_embeddings_that_cannot_be_had_are_said_before_anything_is_looked_at(
    pile: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_showing, "look", lambda *_: pytest.fail("was looked at"))
    with pytest.raises(InputError, match="150 documents are too few to look at by embeddings"):
        cluster(pile.take(np.arange(150)), view="embedding", **QUICK)
    with pytest.raises(InputError, match="takes the sentence model"):
        cluster(pile, view="embedding", **QUICK)
    monkeypatch.setattr(embed, "available", lambda: True)
    bare = pile.take(np.arange(300))
    bare.frame = bare.frame.with_columns(text=pl.lit(None, pl.String))
    with pytest.raises(InputError, match="stores no texts to embed"):
        cluster(bare, view="embedding", **QUICK)


def test_near_copies_are_looked_at_once_and_take_no_group(pile: Stored) -> None:
    """300 refusals, equal but for a name and a number, stand for one document of the 600."""
    both = pile.take(np.r_[np.arange(300), np.arange(300)])
    value = both.value.copy()
    value[300:] = 0
    value[300:, TONE_FEATURES[:2]] = 1  # of one tone, and of nothing else
    both.value = value
    names = ("Anna", "Ben", "Carla", "Elena", "Frank")
    refusals = [f"Sorry, {names[i % 5]}, but I cannot help with request number {i}." for i in range(300)]
    both.frame = both.frame.with_columns(
        pl.Series("text", both.frame["text"].to_list()[:300] + refusals),
        pl.Series("id", [f"d{i}" for i in range(600)]),
    )
    found = look(both, "main", ClusterRequest(), np.arange(600), lambda *_: None, "style")
    assert (found.rows >= 300).sum() == 1 and found.named("style").n_clusters == 3
    fitted, _, notes = view_fitting.fit_view(
        both, "main", ClusterRequest(view="style", epochs=20), "style", 3, lambda *_: None
    )
    tone = both.frame["tone"].to_list()[:300]
    assert adjusted_rand_score(tone, fitted.cluster[:300]) > 0.9
    assert any(note.startswith("300 documents are the same text but for numbers") for note in notes)
    assert len(np.unique(fitted.places[300:], axis=0)) == 1
