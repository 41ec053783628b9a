"""What ``saetext index`` builds against slow, obvious code; and what happens when it does not fit."""

from __future__ import annotations

import importlib
import math
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from corpus_factory import make_calibration, make_corpus, make_shards, make_spec

from saetext.analysis.search import Searcher, build_index, scoring, vectors
from saetext.analysis.search.dense import build_dense, dense_part
from saetext.analysis.search.indexing import scales_part
from saetext.analysis.search.scoring import Scorer
from saetext.analysis.search.stored import Entries
from saetext.analysis.search.vectors import VectorIndex, write_vectors
from saetext.analysis.search.words import WordIndex, terms_of, words_part
from saetext.corpus import Corpus, CorpusWriter
from saetext.errors import InputError, SaetextWarning, ShardCorruptError
from saetext.features.known_labels import labels_for
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.io.progress import Progress
from saetext.reader import sentences as embed

D_SAE = 12


class WordVectors:
    """Stands in for the sentence model: each text a vector made from its words, counted."""

    calls: int = 0

    @classmethod
    def load(cls, device: str = "auto") -> WordVectors:
        return cls()

    def embed(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> np.ndarray:
        WordVectors.calls += len(texts)
        if on_done is not None:
            on_done(len(texts))
        return word_vectors(texts)


def word_vectors(texts: Sequence[str]) -> np.ndarray:
    found = np.zeros((len(texts), embed.WIDTH), np.float32)
    for row, text in enumerate(texts):
        for word in text.split():
            rng = np.random.default_rng(sum(word.encode()))
            found[row] += rng.standard_normal(embed.WIDTH).astype(np.float32)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    WordVectors.calls = 0
    monkeypatch.setattr(embed, "Embedder", WordVectors)
    monkeypatch.setattr(embed, "available", lambda: True)


def labels() -> FeatureLabels:
    return FeatureLabels.from_rows([FeatureLabel(f, f"river thing {f}") for f in range(D_SAE)])


def test_every_part_is_built_once_and_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))  # where embedded labels are kept
    corpus, truth = make_corpus(tmp_path / "a.corpus", 1, (30, 0, 25), density=0.4)
    told: list[str] = []
    assert set(build_index(corpus, on_progress=lambda p: told.append(p.stage)).values()) == {"built"}
    assert "embedding documents" in told and any(stage.startswith("embedding labels") for stage in told)
    labels_too = 55 + len(labels_for(corpus)) + 1  # and the one that is searched for
    assert WordVectors.calls == labels_too
    assert set(build_index(corpus).values()) == {"kept"}
    assert WordVectors.calls == labels_too
    searcher = Searcher(corpus, labels=labels(), lexical=True)
    assert searcher.available == ("features", "dense", "bm25", "projected")
    found = searcher.search("river NOT plain", top=60)
    assert found.params["mode"] == "hybrid"
    for row in found.table.to_dicts():
        parts = [row[f"part_{name}"] for name in ("features", "dense", "bm25", "not")]
        assert math.isclose(sum(part or 0 for part in parts), row["score"])
        if row["score_features"] is not None:
            assert math.isclose(sum(f["contribution"] for f in row["features"]), row["score_features"])
    # by vectors alone: the same order as cosines computed here
    dense = searcher.search("river NOT plain", mode="dense", top=60)
    river, plain = word_vectors(["river", "plain"])
    asked = (river - plain) / np.linalg.norm(river - plain)
    half = word_vectors(truth.texts).astype(np.float16).astype(np.float32)  # as they are kept
    np.testing.assert_allclose(
        np.array(dense.table["score"]), (half @ asked)[dense.table["row"].to_numpy()], atol=1e-5
    )
    assert list(dense.table["score"]) == sorted(dense.table["score"], reverse=True)


