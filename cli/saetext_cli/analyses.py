"""The commands of the analyses, from their registry. Not for: what each of them does."""

from __future__ import annotations

import importlib
from types import ModuleType

from saetext.analysis.registry import ANALYSES


def analyses() -> list[ModuleType]:
    """Return the command modules of all analyses, in the order of the registry."""
    return list(dict.fromkeys(importlib.import_module(analysis.command) for analysis in ANALYSES))
