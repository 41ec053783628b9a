"""Statistics of features over a vocabulary and over the tokens of texts, against transformers and scipy."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy import stats
from test_sinks import SINK, with_sink
from tiny_models import HIDDEN, save_model
from tiny_reader import OTHER_SAE, SAE, make_sae, some_rows, tiny, write_jsonl

import saetext
from saetext.corpus.calibration import Calibration
from saetext.errors import IncompatibleError, InputError, ReaderError, SaetextWarning
from saetext.features import token_table
from saetext.features.activity import SCHEMA, measuring, table
from saetext.features.activity.strongest import NONE, Strongest
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.io.progress import Progress
from saetext.reader.reader import Reader
from saetext.reader.vocabulary import alone, vocabulary_of, written
from saetext.report.console.tokens import render_token_table, strongest_by

D_SAE = 64


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# ---- the strongest tokens ------------------------------------------------------------------------------

entries = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from([0.5, 1.0, 1.5, 2.0, 9.0])), max_size=60
)


@settings(deadline=None)
@given(entries, st.lists(st.integers(0, 60), max_size=5), st.integers(1, 5))
def test_the_strongest_tokens_are_those_of_all_at_once(
    rows: list[tuple[int, int, float]], cuts: list[int], k: int
) -> None:
    found = Strongest(4, k)
    for part in np.split(np.arange(len(rows)), sorted(min(cut, len(rows)) for cut in cuts)):
        batch = [rows[i] for i in part]
        feature, token = (np.array([row[at] for row in batch], np.int64) for at in (0, 1))
        found.add(feature, token, np.array([row[2] for row in batch], np.float32))
    for feature in range(4):
        best: dict[int, float] = {}
        for f, token, value in rows:
            if f == feature:
                best[token] = max(best.get(token, 0.0), value)
        expected = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:k]
        kept = found.token[feature] != NONE
        assert list(zip(found.token[feature][kept], found.value[feature][kept], strict=True)) == expected


# ---- over a vocabulary ---------------------------------------------------------------------------------


def family(folder: Path, name: str, *, bos: bool) -> tuple[Path, Path]:
    """Save a tiny model of a family, and an SAE after its first layer, trained with BOS or without."""
    model = save_model(name, folder / name, num_hidden_layers=2)
    sae = make_sae(folder / f"{name} sae", hook=SAE, seed=3)
    if bos:
        text = (sae / "cfg.json").read_text().replace('"prepend_bos": false', '"prepend_bos": true')
        (sae / "cfg.json").write_text(text)
    return model, sae


def by_transformers(model: Path, sae: Path, texts: Sequence[Sequence[int]], at: int) -> NDArray[np.float64]:
    """Activations of the token at a place of each text, one text at a time, by transformers and a product."""
    whole = transformers.AutoModel.from_pretrained(
        model, trust_remote_code=False, local_files_only=True, dtype=torch.float32
    ).eval()
    w = load_file(sae / "sae_weights.safetensors")
    found = []
    for ids in texts:
        with torch.no_grad():
            states = whole(input_ids=torch.tensor([list(ids)]), output_hidden_states=True).hidden_states[1]
        found.append(torch.relu((states[0, at] - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).double().numpy())
    return np.array(found)


def assert_table(found: pl.DataFrame, dense: NDArray[np.float64], names: Sequence[str]) -> None:
    """Compare a table with the activations of every token (row) and feature (column)."""
    active = (dense > 0).sum(axis=0)
    assert found["feature"].to_list() == list(range(dense.shape[1])) and tuple(found.columns) == SCHEMA
    assert found["tokens"].to_list() == active.tolist()
    expected = {
        "token_density": active / len(dense),
        "log_sparsity": [np.log10(n / len(dense)) if n else None for n in active],
        "mean": dense.mean(axis=0),
        "std": dense.std(axis=0),
        "skewness": [None if np.isnan(value) else value for value in stats.skew(dense)],
        "kurtosis": [None if np.isnan(value) else value for value in stats.kurtosis(dense)],
        "max": dense.max(axis=0),
    }
    for name, values in expected.items():
        assert found[name].to_list() == [
            None if value is None else pytest.approx(value, rel=2e-4, abs=1e-5) for value in values
        ], name
    for feature, (tokens, values) in enumerate(found.select("top_tokens", "top_activations").iter_rows()):
        best: dict[str, float] = {}
        for name, value in zip(names, dense[:, feature], strict=True):
            if value > 0:
                best[name] = max(best.get(name, 0.0), float(value))
        assert values == pytest.approx(sorted(best.values(), reverse=True)[: len(values)], rel=1e-4, abs=1e-6)
        assert len(values) == min(len(best), table.TOP_TOKENS)
        for token, value in zip(tokens, values, strict=True):
            assert best[token] == pytest.approx(value, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("name", "bos"), [("gpt2", False), ("gpt2", True), ("llama", True), ("bert", False)])
def test_each_token_of_the_vocabulary_alone(tmp_path: Path, name: str, bos: bool) -> None:
    model, sae = family(tmp_path, name, bos=bos)
    reader = Reader.load_local(sae, model, device="cpu", dtype="float32")
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        model, trust_remote_code=False, local_files_only=True
    )
    special = {*tokenizer.all_special_ids} - ({tokenizer.unk_token_id} if name == "bert" else set())
    ids = [i for i in range(len(tokenizer)) if i not in special]
    around = {"bert": ([tokenizer.cls_token_id], [tokenizer.sep_token_id])}.get(name, ([], []))
    if bos:
        around = ([tokenizer.bos_token_id], [])
    assert (list(reader.tokens.prefix_ids), list(reader.tokens.suffix_ids)) == around
    dense = by_transformers(model, sae, [[*around[0], i, *around[1]] for i in ids], len(around[0]))
    found = token_table(reader)
    assert found.over == "vocabulary" and found.about["tokens"] == len(ids) > 150
    assert found.about["special"] == len(special) and found.about["placeholders"] == 0
    assert found.about["never_active"] == int((dense.max(axis=0) == 0).sum())
    assert_table(found.table, dense, written(reader, ids))
    assert reader.feature_table().equals(found.table)


def test_placeholders_and_ids_without_an_embedding_are_left_out(tmp_path: Path) -> None:
    model, sae = family(tmp_path, "bert", bos=False)
    path = model / "tokenizer.json"
    text = path.read_text("utf-8")
    ids = transformers.AutoTokenizer.from_pretrained(
        model, trust_remote_code=False, local_files_only=True
    ).get_vocab()
    last = max(ids, key=lambda token: ids[token])
    assert text.count(f'"{last}":') == 1
    path.write_text(text.replace(f'"{last}":', '"[unused7]":'), "utf-8")
    reader = Reader.load_local(sae, model, device="cpu", dtype="float32")
    before = len(ids) - 4  # PAD, CLS, SEP and MASK; the unknown token stands for text
    vocabulary = vocabulary_of(reader)
    assert (len(vocabulary), vocabulary.special, vocabulary.placeholders) == (before - 1, 4, 1)
    reader.model.config.vocab_size = 100
    assert vocabulary_of(reader).ids.max() == 99
    assert [p.ids.tolist() for p in alone([5, 7])] == [[5], [7]]


def test_tokens_as_they_are_written(tmp_path: Path) -> None:
    reader = tiny().reader()
    tokenizer = reader.tokens.tokenizer
    ids = tokenizer.encode(" the é\n", add_special_tokens=False)
    assert "".join(written(reader, ids)).replace("<0xC3><0xA9>", "é") == " the é\n"
    every = written(reader, list(range(len(tokenizer))))
    assert len(set(every)) == len(every), "two tokens are written alike"
    assert {"<0xC3>", " ", "\n", "<|endoftext|>"} <= set(every)
    made = SimpleNamespace(
        backend_tokenizer=SimpleNamespace(decoder="Sequence(Replace)"),
        convert_ids_to_tokens=lambda ids: ["▁the", "the", "<0x0A>"],
    )
    sentencepiece: Any = SimpleNamespace(tokens=SimpleNamespace(tokenizer=made))
    assert written(sentencepiece, [0, 1, 2]) == [" the", "the", "<0x0A>"]


def test_an_sae_of_later_positions_reads_no_token_alone(tmp_path: Path) -> None:
    model, sae = family(tmp_path, "gpt2", bos=True)
    text = (sae / "cfg.json").read_text()
    (sae / "cfg.json").write_text(text.replace('"metadata": {', '"metadata": {"seqpos_slice": [4, null], '))
    reader = Reader.load_local(sae, model, device="cpu", dtype="float32")
    with pytest.raises(ReaderError, match="first 3 tokens of a text, so it reads no token alone"):
        token_table(reader)


# ---- over texts ----------------------------------------------------------------------------------------


def dense_of(reader: Reader, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Activations of all counted tokens, a text at a time, and how each token is written."""
    rows, names = [], []
    for text in texts:
        prepared: Any = reader.tokens.prepare(saetext_documents([text]))[0]
        one = np.zeros((prepared.n_tokens, D_SAE))
        found = reader.token_entries(prepared)
        one[found.ordinal, found.feature] = found.value
        rows.append(one)
        names += written(reader, prepared.ids[prepared.counted].tolist())
    return np.concatenate(rows), names