def test_scales_are_those_computed_when_needed(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", 2, (30, 9), density=0.4)
    alone = Searcher(corpus, labels=labels(), lexical=True)
    build_index(corpus, dense=False)
    stored = Searcher(corpus, labels=labels(), lexical=True)
    assert scales_part(corpus, "main").find() is not None
    assert [alone.scorer.scale(f) for f in range(D_SAE)] == [stored.scorer.scale(f) for f in range(D_SAE)]
    np.testing.assert_array_equal(alone.scorer.damping, stored.scorer.damping)
    assert alone.search(features="1,4:2").table.equals(stored.search(features="1,4:2").table)


def bm25(texts: Sequence[str], query: Sequence[str]) -> np.ndarray:
    """Lucene's BM25 with k1 1.5 and b .75, by loops over the documents."""
    documents = [[w for w in re.findall(r"\w\w+", t.casefold()) if w in terms_of(t)] for t in texts]
    mean = sum(map(len, documents)) / len(documents)
    found = np.zeros(len(documents))
    for term in query:
        holders = sum(term in words for words in documents)
        rarity = math.log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
        for at, words in enumerate(documents):
            count = Counter(words)[term]
            found[at] += rarity * count / (count + 1.5 * (0.25 + 0.75 * len(words) / mean))
    return found


def test_words_are_ranked_as_by_loops(tmp_path: Path) -> None:
    corpus, truth = make_corpus(tmp_path / "a.corpus", 4, (40, 21))
    build_index(corpus, dense=False)
    folder = words_part(corpus).find()
    assert folder is not None
    index = WordIndex(folder)
    for query in (["river"], ["café", "perhaps"], ["日本", "naïve", "answer"]):
        assert index.known(" ".join(query)) == query
        np.testing.assert_allclose(index.scores(query), bm25(truth.texts, query), rtol=1e-5, atol=1e-6)
    assert index.known("the unheard-of zebra") == []
    searcher = Searcher(corpus, labels=labels(), lexical=True)
    found = searcher.search("Perhaps a river?", mode="bm25", top=5)
    expected = bm25(truth.texts, ["perhaps", "river"])
    np.testing.assert_allclose(np.array(found.table["score"]), sorted(expected, reverse=True)[:5], rtol=1e-5)
    assert "«river»" in found.table["snippet"][0] or "«perhaps»" in found.table["snippet"][0]
    with pytest.raises(InputError, match="no word of 'zebra' occurs"):
        searcher.search("zebra", mode="bm25")
    with pytest.raises(InputError, match="no feature answers 'zebra'; try --mode bm25"):
        searcher.search("zebra")


def test_the_words_file_is_what_bm25s_itself_writes(tmp_path: Path) -> None:
    """Words are counted and scored shard by shard; bm25s takes lists of all of them."""
    import bm25s

    corpus, truth = make_corpus(tmp_path / "a.corpus", 4, (40, 21))
    build_index(corpus, dense=False)
    folder = words_part(corpus).find()
    assert folder is not None
    vocabulary: dict[str, int] = {}
    ids = [[vocabulary.setdefault(t, len(vocabulary)) for t in terms_of(text or "")] for text in truth.texts]
    index = bm25s.BM25()
    index.index((ids, vocabulary), create_empty_token=False, show_progress=False)
    index.save(tmp_path / "own", show_progress=False)
    names = sorted(path.name for path in (tmp_path / "own").iterdir())
    assert len(names) >= 5
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "own" / name).read_bytes(), name


def append(path: Path, seed: int) -> Corpus:
    """Add a shard to a corpus."""
    calibrations = {"main": make_calibration(D_SAE)}
    with CorpusWriter.append(
        path, plan={"seed": seed}, spec=make_spec(calibrations), calibrations=calibrations
    ) as writer:
        make_shards(seed, [20], D_SAE, first=1000)[0].write(writer, 99)
        return writer.finish(extra={})


