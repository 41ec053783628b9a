"""Texts -> a file of token activations to train an SAE on.

The counted tokens' hidden states at one hook, as a raw float16 file that memory-maps. Within each chunk of
texts the longest come first; training draws tokens in random order. Not for: reading documents into features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saetext.documents import Document
from saetext.errors import InputError, ReaderError
from saetext.reader.batches import Batcher
from saetext.reader.model import LanguageModel
from saetext.reader.reader import hidden_states
from saetext.reader.tokens import Prepared, Tokens

_CHUNK = 256


def collect_activations(
    model: LanguageModel,
    tokens: Tokens,
    hook: str,
    texts: Sequence[str],
    path: Path,
    *,
    max_tokens: int,
    token_budget: int = 4096,
    on_tokens: Callable[[int], None] | None = None,
) -> NDArray[np.float16]:
    """Write up to ``max_tokens`` activations of ``texts``, in the given order, to ``path``.

    Returns
    -------
    float16[n_tokens, width]
        Memory-mapped, ``n_tokens <= max_tokens``.

    Raises
    ------
    InputError
        If the texts have no tokens.
    ReaderError
        If an activation does not fit float16.
    """
    width = model.widths[hook]
    batcher = Batcher(tokens, token_budget)
    with path.open("wb") as file:
        done = 0
        for start in range(0, len(texts), _CHUNK):
            documents = [
                Document(str(i), t, None, None, {}, i, "")
                for i, t in enumerate(texts[start : start + _CHUNK])
            ]
            prepared = [p for p in tokens.prepare(documents) if isinstance(p, Prepared)]
            for batch, states in hidden_states(model, batcher, prepared, lambda found: found[hook].cpu()):
                x = states.numpy()[: max_tokens - done]
                if not np.isfinite(x).all() or np.abs(x).max(initial=0.0) > np.finfo(np.float16).max:
                    raise ReaderError(f"activations at {hook} exceed float16's range; choose another hook")
                file.write(x.astype(np.float16).tobytes())
                done += len(x)
                if on_tokens is not None:
                    on_tokens(len(batch.rows))
                if done >= max_tokens:
                    break
            if done >= max_tokens:
                break
    if done == 0:
        raise InputError("the texts have no tokens")
    return np.memmap(path, dtype=np.float16, mode="r", shape=(done, width))
