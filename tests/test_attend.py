"""attend: patterns and scores against independent computations, planted heads, and what is refused."""

from __future__ import annotations

import functools
import json
import math
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from planted_heads import (
    DUPLICATE,
    EVEN,
    INDUCTION,
    NAMES,
    PREVIOUS,
    save_named,
    save_planted,
)
from test_causal import load
from test_cli import place, saetext
from tiny_models import FAMILIES, save_model

from saetext.errors import InputError, ReaderError
from saetext.intervene.heads import attend
from saetext.intervene.heads.probes import repeated, sentences
from saetext.intervene.heads.request import AttendRequest
from saetext.intervene.heads.result import SCORES
from saetext.intervene.heads.scoring import attended, places_of, uniform
from saetext.reader.attention import Heads

__all__ = ["place"]

TEXT = "The quick brown fox jumps over the lazy dog"
CAUSAL = ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_neox"]


@functools.cache
def saved(family: str) -> Path:
    directory = Path(tempfile.mkdtemp(prefix="saetext heads ")) / family
    return save_planted(directory) if family == "planted" else save_named(family, directory)


def ids_of(model: Any) -> torch.Tensor:
    return torch.from_numpy(model.encode_prompt(TEXT, raw=True).ids)[None]


# --- patterns -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", CAUSAL)
def test_patterns_are_those_of_transformers(family: str) -> None:
    model = load(saved(family))
    found = attend(model, TEXT, probes=2, sentences=0)
    loader = getattr(transformers, FAMILIES[family][2])
    own = loader.from_pretrained(
        saved(family), attn_implementation="eager", dtype=torch.float32, trust_remote_code=False
    ).eval()
    with torch.no_grad():
        expected = own(ids_of(model), output_attentions=True, use_cache=False).attentions
    np.testing.assert_allclose(found.patterns, torch.cat(expected).numpy(), atol=1e-6)
    assert "".join(found.tokens["token"]).endswith(TEXT)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_patterns_are_those_of_queries_and_keys(family: str) -> None:
    """From the hidden states up: norm, projections, rotary positions, shared keys, cap, window, softmax."""
    model = load(saved(family), dtype="float64")
    found = attend(model, TEXT, probes=2, sentences=0)
    own = getattr(transformers, FAMILIES[family][2]).from_pretrained(
        saved(family), dtype=torch.float64, trust_remote_code=False
    )
    config = own.config
    ids = ids_of(model)
    n, size = ids.shape[1], getattr(config, "head_dim", None) or config.hidden_size // 4
    hooks = [f"blocks.{layer}.hook_resid_pre" for layer in range(3)]
    hidden = model.hidden(ids, torch.ones_like(ids), hooks=hooks)
    angle = torch.arange(n)[:, None] * 1e4 ** (-torch.arange(0, size, 2) / size)

    def turned(x: torch.Tensor) -> torch.Tensor:
        one, two = x[..., : size // 2], x[..., size // 2 :]
        cos, sin = angle.cos(), angle.sin()
        return torch.cat([one * cos - two * sin, two * cos + one * sin], dim=-1)

    for layer in range(3):
        block = own.model.layers[layer]
        x = hidden[hooks[layer]][0]
        gain = block.input_layernorm.weight + (family == "gemma2")
        x = x / (x.square().mean(-1, keepdim=True) + config.rms_norm_eps).sqrt() * gain
        q, k = ((x @ w.weight.T).unflatten(-1, (-1, size)).transpose(0, 1)
                for w in (block.self_attn.q_proj, block.self_attn.k_proj))  # fmt: skip
        scores = turned(q) @ turned(k).repeat_interleave(2, dim=0).transpose(1, 2) / math.sqrt(size)
        seen = torch.ones(n, n).tril().bool()
        if family == "gemma2":
            scores = 2.0 * (scores / 2.0).tanh()
            if config.layer_types[layer] == "sliding_attention":
                seen &= torch.ones(n, n).triu(-config.sliding_window + 1).bool()
        expected = scores.masked_fill(~seen, -math.inf).softmax(-1)
        np.testing.assert_allclose(found.patterns[layer], expected.detach().numpy(), atol=1e-6)


def test_the_model_is_as_it_was_afterwards() -> None:
    model = load(saved("llama"))
    ids = ids_of(model)
    before = model.logits(ids, torch.ones_like(ids))

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Heads(model).watched(stop):
        model.logits(ids, torch.ones_like(ids))
    attend(model, TEXT, probes=2, sentences=0)
    assert model._model.config._attn_implementation == "sdpa"
    assert torch.equal(model.logits(ids, torch.ones_like(ids)), before)


# --- what heads write ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3_text", "gpt2", "gpt_neox"])
def test_direct_effects_of_all_parts_add_up_to_the_logit(family: str) -> None:
    """Embedding, attention and MLP along the readout: the logit less the mean over tokens, before any cap."""
    model = load(saved(family), dtype="float64")
    heads = Heads(model)
    ids = ids_of(model)
    parts = [f"blocks.{i}.{part}" for i in range(3) for part in ("hook_attn_out", "hook_mlp_out")]
    zs = [heads.z_hook(i) for i in range(3)]
    hidden = model.hidden(ids, torch.ones_like(ids), hooks=["blocks.0.hook_resid_pre", *parts, *zs,
                                                            heads.last_hook])  # fmt: skip
    last = hidden[heads.last_hook][0]
    tokens = torch.arange(len(last)) + 20
    along = heads.readout(last, tokens)
    base, head = model._base, model._model.get_output_embeddings()
    final = {"gpt2": "ln_f", "gpt_neox": "final_layer_norm"}.get(family, "norm")
    with torch.no_grad():
        logits = head(base.get_submodule(final)(last))
        bias = getattr(base.get_submodule(final), "bias", None)
        constant = 0.0 if bias is None else bias @ (head.weight[tokens] - head.weight.mean(0)).T
    expected = logits.gather(1, tokens[:, None])[:, 0] - logits.mean(1)
    total = sum((hidden[name][0] * along).sum(-1) for name in ("blocks.0.hook_resid_pre", *parts))
    # the norm of Llama and Gemma rounds to float32, whatever the dtype
    close = 1e-9 if family.startswith("gpt") else 3e-6
    torch.testing.assert_close(total + constant, expected, rtol=close, atol=close)
    for layer in range(3):
        out = (hidden[f"blocks.{layer}.hook_attn_out"][0] * along).sum(-1)
        module = model._base.get_submodule(
            {"gpt2": "h", "gpt_neox": "layers"}.get(family, "layers") + f".{layer}"
        )
        dense = {"gpt2": "attn.c_proj", "gpt_neox": "attention.dense"}.get(family)
        bias = 0.0 if dense is None else along @ module.get_submodule(dense).bias.detach()
        found = heads.effects(layer, hidden[zs[layer]][0], along)
        assert found.shape == (len(last), 4)
        torch.testing.assert_close(found.sum(-1), out - bias, rtol=close, atol=close)


def test_one_head_s_effect_is_what_the_residual_loses_without_it() -> None:
    model = load(saved("llama"), dtype="float64")
    heads, ids = Heads(model), ids_of(model)
    z_hook, out_hook = heads.z_hook(2), "blocks.2.hook_attn_out"
    hooks = [z_hook, out_hook, heads.last_hook]
    whole = model.hidden(ids, torch.ones_like(ids), hooks=hooks)
    along = heads.readout(whole[heads.last_hook][0], torch.full((ids.shape[1],), 30))
    found = heads.effects(2, whole[z_hook][0], along)
    for head in range(4):

        def without(z: torch.Tensor, positions: Any, rows: Any, head: int = head) -> torch.Tensor:
            z[..., 8 * head : 8 * head + 8] = 0
            return z.clone()

        cut = model.hidden(ids, torch.ones_like(ids), hooks=hooks, edits={z_hook: without})
        lost = ((whole[out_hook] - cut[out_hook])[0] * along).sum(-1)
        torch.testing.assert_close(found[:, head], lost, rtol=1e-9, atol=1e-9)


# --- scores -------------------------------------------------------------------------------------------------


def test_planted_heads_are_found_and_only_there() -> None:
    found = attend(load(saved("planted")), TEXT, probes=8)
    row = {(r["layer"], r["head"]): r for r in found.table.to_dicts()}
    assert row[PREVIOUS]["previous_token"] > 0.95 and row[PREVIOUS]["previous_token_null"] < 0.05
    assert row[INDUCTION]["induction"] > 0.95 and row[INDUCTION]["induction_null"] < 0.2
    # it attends to itself, which is the same token too
    assert row[DUPLICATE]["duplicate_token"] == pytest.approx(0.5, abs=0.02)
    assert row[DUPLICATE]["duplicate_token_null"] < 0.02
    for score, own in (
        ("previous_token", PREVIOUS),
        ("induction", INDUCTION),
        ("duplicate_token", DUPLICATE),
    ):
        assert found.best(score, 1).select("layer", "head").row(0) == own
        assert found.best(score, 0).height == found.table[score].count() > 1
        others = [r[score] for at, r in row.items() if at != own]
        assert max(others) < 0.15, score
        assert row[EVEN][score] == pytest.approx(found.metrics["uniform"][score], rel=1e-4)
    for head in row.values():  # none writes anything to the logits
        assert head["name_effect"] == pytest.approx(0, abs=1e-3) or (head["layer"], head["head"]) == PREVIOUS


def test_scores_are_means_over_places_in_plain_loops() -> None:
    model = load(saved("llama"))
    found = attend(model, TEXT, probes=3, seed=5, batch=2)
    probes = repeated(model, 3, 5)
    places = places_of(probes.prefix, probes.period, 5)
    own = transformers.LlamaForCausalLM.from_pretrained(
        saved("llama"), attn_implementation="eager", trust_remote_code=False
    ).eval()
    with torch.no_grad():
        twice, once = (
            torch.stack(own(torch.from_numpy(ids), output_attentions=True).attentions)
            for ids in (probes.twice, probes.once)
        )
    t, p = probes.period, probes.prefix
    looked = {
        "duplicate_token": [(i, i - t) for i in range(p + t, p + 2 * t)],
        "induction": [(i, i - t + 1) for i in range(p + t, p + 2 * t)],
        "previous_token": [(i, i - 1) for i in range(p + 1, p + 2 * t)],
    }
    for score, pairs in looked.items():
        for layer in range(3):
            for head in range(4):
                row = found.table.row(layer * 4 + head, named=True)
                value = np.mean([[float(twice[layer, b, head, i, j]) for i, j in pairs] for b in range(3)])
                assert row[score] == pytest.approx(value, rel=1e-4)
                where = pairs if score != "previous_token" else places["elsewhere"].tolist()
                null = np.mean([[float(once[layer, b, head, i, j]) for i, j in where] for b in range(3)])
                assert row[f"{score}_null"] == pytest.approx(null, rel=1e-4)
        even = np.mean([1 / (i + 1) for i, _ in pairs])
        assert found.metrics["uniform"][score] == pytest.approx(even)
    assert all(j < i - 1 for i, j in places["elsewhere"].tolist())
    for ids, again in ((probes.twice, True), (probes.once, False)):
        for row in ids[:, p:]:
            assert (row[:t].tolist() == row[t:].tolist()) == again
            assert len(set(row.tolist())) == (t if again else 2 * t)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_name_movers_are_attention_times_direct_effect(family: str) -> None:
    """Sentence by sentence, with transformers' patterns and the weights in plain algebra."""
    model = load(saved(family))
    found = attend(model, TEXT, probes=2, sentences=8, batch=3)
    given = sentences(model, 8, 0)
    assert len(given) == found.metrics["sentences"] == 8
    own = getattr(transformers, FAMILIES[family][2]).from_pretrained(
        saved(family), attn_implementation="eager", dtype=torch.float32, trust_remote_code=False
    )
    config, base = own.config, own.model
    extra = 1.0 if family == "gemma2" else 0.0
    size = getattr(config, "head_dim", None) or config.hidden_size // 4
    expected, null, right = np.zeros((3, 4)), np.zeros((3, 4)), 0

    def norm(x: torch.Tensor) -> torch.Tensor:
        return (x.square().mean() + config.rms_norm_eps).rsqrt()

    for sentence in given:
        z: dict[int, torch.Tensor] = {}
        last: list[torch.Tensor] = []
        handles = [
            layer.self_attn.o_proj.register_forward_pre_hook(
                lambda _, args, i=i: z.__setitem__(i, args[0][0, -1].detach())
            )
            for i, layer in enumerate(base.layers)
        ]
        handles.append(
            base.norm.register_forward_pre_hook(lambda _, args: last.append(args[0][0, -1].detach()))
        )
        with torch.no_grad():
            done = own(torch.tensor([sentence.ids]), output_attentions=True, use_cache=False)
        for handle in handles:
            handle.remove()
        right += bool(done.logits[0, -1, sentence.name] > done.logits[0, -1, sentence.other])
        table = own.lm_head.weight.detach()
        for i, layer in enumerate(base.layers):
            weight = layer.self_attn.o_proj.weight.detach()
            for head in range(4):
                written = weight[:, head * size : (head + 1) * size] @ z[i][head * size : (head + 1) * size]
                if family == "gemma2":
                    after = layer.post_attention_layernorm.weight.detach() + 1
                    written = written * norm(weight @ z[i]) * after
                written = written * norm(last[0]) * (base.norm.weight.detach() + extra)
                logits = table @ written
                looks = done.attentions[i][0, head, -1, sentence.at]
                expected[i, head] += float(looks * (logits[sentence.name] - logits.mean())) / 8
                null[i, head] += float(looks * (logits[sentence.absent] - logits.mean())) / 8
    np.testing.assert_allclose(found.table["name_mover"].to_numpy().reshape(3, 4), expected, atol=2e-5)
    np.testing.assert_allclose(found.table["name_mover_null"].to_numpy().reshape(3, 4), null, atol=2e-5)
    assert found.metrics["names_right"] == right / 8


def test_sentences_are_balanced_and_name_what_comes_next_once() -> None:
    model = load(saved("llama"))
    given = sentences(model, 40, 1)
    assert len(given) == 40 and {s.text.split()[0] for s in given} > {"After", "When"}
    first = 0
    for s in given:
        name, other, absent = (model.tokenizer.decode([t]).strip() for t in (s.name, s.other, s.absent))
        assert {name, other, absent} <= set(NAMES) and absent not in s.text
        assert s.text.count(name) == 1 and s.text.count(other) == 2 and s.text.endswith(" to")
        assert s.ids[s.at] == s.name
        first += s.text.index(name) < s.text.index(other)
    assert first == 20
    assert sentences(load(save_model("llama", Path(tempfile.mkdtemp()) / "m")), 4, 0) == []


def test_even_attention_is_the_mean_share() -> None:
    places = torch.tensor([[1, 0], [3, 2]])
    assert uniform(places) == pytest.approx((1 / 2 + 1 / 4) / 2)
    pattern = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert attended(pattern, places).tolist() == [[(4 + 14) / 2]]


def test_layers_alone_give_the_same_rows() -> None:
    model = load(saved("llama"))
    whole, some = (attend(model, TEXT, probes=2, sentences=4, layers=layers) for layers in (None, "0,2"))
    kept = whole.table.filter(pl.col("layer") != 1)
    assert some.table["layer"].to_list() == kept["layer"].to_list()
    for name in some.table.columns:
        np.testing.assert_allclose(some.table[name].to_numpy(), kept[name].to_numpy(), atol=1e-9)
    np.testing.assert_array_equal(some.patterns, whole.patterns[[0, 2]])
    assert some.metrics["layers"] == 2
    again = attend(model, TEXT, probes=2, sentences=4)
    assert again.table.equals(whole.table)
    assert not attend(model, TEXT, probes=2, sentences=4, seed=1).table.equals(whole.table)


def test_scores_do_not_depend_on_the_batch() -> None:
    model = load(saved("gemma2"))
    one, other = (attend(model, TEXT, probes=5, sentences=5, batch=batch).table for batch in (1, 4))
    for name in one.columns:
        np.testing.assert_allclose(one[name].to_numpy(), other[name].to_numpy(), atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_bfloat16_gives_about_the_same(family: str) -> None:
    one, other = (
        attend(load(saved(family), dtype=dtype), TEXT, probes=2, sentences=4).table
        for dtype in ("float32", "bfloat16")
    )
    for name in one.columns:
        np.testing.assert_allclose(one[name].to_numpy(), other[name].to_numpy(), atol=0.1)
    for name in ("previous_token", "name_effect"):
        assert np.corrcoef(one[name].to_numpy(), other[name].to_numpy())[0, 1] > 0.95


# --- what is refused, cut and noted -------------------------------------------------------------------------


def test_long_texts_are_cut_with_a_line() -> None:
    model = load(saved("llama"))
    found = attend(model, "dog " * 5000, probes=2, sentences=0, max_tokens=10)
    assert found.tokens.height == 10 and found.patterns.shape[-1] == 10
    [note] = [note for note in found.notes if note.startswith("the text has")]
    assert note.endswith("tokens: the first 10 are shown")
    small = load(save_model("llama", Path(tempfile.mkdtemp()) / "m"))
    window = attend(small, "dog " * 500, probes=2, max_tokens=256)
    assert window.patterns.shape[-1] == 64  # the model's positions


def test_a_model_without_names_says_so() -> None:
    found = attend(load(save_model("gpt2", Path(tempfile.mkdtemp()) / "m")), TEXT, probes=2)
    assert found.table["name_mover"].null_count() == found.table.height
    assert any("too few first names" in note for note in found.notes)
    assert (
        found.metrics["names_right"] is None and json.loads(found.to_json())["rows"][0]["name_mover"] is None
    )


def test_a_model_that_does_not_do_the_task_is_noted() -> None:
    found = attend(load(saved("llama")), TEXT, probes=2, sentences=16)
    assert found.metrics["names_right"] < 0.75
    assert any(note.startswith("the model prefers the right name after") for note in found.notes)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "the text is empty"),
        (" \n", {}, "the text is empty"),
        (TEXT, {"layers": "7"}, "there is no layer 7: .* has 0 to 2"),
        (TEXT, {"layers": "0-9"}, "there is no layer 9"),
        (TEXT, {"layers": "x"}, "numbers and ranges such as 0,3-5, not 'x'"),
        (TEXT, {"layers": "2-1"}, "numbers and ranges"),
        (TEXT, {"layers": ""}, "numbers and ranges"),
        (TEXT, {"layers": "-1"}, "numbers and ranges"),
        (TEXT, {"max_tokens": 1}, "max_tokens must be at least 2"),
        (TEXT, {"max_tokens": 1000}, "max_tokens must be at most 256"),
        (["a"], {}, "the text is one string"),
        (TEXT, {"device": "cpu"}, "the model is loaded already"),
    ],
)
def test_what_cannot_be_done_is_one_line(text: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        attend(load(saved("llama")), text, **options)
    assert "\n" not in str(caught.value)


def test_encoders_and_tiny_windows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="reads, it cannot write"):
        attend("embedded", TEXT)
    with pytest.raises(ReaderError, match="reads, it cannot write"):
        attend(save_model("bert", tmp_path / "bert"), TEXT)
    small = save_model("llama", tmp_path / "small", max_position_embeddings=7)
    with pytest.raises(InputError, match="too small to score heads"):
        attend(load(small), "a")
    assert AttendRequest(layers="2,0-1").chosen(3, "x") == (0, 1, 2)


