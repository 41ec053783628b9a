"""Ablations against other programs and plain loops: transformer-lens with sae-lens, and without a cache."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from test_causal import load, theirs
from test_hooks import epsilon, lens_cache
from test_intervene_edit import PROMPTS, texts
from tiny_models import HIDDEN, save_model
from tiny_saes import tiny_sae

from saetext.errors import InputError
from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.positions import Where, positions_of
from saetext.reader.parts import LoadedSae
from saetext.reader.prompts import Prompt
from saetext.reader.weights import from_sae_lens

KINDS: dict[str, dict[str, Any]] = {
    "standard": {},
    "jumprelu": {},
    "gated": {},
    "topk": {},
    "matching_pursuit": {},
    "standard+layer_norm": {"normalize_activations": "layer_norm"},
    "gated+constant_norm_rescale": {"normalize_activations": "constant_norm_rescale"},
}
HOOKS = (
    "hook_resid_pre",
    "hook_resid_mid",
    "hook_resid_post",
    "hook_attn_out",
    "attn.hook_z",
    "hook_mlp_out",
)
IDS = torch.randint(5, 190, (2, 12), generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("models")
    return cache(lambda family: save_model(family, root / family, **epsilon(family)))


def both(kind: str, **options: Any) -> tuple[LoadedSae, Any]:
    """Our encoder, and sae-lens's SAE itself."""
    sae = tiny_sae(kind.partition("+")[0], **KINDS[kind], **options)
    return LoadedSae("tiny", "tiny", from_sae_lens(sae), None), sae


def everywhere() -> Where:
    """Every position but the first, in two rows."""
    content = torch.ones(2, IDS.shape[1], dtype=torch.bool)
    content[:, 0] = False
    return Where(content, torch.tensor([IDS.shape[1]] * 2), 0)


def with_error_term(sae: Any, flat: torch.Tensor, features: list[int]) -> torch.Tensor:
    """Return hidden states with features at 0 and sae-lens's error added back, as it is done there."""
    f = sae.encode(flat)
    error = flat - sae.decode(f)
    without = f.clone()
    without[:, features] = 0
    sae.encode(flat)  # sae-lens decodes with the normalisation of what it encoded last
    return torch.as_tensor(sae.decode(without) + error)


def common(sae: Any, flat: torch.Tensor) -> list[int]:
    """Return the features that are active most often."""
    return list(sae.encode(flat).gt(0).sum(0).argsort(descending=True)[:3].tolist())


@pytest.mark.parametrize(("kind", "hook"), [*itertools.product(KINDS, HOOKS), ("standard", "hook_resid_mid")])
@torch.no_grad()
def test_ablation_equals_transformer_lens_with_the_error_term(
    kind: str, hook: str, saved: Callable[[str], Path]
) -> None:
    name = f"blocks.1.{hook}"
    loaded, sae = both(kind, hook_name=name)
    model = load(saved("gpt2"))
    lens, _ = lens_cache("gpt2", saved("gpt2"))
    before = model.hidden(IDS, torch.ones_like(IDS), hooks=[name])[name]
    features = common(sae, before.reshape(-1, HIDDEN))
    edit = FeatureEdit([Change(feature, "scale", 0.0) for feature in features], everywhere(), loaded)

    def ablated(value: torch.Tensor, hook: Any) -> torch.Tensor:
        flat = value.reshape(-1, HIDDEN)
        changed = with_error_term(sae, flat, features).reshape(2, -1, HIDDEN)
        changed[:, 0] = value.reshape(2, -1, HIDDEN)[:, 0]
        return changed.reshape(value.shape)

    expected = lens.run_with_hooks(IDS, fwd_hooks=[(name, ablated)])
    plain = lens(IDS)
    actual = model.logits(IDS, torch.ones_like(IDS), edits={name: edit})
    scale = float(expected.abs().max())
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4 * scale)
    assert (expected - plain).abs().max() > 0.005 * scale
    assert torch.equal(actual[:, 0], model.logits(IDS, torch.ones_like(IDS))[:, 0])


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_ablation_equals_recomputing_from_that_layer_up(kind: str, saved: Callable[[str], Path]) -> None:
    """The model of transformers itself, its layer's output replaced, runs the layers above again."""
    name = "blocks.0.hook_resid_post"
    loaded, sae = both(kind, hook_name=name)
    model, plain = load(saved("llama")), theirs("llama", saved("llama"))
    hidden = plain(IDS, output_hidden_states=True).hidden_states[1]
    features = common(sae, hidden.reshape(-1, HIDDEN))
    changed = with_error_term(sae, hidden.reshape(-1, HIDDEN), features).reshape(hidden.shape)
    changed[:, 0] = hidden[:, 0]

    def give(_: Any, args: Any, output: Any) -> Any:
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    handle = plain.model.layers[0].register_forward_hook(give)
    expected = plain(IDS).logits
    handle.remove()
    edit = FeatureEdit([Change(feature, "scale", 0.0) for feature in features], everywhere(), loaded)
    actual = model.logits(IDS, torch.ones_like(IDS), edits={name: edit})
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert (expected - plain(IDS).logits).abs().max() > 0.01


