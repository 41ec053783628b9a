"""Tensors written to a safetensors file that is whole or absent. Not for: reading them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import saetext.reader.stack  # noqa: F401 - says what is missing

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from saetext.io.files import atomic_path

_NUMBER = re.compile(r"os error (\d+)")


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors by name, and strings beside them in the header.

    Raises
    ------
    OSError
        If it cannot be written; :func:`saetext.io.files.writing` makes a message of it.
    """
    with atomic_path(path) as beside:
        try:
            save_file({n: t.contiguous() for n, t in tensors.items()}, beside, dict(metadata or {}) or None)
        except SafetensorError as error:  # it writes by itself, and so has errors of its own
            found = _NUMBER.search(str(error))
            if found is None:
                raise OSError(str(error)) from error
            raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
