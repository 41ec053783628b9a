"""SAEs that dictionary_learning saved: ``config.json`` and ``ae.pt``, a pickled state dict.

``ae.safetensors`` with the same tensors is preferred where it is there; the pickle is read only if it is
trusted, and then by torch's restricted unpickler. Activations are those that the library's ``encode`` gives
after its ``load_dictionary``. Not for: transcoders, or dictionaries over single attention heads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor

from saetext.errors import ReaderError
from saetext.reader.foreign.kinds import DL_CONFIG, DL_WEIGHTS
from saetext.reader.foreign.tensors import (
    Stored,
    TensorFile,
    brief,
    context_of,
    features,
    read_object,
    text_of,
    whole,
    width,
)
from saetext.reader.sae import SparseEncoder
from saetext.reader.sae_config import SaeConfig, SaeMetadata

_LINEAR = {
    "W_enc": Stored("encoder.weight", transposed=True),
    "W_dec": Stored("decoder.weight", transposed=True),
}
_BIAS = {"b_enc": Stored("encoder.bias")}
_OWN = {name: Stored(name) for name in ("W_enc", "b_enc", "W_dec", "b_dec")}


@dataclass(frozen=True)
class _Class:
    """One of the library's classes: what it is to sae-lens, and where its tensors are."""

    architecture: str
    names: Mapping[str, Stored]
    centred: bool = True  # whether the decoder's bias is taken from the input
    one_threshold: bool = False  # one number for all features


_CLASSES = {
    "AutoEncoder": _Class("standard", {**_LINEAR, **_BIAS, "b_dec": Stored("bias")}),
    "AutoEncoderNew": _Class(
        "standard", {**_LINEAR, **_BIAS, "b_dec": Stored("decoder.bias")}, centred=False
    ),
    "GatedAutoEncoder": _Class(
        "gated",
        {
            **_LINEAR,
            "b_dec": Stored("decoder_bias"),
            "b_gate": Stored("gate_bias"),
            "b_mag": Stored("mag_bias"),
            "r_mag": Stored("r_mag"),
        },
    ),
    "JumpReluAutoEncoder": _Class("jumprelu", {**_OWN, "threshold": Stored("threshold")}, centred=False),
    "AutoEncoderTopK": _Class("topk", {**_LINEAR, **_BIAS, "b_dec": Stored("b_dec")}),
    "BatchTopKSAE": _Class("jumprelu", {**_LINEAR, **_BIAS, "b_dec": Stored("b_dec")}, one_threshold=True),
    "MatryoshkaBatchTopKSAE": _Class("jumprelu", _OWN, one_threshold=True),
}
_PLACE = re.compile(
    r"(resid_pre|resid_post|resid_out|resid|mlp_out|mlp|attn_out|attention_out|attn|attention)(?:_layer_?(\d{1,5}))?"
)
_HOOKS = {  # what the library calls a submodule -> its output, its input
    "resid": ("hook_resid_post", "hook_resid_pre"),
    "mlp": ("mlp.hook_out", "mlp.hook_in"),
    "attn": ("attn.hook_out", None),
}


def load_dictionary(path: Path, *, trust_pickle: bool = False) -> SparseEncoder:
    """Load one SAE of dictionary_learning.

    Raises
    ------
    ReaderError
        If it is of a class that cannot be read, pickled and not trusted, or a file, a tensor or a setting is
        missing or contradicts another.
    """
    file = path / DL_CONFIG
    about = read_object(file)
    trainer = about.get("trainer")
    trainer = trainer if isinstance(trainer, dict) else {}
    name = trainer.get("dict_class")
    if not isinstance(name, str) or name not in _CLASSES:
        known = ", ".join(_CLASSES)
        what = (
            f"unknown class {brief(name)}" if name is not None else "config.json names no trainer.dict_class"
        )
        raise ReaderError(f"{path}: {what}; those that can be read are {known}")
    kind = _CLASSES[name]
    hook = _hook(path, about, trainer)
    d_in = width(trainer.get("activation_dim"), "trainer.activation_dim", file)
    d_sae = features(trainer.get("dict_size"), "trainer.dict_size", file)
    weights = TensorFile(_weights(path, trust_pickle), kind.names)
    weights.require(_shapes(kind, d_in, d_sae), DL_CONFIG)
    k = _k(weights, trainer, file, d_sae) if kind.architecture == "topk" else 0
    buffer = about.get("buffer")
    config = SaeConfig(
        architecture=kind.architecture,
        d_in=d_in,
        d_sae=d_sae,
        apply_b_dec_to_input=kind.centred,
        k=k,
        metadata=SaeMetadata(
            model_name=text_of(trainer, "lm_name"),
            hook_name=hook,
            context_size=context_of(buffer.get("ctx_len")) if isinstance(buffer, dict) else None,
        ),
        raw=about,
    )
    return weights.encoder(config, _change(name, kind, weights, d_sae))


