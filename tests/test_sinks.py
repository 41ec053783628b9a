"""Attention sinks against transformers' own hidden states: reading, thresholds, training and files."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from faults import KILLED, Faults, die, in_fork
from saetext_cli.main import app
from safetensors.torch import load_file, save_file
from tiny_models import save_model
from tiny_reader import WORDS, make_sae, write_jsonl
from typer.testing import CliRunner

from saetext import Corpus
from saetext.corpus.calibration import Calibration
from saetext.corpus.spec import ReaderSpec, differing_fields
from saetext.documents import Document
from saetext.encoding.encoder import append, encode
from saetext.errors import ReaderError, SaetextWarning
from saetext.reader.reader import Reader
from saetext.reader.sinks import are_sinks, limit_of, norms
from saetext.reader.thresholds.estimation import calibrate
from saetext.reader.thresholds.policy import made_note, ready, with_known_thresholds
from saetext.reader.tokenization import Prepared
from saetext.training import activations, norm_limit
from saetext.training.pipeline import train

HOOK = "blocks.1.hook_resid_pre"
SINK = "!"
EMBEDDING = {"gpt2": "transformer.wte.weight", "llama": "model.embed_tokens.weight"}


def with_sink(directory: Path, family: str, scale: float = 3000.0) -> Path:
    """Save a model in which one token's embedding is so many times as long."""
    save_model(family, directory, num_hidden_layers=2)
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        directory, trust_remote_code=False, local_files_only=True
    )
    [token] = tokenizer.encode(SINK, add_special_tokens=False)
    path = directory / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    tensors[EMBEDDING[family]][token] *= scale
    save_file(tensors, path, {"format": "pt"})
    return directory


