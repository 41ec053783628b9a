"""JSON that every reader accepts: no NaN, plain types, text that can be encoded. Not for: reading it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from saetext.text.terminal import in_json


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Return strict JSON that can be encoded: a file name may hold bytes that are not UTF-8.

    Control characters and invisible formatting are escaped, so that it does nothing to a terminal either.
    """
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return in_json(text.encode("utf-8", "replace").decode())


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON types: NaN and infinities as None, NumPy scalars and paths unwrapped."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "__iter__") and not isinstance(value, bytes):
        return [_plain(item) for item in value]
    return str(value)
