"""Documents -> a file of token activations to train an SAE on.

The counted tokens' hidden states at one hook, as a raw float16 file that memory-maps, without those that are
attention sinks. Within each chunk of documents the longest come first; training draws tokens in random order.
Not for: reading documents into features, the file itself (:mod:`saetext.training.blocks`), or from which norm
on a token is a sink (:mod:`saetext.training.norm_limit`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saetext.documents import Document
from saetext.errors import InputError, ReaderError
from saetext.reader.batches import Batcher
from saetext.reader.language_model import LanguageModel
from saetext.reader.running import hidden_states
from saetext.reader.sinks import are_sinks
from saetext.reader.tokenization import Prepared, Tokens
from saetext.training.blocks import Blocks

BUDGET = 4096  # tokens in a forward pass, padding included
_CHUNK = 256  # documents in a block


def collect_activations(
    model: LanguageModel,
    tokens: Tokens,
    hook: str,
    documents: Sequence[Document],
    path: Path,
    *,
    max_tokens: int,
    role: str = "assistant",
    norm_limit: float | None = None,
    on_tokens: Callable[[int], None] | None = None,
    on_left_out: Callable[[int], None] | None = None,
) -> NDArray[np.float16]:
    """Write up to ``max_tokens`` activations of ``documents``, in the given order, to ``path``.

    An interrupted run is resumed after its last whole block: ``PATH.json`` lists them with their checksums.
    ``on_tokens`` is called with the numbers of tokens as they are done, those of an earlier run included.
    Tokens whose norm is above ``norm_limit`` are left out and do not count towards ``max_tokens``;
    ``on_left_out`` is called once at the end with their number, those of an earlier run included.

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
    SaetextError
        If the file cannot be written.

    Warns
    -----
    SaetextWarning
        If what an earlier run wrote is damaged: it is made again.
    """
    blocks = Blocks(path, model.widths[hook])
    tell = on_tokens or (lambda _: None)
    if blocks.n_rows:
        tell(blocks.n_rows)
    if not blocks.finished:
        batcher = Batcher(tokens, BUDGET)
        for start in range(len(blocks) * _CHUNK, len(documents), _CHUNK):
            if blocks.n_rows >= max_tokens:
                break
            prepared = _prepared(tokens, documents[start : start + _CHUNK], role)
            with blocks.appending() as write:
                for x, left_out in _rows(
                    model, batcher, hook, prepared, max_tokens - blocks.n_rows, norm_limit
                ):
                    write(x, left_out)
                    tell(len(x))
        if not blocks.n_rows:
            raise InputError("the texts have no tokens")
        blocks.finish()
    if on_left_out is not None:
        on_left_out(blocks.left_out)
    return blocks.array()


def _prepared(tokens: Tokens, documents: Sequence[Document], role: str) -> list[Prepared]:
    return [p for p in tokens.prepare(documents, role) if isinstance(p, Prepared)]


def _rows(
    model: LanguageModel,
    batcher: Batcher,
    hook: str,
    prepared: Sequence[Prepared],
    most: int,
    norm_limit: float | None,
) -> Iterator[tuple[NDArray[np.float16], int]]:
    """Yield up to ``most`` hidden states of documents, float16[n, width], and how many were left out."""
    for _, states in hidden_states(model, batcher, prepared, lambda found: found[hook].cpu()):
        kept = (~are_sinks(states, norm_limit)).nonzero()[:most, 0].numpy()
        read = int(kept[-1]) + 1 if len(kept) == most else len(states)
        x = states.numpy()
        if not np.isfinite(x[:read]).all():
            raise ReaderError(f"activations at {hook} are not all finite; choose another hook")
        x = x[kept]
        if np.abs(x).max(initial=0.0) > np.finfo(np.float16).max:
            raise ReaderError(f"activations at {hook} exceed float16's range; choose another hook")
        yield x.astype(np.float16), read - len(x)
        most -= len(x)
        if most <= 0:
            return
