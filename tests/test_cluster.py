"""Clusters of a corpus as a whole: what was planted is found, placed, kept on disk; what is bad is refused.

Not for: single steps (``test_cluster_steps.py``).
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from cluster_factory import COMMON, D_SAE, EACH, LABELS, TOPICS, Stored, planted
from sklearn.metrics import adjusted_rand_score

from saetext.analysis.clusters import ClusterResult, cluster, default_path, load_model, predict, save_clusters
from saetext.analysis.clusters import model as on_disk
from saetext.analysis.clusters.placing import place
from saetext.analysis.clusters.request import ClusterRequest
from saetext.analysis.clusters.result import COLUMNS, DOCUMENT_COLUMNS
from saetext.errors import CorpusError, IncompatibleError, InputError, SaetextError
from saetext.io.files import FileStamp, checksum
from saetext.reader import sentences as embed

QUICK: dict[str, Any] = {"labels": LABELS, "epochs": 100, "min_cluster_size": 15}


def quiet(what: str, done: int, of: int) -> None:
    pass


@pytest.fixture(autouse=True)
def _labels_by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sentence model is loaded: labels are compared by their words, clusters made of features alone."""
    monkeypatch.setattr(embed, "available", lambda: False)


@pytest.fixture(scope="module")
def corpus() -> Stored:
    return planted(300, tones=False)


@pytest.fixture(scope="module")
def result(corpus: Stored) -> ClusterResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "available", lambda: False)
        return cluster(corpus, truth="topic", name="pile", **QUICK)


@pytest.fixture(scope="module")
def both() -> Stored:
    return planted(400)


# ---- what is found -----------------------------------------------------------------------------------


def test_what_was_planted_is_found_and_told(corpus: Stored, result: ClusterResult) -> None:
    topic = corpus.frame["topic"].to_list()
    found = result.documents["cluster"].to_numpy()
    assert result.n_clusters == 4
    assert adjusted_rand_score(topic, found) > 0.95
    assert result.metrics["ari"] == pytest.approx(adjusted_rand_score(topic, found))
    assert result.noise == pytest.approx((found == 0).mean())
    assert tuple(result.table.columns) == COLUMNS
    levels = tuple(f"level_{at}" for at in range(1, result.n_levels + 1))
    assert tuple(result.documents.columns) == (*DOCUMENT_COLUMNS, *levels)
    assert result.documents["id"].to_list() == [f"doc{i}" for i in range(300)]
    for row in result.table.to_dicts():
        mine = found == row["cluster"]
        assert row["size"] == mine.sum() and row["share"] == pytest.approx(mine.mean())
        assert row["probability"] == pytest.approx(result.documents["probability"].to_numpy()[mine].mean())
        [main] = {topic[i] for i in np.flatnonzero(mine)}
        own = {TOPICS.index(main) * EACH + i for i in range(EACH)}
        assert {f["feature"] for f in row["features"][:EACH]} == own
        assert main in row["name"] and main in row["words"]
        examples = [int(e.removeprefix("doc")) for e in row["examples"]]
        assert len(examples) == 5 and all(mine[e] for e in examples)
        assert row["example"].startswith(main) and "«" in row["snippet"]
        assert len(row["against"]) == 2 and all(a["name"] for a in row["against"])
    assert set(result.documents["name"].drop_nulls()) == set(result.table["name"])
    assert (result.documents["cluster"] == 0).to_list() == result.documents["name"].is_null().to_list()
    assert result.documents["exemplar"].any() and not result.documents["placed"].any()
    assert np.isfinite(result.documents.select("x", "y", "probability").to_numpy()).all()
    assert result.to_json() and result.to_csv()


def test_the_same_seed_says_the_same(corpus: Stored, result: ClusterResult) -> None:
    again = cluster(corpus, truth="topic", name="pile", **QUICK)
    data = [io.BytesIO(), io.BytesIO()]
    for one, into in zip((result, again), data, strict=True):
        one.documents.write_parquet(into)
    assert data[0].getvalue() == data[1].getvalue()
    assert again.to_json() == result.to_json()
    other = cluster(corpus, seed=1, **QUICK)
    assert not other.documents.equals(result.documents)
    assert adjusted_rand_score(other.documents["cluster"], result.documents["cluster"]) > 0.95


