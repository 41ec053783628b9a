"""A two-layer attention-only Llama whose heads are made by hand, and tiny models that know some names.

A helper for tests, not a test. Layer 0 head 0 attends to the token before and copies it. Layer 1 head 0 looks
for what came after the same token (induction), head 1 for the same token: itself and its last occurrence. The
other head attends to all alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tiny_models import make_model, make_tokenizer

HEAD, CODE = 64, 32  # size of a head; numbers that stand for a token
HIDDEN = 2 * HEAD
NAMES = ("Anna", "Peter", "Laura", "Simon", "Julia", "Martin")
FAST, SLOW = slice(0, 8), slice(16, 32)  # pairs of a head that turn with the position, and that hardly do
PREVIOUS, INDUCTION, DUPLICATE, EVEN = (0, 0), (1, 0), (1, 1), (0, 1)
_SHARP = 40.0


def named_tokenizer(family: str = "llama") -> Any:
    """Return the tiny tokenizer with some first names as tokens."""
    tokenizer = make_tokenizer(family)
    tokenizer.add_tokens([f" {name}" for name in NAMES])
    return tokenizer


def save_named(family: str, directory: Path, **config: Any) -> Path:
    """Save a tiny random model that knows the names."""
    tokenizer = named_tokenizer(family)
    model = make_model(family, vocab_size=len(tokenizer), max_position_embeddings=300, **config)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def save_planted(directory: Path) -> Path:
    """Save the model whose heads are made by hand."""
    tokenizer = named_tokenizer()
    config = transformers.LlamaConfig(
        hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        intermediate_size=8, max_position_embeddings=300, vocab_size=len(tokenizer), head_dim=HEAD,
        rope_parameters={"rope_theta": 1e8, "rope_type": "default"}, tie_word_embeddings=False,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0 if parameter.ndim == 1 else 0.0)
        code = torch.randint(0, 2, (len(tokenizer), CODE), generator=draw).float() * 2 - 1
        embedding = model.model.embed_tokens.weight
        embedding[:, 0] = 4.0  # the same for every token
        embedding[:, CODE : 2 * CODE] = code  # which token it is; 2 CODE to 3 CODE: which came before
        before, match = (model.model.layers[i].self_attn for i in range(2))
        _previous(before)
        _match(match, head=0, key=2 * CODE)
        _match(match, head=1, key=CODE)
        model.lm_head.weight.copy_(torch.randn(model.lm_head.weight.shape, generator=draw))
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def _previous(attention: Any) -> None:
    """Let the first head's query, turned back by one position, be its key: they meet at the token before."""
    angle = 1e8 ** (-torch.arange(HEAD // 2) / (HEAD // 2))
    pairs = torch.arange(HEAD // 2)[FAST]
    attention.q_proj.weight[pairs, 0] = _SHARP * angle[FAST].cos()
    attention.q_proj.weight[pairs + HEAD // 2, 0] = -_SHARP * angle[FAST].sin()
    attention.k_proj.weight[pairs, 0] = _SHARP
    for i in range(CODE):
        attention.v_proj.weight[i, CODE + i] = 1.0
        attention.o_proj.weight[2 * CODE + i, i] = 1.0


def _match(attention: Any, head: int, key: int) -> None:
    """Let a head's query be the token's code and its key the code that stands at ``key``."""
    half = CODE // 2
    for i in range(CODE):
        # both numbers of the pairs that hardly turn
        to = head * HEAD + (SLOW.start + i if i < half else HEAD // 2 + SLOW.start + i - half)
        attention.q_proj.weight[to, CODE + i] = _SHARP
        attention.k_proj.weight[to, key + i] = _SHARP
