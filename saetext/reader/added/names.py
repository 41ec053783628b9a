"""Names of added models: what may be one, and the one that is known from the start.

Not for: names of models on the hub (:mod:`saetext.reader.names`).
"""

from __future__ import annotations

import re
from pathlib import Path

from saetext.errors import InputError
from saetext.reader.names import ALIASES
from saetext.text.one_line import quoted

SMOLLM2 = "smollm2"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_TAKEN = {"embedded", *ALIASES, *(hub for hub in ALIASES.values() if "/" not in hub)} - {SMOLLM2}


def as_name(model: str) -> str | None:
    """Return what a model would be called if it was an added one, None where no such name is possible."""
    name = model.lower()
    return name if _NAME.fullmatch(name) and name not in _TAKEN else None


def require_name(name: str, sha256: str) -> str:
    """Return a name under which a GGUF file of this SHA-256 may be added.

    Raises
    ------
    InputError
        If it is no name, or means another model.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{quoted(name)} cannot be a model's name: at most 64 small letters and digits, with . _ - "
            "between them"
        )
    if name in _TAKEN or (name == SMOLLM2 and sha256 != SMOLLM2_SHA256):
        raise InputError(f"{quoted(name)} means another model: choose a name with --name")
    return name


def name_of_file(path: Path, sha256: str) -> str:
    """Return the name that a GGUF file is added under where none is given."""
    if sha256 == SMOLLM2_SHA256:
        return SMOLLM2
    return re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("._-")[:64].rstrip("._-") or "model"