def test_input_is_left_as_it_is(corpus: Stored) -> None:
    before = planted(300, tones=False)
    np.testing.assert_array_equal(before.value, corpus.value)
    assert before.frame.equals(corpus.frame)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("axis", "column", "other"),
    [
        ({"include": "topic"}, "topic", "tone"),
        ({"include": ["tone"]}, "tone", "topic"),
        ({"exclude": "topic"}, "tone", "topic"),
        ({"features": list(range(24, 42))}, "tone", "topic"),
        ({"include": {"tone": 3.0, "topic": 0.01}}, "tone", "topic"),
    ],
)
def test_along_an_axis_its_groups_are_found(
    both: Stored, axis: dict[str, Any], column: str, other: str
) -> None:
    found = cluster(both, **axis, **QUICK | {"min_cluster_size": 80, "max_share": 0.9})
    labels = found.documents["cluster"]
    assert adjusted_rand_score(both.frame[column], labels) > 0.9
    assert adjusted_rand_score(both.frame[other], labels) < 0.1
    assert found.params["kept_features"] is not None


def test_by_jaccard_too(corpus: Stored) -> None:
    found = cluster(corpus, metric="jaccard", **QUICK)
    assert adjusted_rand_score(corpus.frame["topic"], found.documents["cluster"]) > 0.9
    assert found.fitted is not None
    placed = place(corpus, "main", found.fitted, quiet)
    had = found.fitted.cluster > 0
    assert (placed.cluster[had] == found.fitted.cluster[had]).mean() >= 0.95


