"""Whose SAE a directory holds, told by its files alone; no torch here. Not for: loading it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from saetext.io.json_file import load

SAE_LENS_WEIGHTS = "sae_weights.safetensors"
SPARSIFY_CONFIG, SPARSIFY_WEIGHTS = "cfg.json", "sae.safetensors"
DL_CONFIG = "config.json"
DL_WEIGHTS = ("ae.safetensors", "ae.pt")  # the first that is there

Kind = Literal["sae_lens", "sparsify", "dictionary_learning"]


def kind_of(path: Path) -> Kind | None:
    """Return which library saved the SAE in a directory; None if it holds none.

    A directory with a damaged ``cfg.json`` is one of sae-lens's: its loader says what is wrong.
    """
    if (path / SAE_LENS_WEIGHTS).is_file():
        return "sae_lens"
    if (path / SPARSIFY_CONFIG).is_file():
        if (path / SPARSIFY_WEIGHTS).is_file():
            return "sparsify"
        cfg = _object(path / SPARSIFY_CONFIG)
        theirs = {"expansion_factor", "num_latents"} & set(cfg) and not {"d_sae", "architecture"} & set(cfg)
        return "sparsify" if theirs else "sae_lens"
    if any((path / name).is_file() for name in DL_WEIGHTS):
        return "dictionary_learning"
    trainer = _object(path / DL_CONFIG).get("trainer")
    return "dictionary_learning" if isinstance(trainer, dict) and "dict_class" in trainer else None


def saes_below(path: Path, *, most: int = 1000) -> list[str]:
    """Return the directories below that hold an SAE, up to two levels down, by their paths from ``path``."""
    found: list[str] = []
    for pattern in ("*", "*/*"):
        for below in sorted(path.glob(pattern))[:most]:
            if below.is_dir() and kind_of(below) is not None:
                found.append(below.relative_to(path).as_posix())
    return found


def _object(path: Path) -> dict[str, Any]:
    try:
        value = load(path, loose=True)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
