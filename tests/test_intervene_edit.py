"""Edits against explicit recomputation: what changes, where, by how much, and what stays the same bits."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import HIDDEN, save_model
from tiny_saes import save_tiny_sae, tiny_sae

from saetext.errors import InputError
from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.positions import Where, positions_of
from saetext.reader.causal import CausalModel
from saetext.reader.decoding import Generation
from saetext.reader.edits import Edit
from saetext.reader.parts import LoadedSae
from saetext.reader.prompts import BOS, TEMPLATE, Prompt
from saetext.reader.weights import load_sae_dir

HOOK, LATER = "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre"
EDITABLE = ("standard", "gated", "topk", "jumprelu", "matching_pursuit")
MODES = ("all", "prompt", "generated", "last", "first-2")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edit")


@pytest.fixture(scope="module")
def llama(root: Path) -> Any:
    place = save_model("llama", root / "llama")
    return cache(lambda dtype: CausalModel.load(place, dtype=dtype, device="cpu"))


def sae(root: Path, architecture: str, **options: Any) -> tuple[LoadedSae, Any]:
    """Our encoder of a tiny SAE, and sae-lens's SAE itself."""
    name = f"{architecture}-{'-'.join(map(str, options.values()))}"
    place = root / name
    if not place.is_dir():
        save_tiny_sae(place, architecture, **options)
    return LoadedSae("sae", name, load_sae_dir(place), None), tiny_sae(architecture, **options)


def prompt(n: int, seed: int = 0, template: tuple[int, ...] = (), bos: bool = False) -> Prompt:
    turn = np.zeros(n, np.int32)
    turn[list(template)] = TEMPLATE
    if bos:
        turn[0] = BOS
    return Prompt("", np.random.default_rng(seed).integers(5, 190, n), turn, ("text",))


PROMPTS = [prompt(9, 1, (1, 8), True), prompt(4, 2), prompt(12, 3, (0, 10, 11))]


def everywhere(n: int = 1) -> Where:
    return Where(torch.zeros(n, 0, dtype=torch.bool), torch.zeros(n, dtype=torch.int64), 10**6)