def test_a_semantic_map_joins_groups_that_share_no_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence model that knows two topics only: what it says is learned from features and told."""
    from saetext.analysis.clusters import semantic_map
    from saetext.analysis.clusters.representation import unit

    def embedded(texts: list[str], on_done: Any = None) -> np.ndarray:
        rng = np.random.default_rng(0)
        side = np.array([text.split()[0] in TOPICS[:2] for text in texts])
        return unit((np.where(side, 1, -1)[:, None] * np.eye(1, 8) + 0.1 * rng.normal(size=(len(texts), 8)))
                    .astype(np.float32))  # fmt: skip

    monkeypatch.setattr(embed, "available", lambda: True)
    monkeypatch.setattr(semantic_map, "embed_texts", embedded)
    corpus = planted(300, tones=False)
    found = cluster(corpus, **QUICK | {"min_cluster_size": 40})
    assert found.fitted is not None and found.fitted.basis.semantic_map is not None
    distinct = corpus.frame["text"].n_unique()  # of copies one is read
    learned = f"fitted on {distinct - distinct // 10} documents, R² "
    held = f" on {distinct // 10} held-out ones"
    assert any(learned in note and held in note for note in found.notes), found.notes
    vectors = found.fitted.vectors
    side = np.array([t in TOPICS[:2] for t in corpus.frame["topic"]])
    near = vectors[side] @ vectors[side].T
    assert near.mean() > (vectors[side] @ vectors[~side].T).mean() + 0.5
    alone = cluster(corpus, semantic=False, **QUICK)
    assert alone.fitted is not None and alone.fitted.basis.semantic_map is None


# ---- placing -----------------------------------------------------------------------------------------


def test_fitted_documents_placed_as_new_ones_land_where_they_were(
    corpus: Stored, result: ClusterResult
) -> None:
    assert result.fitted is not None
    placed = place(corpus, "main", result.fitted, quiet)
    had = result.fitted.cluster > 0
    assert (placed.cluster[had] == result.fitted.cluster[had]).mean() >= 0.95
    assert not placed.fitted.any() and np.isnan(placed.outlier).all()
    distance = np.hypot(placed.x - result.fitted.places[:, 0], placed.y - result.fitted.places[:, 1])
    assert np.median(distance) < 0.2 * np.ptp(result.fitted.places)
    known = place(corpus, "main", result.fitted, quiet, known=result.fitted.rows)
    np.testing.assert_array_equal(known.cluster, result.fitted.cluster)


def test_new_documents_land_in_the_cluster_of_their_topic(corpus: Stored, result: ClusterResult) -> None:
    new = planted(200, seed=9, tones=False)
    assert result.fitted is not None
    placed = place(new, "main", result.fitted, quiet)
    in_one = placed.cluster > 0
    assert in_one.mean() > 0.7
    assert adjusted_rand_score(new.frame["topic"].filter(in_one), placed.cluster[in_one]) > 0.95
    assert (placed.probability[in_one] > 0).all() and not placed.probability[~in_one].any()


def test_documents_like_none_and_without_any_feature(corpus: Stored, result: ClusterResult) -> None:
    value = np.zeros((5, D_SAE))
    value[0, [0, 6, 12, 18]] = 1  # a bit of everything
    value[1, : 4 * EACH : 5] = 9
    value[2] = corpus.value[0]
    assert result.fitted is not None
    placed = place(Stored(value, told=["x"] * 5), "main", result.fitted, quiet)
    assert placed.empty.tolist() == [False, False, False, True, True]
    assert placed.unlike == 2 and placed.cluster.tolist()[:2] == [0, 0]
    assert placed.cluster[2] == result.documents["cluster"][0]
    assert np.isnan(placed.x[3:]).all() and not placed.cluster[3:].any()
    sure = place(Stored(value, told=["x"] * 5), "main", result.fitted, quiet, noise=False)
    assert (sure.cluster[:3] > 0).all() and sure.unlike == 0 and not sure.cluster[3:].any()


def test_a_sample_is_fitted_and_the_rest_placed() -> None:
    corpus = planted(400, tones=False, block=37)
    corpus.value[[5, 100, 399]] = 0
    found = cluster(corpus, fit_on=200, **QUICK)
    table = found.documents
    assert found.fitted is not None and len(found.fitted.rows) <= 200
    assert any("fitted to 200 documents drawn at random" in note for note in found.notes)
    assert any("3 documents have none of the features that count" in note for note in found.notes)
    assert found.metrics["placed"] == table["placed"].sum() == 400 - 3 - len(found.fitted.rows)
    assert found.metrics["empty"] == 3 and table["x"].null_count() == 3
    assert table.filter("placed")["outlier"].null_count() == table["placed"].sum()
    in_one = table["cluster"] > 0
    assert in_one.filter(table["placed"]).mean() > 0.7
    topic = corpus.frame["topic"]
    for part in (table["placed"] & in_one, ~table["placed"] & in_one):
        assert adjusted_rand_score(topic.filter(part), table["cluster"].filter(part)) > 0.95


def test_equal_documents_are_not_unlike_each_other() -> None:
    value = np.repeat(planted(4, seed=3, tones=False).value, 40, axis=0)
    value[:, :24] = 0
    for group in range(4):
        value[40 * group : 40 * group + 40, 6 * group : 6 * group + 6] = np.linspace(0.7, 1.3, 6)
    corpus = Stored(value, told=["same"] * 160)
    found = cluster(corpus, **QUICK)
    assert found.fitted is not None
    placed = place(corpus, "main", found.fitted, quiet)
    assert placed.unlike == 0
    assert (placed.cluster == found.fitted.cluster).all()


# ---- validation -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_clear_groups_are_stable_and_noise_is_not(corpus: Stored) -> None:
    clear = cluster(corpus, validate=True, **QUICK).metrics
    assert clear["stability_seeds"] > 0.9 and clear["stability_subsamples"] > 0.9
    assert clear["dbcv"] > 0.5 and clear["dbcv_documents"] == 300
    assert "silhouette" not in clear
    rng = np.random.default_rng(0)
    value = (rng.random((300, 40)) < 0.2) * rng.uniform(0.5, 2, (300, 40))
    found = cluster(Stored(value, told=["x"] * 300), validate=True, min_cluster_size=5, epochs=100)
    assert found.metrics["stability_seeds"] < 0.6 and found.metrics["stability_subsamples"] < 0.6
    assert found.metrics["dbcv"] < clear["dbcv"]


def test_the_silhouette_is_scikit_learns(
    corpus: Stored, result: ClusterResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.metrics import silhouette_score

    from saetext.analysis.clusters import semantic_map, validation

    def embedded(texts: list[str], on_done: Any = None) -> np.ndarray:
        return np.array([[len(text), text.count("a"), 3] for text in texts], np.float32)

    monkeypatch.setattr(embed, "available", lambda: True)
    monkeypatch.setattr(semantic_map, "embed_texts", embedded)
    assert result.fitted is not None
    value, n = validation._silhouette(corpus, result.fitted, np.arange(300), quiet)
    kept = result.fitted.cluster > 0
    texts = [t for t, k in zip(corpus.frame["text"], kept, strict=True) if k]
    assert n == kept.sum()
    assert value == pytest.approx(
        silhouette_score(embedded(texts), result.fitted.cluster[kept], metric="cosine"), abs=1e-5
    )


# ---- on disk -----------------------------------------------------------------------------------------


@pytest.fixture
def saved(corpus: Stored, result: ClusterResult, tmp_path: Path) -> Path:
    return save_clusters(result, corpus.spec, tmp_path / "pile.clusters")


def test_a_model_comes_back_as_it_was(corpus: Stored, result: ClusterResult, saved: Path) -> None:
    model = load_model(saved)
    assert model.names == tuple(result.table["name"]) and model.spec == corpus.spec and model.sae == "main"
    before, after = result.fitted, model.fitted
    assert before is not None
    for name in ("rows", "vectors", "points", "places", "cluster", "probability"):
        left, right = getattr(before, name), getattr(after, name)
        np.testing.assert_array_equal(left, right)
        assert left.dtype == right.dtype
    assert (after.farthest, after.neighbours) == (before.farthest, before.neighbours)
    for name in ("features", "weight", "scale", "components"):
        np.testing.assert_array_equal(getattr(before.basis, name), getattr(after.basis, name))
    new = planted(80, seed=5, tones=False)
    direct = place(new, "main", before, quiet)
    told = predict(model, new, truth="topic", name="new", labels=LABELS)
    np.testing.assert_array_equal(told.documents["cluster"].to_numpy(), direct.cluster)
    np.testing.assert_allclose(told.documents["x"].to_numpy(), direct.x)
    assert told.table["name"].to_list() == list(model.names)
    assert told.table["size"].to_list() == np.bincount(direct.cluster, minlength=5)[1:].tolist()
    assert told.metrics["ari"] > 0.8 and told.params["model"] == str(saved)
    assert pl.read_parquet(saved / "documents.parquet").equals(result.documents)
    assert pl.read_parquet(saved / "clusters.parquet").equals(result.table)
    assert sorted(p.name for p in saved.parent.iterdir()) == ["pile.clusters"]
    manifest = json.loads((saved / "manifest.json").read_text("utf-8"))
    assert manifest["metrics"] == json.loads(result.to_json())["metrics"]


def test_placed_documents_that_were_fitted_are_told(corpus: Stored, saved: Path) -> None:
    """In another file, in another order, and beside others."""
    model = load_model(saved)
    new = planted(80, seed=5, tones=False)
    fitted = corpus.take(model.fitted.rows[:40][::-1])
    both = Stored(np.concatenate([new.value, fitted.value]), told=["x"] * 120)
    said = "documents that the clusters were fitted to"
    [note] = [note for note in predict(model, both, labels=LABELS).notes if said in note]
    assert note.startswith("40 of 120 documents are")
    [note] = [note for note in predict(model, fitted, labels=LABELS).notes if said in note]
    assert note.startswith("all documents are")
    assert not any(said in note for note in predict(model, new, labels=LABELS).notes)


def earlier(told: dict[str, Any]) -> None:
    """Write a manifest's parameters as they were named before."""
    names = {"sae": "tap", "include": "along", "exclude": "without"}
    names |= {"semantic": "meaning", "validate": "trust"}
    told["params"] = {names.get(name, name): value for name, value in told["params"].items()}
    for new in ("where", "sample", "top", "labels"):
        told["params"].pop(new)


