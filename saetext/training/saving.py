"""A trained SAE as a sae-lens directory: ``cfg.json`` and ``sae_weights.safetensors``.

Not for: loading it (:mod:`saetext.reader.weights`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch

from saetext.errors import SaetextError
from saetext.io.files import make_directory, write_atomic
from saetext.reader.published import sae_lens_version, shipped_version
from saetext.training.jumprelu import TrainedSae
from saetext.training.tensor_file import write_tensors


def save_sae(
    sae: TrainedSae,
    directory: Path,
    *,
    hook: str,
    model: str,
    metadata: Mapping[str, Any],
    dtype: str = "float32",
) -> None:
    """Write a sae-lens inference directory (``cfg.json`` and ``sae_weights.safetensors``).

    ``dtype`` is stored on disk: ``float32``, ``float16`` or ``bfloat16``; readers compute in float32.

    Raises
    ------
    SaetextError
        If the directory already holds an SAE.
    """
    if (directory / "cfg.json").exists():
        raise SaetextError(f"{directory} already holds an SAE; choose another directory")
    make_directory(directory)
    kind = getattr(torch, dtype)
    tensors = {
        "W_enc": sae.w_enc,
        "b_enc": sae.b_enc,
        "W_dec": sae.w_dec,
        "b_dec": sae.b_dec,
        "threshold": sae.threshold,
    }
    write_tensors(directory / "sae_weights.safetensors", {k: v.to(kind) for k, v in tensors.items()})
    d_in, d_sae = sae.w_enc.shape
    cfg = {
        "architecture": "jumprelu",
        "d_in": d_in,
        "d_sae": d_sae,
        "dtype": dtype,
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        # without its version sae-lens takes the file for one of its first layout and drops the metadata
        "metadata": {
            "sae_lens_version": sae_lens_version() or shipped_version(),
            "hook_name": hook,
            "model_name": model,
            **metadata,
        },
    }
    # written last: a directory without it is not an SAE
    write_atomic(directory / "cfg.json", (json.dumps(cfg, indent=2) + "\n").encode())