def states(seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(2, 7, HIDDEN, generator=draw).to(dtype)


def run(edit: Edit, x: torch.Tensor) -> torch.Tensor:
    positions = torch.arange(x.shape[1]).expand(x.shape[0], -1)
    return edit(x, positions, torch.zeros(x.shape[0], dtype=torch.int64))


def bits(x: torch.Tensor) -> bytes:
    return x.contiguous().view(torch.uint8).numpy().tobytes()


def after(change: Change, f: torch.Tensor) -> torch.Tensor:
    values = {"add": f + change.value, "set": torch.full_like(f, change.value), "scale": change.value * f}
    return values[change.op] if change.op in values else torch.minimum(f, torch.tensor(change.value))


# --- what changes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalize", ["none", "layer_norm", "constant_norm_rescale"])
@pytest.mark.parametrize("architecture", EDITABLE)
@torch.no_grad()
def test_the_change_is_that_of_sae_lens_s_reconstruction(
    architecture: str, normalize: str, root: Path
) -> None:
    """It is x + decode(f') - decode(f), every operation at once, by sae-lens's own encoder and decoder."""
    loaded, theirs = sae(root, architecture, normalize_activations=normalize)
    x = states()
    flat = x.reshape(-1, HIDDEN)
    f = theirs.encode(flat)
    often = f.gt(0).sum(0).argsort(descending=True)[:4].tolist()
    assert f[:, often].gt(0).any(0).all()
    changes = [
        Change(often[0], "set", 0.7),
        Change(often[1], "add", -1.5),
        Change(often[2], "scale", 0.25),
        Change(often[3], "cap", 0.4),
    ]
    edited = f.clone()
    for change in changes:
        edited[:, change.feature] = after(change, f[:, change.feature])
    # sae-lens keeps the normalisation of what it encoded last, and decodes with it
    theirs.encode(flat)
    before = theirs.decode(f)
    theirs.encode(flat)
    expected = flat + theirs.decode(edited) - before
    actual = run(FeatureEdit(changes, everywhere(), loaded), x).reshape(-1, HIDDEN)
    assert (expected - flat).norm(dim=-1).min() > 0.1
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("architecture", EDITABLE)
def test_where_the_activation_stays_so_do_the_bits(architecture: str, dtype: torch.dtype, root: Path) -> None:
    loaded, _ = sae(root, architecture)
    x = states(dtype=dtype)
    x[0, 0, :3] = -0.0
    top = float(loaded.encoder.encode(x.reshape(-1, HIDDEN).float()).max())
    for change in (Change(3, "add", 0.0), Change(3, "scale", 1.0), Change(3, "cap", 2 * top)):
        new = run(FeatureEdit([change], everywhere(), loaded), x)
        assert new is x and bits(new) == bits(x)
    off = loaded.encoder.encode(x.reshape(-1, HIDDEN).float())[:, 3].eq(0).reshape(x.shape[:2])
    new = run(FeatureEdit([Change(3, "scale", 0.0)], everywhere(), loaded), x)
    assert off.any() and bits(new[off]) == bits(x[off])


def test_removed_is_what_lies_along_the_direction(root: Path) -> None:
    loaded, _ = sae(root, "jumprelu")
    x = states(dtype=torch.float64)
    direction = torch.linspace(-1, 2, HIDDEN, dtype=torch.float64)
    for change, along in (
        (Change(None, "remove", direction=direction), direction),
        (Change(5, "remove"), loaded.encoder.decoder[5].double()),
    ):
        new = run(FeatureEdit([change], everywhere(), loaded), x)
        assert (new @ along).abs().max() < 1e-10
        other = torch.ones(HIDDEN, dtype=torch.float64)
        other -= (other @ along) / (along @ along) * along
        torch.testing.assert_close(new @ other, x @ other, rtol=1e-10, atol=1e-10)


def test_only_the_edited_columns_are_computed(root: Path) -> None:
    loaded, _ = sae(root, "jumprelu", d_sae=512)
    few = loaded.encoder.restricted([7, 400, 3])
    x = states().reshape(-1, HIDDEN)
    assert few is not None and few._weight.shape == (HIDDEN, 3)
    torch.testing.assert_close(few.encode(x), loaded.encoder.encode(x)[:, [7, 400, 3]], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(few.decoder, loaded.encoder.decoder[[7, 400, 3]])
    assert sae(root, "topk")[0].encoder.restricted([1]) is None


def test_sinks_are_left_alone(root: Path) -> None:
    loaded, _ = sae(root, "standard", metadata={"norm_limit": 50.0})
    x = states()
    x[1, 2] *= 100
    new = run(FeatureEdit([Change(3, "add", 2.0)], everywhere(), loaded), x)
    changed = (new != x).any(-1)
    assert changed.sum() == 13 and not changed[1, 2]


# --- in a model ---------------------------------------------------------------------------------------------


def forward(model: CausalModel, prompts: list[Prompt], edits: dict[str, Edit], *hooks: str) -> Any:
    longest = max(map(len, prompts))
    ids, mask = (torch.zeros(len(prompts), longest, dtype=torch.int64) for _ in range(2))
    for row, one in enumerate(prompts):
        ids[row, : len(one)] = torch.from_numpy(one.ids)
        mask[row, : len(one)] = 1
    return model.forward(ids, mask, hooks=hooks, edits=edits)


def test_added_to_the_residual_is_the_direction_times_the_coefficient(root: Path, llama: Any) -> None:
    model = llama("float64")
    loaded, _ = sae(root, "standard")
    where = positions_of("prompt", PROMPTS)
    earlier = "blocks.0.hook_resid_pre"
    base = forward(model, PROMPTS, {}, HOOK, earlier, LATER)
    done = forward(
        model, PROMPTS, {HOOK: FeatureEdit([Change(9, "add", 3.7)], where, loaded)}, HOOK, earlier, LATER
    )
    direction = loaded.encoder.decoder[9].double()
    for row, one in enumerate(PROMPTS):
        for position in range(len(one)):
            expected = base.hidden[HOOK][row, position].clone()
            if one.turn[position] >= 0:
                expected += 3.7 * direction
            assert (done.hidden[HOOK][row, position] - expected).abs().max() < 1e-12
    assert torch.equal(done.hidden[earlier], base.hidden[earlier])
    assert not torch.equal(done.hidden[LATER], base.hidden[LATER])
    assert torch.equal(done.hidden[LATER][2, 0], base.hidden[LATER][2, 0])  # before the first edit


def texts(model: CausalModel, prompts: list[Prompt], edits: dict[str, Edit] | None, **options: Any) -> Any:
    options = {"max_new_tokens": 12, "temperature": 0.0, **options}
    done: list[Generation] = model.generate(prompts, edits=edits, **options)
    return [text.ids.tolist() for text in done]


def uncached(model: CausalModel, one: Prompt, steps: int, edit: Edit) -> list[int]:
    ids = one.ids.tolist()
    for _ in range(steps):
        now = torch.tensor([ids])
        ids.append(int(model.logits(now, torch.ones_like(now), edits={HOOK: edit})[0, -1].argmax()))
        if ids[-1] in model.eos_ids:
            break
    return ids[len(one) :]


@pytest.mark.parametrize("mode", MODES)
def test_a_cache_and_a_batch_change_nothing(mode: str, root: Path, llama: Any) -> None:
    model = llama("float32")
    loaded, _ = sae(root, "jumprelu")
    changes = [Change(9, "add", 2.5), Change(4, "set", 1.5)]
    together = texts(model, PROMPTS, {HOOK: FeatureEdit(changes, positions_of(mode, PROMPTS), loaded)})
    for one, found in zip(PROMPTS, together, strict=True):
        edit = FeatureEdit(changes, positions_of(mode, [one]), loaded)
        assert found == uncached(model, one, 12, edit) == texts(model, [one], {HOOK: edit})[0]
    assert together != texts(model, PROMPTS, None)


def test_the_hook_that_skips_single_tokens_steers_the_prompt_only(root: Path, llama: Any) -> None:
    """The common mistake, which must part from the right one: with a cache, tokens come in one by one."""
    model = llama("float32")
    loaded, _ = sae(root, "standard")
    right = FeatureEdit([Change(9, "add", 2.5)], positions_of("all", PROMPTS), loaded)

    def skipping(x: torch.Tensor, positions: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return x if x.shape[1] == 1 else right(x, positions, rows)

    prompt_only = FeatureEdit([Change(9, "add", 2.5)], positions_of("prompt", PROMPTS), loaded)
    wrong = texts(model, PROMPTS, {HOOK: skipping})
    assert wrong == texts(model, PROMPTS, {HOOK: prompt_only})
    assert wrong != texts(model, PROMPTS, {HOOK: right})
    assert wrong[0] != uncached(model, PROMPTS[0], 12, right)


def test_an_edit_of_nothing_writes_the_same_texts(root: Path, llama: Any) -> None:
    model = llama("float32")
    loaded, _ = sae(root, "topk")
    options: dict[str, Any] = {"temperature": 1.2, "samples": 3, "seed": 5}
    bare = texts(model, PROMPTS, None, **options)
    for change in (Change(9, "add", 0.0), Change(9, "scale", 1.0)):
        edit = FeatureEdit([change], positions_of("all", PROMPTS), loaded)
        assert texts(model, PROMPTS, {HOOK: edit}, **options) == bare
        with_edit, without = (forward(model, PROMPTS, e, LATER) for e in ({HOOK: edit}, {}))
        assert bits(with_edit.logits) == bits(without.logits)


def test_an_edit_after_a_token_leaves_those_before(root: Path, llama: Any) -> None:
    model = llama("float32")
    loaded, _ = sae(root, "standard")
    options: dict[str, Any] = {"temperature": 1.2, "samples": 2}
    bare = texts(model, PROMPTS, None, **options)
    later = [(row, len(one) + 3) for row, one in enumerate(PROMPTS)]
    edit = FeatureEdit([Change(9, "add", 50.0)], positions_of(later, PROMPTS), loaded)
    edited = texts(model, PROMPTS, {HOOK: edit}, **options)
    assert [t[:4] for t in edited] == [t[:4] for t in bare] and edited != bare


# --- where ----------------------------------------------------------------------------------------------


def test_positions_are_the_content_s_and_what_is_written() -> None:
    positions = torch.tensor([[*range(14)], [*range(13), -1], [*range(14)]])
    rows = torch.tensor([0, 1, 2])

    def found(mode: Any) -> list[list[int]]:
        at = positions_of(mode, PROMPTS)(positions, rows)
        return [positions[row][at[row]].tolist() for row in range(3)]

    content = [[2, 3, 4, 5, 6, 7], [0, 1, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]]
    behind = [[*range(9, 14)], [*range(4, 13)], [12, 13]]
    assert found("prompt") == content and found("generated") == behind
    assert found("all") == [a + b for a, b in zip(content, behind, strict=True)]
    assert found("last") == [[7], [3], [9]]
    assert found("first-2") == [b[:2] for b in behind]
    assert found([(0, 3), (1, 6)]) == [[3], [6], []]


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("everywhere", "choose all, prompt"),
        ("first-0", "choose all, prompt"),
        ([(0, 0)], "never edited"),
        ([(2, 11)], "never edited"),
        ([(7, 1)], "no position"),
    ],
)
def test_other_positions_are_refused(mode: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        positions_of(mode, PROMPTS)


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([(64, "add", 1.0)], "no feature 64"),
        ([(-1, "add", 1.0)], "no feature -1"),
        ([(3, "add", 1.0), (3, "set", 1.0)], "twice"),
        ([(3, "push", 1.0)], "op is one of"),
        ([(3, "add", float("nan"))], "finite"),
    ],
)
def test_changes_that_cannot_be_made_are_refused(
    changes: list[tuple[int, Any, float]], message: str, root: Path
) -> None:
    loaded, _ = sae(root, "standard")
    with pytest.raises(InputError, match=message):
        FeatureEdit([Change(*change) for change in changes], everywhere(), loaded)


