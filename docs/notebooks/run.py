"""Run the notebooks in docs/notebooks and keep what their cells show.

    python docs/notebooks/run.py                  run all, and write what they show into them
    python docs/notebooks/run.py release_check    run one

Each runs in a scratch directory with the example's files in ``examples/``, from its first cell to its last; a
cell that fails ends the run. Numbers of runs and the kernel's version are left out of the files, so that a
notebook changes only where what it shows changes. ``tests/test_notebooks.py`` runs them and compares.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NOTEBOOKS = ("release_check", "user_prompts", "own_sae")
#: Seconds that one cell may take.
CELL = 300


def path_of(name: str) -> Path:
    """Return where a notebook is."""
    return HERE / f"{name}.ipynb"


def executed(notebook: Any, folder: Path) -> Any:
    """Return a notebook with what its cells show when they run in a folder.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    shutil.copytree(ROOT / "examples", folder / "examples")
    changed = {"SAETEXT_CACHE": str(folder / ".cache"), "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        made = nbformat.from_dict({**notebook, "metadata": {"language_info": {"name": "python"}}})
        nbclient.NotebookClient(
            made, timeout=CELL, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        ).execute()
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})
    return _tidy(made)


def _tidy(notebook: Any) -> Any:
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
    }
    for number, cell in enumerate(notebook["cells"], 1):
        cell["id"] = f"cell-{number:02}"
        cell["metadata"] = {}
        if cell["cell_type"] == "code":
            cell["execution_count"] = None
            # progress and warnings of libraries are not what the notebook is about
            cell["outputs"] = [o for o in cell["outputs"] if o.get("name") != "stderr"]
            for output in cell["outputs"]:
                output.pop("execution_count", None)
                if output["output_type"] == "execute_result":
                    output["execution_count"] = None
    return notebook


def shown(notebook: Any) -> list[str]:
    """Return what each cell of code shows as text."""
    return [
        "\n".join(
            str(output.get("text") or output.get("data", {}).get("text/plain", "")).rstrip()
            for output in cell["outputs"]
        )
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def main() -> None:
    """Run the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *NOTEBOOKS], metavar="NAME")
    for name in parser.parse_args().names or NOTEBOOKS:
        path = path_of(name)
        with tempfile.TemporaryDirectory() as folder:
            made = executed(nbformat.read(path, as_version=4), Path(folder) / "work")
        text = nbformat.writes(made, indent=1)
        if "/site-packages/" in text or str(ROOT) in text:
            sys.exit(f"{name}: what it shows names a place on this machine")
        path.write_text(text + "\n", "utf-8")
        print(f"{name}: {len(text) / 1000:,.0f} kB")


if __name__ == "__main__":
    main()