def test_a_model_written_with_the_earlier_names_still_opens(corpus: Stored, saved: Path) -> None:
    new = planted(80, seed=5, tones=False)
    today = predict(load_model(saved), new, name="new", labels=LABELS)
    rewrite(saved, earlier)
    before = json.loads((saved / "manifest.json").read_text("utf-8"))["params"]
    assert {"tap", "along", "without", "meaning", "trust"} <= before.keys()
    assert not {"sae", "include", "exclude", "semantic", "validate"} & before.keys()
    model = load_model(saved)
    assert model.sae == "main" and model.params["semantic"] is True and model.params["validate"] is False
    told = predict(model, new, name="new", labels=LABELS)
    assert told.params == today.params
    assert told.table.equals(today.table) and told.documents.equals(today.documents)


def test_a_model_s_features_are_its_own(saved: Path, corpus: Stored) -> None:
    with pytest.raises(InputError, match="fitted to the features of main, not of other"):
        predict(load_model(saved), corpus, sae="other")


def test_features_are_given_in_several_ways() -> None:
    assert ClusterRequest(features="12,88:2").weights == {12: 1.0, 88: 2.0}
    assert ClusterRequest(features=[1, 2]).weights == {1: 1.0, 2: 1.0}
    assert ClusterRequest(features={3: 0.5}).params()["features"] == {"3": 0.5}
    assert ClusterRequest(include="tone").phrases == {"tone": 1.0} and ClusterRequest().weights is None
    for wrong in ("", "x", "1,,2", "3:x"):
        with pytest.raises(InputError, match="is no feature"):
            ClusterRequest(features=wrong)


