"""A file that takes another's place is not taken for it: weights, language models, data files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_models import save_model
from tiny_reader import tiny

import saetext
from saetext.encoding import targets
from saetext.encoding.opening import as_corpus
from saetext.errors import IncompatibleError, InputError, ReaderError, SaetextWarning
from saetext.io import cache as cache_module
from saetext.io import file_state as state_module
from saetext.io.cache import cache_dir, file_sha256
from saetext.io.file_state import file_state
from saetext.reader.checkpoint import Checkpoint
from saetext.reader.language_model import LanguageModel
from saetext.reader.weights import load_sae_dir

WEIGHTS = "sae_weights.safetensors"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def in_place(path: Path, data: bytes) -> None:
    with path.open("r+b") as file:
        file.write(data)


def renamed(path: Path, data: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(data)
    other.replace(path)


def by_copy2(path: Path, data: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(data)
    stat = path.stat()
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    shutil.copy2(other, path)


@pytest.mark.parametrize("swap", [in_place, renamed, by_copy2])
@pytest.mark.parametrize("size", [10, 5000, 3_000_000])
def test_a_swap_that_keeps_size_and_time_is_seen(
    tmp_path: Path, swap: Callable[[Path, bytes], None], size: int
) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(bytes(size))
    assert file_sha256(path) == sha256(path)
    when = path.stat()
    changed = bytearray(size)
    changed[size // 3] = 1  # between the pieces of the sample of the largest
    swap(path, bytes(changed))
    os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (when.st_size, when.st_mtime_ns)
    assert file_sha256(path) == sha256(path) == hashlib.sha256(changed).hexdigest()


def pretend_same_stat(path: Path, before: list) -> None:
    """Have the cache remember, for the file as it is now, the sample and the hash of what it was."""
    hashes = json.loads((cache_dir() / "file-hashes.json").read_text())
    known = hashes[str(path)]
    now = file_state(path)
    hashes[str(path)] = cache_module._entry([*now[:4], before[4]], known)
    (cache_dir() / "file-hashes.json").write_text(json.dumps(hashes))


@pytest.mark.parametrize("changed", ["first", "second", "third"])
def test_every_tensor_is_sampled(tmp_path: Path, changed: str) -> None:
    """Where inode and all times lie too, a tensor that was replaced is seen by its sample."""
    path = (tmp_path / "w.safetensors").resolve()
    tensors = {name: torch.zeros(50_000) for name in ("first", "second", "third")}
    save_file(tensors, path)
    before, old = file_state(path), file_sha256(path)
    save_file({**tensors, changed: torch.ones(50_000)}, path)
    assert file_state(path)[2] == before[2]
    pretend_same_stat(path, before)
    assert file_sha256(path) == sha256(path) != old


def test_a_small_file_is_sampled_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(200_000))
    before = file_state(path)[4]
    for at in (0, 1, 77_777, 131_072, 199_999):
        data = bytearray(200_000)
        data[at] = 1
        path.write_bytes(data)
        assert file_state(path)[4] != before, at


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff" * 8, b"\x02\0\0\0\0\0\0\0{}", b"\x05\0\0\0\0\0\0\0[[[[["),
        *(b"\x08\0\0\0\0\0\0\0" + json.dumps({"a": 1}).encode() + b" " * 100,),
        *(
            len(h).to_bytes(8, "little") + h
            for h in (
                json.dumps({"a": {"data_offsets": [0, 10**18]}}).encode(),
                json.dumps({"a": {"data_offsets": [-5, 3]}}).encode(),
                json.dumps({"a": {"data_offsets": "ab"}}).encode(),
                json.dumps({"a": {"data_offsets": [0]}}).encode(),
                b"[" * 100_000,
            )
        ),
    ],
)
def test_a_header_that_lies_is_another_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    assert file_sha256(path) == sha256(path)
    assert file_sha256(path) == sha256(path)


def test_a_long_header_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(3)}, path)
    monkeypatch.setattr(state_module, "_HEADER", 10)
    assert file_sha256(path) == sha256(path)


def test_a_changed_entry_of_the_cache_is_not_believed(tmp_path: Path) -> None:
    path = (tmp_path / "a").resolve()
    path.write_bytes(b"x" * 100)
    file_sha256(path)
    file = cache_dir() / "file-hashes.json"
    good = json.loads(file.read_text())
    digest = sha256(path)
    for position, value in enumerate(good[str(path)]):
        entry = list(good[str(path)])
        entry[position] = (
            value + 1 if isinstance(value, int) else ("0" if value[0] != "0" else "1") + value[1:]
        )
        file.write_text(json.dumps({str(path): entry}))
        assert file_sha256(path) == digest, position
    for entry in ([], [1], [None] * 7, {}, [[]], good[str(path)][:-1], [*good[str(path)], 1]):
        file.write_text(json.dumps({str(path): entry}))
        assert file_sha256(path) == digest, entry


# --- what rests on it ---------------------------------------------------------------------------------------


def swap_tensor(path: Path, name: str) -> None:
    """Change a tensor, with the file's size and time as they were."""
    when = path.stat()
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors[name] = tensors[name] + 0.5
    save_file(tensors, path, metadata)
    os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))
    assert path.stat().st_size == when.st_size


