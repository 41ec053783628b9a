"""CausalModel: a language model with all of its layers and its head, which writes and can be differentiated.

Everything between the embedding and the logits is transformers' own ``ForCausalLM``; at every hook of
:mod:`saetext.reader.hooks` values can be seen, changed, and differentiated with respect to. Not for: reading
texts into features, which needs the layers up to a hook only (:mod:`saetext.reader.language_model`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor

from saetext.errors import InputError, ReaderError
from saetext.io.request import verb_of_two
from saetext.reader.building import build, load_head, load_weights
from saetext.reader.checkpoint import Checkpoint, Weights
from saetext.reader.configuration import config_of, has_stray_ids, tokenizer_of
from saetext.reader.decoding import Decoder, GenerateRequest, Generation
from saetext.reader.device import choose_device, choose_dtype
from saetext.reader.edits import Edit, Values
from saetext.reader.hooks import architecture_of, is_bidirectional, resolve, width_of
from saetext.reader.prompts import Messages, Prompt, chat_prompt, plain_prompt
from saetext.reader.quiet import quiet
from saetext.reader.watching import watched

Prompts = Sequence[Prompt | str | Messages]


@dataclass(frozen=True)
class Pass:
    """What one forward pass gives.

    Attributes
    ----------
    logits : float[batch, sequence, vocabulary]
        At padding they mean nothing. Where positions were asked for, these alone, in their order.
    hidden : dict of str to float[batch, sequence, width]
        What stood at each hook, after an edit there.
    """

    logits: Tensor
    hidden: dict[str, Tensor]


class CausalModel:
    """A language model that writes; made by :meth:`load`.

    Attributes
    ----------
    name, path, revision, config, dtype, device, tokenizer, max_positions, weight_files_read
        As of :class:`saetext.reader.language_model.LanguageModel`.
    hooks : tuple of str
        Where :meth:`forward` looks unless told otherwise.
    n_layers : int
        Number of layers.
    vocabulary : int
        Number of logits.
    eos_ids : frozenset of int
        Tokens that end a text.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        weights: Weights,
        config: Any,
        hooks: Sequence[str],
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
        self.n_layers = int(config.num_hidden_layers)
        self.vocabulary = int(config.vocab_size)
        self.hooks = tuple(dict.fromkeys(hooks))
        self._standing: list[Callable[[Sequence[Prompt]], Mapping[str, Edit]]] = []
        self._architecture = architecture_of(config.model_type)
        for name in self.hooks:
            resolve(name, config)
        self._model = build(config, self._architecture, self.n_layers, head=True)
        self._base = getattr(self._model, self._model.base_model_prefix)
        every = tuple(name for name, _ in self._base.named_children())
        load_weights(self._base, every, checkpoint, weights, dtype, device)
        load_head(self._model, config, checkpoint, weights, dtype, device)
        self._model.get_output_embeddings().register_forward_pre_hook(_evenly_strided)
        self.weight_files_read = list(weights.files_read)
        self.revision = checkpoint.revision(list(dict.fromkeys(self.weight_files_read)))
        self._stray_ids = has_stray_ids(tokenizer, config.vocab_size, self.name)
        self.eos_ids = _eos_ids(checkpoint, config, tokenizer)

    @classmethod
    def load(
        cls,
        model: str | Path,
        hooks: Sequence[str] = (),
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        trust_pickle: bool = False,
    ) -> CausalModel:
        """Load a model with all of its layers and its head.

        Parameters
        ----------
        model, revision, device, trust_pickle
            As of :meth:`saetext.reader.language_model.LanguageModel.load`.
        hooks : sequence of str
            Hook names as in transformer-lens; see :mod:`saetext.reader.hooks`.
        dtype : {"auto", "float32", "bfloat16", "float16", "float64"}
            ``auto`` takes bfloat16 where the GPU or the processor is fast at it, else float32.

        Raises
        ------
        ReaderError
            If the model is not there, reads only (an encoder), is of an unknown architecture, lacks a hook, a
            tensor or a fast tokenizer, or if dtype or device cannot be had.
        """
        chosen_device = choose_device(device)
        chosen = torch.float64 if dtype == "float64" else choose_dtype(dtype, chosen_device)
        # in a caller's inference mode the weights would be tensors that know no gradients
        with torch.inference_mode(False), quiet():
            checkpoint = Checkpoint(model, revision)
            config = config_of(checkpoint)
            if is_bidirectional(config) or not architecture_of(config.model_type).causal:
                raise ReaderError(f"{checkpoint.name} reads, it cannot write: name a causal model")
            weights = Weights(checkpoint, trust_pickle=trust_pickle)
            tokenizer = tokenizer_of(checkpoint)
            return cls(checkpoint, weights, config, hooks, tokenizer, chosen, chosen_device)

    # ---- prompts ---------------------------------------------------------------------------------------

    def encode_prompt(
        self, prompt: str | Messages, *, system: str | None = None, raw: bool = False
    ) -> Prompt:
        """Return a prompt's token ids, and what stands at each of its positions.

        Parameters
        ----------
        prompt : str or sequence of mappings
            What the user says, or turns with ``role`` and ``content``, the last of them the user's.
        system : str, optional
            A system prompt; without one the model's chat template may put its own.
        raw : bool
            Take ``prompt`` as plain text that the model goes on from, without a chat template.

        Raises
        ------
        InputError
            If the model has no chat template, the prompt is empty or fills the model's window, or its turns
            are none that can be answered.
        ReaderError
            If the chat template cannot write the turns.
        """
        if raw:
            if system is not None or not isinstance(prompt, str):
                raise InputError("a raw prompt is one text: it has no turns and no system prompt")
            made = plain_prompt(self.tokenizer, prompt)
        else:
            made = chat_prompt(self.tokenizer, prompt, system, self.name)
        if self.max_positions is not None and len(made) >= self.max_positions:
            raise InputError(
                f"a prompt has {len(made):,} tokens and leaves no room to write: {self.name} has "
                f"{self.max_positions:,} positions"
            )
        return made

    # ---- one pass --------------------------------------------------------------------------------------

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        *,
        hooks: Sequence[str] | None = None,
        edits: Mapping[str, Edit] | None = None,
        gradients: bool = False,
        keep: Sequence[int] | None = None,
    ) -> Pass:
        """Run the model without a cache.

        Parameters
        ----------
        input_ids : int64[batch, sequence]
            Token ids. Ids of special tokens beyond the model's vocabulary are read as token 0.
        attention_mask : int64 or bool[batch, sequence]
            1 for tokens, 0 for padding, which stands to their right.
        hooks : sequence of str, optional
            Where to look; by default where :meth:`load` was told.
        edits : mapping of str to callable, optional
            Hook name -> what changes the hidden states there: gets float[batch, sequence, width], absolute
            positions int64[batch, sequence] (-1 at padding) and sequence numbers int64[batch], and returns
            the changed hidden states.
        gradients : bool
            Whether logits and hidden states can be differentiated: with respect to the value at a hook
            (``torch.autograd.grad(metric, done.hidden[name])``) and to what the edits' tensors require. The
            weights never require gradients.
        keep : sequence of int, optional
            Positions whose logits are wanted; by default all. The head is a fifth of a small model's work.

        Raises
        ------
        ReaderError
            If there is no such hook, or a normalised value is to be changed or differentiated.
        ValueError
            If there are more tokens than positions, or padding that is not to their right.
        """
        names = self.hooks if hooks is None else tuple(dict.fromkeys(hooks))
        with torch.inference_mode(False):
            ids, positions = self._inputs(input_ids.clone(), attention_mask.clone())
            rows = torch.arange(len(ids), device=self.device)
        values = Values(names, dict(edits or {}), positions, rows, gradients)
        with torch.inference_mode(False), torch.set_grad_enabled(gradients), self._watched(values):
            kept: dict[str, Any] = {} if keep is None else {"logits_to_keep": positions.new_tensor(keep)}
            output = self._model(input_ids=ids, use_cache=False, **kept)
        return Pass(output.logits, values.kept)

    def logits(
        self, input_ids: Tensor, attention_mask: Tensor, *, edits: Mapping[str, Edit] | None = None
    ) -> Tensor:
        """Return the logits of :meth:`forward`, float[batch, sequence, vocabulary], without gradients."""
        return self.forward(input_ids, attention_mask, hooks=(), edits=edits).logits

    def hidden(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        *,
        hooks: Sequence[str] | None = None,
        edits: Mapping[str, Edit] | None = None,
    ) -> dict[str, Tensor]:
        """Return the hidden states of :meth:`forward`, without gradients."""
        return self.forward(input_ids, attention_mask, hooks=hooks, edits=edits).hidden

    def width(self, hook: str) -> int:
        """Return the size of the last dimension at a hook.

        Raises
        ------
        ReaderError
            If there is no such hook.
        """
        return width_of(resolve(hook, self.config), self.config)

    def layers(self) -> list[torch.nn.Module]:
        """Return the layers, from the lowest."""
        return list(self._base.get_submodule(self._architecture.layers).children())

    # ---- writing ---------------------------------------------------------------------------------------

    @verb_of_two(GenerateRequest)
    def generate(self, prompts: Prompts, request: GenerateRequest) -> list[Generation]:
        """Write texts that go on from prompts.

        The sampling noise of a text depends on the seed, its prompt's tokens, the number of the sample and
        the step. So in float32 a text does not depend on what else is written with it, nor on ``batch``; in
        bfloat16, rounding in a batch of another size may turn a close choice.

        Parameters
        ----------
        prompts : sequence of Prompt, str or turns
            As :meth:`encode_prompt` makes them; what else it takes is given to it.

        Returns
        -------
        list of Generation
            By prompt, then by sample.

        Raises
        ------
        InputError
            If an option is out of bounds, or a prompt cannot be used.
        """
        return sorted(self._decoder(prompts, request).run(), key=lambda text: (text.prompt, text.sample))

    @verb_of_two(GenerateRequest)
    def stream(self, prompts: Prompts, request: GenerateRequest) -> Iterator[Generation]:
        """Yield the texts of :meth:`generate` as they are finished; an interrupt leaves those yielded.

        Parameters
        ----------
        prompts : sequence of Prompt, str or turns
            As of :meth:`generate`.
        """
        return self._decoder(prompts, request).run()

    def step(
        self,
        ids: Tensor,
        positions: Tensor,
        rows: Tensor,
        *,
        cache: Any,
        mask: Tensor | None,
        edits: Mapping[str, Edit],
    ) -> Tensor:
        """Feed new tokens to a cache and return the logits after the last one: one step of a decode loop.

        Parameters
        ----------
        ids, positions : int64[batch, n]
            New tokens and their absolute positions.
        rows : int64[batch]
            Number of each sequence, for edits.
        cache : transformers Cache
            What was fed before; grows.
        mask : bool[batch, columns] or None
            Over the whole cache and the new tokens: false at padding, which stands to the left.
        edits : mapping of str to callable
            As of :meth:`forward`.

        Returns
        -------
        float32[batch, vocabulary]
        """
        values = Values((), edits, positions, rows, False)
        with torch.inference_mode(False), torch.no_grad(), self._watched(values):
            logits = self._fed(ids, positions, cache, mask, 1)
        return logits[:, -1].float()

    def read_on(self, ids: Tensor, positions: Tensor, *, cache: Any, mask: Tensor | None) -> Tensor:
        """Feed new tokens to a cache and return the logits after each of them, with no edit.

        Parameters
        ----------
        ids, positions : int64[batch, n]
        cache : transformers Cache
        mask : bool[batch, columns] or None
            As of :meth:`step`; of new tokens padding stands to the right, where nothing reads it.

        Returns
        -------
        float[batch, n, vocabulary]
        """
        with torch.inference_mode(False), torch.no_grad():
            return self._fed(ids, positions, cache, mask, 0)

    def _fed(self, ids: Tensor, positions: Tensor, cache: Any, mask: Tensor | None, keep: int) -> Tensor:
        """Return the logits after the last ``keep`` new tokens, after all of them for 0."""
        output = self._model(
            input_ids=self._known(ids),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        logits: Tensor = output.logits
        return logits

    def _decoder(self, prompts: Prompts, request: GenerateRequest) -> Decoder:
        for name in request.edits or {}:
            resolve(name, self.config)
        if request.forbidden and max(request.forbidden) >= self.vocabulary:
            raise InputError(f"{self.name} has no token {max(request.forbidden)} to forbid")
        made = [p if isinstance(p, Prompt) else self.encode_prompt(p) for p in prompts]
        for standing in self._standing:
            request = request.replace(edits=_composed(request.edits or {}, standing(made)))
        return Decoder(self, made, request)

    @contextmanager
    def edited(self, edits: Callable[[Sequence[Prompt]], Mapping[str, Edit]]) -> Iterator[None]:
        """Edit everything that :meth:`generate` and :meth:`stream` are asked for within the block.

        Parameters
        ----------
        edits : callable
            Gets the prompts of a call and returns its edits, as of :meth:`forward`. They come after those of
            the call itself.

        Raises
        ------
        ReaderError
            In the call, if there is no such hook.
        """
        self._standing.append(edits)
        try:
            yield
        finally:
            self._standing.remove(edits)

    @property
    def is_edited(self) -> bool:
        """Whether a block of :meth:`edited` is open, so that texts are not those of the model alone."""
        return bool(self._standing)

    def _inputs(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return ids and absolute positions, -1 at padding.

        Attention looks back only, so padding on the right is never seen and needs no mask.
        """
        length = input_ids.shape[1]
        if self.max_positions is not None and length > self.max_positions:
            raise ValueError(f"{length} tokens, but {self.name} has {self.max_positions} positions")
        mask = attention_mask.to(self.device).bool()
        if bool((mask[:, 1:] & ~mask[:, :-1]).any()):
            raise ValueError("padding must be to the right of the tokens")
        positions = torch.arange(length, device=self.device).where(mask, -1)
        return self._known(input_ids.to(self.device)), positions

    def _known(self, ids: Tensor) -> Tensor:
        return torch.where(ids < self.vocabulary, ids, 0) if self._stray_ids else ids

    def _watched(self, values: Values) -> Any:
        hooks = [resolve(name, self.config) for name in (*values.edits, *values.names)]
        return watched(self._base, self._architecture, list(dict.fromkeys(hooks)), values.at)


def _composed(first: Mapping[str, Edit], then: Mapping[str, Edit]) -> dict[str, Edit]:
    """Return edits of which those at one hook follow each other."""

    def both(one: Edit, other: Edit) -> Edit:
        return lambda hidden, positions, rows: other(one(hidden, positions, rows), positions, rows)

    shared = {hook: both(first[hook], then[hook]) for hook in first.keys() & then.keys()}
    return {**first, **then, **shared}


def _evenly_strided(_: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Let the last position of a sequence have the strides of a tensor of its own.

    Else torch copies the whole matrix of the head to multiply by it: a second for each prompt.
    """
    hidden = given[0]
    return (hidden.reshape(-1, hidden.shape[-1]).view(hidden.shape), *given[1:])


def _eos_ids(checkpoint: Checkpoint, config: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end a text: the generation settings' or configuration's, and the tokenizer's."""
    settings = checkpoint.json("generation_config.json") if checkpoint.has("generation_config.json") else {}
    found: list[Any] = [tokenizer.eos_token_id]
    stated = settings.get("eos_token_id", config.eos_token_id)
    found += stated if isinstance(stated, list) else [stated]
    return frozenset(i for i in found if isinstance(i, int) and not isinstance(i, bool) and i >= 0)