def test_a_stale_index_is_told_and_only_what_is_new_is_embedded(tmp_path: Path) -> None:
    path = tmp_path / "a.corpus"
    corpus, _ = make_corpus(path, 5, (30, 20), density=0.4)
    build_index(corpus)
    assert WordVectors.calls == 50
    corpus = append(path, 6)
    assert corpus.n_documents == 70
    searcher = Searcher(corpus, labels=labels(), lexical=True)
    assert searcher.available == ("features",)
    found = searcher.search("river")
    assert found.params["mode"] == "features"
    assert f"the dense index of {path} is stale" in " ".join(found.notes)
    for mode in ("dense", "bm25", "hybrid"):
        with pytest.raises(InputError, match=r"is stale .* run 'saetext index"):
            searcher.search("river", mode=mode)
    build_index(corpus)
    assert WordVectors.calls == 70  # the new shard alone
    assert len(list((path / "index" / "text").glob("dense-*"))) == 1
    assert Searcher(corpus, labels=labels(), lexical=True).search("river").params["mode"] == "hybrid"


def test_damage_is_found_and_mended(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", 7, (30,))
    build_index(corpus)
    folder = dense_part(corpus).find()
    assert folder is not None
    file = folder / vectors.FILE
    data = bytearray(file.read_bytes())
    data[-1] ^= 255
    file.write_bytes(data)
    assert build_index(corpus)["dense"] == "built"
    file.write_bytes(data[:-10])
    assert dense_part(corpus).find() is None  # a file of another size is not opened
    assert build_index(corpus)["dense"] == "built"
    assert build_index(corpus)["dense"] == "kept"


def test_a_build_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", 8, (10, 10, 10))

    def stop(p: Progress) -> None:
        if p.done > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_dense(corpus, on_progress=stop)
    assert dense_part(corpus).find() is None
    before = WordVectors.calls
    build_dense(corpus)
    assert WordVectors.calls - before == 20


def test_without_texts_there_are_only_features(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", 9, (30,), stores_text=False)
    done = build_index(corpus)
    assert done["dense"] == done["bm25"] == "the corpus stores no texts"
    searcher = Searcher(corpus, labels=labels(), lexical=True)
    assert searcher.search("river").table["snippet"].null_count() == 10
    with pytest.raises(InputError, match="stores no texts, so there is no dense index"):
        searcher.search("river", mode="dense")


def test_similar_documents(tmp_path: Path) -> None:
    corpus, truth = make_corpus(tmp_path / "a.corpus", 10, (60, 40), density=0.5)
    with pytest.raises(InputError, match="has no projected index"):
        Searcher(corpus, labels=labels()).search(similar="doc-1")
    build_index(corpus)
    searcher = Searcher(corpus, labels=labels())
    found = searcher.search(similar="doc-3", mode="projected", top=100)
    assert "doc-3" not in found.ids and len(found) == 99
    # of 12 features 11 dimensions are kept: nearly the cosine of the weighted rows themselves
    dense = truth.dense("value")
    frequency = (dense > 0).sum(0)
    scale = np.array([searcher.scorer.scale(f) for f in range(D_SAE)])
    weighted = np.log1p(dense / scale) * np.log(101 / (frequency + 1))
    weighted /= np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-30)
    cosine = weighted @ weighted[3]
    assert np.corrcoef(np.array(found.table["score"]), cosine[found.table["row"].to_numpy()])[0, 1] > 0.97
    both = searcher.search(similar="doc-3", where="model = 'gpt4'")
    assert both.params["mode"] == "hybrid"
    assert all(truth.metas[row]["model"] == "gpt4" for row in both.table["row"])


def write_graph(folder: Path, points: np.ndarray) -> None:
    """Write an index as version 0.1 wrote it above 100,000 documents."""
    faiss = importlib.import_module("faiss")
    width = points.shape[1]
    kind, metric = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWSQ(width, kind, 32, metric)
    index.train(np.zeros((1, width), np.float32))
    index.add(points)
    faiss.write_index(index, str(folder / vectors.FILE))


def test_the_threads_of_faiss_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faiss = importlib.import_module("faiss")
    monkeypatch.setattr(vectors, "FLAT", 100)
    points = np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32)
    threads, made = faiss.omp_get_max_threads(), []
    try:
        for n in (1, 2, 3):
            faiss.omp_set_num_threads(n)
            write_vectors(tmp_path, iter([points]), 2000, 16)
            made.append((tmp_path / vectors.FILE).read_bytes())
    finally:
        faiss.omp_set_num_threads(threads)
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("kind", ["flat", "lists", "graph"])
def test_vectors_equal_brute_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    flat = kind == "flat"
    monkeypatch.setattr(vectors, "FLAT", 10_000 if flat else 100)
    monkeypatch.setattr(vectors, "_EXACT", 50)
    monkeypatch.setattr(vectors, "_PROBES", 8)  # of 30
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((20, 32))
    points = (centres[rng.integers(0, 20, 3000)] + rng.standard_normal((3000, 32)) * 0.5).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    if kind == "graph":
        write_graph(tmp_path, points)
    else:
        write_vectors(tmp_path, iter([points[:1000], points[1000:]]), 3000, 32)
    index = VectorIndex(tmp_path)
    assert len(index) == 3000 and index.width == 32
    np.testing.assert_allclose(index.vector(7), points[7], atol=1e-3)
    few, half = np.zeros(3000, bool), np.zeros(3000, bool)
    few[rng.permutation(3000)[:30]] = True
    half[::2] = True
    recall = []
    for query in points[:20]:
        for live in (None, half, few):
            rows, score = index.search(query, 10, live)
            exact = points @ query
            exact[~live if live is not None else []] = -9
            truth = np.argsort(-exact)[:10]
            recall.append(len(set(rows.tolist()) & set(truth.tolist())) / 10)
            np.testing.assert_allclose(score, exact[rows], atol=2e-3)
            assert (np.diff(score) <= 0).all()
            assert live is None or live[rows].all()
            if flat or live is few:
                np.testing.assert_allclose(score, exact[truth], atol=2e-3)
    assert np.mean(recall) > 0.97
    assert len(index.search(points[0], 5, np.zeros(3000, bool))[0]) == 0
    rows, score = index.search(points[0], 3000)  # all of them
    assert sorted(rows.tolist()) == list(range(3000)) or kind == "graph"
    np.testing.assert_allclose(index.vectors(np.array([5, 2999])), points[[5, 2999]], atol=1e-3)


