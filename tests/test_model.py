"""Loading a model as far as its deepest hook: what is read, what is refused, and what padding does."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tiny_models import (
    FAMILIES,
    HOOK,
    batch,
    edit_config,
    load,
    make_model,
    make_tokenizer,
    refusal,
    save_model,
)
from tiny_reader import make_sae

from saetext.errors import ReaderError
from saetext.reader import bert, embedded
from saetext.reader import checkpoint as checkpoint_module
from saetext.reader.building import build
from saetext.reader.configuration import config_of
from saetext.reader.device import choose_device, choose_dtype
from saetext.reader.hooks import architecture_of
from saetext.reader.language_model import LanguageModel
from saetext.reader.reader import Reader

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("models")
    return cache(lambda family: save_model(family, root / family))


@pytest.fixture
def llama(saved: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a saved model that a test may damage."""
    return Path(shutil.copytree(saved("llama"), tmp_path / "ein Modell ☃"))


# --- what is read -------------------------------------------------------------------------------------------


def watch_tensors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the names of the tensors read from safetensors files."""
    read: list[str] = []

    class Watched:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.inner = real(*args, **kwargs)

        def __enter__(self) -> Watched:
            self.inner.__enter__()
            return self

        def __exit__(self, *error: Any) -> None:
            self.inner.__exit__(*error)

        def keys(self) -> list[str]:
            return list(self.inner.keys())

        def get_tensor(self, name: str) -> torch.Tensor:
            read.append(name)
            return self.inner.get_tensor(name)

    real = checkpoint_module.safe_open
    monkeypatch.setattr(checkpoint_module, "safe_open", Watched)
    return read


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_only_tensors_up_to_the_hook_are_read(
    family: str, saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = list(load_file(saved(family) / "model.safetensors"))
    text = [n for n in names if "vision" not in n and "multi_modal" not in n]
    # a layer's number stands in the name; what has none belongs to the embeddings or comes at the end
    layer = {n: next((int(p) for p in n.split(".") if p.isdigit()), None) for n in text}
    ends = ("norm", "ln_f", "lm_head", "embed_out", "pooler", "cls.", "final_layer_norm")
    embeds = [n for n in text if layer[n] is None and not any(e in n for e in ends)]
    for hook, layers in (
        ("hook_embed", 0),
        ("blocks.0.hook_resid_pre", 0),
        ("blocks.1.hook_resid_pre", 1),
        ("blocks.0.attn.hook_z", 1),
        ("blocks.1.hook_mlp_out", 2),
    ):
        with monkeypatch.context() as patch:
            read = watch_tensors(patch)
            model = load(saved(family), hook)
        wanted = embeds + [n for n in text if layer[n] is not None and layer[n] < layers]
        wanted += [n for n in text if "embeddings.LayerNorm" in n and n not in wanted]
        assert sorted(read) == sorted(wanted)
        assert model.n_layers_built == layers
        kinds = getattr(model._model.config, "layer_types", None)
        assert kinds is None or len(kinds) == max(layers, 1)
        held = [p for p in model._model.parameters() if not p.is_meta]
        assert len(held) == len(wanted)
        assert model.hidden(*batch(7, 7))[hook].isfinite().all()


def test_later_shards_may_be_garbage_or_missing(tmp_path: Path) -> None:
    directory = save_model("qwen3", tmp_path / "sharded", num_hidden_layers=6, max_shard_size="40KB")
    ids, mask = batch(9)
    with torch.no_grad():
        whole = transformers.AutoModel.from_pretrained(directory, trust_remote_code=False)
        expected = whole(ids, output_hidden_states=True).hidden_states[2]
    index = json.loads((directory / "model.safetensors.index.json").read_text())["weight_map"]
    needed = {f for n, f in index.items() if "embed" in n or ".layers.0." in n or ".layers.1." in n}
    others = set(index.values()) - needed
    assert len(others) >= 2
    for i, name in enumerate(sorted(others)):
        (directory / name).unlink() if i % 2 else (directory / name).write_bytes(b"garbage")
    model = load(directory)
    assert set(model.weight_files_read) == needed
    torch.testing.assert_close(model.hidden(ids, mask)[HOOK], expected, rtol=1e-5, atol=1e-5)

    file = sorted(others)[0]
    assert file in refusal(directory, "blocks.5.hook_resid_post")  # the garbage one, or the missing one
    for damage in (lambda p: p.write_bytes(b""), lambda p: p.unlink()):
        damage(directory / sorted(needed)[0])
        assert sorted(needed)[0] in refusal(directory)


def test_overwriting_the_weights_leaves_a_loaded_model_alone(llama: Path) -> None:
    model = load(llama)
    before = model.hidden(*batch(6))[HOOK]
    size = (llama / "model.safetensors").stat().st_size
    with (llama / "model.safetensors").open("r+b") as file:
        file.write(b"\xff" * size)
        file.flush()
        assert torch.equal(model.hidden(*batch(6))[HOOK], before)
        file.truncate(0)
        assert torch.equal(model.hidden(*batch(6))[HOOK], before)


def test_the_forward_pass_stops_at_the_hook(saved: Callable[[str], Path]) -> None:
    def explode(*_: Any) -> None:
        raise AssertionError("ran past the deepest hook")

    for family, after in (
        ("gpt2", "h.1.mlp"),
        ("gemma2", "layers.1.mlp"),
        ("bert", "encoder.layer.1.intermediate"),
    ):
        model = load(saved(family), "blocks.1.hook_attn_out", "blocks.0.hook_resid_post")
        model._model.get_submodule(after).register_forward_pre_hook(explode)
        assert len(model.hidden(*batch(5))) == 2


def test_several_hooks_are_fed_by_one_pass(saved: Callable[[str], Path]) -> None:
    hooks = ["blocks.1.attn.hook_z", "hook_embed", "blocks.0.hook_resid_post", "blocks.1.hook_resid_pre"]
    ids, mask = batch(9, 4)
    model = load(saved("gpt_neox"), *hooks, hooks[0])
    passes: list[int] = []
    model._model.get_submodule("embed_in").register_forward_hook(lambda *_: passes.append(1))
    together = model.hidden(ids, mask)
    assert len(passes) == 1 and list(model.widths) == hooks
    for hook in hooks:
        assert torch.equal(together[hook], load(saved("gpt_neox"), hook).hidden(ids, mask)[hook])
    assert torch.equal(together["blocks.0.hook_resid_post"], together["blocks.1.hook_resid_pre"])
    again = model.hidden(ids, mask)  # nothing is left behind by the first call
    assert all(torch.equal(again[h], together[h]) for h in hooks)


@pytest.mark.parametrize("prefix", ["", "model.", "some.wrapper.model."])
def test_names_may_have_any_prefix(prefix: str, llama: Path) -> None:
    expected = load(llama).hidden(*batch(6))[HOOK]
    tensors = load_file(llama / "model.safetensors")
    renamed = {prefix + n.removeprefix("model."): t for n, t in tensors.items() if n != "lm_head.weight"}
    renamed["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.full((4,), 9.0)  # old checkpoints have it
    save_file(renamed, llama / "model.safetensors")
    assert torch.equal(load(llama).hidden(*batch(6))[HOOK], expected)


@pytest.mark.parametrize("prefix", ["language_model.model.", "model.language_model."])
def test_nested_gemma3_names(prefix: str, saved: Callable[[str], Path], tmp_path: Path) -> None:
    directory = Path(shutil.copytree(saved("gemma3"), tmp_path / "gemma3"))
    expected = load(directory).hidden(*batch(6))[HOOK]
    tensors = load_file(directory / "model.safetensors")
    (old,) = [n.removesuffix("embed_tokens.weight") for n in tensors if n.endswith("embed_tokens.weight")]
    save_file({n.replace(old, prefix, 1): t for n, t in tensors.items()}, directory / "model.safetensors")
    model = load(directory)
    assert torch.equal(model.hidden(*batch(6))[HOOK], expected)
    assert model.config.model_type == "gemma3_text"


def test_first_bert_checkpoints_name_their_norms_differently(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    directory = Path(shutil.copytree(saved("bert"), tmp_path / "bert"))
    expected = load(directory).hidden(*batch(6))[HOOK]
    tensors = load_file(directory / "model.safetensors")
    old = {
        n.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): t
        for n, t in tensors.items()
    }
    save_file(old, directory / "model.safetensors")
    assert torch.equal(load(directory).hidden(*batch(6))[HOOK], expected)


# --- running ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_padded_equals_unpadded(family: str, saved: Callable[[str], Path]) -> None:
    hooks = ["blocks.2.hook_resid_post", "blocks.1.attn.hook_z"]
    model = load(saved(family), *hooks)
    ids, mask = batch(17, 1, 9, 17)
    padded = model.hidden(ids, mask)
    for row, length in enumerate(mask.sum(1).tolist()):
        alone = model.hidden(ids[row : row + 1, :length], mask[row : row + 1, :length])
        for hook in hooks:
            scale = float(alone[hook].abs().max())
            torch.testing.assert_close(
                padded[hook][row, :length], alone[hook][0], rtol=1e-5, atol=1e-5 * scale
            )
    as_bool = model.hidden(ids.int(), mask.bool())
    assert all(torch.equal(as_bool[h], padded[h]) for h in hooks)


def test_bert_needs_the_mask_it_is_given(saved: Callable[[str], Path]) -> None:
    model = load(saved("bert"))
    ids, mask = batch(9, 4)
    ignored = model.hidden(ids, torch.ones_like(mask))[HOOK][1, :4]
    assert (ignored - model.hidden(ids, mask)[HOOK][1, :4]).abs().max() > 0.01


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_bert_of_our_own_gives_the_bits_of_transformers(
    dtype: str, saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = [
        "hook_embed", "blocks.0.attn.hook_z", "blocks.0.hook_resid_mid", "blocks.1.hook_mlp_out",
        "blocks.1.ln2.hook_normalized", "blocks.1.hook_normalized_resid_post",
    ]  # fmt: skip
    sources: list[tuple[str | Path, list[str]]] = [(saved("bert"), hooks)]
    sources.append((embedded.find_model(), ["blocks.4.hook_resid_pre"]))
    for source, names in sources:
        ours = load(source, *names, dtype=dtype)
        with monkeypatch.context() as patch:
            patch.setattr(bert, "reads", lambda config: False)
            theirs = load(source, *names, dtype=dtype)
        assert isinstance(ours._model, bert.Bert) and not isinstance(theirs._model, bert.Bert)
        for ids, mask in (batch(17, 1, 9, 17), batch(12, 12), batch(1)):
            read, expected = ours.hidden(ids, mask), theirs.hidden(ids, mask)
            for name in names:
                assert torch.equal(read[name][mask.bool()], expected[name][mask.bool()]), name


@pytest.mark.parametrize(
    "change", [{"is_decoder": True}, {"hidden_act": "relu"}, {"chunk_size_feed_forward": 3}], ids=str
)
def test_what_is_no_plain_encoder_is_left_to_transformers(change: dict[str, Any], tmp_path: Path) -> None:
    model = load(save_model("bert", tmp_path / "m", **change))
    assert not isinstance(model._model, bert.Bert)
    assert model.hidden(*batch(9, 4))[HOOK].isfinite().all()


def test_bidirectional_gemma3_sees_to_the_right(tmp_path: Path) -> None:
    directory = save_model("gemma3_text", tmp_path / "m", use_bidirectional_attention=True)
    model = load(directory)
    ids, mask = batch(9, 4)
    with torch.no_grad():
        full = transformers.AutoModel.from_pretrained(
            directory, attn_implementation="eager", trust_remote_code=False
        )
        expected = full(ids, attention_mask=mask, output_hidden_states=True).hidden_states[2]
    actual = model.hidden(ids, mask)[HOOK]
    torch.testing.assert_close(actual[mask.bool()], expected[mask.bool()], rtol=1e-5, atol=1e-4)
    longer, _ = batch(9, 9)
    assert (model.hidden(longer, torch.ones_like(longer))[HOOK][1, 0] - actual[1, 0]).abs().max() > 0.01


BIDIRECTIONAL = [
    ("bert", {}, True),
    ("bert", {"is_decoder": True}, False),
    ("gpt2", {}, False),
    ("gpt2", {"is_causal": False}, True),
    ("llama", {}, False),
    ("llama", {"use_bidirectional_attention": True}, False),  # no flag of this family: it is ignored
    ("llama", {"is_causal": False}, True),
    ("mistral", {"is_causal": False}, True),
    ("gemma", {"use_bidirectional_attention": True}, True),
    ("gemma2", {}, False),
    ("gemma2", {"use_bidirectional_attention": True}, True),
    ("gemma3_text", {"use_bidirectional_attention": False}, False),
    ("gemma3_text", {"use_bidirectional_attention": True}, True),
    ("gemma3", {"use_bidirectional_attention": True}, True),
]


@pytest.mark.parametrize(("family", "config", "expected"), BIDIRECTIONAL)
def test_bidirectional_is_what_attention_does(
    family: str, config: dict[str, Any], expected: bool, tmp_path: Path
) -> None:
    """The configuration's word, what the last token does to the first, and how windows are cut."""
    directory = save_model(family, tmp_path / "m", **config)
    model = load(directory)
    assert model.bidirectional is expected
    ids, _ = batch(9, 9)
    other = ids.clone()
    for length in (9, 5):  # without padding and with it, which takes another path through the masks
        mask = (torch.arange(9) < torch.tensor([9, length])[:, None]).long()
        other[:, length - 1] = (ids[:, length - 1] + 1) % 190
        change = model.hidden(other * mask, mask)[HOOK] - model.hidden(ids * mask, mask)[HOOK]
        assert bool(change[1, 0].abs().max() > 1e-3) is expected
    sae = make_sae(tmp_path / "sae", hook=HOOK, seed=0)
    reader = Reader.load_local(sae, directory, device="cpu", dtype="float32")
    assert reader.tokens.bidirectional is expected


