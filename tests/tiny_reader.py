"""A tiny language model with two SAEs on disk, files of texts for it, and corpora compared byte by byte.

A helper for tests, not a test. Nothing here imports sae-lens, which takes ten seconds.
"""

from __future__ import annotations

import atexit
import functools
import json
import random
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import HIDDEN, save_model

from saetext.documents import open_documents
from saetext.io.sealed import require_seal
from saetext.reader.reader import Reader
from saetext.reader.thresholds.policy import ready

torch.set_num_threads(1)  # on a busy machine, threads that wait for each other cost more than the work

SAE = "blocks.1.hook_resid_pre"
OTHER_SAE = "blocks.0.hook_resid_pre"
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "however", "answer", "sleeps"]


@dataclass(frozen=True)
class Tiny:
    """Directories of the model and of its SAEs; options for the command line."""

    model: Path
    sae: Path
    other_sae: Path

    @property
    def options(self) -> list[str]:
        return ["--reader", str(self.sae), "--model", str(self.model)]

    def reader(self, *, both: bool = False) -> Reader:
        saes = [self.sae, self.other_sae] if both else [self.sae]
        return Reader.load_local(saes, self.model, device="cpu", dtype="float32")


@functools.cache
def tiny() -> Tiny:
    """Make the model and its SAEs, once per process."""
    root = Path(tempfile.mkdtemp(prefix="saetext tiny é "))  # a space and a letter that is not ASCII
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    model = save_model("gpt2", root / "model", num_hidden_layers=2)
    return Tiny(
        model,
        make_sae(root / "sae", hook=SAE, seed=1),
        make_sae(root / "other", hook=OTHER_SAE, seed=2, d_sae=48),
    )


def make_sae(directory: Path, *, hook: str, seed: int, d_in: int = HIDDEN, d_sae: int = 64) -> Path:
    """Save a random standard SAE as sae-lens does."""
    directory.mkdir(parents=True)
    metadata = {"hook_name": hook, "model_name": "no/such-model", "prepend_bos": False}
    cfg = {
        "architecture": "standard",
        "d_in": d_in,
        "d_sae": d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": metadata,
    }
    (directory / "cfg.json").write_text(json.dumps(cfg))
    draw = torch.Generator().manual_seed(seed)
    tensors = {
        "W_enc": torch.randn(d_in, d_sae, generator=draw) / d_in**0.5,
        "W_dec": torch.randn(d_sae, d_in, generator=draw),
        "b_enc": torch.randn(d_sae, generator=draw) * 0.3 - 1.0,
        "b_dec": torch.randn(d_in, generator=draw) * 0.3,
    }
    save_file(tensors, directory / "sae_weights.safetensors")
    return directory


@functools.cache
def ready_reader() -> Reader:
    """Return a reader of two SAEs with thresholds, made once a process, whose cache it leaves alone."""
    with tempfile.TemporaryDirectory() as cache, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAETEXT_CACHE", cache)
        return ready(tiny().reader(both=True), open_documents(some_rows(60, seed=9)))


def some_rows(n: int, *, seed: int = 0, longest: int = 30, empty_every: int = 0) -> list[dict[str, Any]]:
    """Return rows with id, text, prompt_id, topic; every so-many-th text is empty."""
    draw = random.Random(seed)
    rows = []
    for i in range(n):
        text = " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, longest)))
        if empty_every and i % empty_every == empty_every - 1:
            text = ""
        rows.append({"id": f"d{i}", "text": text, "prompt_id": i, "topic": "ab"[i % 2]})
    return rows


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def contents(corpus: Path) -> dict[str, bytes]:
    """Return every file of a corpus but its lock, the manifest without its timestamps and their checksum."""
    found = {}
    for file in sorted(corpus.rglob("*")):
        if not file.is_file() or file.name == ".lock":
            continue
        data = file.read_bytes()
        if file.name == "manifest.json":
            manifest = json.loads(data)
            assert require_seal(manifest)
            if "created" in manifest:  # clusters have no times
                del manifest["created"], manifest["updated"], manifest["seal"]
            data = json.dumps(manifest, sort_keys=True).encode()
        found[file.relative_to(corpus).as_posix()] = data
    return found
