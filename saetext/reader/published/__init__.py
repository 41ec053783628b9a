"""The published SAEs that sae-lens can load, found without sae-lens, torch or the network.

``releases.json.xz`` holds what a reader needs of sae-lens's ``pretrained_saes.yaml`` (MIT, see ``LICENSE``
next to it); ``benchmarks/list_published.py`` writes it. Where another version of sae-lens is installed, its
own file is read instead, so that the list is that of the library which will load the SAE. Not for: loading
(:mod:`saetext.reader.weights`).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import lzma
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from saetext.errors import ReaderError
from saetext.io.extras import installed
from saetext.io.json_file import loads
from saetext.io.opener import LARGE, read_bytes, read_text

PATH = Path(__file__).with_name("releases.json.xz")
KEPT = ("model", "repo_id", "conversion_func")  # of a release
KEPT_OF_SAE = ("id", "path", "neuronpedia")


@cache
def pretrained_directory() -> Mapping[str, Mapping[str, Any]]:
    """Return the published SAEs by release.

    Returns
    -------
    mapping
        Release name to ``{"model", "repo_id", "conversion_func", "saes": [{"id", "path", "neuronpedia"}]}``;
        what a release or an SAE does not have is left out.

    Raises
    ------
    ReaderError
        If the list of an installed sae-lens cannot be read.
    """
    if sae_lens_version() in (None, shipped_version()):
        return _shipped()["releases"]
    return read_sae_lens()


@cache
def _shipped() -> dict[str, Any]:
    return dict(loads(lzma.decompress(read_bytes(PATH, LARGE)), most=LARGE))


def shipped_version() -> str:
    """Return the version of sae-lens whose list and file layout saetext was made with."""
    return str(_shipped()["version"])


def sae_lens_version() -> str | None:
    """Return the version of the installed sae-lens, without importing it; None where there is none."""
    try:
        return importlib.metadata.version("sae-lens") if installed("sae_lens") else None
    except importlib.metadata.PackageNotFoundError:
        return None


def read_sae_lens() -> dict[str, dict[str, Any]]:
    """Return the list of the installed sae-lens, from its file, in the form of :func:`pretrained_directory`.

    Raises
    ------
    ReaderError
        If there is no such file, or it is damaged.
    """
    import yaml  # type: ignore[import-untyped]  # which sae-lens brings

    spec = importlib.util.find_spec("sae_lens")
    [folder, *_] = (spec.submodule_search_locations if spec else None) or [""]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        told = yaml.load(read_text(Path(folder) / "pretrained_saes.yaml", LARGE), Loader=loader)
        return {name: _release(about) for name, about in told.items()}
    except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise ReaderError(f"cannot read sae-lens's list of pretrained SAEs: {why}") from error


def _release(about: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {key: str(about[key]) for key in KEPT if about.get(key) is not None}
    kept["saes"] = [
        {key: str(sae[key]) for key in KEPT_OF_SAE if sae.get(key) is not None} for sae in about["saes"]
    ]
    return kept
