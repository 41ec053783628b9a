"""Passages of neutral text: what a shift should leave alone. Not for: measuring that it does."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from saetext.documents import Document, open_documents
from saetext.errors import InputError
from saetext.intervene.strength import default_reference
from saetext.reader.causal import CausalModel
from saetext.reader.prompts import Prompt

TOKENS = 32  # of a passage
STEPS, WATCHED, HELD = 24, 4, 16  # passages that steps draw from, that stop a fit, that measure it
_MOST = 2_000  # documents looked at


@dataclass(frozen=True)
class Passages:
    """Passages that steps draw from, by which a fit is checked, and held out; no text is in two of them."""

    steps: tuple[Prompt, ...]
    watched: tuple[Prompt, ...]
    held: tuple[Prompt, ...]


def passages_of(model: CausalModel, path: Path | None, seed: int) -> Passages:
    """Return passages from a file of texts, by default the example's answers.

    Raises
    ------
    InputError
        If the file cannot be read, or has fewer than three texts.
    """
    files = default_reference() if path is None else [path]
    texts: list[str] = []
    for file in files:
        whole = (item for item in open_documents(file) if isinstance(item, Document))
        texts += [document.text for document in islice(whole, _MOST) if document.text.strip()]
    texts = sorted(set(texts))
    if len(texts) < 3:
        raise InputError(f"{files[0]} has {len(texts)} different texts: neutral text takes three at least")
    draw = np.random.default_rng([seed, 2])
    drawn = [texts[i] for i in draw.permutation(len(texts))[: STEPS + WATCHED + HELD]]
    cut = [_passage(model, text) for text in drawn]
    held = max(1, len(cut) * HELD // (STEPS + WATCHED + HELD))
    watched = max(1, len(cut) * WATCHED // (STEPS + WATCHED + HELD))
    return Passages(tuple(cut[held + watched :]), tuple(cut[held : held + watched]), tuple(cut[:held]))


def _passage(model: CausalModel, text: str) -> Prompt:
    whole = model.encode_prompt(text[: 40 * TOKENS], raw=True)
    return Prompt(whole.text, whole.ids[:TOKENS], whole.turn[:TOKENS], whole.roles)