def test_the_command(place: Path) -> None:
    done = saetext(
        "attend", saved("llama"), TEXT, "--probes", 2, "--sentences", 4, "--top", 2, "--device", "cpu",
        "--html", "heads.html", "--parquet", "heads.parquet",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "previous token: attention to the token before" in done.out and "name mover" in done.out
    assert pl.read_parquet("heads.parquet").height == 12
    page = Path("heads.html").read_text("utf-8")
    tables = re.findall(r"<tbody.*?</tbody>", page[page.index('id="best"') :], re.S)
    assert [table.count("<tr") for table in tables] == [2] * len(SCORES)
    told = saetext(
        "attend", saved("llama"), TEXT, "--layers", "1", "--probes", 2, "--json", "--device", "cpu"
    )
    found = json.loads(told.out)
    assert found["kind"] == "attend" and len(found["rows"]) == 4 and found["tokens"][0]["position"] == 0
    for wrong, message in (
        (["embedded", TEXT], "cannot write"),
        ([saved("llama"), " "], "the text is empty"),
        ([saved("llama"), TEXT, "--layers", "3"], "there is no layer 3"),
        ([saved("llama"), TEXT, "--html", "heads.html"], "exists"),
    ):
        refused = saetext("attend", *wrong)
        assert message in refused.error and "\n" not in refused.error
