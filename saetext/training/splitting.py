"""Which documents train an SAE and which measure it: never one text on both sides. Not for: reading them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from saetext.documents import Document
from saetext.errors import InputError

SHARE_HELD_OUT = 50  # one document in so many measures the result


def split(
    documents: Iterable[Document], held_out: Sequence[Document] | None, seed: int
) -> tuple[list[Document], list[Document]]:
    """Shuffle documents; return those to train on, and those to measure on: ``held_out``, or one in fifty.

    Raises
    ------
    InputError
        If nothing is left on a side.
    """
    everything = list(documents)
    shuffled = [everything[i] for i in np.random.default_rng(seed).permutation(len(everything))]
    if held_out is not None:
        measured = {_hash(d) for d in held_out}
        texts = [d for d in shuffled if _hash(d) not in measured]
        if not texts:
            raise InputError("every document is also in held_out: nothing is left to train on")
        return texts, list(held_out)
    valid = [d for d in shuffled if int(_hash(d)[:8], 16) % SHARE_HELD_OUT == 0]
    if not valid and len(shuffled) > 1:
        valid = shuffled[: max(1, len(shuffled) // SHARE_HELD_OUT)]
    measured = {_hash(d) for d in valid}  # the same text twice must not be on both sides
    texts = [d for d in shuffled if _hash(d) not in measured]
    if not texts or not valid:
        raise InputError(f"{len(everything)} documents are too few to train an SAE on")
    return texts, valid


def _hash(document: Document) -> str:
    content = repr((document.text, document.messages)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def digest(documents: Sequence[Document]) -> str:
    """Return SHA-256 (hex) over the texts of documents, in order."""
    return hashlib.sha256("".join(map(_hash, documents)).encode()).hexdigest()