def test_impossible_batches_are_programming_errors(saved: Callable[[str], Path]) -> None:
    model = load(saved("gpt2"))
    assert model.max_positions == 64
    with pytest.raises(ValueError, match=r"65 tokens.*64 positions"):
        model.hidden(*batch(65))
    with pytest.raises(ValueError, match="right"):
        model.hidden(torch.ones(1, 3, dtype=torch.long), torch.tensor([[0, 1, 1]]))
    with pytest.raises(ValueError, match="no hooks"):
        LanguageModel.load(saved("gpt2"), [])


def test_dtypes(saved: Callable[[str], Path]) -> None:
    ids, mask = batch(12, 6)
    for family in ("gpt2", "gemma2", "gemma3", "bert"):
        exact = load(saved(family), HOOK, "blocks.1.ln2.hook_normalized").hidden(ids, mask)
        model = load(saved(family), HOOK, "blocks.1.ln2.hook_normalized", dtype="bfloat16")
        assert model.dtype == "bfloat16"
        for hook, value in model.hidden(ids, mask).items():
            assert value.dtype == torch.bfloat16
            error = (value.float() - exact[hook])[mask.bool()]
            assert error.norm() < 0.05 * exact[hook][mask.bool()].norm()
    assert choose_dtype("float16", CPU) is torch.float16
    message = refusal(saved("gpt2"), dtype="float8")
    assert "float8" in message and "bfloat16" in message


