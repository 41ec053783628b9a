"""What ``export`` and ``correlate`` write for other programs, read back by other readers than ours."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import gzip
import io
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from memory_corpus import DenseCorpus
from test_cli import saetext as run
from tiny_reader import some_rows, tiny, write_jsonl

import saetext
from saetext.analysis.clusters.atlas import NO_TOPIC, export_atlas
from saetext.analysis.clusters.model import save_clusters
from saetext.analysis.cooccurrence.graph_file import network, to_graphml
from saetext.corpus import Corpus
from saetext.errors import CorpusError, InputError, ReaderError
from saetext.features.labelling.neuronpedia import published
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.neuronpedia_files import CREATOR, export_neuronpedia
from saetext.reader.reader import Reader

# the columns that an instance's tables have; others would be passed over
FEATURE = {
    "modelId", "layer", "index", "sourceSetName", "creatorId", "createdAt", "maxActApprox", "hasVector",
    "vector", "vectorLabel", "vectorDefaultSteerStrength", "hookName", "topkCosSimIndices",
    "topkCosSimValues", "neuron_alignment_indices", "neuron_alignment_values", "neuron_alignment_l1",
    "correlated_neurons_indices", "correlated_neurons_pearson", "correlated_neurons_l1",
    "correlated_features_indices", "correlated_features_pearson", "correlated_features_l1", "neg_str",
    "neg_values", "pos_str", "pos_values", "frac_nonzero", "freq_hist_data_bar_heights",
    "freq_hist_data_bar_values", "logits_hist_data_bar_heights", "logits_hist_data_bar_values",
    "decoder_weights_dist",
}  # fmt: skip
ACTIVATION = {
    "id", "tokens", "index", "layer", "modelId", "maxValue", "maxValueTokenIndex", "minValue", "values",
    "creatorId", "dataSource", "dataIndex", "dfaValues", "dfaTargetIndex", "dfaMaxValue", "createdAt",
    "lossValues", "logitContributions", "binMin", "binMax", "binContains", "qualifyingTokenIndex",
}  # fmt: skip
EXPLANATION = {
    "id", "modelId", "layer", "index", "description", "authorId", "triggeredById", "typeName",
    "explanationModelName", "notes", "createdAt",
}  # fmt: skip
HOSTILE = '=1+1 "é"\n\x1b[31mx\x00<&>\ufffe'


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return tiny().reader()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, reader: Reader) -> Path:
    """60 documents, one longer than an example, with a column that the atlas has too; labels; clusters."""
    home = tmp_path_factory.mktemp("made")
    rows = [{**row, "x": i, "note": HOSTILE} for i, row in enumerate(some_rows(60, longest=25))]
    rows[7]["text"] = " ".join(["é quick", "brown\n\nfox 🙂"] * 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAETEXT_CACHE", str(home / "cache"))
        corpus = saetext.encode(write_jsonl(home / "a.jsonl", rows), home / "a.corpus", reader=reader)
        labels = [
            FeatureLabel(f, f"label {f} {HOSTILE}", source="reading", score=0.75) for f in range(0, 64, 2)
        ]
        FeatureLabels.from_rows(labels, {}).write(corpus.path / "labels.parquet")
        found = saetext.cluster(corpus, where="prompt_id < 55", min_cluster_size=5, semantic=False)
        save_clusters(found, corpus.spec, home / "a.clusters")
    return home


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Corpus:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Corpus.open(tmp_path / "a.corpus")


@pytest.fixture
def clustered(corpus: Corpus) -> Path:
    return corpus.path.parent / "a.clusters"


# ---- Neuronpedia -------------------------------------------------------------------------------------


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def test_neuronpedia_by_value(corpus: Corpus, reader: Reader, tmp_path: Path) -> None:
    told = export_neuronpedia(corpus, tmp_path / "np", reader=reader, name="tiny/1-mine", examples=9)
    home = tmp_path / "np"
    features, activations = (lines(home / part / "batch-0.jsonl.gz") for part in ("features", "activations"))
    explanations = lines(home / "explanations" / "batch-0.jsonl.gz")
    present = sorted(set(corpus.csr("max").nonzero()[1].tolist()))
    assert [int(row["index"]) for row in features] == present
    assert [int(row["index"]) for row in explanations] == present
    notes = {int(row["index"]): row["notes"] for row in explanations}
    assert {notes[f] for f in present if f % 2 == 0} == {"saetext: reading; score 0.75"}
    assert {notes[f] for f in present if f % 2 == 1} == {"saetext: card"}
    assert (told.features, told.examples) == (len(present), len(activations))
    assert told.explanations == len(present)
    assert told.unread == 0
    for rows, known in ((features, FEATURE), (activations, ACTIVATION), (explanations, EXPLANATION)):
        assert len({frozenset(row) for row in rows}) == 1 and set(rows[0]) <= known
        assert {(row["modelId"], row["layer"]) for row in rows} == {("tiny", "1-mine")}
        assert len({row["id"] for row in rows if "id" in row} or {0}) in (1, len(rows))
    texts = {row["id"]: row["text"] for row in corpus.to_polars().iter_rows(named=True)}
    stored, at = corpus.csr("max"), {id: row for row, id in enumerate(corpus.ids.to_pylist())}
    encoder = reader.saes[corpus.spec.sae().name].encoder
    for row in activations:
        text = texts[row["dataIndex"]]
        assert "".join(row["tokens"]) in text and len(row["tokens"]) == len(row["values"]) <= 129
        assert max(row["values"]) == row["maxValue"] == row["values"][row["maxValueTokenIndex"]]
        assert row["maxValue"] == pytest.approx(stored[at[row["dataIndex"]], int(row["index"])], abs=1e-3)
        assert row["minValue"] == min(row["values"])
    # token by token, of a document that fits in an example: the encoder's values at the model's states
    one = next(row for row in activations if "".join(row["tokens"]) == texts[row["dataIndex"]])
    document = corpus.document(at[one["dataIndex"]])
    ids = reader.tokens.tokenizer(document["text"], add_special_tokens=False)["input_ids"]
    states = states_of(reader, [*corpus.spec.prefix_ids, *ids])[len(corpus.spec.prefix_ids) :]
    np.testing.assert_allclose(one["values"], encoder.encode(states)[:, int(one["index"])], atol=2e-3)
    by_feature = {int(row["index"]): row for row in features}
    for feature in present:
        mine = [row["maxValue"] for row in activations if int(row["index"]) == feature]
        assert mine == sorted(mine, reverse=True) and by_feature[feature]["maxActApprox"] == max(mine)
        assert max(mine) == pytest.approx(stored[:, feature].max(), abs=1e-3)
    for name, wanted in (("model", "tiny"), ("sourceset", "mine"), ("source", "1-mine")):
        about = json.loads((home / f"{name}.jsonl").read_text())
        assert about["creatorId"] == CREATOR and wanted in (about.get("id"), about.get("name"))


def states_of(reader: Reader, ids: list[int]) -> Any:
    import torch

    model = reader.model
    [hook] = model.widths
    whole = torch.tensor([ids])
    return model.hidden(whole, torch.ones_like(whole))[hook][0]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_neuronpedia_in_batches_is_what_published_labels_are_read_from(
    corpus: Corpus, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saetext.features.neuronpedia_files.BATCH", 10)
    (tmp_path / "v1" / "tiny").mkdir(parents=True)
    features = list(range(50))
    export_neuronpedia(
        corpus, tmp_path / "v1/tiny/1-mine", reader=reader, name="tiny/1-mine", features=features, examples=3
    )
    files = sorted(p.name for p in (tmp_path / "v1/tiny/1-mine/explanations").iterdir())
    assert files == [f"batch-{number}.jsonl.gz" for number in range(5)]
    with served(tmp_path) as url:
        found = published("tiny/1-mine", 64, base_url=url)
    assert [label.feature for label in found] == features
    assert all(label.label.startswith(f"label {label.feature} =1+1") for label in found[::2])


def test_neuronpedia_is_the_same_each_time_and_whole_or_not_there(
    corpus: Corpus, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = {"reader": reader, "features": [0, 1, 2]}
    for name in ("one", "two"):
        export_neuronpedia(corpus, tmp_path / name, **some)
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    assert len(files) == 6 and all(
        (tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files
    )
    with pytest.raises(InputError, match="exists already"):
        export_neuronpedia(corpus, tmp_path / "one", **some)
    with pytest.raises(InputError, match="is no MODEL/SOURCE of Neuronpedia"):
        export_neuronpedia(corpus, tmp_path / "x", **some, name="../gpt2/res")
    with pytest.raises(InputError, match="no feature 64"):
        export_neuronpedia(corpus, tmp_path / "x", reader=reader, features=[64])
    with pytest.raises(ReaderError, match="there is no reader"):
        export_neuronpedia(corpus, tmp_path / "x", reader=None)
    monkeypatch.setattr("saetext.features.neuronpedia_files.read_again", lambda *_: None)
    with pytest.raises(ReaderError, match="could be read again"):
        export_neuronpedia(corpus, tmp_path / "x", **some)
    monkeypatch.undo()
    monkeypatch.setattr("saetext.features.neuronpedia_files.gzip.compress", no_room)
    with pytest.raises(CorpusError, match="No space left"):
        export_neuronpedia(corpus, tmp_path / "x", **some)
    assert not list(tmp_path.glob("x*"))


def no_room(*_: Any, **__: Any) -> Any:
    raise OSError(28, "No space left on device")


# ---- a map of texts ----------------------------------------------------------------------------------


def test_the_atlas_is_what_cluster_wrote(corpus: Corpus, clustered: Path, tmp_path: Path) -> None:
    documents = pl.read_parquet(clustered / "documents.parquet")
    placed = documents.filter(pl.col("x").is_not_null())
    assert export_atlas(corpus, tmp_path / "map.parquet") == 60 - len(placed)
    table = pq.read_table(tmp_path / "map.parquet").to_pylist()
    texts = dict(corpus.to_polars().select("id", "text").iter_rows())
    names = pl.read_parquet(clustered / "clusters.parquet").select("cluster", "name", "words")
    topics = {c: (name, ", ".join(words)) for c, name, words in names.iter_rows()} | {0: (NO_TOPIC, "")}
    assert [row["id"] for row in table] == placed["id"].to_list()
    for row, place in zip(table, placed.iter_rows(named=True), strict=True):
        assert row["text"] == texts[row["id"]]
        assert (row["x"], row["y"], row["cluster"]) == (place["x"], place["y"], place["cluster"])
        assert (row["topic"], row["topic_words"]) == topics[row["cluster"]]
        assert row["meta.x"] == int(row["id"][1:]) and row["topic"]
    assert list(table[0])[:6] == ["id", "text", "x", "y", "cluster", "topic"]


def test_an_atlas_needs_clusters_of_this_corpus(corpus: Corpus, clustered: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run saetext cluster .* first, or name them with --clusters"):
        export_atlas(Corpus.open(corpus.path.rename(tmp_path / "b.corpus")), tmp_path / "m.parquet")
    corpus = Corpus.open(tmp_path / "b.corpus")
    assert export_atlas(corpus, tmp_path / "m.parquet", clustered) < 60
    with pytest.raises(InputError, match="exists already"):
        export_atlas(corpus, tmp_path / "m.parquet", clustered)
    other = saetext.encode(tmp_path / "a.jsonl", tmp_path / "o.corpus", reader=tiny().reader(both=True))
    with pytest.raises(InputError, match="made with another reader"):
        export_atlas(other, tmp_path / "n.parquet", clustered)
    (clustered / "documents.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorpusError, match="cluster the corpus again"):
        export_atlas(corpus, tmp_path / "n.parquet", clustered)
    assert not (tmp_path / "n.parquet").exists()


# ---- a network ---------------------------------------------------------------------------------------


def planted(path: str = "dense.corpus") -> DenseCorpus:
    """Feature 1 is nearly always with 0, feature 3 hardly ever with 2; the others are independent."""
    draw = np.random.default_rng(0)
    present = draw.random((300, 8)) < 0.3
    present[:, 1] = np.where(draw.random(300) < 0.95, present[:, 0], present[:, 1])
    present[:, 3] = ~present[:, 2] & (draw.random(300) < 0.5)
    topic = np.where(present[:, 5], "x", "y").tolist()
    peak = draw.integers(0, 12, present.shape)
    return DenseCorpus(present * 1.0, peak=peak, meta={"topic": topic, "id_": list(range(300))}, path=path)


def test_graphml_is_read_back_by_networkx(tmp_path: Path) -> None:
    labels = FeatureLabels.from_rows([FeatureLabel(f, f"{f} {HOSTILE}", score=0.7) for f in range(8)], {})
    found = saetext.correlate(planted(), labels=labels, top=None, max_similarity=1.0)
    graph = nx.read_graphml(to_graphml(found, tmp_path / "pairs.graphml"))
    rows = found.table.to_dicts()
    assert {(row["feature_a"], row["feature_b"]) for row in rows} >= {(1, 0), (2, 3)}
    for row in rows:
        edge = graph.edges[f"feature:{row['feature_a']}", f"feature:{row['feature_b']}"]
        assert (edge["npmi"], edge["q"], edge["n_ab"]) == (row["npmi"], row["q"], row["n_ab"])
        assert edge["weight"] == abs(row["npmi"]) and edge["more"] == (row["npmi"] > 0)
        assert edge["confirmed"] == row["confirmed"] and edge.get("hidden") == row["hidden"]
        for side in "ab":
            node = graph.nodes[f"feature:{row[f'feature_{side}']}"]
            assert node["kind"] == "feature" and node["n"] == row[f"n_{side}"]
            assert node["feature"] == row[f"feature_{side}"] and "\x1b" not in node["label"]
            assert node["score"] == pytest.approx(0.7)
            assert node["feature_label"].startswith(f"{node['feature']} =1+1")
    assert graph.number_of_edges() == len(rows) + (0 if found.found is None else len(found.found))
    again = to_graphml(found, tmp_path / "again.graphml")
    assert again.read_bytes() == (tmp_path / "pairs.graphml").read_bytes()
    with pytest.raises(InputError, match="exists already"):
        to_graphml(found, again)


def test_what_anyone_can_read_is_in_the_network_too() -> None:
    found = saetext.correlate(planted(), top=None)
    words = pl.DataFrame(
        [
            {
                "name_a": "the word “tea”", "name_b": "bold", "kind_a": "word", "kind_b": "format", "n_a": 9,
                "n_b": 8, "n_ab": 7, "npmi": 0.5, "q": 0.01, "expected": 2.5, "confirmed": True,
                "npmi_confirm": 0.4, "topic": None,
            }
        ]
    )  # fmt: skip
    graph = network(dataclasses.replace(found, found=words))
    edge = graph.edges["word:the word “tea”", "format:bold"]
    assert edge == {
        "npmi": 0.5, "q": 0.01, "n_ab": 7, "expected": 2.5, "confirmed": True, "npmi_confirm": 0.4,
        "weight": 0.5, "more": True,
    }  # fmt: skip
    assert graph.nodes["format:bold"] == {"label": "bold", "kind": "format", "n": 8}


def test_a_network_of_two_corpora_and_of_a_column() -> None:
    pairs = saetext.correlate(
        planted("p.corpus"), planted("q.corpus"), pair_on="id_", names=("p", "q"), max_similarity=1.0
    )
    both = network(pairs)
    assert both.number_of_edges() and {both.nodes[node]["corpus"] for node in both} == {"p", "q"}
    assert both.has_edge("p:feature:0", "q:feature:0") and not both.has_edge("p:feature:0", "p:feature:1")
    column = network(saetext.correlate(planted(), column="topic"))
    assert column.nodes["value:topic = x"]["kind"] == "value" and column.degree("value:topic = x")


# ---- by the command line -----------------------------------------------------------------------------


def test_the_commands(corpus: Corpus, clustered: Path) -> None:
    done = run(
        "export", "a.corpus", "-o", "np", "--format", "neuronpedia", "--features", "3,4", "--as", "m/2-x"
    )
    assert done.code == 0 and "wrote np: 2 features, " in done.err and "as m/2-x" in done.err
    done = run("export", "a.corpus", "-o", "map.parquet", "--format", "atlas")
    assert done.code == 0 and "without a place on the map are left out" in done.err
    assert run("correlate", "a.corpus", "--min-support", "2", "--graphml", "n.graphml").code == 0
    assert nx.read_graphml("n.graphml").number_of_edges() == 0  # there is none in so few texts
    assert "exists already" in run("correlate", "a.corpus", "--graphml", "n.graphml").error
    wrong = run("export", "a.corpus", "-o", "x.npz", "--clusters", "a.clusters")
    assert wrong.code == 2 and "does not go with --format npz" in " ".join(wrong.err.split())
    wrong = run("export", "a.corpus", "-o", "x", "--format", "neuronpedia", "--features", "a,b")
    assert wrong.code == 2 and "feature numbers" in wrong.err


def test_csv_begins_with_a_mark_if_asked(corpus: Corpus) -> None:
    asked = ["correlate", "a.corpus", "--min-support", "2", "--csv"]
    plain, marked = run(*asked), run(*asked, "--csv-bom")
    assert marked.out == "\ufeff" + plain.out and not plain.out.startswith("\ufeff")
    wrong = run("correlate", "a.corpus", "--csv-bom")
    assert wrong.code == 2 and "--csv-bom is about CSV" in " ".join(wrong.err.split())
    assert run("features", "a.corpus", "--table", "f.csv", "--csv-bom").code == 0
    written = Path("f.csv").read_bytes()
    assert written.startswith(codecs.BOM_UTF8 + b"feature,")
    rows = list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"), newline="")))
    assert len(rows) == 64 and any("é" in row["label"] for row in rows)
    assert run("label", "a.corpus", "--from", "f.csv", "--replace").code == 0
    assert Corpus.open("a.corpus") is not None