def test_an_index_of_lists_is_the_same_each_time_and_refuses_other_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "FLAT", 100)
    points = np.random.default_rng(1).standard_normal((900, 16)).astype(np.float32)
    for name in "ab":
        (tmp_path / name).mkdir()
        write_vectors(tmp_path / name, iter([points]), 900, 16)
    assert (tmp_path / "a" / vectors.FILE).read_bytes() == (tmp_path / "b" / vectors.FILE).read_bytes()
    for n in (899, 901):
        with pytest.raises(ValueError, match=str(n)):
            write_vectors(tmp_path / "a", iter([points]), n, 16)


def test_a_copy_of_a_corpus_keeps_its_index(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", 11, (30,))
    build_index(corpus)
    shutil.copytree(tmp_path / "a.corpus", tmp_path / "b.corpus")
    copy = Searcher(tmp_path / "b.corpus", labels=labels(), lexical=True)
    assert copy.search("river").ids == Searcher(corpus, labels=labels(), lexical=True).search("river").ids
    assert copy.search("river").params["mode"] == "hybrid"


def test_counting_features_of_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, truth = make_corpus(tmp_path / "a.corpus", 12, (30, 5), density=0.4)
    monkeypatch.setattr(scoring, "_PIECE", 7)
    scorer = Scorer(Entries(*corpus.postings().whole()), corpus.n_documents)
    counted = [sum(v > 0 for v in row) for row in truth.dense("value")]
    usual = sorted(counted)[len(counted) // 2]  # of 35: the median
    expected = [1 / math.sqrt(1 + usual / 4 + n) for n in counted]
    np.testing.assert_allclose(scorer.damping, expected)


# ---- slices ------------------------------------------------------------------------------------------------


def files_of(path: Path) -> dict[str, bytes]:
    """Return every file of an index, by name."""
    index = path / "index"
    return {
        file.relative_to(index).as_posix(): file.read_bytes()
        for file in sorted(index.rglob("*"))
        if file.is_file() and not file.name.endswith(".lock")
    }


@pytest.mark.parametrize("n_slices", [1, 2, 7])
def test_slices_and_then_the_rest_give_the_bytes_of_one_run(tmp_path: Path, n_slices: int) -> None:
    sizes = (10, 0, 12, 9, 5)
    corpus, _ = make_corpus(tmp_path / "a.corpus", 8, sizes)
    build_index(corpus)
    sliced, _ = make_corpus(tmp_path / "b.corpus", 8, sizes)
    told = ""
    for index in range(n_slices):
        before = WordVectors.calls
        done = build_index(sliced, part=f"{index}/{n_slices}")
        told = done["dense"]
        assert set(done) == {"dense"} and WordVectors.calls - before == sum(sizes[index::n_slices])
        assert [part for part in (sliced.path / "index").iterdir() if part.name != "text"] == []
    assert told == f"slice {n_slices - 1}/{n_slices} is embedded, and so are all 4 shards: " + (
        "index without a slice now"
    )
    before = WordVectors.calls
    assert build_index(sliced)["dense"] == "built" and WordVectors.calls == before
    assert files_of(sliced.path) == files_of(corpus.path)


def test_what_slices_have_not_made_is_named_and_made_by_the_last_run(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", 8, (10, 12, 9, 5))
    told = build_index(corpus, part="1/4")["dense"]
    assert told == "slice 1/4 is embedded; 3 of 4 shards not yet, in 0/4, 2/4, 3/4"
    before = WordVectors.calls
    assert build_index(corpus, part="1/4")["dense"] == told and WordVectors.calls == before  # resumes
    (kept,) = (corpus.path / "index" / "text" / "embeddings").iterdir()
    kept.write_bytes(kept.read_bytes()[:-7] + b"damaged")
    with pytest.warns(SaetextWarning, match="embedded again"):
        build_index(corpus, part="1/4")
    assert WordVectors.calls - before == 12
    build_index(corpus)
    assert WordVectors.calls - before == 36


def test_a_slice_reads_no_other_shard(tmp_path: Path) -> None:
    """Nor, once all are embedded, any text."""
    corpus, _ = make_corpus(tmp_path / "a.corpus", 8, (10, 12))
    path = corpus.path / "docs" / "part-00001.arrow"
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    build_index(corpus, part="0/2")
    with pytest.raises(ShardCorruptError, match="part-00001"):
        build_index(corpus, part="1/2")
    path.write_bytes(whole)
    build_index(Corpus.open(corpus.path), part="1/2")


def test_a_slice_that_embeds_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", 8, (3,))
    bare, _ = make_corpus(tmp_path / "b.corpus", 8, (3,), stores_text=False)
    for one, part, more, says in (
        (corpus, "2/2", {}, "no slice 2/2"),
        (corpus, "two", {}, "is no slice"),
        (corpus, "0/2", {"dense": False}, "part would change nothing"),
        (bare, "0/2", {}, "stores no texts"),
    ):
        with pytest.raises(InputError, match=says):
            build_index(one, part=part, **more)
    monkeypatch.setattr(embed, "available", lambda: False)
    with pytest.raises(InputError, match="sentence model is not installed"):
        build_index(corpus, part="0/2")
    assert not (corpus.path / "index").exists()
