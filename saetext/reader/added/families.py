"""Which families of GGUF files can be used, and what such a file must hold.

The tensors of a file must be exactly those of its family, each of the shape that its fields give: what is
missing would be made up at random by the library that reads the tensors, and what it does not know it leaves
out without a word. Not for: reading them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from saetext.errors import ReaderError
from saetext.io.opener import shown
from saetext.reader.added.header import Header

_TOKENS = "tokenizer.ggml.tokens"
_TOKENIZERS = ("gpt2", "llama")  # byte-level BPE; SentencePiece's BPE
_MOST_LAYERS = 1000

# Shapes are letters: width D, vocabulary V, feed-forward width F, queries Q, keys and values K, head H,
# positions P, three widths T.
_PRE_NORM = {
    "attn_norm.weight": "D",
    "attn_q.weight": "DQ",
    "attn_k.weight": "DK",
    "attn_v.weight": "DK",
    "attn_output.weight": "QD",
    "ffn_norm.weight": "D",
    "ffn_gate.weight": "DF",
    "ffn_up.weight": "DF",
    "ffn_down.weight": "FD",
}
_BIASES = {"attn_q.bias": "Q", "attn_k.bias": "K", "attn_v.bias": "K"}
_HEAD_NORMS = {"attn_q_norm.weight": "H", "attn_k_norm.weight": "H"}
_SANDWICH = {**_PRE_NORM, "post_attention_norm.weight": "D", "post_ffw_norm.weight": "D"}
_OUTER = {"token_embd.weight": "DV", "output_norm.weight": "D"}
_GPT2 = {
    "attn_norm.weight": "D",
    "attn_norm.bias": "D",
    "attn_qkv.weight": "DT",
    "attn_qkv.bias": "T",
    "attn_output.weight": "DD",
    "attn_output.bias": "D",
    "ffn_norm.weight": "D",
    "ffn_norm.bias": "D",
    "ffn_up.weight": "DF",
    "ffn_up.bias": "F",
    "ffn_down.weight": "FD",
    "ffn_down.bias": "D",
}
_GPT2_OUTER = {**_OUTER, "output_norm.bias": "D", "position_embd.weight": "DP"}


@dataclass(frozen=True)
class Family:
    """What a file of a family holds.

    Attributes
    ----------
    layer : mapping
        Tensor below ``blk.N.`` -> letters of its shape.
    outer : mapping
        The other tensors; ``output.weight`` may be there in any family.
    needed : tuple of str
        Fields, below the family's name, without which a library would take another model's value.
    always, never : mapping
        Fields with the one value that is read right, or one that is not.
    """

    layer: Mapping[str, str]
    outer: Mapping[str, str]
    needed: tuple[str, ...]
    always: Mapping[str, int] = field(default_factory=dict)
    never: Mapping[str, int] = field(default_factory=dict)


_EPSILON = "attention.layer_norm_rms_epsilon"
_ROTARY = (_EPSILON, "rope.freq_base")
_SLIDING = (_EPSILON, "attention.key_length", "attention.sliding_window")
FAMILIES: dict[str, Family] = {
    # those of 27B divide queries by another number than the others, and no field says so
    "gemma2": Family(_SANDWICH, _OUTER, _SLIDING, never={"block_count": 46}),
    "gemma3": Family(
        {**_SANDWICH, **_HEAD_NORMS}, _OUTER, (*_SLIDING, "rope.freq_base"), never={"block_count": 62}
    ),
    # transformers passes over this field, and takes what every published GPT-2 has; so with Qwen 3 below
    "gpt2": Family(
        _GPT2,
        _GPT2_OUTER,
        ("attention.layer_norm_epsilon",),
        always={"context_length": 1024},
    ),
    "llama": Family(_PRE_NORM, _OUTER, _ROTARY),
    "qwen2": Family({**_PRE_NORM, **_BIASES}, _OUTER, _ROTARY),
    "qwen3": Family({**_PRE_NORM, **_HEAD_NORMS}, _OUTER, _ROTARY, always={"attention.key_length": 128}),
}


@dataclass(frozen=True)
class Sizes:
    """A model's family and sizes: layers, width, tokens in the vocabulary, positions."""

    family: str
    layers: int
    width: int
    vocabulary: int
    window: int


