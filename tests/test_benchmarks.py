"""The benchmarks run with tiny settings, and their helpers are right; the figures mean nothing here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from benchmark_modules import BENCHMARKS, importing
from planted import planted
from scipy.sparse import csr_matrix

from saetext.corpus.rows import PooledRows
from saetext.features import Themes
from tests.corpus_factory import make_corpus


@pytest.fixture(scope="module")
def load() -> Iterator[Any]:
    with importing() as load:
        yield load


@pytest.fixture(scope="module")
def common(load: Any) -> ModuleType:
    return load("common")


def test_texts_are_all_different_and_come_from_the_seed(common: ModuleType, tmp_path: Path) -> None:
    texts = common.varied_texts(50, answers=(1, 3), seed=3)
    assert len(set(texts)) == 50 and texts == common.varied_texts(50, answers=(1, 3), seed=3)
    assert texts != common.varied_texts(50, answers=(1, 3), seed=4)
    common.write_short_texts(tmp_path / "short.jsonl", 300)
    rows = [json.loads(line) for line in (tmp_path / "short.jsonl").read_text("utf-8").splitlines()]
    assert len({row["text"] for row in rows}) == len({row["id"] for row in rows}) == 300


def test_ratios_are_taken_round_by_round(common: ModuleType) -> None:
    assert common.ratios([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == {"median": 2.0, "low": 1.0, "high": 3.0}
    order: list[str] = []
    times = common.interleaved({n: lambda n=n: order.append(n) for n in "ab"}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert [len(times[n].wall) for n in "ab"] == [3, 3]


def test_results_keep_other_sections_and_name_no_place(common: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "r" / "results.json"
    common.save(path, "one", {"x": 1})
    common.save(path, "two", common.environment())
    common.save(path, "one", {"x": 2})
    saved = json.loads(path.read_text())
    assert saved["one"] == {"x": 2} and saved["two"]["versions"]["torch"]
    assert str(Path.home()) not in path.read_text() and str(BENCHMARKS.parent) not in path.read_text()


def test_encode_without_the_peers(load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "encode.json"
    load("encode").main(["--quick", "--only", "disk", "embedded", "-o", str(output)])
    saved = json.loads(output.read_text())
    assert 0.1 < saved["embedded"]["of_ceiling"]["median"] < 10
    assert saved["embedded"]["settings"]["documents"] == 8
    parts = saved["disk"]["short"]["parts_kb_per_100_tokens"]
    assert 0.5 < parts["docs"] < 5 and 0.5 < parts["features"] < 20
    assert "b / a" in capsys.readouterr().out


def test_encode_against_by_hand(load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "encode.json"
    load("encode").main(["--quick", "--only", "gpt2", "-o", str(output)])
    saved = json.loads(output.read_text())["gpt2"]
    assert saved["same_result"]["largest_difference"] < 1e-5 and saved["same_result"]["entries"] > 500
    assert 5 < saved["settings"]["l0"] < 20  # asked for: 10
    assert set(saved["times_faster_than"]) == {"c by hand", "c by hand, without stop_at_layer"}
    assert "multiply-adds" in capsys.readouterr().out


def test_encode_on_a_device(load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "encode.json"
    on_cpu = ["--device", "cpu", "--size", "tiny", "--repeats", "2", "-o", str(output)]
    load("encode").main(on_cpu)
    [(name, saved)] = json.loads(output.read_text()).items()
    assert name == "gemma2: tiny on cpu"
    settings = saved["settings"]
    assert settings["device"] == "cpu (no GPU)" and settings["dtype"] == "bfloat16"
    assert settings["layers_run"] == 2 and settings["tokens"] > 500  # two of four: the others come after
    # keys and values for two heads, queries and output for four, and three products of the MLP; four norms
    layer = 64 * 16 * (2 * 4 + 2 * 2) + 3 * 64 * 128 + 4 * 64
    assert saved["multiply_adds_per_token"] == {"layers": 2 * layer, "sae": 64 * 512}
    assert 3 < settings["l0"] < 30  # asked for: 10
    assert set(saved["speed"]) == {"forward", *saved["of_forward"]} and len(saved["speed"]) == 4
    seconds = [saved["speed"][which]["seconds"] for which in ("forward", "saetext.encode")]
    shares = [alone / whole for alone, whole in zip(*seconds, strict=True)]
    assert saved["of_forward"]["saetext.encode"]["median"] == pytest.approx(sum(shares) / 2, rel=0.02)
    assert saved["peak_mb"]["process"] > 100
    assert "of the forward pass alone" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        load("encode").main([*on_cpu, "--only", "disk"])


def test_a_gpu_that_is_not_there_is_one_line(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit) as stopped:
        load("encode").main(["--device", "cuda", "-o", str(tmp_path / "encode.json")])
    said = str(stopped.value)
    assert said == "device 'cuda' is not available here; there is: cpu"
    assert not list(tmp_path.iterdir())


def test_only_equal_work_is_compared(load: Any, tmp_path: Path) -> None:
    require_same = load("by_hand").require_same
    corpus, truth = make_corpus(tmp_path / "c.corpus", sizes=(5, 3), d_sae=12)
    reader = SimpleNamespace(calibrations={"main": SimpleNamespace(thresholds=np.zeros(12, np.float32))})
    right = truth.dense("value")

    def rows(dense: np.ndarray) -> list[Any]:
        return [csr_matrix(row) for row in dense]

    assert require_same(rows(right), corpus.path, reader)["entries"] == np.count_nonzero(right)
    one_more = right.copy()
    one_more[tuple(np.argwhere(right == 0)[0])] = 1.0
    one_less = right.copy()
    one_less[tuple(np.argwhere(right)[0])] = 0.0
    for wrong in (right * 1.01, one_more, one_less, right[::-1]):
        with pytest.raises(SystemExit, match="disagree"):
            require_same(rows(wrong), corpus.path, reader)


def test_multiply_adds_of_a_case_counted_by_hand(load: Any) -> None:
    common, by_hand = load("common"), load("by_hand")
    size = common.Size(layers=3, width=4, heads=2, vocabulary=7, positions=9, layer=2, features=5)
    # a batch of 2 x 3 tokens, 5 of them counted, two layers
    dense = 2 * 6 * (4 * 4 * 4 + 2 * 4 * 16)  # Q, K, V, output; MLP in and out
    attention = 2 * 2 * (3 * 3 * 4 + 3 * 3 * 4)  # layers, rows, Q K^T and weights V
    assert by_hand.multiply_adds(size, 2, 6, 6 * 3, 5) == dense + attention + 5 * 4 * 5
    assert by_hand.multiply_adds(size, 2, 6, 6 * 3, 5, unembedded=6) == dense + attention + 100 + 6 * 4 * 7


def test_flips_of_a_case_counted_by_hand(load: Any) -> None:
    def rows(*documents: dict[int, float]) -> PooledRows:
        feature = np.array([f for d in documents for f in d], np.int32)
        value = np.array([v for d in documents for v in d.values()], np.float32)
        indptr = np.cumsum([0] + [len(d) for d in documents]).astype(np.int64)
        zeros = np.zeros(len(feature), np.int32)
        return PooledRows(indptr, feature, value, value, zeros + 1, zeros, zeros)

    thresholds = np.array([1.0, 2.0, 4.0, 1.0], np.float32)
    ours = rows({0: 3.0, 1: 2.5}, {2: 5.0}, {0: 2.0})
    others = rows({0: 3.3}, {2: 5.0, 3: 1.25}, {0: 2.0})
    found = load("flips").compare(ours, others, thresholds, 4)
    assert (found["lost"], found["gained"]) == (1, 1)
    assert found["jaccard_distance"] == pytest.approx(2 / 5)
    assert found["median_distance_from_threshold"] == pytest.approx(0.25)
    assert found["largest_rate_change"] == pytest.approx(1 / 3, abs=1e-5)
    assert load("flips").compare(ours, ours, thresholds, 4)["jaccard_distance"] == 0


def test_generate_runs(load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "generate.json"
    options = ["--tokens", "3", "--repeats", "1", "--batches", "2", "--dtypes", "float32"]
    load("generate").main([*options, "-o", str(output)])
    measured = json.loads(output.read_text())["random"]["measured"]["float32, batch 2"]
    assert measured["saetext"]["tokens_per_second"] > 0 and 0.01 < measured["times_faster"]["median"] < 100
    assert "transformers" in capsys.readouterr().out


def test_ablate_runs(load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "ablate.json"
    options = ["--tokens", "3", "--repeats", "1", "--batches", "2", "--features", "5000"]
    load("ablate").main([*options, "-o", str(output)])
    saved = json.loads(output.read_text())["random"]
    assert saved["settings"]["ablated"] == [3, 4000] and saved["settings"]["d_sae"] == 5000
    assert 0.01 < saved["measured"]["batch 2"]["speed"]["median"] < 100
    assert "taken out" in capsys.readouterr().out


def test_steer_speed_runs(load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, made = tmp_path / "steer_speed.json", planted()
    options = ["--feature", "5", "--batch", "2", "--tokens", "3", "--prompts", "2", "--repeats", "1"]
    subject = ["--model", str(made.model), "--sae", str(made.sae)]
    load("steer_speed").main([*subject, *options, "-o", str(output)])
    found = json.loads(output.read_text())["model"]
    assert 0.01 < found["generation"]["steered_over_bare_cpu"]["median"] < 100
    assert found["attribution"]["pairs"] > 0
    assert found["attribution"]["times_forward_backward"]["median"] > 0
    assert "attribution" in capsys.readouterr().out


def test_flips_run(load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load("flips").main(["--documents", "3", "-o", str(tmp_path / "flips.json")])
    saved = json.loads((tmp_path / "flips.json").read_text())["embedded"]
    assert saved["all float32, batches of 512 tokens"]["jaccard_distance"] < 0.01
    assert 0 < saved["model bfloat16, SAE bfloat16"]["jaccard_distance"] < 0.2
    by_row = saved["weights int8, a scale for each row"]
    dynamic = saved["dynamic int8"]
    assert 0 < by_row["jaccard_distance"] < dynamic["jaccard_distance"] < 1
    assert "presences" in capsys.readouterr().out


def test_llama_cpp_says_what_it_lacks(load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Python that has nothing installed cannot have the package."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    load("llama_cpp").main(["--python", str(bare), "-o", str(tmp_path / "llama_cpp.json")])
    assert "not measured: No module named 'xllamacpp'" in capsys.readouterr().out
    assert not (tmp_path / "llama_cpp.json").exists()


# ---- search and retrieval ----------------------------------------------------------------------------


def test_measures_of_a_ranking_counted_by_hand(load: Any) -> None:
    measures = load("retrieval").measures
    truth = np.zeros(60, bool)
    truth[[4, 7, 30]] = True
    order = np.array([4, 0, 7, *[i for i in range(60) if i not in (0, 4, 7)]])
    place = int(np.flatnonzero(order == 30)[0]) + 1
    found = measures(order, truth)
    assert found["map"] == pytest.approx((1 / 1 + 2 / 3 + 3 / place) / 3)
    assert found["p10"] == pytest.approx(2 / 10) and found["p50"] == pytest.approx(3 / 50)
    gain = lambda rank: 1 / np.log2(rank + 1)  # noqa: E731
    assert found["ndcg10"] == pytest.approx((gain(1) + gain(3)) / (gain(1) + gain(2) + gain(3)))


def test_properties_are_split_once_and_for_all(load: Any) -> None:
    known = load("retrieval_data").properties()
    assert known == load("retrieval_data").properties()
    assert len({(p.pool, p.name) for p in known}) == len(known)
    of_pool = {pool: [p.split == "dev" for p in known if p.pool == pool] for pool in {p.pool for p in known}}
    for pool, chosen in of_pool.items():  # a pool is all for choosing, all for telling, or half and half
        assert sum(chosen) in (0, len(chosen)) or abs(2 * sum(chosen) - len(chosen)) <= 1, pool
    assert 0.45 < sum(p.split == "dev" for p in known) / len(known) < 0.55
    assert all(len(set(p.phrasings)) == 3 for p in known)


def test_activations_are_the_mean_over_counted_tokens(load: Any, tmp_path: Path) -> None:
    """Against the activations that an SAE would be trained on, one text at a time."""
    from saetext import Reader, encode
    from saetext.corpus import Corpus
    from saetext.documents import Document
    from saetext.training.activations import collect_activations

    texts = ["Sorry to hear that!", "Perhaps you could try restarting it, twice?", "No."]
    reader = Reader.load(device="cpu")
    path = tmp_path / "a.corpus"
    encode([{"id": str(i), "text": t} for i, t in enumerate(texts)], path, reader=reader)
    found = load("retrieval_data").mean_activations(Corpus.open(path), tmp_path)
    again = load("retrieval_data").mean_activations(Corpus.open(path), tmp_path)
    np.testing.assert_allclose(again, found, atol=1e-2)  # kept in half precision
    hook = reader.spec.saes[0].hook
    for at, (text, mine) in enumerate(zip(texts, found, strict=True)):
        document = Document(str(at), text, None, None, {}, at, "")
        file = tmp_path / f"{at}.bin"
        states = collect_activations(reader.model, reader.tokens, hook, [document], file, max_tokens=99)
        np.testing.assert_allclose(mine, states.astype(np.float64).mean(0), atol=1e-2)
        assert mine.std() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("peer", ["bm25s", "faiss flat", "hnsw"])
def test_peers_of_a_search_run(load: Any, peer: str) -> None:
    found = load("search_peers").PEERS[peer](3000)
    assert found["query_ms"]["p50"] > 0
    if peer == "hnsw":
        assert found["recall_at_10"] == 1  # so few are compared exactly


@pytest.mark.slow
def test_search_finds_what_brute_force_finds(load: Any, tmp_path: Path) -> None:
    module = load("search")
    module.make(tmp_path / "s.corpus", 2000)
    assert module.equals_brute_force(tmp_path / "s.corpus") == {"queries": 5, "equal": 5}
    module.QUERIES = 2
    found = module.measure(tmp_path / "s.corpus")
    assert found["documents"] == 2000 and found["10 features"]["search_ms"]["p50"] > 0


# ---- clusters ----------------------------------------------------------------------------------------


def test_labels_are_scored_with_noise_as_a_class(load: Any) -> None:
    found = load("cluster")._scored(list("aabbcc"), [0, 0, 1, 1, -1, -1])
    assert found == {"ari": 1.0, "nmi": pytest.approx(1.0), "clusters": 2, "noise": pytest.approx(1 / 3)}


def test_themes_are_checked_and_ranked(load: Any, tmp_path: Path) -> None:
    benchmark, themes = load("themes"), Themes.load("embedded")
    path = tmp_path / "themes.json"
    themes.write(path)
    assert benchmark.faults_of(themes, path) == []
    cut = Themes(tuple(t for t in themes.all if t.id != "law"), {**themes.made_for, "weights_sha256": "w"})
    told = benchmark.faults_of(cut, path)
    assert told[:2] == [
        "the file is not as Themes.write writes it",
        "the themes are not of the SAE that the labels are of",
    ]
    assert f"feature {themes.named('law').features[0]} is nowhere" in told
    classes = np.array(["a"] * 30 + ["b"] * 70)
    at = [theme.id for theme in themes].index("music")
    present = np.zeros((100, len(themes)), bool)
    present[:20, at] = True
    row = benchmark.check(themes, (present, classes), "planted", "a", "law music")
    assert row["place"] == 1 and row["n"] == 30
    assert row["leading"][0] == {"theme": "music", "class": 0.667, "rest": 0.0}
    assert benchmark.null_splits(np.random.default_rng(1).random((400, 30)) < 0.1, splits=40) <= 8
    known = {theme.id for theme in themes}
    for data, _, wanted in (*benchmark.SEEN, *benchmark.HELD_OUT):
        assert data in benchmark.DATA and set(wanted.split()) <= known


def test_stages_of_a_waiting_page_are_timed(load: Any) -> None:
    """The states of a job, in turn, become the seconds of each stage and the longest silence."""
    rooms = load("explore_rooms")
    states = iter([("running", "counting: 1 of 3"), ("running", "counting: 1 of 3"), ("done", "")])

    class Told:
        def get(self, address: str) -> str:
            assert address == "job-state?key=0af3"
            state, told = next(states)
            return f'{{"state": "{state}", "told": "{told}", "title": "x", "error": ""}}'

    assert rooms.key_of('<div data-job="job-events?key=0af3">') == "0af3" and rooms.key_of("<p>") is None
    stages, silence = rooms._followed(Told(), "0af3", rooms.time.perf_counter())
    assert set(stages) == {"beginning", "counting"}
    assert 0.19 < silence < 5 and 0.19 < stages["counting"] < 5, "two looks, a tenth of a second apart"
    assert rooms.query_with("map?set=a", "map-near", at="1 2") == "map-near?set=a&at=1+2"


def test_a_job_that_failed_ends_the_benchmark(load: Any) -> None:
    rooms = load("explore_rooms")

    class Told:
        def get(self, address: str) -> str:
            return '{"state": "failed", "told": "", "title": "Comparing", "error": "no document is left"}'

    with pytest.raises(SystemExit, match="no document is left"):
        rooms._followed(Told(), "0af3", rooms.time.perf_counter())