def test_auto_takes_bfloat16_where_the_processor_is_fast_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for flags, expected in (
        ("flags : fpu avx512f avx512_bf16", torch.bfloat16),
        ("flags : fpu amx_bf16", torch.bfloat16),
        ("flags : fpu avx512f avx512_bf16x avx2", torch.float32),
        ("", torch.float32),
    ):
        monkeypatch.setattr("saetext.reader.device.read_text", lambda *_, text=flags: text)
        monkeypatch.setattr("platform.system", lambda: "Linux")
        assert choose_dtype("auto", CPU) is expected
    monkeypatch.undo()
    assert choose_dtype("auto", torch.device("mps")) is torch.float32
    if hasattr(torch.cpu, "get_capabilities"):  # torch's own opinion of this machine
        can = torch.cpu.get_capabilities()
        fast = can.get("avx512_bf16", False) or can.get("amx_bf16", False)
        assert choose_dtype("auto", CPU) is (torch.bfloat16 if fast else torch.float32)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    def machine(cuda: int, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    machine(cuda=1, mps=True)
    assert [choose_device("auto").type, choose_device("cuda:0").index] == ["cuda", 0]
    with pytest.raises(ReaderError, match=r"'cuda:1' is not available here; there is: cuda, mps, cpu"):
        choose_device("cuda:1")
    machine(cuda=0, mps=True)
    assert choose_device("auto").type == "mps"
    machine(cuda=0, mps=False)
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    for name in ("cuda", "mps", "meta", "xpu"):
        with pytest.raises(ReaderError, match="there is: cpu"):
            choose_device(name)
    with pytest.raises(ReaderError, match="unknown device 'gpu'"):
        choose_device("gpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="platform: no GPU")
def test_cuda_equals_cpu(saved: Callable[[str], Path]) -> None:
    ids, mask = batch(12, 5)
    for family in FAMILIES:
        expected = load(saved(family)).hidden(ids, mask)[HOOK][mask.bool()]
        model = load(saved(family), device="cuda")
        actual = model.hidden(ids, mask)[HOOK].cpu()[mask.bool()]
        torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_loading_puts_settings_back(llama: Path) -> None:
    logging = transformers.utils.logging

    def settings() -> tuple[Any, ...]:
        hub_bars = huggingface_hub.utils.are_progress_bars_disabled()
        register = torch.nn.Module.register_parameter
        return logging.get_verbosity(), logging.is_progress_bar_enabled(), hub_bars, register

    before = settings()
    load(llama)
    assert settings() == before
    refusal(llama, "blocks.1.nothing")
    edit_config(llama, hidden_act="nonsense")
    refusal(llama)
    assert settings() == before


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "bert"])
def test_modules_of_other_threads_are_left_alone_while_a_model_is_built(
    family: str, saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[torch.nn.Linear] = []
    inner = {
        "gpt2": "transformers.models.gpt2.modeling_gpt2.GPT2MLP",
        "gemma2": "transformers.models.gemma2.modeling_gemma2.Gemma2MLP",
        "bert": "saetext.reader.bert._Intermediate",
    }
    directory = saved(family)  # made before anything is watched
    place, name = inner[family].rsplit(".", 1)
    module = importlib.import_module(place)
    original = getattr(module, name).__init__

    def meanwhile(self: Any, *args: Any, **kwargs: Any) -> None:
        thread = threading.Thread(target=lambda: made.append(torch.nn.Linear(3, 5)))
        thread.start()
        thread.join()
        original(self, *args, **kwargs)

    monkeypatch.setattr(getattr(module, name), "__init__", meanwhile)
    model = load(directory, dtype="bfloat16")
    assert len(made) == model.n_layers_built == 2
    for linear in made:
        for parameter in linear.parameters():
            assert parameter.device.type == "cpu" and parameter.dtype == torch.float32
            assert parameter.requires_grad and parameter.isfinite().all()
        assert linear.weight.std() > 0
        assert linear(torch.ones(2, 3)).shape == (2, 5)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_model_is_built_without_storage_but_for_its_buffers(
    family: str, saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    biggest = 0
    empty = torch.empty

    def watched(*args: Any, **kwargs: Any) -> torch.Tensor:
        nonlocal biggest
        tensor = empty(*args, **kwargs)
        biggest = max(biggest, 0 if tensor.is_meta else tensor.numel())
        return tensor

    config = config_of(checkpoint_module.Checkpoint(saved(family), None))
    monkeypatch.setattr(torch, "empty", watched)
    built = build(config, architecture_of(config.model_type), 2)
    assert biggest == 0
    assert all(p.is_meta and not p.requires_grad for p in built.parameters())
    with torch.no_grad():
        expected = dict(transformers.AutoModel.from_config(config, trust_remote_code=False).named_buffers())
    for name, buffer in built.named_buffers():
        assert not buffer.is_meta
        assert torch.equal(buffer.float(), expected[name].to(buffer.dtype).float()), name


def test_loading_is_quiet_and_offline_fails_at_once(llama: Path, tmp_path: Path) -> None:
    edit_config(llama, bos_token_id=50_000)  # transformers warns about this
    program = """if True:
        import sys, time, torch
        waited, calls = [], {"socket.getaddrinfo", "socket.connect"}
        sys.addaudithook(lambda event, given: waited.append(event) if event in calls else None)
        time.sleep = waited.append
        from saetext.errors import ReaderError
        from saetext.reader.language_model import LanguageModel
        try:
            LanguageModel.load("gemma-2-2b", ["blocks.1.hook_resid_post"])
        except ReaderError as error:
            print(waited, error)
        model = LanguageModel.load(sys.argv[1], ["blocks.1.hook_resid_post"])
        model.hidden(torch.ones(1, 5, dtype=torch.long), torch.ones(1, 5, dtype=torch.long))
        model.tokenizer("a long text " * 300)
        print("#####", file=sys.stderr, flush=True)
        import transformers
        transformers.AutoModel.from_pretrained(sys.argv[1], trust_remote_code=False)
    """
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")}
    done = subprocess.run(
        [sys.executable, "-c", program, str(llama)],
        capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[1], timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours, theirs = done.stderr.split("#####")
    assert ours == ""
    assert "LOAD REPORT" in theirs and "Loading weights" in theirs  # what it would have been
    assert done.stdout.startswith("[] google/gemma-2-2b is not in the local Hugging Face cache")
    assert done.stdout.count("\n") == 1


# --- tokenizer ----------------------------------------------------------------------------------------------


def test_tokenizer_neither_cuts_nor_pads(llama: Path) -> None:
    content = json.loads((llama / "tokenizer.json").read_text())
    content["truncation"] = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
    content["padding"] = {
        "strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>",
    }  # fmt: skip
    (llama / "tokenizer.json").write_text(json.dumps(content))
    backend = load(llama).tokenizer.backend_tokenizer
    assert [len(backend.encode(t).ids) > n for t, n in (("fox " * 50, 50), ("", 0))] == [True, True]
    assert len(backend.encode("").ids) == 1


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
    assert torch.equal(model.hidden(stray, mask)[HOOK], model.hidden(ids, mask)[HOOK])


def test_unusable_tokenizers(llama: Path, tmp_path: Path) -> None:
    whole = (llama / "tokenizer.json").read_text()
    model = json.loads(whole)["model"]
    strange_post_processor = json.dumps({**json.loads(whole), "post_processor": {"type": "strange"}})
    no_vocabulary = json.dumps({**json.loads(whole), "model": {**model, "vocab": {}}})
    for content in ("", "{", "[]", "{}", '{"model": 3}', "\x00", strange_post_processor, no_vocabulary):
        (llama / "tokenizer.json").write_text(content)
        assert "the tokenizer cannot be used" in refusal(llama)
    (llama / "tokenizer.json").unlink()
    assert "tokenizer" in refusal(llama)
    directory = save_model("llama", tmp_path / "small")
    make_model("llama", vocab_size=150).save_pretrained(directory)
    message = refusal(directory)
    assert "150 rows" in message and "another model" in message
