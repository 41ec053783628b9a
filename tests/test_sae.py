"""The sparse encoder against sae-lens's own encode, and slow float64 arithmetic where that is ambiguous."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_saes import ARCHITECTURES, tiny_sae

from saetext.errors import ReaderError
from saetext.reader import sae as sae_module
from saetext.reader.pooling import Pooler
from saetext.reader.sae import SparseEncoder
from saetext.reader.weights import from_sae_lens

pytestmark = pytest.mark.filterwarnings("ignore:std")  # torch's, of no tokens at all
TOLERANCE = 1e-4
LOOSE = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
NORMALISATIONS = ("none", "layer_norm", "constant_norm_rescale")


@pytest.fixture(params=["kernels", "torch"])
def path(request, monkeypatch):
    """Run on the compiled CPU path and on the plain torch path that GPUs take."""
    monkeypatch.setattr(sae_module, "_use_kernels", lambda device: request.param == "kernels")
    return request.param


def pursue(x: np.ndarray, directions: np.ndarray, cfg) -> tuple[np.ndarray, float]:
    """Matching pursuit of one token, and how close the closest of its decisions was."""
    acts, residual, margin = np.zeros(len(directions)), x.copy(), np.inf
    for _ in range(cfg.max_iterations or len(x)):
        fit = np.maximum(directions @ residual, 0)
        best = int(fit.argmax())
        others = np.delete(fit, best)
        margin = min(margin, fit[best] - others.max() if len(others) else np.inf, fit[best] or np.inf)
        seen = acts[best] > 0 or fit[best] == 0
        acts[best] += fit[best]
        residual = residual - fit[best] * directions[best]
        norm = np.linalg.norm(residual)
        if cfg.residual_threshold > 0:
            margin = min(margin, abs(norm - cfg.residual_threshold))
        if (cfg.stop_on_duplicate_support and seen) or (0 < cfg.residual_threshold > norm):
            break
    return acts, margin


def margins(sae, x: torch.Tensor) -> torch.Tensor:
    """float64[T, d_sae]: how far each entry is from being decided the other way."""
    inputs = sae.process_sae_in(x).double()
    weights = {name: tensor.double() for name, tensor in sae.state_dict().items()}
    architecture = sae.cfg.architecture()
    if architecture == "matching_pursuit":
        directions = weights["W_dec"].numpy()
        each = [pursue(row, directions, sae.cfg)[1] for row in inputs.numpy()]
        return torch.tensor(each).double().reshape(-1, 1).expand(-1, sae.cfg.d_sae)
    product = inputs @ weights["W_enc"]
    if architecture == "gated":
        magnitude = product * weights["r_mag"].exp() + weights["b_mag"]
        return torch.minimum((product + weights["b_gate"]).abs(), magnitude.abs())
    pre = product + weights["b_enc"]
    margin = pre.abs()
    if architecture == "topk":
        if sae.cfg.rescale_acts_by_decoder_norm:
            pre = pre * weights["W_dec"].norm(dim=-1)
        ranked = pre.sort(dim=1, descending=True).values
        inside, outside = ranked[:, sae.cfg.k - 1 : sae.cfg.k], ranked[:, sae.cfg.k : sae.cfg.k + 1]
        for edge in (inside, outside):  # an entry in is as safe as its distance to the best one out
            if edge.shape[1]:
                distance = (pre - edge).abs()
                chosen = pre >= inside
                other = chosen if edge is outside else ~chosen
                margin = torch.where(other, torch.minimum(margin, distance), margin)
    if "threshold" in weights:
        margin = torch.minimum(margin, (pre - weights["threshold"]).abs())
    return margin


def draw_input(data, sae, generator: torch.Generator) -> torch.Tensor:
    n_tokens = data.draw(st.sampled_from([0, 1, 2, 3, 17, 40]), label="tokens")
    x = 2 * torch.randn(n_tokens, sae.cfg.d_in, generator=generator)
    if n_tokens > 2 and data.draw(st.booleans(), label="repeated token"):
        x[-1] = x[0]
    plain = sae.cfg.normalize_activations != "constant_norm_rescale"  # sae-lens gives NaN
    if n_tokens > 1 and plain and data.draw(st.booleans(), label="zero token"):
        x[1] = 0
    return x


def draw_sae(data, architecture: str):
    d_in = data.draw(st.integers(2, 24), label="d_in")
    d_sae = data.draw(st.sampled_from([1, 2, 5, 63, 64, 65, 150]), label="d_sae")
    options = {"normalize_activations": data.draw(st.sampled_from(NORMALISATIONS), label="normalise")}
    if "transcoder" not in architecture:
        options["apply_b_dec_to_input"] = data.draw(st.booleans(), label="apply_b_dec_to_input")
    if architecture == "topk":
        options["k"] = data.draw(st.sampled_from(sorted({1, min(5, d_sae), d_sae})), label="k")
        options["rescale_acts_by_decoder_norm"] = data.draw(st.booleans(), label="rescale")
    if architecture == "matching_pursuit":
        options["max_iterations"] = data.draw(st.sampled_from([None, 1, 4]), label="max_iterations")
        options["residual_threshold"] = data.draw(st.sampled_from([0.0, 0.01, 2.0]), label="threshold")
        options["stop_on_duplicate_support"] = data.draw(st.booleans(), label="stop_on_duplicate_support")
    return tiny_sae(architecture, d_in=d_in, d_sae=d_sae, seed=data.draw(st.integers(0, 999)), **options)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_sae_lens(architecture, path):
    compared = {"active": 0, "excused": 0}

    @LOOSE
    @given(data=st.data())
    def check(data):
        sae = draw_sae(data, architecture)
        generator = torch.Generator().manual_seed(data.draw(st.integers(0, 999), label="input seed"))
        x = draw_input(data, sae, generator)
        with torch.no_grad():
            want = sae.encode(x)
            margin = margins(sae, x)
        thresholds = data.draw(st.sampled_from(["none", "zero", "random"]), label="cut")
        cut = None
        if thresholds != "none":
            cut = torch.rand(sae.cfg.d_sae, generator=generator) * (thresholds == "random")
            margin = torch.minimum(margin, (want - cut).abs().double())
            want = torch.where(want > cut, want, 0)
        blocks = {
            "token_block": data.draw(st.sampled_from([1, 7, 4096]), label="token_block"),
            "feature_block": data.draw(st.sampled_from([1, 16, 64, 100, 4096]), label="feature_block"),
        }
        token, feature, value = from_sae_lens(sae).entries(x, cut, **blocks)
        assert (token.dtype, feature.dtype, value.dtype) == (torch.int64, torch.int64, torch.float32)
        key = token * sae.cfg.d_sae + feature
        assert bool((key[1:] > key[:-1]).all()), "sorted by token, then feature, without repeats"
        assert bool((value > 0).all())
        got = torch.zeros_like(want)
        got[token, feature] = value
        differs = (got - want).abs() > TOLERANCE
        assert not bool((differs & (margin > TOLERANCE)).any())
        compared["active"] += int((want > 0).sum())
        compared["excused"] += int(differs.sum())

    check()
    assert compared["active"] > 20
    assert compared["excused"] <= compared["active"] / 100, compared


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pooled_rows_equal_encode_and_max(architecture, path):
    sae = tiny_sae(architecture, d_in=16, d_sae=100, seed=3)
    encoder = from_sae_lens(sae)
    lengths = [5, 0, 30, 1]
    x = torch.randn(sum(lengths), 16, generator=torch.Generator().manual_seed(1))
    rows = torch.repeat_interleave(torch.arange(4), torch.tensor(lengths))
    ordinals = torch.cat([torch.arange(n, dtype=torch.int32) for n in lengths])
    pooler = Pooler(100)
    for part in torch.arange(len(x)).split(8):
        pooler.add(rows[part], ordinals[part], *encoder.entries(x[part], feature_block=33))
    pooled = pooler.finish(4)
    dense = np.zeros((4, 100), np.float32)
    for i in range(4):
        where = slice(pooled.indptr[i], pooled.indptr[i + 1])
        dense[i, pooled.feature[where]] = pooled.value[where]
    with torch.no_grad():
        acts = sae.encode(x)
    want = torch.stack([a.amax(dim=0) if len(a) else torch.zeros(100) for a in acts.split(lengths)])
    np.testing.assert_allclose(dense, want.numpy(), atol=TOLERANCE)
    assert (dense > 0).sum() > 50


@pytest.mark.parametrize("feature_block", [1, 3, 64, 100])
def test_topk_ties(path, feature_block):
    """Whole-number weights: products are exact and most ranks are tied."""
    sae = tiny_sae("topk", d_in=4, d_sae=100, k=9, apply_b_dec_to_input=False)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        sae.W_enc.copy_(torch.randint(-1, 2, sae.W_enc.shape, generator=generator))
        sae.b_enc.zero_()
    x = torch.randint(-1, 2, (60, 4), generator=generator).float()
    got = torch.zeros(60, 100)
    token, feature, value = from_sae_lens(sae).entries(x, feature_block=feature_block)
    got[token, feature] = value
    with torch.no_grad():
        products, want = x @ sae.W_enc, sae.encode(x)
    assert torch.equal(got.sort(dim=1).values, want.sort(dim=1).values)
    assert torch.equal(got[got > 0], products[got > 0])
    if path == "kernels":  # of equal values the earlier features, however they are blocked
        order = torch.sort(products, dim=1, descending=True, stable=True).indices[:, :9]
        first = torch.zeros_like(products).scatter(1, order, products.gather(1, order)).relu()
        assert torch.equal(got, first)


def test_k_beyond_the_width_keeps_all_that_is_positive(path):
    sae = tiny_sae("topk", d_in=8, d_sae=30, k=30)
    x = torch.randn(12, 8)
    with torch.no_grad():
        want = (sae.process_sae_in(x) @ sae.W_enc + sae.b_enc).relu()
    sae.cfg.k = 500
    torch.testing.assert_close(from_sae_lens(sae).encode(x), want, atol=TOLERANCE, rtol=0)


def test_more_entries_than_reckoned_with(path):
    """Every feature active on every token, in several blocks of features."""
    sae = tiny_sae("standard", d_in=4, d_sae=500)
    with torch.no_grad():
        sae.b_enc.fill_(100.0)
    x = torch.randn(9, 4)
    token, feature, _ = from_sae_lens(sae).entries(x, feature_block=70)
    assert torch.equal(token, torch.arange(9).repeat_interleave(500))
    assert torch.equal(feature, torch.arange(500).repeat(9))


def test_infinite_threshold_and_cut_silence_a_feature(path):
    sae = tiny_sae("jumprelu", d_in=4, d_sae=70)
    with torch.no_grad():
        sae.b_enc.fill_(50.0)
        sae.threshold[3] = torch.inf
    cut = torch.zeros(70)
    cut[68] = torch.inf
    _, feature, _ = from_sae_lens(sae).entries(torch.randn(5, 4), cut)
    assert feature.unique().tolist() == [f for f in range(70) if f not in (3, 68)]


def test_gate_without_magnitude(path):
    """exp(r_mag) underflows to zero: the magnitude is the bias alone, zero included."""
    sae = tiny_sae("gated", d_in=4, d_sae=3)
    with torch.no_grad():
        sae.r_mag.fill_(-200.0)
        sae.b_mag.copy_(torch.tensor([0.5, 0.0, -0.5]))
        sae.b_gate.fill_(1.0)
        x = torch.randn(50, 4)
        want = sae.encode(x)
    assert 0 < int((want > 0).sum()) < 50
    assert torch.equal(from_sae_lens(sae).encode(x), want)


def test_all_zero_token_with_constant_norm(path):
    """sae-lens divides by the norm and gets NaN; a zero token stays a zero token here."""
    sae = tiny_sae("standard", d_in=6, d_sae=80, normalize_activations="constant_norm_rescale")
    with torch.no_grad():
        assert bool(sae.encode(torch.zeros(1, 6)).isnan().any())
        want = ((-sae.b_dec) @ sae.W_enc + sae.b_enc).relu()
    torch.testing.assert_close(from_sae_lens(sae).encode(torch.zeros(1, 6))[0], want, atol=TOLERANCE, rtol=0)


def test_no_block_is_larger_than_allowed(path, monkeypatch):
    """A 131k-wide SAE on 500 tokens: dense activations would be 262 MB."""
    largest = 0
    product = SparseEncoder._product

    def spy(self, *args):
        nonlocal largest
        block = product(self, *args)
        largest = max(largest, block.numel())
        return block

    monkeypatch.setattr(SparseEncoder, "_product", spy)
    x = 2 * torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    cases = {"jumprelu": {}, "topk": {"k": 5}, "matching_pursuit": {"max_iterations": 2}}
    for architecture, options in cases.items():
        sae = tiny_sae(architecture, d_in=2, d_sae=131_072, **options)
        cut = torch.full((131_072,), 2.0)
        token, feature, value = from_sae_lens(sae).entries(x, cut, token_block=256)
        with torch.no_grad():
            want = sae.encode(x[:20])
        got = torch.zeros_like(want)
        early = token < 20
        got[token[early], feature[early]] = value[early]
        wrong = (got - torch.where(want > 2, want, 0)).abs() > TOLERANCE
        assert int(wrong.sum()) <= len(value) / 100, architecture
        assert len(value) > 50
    assert largest == 256 * sae_module.FEATURE_BLOCK


def test_decoder_reconstructs_as_sae_lens_does():
    x = torch.randn(7, 12)
    for architecture in ARCHITECTURES:
        options = {"rescale_acts_by_decoder_norm": True} if architecture == "topk" else {}
        sae = tiny_sae(architecture, d_in=12, d_sae=40, **options)
        encoder = from_sae_lens(sae)
        with torch.no_grad():
            want = sae.decode(sae.encode(x))
        got = encoder.encode(x) @ encoder.decoder + sae.b_dec
        torch.testing.assert_close(got, want, atol=1e-3, rtol=1e-4)


def test_bfloat16_product_only_if_asked():
    sae = tiny_sae("jumprelu", d_in=64, d_sae=300)
    encoder = from_sae_lens(sae)
    x = torch.randn(100, 64)
    assert encoder.dtype == encoder.to("cpu").dtype == torch.float32
    exact, rough = encoder.encode(x), encoder.to("cpu", torch.bfloat16).encode(x)
    both = (exact > 0) & (rough > 0)
    assert int(((exact > 0) != (rough > 0)).sum()) < 0.03 * int(both.sum())
    torch.testing.assert_close(exact[both], rough[both], atol=0.05, rtol=0.03)
    assert not torch.equal(exact, rough)
    assert torch.equal(encoder.encode(x.bfloat16()), encoder.encode(x.bfloat16().float()))


def test_hidden_states_that_do_not_fit():
    encoder = from_sae_lens(tiny_sae("standard", d_in=8))
    with pytest.raises(ReaderError, match=r"blocks\.1\.hook_resid_pre reads 8 values .* \(3, 9\)"):
        encoder.entries(torch.zeros(3, 9))
    for bad in (torch.nan, torch.inf):
        x = torch.zeros(3, 8)
        x[1, 2] = bad
        with pytest.raises(ReaderError, match="not all finite"):
            encoder.entries(x)
