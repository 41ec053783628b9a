"""Writes down which texts are read by a model, in this process and in workers that import this module.

A helper for tests, not a test. The file is named by ``COUNTED_READS``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from saetext.encoding import text_rows

_read = text_rows._read


def _counted(reader: Any, texts: Sequence[str], sae: str) -> Any:
    if path := os.environ.get("COUNTED_READS"):
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write("".join(f"{text}\n" for text in texts))
    return _read(reader, texts, sae)


text_rows._read = _counted


def progress(event: object) -> None:
    """Do nothing: as a setting of an estimator, it is why workers import this module."""
