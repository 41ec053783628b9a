"""A GGUF file read into a directory as Hugging Face has it: configuration, tokenizer, bfloat16 weights.

transformers reads the file. It is handed one whose head was looked at before
(:mod:`saetext.reader.added.families`), by a link in a directory of its own, so that no other file that lies
beside it is read. Not for: where the directory goes, or whether the file is the right one.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
import transformers
from safetensors.torch import save_file

from saetext.errors import ReaderError
from saetext.io.json_file import loads
from saetext.io.opener import HUGE, why
from saetext.io.progress import Say
from saetext.reader.added.header import Header
from saetext.reader.quiet import quiet

PACKAGES = ("saetext", "transformers", "gguf", "torch")
_FILE = "model.gguf"
_BAD_CONTENT = (
    *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, ImportError, RuntimeError),
    *(ArithmeticError, NotImplementedError, MemoryError),
)


def convert(header: Header, directory: Path, say: Say) -> None:
    """Write a GGUF file's model into a directory.

    Parameters
    ----------
    header : Header
        Of the file, which :func:`saetext.reader.added.families.sizes_of` has accepted.
    directory : Path
        An empty one; gets ``config.json``, the tokenizer's files and ``model.safetensors`` (bfloat16).
    say : callable
        Called with a stage, how much of it is done, and how much there is.

    Raises
    ------
    ReaderError
        If transformers cannot read it, or reads a part of it only.
    OSError
        If the directory cannot be written.
    """
    source = directory / "source"
    source.mkdir()
    _link(header.path.resolve(), source / _FILE)
    with quiet(), _parsed_once():
        say("reading the tokenizer", 0, 0)
        tokenizer = _tokenizer(source, header)
        model = _model(source, header, say)
        say("writing the model", 0, 0)
        tokenizer.save_pretrained(directory)
        _save(model, header, directory)
    shutil.rmtree(source)


def versions() -> dict[str, str]:
    """Return package -> version of what a conversion depends on."""
    return {package: importlib.metadata.version(package) for package in PACKAGES}


def _link(file: Path, name: Path) -> None:
    for link in (name.symlink_to, name.hardlink_to):
        with contextlib.suppress(OSError, NotImplementedError):  # Windows lets few people make links
            link(file)
            return
    shutil.copyfile(file, name)


def _tokenizer(source: Path, header: Header) -> Any:
    try:
        with _bare_errors(header):
            tokenizer: Any = transformers.PreTrainedTokenizerFast.from_pretrained(
                source, gguf_file=_FILE, local_files_only=True, trust_remote_code=False
            )
    except _BAD_CONTENT as error:
        raise _refusal(header, "its tokenizer", error) from error
    return _of_the_vocabulary(tokenizer, header.length("tokenizer.ggml.tokens"))


def _of_the_vocabulary(tokenizer: Any, size: int) -> Any:
    """Return the tokenizer without the tokens that transformers added: GPT-2's end of text, as a rule."""
    if len(tokenizer) <= size:
        return tokenizer
    told = loads(tokenizer.backend_tokenizer.to_str(), most=HUGE, loose=True)
    told["added_tokens"] = [token for token in told["added_tokens"] if token["id"] < size]
    named = {
        role: token
        for role, token in tokenizer.special_tokens_map.items()
        if isinstance(token, str) and tokenizer.convert_tokens_to_ids(token) < size
    }
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=type(tokenizer.backend_tokenizer).from_str(json.dumps(told)),
        chat_template=tokenizer.chat_template,
        **named,
    )


def _model(source: Path, header: Header, say: Say) -> Any:
    say("preparing the model", 0, 0)
    try:
        with _counted(say):
            both: Any = transformers.AutoModelForCausalLM.from_pretrained(
                source, gguf_file=_FILE, dtype=torch.bfloat16, output_loading_info=True,
                local_files_only=True, trust_remote_code=False,
            )  # fmt: skip
    except _BAD_CONTENT as error:
        raise _refusal(header, "it", error) from error
    model, found = both
    if left := [*found["missing_keys"], *found.get("mismatched_keys", ())]:
        raise ReaderError(f"{header.path} cannot be used: it gives no {sorted(map(str, left))[0]}")
    return model


def _save(model: Any, header: Header, directory: Path) -> None:
    """Write the weights and the configuration: save_pretrained refuses a model that came from a GGUF file."""
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ReaderError(f"{header.path} cannot be used: {name} holds values that are not finite")
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    config = model.config
    for left in ("quantization_config", "_model_name_or_path", "_pre_quantization_dtype"):
        if hasattr(config, left):
            delattr(config, left)
    config.architectures = [type(model).__name__]
    config.dtype = torch.bfloat16
    config.save_pretrained(directory)


def _refusal(header: Header, what: str, error: BaseException) -> ReaderError:
    return ReaderError(f"{header.path} cannot be used: {what} cannot be read: {why(error)}")


@contextmanager
def _bare_errors(header: Header) -> Iterator[None]:
    """Turn the tokenizers library's errors, which are of type Exception itself, into ReaderErrors."""
    try:
        yield
    except Exception as error:
        if type(error) is Exception:
            raise _refusal(header, "its tokenizer", error) from error
        raise


@contextmanager
def _parsed_once() -> Iterator[None]:
    """Let transformers parse the file once, not for each part, and list names once, not for each layer."""
    import gguf

    before = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    for name, made in before.items():
        setattr(gguf, name, functools.cache(made))
    try:
        yield
    finally:
        for name, made in before.items():
            setattr(gguf, name, made)


@contextmanager
def _counted(say: Say) -> Iterator[None]:
    """Hear of each tensor that transformers dequantises, instead of the bar that it would draw."""
    from transformers import modeling_gguf_pytorch_utils as utils

    def counting(items: Iterable[Any], *_: Any, **__: Any) -> Iterator[Any]:
        listed = list(items)
        for at, item in enumerate(listed):
            say("reading the model", at, len(listed))
            yield item

    bar = getattr(utils, "tqdm", None)
    if bar is None:
        yield
        return
    utils.tqdm = counting
    try:
        yield
    finally:
        utils.tqdm = bar
