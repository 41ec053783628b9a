"""Tiny GGUF files, written as llama.cpp's converter writes them, of the models in tiny_models.py.

A helper for tests, not a test. What is written and how it should be read back is worked out here from the
format's definition, without the code under test or transformers' own.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from tiny_models import make_model, make_tokenizer

TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
Floats = NDArray[np.float32]
_GPT2 = {
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
    "ln_1": "attn_norm",
    "ln_2": "ffn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
_SANDWICH = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
_NAMES = {
    **_GPT2,
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def tiny(family: str = "llama", **changes: Any) -> tuple[Any, Any]:
    """Return a model and a tokenizer of a family, of sizes that blocks of 32 values divide."""
    tokenizer = make_tokenizer(family)
    if family == "qwen3":
        changes = {"head_dim": 128, **changes}
    sizes = {"intermediate_size": 64, "vocab_size": len(tokenizer), "max_position_embeddings": 128}
    if family == "gpt2":
        sizes = {"max_position_embeddings": 1024, "vocab_size": len(tokenizer)}
    return make_model(family, **{**sizes, **changes}), tokenizer


def write_gguf(
    path: Path,
    family: str = "llama",
    kind: str = "F32",
    *,
    fields: Mapping[str, Any] | None = None,
    tensors: Callable[[dict[str, Floats]], dict[str, Floats]] | None = None,
    **changes: Any,
) -> dict[str, Floats]:
    """Write a tiny model; return its parameters as the file holds them, by the names Hugging Face gives.

    Parameters
    ----------
    path, family
        Where, and a key of ``tiny_models.FAMILIES``.
    kind : str
        How matrices are stored: F32, F16, BF16, Q8_0 or Q4_1. Vectors are float32.
    fields : mapping, optional
        Fields by their names, instead of or beside those of the model; None leaves one out.
    tensors : callable, optional
        Changes the tensors, by the names in the file, before they are written.
    **changes
        Changes to the model's configuration.
    """
    model, tokenizer = tiny(family, **changes)
    config = model.config
    family = family.removesuffix("_text")
    writer = gguf.GGUFWriter(path, family)
    for name, value in {
        **_model_fields(family, config),
        **_tokenizer_fields(tokenizer),
        **(fields or {}),
    }.items():
        _add(writer, name, value)
    held: dict[str, Floats] = {}
    stored: dict[str, tuple[str, Floats]] = {}
    for name, parameter in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = parameter.float().numpy()
        _, held[name] = as_stored(values, kind if values.ndim == 2 else "F32")
        stored[_file_name(family, name)] = (name, values)
    there = {n: _as_the_family_has_it(family, n, v, config) for n, (_, v) in stored.items()}
    for name, values in (tensors(there) if tensors else there).items():
        _write_tensor(writer, name, values, kind if values.ndim == 2 else "F32")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return held


def _write_tensor(writer: Any, name: str, values: Floats, kind: str) -> None:
    raw, _ = as_stored(values, kind)
    writer.add_tensor(name, raw, raw_dtype=gguf.GGMLQuantizationType[kind])


def as_stored(values: Floats, kind: str) -> tuple[NDArray[Any], Floats]:
    """Return the bytes of a tensor in a GGUF file and the values that they stand for."""
    if kind == "F32":
        return values, values
    if kind == "F16":
        half = values.astype(np.float16)
        return half, half.astype(np.float32)
    if kind == "BF16":
        cut = torch.from_numpy(values).bfloat16()
        return cut.view(torch.int16).numpy().view(np.uint8).reshape(values.shape[0], -1), cut.float().numpy()
    return _blocks(values, kind)


def _blocks(values: Floats, kind: str) -> tuple[NDArray[Any], Floats]:
    """Q8_0: a scale and 32 signed bytes. Q4_1: a scale, a minimum, 32 values of four bits, low ones first."""
    rows, held = [], np.empty_like(values)
    for r, row in enumerate(values):
        line = b""
        for at in range(0, len(row), 32):
            block = row[at : at + 32]
            if kind == "Q8_0":
                scale = np.float16(np.abs(block).max() / 127)
                steps = np.clip(np.round(block / np.float32(scale)), -127, 127).astype(np.int8)
                line += scale.tobytes() + steps.tobytes()
                held[r, at : at + 32] = np.float32(scale) * steps
            else:
                least = np.float16(block.min())
                scale = np.float16((block.max() - block.min()) / 15)
                steps = np.clip(np.round((block - np.float32(least)) / np.float32(scale)), 0, 15).astype(
                    np.uint8
                )
                packed = (steps[:16] | (steps[16:] << 4)).astype(np.uint8)
                line += scale.tobytes() + least.tobytes() + packed.tobytes()
                held[r, at : at + 32] = np.float32(scale) * steps + np.float32(least)
        rows.append(np.frombuffer(line, np.uint8))
    return np.stack(rows), held


def _permuted(name: str, values: Floats, config: Any) -> Floats:
    """Rows of queries and keys as llama.cpp rotates them: neighbours are pairs, not halves of a head."""
    if not name.endswith(("attn_q.weight", "attn_k.weight")):
        return values
    heads = config.num_attention_heads if "attn_q" in name else config.num_key_value_heads
    half = len(values) // heads // 2
    out = np.empty_like(values)
    for head in range(heads):
        for i in range(half):
            start = head * 2 * half
            out[start + 2 * i] = values[start + i]
            out[start + 2 * i + 1] = values[start + half + i]
    return out


def _as_the_family_has_it(family: str, name: str, values: Floats, config: Any) -> Floats:
    """Return values as llama.cpp's converter changes them: rotated pairs, norms about 1, GPT-2's turned."""
    if family == "llama":
        return _permuted(name, values, config)
    if family.startswith("gemma") and "norm" in name:
        return values + 1
    if family == "gpt2" and values.ndim == 2 and name.startswith("blk."):
        return np.ascontiguousarray(values.T)
    return values


def _file_name(family: str, name: str) -> str:
    names = {**_NAMES, **(_SANDWICH if family.startswith("gemma") else {})}
    stem, _, leaf = name.rpartition(".")
    found = re.fullmatch(r"(?:model\.layers|transformer\.h)\.(\d+)\.(.+)", stem)
    return f"blk.{found[1]}.{names[found[2]]}.{leaf}" if found else f"{names[stem]}.{leaf}"


def _model_fields(family: str, config: Any) -> dict[str, Any]:
    if family == "gpt2":
        return {
            "gpt2.block_count": config.n_layer,
            "gpt2.context_length": config.n_positions,
            "gpt2.embedding_length": config.n_embd,
            "gpt2.feed_forward_length": 4 * config.n_embd,
            "gpt2.attention.head_count": config.n_head,
            "gpt2.attention.layer_norm_epsilon": float(config.layer_norm_epsilon),
        }
    rope = config.rope_parameters
    told = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "rope.freq_base": float(rope.get("full_attention", rope)["rope_theta"]),
    }
    if family == "llama":
        told["rope.dimension_count"] = config.head_dim
    if family in ("qwen3", "gemma2", "gemma3"):
        told["attention.key_length"] = config.head_dim
    if family.startswith("gemma"):
        told["attention.sliding_window"] = config.sliding_window
    return {f"{family}.{name}": value for name, value in told.items()}


def _tokenizer_fields(tokenizer: Any) -> dict[str, Any]:
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    merges = [m if isinstance(m, str) else " ".join(m) for m in content["model"]["merges"]]
    special = set(tokenizer.all_special_tokens)
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "padding_token_id": tokenizer.pad_token_id,
    }
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [token for token, _ in tokens],
        "tokenizer.ggml.token_type": [3 if token in special else 1 for token, _ in tokens],
        "tokenizer.ggml.merges": merges,
        "tokenizer.chat_template": TEMPLATE,
        **{f"tokenizer.ggml.{name}": value for name, value in ids.items()},
    }


def _add(writer: Any, name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        writer.add_bool(name, value)
    elif isinstance(value, int):
        writer.add_uint32(name, value)
    elif isinstance(value, float):
        writer.add_float32(name, value)
    elif isinstance(value, str):
        writer.add_string(name, value)
    else:
        writer.add_array(name, value)


def bare(*parts: bytes | int, version: int = 3, tensors: int = 0, fields: int = 0) -> bytes:
    """Return a head with the given counts, whatever follows; whole numbers are of 64 bits."""
    body = b"".join(part if isinstance(part, bytes) else struct.pack("<Q", part) for part in parts)
    return b"GGUF" + struct.pack("<IQQ", version, tensors, fields) + body


def text(value: str) -> bytes:
    """Return a text as the format has it."""
    return struct.pack("<Q", len(value.encode())) + value.encode()
