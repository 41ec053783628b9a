"""Packages that are installed but cannot be found, for tests of what happens without them."""

from __future__ import annotations

import sys

import pytest

# for a process of its own: what is named in `hidden` cannot be imported from here on
HIDING = """
import importlib.abc, sys
class _Hiding(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None
sys.meta_path.insert(0, _Hiding())
"""


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Make packages impossible to import until the test ends."""
    for name in list(sys.modules):
        if name.split(".")[0] in packages:
            monkeypatch.delitem(sys.modules, name)
    for name in packages:
        monkeypatch.setitem(sys.modules, name, None)
