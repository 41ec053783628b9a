"""Names of a package that are loaded when first used.

Type checkers do not follow them: a package imports the same names under ``TYPE_CHECKING``. Not for: what a
lower floor uses of a higher one (:mod:`saetext.io.provided`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from saetext.io.provided import resolve


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping of str to str
        The module, within the package, of each name.

    Returns
    -------
    callable
        Imports the module of a name, keeps what it found in the package, and raises :class:`AttributeError`
        for a name without a home.

    Examples
    --------
    >>> find = lazily("saetext.io", {"sync_directory": "files"})
    >>> find("sync_directory").__module__
    'saetext.io.files'
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = resolve(f"{package}.{homes[name]}:{name}")
        vars(sys.modules[package])[name] = value
        return value

    return find
