"""Building a transformers model without storage, and giving its parameters those of a checkpoint.

Not for: running it (:mod:`saetext.reader.language_model`, :mod:`saetext.reader.causal`).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
import transformers
from torch import nn
from torch.overrides import TorchFunctionMode

from saetext.errors import ReaderError
from saetext.reader.checkpoint import Checkpoint, Weights, first_line
from saetext.reader.configuration import BAD_CONTENT
from saetext.reader.hooks import Architecture, is_bidirectional

_EMPTY = torch.empty


def build(config: Any, architecture: Architecture, n_layers: int, *, head: bool = False) -> Any:
    """Return a model with its first layers only, its parameters without storage.

    Parameters
    ----------
    config : transformers config
    architecture : Architecture
    n_layers : int
        Layers to build.
    head : bool
        Whether to build transformers' ``ForCausalLM`` around the base model: with what scales or caps logits.

    Raises
    ------
    ReaderError
        If transformers has no model for such a configuration.
    """
    cut = copy.deepcopy(config)
    # With no layer needed one is made all the same, for its input is a hook; it gets no weights.
    cut.num_hidden_layers = max(n_layers, 1)
    for key, value in config.to_dict().items():
        if "layer" in key and isinstance(value, list) and len(value) == config.num_hidden_layers:
            setattr(cut, key, value[: cut.num_hidden_layers])
    cut.output_hidden_states = cut.output_attentions = False
    cut.pad_token_id = None  # or GPT-2 warns about padding without a mask
    if is_bidirectional(config) and config.model_type != "gemma3_text":  # which makes such masks itself
        cut.is_causal = False  # or Gemma 1 and 2 hide what comes after as soon as there is a mask
    try:
        with _EmptyWithoutStorage():
            # Not in ``dtype``: transformers would make it the default dtype of the whole process meanwhile.
            # Weights come in ``dtype``; buffers are float32 or cast where they are used.
            family = transformers.AutoModelForCausalLM if head else transformers.AutoModel
            model: nn.Module = family.from_config(
                cut, dtype=torch.float32, attn_implementation=architecture.attention, trust_remote_code=False
            )
    except BAD_CONTENT as error:
        reason = first_line(error)
        raise ReaderError(f"no {config.model_type} model fits this config.json: {reason}") from error
    _drop_storage(model)
    return model.eval()


class _EmptyWithoutStorage(TorchFunctionMode):
    """Within it, ``torch.empty`` makes tensors on the meta device; the mode belongs to this thread alone.

    Weight matrices and embeddings are made that way, and the initialisation that follows costs nothing there.
    Buffers (rotary frequencies, positions) are computed as ever, for no checkpoint holds them.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is _EMPTY:
            options["device"] = "meta"
        return func(*args, **options)


def _drop_storage(model: nn.Module) -> None:
    """Put the parameters that have storage all the same on the meta device: norms and biases, all small."""
    for module in model.modules():
        for leaf, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[leaf] = nn.Parameter(parameter.to("meta"), requires_grad=False)


def load_weights(
    model: nn.Module,
    wanted: tuple[str, ...],
    checkpoint: Checkpoint,
    weights: Weights,
    dtype: torch.dtype,
    device: torch.device,
) -> None:
    """Give storage to the parameters of the modules in ``wanted``; the others are never used and get none.

    Raises
    ------
    ReaderError
        If a tensor is missing, damaged or of another shape.
    """
    shapes = {
        name: tuple(parameter.shape)
        for name, parameter in model.named_parameters()
        if name.startswith(tuple(f"{path}." for path in wanted))
    }
    stored = _stored_names(list(shapes), weights.file_of, checkpoint.name)
    asked = {stored[name]: shape for name, shape in shapes.items()}
    names = {there: name for name, there in stored.items()}
    for there, tensor in weights.read(asked, dtype, device):
        path, _, leaf = names[there].rpartition(".")
        model.get_submodule(path)._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)
    for module in model.modules():
        for leaf, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[leaf] = buffer.to(device)


def load_head(
    model: Any,
    config: Any,
    checkpoint: Checkpoint,
    weights: Weights,
    dtype: torch.dtype,
    device: torch.device,
) -> None:
    """Give a loaded model's head its weights: its own, or where they are tied those of the embedding.

    Raises
    ------
    ReaderError
        If the head is not tied and its tensor is missing, damaged or of another shape.
    """
    head = model.get_output_embeddings()
    if config.tie_word_embeddings:
        head.weight = model.get_input_embeddings().weight
        return
    # GPT-NeoX has another name for it in its files, and in some versions of transformers
    names = r"(?:\w+\.)*(?:lm_head|embed_out)\.weight"
    found = [name for name in weights.file_of if re.fullmatch(names, name)]
    if len(found) != 1:
        which = f"is there several times ({', '.join(sorted(found)[:3])})" if found else "is missing"
        raise ReaderError(f"{checkpoint.name}: tensor lm_head.weight {which} in its weights")
    for _, tensor in weights.read({found[0]: tuple(head.weight.shape)}, dtype, device):
        head.weight = nn.Parameter(tensor, requires_grad=False)


def _stored_names(names: list[str], there: Mapping[str, str], model: str) -> dict[str, str]:
    """Return parameter name -> name in the checkpoint, where ``model.`` or the like may stand before all."""
    found = [key for key in there if key == names[0] or key.endswith(f".{names[0]}")]
    if len(found) != 1:
        which = f"is there several times ({', '.join(sorted(found)[:3])})" if found else "is missing"
        raise ReaderError(f"{model}: tensor {names[0]} {which} in its weights")
    prefix = found[0].removesuffix(names[0])
    stored = {}
    for name in names:
        key = prefix + name
        if key not in there:  # the first BERT checkpoints have other names
            key = re.sub(r"LayerNorm\.weight$", "LayerNorm.gamma", key)
            key = re.sub(r"LayerNorm\.bias$", "LayerNorm.beta", key)
        if key not in there:
            raise ReaderError(f"{model}: tensor {prefix + name} is missing in its weights")
        stored[name] = key
    return stored
