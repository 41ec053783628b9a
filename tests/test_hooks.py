"""Every hook of every family against transformer-lens, and the residual stream against transformers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny_models import FAMILIES, LAYERS, make_model, save_model

from saetext.errors import ReaderError
from saetext.reader.hooks import ARCHITECTURES, hook_of_sae, resolve
from saetext.reader.language_model import LanguageModel
from saetext.reader.names import ALIASES, hub_id

LAYER_OUTPUT = {"bert": "hook_normalized_resid_post"}
# large, so that a wrong epsilon shows
EPSILON = {
    "gpt2": "layer_norm_epsilon",
    "gpt_neox": "layer_norm_eps",
    "gpt_neox_sequential": "layer_norm_eps",
}
EPSILON["bert"] = "layer_norm_eps"
IDS = torch.randint(5, 190, (2, 20), generator=torch.Generator().manual_seed(7))


def epsilon(family: str) -> dict[str, float]:
    return {EPSILON.get(family, "rms_norm_eps"): 0.05}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("models")
    return cache(lambda family: save_model(family, root / family, **epsilon(family)))


def hooks_of(family: str) -> list[str]:
    architecture = ARCHITECTURES[{"gemma3": "gemma3_text"}.get(family, family.removesuffix("_sequential"))]
    places = ["hook_resid_pre", *architecture.places]
    if family == "gpt_neox":
        places.remove("hook_resid_mid")
    return ["hook_embed", *(f"blocks.{layer}.{place}" for layer in range(LAYERS) for place in places)]


def ours(directory: Path, hooks: list[str]) -> dict[str, torch.Tensor]:
    model = LanguageModel.load(directory, hooks, dtype="float32", device="cpu")
    values = model.hidden(IDS, torch.ones_like(IDS))
    assert set(values) == set(hooks)
    for hook, value in values.items():
        assert value.shape == (*IDS.shape, model.widths[hook]), hook
    return values


def assert_near(actual: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    assert expected.abs().max() > 0.1, what
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()), msg=what)


@torch.no_grad()
def test_residual_stream_equals_transformers(family: str, saved: Callable[[str], Path]) -> None:
    directory = saved(family)
    full = (
        getattr(transformers, FAMILIES[family][2])
        .from_pretrained(directory, attn_implementation="eager", trust_remote_code=False)
        .eval()
    )
    base = full.base_model.language_model if family == "gemma3" else full.base_model
    layers = base.get_submodule(ARCHITECTURES[base.config.model_type].layers)
    last = []  # hidden_states[-1] comes after the final norm, so the last layer's output is taken by hand
    layers[-1].register_forward_hook(
        lambda _, args, out: last.append(out[0] if isinstance(out, tuple) else out)
    )
    states = base(IDS, attention_mask=torch.ones_like(IDS), output_hidden_states=True).hidden_states
    post = LAYER_OUTPUT.get(family, "hook_resid_post")
    names = [f"blocks.{i}.{h}" for i in range(LAYERS) for h in ("hook_resid_pre", post)]
    values = ours(directory, names)
    for layer in range(LAYERS):
        assert_near(values[f"blocks.{layer}.hook_resid_pre"], states[layer], f"resid_pre {layer}")
        after = states[layer + 1] if layer + 1 < LAYERS else last[0]
        assert_near(values[f"blocks.{layer}.{post}"], after, f"{post} {layer}")


@torch.no_grad()
def test_what_attention_and_mlp_give_out(family: str, saved: Callable[[str], Path]) -> None:
    directory = saved(family)
    kind = getattr(transformers, FAMILIES[family][2])
    full = kind.from_pretrained(directory, attn_implementation="eager", trust_remote_code=False).eval()
    base = full.base_model.language_model if family == "gemma3" else full.base_model
    architecture = ARCHITECTURES[base.config.model_type]
    assert set(architecture.modules) == (set() if family == "bert" else {"attn.hook_out", "mlp.hook_out"})
    seen: dict[str, torch.Tensor] = {}
    for name, place in architecture.modules.items():
        base.get_submodule(f"{architecture.layers}.1.{place.module}").register_forward_hook(
            lambda _, args, out, name=name: seen.update({name: out[0] if isinstance(out, tuple) else out})
        )
    base(IDS, attention_mask=torch.ones_like(IDS))
    values = ours(directory, [f"blocks.1.{name}" for name in architecture.modules]) if seen else {}
    for name, expected in seen.items():
        assert_near(values[f"blocks.1.{name}"], expected, name)


def lens_config(family: str, config: Any) -> dict[str, Any]:
    """The model's configuration in transformer-lens's terms."""
    text = getattr(config, "text_config", config)
    heads, d_model = text.num_attention_heads, text.hidden_size
    d_head = getattr(text, "head_dim", None) or d_model // heads
    values: dict[str, Any] = {
        "d_model": d_model,
        "d_head": d_head,
        "n_heads": heads,
        "n_layers": text.num_hidden_layers,
        "n_ctx": 64,
        "d_vocab": text.vocab_size,
        "d_mlp": getattr(text, "intermediate_size", None) or 4 * d_model,
        "act_fn": getattr(text, "hidden_activation", None)
        or getattr(text, "hidden_act", None)
        or text.activation_function,
        "eps": epsilon(family)[EPSILON.get(family, "rms_norm_eps")],
        "use_hook_mlp_in": True,
        "device": "cpu",
        "dtype": torch.float32,
        "init_weights": False,
    }
    if family in ("gpt2", "bert"):
        direction = "bidirectional" if family == "bert" else "causal"
        return {**values, "normalization_type": "LN", "attention_dir": direction}
    values |= {"positional_embedding_type": "rotary", "rotary_adjacent_pairs": False, "rotary_dim": d_head}
    if family.startswith("gpt_neox"):
        parallel = text.use_parallel_residual
        return {
            **values,
            "normalization_type": "LN",
            "parallel_attn_mlp": parallel,
            "rotary_dim": d_head // 4,
        }
    values |= {
        "normalization_type": "RMS",
        "final_rms": True,
        "gated_mlp": True,
        "n_key_value_heads": text.num_key_value_heads,
        "rotary_base": 10_000,
        "use_qk_norm": family.startswith(("qwen3", "gemma3")),
        "use_normalization_before_and_after": family.startswith(("gemma2", "gemma3")),
    }
    if getattr(text, "sliding_window", None) and family != "qwen2":
        kinds = getattr(text, "layer_types", None) or ["sliding_attention"] * text.num_hidden_layers
        values |= {
            "use_local_attn": True,
            "window_size": text.sliding_window,
            "attn_types": ["local" if kind == "sliding_attention" else "global" for kind in kinds],
        }
    if family == "gemma2":
        values["attn_scores_soft_cap"] = text.attn_logit_softcapping
    if family.startswith("gemma3"):
        rope = text.rope_parameters
        values["rotary_base"] = rope["full_attention"]["rope_theta"]
        values["rotary_base_local"] = rope["sliding_attention"]["rope_theta"]
    return values


@torch.no_grad()
def lens_cache(family: str, directory: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    """Every activation of the model, by transformer-lens."""
    from transformer_lens import HookedEncoder, HookedTransformer
    from transformer_lens.config import HookedTransformerConfig
    from transformer_lens.pretrained import weight_conversions

    full = (
        getattr(transformers, FAMILIES[family][2]).from_pretrained(directory, trust_remote_code=False).eval()
    )
    config = HookedTransformerConfig.from_dict(lens_config(family, full.config))
    converter = {"gpt_neox": "neox", "gpt_neox_sequential": "neox", "gemma2": "gemma", "gemma3": "gemma"}
    converter["gemma3_text"] = "gemma"
    convert = getattr(weight_conversions, f"convert_{converter.get(family, family)}_weights")
    weights = convert(full, config)
    if family == "bert":
        encoder = HookedEncoder(config)
        encoder.load_state_dict(weights, strict=False)
        _, activations = encoder.run_with_cache(IDS)
        named = dict(activations.items())
        named["hook_embed"] = named["embed.hook_embed"]
        return encoder, named
    lens = HookedTransformer(config)
    lens.load_and_process_state_dict(
        weights, fold_ln=False, center_writing_weights=False, center_unembed=False, fold_value_biases=False
    )
    _, activations = lens.run_with_cache(IDS)
    return lens, dict(activations.items())


@torch.no_grad()
def test_hooks_equal_transformer_lens(family: str, saved: Callable[[str], Path]) -> None:
    lens, expected = lens_cache(family, saved(family))
    values = ours(saved(family), hooks_of(family))
    for hook, value in values.items():
        if hook.endswith(".mlp.hook_in"):  # sae-lens puts this one in front of the MLP: the norm's output
            block = lens.blocks[int(hook.split(".")[1])]
            norm = block.ln1 if family == "bert" else block.ln2
            reference = norm(expected[hook.replace("mlp.hook_in", "hook_mlp_in")])
        else:
            reference = expected[hook]
        if hook.endswith("hook_z"):
            reference = reference.flatten(-2)
        assert_near(value, reference, f"{family} {hook}")


def test_a_layer_is_understood_by_its_path(saved: Callable[[str], Path]) -> None:
    for family, path, name in (
        ("llama", "model.layers.1", "blocks.1.hook_resid_post"),
        ("gpt2", "transformer.h.1", "blocks.1.hook_resid_post"),
        ("gemma3", "model.language_model.layers.0", "blocks.0.hook_resid_post"),
        ("bert", "bert.encoder.layer.2", "blocks.2.hook_normalized_resid_post"),
    ):
        values = ours(saved(family), [path, name])
        assert torch.equal(values[path], values[name])


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        ("blocks.1.hook_resid_mid", ["blocks.1.hook_resid_mid", "gpt_neox", "hook_resid_pre"]),
        ("blocks.3.hook_resid_pre", ["3 layers", "blocks.3.hook_resid_pre"]),
        ("blocks.1.hook_nothing", ["blocks.1.hook_nothing", "gpt_neox", "hook_embed", "ln2.hook_normalized"]),
        ("blocks.-1.hook_resid_pre", ["blocks.-1", "known"]),
        ("blocks.1", ["known"]),
        ("", ["known"]),
        ("blocks.99999999999999.hook_resid_pre", ["known"]),
        ("encoder.layers.one", ["known"]),
    ],
)
def test_an_impossible_hook_is_named(hook: str, words: list[str]) -> None:
    config = make_model("gpt_neox").config
    with pytest.raises(ReaderError) as caught:
        resolve(hook, config)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_resid_mid_exists_without_parallel_residual() -> None:
    assert resolve("blocks.1.hook_resid_mid", make_model("gpt_neox_sequential").config).layer == 1


def test_hook_of_sae() -> None:
    assert hook_of_sae({"hook_name": "blocks.3.hook_mlp_in"}) == "blocks.3.hook_mlp_in"
    scope = {
        "hook_name": "blocks.3.hook_mlp_in",
        "hf_hook_name": "model.layers.3.pre_feedforward_layernorm.output",
    }
    assert hook_of_sae(scope) == "blocks.3.mlp.hook_in"
    residual = {"hook_name": "blocks.3.hook_resid_post", "hf_hook_name": "model.layers.3.output"}
    assert hook_of_sae(residual) == "blocks.3.hook_resid_post"
    for nothing in ({}, {"hook_name": None}, {"hook_name": ""}):
        with pytest.raises(ReaderError, match="names no hook"):
            hook_of_sae(nothing)


def test_aliases_are_those_of_transformer_lens() -> None:
    from transformer_lens.loading_from_pretrained import make_model_alias_map

    lens = make_model_alias_map()
    shared = [alias for alias in ALIASES if alias in lens]
    assert len(shared) > 70
    assert {alias: ALIASES[alias] for alias in shared} == {alias: lens[alias] for alias in shared}


def test_models_of_sae_lens_registry_resolve() -> None:
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory
    from transformer_lens.loading_from_pretrained import make_model_alias_map

    lens = make_model_alias_map()
    for name in {lookup.model for lookup in get_pretrained_saes_directory().values()}:
        found = hub_id(name)
        assert "/" in found or found == "gpt2", name  # an id, except for the oldest model of the hub
        assert found == lens.get(name.lower(), found), name
        if "/" in name:
            assert found == name
        assert hub_id(found) == found
        assert hub_id(found.rsplit("/", 1)[-1]) == found or found.startswith("Qwen/Qwen3"), name
