"""Documents -> a file of token activations to train an SAE on.

The counted tokens' hidden states at one hook, as a raw float16 file that memory-maps. Within each chunk of
documents the longest come first; training draws tokens in random order. Not for: reading documents into
features.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saetext.documents import Document
from saetext.errors import InputError, ReaderError
from saetext.io.files import put_in_place, write_atomic
from saetext.io.json_file import load
from saetext.io.shape import Record, Whole
from saetext.reader.batches import Batcher
from saetext.reader.language_model import LanguageModel
from saetext.reader.running import hidden_states
from saetext.reader.tokenization import Prepared, Tokens

_CHUNK = 256


def collect_activations(
    model: LanguageModel,
    tokens: Tokens,
    hook: str,
    documents: Sequence[Document],
    path: Path,
    *,
    max_tokens: int,
    role: str = "assistant",
    token_budget: int = 4096,
    on_tokens: Callable[[int], None] | None = None,
) -> NDArray[np.float16]:
    """Write up to ``max_tokens`` activations of ``documents``, in the given order, to ``path``.

    An interrupted run is resumed: what it had written lies in ``PATH.part``. ``on_tokens`` is called
    with the numbers of tokens as they are done, those of an earlier run included.

    Returns
    -------
    float16[n_tokens, width]
        Memory-mapped, ``n_tokens <= max_tokens``.

    Raises
    ------
    InputError
        If the documents have no tokens.
    ReaderError
        If an activation does not fit float16.
    """
    width = model.widths[hook]
    if not path.exists():
        _collect(model, tokens, hook, documents, path, max_tokens, role, token_budget, on_tokens)
    if not path.stat().st_size:
        path.unlink()
        raise InputError("the texts have no tokens")
    return np.memmap(path, dtype=np.float16, mode="r").reshape(-1, width)


def _collect(
    model: LanguageModel,
    tokens: Tokens,
    hook: str,
    documents: Sequence[Document],
    path: Path,
    max_tokens: int,
    role: str,
    token_budget: int,
    on_tokens: Callable[[int], None] | None,
) -> None:
    batcher = Batcher(tokens, token_budget)
    part, state = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.done.json")
    chunks, done = _finished(part, state)
    if on_tokens is not None and done:
        on_tokens(done)
    with part.open("r+b" if part.exists() else "w+b") as file:
        file.truncate(done * model.widths[hook] * 2)
        file.seek(0, os.SEEK_END)
        for start in range(chunks * _CHUNK, len(documents), _CHUNK):
            if done >= max_tokens:
                break
            chunk = documents[start : start + _CHUNK]
            prepared = [p for p in tokens.prepare(chunk, role) if isinstance(p, Prepared)]
            for _, states in hidden_states(model, batcher, prepared, lambda found: found[hook].cpu()):
                x = states.numpy()[: max_tokens - done]
                if not np.isfinite(x).all() or np.abs(x).max(initial=0.0) > np.finfo(np.float16).max:
                    raise ReaderError(f"activations at {hook} exceed float16's range; choose another hook")
                file.write(x.astype(np.float16).tobytes())
                done += len(x)
                if on_tokens is not None:
                    on_tokens(len(x))
                if done >= max_tokens:
                    break
            file.flush()
            write_atomic(state, json.dumps({"chunks": start // _CHUNK + 1, "tokens": done}).encode())
    put_in_place(part, path)
    state.unlink(missing_ok=True)


def _finished(part: Path, state: Path) -> tuple[int, int]:
    """Return the chunks of documents and the tokens that an earlier run had written."""
    try:
        found = load(state, Record({"chunks": Whole(), "tokens": Whole()}))
        if part.exists():
            return found["chunks"], found["tokens"]
    except (OSError, ValueError):
        pass
    return 0, 0
