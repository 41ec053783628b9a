"""A tiny causal model with an SAE below its upper layers, questions, and groups whose shifts are known.

A helper for tests, not a test.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from planted import CHATML
from safetensors.torch import load_file, save_file
from tiny_models import make_tokenizer, save_model
from tiny_reader import make_sae, some_rows, write_jsonl

from saetext.intervene.shifts.answering import answered
from saetext.intervene.shifts.change import change_of
from saetext.intervene.shifts.opinions import opinions_of
from saetext.intervene.shifts.request import ShiftRequest
from saetext.intervene.shifts.setting import Setting
from saetext.intervene.subject import Subject, open_subject

HOOK, D_SAE = "blocks.1.hook_resid_pre", 64
GROUPS = ("north", "south", "east", "west")
MOVED = (3, 8, 21, 30)  # the feature of each group, which writes the letter of its option
LETTERS = "lstw"
OPTIONS = ["good", "fair", "poor", "bad"]


@dataclass(frozen=True)
class Tiny:
    """Directories of the model and the SAE, and a file of neutral text."""

    model: Path
    sae: Path
    neutral: Path

    @property
    def options(self) -> dict[str, Any]:
        """What every fit here is asked with."""
        return {"letters": LETTERS, "raw": True, "neutral": self.neutral, "batch": 32, "train_orders": 1}

    @property
    def asked(self) -> dict[str, Any]:
        """What every evaluation here is asked with."""
        return {"letters": LETTERS, "raw": True, "neutral": self.neutral, "batch": 32, "orders": 1}


@functools.cache
def tiny() -> Tiny:
    """Make them, once per process; the SAE's directions are of length 1.

    With one order of options, as here, a letter stands for one option.
    """
    root = Path(tempfile.mkdtemp(prefix="saetext shift "))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    model = save_model(
        "llama", root / "model", chat_template=CHATML, max_position_embeddings=600, tie_word_embeddings=False
    )
    sae = make_sae(root / "sae", hook=HOOK, seed=3, d_sae=D_SAE)
    tensors = load_file(sae / "sae_weights.safetensors")
    weights = load_file(model / "model.safetensors")
    backend = make_tokenizer("llama").backend_tokenizer
    for feature, letter in zip(MOVED, LETTERS, strict=True):
        [*_, token] = backend.encode(f"Answer: {letter}", add_special_tokens=False).ids
        tensors["W_dec"][feature] = weights["lm_head.weight"][token] * weights["model.norm.weight"]
    tensors["W_dec"] /= tensors["W_dec"].norm(dim=1, keepdim=True)
    save_file(tensors, sae / "sae_weights.safetensors")
    return Tiny(model, sae, write_jsonl(root / "neutral.jsonl", some_rows(12, longest=12)))


@functools.cache
def subject(dtype: str = "float32") -> Subject:
    return open_subject(str(tiny().model), str(tiny().sae), device="cpu", dtype=dtype)


def questions(n: int, seed: int = 0) -> list[str]:
    draw = np.random.default_rng(seed)
    words = ["quick", "brown", "lazy", "fox", "dog", "sun", "answer", "short", "long"]
    made: dict[str, None] = {}
    while len(made) < n:
        made[" ".join(draw.choice(words, 4))] = None
    return list(made)


def rows(shares: Any = (0.25, 0.25, 0.25, 0.25), n: int = 12, groups: Any = GROUPS) -> list[dict[str, Any]]:
    """Return answers of groups: ``shares``, or what ``shares(question number, group number)`` gives."""
    return [
        {
            "question": text,
            "group": group,
            "options": OPTIONS,
            "distribution": list(shares(q, g) if callable(shares) else shares),
        }
        for q, text in enumerate(questions(n))
        for g, group in enumerate(groups)
    ]


def setting(given: list[dict[str, Any]], made: Subject | None = None, **options: Any) -> Setting:
    request = ShiftRequest(**{**tiny().options, **options})
    return Setting(made or subject(), opinions_of(given, request), request)


def true_shifts(size: float = 3.0) -> torch.Tensor:
    """Return float32[groups, d_sae]: the shifts that made the groups' answers."""
    delta = torch.zeros(len(GROUPS), D_SAE)
    delta[torch.arange(len(GROUPS)), list(MOVED)] = size
    return delta


@functools.cache
def planted_rows(n: int = 40) -> tuple[dict[str, Any], ...]:
    """Return the answers of the model itself under each group's true shift."""
    blank = rows(n=n)
    place = setting(blank)
    puts = place.put(range(n), 1)
    found = [
        answered(place.panel, puts, place.letters, change_of(delta, place.panel.decoder))
        for delta in true_shifts()
    ]
    return tuple(rows(lambda q, g: found[g][q].shares().tolist(), n=n))
