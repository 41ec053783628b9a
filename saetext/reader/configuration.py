"""A model's configuration and tokenizer, read without running code of its directory.

Not for: building the model (:mod:`saetext.reader.building`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import saetext.reader.stack  # noqa: F401 - says what is missing

import transformers
from huggingface_hub import errors as hub_errors

from saetext.errors import ReaderError
from saetext.reader.checkpoint import Checkpoint, first_line
from saetext.reader.hooks import NESTED, architecture_of
from saetext.reader.quiet import quiet

# what transformers raises over a configuration or a tokenizer it cannot make sense of
BAD_CONTENT: tuple[type[Exception], ...] = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError, ArithmeticError),
    getattr(hub_errors, "StrictDataclassError", ValueError),
)


def read_config(model: str | Path, revision: str | None = None) -> Any:
    """Return the configuration of a language model, by id or directory, without running any code of it.

    Raises
    ------
    ReaderError
        If the model is not there, or of an architecture or configuration that cannot be used.
    """
    with quiet():
        return config_of(Checkpoint(model, revision))


def config_of(checkpoint: Checkpoint) -> Any:
    """Return the language model's configuration, with what transformers knows about its family."""
    content = checkpoint.json("config.json")
    model_type = content.get("model_type")
    if not isinstance(model_type, str):
        raise ReaderError(f"{checkpoint.name}: config.json names no model_type")
    architecture_of(NESTED.get(model_type, model_type))
    if isinstance(quantization := content.get("quantization_config"), dict):
        raise ReaderError(
            f"{checkpoint.name} is quantised ({quantization.get('quant_method', 'unknown method')}): "
            "use the version it was made from"
        )
    try:
        config: Any = transformers.AutoConfig.from_pretrained(
            checkpoint.directory, local_files_only=True, trust_remote_code=False
        )
        config = config.text_config if model_type in NESTED else config
    except BAD_CONTENT as error:
        _refuse(checkpoint, "config.json", error)
    architecture_of(config.model_type)
    return config


class _BareErrors:
    """Turns the tokenizers library's errors, which are of type Exception itself, into ReaderErrors."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if kind is Exception and isinstance(error, Exception):
            _refuse(self.checkpoint, "the tokenizer", error)


def tokenizer_of(checkpoint: Checkpoint) -> Any:
    """Return the model's fast tokenizer, which neither cuts nor pads.

    Raises
    ------
    ReaderError
        If there is none, or its files are damaged or out of bounds.
    """
    checkpoint.fetch_tokenizer()
    checkpoint.require_bounded_tokenizer()
    try:
        with _BareErrors(checkpoint):
            tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                checkpoint.directory, use_fast=True, local_files_only=True, trust_remote_code=False
            )
    except BAD_CONTENT as error:
        _refuse(checkpoint, "the tokenizer", error)
    if not getattr(tokenizer, "is_fast", False):
        raise ReaderError(f"{checkpoint.name} has no fast tokenizer (tokenizer.json): offsets need one")
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.model_max_length = 10**30  # or it warns about every text longer than the model's window
    return tokenizer


def _refuse(checkpoint: Checkpoint, what: str, error: Exception) -> NoReturn:
    raise ReaderError(f"{checkpoint.name}: {what} cannot be used: {first_line(error)}") from error


def has_stray_ids(tokenizer: Any, vocab_size: int, name: str) -> bool:
    """Return whether the tokenizer has special tokens without an embedding (Gemma 3 1B: the image token)."""
    vocab = tokenizer.get_vocab()
    if max(vocab.values(), default=0) < vocab_size:
        return False
    added = tokenizer.get_added_vocab()
    highest = max((i for token, i in vocab.items() if token not in added), default=0)
    if highest >= vocab_size:
        raise ReaderError(
            f"{name}: its tokenizer has ids up to {highest}, its embedding {vocab_size} rows: "
            "the tokenizer belongs to another model"
        )
    return True