def saetext_documents(texts: Sequence[str]) -> list[Any]:
    return list(saetext.open_documents([{"text": text} for text in texts]))


def texts_of(n: int) -> list[str]:
    return [row["text"] for row in some_rows(n, seed=5, longest=90)]


def test_texts_in_their_contexts(tmp_path: Path) -> None:
    reader = tiny().reader()
    texts = texts_of(150)  # longer than a window, more than a chunk, some twice
    texts += texts[:3]
    dense, names = dense_of(reader, texts)
    found = token_table(reader, texts)
    assert found.about == {
        "tokens": len(dense),
        "sinks": 0,
        "never_active": int((dense.max(axis=0) == 0).sum()),
        "texts": 153,
        "rejected": 0,
    }
    assert_table(found.table, dense, names)
    rows = [{"text": text} for text in texts] + [{"text": ""}, {"text": None}]
    source = saetext.open_documents(write_jsonl(tmp_path / "a.jsonl", rows))
    again = token_table(reader, source)
    assert again.table.equals(found.table) and again.over == "a.jsonl" and again.about["rejected"] == 2
    assert again.notes[0] == "2 rows rejected (1 empty text, 1 null text)"


def test_the_texts_that_a_corpus_stores(tmp_path: Path) -> None:
    reader = tiny().reader()
    file = write_jsonl(tmp_path / "a.jsonl", some_rows(90, longest=80))
    corpus = saetext.encode(file, tmp_path / "a.corpus", reader=reader)
    found = token_table(reader, corpus)
    assert found.table.equals(token_table(reader, saetext.open_documents(file)).table)
    assert found.about["tokens"] == corpus.n_tokens.sum() and found.about["texts"] == 90
    bare = saetext.encode(file, tmp_path / "b.corpus", reader=reader, store_text=False)
    with pytest.raises(InputError, match="--no-text: name the file of its texts"):
        token_table(reader, bare)