def test_a_swapped_sae_is_another_reader(tmp_path: Path) -> None:
    """It kept its fingerprint, and corpora of the two were compared without a word."""
    sae = Path(shutil.copytree(tiny().sae, tmp_path / "sae"))
    texts = [{"text": f"the quick brown fox {i}"} for i in range(30)]

    def corpus(name: str) -> saetext.Corpus:
        reader = saetext.Reader.load_local(sae, tiny().model, device="cpu", dtype="float32")
        source = saetext.open_documents(texts)
        return saetext.encode(texts, tmp_path / name, reader=saetext.calibrate(reader, source, max_tokens=99))

    first = corpus("a.corpus")
    before = load_sae_dir(sae).weights_sha256
    swap_tensor(sae / WEIGHTS, "b_enc")
    assert load_sae_dir(sae).weights_sha256 == sha256(sae / WEIGHTS) != before
    with pytest.raises(IncompatibleError, match="weights"):
        saetext.diff(first, corpus("b.corpus"))


def test_a_swapped_language_model_is_another(tmp_path: Path) -> None:
    model = save_model("gpt2", tmp_path / "m", num_hidden_layers=2)
    hooks = ["blocks.1.hook_resid_pre"]
    before = LanguageModel.load(model, hooks, device="cpu", dtype="float32").revision
    name = next(n for n in load_file(model / "model.safetensors") if "wte" in n)
    swap_tensor(model / "model.safetensors", name)
    assert LanguageModel.load(model, hooks, device="cpu", dtype="float32").revision != before


def test_a_weight_file_of_the_hub_is_what_was_downloaded(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    content = b"weights" * 1000
    blob = blobs / hashlib.sha256(content).hexdigest()
    blob.write_bytes(content)
    checkpoint = Checkpoint.__new__(Checkpoint)
    checkpoint.name, checkpoint.commit, checkpoint.directory = "some/model", "c" * 40, tmp_path
    (tmp_path / "model.safetensors").symlink_to(blob)
    assert checkpoint.revision(["model.safetensors"]) == "c" * 40
    when = blob.stat()
    in_place(blob, b"Weights")
    os.utime(blob, ns=(when.st_atime_ns, when.st_mtime_ns))
    with pytest.raises(
        ReaderError, match=r"not what was downloaded: remove .*hf download some/model"
    ) as caught:
        checkpoint.revision(["model.safetensors"])
    assert "\n" not in str(caught.value)


def texts_in(file: Path, word: str) -> None:
    file.write_text("".join(json.dumps({"text": f"the {word} brown fox {i}"}) + "\n" for i in range(30)))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data file with its corpus beside it."""
    file = tmp_path / "texts.jsonl"
    texts_in(file, "quick")
    reader = saetext.calibrate(tiny().reader(), saetext.open_documents(str(file)), max_tokens=99)
    saetext.encode(str(file), reader=reader)
    return file


def test_a_swapped_data_file_is_not_what_its_corpus_was_made_from(data: Path) -> None:
    when = data.stat()
    assert as_corpus(data).n_documents == 30
    texts_in(data, "quiet")
    os.utime(data, ns=(when.st_atime_ns, when.st_mtime_ns))
    assert data.stat().st_size == when.st_size
    with pytest.raises(InputError, match="has changed since"):
        as_corpus(data)
    texts_in(data, "quick")  # the same content at another time
    assert as_corpus(data).n_documents == 30


def test_a_corpus_of_an_earlier_version_says_what_is_not_known(data: Path) -> None:
    """It has the stamp of 0.1: sizes and times, computed here as it was then."""
    manifest = Path(f"{data}.corpus") / "manifest.json"
    told = json.loads(manifest.read_text())
    stat = data.stat()
    old = hashlib.sha256(repr([(".", stat.st_size, stat.st_mtime_ns)]).encode()).hexdigest()
    extra = {"source": told["extra"]["source"], "source_stamp": old}
    assert targets.unchanged(data, {}) is False
    with pytest.warns(SaetextWarning, match=r"earlier version.*size and time alone.*encode it again"):
        assert targets.unchanged(data, extra)
    os.utime(data, ns=(1, 1))
    assert not targets.unchanged(data, extra)
