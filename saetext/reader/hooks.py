"""Hook names of transformer-lens -> where the value appears in a Hugging Face model.

One table per architecture, keyed by ``config.model_type``. Names and meanings follow transformer-lens's
``HookedTransformer`` (and ``HookedEncoder`` for BERT) loaded without weight processing, as SAEs were trained.
Not for: running or loading anything; see :mod:`saetext.reader.language_model`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor, nn

from saetext.errors import ReaderError


@dataclass(frozen=True)
class Place:
    """Where a value appears: the input or the output of a module, given by its path below the layer.

    ``normalised`` stands for the input of a norm, normalised but without the norm's weight and bias.
    ``stream`` is an input from which the residual stream goes on as well: a change to it must reach both.
    """

    module: str
    side: Literal["input", "output", "normalised", "stream"]


def _into(module: str) -> Place:
    return Place(module, "input")


def _out_of(module: str) -> Place:
    return Place(module, "output")


def _stream_into(module: str) -> Place:
    return Place(module, "stream")


def _normalised(module: str) -> Place:
    return Place(module, "normalised")


@dataclass(frozen=True)
class Architecture:
    """How one family of models is laid out, paths being those of its base model (without a head).

    Attributes
    ----------
    layers : str
        Path of the list of layers.
    embeddings : tuple of str
        Modules that run before the first layer; the first one embeds the words and gives ``hook_embed``.
    norm : {"layer", "rms"}
        Kind of its norms.
    causal : bool
        Whether a token sees only those before it, unless the configuration says otherwise.
    bidirectional_flag : bool
        Whether ``use_bidirectional_attention`` in the configuration means something to this family.
    attention : {"sdpa", "eager"}
        transformers' attention implementation.
    layer_output : str
        The hook that is a layer's output, which is the next layer's ``hook_resid_pre``.
    places : mapping
        Hook name below ``blocks.L.`` -> place below the layer.
    modules : mapping
        ``attn.hook_out`` and ``mlp.hook_out``, what the attention and the MLP give out themselves: in Gemma 2
        and 3 a norm comes between that and ``hook_attn_out`` or ``hook_mlp_out``, else they are the same.
    """

    layers: str
    embeddings: tuple[str, ...]
    norm: Literal["layer", "rms"]
    places: Mapping[str, Place]
    causal: bool = True
    bidirectional_flag: bool = False
    attention: Literal["sdpa", "eager"] = "sdpa"
    layer_output: str = "hook_resid_post"
    modules: Mapping[str, Place] = field(default_factory=dict)

    @property
    def known_hooks(self) -> str:
        """The hook names of this architecture, for messages."""
        return ", ".join(["hook_embed", *(f"blocks.L.{p}" for p in ("hook_resid_pre", *self.places))])


# x + attn(norm(x)), then y + mlp(norm(y)): Llama, Mistral, Qwen 2 and 3, Gemma 1
_PRE_NORM = {
    "hook_resid_mid": _stream_into("post_attention_layernorm"),
    "hook_resid_post": _out_of(""),
    "hook_attn_out": _out_of("self_attn"),
    "hook_mlp_out": _out_of("mlp"),
    "attn.hook_z": _into("self_attn.o_proj"),
    "ln2.hook_normalized": _normalised("post_attention_layernorm"),
    "hook_mlp_in": _into("post_attention_layernorm"),
    "mlp.hook_in": _into("mlp"),
}

# Gemma 2 and 3 norm each branch again before it is added: what is added is attn_out and mlp_out. Their
# post_attention_layernorm is that second norm, not the one before the MLP.
_SANDWICH = {
    "hook_resid_mid": _stream_into("pre_feedforward_layernorm"),
    "hook_resid_post": _out_of(""),
    "hook_attn_out": _out_of("post_attention_layernorm"),
    "hook_mlp_out": _out_of("post_feedforward_layernorm"),
    "attn.hook_z": _into("self_attn.o_proj"),
    "ln2.hook_normalized": _normalised("pre_feedforward_layernorm"),
    "hook_mlp_in": _into("pre_feedforward_layernorm"),
    "mlp.hook_in": _into("mlp"),
}

_GPT2 = {
    "hook_resid_mid": _stream_into("ln_2"),
    "hook_resid_post": _out_of(""),
    "hook_attn_out": _out_of("attn"),
    "hook_mlp_out": _out_of("mlp"),
    "attn.hook_z": _into("attn.c_proj"),
    "ln2.hook_normalized": _normalised("ln_2"),
    "hook_mlp_in": _into("ln_2"),
    "mlp.hook_in": _into("mlp"),
}

_GPT_NEOX = {
    "hook_resid_mid": _stream_into("post_attention_layernorm"),
    "hook_resid_post": _out_of(""),
    "hook_attn_out": _out_of("attention"),
    "hook_mlp_out": _out_of("mlp"),
    "attn.hook_z": _into("attention.dense"),
    "ln2.hook_normalized": _normalised("post_attention_layernorm"),
    "hook_mlp_in": _into("post_attention_layernorm"),
    "mlp.hook_in": _into("mlp"),
}

# norm(x + attn(x)), then norm(y + mlp(y)). As in HookedEncoder, resid_mid and resid_post are the sums before
# their norms; hook_normalized_resid_post is the layer's output.
_BERT = {
    "hook_resid_mid": _into("attention.output.LayerNorm"),
    "hook_resid_post": _into("output.LayerNorm"),
    "hook_normalized_resid_post": _out_of(""),
    "hook_attn_out": _out_of("attention.output.dense"),
    "hook_mlp_out": _out_of("output.dense"),
    "attn.hook_z": _into("attention.output.dense"),
    "ln2.hook_normalized": _normalised("output.LayerNorm"),
    "hook_mlp_in": _into("attention.output.LayerNorm"),
    "mlp.hook_in": _into("intermediate"),
}


def _modules(attention: str) -> dict[str, Place]:
    return {"attn.hook_out": _out_of(attention), "mlp.hook_out": _out_of("mlp")}


_LLAMA = Architecture("layers", ("embed_tokens",), "rms", _PRE_NORM, modules=_modules("self_attn"))
_GEMMA = replace(_LLAMA, places=_SANDWICH, bidirectional_flag=True)

ARCHITECTURES: dict[str, Architecture] = {
    "gpt2": Architecture("h", ("wte", "wpe"), "layer", _GPT2, modules=_modules("attn")),
    "gpt_neox": Architecture("layers", ("embed_in",), "layer", _GPT_NEOX, modules=_modules("attention")),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma": replace(_LLAMA, bidirectional_flag=True),
    # sdpa cannot cap attention logits, as Gemma 2 does
    "gemma2": replace(_GEMMA, attention="eager"),
    "gemma3_text": _GEMMA,
    "bert": Architecture(
        "encoder.layer",
        (
            "embeddings.word_embeddings",
            "embeddings.position_embeddings",
            "embeddings.token_type_embeddings",
            "embeddings.LayerNorm",
        ),
        "layer",
        _BERT,
        causal=False,
        layer_output="hook_normalized_resid_post",
    ),
}

# Multimodal models whose language model is one of the above, by the model_type of ``text_config``.
NESTED = {"gemma3": "gemma3_text"}


@dataclass(frozen=True)
class Hook:
    """A hook name made concrete.

    Attributes
    ----------
    name : str
        As the caller wrote it.
    layer : int or None
        The layer in which the value appears; None for the embeddings.
    place : Place
        Path below that layer, or below the base model when ``layer`` is None.
    layers_run : int
        Number of layers that must be there, at least in part.
    """

    name: str
    layer: int | None
    place: Place
    layers_run: int


def architecture_of(model_type: str) -> Architecture:
    """Return the layout of a family.

    Raises
    ------
    ReaderError
        If the family is not known; the message lists those that are.
    """
    if model_type not in ARCHITECTURES:
        known = ", ".join(sorted({*ARCHITECTURES, *NESTED}))
        raise ReaderError(f"models of type {model_type!r} cannot be read; known types: {known}")
    return ARCHITECTURES[model_type]


def is_bidirectional(config: Any) -> bool:
    """Return whether tokens of the model described by ``config`` see those after them.

    BERT's do, unless it is a decoder (``is_decoder``). A decoder's do where its configuration says so:
    ``is_causal: false``, which transformers obeys in every family, or ``use_bidirectional_attention: true``,
    which embedding models made from Gemma have. This is the only place that decides it: attention masks, cuts
    of windows and special tokens follow.
    """
    architecture = architecture_of(config.model_type)
    stated = getattr(config, "is_causal", None)
    if stated is False:
        return True
    if architecture.bidirectional_flag and getattr(config, "use_bidirectional_attention", False):
        return True
    return not (architecture.causal or stated or getattr(config, "is_decoder", False))


def resolve(name: str, config: Any) -> Hook:
    """Return where the hook called ``name`` appears in the language model described by ``config``.

    Besides transformer-lens's names, a layer's own path in the Hugging Face model (``model.layers.12``) is
    understood, as sae-lens writes it for SAEs trained without transformer-lens: it means the layer's output.

    Raises
    ------
    ReaderError
        If the architecture has no such hook, or not so many layers.
    """
    architecture = architecture_of(config.model_type)
    if name == "hook_embed":
        return Hook(name, None, _out_of(architecture.embeddings[0]), 0)
    if match := re.fullmatch(r"blocks\.(\d{1,5})\.(\S+)", name):
        layer, point = int(match[1]), match[2]
    elif match := re.fullmatch(rf"(?:\w+\.)*{re.escape(architecture.layers)}\.(\d{{1,5}})", name):
        layer, point = int(match[1]), architecture.layer_output
    else:
        layer, point = 0, ""
    if point == "hook_resid_mid" and getattr(config, "use_parallel_residual", False):
        raise ReaderError(
            f"{name} does not exist in this {config.model_type} model: its attention and MLP both read "
            "hook_resid_pre; use hook_resid_pre or hook_resid_post"
        )
    places = {**architecture.places, **architecture.modules}
    if point != "hook_resid_pre" and point not in places:
        raise ReaderError(f"no hook {name!r} in {config.model_type}; known: {architecture.known_hooks}")
    if layer >= config.num_hidden_layers:
        raise ReaderError(
            f"no hook {name!r}: the model has {config.num_hidden_layers} layers, numbered from 0"
        )
    if point != "hook_resid_pre":
        return Hook(name, layer, places[point], layer + 1)
    if layer == 0:
        return Hook(name, 0, _into(""), 0)
    # what enters a layer is what left the one before, so the layer itself is not needed
    return Hook(name, layer - 1, architecture.places[architecture.layer_output], layer)


def width_of(hook: Hook, config: Any) -> int:
    """Return the size of the last dimension at a hook."""
    if hook.name.endswith(".attn.hook_z"):
        heads = int(config.num_attention_heads)
        return heads * int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    return int(config.hidden_size)


def hook_of_sae(metadata: Mapping[str, Any]) -> str:
    """Return the hook an SAE reads, from the metadata sae-lens gives it.

    That is ``hook_name``, except for the Gemma Scope 2 transcoders: sae-lens names ``hook_mlp_in``, which in
    transformer-lens comes before the norm, while ``hf_hook_name`` and the training say after it, weight
    included.

    Raises
    ------
    ReaderError
        If the metadata names no hook.
    """
    name, hf_name = metadata.get("hook_name"), metadata.get("hf_hook_name")
    if not isinstance(name, str) or not name:
        raise ReaderError("the SAE's metadata names no hook (hook_name)")
    if isinstance(hf_name, str) and hf_name.endswith("pre_feedforward_layernorm.output"):
        return re.sub(r"\.hook_mlp_in$", ".mlp.hook_in", name)
    return name


def normalise(x: Tensor, norm: nn.Module, kind: Literal["layer", "rms"]) -> Tensor:
    """Return ``x`` (float[..., width]) normalised with ``norm``'s epsilon, without its weight and bias.

    Computed in float32 at least, returned in ``x``'s dtype.
    """
    eps = getattr(norm, "eps", None)
    eps = float(norm.variance_epsilon) if eps is None else float(eps)  # type: ignore[arg-type]
    y = x.to(torch.promote_types(x.dtype, torch.float32))
    if kind == "layer":
        y = y - y.mean(-1, keepdim=True)
    return (y * torch.rsqrt(y.square().mean(-1, keepdim=True) + eps)).to(x.dtype)
