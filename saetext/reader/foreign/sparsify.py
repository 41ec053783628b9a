"""SAEs that EleutherAI's sparsify saved: ``cfg.json`` and ``sae.safetensors``, one directory a hook point.

The directory is named after the module of the Hugging Face model whose output the SAE reads (``layers.10``,
``h.3``, ``layers.3.mlp``); with several seeds, it holds ``seed0``, ``seed1``. The run's ``config.json`` lies
above it and names the model. Activation is top-k, or the largest of each of k groups. Not for: transcoders.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.errors import ReaderError
from saetext.io.json_file import load
from saetext.reader.foreign.kinds import SPARSIFY_CONFIG, SPARSIFY_WEIGHTS
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

_NAMES = {
    "W_enc": Stored("encoder.weight", transposed=True),
    "b_enc": Stored("encoder.bias"),
    "W_dec": Stored("W_dec"),
    "b_dec": Stored("b_dec"),
}
_LAYER = re.compile(r"(?:[A-Za-z_0-9]+\.)*?(layers|h)\.(\d{1,5})(?:\.(mlp|self_attn|attention|attn))?")
_BERT = re.compile(r"(?:[A-Za-z_0-9]+\.)*encoder\.layer\.\d{1,5}")
_ABOVE = 3  # levels from an SAE to its run: best/layers.10/seed0


def load_sparsify(path: Path) -> SparseEncoder:
    """Load one SAE of sparsify.

    Raises
    ------
    ReaderError
        If it is no SAE but a transcoder, or a file, a tensor or a setting is missing or cannot be read.
    """
    file = path / SPARSIFY_CONFIG
    cfg = read_object(file)
    _require_sae(cfg, path)
    d_in = width(cfg.get("d_in"), "d_in", file)
    latents = cfg.get("num_latents") or 0
    factor = cfg.get("expansion_factor", 32)
    d_sae = (
        features(latents, "num_latents", file)
        if latents
        else features(d_in * whole(factor, "expansion_factor", file, 1_000_000), "num_latents", file)
    )
    k = whole(cfg.get("k", 32), "k", file, d_sae)
    activation = cfg.get("activation", "topk")
    if activation not in ("topk", "groupmax"):
        raise ReaderError(f"{path}: unknown activation {brief(activation)}; known are topk and groupmax")
    if activation == "groupmax" and d_sae % k:
        raise ReaderError(f"{path}: {d_sae:,} latents cannot be cut into {k:,} equal groups (groupmax)")
    weights = TensorFile(path / SPARSIFY_WEIGHTS, _NAMES)
    if not weights.path.is_file():
        raise ReaderError(f"{path} lacks its weights ({SPARSIFY_WEIGHTS})")
    shapes = {"W_enc": (d_in, d_sae), "b_enc": (d_sae,), "b_dec": (d_in,)}
    weights.require(shapes, SPARSIFY_CONFIG)
    config = SaeConfig(
        architecture=activation,
        d_in=d_in,
        d_sae=d_sae,
        apply_b_dec_to_input=True,
        k=k,
        metadata=_metadata(path, cfg),
        raw=cfg,
    )
    return weights.encoder(config)


def _require_sae(cfg: dict[str, Any], path: Path) -> None:
    if cfg.get("transcode"):
        raise ReaderError(
            f"{path} is a transcoder, not an SAE (transcode in {SPARSIFY_CONFIG}): it rebuilds what a module "
            "gives out from what it takes in; choose an SAE"
        )
    if cfg.get("skip_connection"):
        raise ReaderError(
            f"{path} has a skip connection (skip_connection in {SPARSIFY_CONFIG}), by which part of what it "
            "rebuilds is in no feature; choose an SAE without"
        )
    if cfg.get("signed"):
        raise ReaderError(
            f"{path} has negative activations (signed in {SPARSIFY_CONFIG}), which do not fit presence and "
            "max-pooling; choose another"
        )


def _metadata(path: Path, cfg: dict[str, Any]) -> SaeMetadata:
    run = _run_of(path)
    excluded = run.get("exclude_tokens")
    ids = tuple(i for i in excluded if type(i) is int) if isinstance(excluded, list) else ()
    return SaeMetadata(
        model_name=text_of(cfg, "model_name") or text_of(run, "model"),
        hook_name=text_of(cfg, "hook_name") or _hook(path),
        context_size=context_of(run.get("ctx_len")),
        exclude_special_tokens=ids or None,
    )


def _run_of(path: Path) -> dict[str, Any]:
    """Return the configuration of the run that an SAE is of; empty where only the SAE is there."""
    for above in path.resolve().parents[:_ABOVE]:
        try:
            found = load(above / "config.json", loose=True)
        except (OSError, ValueError):
            continue
        if isinstance(found, dict) and isinstance(found.get("sae"), dict):
            return found
    return {}


def _hook(path: Path) -> str:
    """Return the hook point that the directory's name is, in transformer-lens's names."""
    place = path.resolve()
    named = place.parent.name if re.fullmatch(r"seed\d+", place.name) else place.name
    if _BERT.fullmatch(named):
        return named  # a layer's own path is understood: its output
    if found := _LAYER.fullmatch(named):
        _, layer, module = found.groups()
        if module is None:
            return f"blocks.{layer}.hook_resid_post"
        return f"blocks.{layer}.{'mlp' if module == 'mlp' else 'attn'}.hook_out"
    raise ReaderError(
        f"which hook point does {path} read? sparsify names the directory after it, and {named!r} is none "
        f'that is known: call it layers.10 or layers.10.mlp, or put "hook_name" into {SPARSIFY_CONFIG}'
    )
