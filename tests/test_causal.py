"""A model with its head: logits, edits and gradients at hooks, what is loaded and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from test_hooks import epsilon, hooks_of, lens_cache
from tiny_models import FAMILIES, HIDDEN, batch, edit_config, make_tokenizer, save_model

from saetext.errors import ReaderError
from saetext.reader.causal import CausalModel
from saetext.reader.hooks import ARCHITECTURES
from saetext.reader.language_model import LanguageModel

CAUSAL = sorted(set(FAMILIES) - {"bert"})
LAST = "blocks.2.hook_resid_post"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("models")
    return cache(lambda family: save_model(family, root / family, **epsilon(family)))


def load(directory: Path, *hooks: str, **options: Any) -> CausalModel:
    return CausalModel.load(directory, hooks, **{"dtype": "float32", "device": "cpu", **options})


def theirs(family: str, directory: Path) -> Any:
    """The same model as transformers loads it, with the same kind of attention."""
    architecture = ARCHITECTURES[{"gemma3": "gemma3_text"}.get(family, family.removesuffix("_sequential"))]
    loader = getattr(transformers, FAMILIES[family][2])
    return loader.from_pretrained(
        directory, attn_implementation=architecture.attention, trust_remote_code=False
    ).eval()


def refusal(directory: Path, *hooks: str, **options: Any) -> str:
    with pytest.raises(ReaderError) as caught:
        load(directory, *hooks, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- logits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", CAUSAL)
@torch.no_grad()
def test_logits_equal_transformers(family: str, saved: Callable[[str], Path]) -> None:
    ids, mask = batch(17, 17)
    expected = theirs(family, saved(family))(input_ids=ids, attention_mask=mask).logits
    actual = load(saved(family)).logits(ids, mask)
    assert expected.abs().max() > 1
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", CAUSAL)
def test_padded_equals_alone(family: str, saved: Callable[[str], Path]) -> None:
    model = load(saved(family), "blocks.1.attn.hook_z", LAST)
    ids, mask = batch(17, 1, 9)
    whole = model.forward(ids, mask)
    for row, length in enumerate(mask.sum(1).tolist()):
        alone = model.forward(ids[row : row + 1, :length], mask[row : row + 1, :length])
        pairs = [(whole.logits, alone.logits), *((whole.hidden[h], alone.hidden[h]) for h in model.hooks)]
        for padded, expected in pairs:
            torch.testing.assert_close(padded[row, :length], expected[0], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("family", CAUSAL)
def test_hooks_are_those_of_the_reader(family: str, saved: Callable[[str], Path]) -> None:
    hooks = hooks_of(family)
    ids, mask = batch(12, 7)
    expected = LanguageModel.load(saved(family), hooks, dtype="float32", device="cpu").hidden(ids, mask)
    actual = load(saved(family), *hooks).hidden(ids, mask)
    assert list(actual) and set(actual) == set(hooks)
    for hook in hooks:
        real = mask.bool()
        torch.testing.assert_close(actual[hook][real], expected[hook][real], rtol=1e-5, atol=1e-5, msg=hook)


@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt_neox", "gemma2"])
@pytest.mark.parametrize("tied", [True, False])
def test_heads_are_tied_or_their_own(family: str, tied: bool, tmp_path: Path) -> None:
    directory = save_model(family, tmp_path / "m", tie_word_embeddings=tied)
    ids, mask = batch(9)
    with torch.no_grad():
        expected = theirs(family, directory)(input_ids=ids, attention_mask=mask).logits
    model = load(directory)
    torch.testing.assert_close(model.logits(ids, mask), expected, rtol=0, atol=1e-5)
    heads = [p for p in model._model.parameters() if p.shape[0] == model.vocabulary]
    assert len(heads) == (1 if tied else 2)  # one tensor, not a copy


def test_the_cap_on_logits_is_there(tmp_path: Path) -> None:
    ids, mask = batch(9)
    free = load(save_model("gemma2", tmp_path / "a", final_logit_softcapping=None)).logits(ids, mask)
    capped = load(save_model("gemma2", tmp_path / "b", final_logit_softcapping=0.5)).logits(ids, mask)
    torch.testing.assert_close(capped, 0.5 * torch.tanh(free / 0.5))
    assert free.abs().max() > 1


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.05), ("float64", 1e-5)])
def test_other_dtypes(dtype: str, tolerance: float, saved: Callable[[str], Path]) -> None:
    ids, mask = batch(12, 5)
    for family in ("gpt2", "gemma2", "gemma3"):
        exact = load(saved(family)).logits(ids, mask)[mask.bool()]
        model = load(saved(family), dtype=dtype)
        actual = model.logits(ids, mask)[mask.bool()]
        assert model.dtype == dtype and actual.dtype == getattr(torch, dtype)
        assert (actual.double() - exact).norm() < tolerance * exact.norm()


# --- edits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", CAUSAL)
@torch.no_grad()
def test_edits_equal_transformer_lens(family: str, saved: Callable[[str], Path]) -> None:
    """The same vector added at the same places: the last layer's output is the same, for every hook."""
    ids = torch.randint(5, 190, (2, 20), generator=torch.Generator().manual_seed(7))
    lens, _ = lens_cache(family, saved(family))
    model = load(saved(family))
    plain = model.hidden(ids, torch.ones_like(ids), hooks=[LAST])[LAST]
    tried = [h for h in hooks_of(family) if not h.endswith(("hook_normalized", "mlp.hook_in"))]
    tried = [h for h in tried if not h.startswith(("blocks.0", "blocks.2.hook_resid_post"))]
    for hook in tried:
        vector = torch.randn(model.width(hook), generator=torch.Generator().manual_seed(1))

        def ours(hidden: torch.Tensor, positions: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            there = (positions >= 3) & (rows[:, None] == 1)
            return hidden + there[..., None] * vector

        def lens_edit(value: torch.Tensor, hook: Any) -> torch.Tensor:
            changed = value.clone()
            changed[1, 3:] += vector.reshape(value.shape[2:])
            return changed

        with lens.hooks(fwd_hooks=[(hook, lens_edit)]):
            _, expected = lens.run_with_cache(ids, names_filter=LAST)
        actual = model.hidden(ids, torch.ones_like(ids), hooks=[LAST], edits={hook: ours})[LAST]
        assert torch.equal(actual[0], plain[0]) and torch.equal(actual[1, :3], plain[1, :3]), hook
        scale = float(expected[LAST].abs().max())
        torch.testing.assert_close(actual, expected[LAST], rtol=1e-5, atol=2e-5 * scale, msg=hook)
        assert (actual - plain).abs().max() > 0.01, hook


def test_an_edit_adds_exactly_and_leaves_what_comes_before(saved: Callable[[str], Path]) -> None:
    model = load(saved("gpt2"), *(f"blocks.{i}.hook_resid_post" for i in range(3)), dtype="float64")
    ids, mask = batch(12, 7)
    direction = torch.linspace(-1, 1, HIDDEN, dtype=torch.float64)
    plain = model.forward(ids, mask)

    def add(hidden: torch.Tensor, positions: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return hidden + 2.5 * (positions == 4)[..., None] * direction

    edited = model.forward(ids, mask, edits={"blocks.1.hook_resid_post": add})
    first, second, third = (f"blocks.{i}.hook_resid_post" for i in range(3))
    expected = plain.hidden[second].clone()
    expected[:, 4] += 2.5 * direction
    torch.testing.assert_close(edited.hidden[second], expected, rtol=0, atol=1e-12)
    assert torch.equal(edited.hidden[first], plain.hidden[first])
    assert torch.equal(edited.hidden[third][:, :4], plain.hidden[third][:, :4])
    assert (edited.logits - plain.logits)[mask.bool()].abs().max() > 0.1
    same = model.forward(ids, mask, edits={second: lambda hidden, positions, rows: hidden + 0.0})
    assert torch.equal(same.logits, plain.logits)
    again = model.forward(ids, mask)  # nothing stays behind
    assert torch.equal(again.logits, plain.logits)


def test_an_edit_is_told_absolute_positions(saved: Callable[[str], Path]) -> None:
    ids, mask = batch(6, 2)
    seen: list[tuple[Any, Any]] = []

    def watch(hidden: torch.Tensor, positions: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        seen.append((positions.tolist(), rows.tolist()))
        return hidden

    model = load(saved("llama"))
    model.logits(ids, mask, edits={"blocks.0.hook_resid_mid": watch})
    assert seen == [([[0, 1, 2, 3, 4, 5], [0, 1, -1, -1, -1, -1]], [0, 1])]


# --- gradients ----------------------------------------------------------------------------------------------


def difference(logits: torch.Tensor) -> torch.Tensor:
    return logits[0, -1, 7] - logits[0, -1, 11]


def exact_norm(norm: Any, x: torch.Tensor) -> torch.Tensor:
    return norm.weight * x * (x.square().mean(-1, keepdim=True) + norm.variance_epsilon).rsqrt()


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "gpt_neox_sequential", "llama"])
def test_gradients_equal_finite_differences(
    family: str, saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = 1e-6
    # transformers' rounds to float32, whatever the dtype
    monkeypatch.setattr(transformers.models.llama.modeling_llama.LlamaRMSNorm, "forward", exact_norm)
    model = load(saved(family), dtype="float64")
    ids, mask = batch(8)
    generator = torch.Generator().manual_seed(3)
    hooks = [h for h in hooks_of(family) if h.startswith("blocks.1") and not h.endswith("hook_normalized")]
    for hook in ["hook_embed", "blocks.0.hook_resid_pre", *hooks]:
        done = model.forward(ids, mask, hooks=[hook], gradients=True)
        (gradient,) = torch.autograd.grad(difference(done.logits), done.hidden[hook])
        direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)

        def moved(by: float) -> float:
            edit = {hook: lambda hidden, positions, rows: hidden + by * direction}
            return float(difference(model.logits(ids, mask, edits=edit)))

        expected = (moved(step) - moved(-step)) / (2 * step)
        assert abs(expected) > 0.01
        actual = float((gradient * direction).sum())
        assert actual == pytest.approx(expected, rel=1e-6), hook


def test_several_hooks_and_an_edit_are_differentiated_in_one_pass(saved: Callable[[str], Path]) -> None:
    """The gradient at an earlier hook goes through the edit; what the edit learns gets its own."""
    model = load(saved("gpt2"), dtype="float64")
    ids, mask = batch(8)
    shift = torch.zeros(HIDDEN, dtype=torch.float64, requires_grad=True)
    hooks = ["blocks.0.hook_resid_post", "blocks.1.hook_resid_mid", "blocks.1.hook_resid_post"]
    edits = {"blocks.1.hook_resid_mid": lambda hidden, positions, rows: hidden * hidden + shift}
    done = model.forward(ids, mask, hooks=hooks, edits=edits, gradients=True)
    wanted = [done.hidden[hook] for hook in hooks]
    first, middle, _, learned = torch.autograd.grad(difference(done.logits), [*wanted, shift])
    torch.testing.assert_close(learned, middle.sum((0, 1)))
    h = 1e-6
    for gradient, moves in ((first, hooks[0]), (learned, None)):
        direction = torch.randn(gradient.shape, dtype=torch.float64)

        def at(by: float) -> float:
            more = {moves: lambda hidden, positions, rows: hidden + by * direction} if moves else {}
            extra = 0 if moves else by * direction
            change = {hooks[1]: lambda hidden, positions, rows: hidden * hidden + extra}
            return float(difference(model.logits(ids, mask, edits={**more, **change})))

        expected = (at(h) - at(-h)) / (2 * h)
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=1e-6)


