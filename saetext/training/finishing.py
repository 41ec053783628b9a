"""A finished SAE put in its place: file by file, the one that makes it an SAE last. Not for: making it."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

from saetext.errors import SaetextError
from saetext.io.files import TEMPORARY, atomic_file, make_directory, writing
from saetext.io.opener import open_regular

_LAST = "cfg.json"  # a directory without it is not an SAE


def put_in_output(made: Path, output: Path) -> None:
    """Copy every file of ``made`` into ``output``, which may be on another disk.

    Raises
    ------
    SaetextError
        If it cannot be written; ``made`` is kept.
    """
    names = sorted((path.name for path in made.iterdir()), key=lambda name: (name == _LAST, name))
    with writing(output, SaetextError):
        make_directory(output)
        _sweep(output, names)
        for name in names:
            with open_regular(made / name) as source, atomic_file(output / name) as file:
                shutil.copyfileobj(source, file)


def _sweep(output: Path, names: list[str]) -> None:
    """Remove the half-written copies of these files that a killed run left."""
    ours = re.compile(rf"\.({'|'.join(map(re.escape, names))})\.\d+\.[0-9a-f]{{8}}{re.escape(TEMPORARY)}")
    for path in output.iterdir():
        if ours.fullmatch(path.name):
            with contextlib.suppress(OSError):
                path.unlink()