def test_a_direction_is_set_to_its_coordinate() -> None:
    x = torch.randn(2, 12, HIDDEN, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    direction = torch.linspace(-1, 2, HIDDEN, dtype=torch.float64)
    edit = FeatureEdit([Change(None, "set", 1.5, direction)], everywhere())
    positions = torch.arange(12).expand(2, -1)
    new = edit(x, positions, torch.tensor([0, 1]))
    unit = direction / direction.norm()
    torch.testing.assert_close((new @ unit)[:, 1:], torch.full((2, 11), 1.5, dtype=torch.float64))
    rest = torch.eye(HIDDEN, dtype=torch.float64) - torch.outer(unit, unit)
    torch.testing.assert_close(new @ rest, x @ rest)
    assert torch.equal(new[:, 0], x[:, 0])


def changes(mode: str, numbers: range = range(3)) -> list[Change]:
    values = torch.arange(3 * 24, dtype=torch.float32).reshape(3, 24) % 5 / 2
    made = {
        "zero": Change(9, "scale", 0.0),
        "mean": Change(9, "set", 0.8),
        "resample": Change(9, "resample", 0.0, None, values),
    }[mode]
    return [made.of(numbers)]


@pytest.mark.parametrize("positions", ["all", "prompt", "generated", "last", "first-2"])
@pytest.mark.parametrize("mode", ["zero", "mean", "resample"])
def test_a_cache_and_a_batch_change_nothing(mode: str, positions: str, saved: Callable[[str], Path]) -> None:
    model = load(saved("llama"))
    hook = "blocks.1.hook_resid_pre"
    loaded, _ = both("jumprelu", hook_name=hook)

    def edit(prompts: list[Prompt], numbers: range) -> FeatureEdit:
        return FeatureEdit(changes(mode, numbers), positions_of(positions, prompts), loaded)

    together = texts(model, PROMPTS, {hook: edit(PROMPTS, range(3))})
    for at, one in enumerate(PROMPTS):
        alone = edit([one], range(at, at + 1))
        ids = one.ids.tolist()
        for _ in range(12):
            now = torch.tensor([ids])
            ids.append(int(model.logits(now, torch.ones_like(now), edits={hook: alone})[0, -1].argmax()))
            if ids[-1] in model.eos_ids:
                break
        assert together[at] == ids[len(one) :] == texts(model, [one], {hook: alone})[0]


@torch.no_grad()
def test_resampled_activations_are_those_of_the_prompt_and_position(saved: Callable[[str], Path]) -> None:
    name = "blocks.1.hook_resid_pre"
    loaded, sae = both("jumprelu", hook_name=name)
    x = load(saved("llama")).hidden(IDS, torch.ones_like(IDS), hooks=[name])[name]
    values = torch.rand(2, 8, generator=torch.Generator().manual_seed(1))
    new = FeatureEdit([Change(9, "resample", 0.0, None, values)], everywhere(), loaded)(
        x, torch.arange(12).expand(2, -1), torch.tensor([1, 0])
    )
    f = sae.encode(x)[..., 9]
    for row, number in enumerate((1, 0)):
        for position in range(1, 12):
            value = values[number, min(position, 7)]
            expected = x[row, position] + (value - f[row, position]) * sae.W_dec[9]
            torch.testing.assert_close(new[row, position], expected, rtol=1e-5, atol=1e-5)


def test_values_belong_to_resampling() -> None:
    for given in ({"op": "resample"}, {"op": "scale", "values": torch.zeros(1, 2)}):
        with pytest.raises(InputError, match="values belong"):
            Change(3, **given)  # type: ignore[arg-type]


def test_forbidden_tokens_are_those_of_transformers(saved: Callable[[str], Path]) -> None:
    """Greedy texts equal transformers' with the same tokens suppressed, and differ from the bare ones."""
    model, plain = load(saved("llama")), theirs("llama", saved("llama"))
    bare = texts(model, PROMPTS, None)
    often = sorted({token for text in bare for token in text})[:40]
    found = texts(model, PROMPTS, None, forbidden=often)
    assert found != bare and not set(often) & {token for text in found for token in text}
    for one, own in zip(PROMPTS, found, strict=True):
        with torch.no_grad():
            done = plain.generate(
                torch.from_numpy(one.ids)[None], attention_mask=torch.ones(1, len(one), dtype=torch.long),
                do_sample=False, max_new_tokens=12, suppress_tokens=often, pad_token_id=0,
            )  # fmt: skip
        assert own == done[0, len(one) :].tolist()[: len(own)]
    for wrong in ([-1], [10**6]):
        with pytest.raises(InputError, match="forbid"):
            texts(model, PROMPTS, None, forbidden=wrong)


def test_forbidding_leaves_other_draws_as_they_are(saved: Callable[[str], Path]) -> None:
    """A text in which the token was not drawn stays; where it was, the texts part there."""
    model = load(saved("llama"))
    options: dict[str, Any] = {"temperature": 1.0, "samples": 8, "max_new_tokens": 6}
    bare = texts(model, PROMPTS, None, **options)
    token = bare[0][2]
    found = texts(model, PROMPTS, None, forbidden=[token], **options)
    assert any(token not in text for text in bare)
    for own, before in zip(found, bare, strict=True):
        at = before.index(token) if token in before else len(before)
        assert own[:at] == before[:at] and token not in own