def test_prompts_are_context_and_are_not_counted(tmp_path: Path) -> None:
    reader = tiny().reader()
    assert not reader.tokens.has_chat_template
    rows = [{"prompt": "the quick fox", "response": "a lazy dog sleeps"}]
    found = token_table(reader, saetext.open_documents(write_jsonl(tmp_path / "a.jsonl", rows)))
    assert found.about["tokens"] == dense_of(reader, ["a lazy dog sleeps"])[0].shape[0]


def test_what_cannot_be_read() -> None:
    reader = tiny().reader()
    for texts in ([], [" ", ""]):
        with pytest.raises(InputError, match="texts has no document that can be read"):
            token_table(reader, [t for t in texts if t] or [""])
    with pytest.raises(InputError, match="text 0 is"):
        token_table(reader, [3])  # type: ignore[list-item]
    with pytest.raises(InputError, match="top_tokens must be at least 1, not 0"):
        token_table(reader, top_tokens=0)


# ---- which SAE, labels, sinks --------------------------------------------------------------------------


def test_one_of_several_saes() -> None:
    both = tiny().reader(both=True)
    with pytest.raises(IncompatibleError, match="choose one with --sae"):
        token_table(both)
    assert token_table(both, sae=SAE).table.equals(token_table(tiny().reader()).table)
    assert token_table(both, sae=OTHER_SAE).table.height == 48