def documents(n: int = 40, seed: int = 0) -> list[Document]:
    """Texts of words; one in three holds the sink, at the start or inside."""
    rng = np.random.default_rng(seed)
    texts = []
    for i in range(n):
        words = list(rng.choice(WORDS, rng.integers(3, 11)))
        if i % 3 == 0:
            words.insert(0 if i % 2 else len(words) // 2, SINK)
        texts.append(" ".join(words))
    return [Document(str(i), t, None, None, {"topic": "ab"[i % 2]}, i, "") for i, t in enumerate(texts)]


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_sink(tmp_path_factory.mktemp("sinks") / f"{family} é", family)


@pytest.fixture
def sae(tmp_path: Path) -> Path:
    return make_sae(tmp_path / "sae", hook=HOOK, seed=1)


def stating(sae: Path, limit: object) -> Path:
    """Return a copy of an SAE whose configuration states a limit."""
    copy = sae.with_name(f"{sae.name} {limit}")
    shutil.copytree(sae, copy)
    cfg = json.loads((copy / "cfg.json").read_text())
    cfg["metadata"]["norm_limit"] = limit
    (copy / "cfg.json").write_text(json.dumps(cfg))
    return copy


def load(sae: Path, model: Path) -> Reader:
    return Reader.load_local(sae, model, dtype="float32", device="cpu")


def with_limit(bare: Reader, documents: list[Document]) -> Reader:
    """Return a reader with the limit of these texts and one threshold for all.

    A percentile of these texts could be an activation itself, which rounding moves across it.
    """
    [measured] = calibrate(bare, documents, quiet=True).calibrations.values()
    flat = Calibration.from_arrays(np.full(64, 0.4), percentile=50, norm_limit=measured.norm_limit)
    return bare.with_calibrations(dict.fromkeys(bare.saes, flat))


def truth(reader: Reader, model: Path, documents: list[Document]) -> list[np.ndarray]:
    """Return the hidden states of each document's counted tokens, by transformers, one text at a time."""
    whole = transformers.AutoModel.from_pretrained(
        model, attn_implementation="eager", trust_remote_code=False, local_files_only=True
    ).eval()
    found = []
    for p in reader.tokens.prepare(documents):
        assert isinstance(p, Prepared) and len(p.ids) <= reader.tokens.capacity
        ids = [*reader.tokens.prefix_ids, *p.ids]
        with torch.no_grad():
            states = whole(torch.tensor([ids]), output_hidden_states=True).hidden_states[1][0]
        found.append(states[len(ids) - len(p.ids) :][torch.from_numpy(p.counted)].numpy())
    return found


def length(state: np.ndarray) -> float:
    return float(np.sqrt(sum(float(v) ** 2 for v in state)))


def encoded(sae: Path, states: np.ndarray, limit: float) -> np.ndarray:
    """Return the activations of a standard SAE in float64, [tokens, features]; none above the limit."""
    w = {name: tensor.double().numpy() for name, tensor in load_file(sae / "sae_weights.safetensors").items()}
    acts = np.maximum((states.astype(np.float64) - w["b_dec"]) @ w["W_enc"] + w["b_enc"], 0)
    for i, state in enumerate(states):
        if length(state) > limit:
            acts[i] = 0
    return acts


def median_norm(states: list[np.ndarray]) -> float:
    return float(np.median([length(state) for one in states for state in one]))


# ---- the rule --------------------------------------------------------------------------------------------


def test_the_limit_is_five_medians_and_what_is_not_finite_is_no_sink() -> None:
    states = torch.tensor([[3.0, 4.0], [0.3, 0.4], [30.0, 40.0], [np.inf, 0.0], [np.nan, 1.0], [3e20, 3e20]])
    assert norms(states[:3]).tolist() == pytest.approx([5.0, 0.5, 50.0])
    assert limit_of(norms(states[:3]).numpy()) == 25.0
    assert are_sinks(states, 25.0).tolist() == [False, False, True, False, False, True]
    assert not are_sinks(states, None).any()
    assert limit_of(np.zeros(4)) is None and limit_of(np.zeros(0)) is None
    assert limit_of(np.array([1 / 3])) == 1.66667


# ---- reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ruled", [True, False])
def test_pooled_rows_and_token_entries_are_those_of_the_other_tokens(
    model: Path, sae: Path, ruled: bool
) -> None:
    bare, docs = load(sae, model), documents()
    states = truth(bare, model, docs)
    limit = 5 * median_norm(states) if ruled else np.inf
    reader = load(stating(sae, limit), model) if ruled else bare
    calibration = Calibration.from_arrays(np.full(64, 0.4), percentile=50)
    reader = reader.with_calibrations(dict.fromkeys(reader.saes, calibration))
    prepared = [p for p in reader.tokens.prepare(docs) if isinstance(p, Prepared)]
    [rows] = reader.pool(prepared).values()
    n_sinks = sum(length(state) > 5 * median_norm(states) for one in states for state in one)
    assert n_sinks >= len(docs) // 3
    reached = 0.0
    for i, (p, one) in enumerate(zip(prepared, states, strict=True)):
        assert p.n_tokens == len(one)  # a sink stays a token
        acts = encoded(sae, one, limit)
        above = acts > 0.4
        part = slice(rows.indptr[i], rows.indptr[i + 1])
        np.testing.assert_array_equal(rows.feature[part], np.flatnonzero(above.any(0)))
        at = rows.feature[part]
        np.testing.assert_allclose(rows.value[part], acts.max(0)[at], rtol=1e-4)
        np.testing.assert_allclose(rows.total[part], (acts * above).sum(0)[at], rtol=1e-4)
        np.testing.assert_array_equal(rows.count[part], above.sum(0)[at])
        np.testing.assert_array_equal(rows.peak[part], acts.argmax(0)[at])
        entries = reader.token_entries(p)
        dense = np.zeros_like(acts)
        dense[entries.ordinal, entries.feature] = entries.value
        np.testing.assert_allclose(dense, acts, rtol=1e-4, atol=1e-4)
        reached = max(reached, float(acts.max(initial=0)))
    assert (reached > 100) != ruled  # without the rule the sink's activations are those that one sees


def test_what_becomes_of_a_token_does_not_depend_on_the_texts_beside_it(model: Path, sae: Path) -> None:
    docs = documents()
    reader = with_limit(load(sae, model), docs)
    [whole] = reader.read(docs).rows.values()
    sinks = [d for d in docs if SINK in d.text]
    reader._batcher.budget = 24
    for some in (sinks, docs[::-1], docs[:1]):
        [rows] = reader.read(some).rows.values()
        for i, document in enumerate(some):
            want = whole.take([int(document.id)])
            got = rows.take([i])
            np.testing.assert_array_equal(got.feature, want.feature)
            np.testing.assert_array_equal(got.count, want.count)
            np.testing.assert_allclose(got.value, want.value, rtol=1e-4, atol=1e-5)


def test_a_text_of_nothing_but_sinks_has_no_features(model: Path, sae: Path) -> None:
    reader = calibrate(load(sae, model), documents(), quiet=True)
    alone = [Document("0", SINK, None, None, {}, 0, ""), documents(2)[1]]
    reading = reader.read(alone)
    [rows] = reading.rows.values()
    assert rows.indptr[1] == 0 and rows.indptr[2] > 0
    assert reading.readable[0].n_tokens == 1
    assert len(reader.token_entries(reading.readable[0]).value) == 0


# ---- thresholds ------------------------------------------------------------------------------------------


def test_calibrating_measures_the_limit_and_sinks_have_no_part_in_thresholds(model: Path, sae: Path) -> None:
    bare, docs = load(sae, model), documents(60)
    states = truth(bare, model, docs)
    limit = 5 * median_norm(states)
    reader = calibrate(bare, docs, percentile=75, quiet=True)
    [calibration] = reader.calibrations.values()
    assert calibration.norm_limit == pytest.approx(limit, rel=1e-5)
    left_out = sum(length(state) > limit for one in states for state in one)
    assert calibration.about["left_out"] == left_out > 10
    assert calibration.about["median_norm"] == pytest.approx(limit / 5, rel=1e-5)
    acts = np.concatenate([encoded(sae, one, limit) for one in states])
    assert calibration.about["tokens"] == len(acts)
    np.testing.assert_allclose(calibration.density, (acts > 1e-6).mean(0), atol=1e-6)
    np.testing.assert_allclose(calibration.maxima, acts.max(0), rtol=1e-4, atol=1e-4)
    often = [f for f in range(64) if (acts[:, f] > 0).sum() >= 20]
    want = [np.percentile(acts[acts[:, f] > 0, f], 75) for f in often]
    np.testing.assert_allclose(calibration.thresholds[often], want, rtol=1e-3)
    # an earlier calibration has no part in a new one
    [again] = calibrate(reader, docs, percentile=75, quiet=True).calibrations.values()
    assert again.sha256 == calibration.sha256


def test_an_sae_that_states_a_limit_is_believed(model: Path, sae: Path) -> None:
    reader = calibrate(load(stating(sae, 123.5), model), documents(), quiet=True)
    [calibration] = reader.calibrations.values()
    assert calibration.norm_limit is None and reader.spec.saes[0].norm_limit == 123.5
    # also against a calibration that has another one
    other = dataclasses.replace(calibration, norm_limit=1.0)
    assert reader.with_calibrations(dict.fromkeys(reader.saes, other)).spec.saes[0].norm_limit == 123.5


@pytest.mark.parametrize("limit", ["high", 0, -1.5, True, [3]])
def test_a_stated_limit_that_is_none_is_refused(sae: Path, model: Path, limit: object) -> None:
    with pytest.raises(ReaderError, match="norm_limit"):
        load(stating(sae, limit), model)


def test_where_tokens_see_both_ways_there_is_no_rule(tmp_path: Path, sae: Path) -> None:
    save_model("bert", tmp_path / "bert", num_hidden_layers=2)
    bare = load(sae, tmp_path / "bert")
    reader = calibrate(bare, documents(), quiet=True)
    [calibration] = reader.calibrations.values()
    assert calibration.norm_limit is None and not {"left_out", "median_norm"} & set(calibration.about)
    assert "norm_limit" not in json.dumps(reader.spec.to_dict())
    assert not any("norm_limit" in key for key in reader.spec.identity())
    assert with_known_thresholds(bare, 0) is not None  # it takes no text


class Source(list):
    """Documents as a source that can be read twice."""

    name, role, restartable = "some", "assistant", True

    def progress(self) -> float:
        return 1.0


def test_without_thresholds_the_limit_is_that_of_the_reader(
    model: Path, sae: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    bare, source = load(sae, model), Source(documents())
    assert with_known_thresholds(bare, 0) is None
    first: Any = ready(bare, source, threshold=0)  # type: ignore[arg-type]
    [calibration] = first.calibrations.values()
    assert calibration.percentile is None and not calibration.thresholds.any()
    assert made_note(first).startswith("sae had no limit for attention sinks: computed from ")
    usual = ready(bare, Source(documents(seed=5)))  # type: ignore[arg-type]
    assert usual.spec.saes[0].threshold_percentile == 75  # with a limit of its own
    assert None is not usual.spec.saes[0].norm_limit != calibration.norm_limit is not None
    again = with_known_thresholds(bare, 0)
    assert again is not None and again.spec.fingerprint == first.spec.fingerprint
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "other"))
    usual = ready(bare, Source(documents(seed=5)))  # type: ignore[arg-type]
    after = with_known_thresholds(bare, 0)  # made first, thresholds bring the limit
    assert after is not None and after.spec.saes[0].norm_limit == usual.spec.saes[0].norm_limit
    stated = load(stating(sae, 50.0), model)
    assert with_known_thresholds(stated, 0).spec.saes[0].norm_limit == 50.0  # type: ignore[union-attr]
    assert with_known_thresholds(stated) is None  # the other's thresholds are not for it


