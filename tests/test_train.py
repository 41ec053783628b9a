"""Training: the sparse step against dense autograd, recovery of planted features, and what sae-lens loads."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import HIDDEN, save_model

from saetext.documents import Document
from saetext.errors import SaetextError
from saetext.reader.language_model import LanguageModel
from saetext.reader.tokenization import Prepared, Tokens
from saetext.reader.weights import load_sae_dir
from saetext.training.activations import collect_activations
from saetext.training.batch_topk import BatchTopK
from saetext.training.config import TrainConfig
from saetext.training.jumprelu import TrainedSae
from saetext.training.optimisation import train_sae
from saetext.training.quality import evaluate
from saetext.training.saving import save_sae
from saetext.training.sparse import Preactivations, decode


@given(tokens=st.integers(1, 12), d_in=st.integers(1, 6), d_sae=st.integers(1, 9), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_the_sparse_step_has_the_gradients_of_a_dense_one(
    tokens: int, d_in: int, d_sae: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, enc, dec, bias, b_dec = (
        torch.randn(*shape, generator=generator, dtype=torch.float32)
        for shape in ((tokens, d_in), (d_sae, d_in), (d_sae, d_in), (d_sae,), (d_in,))
    )
    gradients = []
    for sparse in (True, False):
        leaves = [t.clone().requires_grad_() for t in (enc, dec, bias, b_dec)]
        e, d, b, bd = leaves
        centred = x - bd
        pre = centred @ e.T + b
        kept = torch.nonzero(pre.detach() > 0.1)
        if sparse:
            token, feature = kept[:, 0], kept[:, 1]
            values = Preactivations.apply(centred, e, b, token, feature, pre.detach()[token, feature])
            out = decode(token, feature, values, d, tokens)
        else:
            out = (torch.relu(pre) * (pre.detach() > 0.1)) @ d
        (x - bd - out).square().sum().backward()
        gradients.append([t.grad for t in leaves])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@given(count=st.integers(1, 40), threshold=st.floats(0, 3), seed=st.integers(0, 50))
@settings(deadline=None, max_examples=60)
def test_the_largest_preactivations_are_kept(count: int, threshold: float, seed: int) -> None:
    pre = torch.randn(5, 8, generator=torch.Generator().manual_seed(seed))
    step = BatchTopK(4, TrainConfig(d_sae=8, k=2), torch.zeros(4), torch.Generator())
    step.threshold = threshold
    token, feature, lowest = step._largest(pre, count)
    positive = np.sort(pre.numpy().ravel()[pre.numpy().ravel() > 0])[::-1]
    expected = positive[: min(count, len(positive))]
    got = np.sort(pre[token, feature].numpy())[::-1]
    np.testing.assert_array_equal(got, expected)
    assert (np.diff(token.numpy()) >= 0).all()
    if len(expected):
        assert lowest == pytest.approx(float(expected[-1]))


def planted(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Tokens that are sums of 3 of 24 directions in 16 dimensions, plus an offset."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(24, 16))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    acts = np.zeros((n, 24))
    for row in acts:
        row[rng.choice(24, 3, replace=False)] = rng.uniform(1, 3, 3)
    return (acts @ directions + 5).astype(np.float16), directions


@pytest.fixture(scope="module")
def trained() -> tuple[TrainedSae, np.ndarray, np.ndarray]:
    x, directions = planted(8_000)
    config = TrainConfig(d_sae=32, k=3, batch=128, steps=700, lr=5e-3, dense_weight=0, dead_after=10_000)
    return train_sae(x[:7_000], config), x[7_000:], directions


def test_planted_features_are_found(trained: tuple[TrainedSae, np.ndarray, np.ndarray]) -> None:
    sae, valid, directions = trained
    quality = evaluate(sae, valid)
    assert quality.fvu < 0.1
    assert quality.l0 == pytest.approx(3, abs=0.5)
    cosine = directions @ sae.w_dec.numpy().T
    assert (cosine.max(1) > 0.9).sum() >= 20


def test_quality_is_what_numpy_says(trained: tuple[TrainedSae, np.ndarray, np.ndarray]) -> None:
    sae, valid, _ = trained
    x = valid[:500].astype(np.float64)
    pre = (x - sae.b_dec.numpy()) @ sae.w_enc.numpy() + sae.b_enc.numpy()
    acts = np.where(pre > sae.threshold.numpy(), np.maximum(pre, 0), 0)
    error = ((acts @ sae.w_dec.numpy() + sae.b_dec.numpy() - x) ** 2).sum()
    quality = evaluate(sae, valid[:500], block=77)
    assert quality.fvu == pytest.approx(error / ((x - x.mean(0)) ** 2).sum(), rel=1e-3)
    assert quality.l0 == pytest.approx((acts > 0).sum() / len(x), abs=0.01)
    assert quality.dead == pytest.approx(((acts > 0).sum(0) == 0).mean())
    assert quality.dense == ((acts > 0).mean(0) > 0.2).sum()


def test_the_same_seed_trains_the_same_sae() -> None:
    x, _ = planted(2000)
    config = TrainConfig(d_sae=16, k=3, batch=128, steps=30)
    a, b = train_sae(x, config), train_sae(x, config)
    torch.testing.assert_close(a.w_enc, b.w_enc, atol=0, rtol=0)
    other = train_sae(x, TrainConfig(d_sae=16, k=3, batch=128, steps=30, seed=1))
    assert not torch.equal(a.w_enc, other.w_enc)


def test_the_density_penalty_thins_out_dense_features() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 12)).astype(np.float32)
    x[:, 0] += rng.exponential(3, 4000)  # something every token has
    densest = []
    for weight in (0.0, 1.0):
        above = {"dense_above": 0.1} if weight else {}  # without the weight it would be refused
        config = TrainConfig(d_sae=48, k=4, batch=128, steps=250, lr=5e-3, dense_weight=weight, **above)
        densest.append(evaluate(train_sae(x, config), x).max_density)
    assert densest[1] < 0.8 * densest[0]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_sae_lens_loads_and_computes_what_was_trained(
    tmp_path: Path, trained: tuple[TrainedSae, np.ndarray, np.ndarray], dtype: str
) -> None:
    from sae_lens import SAE

    sae, valid, _ = trained
    save_sae(
        sae, tmp_path / "séæ", hook="blocks.2.hook_resid_pre", model="tiny", metadata={"seed": 0}, dtype=dtype
    )
    theirs = SAE.load_from_disk(str(tmp_path / "séæ"), dtype="float32")
    assert theirs.cfg.architecture() == "jumprelu"
    assert theirs.cfg.metadata.hook_name == "blocks.2.hook_resid_pre"
    x = torch.from_numpy(valid[:300].astype(np.float32))
    ours = load_sae_dir(tmp_path / "séæ").encode(x)
    torch.testing.assert_close(theirs.encode(x), ours, atol=1e-4, rtol=1e-4)
    if dtype == "float32":
        torch.testing.assert_close(ours, sae.encode(x), atol=1e-4, rtol=1e-4)
    with pytest.raises(SaetextError, match="already holds an SAE"):
        save_sae(sae, tmp_path / "séæ", hook="h", model="m", metadata={})


def test_a_trained_sae_is_saved_the_same_without_sae_lens(
    tmp_path: Path, trained: tuple[TrainedSae, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_sae(trained[0], tmp_path / "with", hook="h", model="m", metadata={})
    monkeypatch.setattr("importlib.metadata.version", _missing)
    monkeypatch.setattr(sys.modules["saetext.training.saving"], "version", _missing, raising=False)
    save_sae(trained[0], tmp_path / "without", hook="h", model="m", metadata={})
    for name in ("cfg.json", "sae_weights.safetensors"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


def _missing(name: str) -> str:
    raise PackageNotFoundError(name)


def test_impossible_configurations_are_refused() -> None:
    for options in ({"k": 0}, {"d_sae": 4, "k": 5}, {"steps": 0}):
        with pytest.raises(SaetextError):
            TrainConfig(**options)
    with pytest.raises(SaetextError, match="fewer than one batch"):
        train_sae(np.zeros((10, 4), np.float32), TrainConfig(d_sae=8, k=2))


def test_collected_activations_are_the_counted_tokens_hidden_states(tmp_path: Path) -> None:
    save_model("bert", tmp_path / "model")
    hook = "blocks.1.hook_resid_pre"
    model = LanguageModel.load(tmp_path / "model", [hook], dtype="float32", device="cpu")
    tokens = Tokens(model.tokenizer, max_positions=model.max_positions, bidirectional=True)
    texts = ["the quick brown fox", "", "she wrote that the answer was short " * 20, "one"]
    counts: list[int] = []
    documents = [_document(t) for t in texts]
    got = collect_activations(
        model, tokens, hook, documents, tmp_path / "a.f16", max_tokens=10_000, on_tokens=counts.append
    )
    prepared = [p for p in tokens.prepare([_document(t) for t in texts]) if isinstance(p, Prepared)]
    assert got.shape == (sum(p.n_tokens for p in prepared), HIDDEN) and sum(counts) == len(got)
    p = prepared[0]
    ids = torch.tensor([[*tokens.prefix_ids, *p.ids, *tokens.suffix_ids]])
    expected = model.hidden(ids, torch.ones_like(ids))[hook][0, 1:-1].numpy()
    distance = np.abs(got[:, None, :].astype(np.float32) - expected[None]).max(2).min(0)
    assert distance.max() < 0.02
    short = collect_activations(model, tokens, hook, documents, tmp_path / "b.f16", max_tokens=7)
    assert len(short) == 7
    with pytest.raises(SaetextError, match="no tokens"):
        collect_activations(model, tokens, hook, documents[1:2], tmp_path / "c.f16", max_tokens=7)


def _document(text: str) -> Document:
    fields: dict[str, Any] = {"id": "0", "text": text, "prompt": None, "messages": None}
    return Document(**fields, meta={}, position=0, where="")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [146.537861, 0.213598, -0.086617, -0.000892, 1.024101]),
        ({"prefixes": (8, 16)}, [143.793088, 0.219427, -0.061343, -0.08912, 0.990503]),
        ({"dense_weight": 0.0, "dead_after": 500}, [152.577531, 0.216768, -0.074522, 0.002956, 1.081783]),
    ],
)
def test_the_sae_of_a_seed_is_what_it_always_was(options: dict[str, Any], expected: list[float]) -> None:
    """Figures from before the step, the loop and the checkpoints were modules of their own."""
    x = np.random.default_rng(0).standard_normal((3000, 24)).astype(np.float16)
    config = TrainConfig(d_sae=48, k=4, batch=128, steps=120, lr=2e-3, **{"dead_after": 2000, **options})
    sae = train_sae(x, config)
    found = [sae.w_enc.double().abs().sum(), sae.w_dec[3, 5], sae.b_enc[7], sae.b_dec[2], sae.threshold[0]]
    assert [float(v) for v in found] == pytest.approx(expected, rel=1e-3, abs=2e-4)