def test_labels_and_the_number_of_tokens() -> None:
    labels = FeatureLabels.from_rows([FeatureLabel(3, "dogs", score=0.8)])
    found = token_table(tiny().reader(), labels=labels, top_tokens=2).table
    assert found["label"][3] == "dogs" and found["label_score"].to_list()[2:4] == [None, pytest.approx(0.8)]
    assert found["top_tokens"].list.len().max() == 2
    long = token_table(tiny().reader()).table
    assert long["top_tokens"].list.head(2).to_list() == found["top_tokens"].to_list()


def test_thresholds_have_no_part_in_it() -> None:
    reader = tiny().reader()
    strict = Calibration.from_arrays(np.full(D_SAE, 1e6), percentile=99.0)
    assert token_table(reader.with_calibrations({SAE: strict})).table.equals(token_table(reader).table)


def test_attention_sinks_count_and_have_no_activations(tmp_path: Path) -> None:
    model = with_sink(tmp_path / "model", "gpt2")
    sae = make_sae(tmp_path / "sae", hook=SAE, seed=1, d_in=HIDDEN)
    bare = Reader.load_local(sae, model, device="cpu", dtype="float32")
    free = token_table(bare)
    [token] = bare.tokens.tokenizer.encode(SINK, add_special_tokens=False)
    name = written(bare, [token])[0]
    assert any(name in tokens[:1] for tokens in free.table["top_tokens"])
    assert free.about["sinks"] == 0 and "'saetext calibrate' measures it" in free.notes[0]
    limit = Calibration.from_arrays(np.zeros(D_SAE), percentile=None, norm_limit=500.0)
    found = token_table(bare.with_calibrations({SAE: limit}))
    assert found.about["sinks"] == 1 and found.about["tokens"] == free.about["tokens"]
    assert found.notes == ("1 token is an attention sink: it counts, and has no activations",)
    assert not any(name in tokens for tokens in found.table["top_tokens"])
    texts = [f"the dog {SINK} sleeps", f"{SINK} a fox"]
    assert token_table(bare.with_calibrations({SAE: limit}), texts).about["sinks"] == 2


# ---- kept, told, and no more memory than that ----------------------------------------------------------


def test_a_vocabulary_is_read_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = tiny().reader()
    first = token_table(reader)
    [kept] = (cache / "vocabulary").iterdir()
    ran: list[int] = []

    def counted(*args: Any, **options: Any) -> Any:
        ran.append(1)
        return measuring.measure(*args, **options)

    monkeypatch.setattr(table, "measure", counted)
    assert token_table(reader).table.equals(first.table) and not ran
    assert token_table(tiny().reader(both=True), sae=SAE).table.equals(first.table)
    ran.clear()
    for other in ({"top_tokens": 3}, {"sae": OTHER_SAE}):
        token_table(tiny().reader(both=True), **{"sae": SAE, **other})  # type: ignore[arg-type]
    assert len(ran) == 2
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(bytes(content))
    with pytest.warns(SaetextWarning, match="the vocabulary is read again"):
        assert token_table(reader).table.equals(first.table)
    assert len(ran) == 3 and token_table(reader).table.equals(first.table) and len(ran) == 3


def test_a_cache_that_cannot_be_written_is_done_without(cache: Path) -> None:
    cache.write_text("a file where a directory should be")
    assert token_table(tiny().reader()).about["tokens"] > 200