def sizes_of(header: Header) -> Sizes:
    """Return a model's family and sizes; its tensors are all there, of the shapes that these give.

    Raises
    ------
    ReaderError
        One line: the family is not supported, the tokenizer is missing, a field or a tensor is missing, is
        not known, or does not fit the others.
    """
    name = header.text("general.architecture")
    family = FAMILIES.get(name)
    if family is None:
        known = ", ".join(sorted(FAMILIES))
        told = f"a model of the family {shown(name)}" if name else "a model of no known family"
        raise ReaderError(f"{header.path} holds {told}; supported: {known}")
    _require_tokenizer(header)
    _require_plain_positions(header, name)
    letters = _letters(header, name)
    _require_fields(header, family, name)
    layers = _needed(header, f"{name}.block_count")
    if layers > _MOST_LAYERS:
        raise ReaderError(f"{header.path} cannot be used: it says that it has {layers:,} layers")
    _require_tensors(header, family, layers, letters)
    return Sizes(name, layers, letters["D"], letters["V"], letters["P"])


def _require_fields(header: Header, family: Family, name: str) -> None:
    for needed in family.needed:
        if f"{name}.{needed}" not in header.fields:
            raise ReaderError(f"{header.path} cannot be used: the field {name}.{needed} is missing")
    found = {key: header.whole(f"{name}.{key}") for key in (*family.always, *family.never)}
    wrong = [key for key, value in family.always.items() if found[key] != value]
    if wrong := wrong + [key for key, value in family.never.items() if found[key] == value]:
        raise ReaderError(
            f"{header.path} cannot be used: {name}.{wrong[0]} is {found[wrong[0]]}, and such a model is not "
            "read right from a GGUF file; take it from the Hugging Face hub"
        )


def _require_tokenizer(header: Header) -> None:
    model = header.text("tokenizer.ggml.model")
    tokens = header.length(_TOKENS)
    if not tokens or not model:
        raise ReaderError(f"{header.path} has no tokenizer: take a GGUF file of the whole model")
    if model not in _TOKENIZERS:
        raise ReaderError(f"{header.path} has a tokenizer of a kind that cannot be used: {shown(model)}")
    beside = "tokenizer.ggml.merges" if model == "gpt2" else "tokenizer.ggml.scores"
    if not header.length(beside):
        raise ReaderError(f"{header.path} has half a tokenizer: {beside} is missing")
    stated = header.whole(f"{header.text('general.architecture')}.vocab_size")
    if stated not in (None, tokens):
        raise ReaderError(f"{header.path} cannot be used: {tokens:,} tokens, but a vocabulary of {stated:,}")


def _require_plain_positions(header: Header, name: str) -> None:
    scaling = header.text(f"{name}.rope.scaling.type")
    if scaling not in ("", "none"):
        raise ReaderError(
            f"{header.path} cannot be used: it scales its positions ({shown(scaling)}), which is lost when a "
            "GGUF file is read; take the model from the Hugging Face hub"
        )


def _letters(header: Header, name: str) -> dict[str, int]:
    width = _needed(header, f"{name}.embedding_length")
    heads = _needed(header, f"{name}.attention.head_count")
    groups = header.whole(f"{name}.attention.head_count_kv") or heads
    head = header.whole(f"{name}.attention.key_length") or header.whole(f"{name}.rope.dimension_count")
    if head is None and width % heads:
        raise ReaderError(f"{header.path} cannot be used: {width} values in {heads} heads")
    head = head or width // heads
    return {
        "D": width,
        "V": header.length(_TOKENS),
        "F": _needed(header, f"{name}.feed_forward_length"),
        "Q": heads * head,
        "K": groups * head,
        "H": head,
        "P": _needed(header, f"{name}.context_length"),
        "T": 3 * width,
    }


def _needed(header: Header, name: str) -> int:
    value = header.whole(name)
    if value is None:
        raise ReaderError(f"{header.path} cannot be used: the field {name} is missing")
    return value


def _require_tensors(header: Header, family: Family, layers: int, letters: Mapping[str, int]) -> None:
    wanted = dict(family.outer)
    if "output.weight" in header.tensors:
        wanted["output.weight"] = "DV"
    for layer in range(layers):
        wanted |= {f"blk.{layer}.{tensor}": shape for tensor, shape in family.layer.items()}
    for tensor, shape in wanted.items():
        expected = tuple(letters[letter] for letter in shape)
        found = header.tensors.get(tensor)
        if found is None:
            raise ReaderError(f"{header.path} cannot be used: the tensor {tensor} is missing")
        if found != expected:
            raise ReaderError(
                f"{header.path} cannot be used: the tensor {tensor} has the shape {list(found)}, its fields "
                f"ask for {list(expected)}"
            )
    if unknown := sorted(header.tensors.keys() - wanted.keys()):
        raise ReaderError(
            f"{header.path} cannot be used: its tensor {shown(unknown[0])} belongs to no "
            f"{header.text('general.architecture')} model as transformers reads it from a GGUF file"
        )
