"""Attention heads of a causal model: their patterns, and what each writes towards a token's logit.

Patterns are those that transformers' plain attention computes; the fast kinds never form them. Direct effects
leave out what later layers make of a head's output, with the scales of norms held as they are. Not for: what
heads are called (:mod:`saetext.intervene.heads`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor, nn

from saetext.errors import ReaderError
from saetext.reader.causal import CausalModel
from saetext.reader.hooks import normalise

_FINAL = {"gpt2": "ln_f", "gpt_neox": "final_layer_norm"}  # the last norm, by family; elsewhere "norm"

#: Gets the number of a layer and its pattern, float[batch, heads, query, key]; rows add up to 1.
OnPattern = Callable[[int, Tensor], None]


class Heads:
    """The attention heads of a model.

    Parameters
    ----------
    model : CausalModel

    Attributes
    ----------
    n_heads : int
        Heads of a layer, those that ask: fewer keys may be shared among them.
    """

    def __init__(self, model: CausalModel) -> None:
        self.model = model
        self.n_heads = int(model.config.num_attention_heads)
        self._whole, self._base, self._places = model._model, model._base, model._architecture.places
        self._layer_path = model._architecture.layers
        self._norm = model._architecture.norm
        self._final = self._base.get_submodule(_FINAL.get(model.config.model_type, "norm"))
        self._out, self._writes = self._places["attn.hook_z"], self._places["hook_attn_out"]

    def z_hook(self, layer: int) -> str:
        """Return the hook at which the heads' outputs stand side by side."""
        return f"blocks.{layer}.attn.hook_z"

    @property
    def last_hook(self) -> str:
        """The hook at which the last norm reads."""
        return f"blocks.{self.model.n_layers - 1}.hook_resid_post"

    # ---- patterns --------------------------------------------------------------------------------------

    @contextmanager
    def watched(self, on_pattern: OnPattern, layers: Sequence[int] | None = None) -> Iterator[None]:
        """Give the patterns of every forward pass within the block, layer by layer.

        Parameters
        ----------
        on_pattern : callable
        layers : sequence of int, optional
            By default all.

        Raises
        ------
        ReaderError
            In the pass, if the model gives no pattern.
        """
        path = self._out.module.rpartition(".")[0]
        before = self._whole.config._attn_implementation
        with ExitStack() as stack:
            stack.callback(self._whole.set_attn_implementation, before)
            self._whole.set_attn_implementation("eager")
            for layer in range(self.model.n_layers) if layers is None else layers:
                module = self._module(layer, path)
                stack.callback(module.register_forward_hook(_seen(layer, on_pattern)).remove)
            yield

    # ---- what heads write ------------------------------------------------------------------------------

    def readout(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Return the direction of the residual stream along which a token's logit rises, by all tokens' mean.

        Its product with what a module adds to the residual stream is what that adds to the token's logit
        (before a cap on logits) less the mean over all tokens, with the scale of the last norm as it is.

        Parameters
        ----------
        hidden : float[n, width]
            What the last norm reads.
        tokens : int64[n]

        Returns
        -------
        float[n, width]
        """
        table = self._whole.get_output_embeddings().weight
        towards = table[tokens.to(table.device)].to(hidden) - self._mean_row.to(hidden)
        return self._back(self._final, towards, hidden)

    @cached_property
    def _mean_row(self) -> Tensor:
        """What the mean of all tokens' logits is read along."""
        table: Tensor = self._whole.get_output_embeddings().weight
        return table.mean(dim=0, dtype=torch.promote_types(table.dtype, torch.float32))

    def effects(self, layer: int, z: Tensor, along: Tensor) -> Tensor:
        """Return what each head adds along directions of the residual stream.

        Parameters
        ----------
        layer : int
        z : float[n, heads x size]
            The heads' outputs side by side, as at :meth:`z_hook`.
        along : float[n, width]
            As of :meth:`readout`.

        Returns
        -------
        float[n, heads]
        """
        weight = self._matrix(layer).to(z)
        if self._is_normed_again:
            norm = self._module(layer, self._writes.module)
            along = self._back(norm, along, z @ weight.T)
        return (z * (along @ weight)).unflatten(-1, (self.n_heads, -1)).sum(-1)

    @property
    def _is_normed_again(self) -> bool:
        """Whether what attention writes is normed before it is added, as in Gemma 2 and 3."""
        return self._writes.module != self._out.module.rpartition(".")[0]

    def _matrix(self, layer: int) -> Tensor:
        """Return float[width, heads x size]: what maps the heads' outputs to the residual stream."""
        module = self._module(layer, self._out.module)
        weight: Tensor = module.weight  # type: ignore[assignment]
        return weight if isinstance(module, nn.Linear) else weight.T  # GPT-2's is the other way round

    def _module(self, layer: int, path: str) -> nn.Module:
        found: nn.Module = self._base.get_submodule(f"{self._layer_path}.{layer}.{path}".strip("."))
        return found

    def _back(self, norm: nn.Module, along: Tensor, x: Tensor) -> Tensor:
        """Return directions before a norm with the products of ``along`` after it, its scale as at x."""
        centred = x - x.mean(-1, keepdim=True) if self._norm == "layer" else x
        largest = centred.abs().argmax(-1, keepdim=True)
        after, before = (v.gather(-1, largest) for v in (normalise(x, norm, self._norm), centred))
        scale = torch.where(before == 0, 0, after / before)
        back = along * self._gain(norm, x) * scale
        return back - back.mean(-1, keepdim=True) if self._norm == "layer" else back

    def _gain(self, norm: nn.Module, like: Tensor) -> Tensor:
        """Return a norm's weight, float[width]; Gemma's are what is added to 1."""
        probe = torch.ones_like(norm.weight)  # type: ignore[arg-type]
        if self._norm == "layer":
            probe[::2] = -1  # of mean 0
        bias = norm(torch.zeros_like(probe)).to(like)
        return (norm(probe).to(like) - bias) / normalise(probe.to(like), norm, self._norm)


def _seen(layer: int, on_pattern: OnPattern) -> Any:
    def hook(_: nn.Module, args: Any, output: Any) -> None:
        pattern = output[1] if isinstance(output, tuple) and len(output) > 1 else None
        if pattern is None:
            raise ReaderError("the model gives no attention patterns")
        on_pattern(layer, pattern)

    return hook
