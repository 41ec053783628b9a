"""BERT as an encoder reads texts: the operations of transformers' model, without importing it.

Importing transformers' model for a first text takes longer than all else that a command does: it brings
what compiles, distributes and trains. The same operations in the same order give the same bits (tested), and
modules and parameters have the names that transformers gives them. Not for: what an encoder does not have, a
decoder's cache, cross-attention or heads (:func:`reads` says which configurations it is for).
"""

from __future__ import annotations

from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor, nn
from torch.nn import functional


def reads(config: Any) -> bool:
    """Return whether a configuration is that of a plain encoder."""
    return (
        config.model_type == "bert"
        and config.hidden_act == "gelu"
        and not config.is_decoder
        and not config.add_cross_attention
        and not config.chunk_size_feed_forward
        and config.hidden_size % config.num_attention_heads == 0
    )


class Bert(nn.Module):
    """The base model; its layers and embeddings have no storage until weights are loaded.

    Parameters
    ----------
    config : transformers config
        One that :func:`reads` knows.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = _Encoder(config)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> Tensor:
        """Return the last layer's output; hooks see what comes before it.

        Parameters
        ----------
        input_ids : int64[batch, sequence]
        attention_mask : int64 or bool[batch, sequence], optional
            1 for tokens, 0 for padding.
        """
        mask: Tensor | None = None
        if attention_mask is not None:
            batch, length = input_ids.shape
            mask = attention_mask.bool()[:, None, None, :].expand(batch, 1, length, length)
        value: Tensor = self.embeddings(input_ids)
        for layer in self.encoder.layer:
            value = layer(value, mask)
        return value


class _Embeddings(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, input_ids: Tensor) -> Tensor:
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        value = self.word_embeddings(input_ids) + self.token_type_embeddings(torch.zeros_like(input_ids))
        normed: Tensor = self.LayerNorm(value + self.position_embeddings(positions))
        return normed


class _Encoder(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))


class _Layer(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.intermediate = _Intermediate(config)
        self.output = _Output(config, config.intermediate_size)

    def forward(self, value: Tensor, mask: Tensor | None) -> Tensor:
        value = self.attention(value, mask)
        out: Tensor = self.output(self.intermediate(value), value)
        return out


class _Attention(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.self = _SelfAttention(config)
        self.output = _Output(config, config.hidden_size)

    def forward(self, value: Tensor, mask: Tensor | None) -> Tensor:
        out: Tensor = self.output(self.self(value, mask), value)
        return out


class _SelfAttention(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        width = config.hidden_size
        self._head = width // config.num_attention_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, value: Tensor, mask: Tensor | None) -> Tensor:
        shape = (*value.shape[:-1], -1, self._head)
        query, key, values = (
            part(value).view(shape).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(
            query, key, values, attn_mask=mask, dropout_p=0.0, scale=self._head**-0.5, is_causal=False
        )
        return mixed.transpose(1, 2).contiguous().reshape(value.shape)


class _Intermediate(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)

    def forward(self, value: Tensor) -> Tensor:
        return functional.gelu(self.dense(value))


class _Output(nn.Module):
    """What attention and MLP end with: a product, to which their input is added, and a norm."""

    def __init__(self, config: Any, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, value: Tensor, added_to: Tensor) -> Tensor:
        out: Tensor = self.LayerNorm(self.dense(value) + added_to)
        return out