def _weights(path: Path, trust_pickle: bool) -> Path:
    for name in DL_WEIGHTS:
        if (path / name).is_file():
            if name.endswith(".pt") and not trust_pickle:
                raise ReaderError(
                    f"the weights of {path} are pickled ({name}), which can run code; save its tensors as "
                    f"{DL_WEIGHTS[0]}, or pass --trust-pickle if you trust their author"
                )
            return path / name
    raise ReaderError(f"{path} lacks its weights ({' or '.join(DL_WEIGHTS)})")


def _shapes(kind: _Class, d_in: int, d_sae: int) -> dict[str, tuple[int, ...]]:
    matrices = {"W_enc": (d_in, d_sae), "W_dec": (d_sae, d_in), "b_dec": (d_in,)}
    return {name: matrices.get(name, (d_sae,)) for name in kind.names}


def _k(weights: TensorFile, trainer: Mapping[str, Any], file: Path, d_sae: int) -> int:
    k = whole(trainer.get("k"), "trainer.k", file, d_sae)
    stored = weights.raw(("k",)).get("k")
    if stored is not None and stored.numel() == 1 and int(stored.item()) != k:
        raise ReaderError(
            f"{weights.path}: k is {int(stored.item())} where {file.name} says {k}; "
            "they do not belong together"
        )
    return k


def _change(
    name: str, kind: _Class, weights: TensorFile, d_sae: int
) -> Callable[[dict[str, Tensor]], dict[str, Tensor]] | None:
    """Return what is done to tensors that were read, for the classes that need something."""
    if kind.one_threshold:
        return _with_one_threshold(weights, d_sae)
    if name == "AutoEncoder":
        return _with_unit_decoder(weights)
    return None


def _with_one_threshold(weights: TensorFile, d_sae: int) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    stored = weights.raw(("threshold",)).get("threshold")
    if stored is None or stored.numel() != 1:
        raise ReaderError(f"{weights.path} lacks the tensor threshold, one number")
    if not float(stored.item()) >= 0:
        raise ReaderError(
            f"{weights.path}: its threshold is {float(stored.item()):g}, it was never set (training ended "
            "before threshold_start_step); without one, far more features are active than it was trained for"
        )
    threshold = stored.reshape(1).expand(d_sae).contiguous()
    return lambda found: {**found, "threshold": threshold}


def _with_unit_decoder(weights: TensorFile) -> Callable[[dict[str, Tensor]], dict[str, Tensor]] | None:
    """Return what moves the length of the decoder's rows into the encoder, as the library does on loading."""
    norm = weights.read(("W_dec",))["W_dec"].norm(dim=1)
    if torch.allclose(norm, torch.ones_like(norm)):
        return None

    def change(found: dict[str, Tensor]) -> dict[str, Tensor]:
        by = {
            "W_enc": norm,
            "b_enc": norm,
            "W_dec": 1 / norm.clamp(min=torch.finfo(norm.dtype).tiny)[:, None],
        }
        return {n: t * by[n] if n in by else t for n, t in found.items()}

    return change


def _hook(path: Path, about: Mapping[str, Any], trainer: Mapping[str, Any]) -> str:
    """Return the hook point: the submodule that the trainer names, else the directory, at the layer."""
    side = _side(path, about)  # a transcoder is none, wherever it reads
    if stated := text_of(trainer, "hook_name"):
        return stated
    layer: Any = trainer.get("layer")
    named = text_of(trainer, "submodule_name")
    places = [named] if named else [p.name for p in (path.resolve(), *path.resolve().parents[:3])]
    found = next((m for m in map(_PLACE.fullmatch, places) if m), None)
    given = found[2] if found and found[2] else layer
    known = isinstance(given, str) or (type(given) is int and 0 <= given <= 99_999)
    if found is None or not known:
        what = f"trainer.submodule_name is {brief(named)}" if named else "trainer.submodule_name is missing"
        raise ReaderError(
            f"which hook point does {path} read? In {DL_CONFIG}, {what}: put resid_post_layer_8, "
            'mlp_out_layer_8 or attn_out_layer_8 there, or "hook_name"'
        )
    number = int(given)
    if type(layer) is int and number != layer:
        raise ReaderError(f"{path}: {found[0]} is of layer {number}, {DL_CONFIG} says layer {layer}")
    if found[1] == "resid_pre":
        return f"blocks.{number}.hook_resid_pre"
    output, into = _HOOKS[found[1].split("_")[0].replace("attention", "attn")]
    hook = output if side == "out" else into
    if hook is None:
        raise ReaderError(
            f"{path} reads what enters the attention, before its norm or after: it does not say"
        )
    return f"blocks.{number}.{hook}"


def _side(path: Path, about: Mapping[str, Any]) -> str:
    buffer = about.get("buffer")
    side = buffer.get("io", "out") if isinstance(buffer, dict) else "out"
    if side in ("in_and_out", "in_to_out"):
        raise ReaderError(
            f"{path} is a transcoder, not an SAE (buffer.io is {side} in {DL_CONFIG}): it rebuilds what a "
            "module gives out from what it takes in; choose an SAE"
        )
    if side not in ("in", "out"):
        raise ReaderError(f"{path}: buffer.io is {brief(side)} in {DL_CONFIG}; known are in and out")
    return str(side)