def test_nothing_of_inference_mode_is_left(saved: Callable[[str], Path]) -> None:
    ids, mask = batch(8)
    with torch.inference_mode():
        model = load(saved("llama"), LAST)
        done = model.forward(ids, mask, gradients=True)
        plain = model.forward(ids + 0, mask + 0)
    (gradient,) = torch.autograd.grad(difference(done.logits), done.hidden[LAST])
    assert gradient.abs().max() > 0
    assert not plain.logits.is_inference() and not plain.logits.requires_grad
    assert all(not p.requires_grad and not p.is_inference() for p in model._model.parameters())
    assert not model.hidden(ids, mask)[LAST].requires_grad and torch.is_grad_enabled()


# --- refused ------------------------------------------------------------------------------------------------


def test_a_model_that_only_reads_is_refused(saved: Callable[[str], Path], tmp_path: Path) -> None:
    assert "m reads, it cannot write: name a causal model" in refusal(save_model("bert", tmp_path / "m"))
    seeing = save_model("gemma3_text", tmp_path / "seeing", use_bidirectional_attention=True)
    assert "cannot write" in refusal(seeing)
    decoder = save_model("bert", tmp_path / "decoder", is_decoder=True)
    assert "cannot write" in refusal(decoder)


def test_what_cannot_be_loaded_is_named(saved: Callable[[str], Path], tmp_path: Path) -> None:
    headless = Path(shutil.copytree(saved("llama"), tmp_path / "headless"))
    tensors = load_file(headless / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, headless / "model.safetensors")
    assert "tensor lm_head.weight is missing" in refusal(headless)
    edit_config(headless, tie_word_embeddings=True)
    assert load(headless).logits(*batch(4)).isfinite().all()
    wrong = Path(shutil.copytree(saved("gpt_neox"), tmp_path / "wrong"))
    tensors = load_file(wrong / "model.safetensors")
    tensors["embed_out.weight"] = tensors["embed_out.weight"][:-1].contiguous()
    save_file(tensors, wrong / "model.safetensors")
    assert "embed_out.weight" in refusal(wrong) and "shape" in refusal(wrong)
    assert "no hook 'blocks.1.nothing'" in refusal(saved("llama"), "blocks.1.nothing")
    assert "float8" in refusal(saved("llama"), dtype="float8")
    pickled = Path(shutil.copytree(saved("gpt2"), tmp_path / "pickled"))
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    assert "only pickled weights" in refusal(pickled)
    assert load(pickled, trust_pickle=True).logits(*batch(4)).isfinite().all()


