"""The documentation runs: every console block, every Python block, every link; outputs are current."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from forked_command import forked_command

ROOT = Path(__file__).resolve().parents[1]


def _render() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render", ROOT / "docs" / "render.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


render = _render()


def _commands(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("$ ")]


def _lengths(page: str) -> list[int]:
    return [len(block.splitlines()) for block in re.findall(r"^```console\n(.*?)^```$", page, re.M | re.S)]


def _started_once_per_verb(run: Callable[..., str], forked: Path) -> Callable[[str, Path], str]:
    """Run the first command of each verb as it is installed, those after it without its seconds of start."""
    started: set[str] = set()

    def run_once_started(command: str, folder: Path) -> str:
        new = set(re.findall(r"\bsaetext (\w+)", command)) - started
        started.update(new)
        return run(command, folder, None if new else forked)

    return run_once_started


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All console blocks succeed in order, with the same commands and notes; then the Python blocks run."""
    folder = render.scratch(tmp_path)
    with forked_command(render.environment(folder)) as forked:
        monkeypatch.setattr(render, "run", _started_once_per_verb(render.run, forked))
        for page in render.PAGES:
            old = page.read_text("utf-8")
            new = render.rendered(old, folder)  # raises when a command fails
            assert _commands(new) == _commands(old)
            # another processor rounds differently, which may swap a snippet: length and order of lines stay
            lengths = zip(_lengths(old), _lengths(new), strict=True)
            assert all(abs(before - after) <= 3 for before, after in lengths), page.name
    for page in render.PAGES:
        for block in re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S):
            done = subprocess.run(
                [sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{page.name}:\n{block}\n{done.stderr}"


def test_links_lead_somewhere() -> None:
    others = [ROOT / "examples" / "README.md", ROOT / "benchmarks" / "README.md", *ROOT.glob("*.md")]
    for page in [*render.PAGES, *others]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} -> {target}"