def test_directions_that_cannot_be_used_are_refused(root: Path) -> None:
    for direction in (torch.zeros(HIDDEN), torch.full((HIDDEN,), torch.inf), torch.ones(2, HIDDEN)):
        with pytest.raises(InputError, match="direction"):
            Change(None, "add", 1.0, direction)
    with pytest.raises(InputError, match="no activation"):
        Change(None, "scale", 1.0, torch.ones(HIDDEN))
    with pytest.raises(InputError, match="needs a feature or a direction"):
        Change(None)
    with pytest.raises(InputError, match="name one"):
        FeatureEdit([Change(3)], everywhere())


def test_a_transcoder_is_refused(root: Path) -> None:
    loaded, _ = sae(root, "transcoder")
    with pytest.raises(InputError, match="transcoder"):
        FeatureEdit([Change(3, "add", 1.0)], everywhere(), loaded)


# --- against transformer-lens -------------------------------------------------------------------------------


@torch.no_grad()
def test_steering_equals_a_hook_of_transformer_lens(root: Path) -> None:
    """The same vector added by a hook of another library: equal logits, and the same greedy text."""
    from test_hooks import epsilon, lens_cache

    place = save_model("gpt2", root / "gpt2", **epsilon("gpt2"))
    lens, _ = lens_cache("gpt2", place)
    ours = CausalModel.load(place, dtype="float32", device="cpu")
    loaded, theirs = sae(root, "standard")
    asked = prompt(9, 5, (3,), True)
    edit = FeatureEdit([Change(7, "add", 2.5)], positions_of("all", [asked]), loaded)
    ids = torch.from_numpy(asked.ids)[None]
    inside = torch.from_numpy(asked.content())

    def add(value: torch.Tensor, hook: Any) -> torch.Tensor:
        at = torch.cat([inside, torch.ones(value.shape[1] - len(inside), dtype=torch.bool)])
        return value + at[None, :, None] * 2.5 * theirs.W_dec[7]

    hooked = [(HOOK, add)]
    expected = lens.run_with_hooks(ids, fwd_hooks=hooked)
    plain = ours.logits(ids, torch.ones_like(ids))
    actual = ours.logits(ids, torch.ones_like(ids), edits={HOOK: edit})
    scale = float(expected.abs().max())
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=2e-5 * scale)
    assert (actual - plain).abs().max() > 0.01 * scale
    whole = ids
    for _ in range(12):  # without a cache, the whole text anew for each token
        last = lens.run_with_hooks(whole, fwd_hooks=hooked)[0, -1]
        whole = torch.cat([whole, last.argmax()[None, None]], dim=1)
    ours.eos_ids = frozenset()
    [text] = ours.generate([asked], temperature=0, max_new_tokens=12, edits={HOOK: edit})
    [bare] = ours.generate([asked], temperature=0, max_new_tokens=12)
    assert text.ids.tolist() == whole[0, len(asked) :].tolist()
    assert bare.ids.tolist() != text.ids.tolist()