def test_ends_are_those_of_the_settings_and_the_tokenizer(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    own = make_tokenizer("llama").eos_token_id
    directory = Path(shutil.copytree(saved("llama"), tmp_path / "m"))
    (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 9]}))
    assert load(directory).eos_ids == {7, 9, own}
    (directory / "generation_config.json").unlink()
    edit_config(directory, eos_token_id=8)
    assert load(directory).eos_ids == {8, own}
    (directory / "generation_config.json").write_text("[")
    assert "generation_config.json" in refusal(directory)


def test_a_normalised_value_is_read_only(saved: Callable[[str], Path]) -> None:
    model, hook = load(saved("llama")), "blocks.1.ln2.hook_normalized"
    ids, mask = batch(5)
    assert model.hidden(ids, mask, hooks=[hook])[hook].shape == (1, 5, HIDDEN)
    with pytest.raises(ReaderError, match="can be read, not changed"):
        model.logits(ids, mask, edits={hook: lambda hidden, positions, rows: hidden + 1})
    with pytest.raises(ReaderError, match="can be read, not differentiated"):
        model.forward(ids, mask, hooks=[hook], gradients=True)
    assert model.logits(ids, mask).isfinite().all()


def test_impossible_passes_are_programming_errors(saved: Callable[[str], Path]) -> None:
    model = load(saved("llama"))
    with pytest.raises(ValueError, match=r"65 tokens.*64 positions"):
        model.logits(*batch(65))
    with pytest.raises(ValueError, match="padding must be"):
        model.logits(torch.ones(1, 3, dtype=torch.long), torch.tensor([[0, 1, 1]]))
    with pytest.raises(ValueError, match=r"edit at blocks.1.hook_resid_post returned .*\[1, 5, 3\]"):
        model.logits(*batch(5), edits={"blocks.1.hook_resid_post": lambda h, p, r: h[..., :3]})
    with pytest.raises(ReaderError, match="no hook"):
        model.logits(*batch(5), edits={"blocks.9.hook_resid_post": lambda h, p, r: h})


def test_special_tokens_without_an_embedding_are_read_as_token_0(tmp_path: Path) -> None:
    directory = save_model("gemma3_text", tmp_path / "m")
    tokenizer = make_tokenizer("gemma3_text")
    size = len(tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image_soft_token>"]})
    tokenizer.save_pretrained(directory)
    model = load(directory)
    ids, mask = batch(6)
    stray = ids.clone()
    stray[0, 3], ids[0, 3] = size, 0
    assert torch.equal(model.logits(stray, mask), model.logits(ids, mask))