def test_presence_and_a_semantic_map_come_back_too(corpus: Stored, result: ClusterResult) -> None:
    import dataclasses

    from scipy import sparse

    from saetext.analysis.clusters.representation import SemanticMap

    fitted = result.fitted
    assert fitted is not None
    directions = np.ones((len(fitted.basis.features), 3), np.float32)
    told = SemanticMap(directions, np.ones(3, np.float32), 0.4, 9, 1.5)
    meant = dataclasses.replace(fitted, basis=dataclasses.replace(fitted.basis, semantic_map=told))
    back = on_disk._unpacked(on_disk._packed(meant)).basis.semantic_map
    assert back is not None and (back.explained, back.documents, back.blend) == (0.4, 9, 1.5)
    np.testing.assert_array_equal(back.directions, told.directions)
    some = sparse.csr_matrix((corpus.value[:, fitted.basis.features] > 0).astype(np.float32))
    present = dataclasses.replace(
        fitted, vectors=some, basis=dataclasses.replace(fitted.basis, components=None)
    )
    again = on_disk._unpacked(on_disk._packed(present))
    assert again.basis.components is None and (again.vectors != some).nnz == 0


def test_few_new_documents_leave_clusters_empty(saved: Path, corpus: Stored) -> None:
    one = corpus.take(np.array([0]))
    told = predict(load_model(saved), one, labels=LABELS)
    assert sorted(told.table["size"].to_list()) == [0, 0, 0, 1] and told.n_clusters == 4
    assert told.to_json()
    with pytest.raises(InputError, match="has no documents"):
        predict(load_model(saved), corpus.take(np.array([], int)))


def test_another_readers_corpus_is_refused(saved: Path) -> None:
    other = Stored(np.ones((3, D_SAE + 1)))
    with pytest.raises(IncompatibleError):
        predict(load_model(saved), other)


def rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    told = json.loads((path / "manifest.json").read_text("utf-8"))
    change(told)
    told.pop("seal", None)  # as an earlier version wrote it, or a forger would
    (path / "manifest.json").write_text(json.dumps(told), "utf-8")


