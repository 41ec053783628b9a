"""What a lower floor uses of a higher one, by name: the package says who provides it, a call finds it.

A corpus can say what its features are called, a reader can show a text, a result can draw itself, and none
of them imports who does it. Names are given once, where :mod:`saetext` is put together. Not for: anything
that an import downwards can do.
"""

from __future__ import annotations

import importlib
from typing import Any

_TARGETS: dict[str, str] = {}


def provide(**targets: str) -> None:
    """Say what provides a name: ``"module:attribute"``; nothing is imported yet."""
    _TARGETS.update(targets)


def provided(name: str) -> Any:
    """Return what was provided under a name.

    Raises
    ------
    LookupError
        If nothing was.
    """
    if name not in _TARGETS:
        raise LookupError(f"nothing provides {name!r}")
    return resolve(_TARGETS[name])


def resolve(target: str) -> Any:
    """Import ``"module:attribute"``."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def targets() -> dict[str, str]:
    """Return all that is provided, for the test that it is there."""
    return dict(_TARGETS)
