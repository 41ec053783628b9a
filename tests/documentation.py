"""The documentation as tests see it: its pages, their blocks, and what runs the commands.

A helper for tests, not a test.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]


def _render() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render", ROOT / "docs" / "render.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


render = _render()


def blocks(page: str, kind: str) -> list[str]:
    """Return the contents of a page's blocks of a kind, ``console`` or ``python``."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page, re.M | re.S)


def verbs(command: str) -> list[str]:
    """Return the verbs of saetext that a shell command has."""
    return re.findall(r"\bsaetext (\w+)", command)


def last_of_each_verb() -> set[tuple[Path, str]]:
    """Return, with their pages, the commands that are the last of the documentation to use some verb.

    The last, since what comes first encodes the texts.
    """
    every = [
        (page, command)
        for page in render.PAGES
        for block in blocks(page.read_text("utf-8"), "console")
        for command in render.commands(block)
    ]
    last = {verb: at for at, (_, command) in enumerate(every) for verb in verbs(command)}
    return {every[at] for at in last.values()}
