"""A model's files: what is refused, what is downloaded, and what names them."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import pickle
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import errors as hub_errors
from safetensors.torch import load_file, save_file
from tiny_models import HOOK, batch, edit_config, load, refusal, save_model

from saetext.io import cache as cache_module
from saetext.io.cache import cache_dir, file_sha256


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


# --- refusals -----------------------------------------------------------------------------------------------


def test_unknown_architectures_are_named(llama: Path) -> None:
    for model_type in ("mamba", "t5", "x" * 50, "gemma3n"):
        edit_config(llama, model_type=model_type)
        message = refusal(llama)
        assert model_type in message
        assert all(known in message for known in ("gpt2", "gpt_neox", "gemma2", "gemma3", "bert", "qwen3"))
    edit_config(llama, model_type=None)
    assert "model_type" in refusal(llama)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": "wide"},
        {"num_attention_heads": 0},
        {"num_hidden_layers": 1},
        {"num_hidden_layers": "many"},
        {"hidden_act": "nonsense"},
        {"vocab_size": -5},
        {"hidden_size": 48},
        {"intermediate_size": 47},
        {"num_key_value_heads": 3},
        {"rope_parameters": {"rope_type": "nonsense"}},
        {"quantization_config": {"quant_method": "fp8"}},
    ],
    ids=str,
)
def test_a_configuration_that_does_not_fit_is_refused(changes: dict[str, Any], llama: Path) -> None:
    edit_config(llama, **changes)
    refusal(llama)


def test_damaged_files_are_named(llama: Path, tmp_path: Path) -> None:
    tensors = load_file(llama / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    save_file({n: t for n, t in tensors.items() if n != name}, llama / "model.safetensors")
    assert name in refusal(llama)
    load(llama, "blocks.0.hook_resid_post")  # not needed there
    save_file({**tensors, name: tensors[name][:-1].contiguous()}, llama / "model.safetensors")
    message = refusal(llama)
    assert name in message and "[47, 32]" in message and "[48, 32]" in message
    save_file({n: t for n, t in tensors.items() if "embed" not in n}, llama / "model.safetensors")
    assert "embed_tokens.weight is missing" in refusal(llama)
    save_file({**tensors, "other.embed_tokens.weight": torch.ones(1)}, llama / "model.safetensors")
    assert "several times" in refusal(llama)
    for content in (b"", b"garbage", b"\xff" * 64):
        (llama / "model.safetensors").write_bytes(content)
        assert "model.safetensors cannot be read" in refusal(llama)
    (llama / "model.safetensors").unlink()
    assert "no weights" in refusal(llama)
    for content in ("{", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 1}}', "\udcff"):
        (llama / "model.safetensors.index.json").write_text(content, errors="surrogateescape")
        assert "model.safetensors.index.json" in refusal(llama)
    outside = {"weight_map": {"model.embed_tokens.weight": "../../secret.safetensors"}}
    (llama / "model.safetensors.index.json").write_text(json.dumps(outside))
    refusal(llama, "hook_embed")
    save_file(tensors, tmp_path / "secret.safetensors")
    assert "outside the directory" in refusal(llama, "hook_embed")
    (llama / "config.json").write_text("{")
    assert "config.json" in refusal(llama)
    (llama / "config.json").unlink()
    assert "no config.json" in refusal(llama)


def test_directories_that_are_not_there(tmp_path: Path) -> None:
    for name in (tmp_path / "nowhere", "./nowhere", "~/nowhere", "a/b/c", "../x"):
        assert "no model directory" in refusal(name)
    assert "revision" in refusal(tmp_path, revision="main")
    assert "neither a directory nor a Hugging Face id" in refusal("a model/with spaces")


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_pickles_are_refused_unless_trusted_and_never_run_code(llama: Path, tmp_path: Path) -> None:
    expected = load(llama).hidden(*batch(6))[HOOK]
    tensors = load_file(llama / "model.safetensors")
    (llama / "model.safetensors").unlink()
    file = llama / "pytorch_model.bin"
    for zipped in (True, False):
        torch.save(tensors, file, _use_new_zipfile_serialization=zipped)
        message = refusal(llama)
        assert "pickle" in message and "pytorch_model.bin" in message and "--trust-pickle" in message
        assert torch.equal(load(llama, trust_pickle=True).hidden(*batch(6))[HOOK], expected)
    shutil.copy(file, llama / "half.bin")
    (llama / "pytorch_model.bin.index.json").write_text(
        json.dumps({"weight_map": dict.fromkeys(tensors, "half.bin")})
    )
    file.unlink()
    assert "pytorch_model.bin.index.json" in refusal(llama)
    model = load(llama, trust_pickle=True)
    assert torch.equal(model.hidden(*batch(6))[HOOK], expected) and model.weight_files_read == ["half.bin"]
    (llama / "pytorch_model.bin.index.json").unlink()
    for content in (pickle.dumps({"a": Canary(tmp_path / "ran")}), b"", b"garbage", pickle.dumps([1])):
        file.write_bytes(content)
        assert "pytorch_model.bin" in refusal(llama, trust_pickle=True)
    torch.save({"a": Canary(tmp_path / "ran")}, file)
    assert "pytorch_model.bin" in refusal(llama, trust_pickle=True)
    assert not (tmp_path / "ran").exists()


# --- the hub ------------------------------------------------------------------------------------------------


class FakeHub:
    """A hub with one model in a directory, and an empty cache."""

    COMMIT = "c0ffee" * 6 + "abcd"

    def __init__(self, name: str, source: Path, cache: Path) -> None:
        self.name, self.source, self.snapshot = name, source, cache / "snapshots" / self.COMMIT
        self.requests: list[str] = []
        self.failure: Exception | None = None

    def ask(self, what: str) -> None:
        self.requests.append(what)
        if self.failure is not None:
            raise self.failure

    def model_info(
        self, _: Any, repo_id: str, *, revision: str | None = None, timeout: float | None = None
    ) -> Any:
        assert repo_id == self.name and timeout is not None and timeout <= 10
        self.ask("info")
        files = [SimpleNamespace(rfilename=p.name) for p in self.source.iterdir()]
        return SimpleNamespace(sha=self.COMMIT, siblings=files)

    def hf_hub_download(
        self,
        repo_id: str,
        filename: str,
        *,
        revision: str | None = None,
        local_files_only: bool = False,
        etag_timeout: float = 10,
    ) -> str:
        assert repo_id == self.name and revision in (None, "main", self.COMMIT) and etag_timeout <= 10
        path = self.snapshot / filename
        if not path.exists():
            if local_files_only:
                raise hub_errors.LocalEntryNotFoundError("not cached")
            self.ask(filename)
            assert (self.source / filename).exists(), "asked for a file that the hub does not list"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.source / filename, path)
        return str(path)


def parameters(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    source = save_model("gpt2", tmp_path / "on-the-hub", max_shard_size="40KB", num_hidden_layers=6)
    (source / "README.md").write_text("not needed")
    fake = FakeHub("gpt2", source, tmp_path / "hub-cache")
    assert parameters(fake.hf_hub_download) <= parameters(huggingface_hub.hf_hub_download)
    assert {"repo_id", "revision", "timeout"} <= parameters(huggingface_hub.HfApi.model_info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fake.hf_hub_download)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: fake.model_info(*a, **k))
    return fake


def test_only_needed_files_are_downloaded(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    index = json.loads((hub.source / "model.safetensors.index.json").read_text())["weight_map"]
    weights = {f for n, f in index.items() if "wte" in n or "wpe" in n or ".h.0." in n or ".h.1." in n}
    assert weights < set(index.values())
    model = load("gpt2-small", revision="main")
    assert (model.name, model.revision, model.path) == ("gpt2", hub.COMMIT, hub.snapshot)
    tokenizer = {"tokenizer.json", "tokenizer_config.json"}
    assert set(hub.requests) == {"info", "config.json", "model.safetensors.index.json", *tokenizer, *weights}
    assert len(hub.requests) == len(set(hub.requests))
    assert set(model.weight_files_read) == weights
    assert torch.equal(model.hidden(*batch(5))[HOOK], load(hub.source).hidden(*batch(5))[HOOK])

    hub.requests.clear()
    hub.failure = OSError("no network")
    again = load("gpt2")  # everything is cached: the hub is not asked
    assert not hub.requests and again.revision == hub.COMMIT
    message = refusal("gpt2", "blocks.5.hook_resid_post")  # a shard that is not
    assert "gpt2 is not in the local Hugging Face cache" in message and "hf download gpt2" in message
    hub.failure = None
    hub.requests.clear()
    load("gpt2", "blocks.5.hook_resid_post")
    layers = {file for name, file in index.items() if ".h." in name}
    assert set(hub.requests) == {"info"} | (layers - weights)


def test_pickles_are_refused_before_they_are_downloaded(hub: FakeHub) -> None:
    tensors = {}
    for file in hub.source.glob("*.safetensors"):
        tensors |= load_file(file)
        file.unlink()
    (hub.source / "model.safetensors.index.json").unlink()
    torch.save(tensors, hub.source / "pytorch_model.bin")
    assert "pickled" in refusal("gpt2")
    assert "pytorch_model.bin" not in hub.requests
    load("gpt2", trust_pickle=True)
    assert "pytorch_model.bin" in hub.requests


def hub_error(kind: str) -> Exception:
    error = getattr(hub_errors, kind)
    instance = error.__new__(error)  # their arguments differ between versions
    Exception.__init__(instance, "a long message\nof several lines")
    return instance


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("GatedRepoError", "licence"),
        ("RepositoryNotFoundError", "neither a directory nor a model 'gpt2'"),
        ("RevisionNotFoundError", "no revision 'main'"),
        ("LocalEntryNotFoundError", "hf download gpt2"),
        ("OfflineModeIsEnabled", "hf download gpt2"),
        ("HTTPError", "hf download gpt2"),
    ],
)
def test_hub_errors_say_what_to_do(kind: str, words: str, hub: FakeHub) -> None:
    hub.failure = hub_error(kind)
    assert words in refusal("gpt2", revision="main")
    hub.failure = None
    load("gpt2", "blocks.0.hook_resid_pre")
    hub.failure = hub_error(kind)
    assert words.replace("'main'", repr(hub.COMMIT)) in refusal("gpt2")


def test_a_repository_without_a_model(hub: FakeHub) -> None:
    (hub.source / "config.json").unlink()
    assert "no config.json" in refusal("gpt2")


# --- identity -----------------------------------------------------------------------------------------------


def test_the_revision_of_a_directory_is_that_of_its_bytes(llama: Path, tmp_path: Path) -> None:
    model = load(llama)
    assert model.revision.startswith("sha256:") and len(model.revision) == 71
    assert model.name == llama.name and model.path == llama
    moved = Path(shutil.copytree(llama, tmp_path / "moved"))
    (moved / "README.md").write_text("of no account")
    assert load(moved).revision == model.revision
    tensors = load_file(moved / "model.safetensors")
    tensors["model.norm.weight"][0] += 1
    save_file(tensors, moved / "model.safetensors")
    assert load(moved).revision != model.revision
    edit_config(llama, rms_norm_eps=0.5)
    assert load(llama).revision not in (model.revision, load(moved).revision)


def test_file_hashes_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ein Gewicht ☃"
    counted: list[str] = []
    real = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *args: counted.append("x") or real(*args))

    def agrees() -> bool:
        return file_sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()

    file.write_bytes(b"one")
    assert agrees() and agrees() and len(counted) == 1
    file.write_bytes(b"longer")
    assert agrees() and len(counted) == 2
    file.write_bytes(b"others")  # as long as before
    os.utime(file, ns=(1, 1))
    assert agrees() and len(counted) == 3
    for content in ("", "[]", "{", json.dumps({str(file): [6, 1]}), json.dumps({str(file): 3}), "\x00"):
        (cache_dir() / "file-hashes.json").write_text(content)
        assert agrees()
    monkeypatch.setattr(cache_module, "_MAX_ENTRIES", 2)
    for i in range(4):
        (tmp_path / str(i)).write_bytes(b"x")
        file_sha256(tmp_path / str(i))
    assert [Path(k).name for k in json.loads((cache_dir() / "file-hashes.json").read_text())] == ["2", "3"]
    assert sorted(p.name for p in cache_dir().iterdir()) == ["file-hashes.json"]


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    monkeypatch.setenv("SAETEXT_CACHE", str(file))
    assert file_sha256(file) == hashlib.sha256(b"one").hexdigest()
    monkeypatch.setenv("SAETEXT_CACHE", "")
    assert cache_dir().name == "saetext"
    with pytest.raises(OSError):
        file_sha256(tmp_path / "nowhere")
