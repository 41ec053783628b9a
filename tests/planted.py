"""A tiny causal model and an SAE on its last layer with a feature whose direction writes one word.

A helper for tests, not a test.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tiny_models import HIDDEN, make_tokenizer, save_model
from tiny_reader import make_sae, some_rows, write_jsonl

from saetext.corpus.calibration import Calibration

HOOK = "blocks.2.hook_resid_post"
WORD, WRITES, D_SAE = "that", 5, 64
CHATML = (
    "{% for m in messages %}<bos>{{ m['role'] }}\n{{ m['content'] }}<eos>\n{% endfor %}"
    "{% if add_generation_prompt %}<bos>assistant\n{% endif %}"
)
PROMPTS = [f"the {a} {b}" for a in ("quick", "brown", "lazy") for b in ("dog", "answer", "sun", "reasons")]


@dataclass(frozen=True)
class Planted:
    """Directories of the model and the SAE, and a file of reference text."""

    model: Path
    sae: Path
    reference: Path


@functools.cache
def planted() -> Planted:
    """Make them, once per process."""
    root = Path(tempfile.mkdtemp(prefix="saetext planted "))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    model = save_model(
        "llama", root / "model", chat_template=CHATML, max_position_embeddings=600, tie_word_embeddings=False
    )
    sae = make_sae(root / "sae", hook=HOOK, seed=3, d_sae=D_SAE)
    weights = load_file(model / "model.safetensors")
    [token] = make_tokenizer("llama").backend_tokenizer.encode(f" {WORD}", add_special_tokens=False).ids
    tensors = load_file(sae / "sae_weights.safetensors")
    row = weights["lm_head.weight"][token] * weights["model.norm.weight"]
    tensors["W_dec"][WRITES] = row / row.norm() * tensors["W_dec"].norm(dim=1).mean()
    # off on half of the texts at most, and not at all a word's own
    tensors["W_enc"] /= 8.0
    save_file(tensors, sae / "sae_weights.safetensors")
    words = [[f"word{i}"] for i in range(D_SAE)]
    words[WRITES] = [WORD, "THAT "]
    Calibration.from_arrays(
        np.zeros(D_SAE), percentile=75.0, maximum=np.full(D_SAE, 2.0), top_words=words
    ).write(sae / "card.arrow")
    reference = write_jsonl(root / "reference.jsonl", some_rows(60, longest=20))
    return Planted(model, sae, reference)


def dead_feature(sae: Path, feature: int) -> None:
    """Make a feature of an SAE on disk one that is never active."""
    tensors = load_file(sae / "sae_weights.safetensors")
    tensors["b_enc"][feature] = -1e6
    save_file(tensors, sae / "sae_weights.safetensors")


def rename(sae: Path, model: str) -> None:
    """Let an SAE on disk say that it was trained on another model."""
    config = json.loads((sae / "cfg.json").read_text())
    config["metadata"]["model_name"] = model
    (sae / "cfg.json").write_text(json.dumps(config))


__all__ = ["CHATML", "D_SAE", "HIDDEN", "HOOK", "PROMPTS", "WORD", "WRITES", "Planted", "planted", "torch"]
