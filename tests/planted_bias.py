"""A tiny model in which two features write he and she by profession, and two others by the meaning of words.

The last token of a prompt is the profession or the word; nothing above the SAE mixes tokens. A helper for
tests, not a test.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from planted import CHATML
from safetensors.torch import load_file, save_file
from tiny_models import HIDDEN, make_tokenizer, save_model
from tiny_reader import make_sae, some_rows, write_jsonl

from saetext.intervene.subject import Subject, open_subject

HOOK, D_SAE = "blocks.0.hook_resid_post", 96
BIAS = (5, 6)  # write he and she after a profession
FACTS = (7, 8)  # write he and she after a word that means a man or a woman
PROFESSIONS = "ABCDEFGHIJKLMNOPQRSTUVWX"
WORDS = "0123456789+=*%"
PAIR = (" that", " the")  # one token each, as he and she are not in this vocabulary


@dataclass(frozen=True)
class Tiny:
    """Directories of the model and the SAE, a suite, and neutral text."""

    model: Path
    sae: Path
    suite: Path
    neutral: Path

    @property
    def options(self) -> dict[str, Any]:
        """What every run here is asked with."""
        return {
            "suite": str(self.suite), "neutral": self.neutral, "reference_tokens": 0, "instruction": "",
        }  # fmt: skip


@functools.cache
def tiny() -> Tiny:
    """Make them, once per process."""
    root = Path(tempfile.mkdtemp(prefix="saetext bias "))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    model = save_model(
        "llama", root / "model", chat_template=CHATML, max_position_embeddings=600,
        tie_word_embeddings=False, num_hidden_layers=2,
    )  # fmt: skip
    weights = load_file(model / "model.safetensors")
    for name in weights:
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weights[name] *= 0.02  # tokens hardly see each other
    backend = make_tokenizer("llama").backend_tokenizer
    [he], [she] = (backend.encode(word, add_special_tokens=False).ids for word in PAIR)
    weights["lm_head.weight"][she] = -weights["lm_head.weight"][he]
    read = (weights["lm_head.weight"][he] - weights["lm_head.weight"][she]) * weights["model.norm.weight"]
    draw = torch.Generator().manual_seed(1)
    frame = torch.linalg.qr(
        torch.cat([read[:, None], torch.randn(HIDDEN, HIDDEN - 1, generator=draw)], dim=1)
    )[0].T
    frame[0] *= torch.sign(frame[0] @ read)
    write, own, rest = frame[0], frame[1:5], frame[5:]
    sides = torch.tensor([1.0, -1.0, 1.0, -1.0])
    directions = (sides[:, None] * write + own) / 2**0.5
    embed = weights["model.embed_tokens.weight"]
    embed.copy_((torch.rand(len(embed), len(rest), generator=draw) * 0.8) @ rest)
    for letters, features in ((PROFESSIONS, (0, 1)), (WORDS, (2, 3))):
        for number, letter in enumerate(letters):
            token = backend.encode(f"the {letter}", add_special_tokens=False).ids[-1]
            size = 1.0 + 0.08 * number if features[0] == 0 else 1.5
            embed[token] += size * directions[features[number % 2]]
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    sae = make_sae(root / "sae", hook=HOOK, seed=3, d_sae=D_SAE)
    tensors = load_file(sae / "sae_weights.safetensors")
    tensors["W_enc"] = rest.T @ torch.randn(len(rest), D_SAE, generator=draw)
    # others write a little of it as well
    other = torch.randn(D_SAE, len(rest), generator=draw) @ rest
    tensors["W_dec"] = 0.15 * (other + 0.25 * torch.randn(D_SAE, 1, generator=draw) * write)
    tensors["b_enc"][:] = -0.3
    for feature, direction, axis in zip((*BIAS, *FACTS), directions, own, strict=True):
        tensors["W_enc"][:, feature] = axis * 2**0.5
        tensors["W_dec"][feature] = direction
        tensors["b_enc"][feature] = 0.0
    tensors["b_dec"][:] = 0.0
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, sae / "sae_weights.safetensors")
    ways = dict(zip(("first", "second"), PAIR, strict=True))
    rows = [
        {"text": f"the {letter}", "unit": letter, "kind": "bias", "stereotype": 1 - 2 * (i % 2), **ways}
        for i, letter in enumerate(PROFESSIONS)
    ] + [
        {"text": f"the {letter}", "unit": letter, "kind": "fact", "right": ("first", "second")[i % 2], **ways}
        for i, letter in enumerate(WORDS)
    ]
    suite = root / "suite.jsonl"
    suite.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Tiny(model, sae, suite, write_jsonl(root / "neutral.jsonl", some_rows(12, longest=12)))


@functools.cache
def subject(dtype: str = "float32") -> Subject:
    return open_subject(str(tiny().model), str(tiny().sae), device="cpu", dtype=dtype)


__all__ = ["BIAS", "D_SAE", "FACTS", "HOOK", "PAIR", "PROFESSIONS", "WORDS", "Tiny", "np", "subject", "tiny"]