def replace_model(path: Path, data: bytes) -> None:
    """Put other bytes in place of the arrays, with a checksum that fits."""
    (path / "model.npz").write_bytes(data)
    stamp: FileStamp = checksum(path / "model.npz")
    rewrite(path, lambda told: told["files"].update({"model.npz": stamp.to_dict()}))


def npz(**arrays: Any) -> bytes:
    data = io.BytesIO()
    np.savez(data, **arrays)
    return data.getvalue()


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("exploded",)


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "nothing there": (lambda p: (p / "manifest.json").unlink(), "holds no clusters"),
    "cut manifest": (lambda p: (p / "manifest.json").write_bytes(b'{"kind": "clus'), "is damaged"),
    "garbage manifest": (lambda p: (p / "manifest.json").write_bytes(b"\xff\x00\x80"), "is damaged"),
    "list": (lambda p: (p / "manifest.json").write_text("[1]"), "is damaged"),
    "null": (lambda p: (p / "manifest.json").write_text("null"), "is damaged"),
    "deep": (lambda p: (p / "manifest.json").write_text("[" * 100_000), "is damaged"),
    "another kind": (lambda p: rewrite(p, lambda t: t.update(kind="corpus")), "is damaged"),
    "newer": (lambda p: rewrite(p, lambda t: t.update(schema="2.0")), "newer saetext"),
    "no files": (lambda p: rewrite(p, lambda t: t.update(files=3)), "is damaged"),
    "odd stamp": (lambda p: rewrite(p, lambda t: t["files"].update({"model.npz": 7})), "is damaged"),
    "odd reader": (lambda p: rewrite(p, lambda t: t.update(reader={"x": 1})), "."),
    "odd names": (lambda p: rewrite(p, lambda t: t.update(names=None)), "is damaged"),
    "few names": (lambda p: rewrite(p, lambda t: t.update(names=["one"])), "is damaged"),
    "odd params": (lambda p: rewrite(p, lambda t: t.update(params=[])), "is damaged"),
    "another SAE": (lambda p: rewrite(p, lambda t: t["params"].update(sae="else")), "."),
    "cut arrays": (lambda p: os.truncate(p / "model.npz", 99), "is damaged"),
    "no arrays": (lambda p: (p / "model.npz").unlink(), "is not whole"),
    "no table": (lambda p: (p / "documents.parquet").unlink(), "is not whole"),
    "changed table": (lambda p: (p / "clusters.parquet").write_bytes(b"PAR1"), "is damaged"),
    "signed garbage": (lambda p: replace_model(p, b"garbage"), "is damaged"),
    "signed zip garbage": (lambda p: replace_model(p, b"PK\x03\x04garbage"), "is damaged"),
    "signed nothing": (lambda p: replace_model(p, b""), "is damaged"),
    "signed cut zip": (
        lambda p: replace_model(p, (p / "model.npz").read_bytes()[:-30]), "is damaged"
    ),
    "objects": (lambda p: replace_model(p, npz(rows=np.array([Bomb()], object))), "is damaged"),
    "few arrays": (lambda p: replace_model(p, npz(rows=np.arange(3))), "is damaged"),
    "one array": (lambda p: replace_model(p, bytes_of(np.arange(3))), "is damaged"),
}  # fmt: skip


def bytes_of(array: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_told_in_one_line(
    what: str, saved: Path, corpus: Stored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    damage, message = DAMAGE[what]
    damage(saved)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SaetextError, match=message) as caught:
        predict(load_model(saved), corpus)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "exploded").exists()