# ---- specs and files -------------------------------------------------------------------------------------


def test_the_limit_is_identity_where_there_is_one(model: Path, sae: Path, tmp_path: Path) -> None:
    reader = calibrate(load(sae, model), documents(), quiet=True)
    [(name, calibration)] = reader.calibrations.items()
    old = reader.with_calibrations({name: dataclasses.replace(calibration, norm_limit=None)})
    other = reader.with_calibrations({name: dataclasses.replace(calibration, norm_limit=77.0)})
    assert len({r.spec.fingerprint for r in (reader, old, other)}) == 3
    assert "norm_limit" not in json.dumps(old.spec.to_dict())
    differing = differing_fields(reader.spec, old.spec)
    assert differing[f"SAE {name}: norm_limit"] == (calibration.norm_limit, None)
    for one in (reader, old):
        told = json.loads(json.dumps(one.spec.to_dict()))
        assert ReaderSpec.from_dict(told) == one.spec
        told["taps"][0]["norm_limit"] = -1
        with pytest.raises(ValueError, match="norm_limit"):
            ReaderSpec.from_dict(told)
    calibration.write(tmp_path / "card.arrow")
    assert Calibration.read(tmp_path / "card.arrow").norm_limit == calibration.norm_limit
    assert calibration.without_thresholds().norm_limit == calibration.norm_limit


