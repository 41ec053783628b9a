"""``saetext train``: from texts to a directory that sae-lens loads, interrupted and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from saetext_cli.main import app
from tiny_models import save_model
from tiny_reader import WORDS
from typer.testing import CliRunner

from saetext.documents import Document
from saetext.errors import InputError, SaetextError
from saetext.reader.reader import Reader
from saetext.training.batch_topk import BatchTopK
from saetext.training.config import TrainConfig
from saetext.training.optimisation import train_sae
from saetext.training.pipeline import train
from saetext.training.splitting import split

SMALL = TrainConfig(d_sae=32, k=3, batch=64, steps=40, lr=1e-3, dead_after=2000)


def documents(n: int = 120, seed: int = 0) -> list[Document]:
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, 25)) + f" {i}" for i in range(n)]
    return [Document(str(i), t, None, None, {}, i, "") for i, t in enumerate(texts)]


@pytest.fixture(scope="module", params=["bert", "gpt2"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(request.param, tmp_path_factory.mktemp("a model") / "é", num_hidden_layers=3)


@pytest.mark.slow
def test_what_it_leaves_loads_in_sae_lens_and_reads_texts(model: Path, tmp_path: Path) -> None:
    from sae_lens import SAE

    stages = []
    found = train(
        documents(), tmp_path / "séæ", model=model, **SMALL.keywords(), valid_tokens=500,
        window=32, on_progress=lambda p: stages.append(p.stage),
    )  # fmt: skip
    expected = ["reading held-out", "reading texts", "training", "computing thresholds"]
    if "norm_limit" in (tmp_path / "séæ" / "cfg.json").read_text():
        expected = ["measuring norms", *expected]  # of a model with causal attention
    assert list(dict.fromkeys(stages)) == expected
    assert not (tmp_path / "séæ.training").exists()
    theirs = SAE.load_from_disk(tmp_path / "séæ")
    assert theirs.cfg.metadata["hook_name"] == "blocks.2.hook_resid_pre"  # two thirds of three layers
    reader = Reader.load_local(tmp_path / "séæ", model, dtype="float32", device="cpu")
    assert reader.calibrated
    [encoder] = [sae.encoder for sae in reader.saes.values()]
    x = torch.randn(50, encoder.d_in, generator=torch.Generator().manual_seed(0))
    token, feature, value = encoder.entries(x)
    ours = torch.zeros(50, 32)
    ours[token, feature] = value
    torch.testing.assert_close(ours, theirs.encode(x).detach(), atol=1e-4, rtol=1e-4)
    about = json.loads((tmp_path / "séæ" / "card.json").read_text("utf-8"))
    assert about["valid"]["fvu"] == found.quality.fvu and 0 < found.quality.fvu < 1
    with pytest.raises(SaetextError, match="already holds an SAE"):
        train(documents(), tmp_path / "séæ", model=model, **SMALL.keywords())


class Stop(BaseException):
    pass


@pytest.mark.parametrize("stage", ["reading texts", "training", "computing thresholds"])
def test_a_stopped_run_ends_as_an_undisturbed_one(model: Path, tmp_path: Path, stage: str) -> None:
    kwargs = {"model": model, **SMALL.keywords(), "valid_tokens": 300, "window": 32}
    train(documents(), tmp_path / "whole", **kwargs)

    def interrupt(progress) -> None:
        if progress.stage == stage and progress.share > 0.4:
            raise Stop

    with pytest.raises(Stop):
        train(documents(), tmp_path / "cut", on_progress=interrupt, **kwargs)
    assert not (tmp_path / "cut" / "cfg.json").exists()
    train(documents(), tmp_path / "cut", **kwargs)
    for name in ("sae_weights.safetensors", "cfg.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_an_unfinished_run_of_other_settings_is_not_gone_on_with(model: Path, tmp_path: Path) -> None:
    def interrupt(progress) -> None:
        if progress.stage == "training":
            raise Stop

    with pytest.raises(Stop):
        train(documents(), tmp_path / "a", model=model, **SMALL.keywords(), on_progress=interrupt)
    other = TrainConfig(d_sae=32, k=4, batch=64, steps=40)
    with pytest.raises(SaetextError, match=r"differs in .*\bk\b.*remove it"):
        train(documents(), tmp_path / "a", model=model, **other.keywords())
    (tmp_path / "a.training" / "plan.json").write_text("{")
    with pytest.raises(SaetextError, match="damaged"):
        train(documents(), tmp_path / "a", model=model, **SMALL.keywords())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hook": "blocks.1.hook_resid_pre", "layer": 1}, "not both"),
        ({"layer": 77}, "77"),
        ({"max_tokens": 10**15}, "GB"),
    ],
)
def test_bad_requests_are_one_line(model: Path, tmp_path: Path, options, message: str) -> None:
    with pytest.raises(SaetextError, match=message) as caught:
        train(documents(), tmp_path / "x", model=model, **SMALL.keywords(), **options)
    assert "\n" not in str(caught.value)


def test_nothing_measured_is_trained_on() -> None:
    some = documents(20)
    other = documents(1, seed=5)
    texts, valid = split(some, [some[3], *other], 0)
    assert {d.text for d in valid} == {some[3].text, other[0].text}
    assert {d.text for d in texts} == {d.text for d in some} - {some[3].text}
    with pytest.raises(InputError, match="nothing is left to train on"):
        split(some, some, 0)


def test_too_few_documents(model: Path, tmp_path: Path) -> None:
    with pytest.raises(SaetextError, match="too few"):
        train(documents(1), tmp_path / "x", model=model, **SMALL.keywords())
    with pytest.raises(SaetextError, match="fewer than one batch"):
        train(documents(3), tmp_path / "y", model=model, d_sae=8, k=2)


def test_a_resumed_training_has_the_same_weights(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((1000, 12)).astype(np.float32)
    config = TrainConfig(d_sae=24, k=3, batch=128, steps=30, prefixes=(6, 12))
    whole = train_sae(x, config)

    def interrupt(step: int, steps: int, figures: object) -> None:
        if step == 20:
            raise Stop

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stop):
        train_sae(x, config, interrupt, checkpoint=path, every=0)
    resumed_at = []
    again = train_sae(x, config, lambda i, n, f: resumed_at.append(i), checkpoint=path)
    assert resumed_at[0] == 20  # steps 1 to 19 were not repeated
    for name in ("w_enc", "b_enc", "w_dec", "b_dec", "threshold"):
        assert torch.equal(getattr(whole, name), getattr(again, name)), name
    with pytest.raises(SaetextError, match="another run"):
        train_sae(x, TrainConfig(d_sae=24, k=4, batch=128, steps=30), checkpoint=path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SaetextError, match="damaged"):
        train_sae(x, config, checkpoint=path)


@given(seed=st.integers(0, 50), prefixes=st.sampled_from([(), (3,), (2, 5), (1, 2, 7)]))
@settings(deadline=None, max_examples=25)
def test_the_matryoshka_loss_is_the_mean_over_prefixes(seed: int, prefixes: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(seed)
    config = TrainConfig(d_sae=9, k=3, batch=8, steps=1, prefixes=prefixes)
    step = BatchTopK(5, config, torch.zeros(5), generator)
    x = torch.randn(8, 5, generator=generator)
    pre = torch.addmm(step.b_enc, x - step.b_dec, step.enc.T).detach()
    token, feature, _ = step._largest(pre, 8 * 3)
    values = pre[token, feature].requires_grad_()
    loss, error = step._reconstruction(x, token, feature, values)
    dense = torch.zeros(8, 9)
    dense[token, feature] = torch.relu(values.detach())
    errors = [x - step.b_dec - dense[:, :m] @ step.dec[:m] for m in (*prefixes, 9)]
    expected = torch.stack([e.square().sum() / 8 for e in errors]).mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(error, errors[-1])


@pytest.mark.parametrize("prefixes", [(0,), (4, 4), (40,)])
def test_impossible_prefixes(prefixes: tuple[int, ...]) -> None:
    with pytest.raises(SaetextError, match="prefixes"):
        TrainConfig(d_sae=32, k=2, prefixes=prefixes)


@pytest.mark.parametrize("output", ["", ".", "..", "/", "a/.."])
def test_an_output_without_a_name_is_refused(output: str) -> None:
    with pytest.raises(InputError, match="name a new one instead of"):
        train([], output)


def test_the_command(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "some texts.jsonl"
    source.write_text("".join(json.dumps({"text": d.text}) + "\n" for d in documents()), "utf-8")
    args = ["train", str(source), "-o", str(tmp_path / "mine"), "--model", str(model), "--features", "32"]
    args += ["-k", "3", "--steps", "20", "--batch", "64", "--window", "32", "--prefixes", "8"]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(tmp_path / "mine")
    assert "FVU" in done.stderr and "held-out" in done.stderr and "saetext encode" in done.stderr
    corpus = tmp_path / "c.corpus"
    args = ["encode", str(source), "-o", str(corpus), "-r", str(tmp_path / "mine"), "--model", str(model)]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 0, done.output
    assert "calibrating" not in done.stderr


def test_what_an_unfinished_run_must_agree_on_keeps_its_names(model: Path, tmp_path: Path) -> None:
    """A run that another version began is resumed, or refused by its format: its plan has these keys."""

    def interrupt(progress) -> None:
        raise Stop

    with pytest.raises(Stop):
        train(documents(), tmp_path / "a", model=model, **SMALL.keywords(), on_progress=interrupt)
    plan = json.loads((tmp_path / "a.training" / "plan.json").read_text("utf-8"))
    # tokens see both ways in BERT alone: elsewhere a run that was begun without the rule is not gone on with
    causal = {"attention_sinks"} if plan.get("attention_sinks") else set()
    assert bool(causal) == (json.loads((model / "config.json").read_text())["model_type"] != "bert")
    assert set(plan) - causal == {
        "format", "threads", "model", "hook", "window", "role", "max_tokens", "valid_tokens",
        "documents", "held_out", "d_sae", "k", "batch", "steps", "lr",
        "warmup", "decay", "aux_weight", "dead_after",
        "dense_weight", "dense_above", "prefixes", "seed",
    }  # fmt: skip
    assert plan["d_sae"] == 32 and plan["prefixes"] == [] and plan["window"] == 256
