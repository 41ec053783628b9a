"""From which norm on a token is an attention sink: measured on the first training texts, once, and kept.

The measurement lies beside the activations with a checksum; a damaged one is made again and is the same. Not
for: the rule itself (:mod:`saetext.reader.sinks`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import xxhash

from saetext.corpus.notices import warn
from saetext.documents import Document
from saetext.errors import InputError, ReaderError, SaetextError
from saetext.io.files import write_atomic, writing
from saetext.io.json_file import load
from saetext.io.shape import Maybe, Number, Record, Text, Whole
from saetext.reader.batches import Batcher
from saetext.reader.language_model import LanguageModel
from saetext.reader.running import hidden_states
from saetext.reader.sinks import FACTOR, limit_of, norms
from saetext.reader.tokenization import Prepared, Tokens
from saetext.training.activations import BUDGET

TOKENS = 20_000  # that are measured at least, where there are so many
#: What a resumed run must agree on: runs begun before there was a rule are not gone on with.
RULE = f"{FACTOR:g} x the median norm of {TOKENS} tokens"
_CHUNK = 16  # documents
_FORMAT = 1
_SHAPE = Record(
    {
        "limit": Maybe(Number(0, above=True)),
        "median": Number(0),
        "tokens": Whole(1),
        "format": Whole(_FORMAT, _FORMAT),
        "xxh3_128": Text(longest=32),
    }
)


@dataclass(frozen=True)
class NormLimit:
    """The limit, in the units of the hidden state, and what it was measured on.

    Attributes
    ----------
    limit : float or None
        Above it a token is a sink; None if the median is 0.
    median : float
        Of the counted tokens' norms.
    tokens : int
        How many were measured.
    """

    limit: float | None
    median: float
    tokens: int


def kept_or_measured(
    model: LanguageModel,
    tokens: Tokens,
    hook: str,
    documents: Sequence[Document],
    path: Path,
    *,
    role: str = "assistant",
    on_tokens: Callable[[int], None] | None = None,
) -> NormLimit:
    """Return the limit that an earlier run kept in ``path``, or measure it on ``documents`` and keep it.

    Documents are read in their order until they have :data:`TOKENS` counted tokens.

    Raises
    ------
    InputError
        If the documents have no tokens.
    ReaderError
        If a hidden state is not finite.
    SaetextError
        If the file cannot be written.

    Warns
    -----
    SaetextWarning
        If the file is damaged: it is made again.
    """
    known = _known(path)
    if known is not None:
        return known
    batcher = Batcher(tokens, BUDGET)
    parts: list[np.ndarray] = []
    done = 0
    for start in range(0, len(documents), _CHUNK):
        if done >= TOKENS:
            break
        some = tokens.prepare(documents[start : start + _CHUNK], role)
        prepared = [p for p in some if isinstance(p, Prepared)]
        for _, lengths in hidden_states(model, batcher, prepared, lambda states: norms(states[hook]).cpu()):
            parts.append(lengths.numpy())
            done += len(lengths)
            if on_tokens is not None:
                on_tokens(len(lengths))
    if not done:
        raise InputError("the texts have no tokens")
    measured = np.concatenate(parts)
    if not np.isfinite(measured).all():
        raise ReaderError(f"activations at {hook} are not all finite; choose another hook")
    found = NormLimit(limit_of(measured), float(f"{np.median(measured):.6g}"), done)
    told = {"format": _FORMAT, **asdict(found)}
    with writing(path, SaetextError):
        write_atomic(path, (json.dumps({**told, "xxh3_128": _digest(told)}) + "\n").encode())
    return found


def _known(path: Path) -> NormLimit | None:
    if not path.exists():
        return None
    try:
        told = dict(load(path, _SHAPE))
        if told.pop("xxh3_128") != _digest(told):
            raise ValueError("another content")
        return NormLimit(told["limit"], told["median"], told["tokens"])
    except (OSError, ValueError):
        warn(f"{path} is damaged: the norms of tokens are measured again")
        return None


def _digest(told: dict[str, Any]) -> str:
    return str(xxhash.xxh3_128_hexdigest(json.dumps(told, sort_keys=True).encode()))