def test_a_path_that_is_none_of_ours(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing", Path("/dev/null")):
        with pytest.raises(CorpusError, match="holds no clusters"):
            load_model(path)


@pytest.mark.parametrize("which", range(1, 6))
def test_a_full_disk_leaves_nothing_half(
    which: int, corpus: Stored, result: ClusterResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    real = on_disk.write_atomic

    def write(path: Path, data: bytes) -> FileStamp:
        nonlocal calls
        calls += 1
        if calls == which:
            raise OSError(28, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(on_disk, "write_atomic", write)
    with pytest.raises(CorpusError, match="No space left on device; free space"):
        save_clusters(result, corpus.spec, tmp_path / "pile.clusters")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing_half(
    corpus: Stored, result: ClusterResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*paths: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        save_clusters(result, corpus.spec, tmp_path / "pile.clusters")
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_not_replaced(corpus: Stored, result: ClusterResult, saved: Path) -> None:
    with pytest.raises(InputError, match="exists already"):
        save_clusters(result, corpus.spec, saved)
    assert default_path(saved.parent / "pile.corpus") == saved.parent.resolve() / "pile-2.clusters"
    (saved.parent / "pile-2.clusters").write_text("a file")
    assert default_path(saved.parent / "pile.corpus").name == "pile-3.clusters"
    (saved.parent / "file").write_text("")
    with pytest.raises(CorpusError, match="cannot write"):
        save_clusters(result, corpus.spec, saved.parent / "file" / "x.clusters")


# ---- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "more", "message"),
    [
        (np.ones((3, 4)), {}, "3 documents are too few"),
        (np.ones((0, 4)), {}, "0 documents are too few"),
        (np.ones((60, 4)), {}, "are they all the same"),
        (np.zeros((60, 4)), {}, "nothing tells the documents apart"),
        (np.ones((60, 4)), {"max_share": 1.0, "idf_power": 0.0}, "are all the same"),
        (np.ones((60, 4)), {"max_share": 1.0}, "are all the same"),
        (np.repeat(np.eye(2), 30, 0), {}, "only two different"),
        (np.eye(4)[np.arange(60) % 4], {"min_cluster_size": 31}, "60 documents are too few"),
        (np.eye(4)[np.arange(60) % 4], {"min_cluster_size": 20, "fit_on": 30}, "30 documents to fit are too"),
        (np.vstack([np.eye(4)[np.arange(20) % 4], np.zeros((40, 4))]), {"min_cluster_size": 12}, "only 20"),
        (np.ones((60, 4)), {"include": "nothing"}, "shares a word with 'nothing'"),
        (np.ones((60, 4)), {"include": {"tone": float("nan")}}, "weight"),
        (np.ones((60, 4)), {"truth": "nothing"}, "no column 'nothing'"),
        (np.ones((60, 4)), {"metric": "euclid"}, "metric is one of cosine, jaccard, not"),
        (np.ones((60, 4)), {"method": "dbscan"}, "method is one of eom, leaf, not"),
        (np.ones((60, 4)), {"scaling": "cube"}, "unknown scaling"),
        (np.ones((60, 4)), {"epochs": 0}, "epochs must be at least 1"),
        (np.ones((60, 4)), {"epochs": -5}, "epochs must be at least 1"),
        (np.ones((60, 4)), {"idf_power": float("nan")}, "idf_power"),
        (np.ones((60, 4)), {"idf_power": -1.0}, "idf_power"),
        (np.ones((60, 4)), {"min_cluster_size": 1}, "min_cluster_size must be at least 2"),
        (np.ones((60, 4)), {"max_share": 0.0}, "max_share"),
        (np.ones((60, 4)), {"max_share": float("nan")}, "max_share"),
        (np.ones((60, 4)), {"seed": -1}, "seed must be at least 0"),
        (np.ones((60, 4)), {"neighbours": 1}, "neighbours must be at least 2"),
    ],
)
def test_bad_input_is_told_in_one_line(value: np.ndarray, more: dict[str, Any], message: str) -> None:
    corpus = Stored(value, told=["x"] * len(value))
    with pytest.raises(InputError, match=message) as caught:
        cluster(corpus, **{"epochs": 10} | more)
    assert "\n" not in str(caught.value)


def test_an_empty_column_of_labels_is_refused_before_the_fit(
    monkeypatch: pytest.MonkeyPatch, corpus: Stored, saved: Path
) -> None:
    bare = planted(40)
    bare.frame = bare.frame.with_columns(pl.lit(None, dtype=pl.String).alias("nothing"))
    for slow in ("fit", "place"):
        monkeypatch.setattr(
            sys.modules["saetext.analysis.clusters.run"], slow, lambda *a, **k: pytest.fail("worked")
        )
    with pytest.raises(InputError, match=r"'nothing' .* has no values"):
        cluster(bare, truth="nothing", **QUICK)
    with pytest.raises(InputError, match=r"'nothing' .* has no values"):
        predict(load_model(saved), bare, truth="nothing", labels=LABELS)


def test_an_unknown_parameter_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="min_size"):
        cluster(planted(20), min_size=3)
    with pytest.raises(InputError, match="dims must be at least 2"):
        ClusterRequest(dims=1)


def test_one_giant_cluster_and_noise_are_noted() -> None:
    rng = np.random.default_rng(0)
    value = np.zeros((330, 20))
    value[:, :10] = (rng.random((330, 10)) < 0.4) * 1.0
    value[:30, :] = 0
    value[:30, 10:] = (rng.random((30, 10)) < 0.9) * 1.0
    corpus = Stored(value, told=["x"] * 330)
    giant = cluster(corpus, min_cluster_size=25, epochs=50, min_samples=2)
    if giant.metrics["largest"] > 0.8 * 330:
        assert any("one cluster holds" in note and "--method leaf" in note for note in giant.notes)
    noise = cluster(corpus, min_cluster_size=150, min_samples=100, epochs=50)
    if not noise.n_clusters:
        assert any("all documents are noise" in note for note in noise.notes)
        assert noise.table.height == 0 and noise.noise == 1.0 and noise.to_json()


def test_nothing_but_noise_can_be_shown_kept_and_placed_by(tmp_path: Path) -> None:
    from saetext.analysis.clusters import density

    rng = np.random.default_rng(0)
    value = (rng.random((60, 20)) < 0.3) * rng.uniform(0.5, 2, (60, 20))
    corpus = Stored(value, told=["x y"] * 60)
    with pytest.MonkeyPatch.context() as patch:
        real = density.group

        def scattered(points: np.ndarray, **settings: Any) -> density.Grouping:
            return real(rng.uniform(size=points.shape).astype(np.float32), **settings | {"min_samples": 28})

        patch.setattr(density, "group", scattered)
        found = cluster(corpus, min_cluster_size=29, epochs=10, assign_noise=True, validate=True)
    assert found.n_clusters == 0 and found.noise == 1.0
    assert any("all documents are noise" in note for note in found.notes)
    assert found.metrics["dbcv"] is None and "stability_seeds" not in found.metrics
    assert "no stability: there are no clusters" in found.notes
    model = load_model(save_clusters(found, corpus.spec, tmp_path / "x.clusters"))
    again = predict(model, corpus)
    assert again.n_clusters == 0 and again.noise == 1


def test_without_texts_there_are_no_words_and_a_note(corpus: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = planted(300, tones=False)
    bare.frame = bare.frame.with_columns(pl.lit(None, pl.String).alias("text"))
    monkeypatch.setattr(embed, "available", lambda: True)
    found = cluster(bare, validate=True, **QUICK)
    assert any("stores no texts" in note for note in found.notes)
    assert any("no silhouette" in note for note in found.notes)
    for row in found.table.to_dicts():
        assert row["words"] == [] and row["example"] is None and row["snippet"] is None and row["name"]


@pytest.mark.parametrize("method", ["eom", "leaf"])
def test_clusters_of_two_documents_are_described(method: str) -> None:
    found = cluster(
        planted(60), labels=LABELS, min_cluster_size=2, min_samples=1, method=method, epochs=30, neighbours=3
    )
    assert found.n_clusters > 4
    assert len(set(found.table["name"])) == found.n_clusters


def test_noise_assigned_leaves_none_out() -> None:
    corpus = planted(200, clear=0.5, tones=False)
    found = cluster(corpus, assign_noise=True, **QUICK | {"min_cluster_size": 6})
    empty = found.documents["x"].is_null()
    assert ((found.documents["cluster"] > 0) == ~empty).all() and empty.sum() == found.metrics["empty"]


def test_the_common_features_are_eight() -> None:
    assert planted(10).value.shape == (10, D_SAE) and COMMON == 8