def test_progress_and_what_an_interrupt_leaves(cache: Path) -> None:
    reader = tiny().reader()
    told: list[Progress] = []
    n = token_table(reader, on_progress=told.append).about["tokens"]
    assert told[-1].tokens == n and told[-1].share == 1.0 and told[0].stage == "reading the vocabulary"
    [kept] = (cache / "vocabulary").iterdir()
    kept.unlink()

    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        token_table(reader, on_progress=stop)
    assert list((cache / "vocabulary").iterdir()) == []
    told.clear()
    assert token_table(reader, texts_of(130), on_progress=told.append).about["texts"] == 130
    shares = [p.share for p in told if p.share is not None]
    assert shares == sorted(shares) and shares[-1] == 1.0 and told[-1].documents == 130


def test_memory_does_not_grow_with_tokens_times_features() -> None:
    """A million tokens with 4,096 features would be 16 GB."""
    d_sae, at_once, batches = 4096, 10_000, 100
    rng = np.random.default_rng(0)

    class Streamed:
        def __init__(self) -> None:
            self.saes = {"x": SimpleNamespace(encoder=SimpleNamespace(d_sae=d_sae), norm_limit=None)}

        def measured(self, prepared: Sequence[Any]) -> Iterator[Any]:
            token = torch.from_numpy(np.sort(rng.integers(0, at_once, 20_000)))
            feature = torch.from_numpy(rng.integers(0, d_sae, 20_000))
            batch = SimpleNamespace(rows=np.zeros(at_once, np.int64), ordinals=np.arange(at_once))
            yield batch, ({"x": (token, feature, torch.rand(20_000))}, {"x": torch.ones(at_once)})

    one: Any = SimpleNamespace(
        ids=np.arange(at_once, dtype=np.int32), counted=np.ones(at_once, bool), n_tokens=at_once
    )
    reader: Any = Streamed()
    tracemalloc.start()
    found = measuring.measure(reader, "x", ([one] for _ in range(batches)), 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.tokens == at_once * batches and found.active.n.sum() == 20_000 * batches
    assert peak < 60e6


def test_the_result_can_be_copied() -> None:
    found = token_table(tiny().reader())
    assert replace(found, over="x").about == found.about


# ---- in a terminal -------------------------------------------------------------------------------------


def test_what_a_terminal_shows() -> None:
    found = token_table(tiny().reader())
    hostile = found.table.with_columns(
        label=pl.lit("red \x1b[31m [bold]x[/bold]"), top_tokens=pl.lit(["\x1b]0;x\x07", " a\n", "\t"])
    )
    shown = replace(found, table=hostile)
    for width in (40, 60, 100, 200):
        text = render_token_table(shown, "a\x1breader", "kurtosis", 5, width)
        assert "\x1b" not in text and "[bold]x" in text and "␣a↵  ⇥" in text
        assert max(map(len, text.splitlines())) <= width
        assert text.count("␣a↵") == 5 and ("kurtosis" in text) == (width >= 90)
    assert "59 more features" in text
    render_token_table(shown, "r", "max", 3, encoding="ascii").encode("ascii")
    assert "\x1b" in render_token_table(found, "r", "max", 3, color=True)


def test_equal_ones_come_by_their_strength() -> None:
    """Features that are active on one token have the same kurtosis but for rounding."""
    found = token_table(tiny().reader())
    values = [float(i % 5) if i else None for i in range(D_SAE)]
    noise = pl.Series([29519.0 + i * 1e-7 for i in range(D_SAE)])
    table = found.table.with_columns(pl.Series("max", values), kurtosis=noise)
    rows = strongest_by(replace(found, table=table), "kurtosis", D_SAE)
    assert rows["feature"].to_list() == sorted(range(D_SAE), key=lambda i: (-(values[i] or -1), i)) or (
        rows["feature"].to_list()[-1] == 0
    )
    undefined = found.table.with_columns(kurtosis=pl.lit(None, pl.Float64))
    assert strongest_by(replace(found, table=undefined), "kurtosis", 3)["max"].is_sorted(descending=True)
