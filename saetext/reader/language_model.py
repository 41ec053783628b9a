"""LanguageModel: a transformers model built, loaded and run only up to the deepest hook asked for.

Not for: text. It takes token ids and gives hidden states; :mod:`saetext.reader.tokenization` says what the
ids are and which of them count, :mod:`saetext.reader.sae` what the hidden states mean.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
import transformers
from huggingface_hub import errors as hub_errors
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from saetext.errors import ReaderError
from saetext.reader.checkpoint import Checkpoint, Weights, first_line
from saetext.reader.device import choose_device, choose_dtype
from saetext.reader.hooks import (
    NESTED,
    Architecture,
    Hook,
    architecture_of,
    is_bidirectional,
    normalise,
    resolve,
)
from saetext.reader.quiet import quiet

# what transformers raises over a configuration or a tokenizer it cannot make sense of
_BAD_CONTENT = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError, ArithmeticError),
)
_EMPTY = torch.empty
_STRICT_ERROR: type[Exception] = getattr(hub_errors, "StrictDataclassError", ValueError)


class _Reached(Exception):
    """Every hook has its value: the rest of the forward pass is not needed."""


class LanguageModel:
    """A language model cut off at the deepest of its hooks; made by :meth:`load`.

    Attributes
    ----------
    name : str
        The Hugging Face id, the added model's name, or the directory's.
    path : Path
        The directory the files were read from.
    revision : str
        The hub's commit hash; ``sha256:`` with the hash of an added model's GGUF file; or for a directory
        ``sha256:`` over its configuration and weight files read.
    config : transformers config
        Of the whole language model (of its text part, for a multimodal one).
    dtype : str
        ``float32``, ``bfloat16`` or ``float16``: of the weights and of the hidden states.
    device : torch.device
        Where it runs.
    tokenizer : transformers fast tokenizer
        With truncation and padding switched off.
    max_positions : int or None
        The longest sequence, special tokens included.
    bidirectional : bool
        Whether tokens see what comes after them; see :func:`saetext.reader.hooks.is_bidirectional`.
    n_layers_built : int
        Layers that are there.
    widths : dict of str to int
        Size of the last dimension at each hook.
    weight_files_read : list of str
        Names of the weight files from which tensors were read.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        weights: Weights,
        config: Any,
        hooks: Sequence[Hook],
        tokenizer: Any,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.name = checkpoint.name
        self.path = checkpoint.directory
        self.config = config
        self.device = device
        self.dtype = str(dtype).removeprefix("torch.")
        self.tokenizer = tokenizer
        self.max_positions: int | None = getattr(config, "max_position_embeddings", None)
        self._architecture = architecture_of(config.model_type)
        self.bidirectional = is_bidirectional(config)
        self._hooks = tuple(hooks)
        self.n_layers_built = max(h.layers_run for h in hooks)
        self._model = _build(config, self._architecture, self.n_layers_built)
        wanted = (*self._architecture.embeddings, *self._layer_paths())
        _load_weights(self._model, wanted, checkpoint, weights, dtype, device)
        self.weight_files_read = list(weights.files_read)
        self.revision = checkpoint.revision(self.weight_files_read)
        self.widths = {h.name: _width(h, config) for h in hooks}
        self._stray_ids = _has_stray_ids(tokenizer, config.vocab_size, self.name)

    @classmethod
    def load(
        cls,
        model: str | Path,
        hooks: Sequence[str],
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        trust_pickle: bool = False,
    ) -> LanguageModel:
        """Load a model as far as its deepest hook.

        Parameters
        ----------
        model : str or Path
            A directory, the name of an added model (:mod:`saetext.reader.added`) such as ``smollm2``, a
            Hugging Face id, or a name as transformer-lens writes it (``gpt2-small``). What the hub's cache
            holds is used without asking the hub.
        hooks : sequence of str
            Hook names as in transformer-lens, such as ``blocks.8.hook_resid_pre``; see
            :mod:`saetext.reader.hooks`.
        revision : str, optional
            Branch, tag or commit on the hub.
        dtype : {"auto", "float32", "bfloat16", "float16"}
            ``auto`` takes bfloat16 where the GPU or the processor is fast at it, else float32.
        device : str
            ``auto`` takes cuda, else mps, else cpu.
        trust_pickle : bool
            Whether weights that exist only as pickles may be read (tensors only, no code).

        Raises
        ------
        ReaderError
            If the model is not there, is of an unknown architecture, lacks a hook, a tensor or a fast
            tokenizer, or if dtype or device cannot be had.
        """
        if not hooks:
            raise ValueError("no hooks: name at least one")
        chosen_device = choose_device(device)
        chosen_dtype = choose_dtype(dtype, chosen_device)
        with quiet():
            checkpoint = Checkpoint(model, revision)
            config = _read_config(checkpoint)
            places = [resolve(name, config) for name in dict.fromkeys(hooks)]
            weights = Weights(checkpoint, trust_pickle=trust_pickle)
            tokenizer = _read_tokenizer(checkpoint)
            return cls(checkpoint, weights, config, places, tokenizer, chosen_dtype, chosen_device)

    @torch.inference_mode()
    def hidden(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """Run the model and return what stands at each hook.

        Parameters
        ----------
        input_ids : int64[batch, sequence]
            Token ids. Ids of special tokens beyond the model's vocabulary are read as token 0.
        attention_mask : int64 or bool[batch, sequence]
            1 for tokens, 0 for padding, which stands to their right.

        Returns
        -------
        dict of str to float[batch, sequence, width]
            In the model's dtype on its device, as inference tensors; ``hook_z`` with its heads side by side.
            At padding the values mean nothing.
        """
        length = input_ids.shape[1]
        if self.max_positions is not None and length > self.max_positions:
            raise ValueError(f"{length} tokens, but {self.name} has {self.max_positions} positions")
        if bool((attention_mask[:, 1:] > attention_mask[:, :-1]).any()):
            raise ValueError("padding must be to the right of the tokens")
        ids = input_ids.to(self.device)
        if self._stray_ids:
            ids = torch.where(ids < self.config.vocab_size, ids, 0)
        # Where attention looks back only, padding on the right is never seen: no mask is the fastest mask.
        mask: Tensor | None = None
        if self.bidirectional and not bool(attention_mask.all()):
            mask = attention_mask.to(self.device)
        values: dict[str, Tensor] = {}
        handles = [self._watch(hook, values) for hook in self._hooks]
        try:
            self._model(input_ids=ids, attention_mask=mask, use_cache=False)
        except _Reached:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return values

    def _watch(self, hook: Hook, values: dict[str, Tensor]) -> torch.utils.hooks.RemovableHandle:
        """Have the value at ``hook`` put into ``values``, and the forward pass stopped when all are there."""
        module = self._module_of(hook)

        def keep(value: Any) -> None:
            tensor = value[0] if isinstance(value, tuple) else value
            if hook.place.side == "normalised":
                tensor = normalise(tensor, module, self._architecture.norm)
            values[hook.name] = tensor
            if len(values) == len(self._hooks):
                raise _Reached

        def on_output(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            keep(output)

        def on_input(_: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            keep(args[0] if args else kwargs["hidden_states"])

        if hook.place.side == "output":
            return module.register_forward_hook(on_output)
        return module.register_forward_pre_hook(on_input, with_kwargs=True)

    def _layer_paths(self) -> list[str]:
        return [f"{self._architecture.layers}.{i}" for i in range(self.n_layers_built)]

    def _module_of(self, hook: Hook) -> nn.Module:
        above = "" if hook.layer is None else f"{self._architecture.layers}.{hook.layer}"
        return self._model.get_submodule(f"{above}.{hook.place.module}".strip("."))


def read_config(model: str | Path, revision: str | None = None) -> Any:
    """Return the configuration of a language model, by id or directory, without running any code of it.

    Raises
    ------
    ReaderError
        If the model is not there, or of an architecture or configuration that cannot be used.
    """
    with quiet():
        return _read_config(Checkpoint(model, revision))


def _read_config(checkpoint: Checkpoint) -> Any:
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
    except (*_BAD_CONTENT, _STRICT_ERROR) as error:
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


def _read_tokenizer(checkpoint: Checkpoint) -> Any:
    checkpoint.fetch_tokenizer()
    checkpoint.require_bounded_tokenizer()
    try:
        with _BareErrors(checkpoint):
            tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                checkpoint.directory, use_fast=True, local_files_only=True, trust_remote_code=False
            )
    except _BAD_CONTENT as error:
        _refuse(checkpoint, "the tokenizer", error)
    if not getattr(tokenizer, "is_fast", False):
        raise ReaderError(f"{checkpoint.name} has no fast tokenizer (tokenizer.json): offsets need one")
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.model_max_length = 10**30  # or it warns about every text longer than the model's window
    return tokenizer


def _refuse(checkpoint: Checkpoint, what: str, error: Exception) -> NoReturn:
    raise ReaderError(f"{checkpoint.name}: {what} cannot be used: {first_line(error)}") from error


def _has_stray_ids(tokenizer: Any, vocab_size: int, name: str) -> bool:
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


def _build(config: Any, architecture: Architecture, n_layers: int) -> nn.Module:
    """Return the base model with its first layers only, its parameters without storage."""
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
            model: nn.Module = transformers.AutoModel.from_config(
                cut, dtype=torch.float32, attn_implementation=architecture.attention, trust_remote_code=False
            )
    except (*_BAD_CONTENT, _STRICT_ERROR) as error:
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


def _load_weights(
    model: nn.Module,
    wanted: tuple[str, ...],
    checkpoint: Checkpoint,
    weights: Weights,
    dtype: torch.dtype,
    device: torch.device,
) -> None:
    """Give storage to the parameters of the modules in ``wanted``; the others are never used and get none."""
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


def _width(hook: Hook, config: Any) -> int:
    if hook.name.endswith(".attn.hook_z"):
        heads = int(config.num_attention_heads)
        return heads * int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    return int(config.hidden_size)
