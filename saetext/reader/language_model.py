"""LanguageModel: a transformers model built, loaded and run only up to the deepest hook asked for.

Not for: text. It takes token ids and gives hidden states; :mod:`saetext.reader.tokenization` says what the
ids are and which of them count, :mod:`saetext.reader.sae` what the hidden states mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor

from saetext.reader.building import build, load_weights
from saetext.reader.checkpoint import Checkpoint, Weights
from saetext.reader.configuration import config_of, has_stray_ids, tokenizer_of
from saetext.reader.device import choose_device, choose_dtype
from saetext.reader.hooks import Hook, architecture_of, is_bidirectional, resolve, width_of
from saetext.reader.quiet import quiet
from saetext.reader.threads import within_quota
from saetext.reader.watching import watched


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
        self._model = build(config, self._architecture, self.n_layers_built)
        wanted = (*self._architecture.embeddings, *self._layer_paths())
        load_weights(self._model, wanted, checkpoint, weights, dtype, device)
        self.weight_files_read = list(weights.files_read)
        self.revision = checkpoint.revision(self.weight_files_read)
        self.widths = {h.name: width_of(h, config) for h in hooks}
        self._stray_ids = has_stray_ids(tokenizer, config.vocab_size, self.name)

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
        within_quota()
        chosen_device = choose_device(device)
        chosen_dtype = choose_dtype(dtype, chosen_device)
        with quiet():
            checkpoint = Checkpoint(model, revision)
            config = config_of(checkpoint)
            places = [resolve(name, config) for name in dict.fromkeys(hooks)]
            weights = Weights(checkpoint, trust_pickle=trust_pickle)
            tokenizer = tokenizer_of(checkpoint)
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

        def keep(hook: Hook, value: Tensor) -> None:
            values[hook.name] = value
            if len(values) == len(self._hooks):
                raise _Reached

        try:
            with watched(self._model, self._architecture, self._hooks, keep):
                self._model(input_ids=ids, attention_mask=mask, use_cache=False)
        except _Reached:
            pass
        return values

    def _layer_paths(self) -> list[str]:
        return [f"{self._architecture.layers}.{i}" for i in range(self.n_layers_built)]
