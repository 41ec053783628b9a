"""The notebooks of the documentation run, and show about what they show in the repository."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
from documentation import ROOT
from shown_outputs import differences


def _run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "notebooks" / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


notebooks = _run()


@pytest.fixture
def reading_once(states: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kernels share hidden states of texts with the pages."""
    start = tmp_path / "ipython" / "profile_default" / "startup"
    start.mkdir(parents=True)
    (start / "share.py").write_text(
        "import sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(ROOT / 'tests')!r}); import shared_states; sys.path.pop(0)\n"
        f"shared_states.share(Path({str(states)!r}))\n"
    )
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


def read(name: str) -> Any:
    return nbformat.read(notebooks.path_of(name), as_version=4)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("reading_once")
@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_each_notebook_runs_and_shows_what_it_says(name: str, tmp_path: Path) -> None:
    kept = read(name)
    made = notebooks.executed(kept, tmp_path / "a b é")
    assert len(notebooks.shown(kept)) == len(notebooks.shown(made))
    for before, after in zip(notebooks.shown(kept), notebooks.shown(made), strict=True):
        wrong = differences(before, after)
        assert not wrong, "\n".join(wrong)


def test_the_notebooks_are_those_in_the_folder_and_are_whole() -> None:
    assert {path.stem for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")} == set(notebooks.NOTEBOOKS)
    for name in notebooks.NOTEBOOKS:
        notebook = read(name)
        nbformat.validate(notebook)
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert code and all(cell["execution_count"] is None for cell in code)
        assert sum(bool(cell["outputs"]) for cell in code) >= len(code) - 1
        text = notebooks.path_of(name).read_text("utf-8")
        assert len(text) < 2_000_000 and not re.search(r"/(home|work|tmp|root)/", text)
