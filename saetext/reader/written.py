"""Tokens of what somebody wrote: the name of a special token in it is text, and no such token.

Not for: the tokens of a template, which are special where it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def special_names(tokenizer: Any) -> tuple[str, ...]:
    """Return the names of a tokenizer's special tokens, sorted: ``("<|im_end|>", "<|im_start|>")``."""
    names = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return tuple(sorted(name for name in names if name))


def encode_texts(backend: Any, names: Sequence[str], texts: Sequence[str]) -> list[Any]:
    """Return the encodings of texts in which the ``names`` of special tokens are text."""
    if not any(name in text for text in texts for name in names):
        return list(backend.encode_batch(texts, add_special_tokens=False))
    before = backend.encode_special_tokens
    backend.encode_special_tokens = True
    try:
        return list(backend.encode_batch(texts, add_special_tokens=False))
    finally:
        backend.encode_special_tokens = before


def encode_rendered(
    backend: Any, names: Sequence[str], rendered: str, places: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Tokenise a chat: special tokens of the template are such tokens, those in its turns are text.

    Parameters
    ----------
    backend : tokenizers.Tokenizer
    names : sequence of str
        Of the special tokens.
    rendered : str
        The chat as the template writes it.
    places : sequence of (int, int)
        Where the turns' contents begin and end in it.

    Returns
    -------
    tuple
        int32[n] token ids, and int32[n, 2] where each begins and ends in ``rendered``.
    """
    odd = sorted((begin, end) for begin, end in places if any(name in rendered[begin:end] for name in names))
    ids: list[int] = []
    offsets: list[tuple[int, int]] = []
    at = 0
    for begin, end in [*odd, (len(rendered), len(rendered))]:
        pieces = [(at, backend.encode(rendered[at:begin], add_special_tokens=False))]
        if end > begin:
            pieces.append((begin, encode_texts(backend, names, [rendered[begin:end]])[0]))
        for start, encoding in pieces:
            ids += encoding.ids
            offsets += [(start + first, start + last) for first, last in encoding.offsets]
        at = end
    return np.array(ids, np.int32), np.array(offsets, np.int32).reshape(-1, 2)