def test_a_corpus_of_before_is_gone_on_with_as_it_was(
    model: Path, sae: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    docs, reader = documents(), with_limit(load(sae, model), documents())
    [(name, calibration)] = reader.calibrations.items()
    old = reader.with_calibrations({name: dataclasses.replace(calibration, norm_limit=None)})
    rows = [{"id": d.id, "text": d.text} for d in docs]
    file, more = write_jsonl(tmp_path / "a.jsonl", rows[:30]), write_jsonl(tmp_path / "b.jsonl", rows[30:])
    corpus = encode(file, tmp_path / "old.corpus", reader=old)
    before = corpus.spec.fingerprint
    append(more, corpus.path)
    opened = Corpus.open(corpus.path)
    assert opened.spec.fingerprint == before and opened.spec.saes[0].norm_limit is None
    [want] = old.read(docs).rows.values()
    assert opened.manifest.counts["entries"][name] == len(want.value)
    shown = CliRunner().invoke(app, ["info", str(corpus.path)])
    assert shown.exit_code == 0 and "above a norm" not in shown.output
    ruled = encode(file, tmp_path / "new.corpus", reader=reader)
    assert ruled.calibration(name).sha256 == calibration.sha256
    shown = CliRunner().invoke(app, ["info", str(ruled.path)])
    assert f"above a norm of {calibration.norm_limit:g}" in " ".join(shown.output.split())
    assert Reader.from_spec(ruled.spec, reader.calibrations).spec.identity() == ruled.spec.identity()


# ---- training --------------------------------------------------------------------------------------------

OPTIONS: dict[str, Any] = {
    "d_sae": 16, "k": 2, "batch": 32, "steps": 12, "hook": HOOK, "window": 64,
    "valid_tokens": 80, "max_tokens": 900, "calibration_tokens": 300, "dtype": "float32",
}  # fmt: skip


@pytest.fixture
def one_thread() -> Iterator[None]:
    """A fork has none of the threads that torch began before it, and would wait for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Several blocks, and a measurement that ends before the texts do."""
    monkeypatch.setattr(activations, "_CHUNK", 16)
    monkeypatch.setattr(norm_limit, "TOKENS", 300)
    monkeypatch.setattr("saetext.training.pipeline.MEASURED", 300)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


def test_sinks_are_not_trained_on(
    tmp_path: Path, family: str, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = with_sink(tmp_path / "model", family, 1e7)  # beyond float16
    kept: dict[str, np.ndarray] = {}
    collect = activations.collect_activations

    def keeping(*args: Any, **kwargs: Any) -> np.ndarray:
        rows = collect(*args, **kwargs)
        kept[args[4].stem] = np.array(rows)
        return rows

    monkeypatch.setattr("saetext.training.pipeline.collect_activations", keeping)
    docs = documents(120)
    trained = train(docs, tmp_path / "out", model=model, **OPTIONS)
    cfg = json.loads((tmp_path / "out" / "cfg.json").read_text())
    card = json.loads((tmp_path / "out" / "card.json").read_text())["attention_sinks"]
    limit = cfg["metadata"]["norm_limit"]
    assert limit == card["norm_limit"] == pytest.approx(5 * card["median_norm"], rel=1e-5)
    assert 300 <= card["measured_tokens"] < 700
    reader = load(tmp_path / "out", model)
    assert reader.spec.saes[0].norm_limit == limit
    [calibration] = reader.calibrations.values()
    assert calibration.norm_limit is None and calibration.about["left_out"] > 0
    # each row is the state of a counted token that is no sink; a sink is beyond float16
    states = np.concatenate(truth(reader, model, docs))
    lengths = np.array([length(state) for state in states])
    assert np.abs(states).max() > 65504 and (lengths > limit).sum() >= len(docs) // 3
    others = states[lengths <= limit]
    for rows in kept.values():
        nearest = np.abs(rows.astype(np.float32)[:, None] - others[None]).max(2).min(1)
        assert nearest.max() < 0.01
    assert len(kept["texts"]) == trained.tokens == 900
    assert card["share"] == pytest.approx(card["left_out"] / (900 + card["left_out"]), rel=1e-2)
    assert trained.quality.fvu < 1


def test_the_tokens_left_out_are_counted_up_to_the_last_row(tmp_path: Path, model: Path, sae: Path) -> None:
    reader, docs = load(sae, model), documents(1)  # the sink is inside
    states = np.concatenate(truth(reader, model, docs))
    limit = 5 * median_norm([states])
    where = next(i for i, state in enumerate(states) if length(state) > limit)
    for most, left_out in ((where, 0), (where + 1, 1), (99, 1)):
        told: list[int] = []
        rows = activations.collect_activations(
            reader.model, reader.tokens, HOOK, docs, tmp_path / f"{most}.f16", max_tokens=most,
            norm_limit=limit, on_left_out=told.append,
        )  # fmt: skip
        assert len(rows) == min(most, len(states) - 1) and told == [left_out]


class Stop(BaseException):
    pass


@pytest.mark.parametrize("stage", ["measuring norms", "reading held-out", "reading texts", "training"])
def test_a_stopped_run_ends_with_the_same_bytes(model: Path, tmp_path: Path, small: None, stage: str) -> None:
    docs = documents(120)
    train(docs, tmp_path / "whole", model=model, **OPTIONS)

    def interrupt(progress: Any) -> None:
        if progress.stage == stage and progress.share > 0.5:
            raise Stop

    with pytest.raises(Stop):
        train(docs, tmp_path / "cut", model=model, on_progress=interrupt, **OPTIONS)
    measured = tmp_path / "cut.training" / "norms.json"
    assert measured.exists() == (stage != "measuring norms")
    if stage == "reading texts":
        measured.write_bytes(measured.read_bytes().replace(b'"tokens": ', b'"tokens": 1'))
        with pytest.warns(SaetextWarning, match="damaged"):
            train(docs, tmp_path / "cut", model=model, **OPTIONS)
    else:
        train(docs, tmp_path / "cut", model=model, **OPTIONS)
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert names >= {"card.json", "card.arrow", "cfg.json", "sae_weights.safetensors"}
    for name in names:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_killed_at_any_write_up_to_the_first_block_it_ends_with_the_same_bytes(
    model: Path, family: str, tmp_path: Path, small: None, one_thread: None
) -> None:
    docs = documents(120)
    train(docs, tmp_path / "whole", model=model, **OPTIONS)
    measured = 0
    for at in range(1, 25, 2 if family == "gpt2" else 5):
        output = tmp_path / f"killed{at}"

        def killed(at: int = at, output: Path = output) -> int:
            with Faults(at, die).installed():
                return in_fork(lambda: train(docs, output, model=model, **OPTIONS))

        assert killed() == KILLED, at
        work = output.with_name(f"{output.name}.training")
        measured += (work / "norms.json").exists() and not (work / "texts.f16").exists()
        train(docs, output, model=model, **OPTIONS)
        for path in (tmp_path / "whole").iterdir():
            assert (output / path.name).read_bytes() == path.read_bytes(), (at, path.name)
    assert measured


def test_a_measurement_with_one_bit_changed_is_made_again(
    model: Path, sae: Path, tmp_path: Path, small: None
) -> None:
    reader, docs, path = load(sae, model), documents(12), tmp_path / "norms.json"

    def kept() -> norm_limit.NormLimit:
        return norm_limit.kept_or_measured(reader.model, reader.tokens, HOOK, docs, path)

    whole = kept()
    states = truth(reader, model, docs)
    assert whole.tokens == sum(map(len, states))
    assert whole.limit == pytest.approx(5 * median_norm(states), rel=1e-5)
    good = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(norm_limit, "hidden_states", None)  # what is kept is not measured again
        assert kept() == whole
    for at in range(0, len(good) - 1, 3):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.warns(SaetextWarning, match="norms.json is damaged"):
            assert kept() == whole
        assert path.read_bytes() == good


def test_an_unfinished_run_of_before_is_not_gone_on_with(model: Path, tmp_path: Path, small: None) -> None:
    docs = documents(120)

    def interrupt(progress: Any) -> None:
        raise Stop

    with pytest.raises(Stop):
        train(docs, tmp_path / "cut", model=model, on_progress=interrupt, **OPTIONS)
    plan = tmp_path / "cut.training" / "plan.json"
    told = json.loads(plan.read_text())
    del told["attention_sinks"]
    plan.write_text(json.dumps(told))
    with pytest.raises(Exception, match="differs in attention_sinks"):
        train(docs, tmp_path / "cut", model=model, **OPTIONS)


def test_training_where_tokens_see_both_ways_says_nothing_of_sinks(tmp_path: Path, small: None) -> None:
    save_model("bert", tmp_path / "bert", num_hidden_layers=2)
    train(documents(120), tmp_path / "out", model=tmp_path / "bert", **OPTIONS)
    assert "norm_limit" not in (tmp_path / "out" / "cfg.json").read_text()
    assert "sinks" not in (tmp_path / "out" / "card.json").read_text()


def test_sae_lens_loads_an_sae_with_a_limit(tmp_path: Path, model: Path, small: None) -> None:
    from sae_lens import SAE

    train(documents(120), tmp_path / "out", model=model, **OPTIONS)
    theirs = SAE.load_from_disk(str(tmp_path / "out"))
    assert theirs.cfg.metadata.norm_limit == load(tmp_path / "out", model).spec.saes[0].norm_limit
