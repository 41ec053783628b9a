"""Small random SAEs of every sae-lens architecture, made and saved by sae-lens itself.

Import it from tests only: it takes as long as sae-lens does to import (some ten seconds, once).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

ARCHITECTURES = (
    "standard",
    "gated",
    "topk",
    "jumprelu",
    "matching_pursuit",
    "transcoder",
    "skip_transcoder",
    "jumprelu_transcoder",
    "jumprelu_skip_transcoder",
)


def tiny_sae(
    architecture: str,
    *,
    d_in: int = 32,
    d_sae: int = 64,
    seed: int = 0,
    hook_name: str = "blocks.1.hook_resid_pre",
    model_name: str = "tiny",
    metadata: dict[str, Any] | None = None,
    **cfg: Any,
) -> Any:
    """Return a sae-lens inference SAE whose tensors are all random (none is left at zero).

    About a tenth of the features are active on inputs of unit variance. ``cfg`` goes to sae-lens's
    configuration: ``k``, ``normalize_activations``, ``apply_b_dec_to_input``, ...
    """
    from sae_lens.registry import get_sae_class
    from sae_lens.saes.sae import SAEMetadata

    kind, config_kind = get_sae_class(architecture)
    about = {"hook_name": hook_name, "model_name": model_name, "prepend_bos": False, **(metadata or {})}
    options: dict[str, Any] = {"d_in": d_in, "d_sae": d_sae, "metadata": SAEMetadata(**about)}
    if architecture == "topk":
        options["k"] = min(6, d_sae)
    if architecture == "matching_pursuit":
        options["max_iterations"] = 5
    if "transcoder" in architecture:
        options |= {"d_out": d_in + 3, "apply_b_dec_to_input": False}
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sae = kind(config_kind(**{**options, **cfg}))
    with torch.no_grad():
        for name, tensor in sorted(sae.named_parameters()):
            tensor.copy_(normal(*tensor.shape))
            if name == "W_enc":
                tensor /= d_in**0.5
            elif name == "W_dec" and architecture == "matching_pursuit":
                tensor /= tensor.norm(dim=-1, keepdim=True)
            elif name in ("b_enc", "b_gate"):
                tensor.mul_(0.3).sub_(1.0)
            elif name in ("b_mag", "b_dec", "r_mag"):
                tensor.mul_(0.3)
            elif name == "threshold":
                tensor.mul_(0.3).add_(0.3)
    return sae.eval()


def save_tiny_sae(directory: Path, architecture: str, **options: Any) -> Path:
    """Save :func:`tiny_sae` with sae-lens's own ``save_model`` and return the directory."""
    sae = tiny_sae(architecture, **options)
    sae.save_model(directory)
    return directory
